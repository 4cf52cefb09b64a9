//! The templates of one source, with what is counted of them.

use serde::{Deserialize, Serialize};

use super::{
    Reader,
    parameters::{Parameters, RareValue},
    template::{TemplateId, Templates},
};
use crate::signal::TimestampMs;

/// Number of a template in the catalogue that it was found for. It stays true: when templates turn out to be one, the later
/// ones become aliases of the first, see [`Catalogue::root`].
pub type TemplateNumber = u32;

/// Templates of a catalogue. When there are more, a quarter is forgotten, those first whose last line is longest ago.
const TEMPLATES: usize = 20_000;

/// What is known of the lines of one source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Catalogue {
    /// Tells its lines from those of others in a cache that they share; another one after some were forgotten.
    seed: u64,
    templates: Templates,
    lines: u64,
    /// Of each template; those of its aliases included once they are merged.
    tallies: Vec<Tally>,
    /// Templates that are no aliases.
    known: usize,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Tally {
    lines: u64,
    /// The last line, counted from 1.
    last: u64,
}

impl Catalogue {
    /// An empty one; no other that shares a [`Reader`] may have this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The template of a line: of JSON and logfmt by the message and the keys, of lines longer than 200 words by these.
    pub fn parse(&mut self, line: &[u8], reader: &mut Reader) -> TemplateNumber {
        let (masked, hash, cache) = reader.read(line, self.seed);
        let number = match cache.get(hash) {
            Some(known) => self.templates.root(known),
            None => {
                let number = match masked.patterns.iter().find(|pattern| pattern.holds(masked.text)) {
                    Some(own) => self.templates.own(own),
                    None => self.templates.place(masked.text),
                };
                cache.insert(hash, number);
                self.take_merged();
                number
            }
        };
        self.count(number)
    }

    /// Counts a line of a template that is known; gives what the template is called now.
    pub fn count(&mut self, number: TemplateNumber) -> TemplateNumber {
        let number = self.templates.root(number);
        self.lines += 1;
        let tally = &mut self.tallies[number as usize];
        (tally.lines, tally.last) = (tally.lines + 1, self.lines);
        if self.known > TEMPLATES {
            self.forget();
        }
        self.templates.root(number)
    }

    fn take_merged(&mut self) {
        self.known += self.templates.made() - self.tallies.len();
        self.tallies.resize(self.templates.made(), Tally::default());
        for (old, new) in self.templates.take_merged() {
            let old = std::mem::take(&mut self.tallies[old as usize]);
            let new = &mut self.tallies[new as usize];
            (new.lines, new.last) = (new.lines + old.lines, new.last.max(old.last));
            self.known -= 1;
        }
    }

    fn forget(&mut self) {
        let mut known: Vec<TemplateNumber> = self.counts().map(|(number, _)| number).collect();
        known.sort_by_key(|number| self.tallies[*number as usize].last);
        known.truncate(TEMPLATES / 4);
        self.templates.forget(&known);
        // What the cache holds of it would stay forgotten.
        self.seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        self.take_merged();
    }

    /// What a template is called now.
    #[must_use]
    pub fn root(&self, number: TemplateNumber) -> TemplateNumber {
        self.templates.root(number)
    }

    /// By what a template is known everywhere and always.
    #[must_use]
    pub fn id(&self, number: TemplateNumber) -> TemplateId {
        self.templates.id(number)
    }

    /// All ids that lines of the templates with these ids were given when they came.
    #[must_use]
    pub fn ids_of(&self, ids: &[TemplateId]) -> Vec<TemplateId> {
        self.templates.ids_of(ids)
    }

    /// Text of a template, `<*>` where lines differ.
    #[must_use]
    pub fn text(&self, number: TemplateNumber) -> String {
        self.templates.text(number)
    }

    /// Notes the parameters of a line, the one that was parsed last; tells if one of them is rare.
    pub fn look(
        &self,
        (line, at): (&str, TimestampMs),
        number: TemplateNumber,
        reader: &Reader,
        parameters: &mut Parameters,
    ) -> Option<RareValue> {
        let (version, form) = self.templates.form_of(number);
        parameters.look(reader.said(line), at, version, form)
    }

    /// Templates that are not aliases, with the number of lines of each, in the order of their first lines. The numbers add
    /// up to the lines parsed.
    pub fn counts(&self) -> impl Iterator<Item = (TemplateNumber, u64)> {
        let counts = self.tallies.iter().enumerate().map(|(number, tally)| (number as TemplateNumber, tally.lines));
        counts.filter(|(number, _)| self.templates.root(*number) == *number)
    }

    /// Lines of a template.
    #[must_use]
    pub fn lines_of(&self, number: TemplateNumber) -> u64 {
        self.tallies.get(self.root(number) as usize).map_or(0, |tally| tally.lines)
    }

