//! What the terms of a segment know: in which lines a word, a text or an expression can be.

use std::ops::Range;

use tantivy::{
    index::InvertedIndexReader,
    postings::TermInfo,
    schema::{Field, IndexRecordOption, Term},
};
use tantivy_fst::{Automaton, automaton::AlwaysMatch};

use super::{
    bits::Bits,
    collect::{Budget, Stop},
    need::Need,
    segment::Reader,
    tokens::{self, INCOMPLETE, LONGEST},
};

/// Fewer lines than this are read rather than narrowed further by going through all terms.
const FEW: u64 = 1_000;

/// The lines of a segment that something can be in.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) lines: Bits,
    /// Whether it is in all of them, so that no text has to be read.
    pub(super) is_exact: bool,
}

/// Looks things up in one segment, at the cost of a budget.
pub(super) struct Lookup<'a> {
    reader: &'a Reader,
    budget: &'a mut Budget,
    /// Lines of which the terms do not tell everything, once known.
    incomplete: Option<Bits>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(reader: &'a Reader, budget: &'a mut Budget) -> Self {
        Self { reader, budget, incomplete: None }
    }

    /// Lines with one of these terms.
    pub(super) fn any(&mut self, terms: impl IntoIterator<Item = Term>) -> Result<Bits, Stop> {
        let mut lines = Bits::none(self.reader.len());
        for term in terms {
            let inverted = self.reader.index.inverted_index(term.field())?;
            if let Some(info) = inverted.get_term_info(&term)? {
                self.insert(&inverted, &info, &mut lines)?;
            }
        }
        Ok(lines)
    }

    /// Lines of the streams that pass.
    pub(super) fn streams(&mut self, passes: impl Fn(&str) -> bool) -> Result<Bits, Stop> {
        self.matching(self.reader.fields.stream, AlwaysMatch, |term| std::str::from_utf8(term).is_ok_and(&passes))
    }

    /// Lines with a term that an automaton lets through and that passes.
    fn matching<A: Automaton<State: Clone>>(
        &mut self,
        field: Field,
        automaton: A,
        passes: impl Fn(&[u8]) -> bool,
    ) -> Result<Bits, Stop> {
        let inverted = self.reader.index.inverted_index(field)?;
        let mut lines = Bits::none(self.reader.len());
        let mut terms = inverted.terms().search(automaton).into_stream()?;
        while terms.advance() {
            self.budget.spend_entries(1)?;
            if passes(terms.key()) {
                self.insert(&inverted, terms.value(), &mut lines)?;
            }
        }
        Ok(lines)
    }

    fn insert(&mut self, inverted: &InvertedIndexReader, info: &TermInfo, lines: &mut Bits) -> Result<(), Stop> {
        self.budget.spend_entries(u64::from(info.doc_freq))?;
        let mut postings = inverted.read_block_postings_from_terminfo(info, IndexRecordOption::Basic)?;
        while !postings.docs().is_empty() {
            postings.docs().iter().for_each(|doc| lines.insert(*doc));
            postings.advance();
        }
        Ok(())
    }

    /// Adds the lines that terms do not tell everything of; whether there are any.
    fn add_incomplete(&mut self, lines: &mut Bits) -> Result<bool, Stop> {
        let incomplete = match self.incomplete.take() {
            Some(known) => known,
            None => self.any([Term::from_field_text(self.reader.fields.line, INCOMPLETE)])?,
        };
        lines.or(&incomplete);
        let is_any = !incomplete.is_empty();
        self.incomplete = Some(incomplete);
        Ok(is_any)
    }

    /// Lines that a text can be in, be it across several words or inside one. `None` when its words say nothing.
    pub(super) fn text(&mut self, text: &str, ignores_case: bool) -> Result<Option<Found>, Stop> {
        let mut parts = parts(text);
        let is_exact = matches!(&*parts, [part] if part.is_inside() && part.text.len() == text.len());
        // Those first that need not go through all terms.
        parts.sort_by_key(|part| part.is_open_left);
        let mut lines: Option<Bits> = None;
        for part in parts {
            if part.is_open_left && lines.as_ref().is_some_and(|lines| lines.count() < FEW) {
                break;
            }
            let found = self.part(&part, ignores_case)?;
            match &mut lines {
                Some(lines) => lines.and(&found),
                None => lines = Some(found),
            }
        }
        let Some(mut lines) = lines else { return Ok(None) };
        let is_incomplete = self.add_incomplete(&mut lines)?;
        Ok(Some(Found { lines, is_exact: is_exact && !is_incomplete }))
    }

    fn part(&mut self, part: &Part<'_>, ignores_case: bool) -> Result<Bits, Stop> {
        let (field, text) = (self.reader.fields.line, part.text.as_bytes());
        if !part.is_open_left {
            let begins = Begins { text, is_all: !part.is_open_right, ignores_case };
            return self.matching(field, begins, |_| true);
        }
        let is_same = |term: &[u8]| if ignores_case { term.eq_ignore_ascii_case(text) } else { term == text };
        self.matching(field, AlwaysMatch, |term| {
            if part.is_open_right {
                term.windows(text.len()).any(is_same)
            } else {
                term.len().checked_sub(text.len()).is_some_and(|start| is_same(&term[start..]))
            }
        })
    }

    /// Lines with all words of a phrase, in any case; exact when there is just one.
    pub(super) fn phrase(&mut self, words: &[String]) -> Result<Found, Stop> {
        let mut lines = Bits::all(self.reader.len());
        for word in words.iter().filter(|word| word.len() <= LONGEST) {
            let begins = Begins { text: word.as_bytes(), is_all: true, ignores_case: true };
            lines.and(&self.matching(self.reader.fields.line, begins, |_| true)?);
        }
        let is_incomplete = self.add_incomplete(&mut lines)?;
        let is_one = matches!(words, [word] if word.len() <= LONGEST);
        Ok(Found { lines, is_exact: is_one && !is_incomplete })
    }

    /// Lines in which a regular expression can match; `None` when it could be anywhere.
    pub(super) fn regex(&mut self, pattern: &str) -> Result<Option<Bits>, Stop> {
        self.need(&Need::parse(pattern))
    }

    fn need(&mut self, need: &Need) -> Result<Option<Bits>, Stop> {
        match need {
            Need::Nothing => Ok(None),
            Need::Text(text) => Ok(self.text(text, true)?.map(|found| found.lines)),
            Need::All(needs) => {
                let mut all: Option<Bits> = None;
                for need in needs {
                    match (&mut all, self.need(need)?) {
                        (_, None) => {}
                        (Some(all), Some(lines)) => all.and(&lines),
                        (None, lines) => all = lines,
                    }
                }
                Ok(all)
            }
            Need::Any(needs) => {
                let mut any = Bits::none(self.reader.len());
                for need in needs {
                    match self.need(need)? {
                        Some(lines) => any.or(&lines),
                        None => return Ok(None),
                    }
                }
                Ok(Some(any))
            }
        }
    }
}

