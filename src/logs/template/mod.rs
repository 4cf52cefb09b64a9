//! Templates: which lines are the same message with other values.
//!
//! A *leaf* is an exact sequence of masked tokens; a *template* is a set of leaves that only ever grows and is only ever
//! merged with others, the oldest number stays. Its text is refined: a place shows the constant while all leaves agree. The
//! method is our own, measured beside Drain3 and others (docs/accuracy.md); it is deterministic, and has no settings.

mod form;
mod unit;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

use form::{Form, Signature, chain};
use unit::{Kind, Readiness, Unit};

use super::{Pattern, mask::VALUE, sorted};

/// So many different plain words at one place make it a value.
const WORDS: usize = 4;
/// The same for the first word, states and truth values.
const STATES: usize = 64;
/// So many templates that differ in the same several words make each of them a value.
const SEVERAL: usize = 8;
/// Templates with the same first word and shape that are looked at for that.
const ALIKE: usize = 256;
/// Contexts of words that are kept, and templates of each.
const CONTEXTS: usize = 4_096;
/// Merges that follow from a merge, one in the other.
const DEPTH: usize = 64;

/// Where a unit is: token, and unit in it.
type Spot = (usize, usize);

/// Number of a template in its [`Templates`]; those that were merged keep theirs as aliases.
pub(super) type Number = u32;

/// Name of a template: the hash of the first masked line it was made of, so that it is the same wherever and whenever that
/// line comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TemplateId(pub u64);

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Template {
    id: TemplateId,
    /// Itself, or what it was merged into.
    parent: Number,
    form: Form,
    /// Whether it holds words that became values, so that it may cover other forms.
    is_wide: bool,
    /// How often its text has changed.
    changes: u32,
}

/// What was seen at one place while everything else was the same.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Place {
    /// Hashes of the words, each with the template that had it last.
    words: Vec<(u64, Number)>,
    has_value: bool,
    has_state: bool,
}

/// All templates of one source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Templates {
    templates: Vec<Template>,
    #[serde(with = "sorted::map")]
    by_signature: HashMap<u64, Number>,
    #[serde(with = "sorted::map")]
    places: HashMap<u64, Place>,
    /// Templates with words that became values, by number of tokens, in the order in which they did.
    #[serde(with = "sorted::map")]
    wide: HashMap<usize, Vec<Number>>,
    /// Templates by number of tokens.
    #[serde(with = "sorted::map")]
    by_length: HashMap<usize, Vec<Number>>,
    /// Contexts in which a word became a value, and templates by the contexts of their words.
    #[serde(with = "sorted::set")]
    slots: HashSet<u64>,
    #[serde(with = "sorted::map")]
    contexts: HashMap<u64, Vec<Number>>,
    #[serde(with = "sorted::map")]
    alike: HashMap<u64, VecDeque<Number>>,
    depth: usize,
    /// Stands for those that were forgotten.
    other: Option<Number>,
    /// Those that people have named: they take over what they hold, and nothing takes them over.
    own: Vec<Number>,
    /// Pairs of what was merged and into what, since they were last asked for.
    merged: Vec<(Number, Number)>,
}

impl Templates {
    /// Number of templates that were ever made, merged ones included.
    pub(super) fn made(&self) -> usize {
        self.templates.len()
    }

    /// What a template was merged into, or itself.
    pub(super) fn root(&self, mut number: Number) -> Number {
        while let Some(template) = self.templates.get(number as usize)
            && template.parent != number
        {
            number = template.parent;
        }
        number
    }

    /// The id of a template, or of what it was merged into.
    pub(super) fn id(&self, number: Number) -> TemplateId {
        self.templates[self.root(number) as usize].id
    }

    /// All ids that lines of the templates with these ids were given: their own, and those of their aliases.
    pub(super) fn ids_of(&self, ids: &[TemplateId]) -> Vec<TemplateId> {
        let ids: HashSet<TemplateId> = ids.iter().copied().collect();
        let numbers = 0..self.templates.len() as Number;
        let own = |number: &Number| self.templates[*number as usize].id;
        let roots: HashSet<Number> =
            numbers.clone().filter(|number| ids.contains(&own(number))).map(|number| self.root(number)).collect();
        if roots.is_empty() {
            return Vec::new();
        }
        numbers.filter(|number| roots.contains(&self.root(*number))).map(|number| own(&number)).collect()
    }

    /// Text of a template, values as `<*>`.
    pub(super) fn text(&self, number: Number) -> String {
        self.form(self.root(number)).shown()
    }

