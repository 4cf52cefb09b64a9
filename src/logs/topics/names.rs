//! What topics are called: the words that set them apart, in the order in which their commonest template says them.

use std::collections::{HashMap, HashSet};

use crate::logs::words::words;

/// Words of a name, unless there are fewer.
const SAID: usize = 3;
/// Words of a template that are looked at.
const LOOKED_AT: usize = 64;
/// Words that say little; they are in names for want of others.
const WEAK: [&str; 38] = [
    "an", "and", "are", "as", "at", "be", "been", "by", "can", "did", "do", "does", "for", "from", "has", "have", "in",
    "is", "it", "its", "no", "not", "of", "on", "or", "than", "that", "the", "this", "to", "was", "will", "with",
    "debug", "info", "warn", "warning", "error",
];
/// Letters of a template without words that name it.
const LETTERS: usize = 40;

/// A name for each group of texts, each distinct and none empty. Texts come with weights; the first of a group is its
/// commonest.
pub(super) fn names(groups: &[Vec<(&str, f64)>]) -> Vec<String> {
    let held: Vec<_> = groups.iter().map(|group| weights(group)).collect();
    let mut everywhere = HashMap::<&str, f64>::new();
    for (word, weight) in held.iter().flatten() {
        *everywhere.entry(word).or_default() += weight;
    }
    let sum = |group: &[(&str, f64)]| group.iter().map(|(_, weight)| weight).sum::<f64>();
    let all: f64 = groups.iter().map(|group| sum(group)).sum();
    let mut taken = HashSet::new();
    let mut names = Vec::new();
    for (group, held) in groups.iter().zip(&held) {
        let (mine, rest) = (sum(group).max(f64::MIN_POSITIVE), (all - sum(group)).max(f64::MIN_POSITIVE));
        let typical = |word: &str| {
            let here = held.get(word).copied().unwrap_or_default();
            let elsewhere = everywhere.get(word).copied().unwrap_or_default() - here;
            let (here, elsewhere) = (here / mine, (elsewhere / rest).max(0.0));
            here * ((here + 0.01) / (elsewhere + 0.01)).ln()
        };
        let name = name(group.first().map_or("", |(text, _)| text), typical, &taken);
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

/// Weight of the texts that hold a word.
fn weights(group: &[(&str, f64)]) -> HashMap<String, f64> {
    let mut weights = HashMap::new();
    for (text, weight) in group {
        let held: HashSet<_> = words(text).take(LOOKED_AT).collect();
        held.into_iter().for_each(|word| *weights.entry(word).or_default() += weight);
    }
    weights
}

fn name(text: &str, typical: impl Fn(&str) -> f64, taken: &HashSet<String>) -> String {
    let mut said: Vec<(usize, String)> = Vec::new();
    for word in words(text).take(LOOKED_AT) {
        if said.iter().all(|(_, known)| *known != word) {
            said.push((said.len(), word));
        }
    }
    let is_telling = |(_, word): &(usize, String)| !WEAK.contains(&&**word);
    if said.iter().filter(|word| is_telling(word)).count() > 1 {
        said.retain(is_telling);
    }
    // Equally typical ones in their order.
    said.sort_by(|a, b| typical(&b.1).total_cmp(&typical(&a.1)));
    said.truncate(SAID);
    said.sort_unstable();
    let name = said.into_iter().map(|(_, word)| word).collect::<Vec<_>>().join(" ");
    let name = match (name.is_empty(), text.trim()) {
        (false, _) => name,
        (true, "") => "without words".to_owned(),
        (true, text) => text.chars().take(LETTERS).collect(),
    };
    let numbered = (2..).map(|number| format!("{name} ({number})"));
    std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_set_apart_in_their_order() {
        let groups = [
            vec![("INFO sshd: session opened for user <*>", 3.0), ("INFO sshd: session closed for user <*>", 2.0)],
            vec![("INFO kernel: Initializing CPU <*>", 1.0), ("INFO kernel: CPU <*> is up", 1.0)],
            vec![("<*> <*>", 1.0)],
            vec![("", 1.0)],
            vec![("it is up", 1.0)],
        ];
        let names = names(&groups);
        assert_eq!(names, ["sshd session user", "kernel initializing cpu", "<*> <*>", "without words", "it is up"]);
    }

    #[test]
    fn names_are_distinct() {
        let groups = ["order stored", "order stored", "order stored <*>", "<*>", "<*>"];
        let groups: Vec<_> = groups.iter().map(|text| vec![(*text, 1.0)]).collect();
        let told = names(&groups);
        assert_eq!(told, ["order stored", "order stored (2)", "order stored (3)", "<*>", "<*> (2)"]);
    }
}