    /// Templates that are not aliases, and how many were ever made: while both stay, so do the templates.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.known, self.tallies.len())
    }

    /// Lines of all templates.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Parser, *};

    fn parse(lines: &[&str]) -> (Vec<TemplateNumber>, Parser) {
        let mut parser = Parser::default();
        let numbers: Vec<_> = lines.iter().map(|line| parser.parse(line.as_bytes())).collect();
        (numbers.into_iter().map(|number| parser.catalogue().root(number)).collect(), parser)
    }

    #[test]
    fn lines_that_differ_in_values_are_one_template() {
        let lines = ["Connection from 10.0.0.1 port 22", "Connection from 10.0.0.2 port 23", "Disconnected"];
        let (numbers, parser) = parse(&lines);
        assert_eq!(numbers, [0, 0, 1]);
        assert_eq!(parser.catalogue().text(0), "Connection from <*> port <*>");
    }

    #[test]
    fn four_words_at_one_place_are_a_value() {
        let lines = ["state of disk alpha is fine", "state of disk beta is fine", "state of disk gamma is fine"];
        assert_eq!(parse(&lines).0, [0, 1, 2]);
        let lines = [&lines[..], &["state of disk delta is fine", "state of disk omega is fine"]].concat();
        let (numbers, parser) = parse(&lines);
        assert_eq!(numbers, [0; 5]);
        assert_eq!(parser.catalogue().text(0), "state of disk <*> is fine");
        assert_eq!(parser.catalogue().counts().collect::<Vec<_>>(), [(0, 5)]);
    }

    #[test]
    fn lines_are_found_by_the_ids_that_they_were_given() {
        let mut parser = Parser::default();
        let mut given = Vec::new();
        for word in ["alpha", "beta", "gamma", "delta", "omega"] {
            let number = parser.parse(format!("state of disk {word} is fine").as_bytes());
            given.push(parser.catalogue().id(number));
        }
        given.dedup();
        assert_eq!(given.len(), 4, "three came before it was known that they are one: {given:?}");
        given.pop();
        for id in &given {
            assert_eq!(parser.catalogue().ids_of(&[*id])[..3], given);
        }
        assert!(parser.catalogue().ids_of(&[TemplateId(7)]).is_empty());
    }

    #[test]
    fn states_are_not_values() {
        let lines = ["job is UP now", "job is DOWN now", "job is LOST now", "job is BAD now", "job is OLD now"];
        assert_eq!(parse(&lines).0, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn there_are_only_so_many_templates() {
        let mut parser = Parser::default();
        let letters = |mut n: usize| {
            let mut word = String::new();
            (0..4).for_each(|_| {
                word.push(char::from(b'a' + (n % 26) as u8));
                n /= 26;
            });
            word
        };
        // Words in capitals are states: they are not taken for values before there are very many at one place.
        for i in 0..60_000 {
            let (first, second) = (letters(i).to_uppercase(), letters(i * 7_919).to_uppercase());
            parser.parse(format!("{first} {}", [&second, "is a long one"][i % 2]).as_bytes());
            parser.parse(b"it goes on as ever");
            assert!(parser.catalogue().known <= TEMPLATES);
        }
        let counts: Vec<_> = parser.catalogue().counts().collect();
        assert_eq!(counts.len(), parser.catalogue().known);
        assert!(counts.iter().any(|(number, _)| parser.catalogue().text(*number) == "<*>"), "some were forgotten");
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 120_000);
        let steady = parser.parse(b"it goes on as ever");
        assert_eq!(
            (parser.catalogue().text(steady), parser.catalogue().lines_of(steady)),
            ("it goes on as ever".to_owned(), 60_001)
        );
    }

    #[test]
    fn counts_add_up() {
        let mut parser = Parser::default();
        for i in 0..5_000 {
            parser.parse(format!("worker {} took {i} ms for {}", ["a", "b", "c", "d", "e"][i % 5], i % 700).as_bytes());
            parser.parse(format!("{} {} {}", i % 3, "x".repeat(i % 50), "yz".repeat(i % 31)).as_bytes());
        }
        assert_eq!(parser.catalogue().counts().map(|(_, count)| count).sum::<u64>(), 10_000);
    }

    #[test]
    fn a_catalogue_that_was_written_down_goes_on_as_it_was() {
        let line = |i: usize| match i % 3 {
            0 => format!("worker {} took {i} ms for {}", ["a", "b", "c", "d", "e"][i / 3 % 5], i % 700),
            1 => format!("state of {} is {}", ["disk", "fan", "board", "cable"][i / 40 % 4], ["UP", "DOWN"][i % 2]),
            _ => format!("{} {} {}", i % 3, "x".repeat(i % 50), "yz".repeat(i % 31)),
        };
        let (mut whole, mut reader) = (Catalogue::new(7), Reader::default());
        for i in 0..600 {
            whole.parse(line(i).as_bytes(), &mut reader);
        }
        let bytes = postcard::to_stdvec(&whole).unwrap();
        let (mut restored, mut fresh): (Catalogue, _) = (postcard::from_bytes(&bytes).unwrap(), Reader::default());
        assert_eq!(postcard::to_stdvec(&restored).unwrap(), bytes, "in the same order each time");
        for i in 600..3_000 {
            let line = line(i);
            assert_eq!(
                restored.parse(line.as_bytes(), &mut fresh),
                whole.parse(line.as_bytes(), &mut reader),
                "{line}"
            );
        }
        let all = |catalogue: &Catalogue| {
            catalogue.counts().map(|(n, lines)| (catalogue.id(n), catalogue.text(n), lines)).collect::<Vec<_>>()
        };
        assert_eq!(all(&restored), all(&whole));
    }

    #[test]
    fn sources_share_a_reader_and_nothing_else() {
        let (mut reader, mut a, mut b) = (Reader::default(), Catalogue::new(1), Catalogue::new(2));
        for word in ["alpha", "beta", "gamma", "delta"] {
            a.parse(format!("state of disk {word} is fine").as_bytes(), &mut reader);
        }
        let number = b.parse(b"state of disk alpha is fine", &mut reader);
        assert_eq!(b.text(number), "state of disk alpha is fine");
        assert_eq!((a.lines(), b.lines()), (4, 1));
    }
}