    /// Text of a template with one byte for each value, and how often it has changed.
    pub(super) fn form_of(&self, number: Number) -> (u32, impl FnOnce() -> Vec<u8>) {
        let Template { form, changes, .. } = &self.templates[self.root(number) as usize];
        (*changes, || form.text())
    }

    /// What was merged, and into what, since it was last asked.
    pub(super) fn take_merged(&mut self) -> Vec<(Number, Number)> {
        std::mem::take(&mut self.merged)
    }

    /// The template of a masked line, which is not known.
    pub(super) fn place(&mut self, masked: &[u8]) -> Number {
        self.place_form(Form::of(masked))
    }

    /// The template of a pattern. What is known and is held by it becomes an alias.
    pub(super) fn own(&mut self, pattern: &Pattern) -> Number {
        let form = Form::of(pattern.masked());
        let id = TemplateId(form::hash(&form.text()));
        if let Some(known) = self.own.iter().find(|known| self.templates[**known as usize].id == id) {
            return *known;
        }
        let number = self.add(form);
        let is_held = |known: &Number| self.is_open(*known) && pattern.holds(&self.form(*known).text());
        let held: Vec<Number> = (0..number).filter(is_held).collect();
        held.iter().for_each(|known| self.merge(*known, number));
        self.own.push(number);
        if !held.is_empty() {
            self.enter_anew();
        }
        number
    }

    fn form(&self, number: Number) -> &Form {
        &self.templates[number as usize].form
    }

    fn is_root(&self, number: Number) -> bool {
        self.templates[number as usize].parent == number
    }

    fn place_form(&mut self, mut form: Form) -> Number {
        form.fill_slots(|context| self.slots.contains(&context));
        let signature = form.signature();
        if let Some(known) = self.by_signature.get(&signature.hash) {
            let known = self.root(*known);
            let Template { form: own, changes, .. } = &mut self.templates[known as usize];
            if own.signature().hash == signature.hash && own.absorb(&form) {
                *changes += 1;
            }
            return known;
        }
        if let Some(wide) = self.wide.get(&form.tokens.len())
            && let Some(known) = wide.iter().find(|known| self.is_root(**known) && self.form(**known).covers(&form))
        {
            return *known;
        }
        let number = self.add(form);
        self.enter(number);
        self.root(number)
    }

    fn add(&mut self, form: Form) -> Number {
        let number = self.templates.len() as Number;
        let id = TemplateId(form::hash(&form.text()));
        self.templates.push(Template { id, parent: number, form, is_wide: false, changes: 0 });
        number
    }

    /// Makes a template known, and merges it with those that it is one with.
    fn enter(&mut self, number: Number) {
        let Template { form, is_wide, .. } = &self.templates[number as usize];
        let length = form.tokens.len();
        self.by_signature.insert(form.signature().hash, number);
        self.by_length.entry(length).or_default().push(number);
        if *is_wide {
            self.wide.entry(length).or_default().push(number);
        }
        for place in form.places(Kind::Constant) {
            let Some(context) = form.context(place) else { continue };
            if self.contexts.len() < CONTEXTS || self.contexts.contains_key(&context) {
                let known = self.contexts.entry(context).or_default();
                if known.len() < ALIKE {
                    known.push(number);
                }
            }
        }
        self.generalise(number);
        if self.is_root(number) {
            self.generalise_several(number);
        }
    }

    /// Forgets templates: they become aliases of one that stands for all that were forgotten. What was noted of them goes.
    pub(super) fn forget(&mut self, gone: &[Number]) {
        let other = match self.other {
            Some(other) => other,
            None => self.add(Form::of(&[VALUE])),
        };
        self.other = Some(other);
        let gone: Vec<Number> = gone.iter().copied().filter(|number| self.is_open(*number)).collect();
        gone.into_iter().for_each(|number| self.merge(number, other));
        self.enter_anew();
    }

    /// Whether a template may still become part of another.
    fn is_open(&self, number: Number) -> bool {
        self.is_root(number) && self.other != Some(number) && !self.own.contains(&number)
    }

    /// Forgets what was noted, and makes those known again that there are.
    fn enter_anew(&mut self) {
        self.by_signature = HashMap::new();
        self.places = HashMap::new();
        self.wide = HashMap::new();
        self.by_length = HashMap::new();
        self.contexts = HashMap::new();
        self.alike = HashMap::new();
        for number in 0..self.templates.len() as Number {
            if self.is_open(number) {
                self.enter(number);
            }
        }
    }

