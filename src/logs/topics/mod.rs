//! What a source's lines are about: its templates in a few dozen topics with names.
//!
//! Templates are points (`features`) that average linkage joins (`clusters`); of the methods that were compared it
//! changes least when templates come and go. Synchronous; no clock and no chance: the same templates give the same topics,
//! in whatever order they come.

mod clusters;
mod features;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::TemplateId;
use crate::signal::TimestampMs;

/// What the topic is called of templates that fit nowhere.
const OTHER: &str = "other";

/// A template of a source.
#[derive(Clone, Copy, Debug)]
pub struct Template<'a> {
    /// Its id; no other of the source has it.
    pub id: TemplateId,
    /// Its text, `<*>` where lines differ.
    pub text: &'a str,
    /// Its lines.
    pub lines: u64,
    /// Event time of its first line.
    pub first: TimestampMs,
}

/// Templates that are about the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// By what it is known: a hash of the source and of its oldest template; or that of the topic before which it goes on.
    pub id: u64,
    /// A few words that set it apart from the other topics of the source; distinct among them.
    pub name: String,
    /// Its templates, those with most lines first.
    pub templates: Vec<TemplateId>,
}

/// The topics of a source, those with most lines first and what fits nowhere last: 40 at most. Each template is in one.
/// `source` tells the source from others of its tenant; `previous` is what was told of it before.
#[must_use]
pub fn topics(source: u64, templates: &[Template<'_>], previous: &[Topic]) -> Vec<Topic> {
    let mut templates = templates.to_vec();
    templates.sort_by_key(|template| (std::cmp::Reverse(template.lines), template.id.0));
    let texts: Vec<_> = templates.iter().map(|template| template.text).collect();
    let lines: Vec<_> = templates.iter().map(|template| template.lines).collect();
    let clusters::Grouped { groups, others } = clusters::group(&features::points(&texts), &lines);
    let of = |rows: &Vec<usize>| rows.iter().map(|row| templates[*row]).collect::<Vec<_>>();
    let mut groups: Vec<Vec<Template<'_>>> = groups.iter().map(of).collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(lines_of(group)), group.first().map(|template| template.id.0)));
    let other = Topic {
        id: xxh3_64_with_seed(OTHER.as_bytes(), source),
        name: OTHER.to_owned(),
        templates: of(&others).iter().map(|template| template.id).collect(),
    };
    let ids = ids(source, &groups, previous, other.id);
    let names = names::names(&groups.iter().map(|group| weighed(group)).collect::<Vec<_>>());
    let named = groups.iter().zip(ids).zip(names).map(|((group, id), name)| {
        let name = if name == OTHER { format!("{name} (2)") } else { name };
        Topic { id, name, templates: group.iter().map(|template| template.id).collect() }
    });
    named.chain((!other.templates.is_empty()).then(|| other.clone())).collect()
}

fn lines_of(group: &[Template<'_>]) -> u64 {
    group.iter().map(|template| template.lines).sum()
}

/// Texts, with what they weigh in a name: a template with many lines more than one with few, but not all.
fn weighed<'a>(group: &[Template<'a>]) -> Vec<(&'a str, f64)> {
    group.iter().map(|template| (template.text, 1.0 + (template.lines.max(1) as f64).ln())).collect()
}

/// An id for each group: of the earlier topic with which it shares most lines, while that goes on in no other; else by its
/// oldest template whose id is free.
fn ids(source: u64, groups: &[Vec<Template<'_>>], previous: &[Topic], other: u64) -> Vec<u64> {
    let before: HashMap<TemplateId, u64> = previous
        .iter()
        .filter(|topic| topic.id != other)
        .flat_map(|topic| topic.templates.iter().map(|template| (*template, topic.id)))
        .collect();
    let mut shared = HashMap::<(usize, u64), u64>::new();
    for (number, group) in groups.iter().enumerate() {
        for template in group {
            if let Some(topic) = before.get(&template.id) {
                *shared.entry((number, *topic)).or_default() += template.lines.max(1);
            }
        }
    }
    let mut shared: Vec<_> = shared.into_iter().collect();
    shared.sort_unstable_by_key(|((number, topic), lines)| (std::cmp::Reverse(*lines), *number, *topic));
    let mut ids = vec![None; groups.len()];
    let mut taken = HashSet::from([other]);
    for ((number, topic), _) in shared {
        if ids[number].is_none() && taken.insert(topic) {
            ids[number] = Some(topic);
        }
    }
    let new = |group: &Vec<Template<'_>>, taken: &mut HashSet<u64>| {
        let mut oldest = group.clone();
        oldest.sort_unstable_by_key(|template| (template.first, template.id.0));
        let hash = |id: u64| xxh3_64_with_seed(&id.to_le_bytes(), source);
        let (ids, numbered) = (oldest.iter().map(|template| hash(template.id.0)), (0..).map(hash));
        // None is free when each of its templates once made a topic that went on elsewhere.
        ids.chain(numbered).find(|id| taken.insert(*id)).unwrap_or(other)
    };
    let ids = groups.iter().zip(ids).map(|(group, id)| id.unwrap_or_else(|| new(group, &mut taken)));
    ids.collect()
}