/// A word of a text that is looked for; at the ends of the text the line may go on with the same word.
#[derive(Debug)]
struct Part<'a> {
    text: &'a str,
    is_open_left: bool,
    is_open_right: bool,
}

impl Part<'_> {
    fn is_inside(&self) -> bool {
        self.is_open_left && self.is_open_right
    }
}

/// The words of a text that are of use: those too long to be terms are left out.
fn parts(text: &str) -> Vec<Part<'_>> {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(Range { start, end }) = tokens::next(text, at) {
        at = end;
        // A dot at an end of the text may have a digit on its other side, and belong to the word then.
        let is_open_left = start == 0 || (start == 1 && bytes[0] == b'.' && is_digit(start));
        let is_open_right = end == text.len() || (end + 1 == text.len() && bytes[end] == b'.' && is_digit(end - 1));
        if end - start <= LONGEST {
            parts.push(Part { text: &text[start..end], is_open_left, is_open_right });
        }
    }
    parts
}

/// Accepts terms that begin with a text, or are it.
struct Begins<'a> {
    text: &'a [u8],
    is_all: bool,
    ignores_case: bool,
}

impl Automaton for Begins<'_> {
    /// How much of the text was there; `None` when something else was.
    type State = Option<usize>;

    fn start(&self) -> Self::State {
        Some(0)
    }

    fn is_match(&self, state: &Self::State) -> bool {
        *state == Some(self.text.len())
    }

    fn can_match(&self, state: &Self::State) -> bool {
        state.is_some()
    }

    fn accept(&self, state: &Self::State, byte: u8) -> Self::State {
        let seen = (*state)?;
        let Some(wanted) = self.text.get(seen) else { return (!self.is_all).then_some(seen) };
        let is_same = if self.ignores_case { wanted.eq_ignore_ascii_case(&byte) } else { *wanted == byte };
        is_same.then_some(seen + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_at_the_ends_of_a_text_may_go_on() {
        let of = |text| parts(text).iter().map(|p| (p.text, p.is_open_left, p.is_open_right)).collect::<Vec<_>>();
        assert_eq!(of("fail"), [("fail", true, true)]);
        assert_eq!(of(" fail "), [("fail", false, false)]);
        assert_eq!(of("a b-c"), [("a", true, false), ("b", false, false), ("c", false, true)]);
        assert_eq!(of("10."), [("10", true, true)]);
        assert_eq!(of(".5 x."), [("5", true, false), ("x", false, false)]);
        assert_eq!(of("--"), []);
    }
}