    /// Notes what a template has at each place, and makes the first place a value where that is enough.
    fn generalise(&mut self, number: Number) {
        if self.depth == DEPTH {
            return;
        }
        self.depth += 1;
        if let Some((templates, form, context)) = self.find_value(number) {
            self.unite(templates, form, context);
        }
        self.depth -= 1;
    }

    /// The templates that differ from this one at a place that has seen enough, and their common form.
    fn find_value(&mut self, number: Number) -> Option<(Vec<Number>, Form, Option<u64>)> {
        let form = self.form(number).clone();
        let signature = form.signature();
        let words = form.tokens.iter().flatten().filter(|unit| unit.is_word()).count();
        let mut is_first = true;
        for (p, token) in form.tokens.iter().enumerate() {
            for (q, unit) in token.iter().enumerate() {
                if matches!(unit.kind, Kind::Delimiter | Kind::Number) {
                    continue;
                }
                let is_head = is_first && unit.is_word();
                is_first &= !is_head;
                let is_value = unit.kind == Kind::Loose;
                let key = signature.without_unit(p, q);
                let place = self.places.entry(key).or_default();
                place.note(if is_value { Signature::of_value() } else { form::hash(&unit.text) }, number);
                place.has_value |= is_value;
                place.has_state |= !is_value && Readiness::of(&unit.text) == Readiness::State;
                if words > 1
                    && place.is_value(is_head)
                    && let Some((templates, mut common)) = self.several_of(key)
                    && common.tokens.get(p).is_some_and(|token| q < token.len())
                {
                    let context = common.context((p, q));
                    common.make_value((p, q));
                    return Some((templates, common, context));
                }
            }
            let has_value = token.iter().any(Unit::is_blank);
            if form.tokens.len() > 2 && words > 1 && (p > 0 || has_value) {
                let inner = inner(token);
                let (key, seen) = signature.without_units(p, inner.clone());
                let place = self.places.entry(key).or_default();
                place.note(seen, number);
                place.has_value |= seen == Signature::of_value();
                let (before, after) = (inner.start, token.len() - inner.end);
                if place.has_value
                    && place.words.len() > 1
                    && let Some((templates, mut common)) = self.several_of(key)
                    && common.tokens.get(p).is_some_and(|token| before + after <= token.len())
                {
                    let own = &mut common.tokens[p];
                    let end = own.len() - after;
                    own.splice(before..end, [Unit::value()]);
                    return Some((templates, common, None));
                }
            }
        }
        None
    }

    /// Templates that are known at a place, if they are several, and the form of the oldest.
    fn several_of(&self, key: u64) -> Option<(Vec<Number>, Form)> {
        let mut known: Vec<Number> = self.places.get(&key)?.words.iter().map(|(_, known)| self.root(*known)).collect();
        known.sort_unstable();
        known.dedup();
        let first = *known.first().filter(|_| known.len() > 1)?;
        let length = self.form(first).tokens.len();
        known.retain(|known| self.form(*known).tokens.len() == length);
        Some((known, self.form(first).clone()))
    }

    /// Two or more places that vary at once: templates that agree in the same words and differ, nearly all, in the others.
    fn generalise_several(&mut self, number: Number) {
        let form = &self.templates[number as usize].form;
        let words: Vec<Spot> = form.places(Kind::Constant).collect();
        let skeleton = form.tokens.iter().fold(0, |hash, token| {
            token.iter().fold(chain(hash, token.len() as u64), |hash, unit| match unit.kind {
                Kind::Delimiter => chain(hash, form::hash(&unit.text)),
                kind => chain(hash, kind as u64),
            })
        });
        let head = words.first().map_or(0, |place| form::hash(&form.unit(*place).text));
        let alike = self.alike.entry(chain(skeleton, head)).or_default();
        alike.push_back(number);
        if alike.len() > ALIKE {
            alike.pop_front();
        }
        if alike.len() < SEVERAL {
            return;
        }
        let is_free = |form: &Form, place: &Spot| Readiness::of(&form.unit(*place).text) != Readiness::State;
        let form = &self.templates[number as usize].form;
        let mut groups: Vec<(Vec<Spot>, Vec<Number>)> = Vec::new();
        let mut known: BTreeMap<Vec<Spot>, usize> = BTreeMap::new();
        for other in &self.alike[&chain(skeleton, head)] {
            let template = &self.templates[*other as usize];
            if *other == number || template.parent != *other || !template.form.has_shape_of(form) {
                continue;
            }
            let differs = |place: &&Spot| template.form.unit(**place).text != form.unit(**place).text;
            let differing: Vec<Spot> = words.iter().filter(differs).copied().collect();
            let agree = words.len() - differing.len();
            let are_alike = !differing.is_empty() && (agree >= differing.len() || agree >= 2);
            if are_alike && differing.iter().all(|place| is_free(&template.form, place)) {
                let group = *known.entry(differing.clone()).or_insert_with(|| {
                    groups.push((differing, Vec::new()));
                    groups.len() - 1
                });
                groups[group].1.push(*other);
            }
        }
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.len()));
        for (differing, mut group) in groups {
            group.push(number);
            let distinct = |place: &Spot| {
                let texts: HashSet<&[u8]> = group.iter().map(|known| &*self.form(*known).unit(*place).text).collect();
                texts.len()
            };
            let all = |place| is_free(form, place) && 4 * distinct(place) >= 3 * group.len();
            // Free text may well be the larger part, but then there is very much of it.
            let enough = if words.len() >= 2 * differing.len() { SEVERAL } else { STATES };
            if group.len() >= enough && differing.iter().all(all) {
                let mut common = form.clone();
                differing.iter().for_each(|place| common.make_value(*place));
                group.sort_unstable();
                self.unite(group, common, None);
                return;
            }
        }
    }

    /// Makes one template of several, and of all others that its form covers; the oldest number stays.
    fn unite(&mut self, mut templates: Vec<Number>, mut common: Form, context: Option<u64>) {
        let signature = common.signature();
        for known in &templates {
            if self.form(*known).has_shape_of(&common) {
                common.absorb(&self.templates[*known as usize].form);
            }
        }
        if let Some(known) = self.by_signature.get(&signature.hash) {
            templates.push(self.root(*known));
        }
        let Some(new) = templates.iter().copied().min() else { return };
        let length = common.tokens.len();
        self.by_signature.insert(signature.hash, new);
        let others = self.by_length.get_mut(&length).map(std::mem::take).unwrap_or_default();
        let mut kept = Vec::with_capacity(others.len());
        for other in others {
            if !self.is_root(other) {
                continue;
            }
            if other == new || !(templates.contains(&other) || common.covers(self.form(other))) {
                kept.push(other);
            } else {
                self.merge(other, new);
            }
        }
        self.by_length.insert(length, kept);
        // Of another length only by a collision of hashes.
        templates.iter().filter(|known| **known != new).for_each(|known| self.merge(*known, new));
        let template = &mut self.templates[new as usize];
        template.form = common;
        template.changes += 1;
        if !std::mem::replace(&mut template.is_wide, true) {
            self.wide.entry(length).or_default().push(new);
        }
        self.generalise(new);
        if let Some(context) = context
            && self.slots.len() < CONTEXTS
            && self.slots.insert(context)
        {
            self.learn_slot(context);
        }
    }

    fn merge(&mut self, old: Number, new: Number) {
        if self.is_root(old) {
            let template = &mut self.templates[old as usize];
            template.parent = new;
            template.form = Form::default();
            self.merged.push((old, new));
        }
    }

    /// A word has become a value: so do those in the same context elsewhere.
    fn learn_slot(&mut self, context: u64) {
        if self.depth == DEPTH {
            return;
        }
        self.depth += 1;
        for known in self.contexts.get(&context).cloned().unwrap_or_default() {
            let known = self.root(known);
            let mut form = self.form(known).clone();
            if form.fill_slots(|slot| slot == context) {
                let new = self.place_form(form);
                let (old, new) = (self.root(known), self.root(new));
                if old != new {
                    self.merge(old, new);
                }
            }
        }
        self.depth -= 1;
    }
}

impl Place {
    fn note(&mut self, word: u64, number: Number) {
        match self.words.iter().position(|(known, _)| *known == word) {
            Some(place) => self.words[place].1 = number,
            None if self.words.len() <= STATES => self.words.push((word, number)),
            None => {}
        }
    }

    /// Whether what was seen here makes it a value.
    fn is_value(&self, is_head: bool) -> bool {
        if is_head || self.has_state {
            return self.words.len() > STATES;
        }
        self.words.len() > 1 && (self.has_value || self.words.len() >= WORDS)
    }
}

/// The units of a token without the punctuation around them.
fn inner(token: &[Unit]) -> std::ops::Range<usize> {
    let is_delimiter = |unit: &Unit| unit.kind == Kind::Delimiter;
    let (mut start, mut end) = (0, token.len());
    while end > 1 && is_delimiter(&token[end - 1]) {
        end -= 1;
    }
    while start + 1 < end && is_delimiter(&token[start]) {
        start += 1;
    }
    start..end
}
