//! The lines of a segment that a query can mean, and the last word on each.

use tantivy::{DocId, schema::Term};

use super::{
    LineFilter, Phrase, Query,
    bits::Bits,
    collect::{Budget, Stop, Texts},
    lookup::Lookup,
    schema::{LONGEST_ATTRIBUTE, attribute_term, severity_code},
    segment::Reader,
    stream,
};
use crate::{
    ingest::logs::names::label_name,
    signal::{Condition, Matcher},
};

/// Lines that passed everything the index knows.
pub(super) struct Candidates<'a> {
    pub(super) lines: Bits,
    reader: &'a Reader,
    query: &'a Query,
    /// What only their text can tell.
    filters: Vec<&'a LineFilter>,
    phrases: Vec<&'a Phrase>,
    texts: Texts<'a>,
}

impl<'a> Candidates<'a> {
    pub(super) fn of(query: &'a Query, reader: &'a Reader, budget: &mut Budget) -> Result<Self, Stop> {
        let texts = Texts::of(reader)?;
        let lines = known(query, reader, &mut Lookup::new(reader, budget))?;
        let mut found = Self { lines, reader, query, filters: Vec::new(), phrases: Vec::new(), texts };
        let mut lookup = Lookup::new(reader, budget);
        for filter in &query.lines {
            found.filter(filter, &mut lookup)?;
        }
        for phrase in &query.phrases {
            if found.lines.is_empty() {
                break;
            }
            let with = lookup.phrase(phrase.words())?;
            found.lines.and(&with.lines);
            found.phrases.extend((!with.is_exact).then_some(phrase));
        }
        budget.spend_entries(found.lines.count())?;
        Ok(found)
    }

    /// Leaves out what the terms say that a filter does not let through.
    fn filter(&mut self, filter: &'a LineFilter, lookup: &mut Lookup<'_>) -> Result<(), Stop> {
        if self.lines.is_empty() {
            return Ok(());
        }
        match filter {
            LineFilter::Contains(text) if text.is_empty() => return Ok(()),
            LineFilter::Contains(text) => {
                if let Some(found) = lookup.text(text, false)? {
                    self.lines.and(&found.lines);
                    if found.is_exact {
                        return Ok(());
                    }
                }
            }
            LineFilter::NotContains(text) => {
                if let Some(found) = lookup.text(text, false)?.filter(|found| found.is_exact) {
                    self.lines.without(&found.lines);
                    return Ok(());
                }
            }
            LineFilter::Matches(regex) => {
                if let Some(lines) = lookup.regex(regex.as_str())? {
                    self.lines.and(&lines);
                }
            }
            LineFilter::NotMatches(_) => {}
        }
        self.filters.push(filter);
        Ok(())
    }

    /// Whether a candidate is meant.
    pub(super) fn accepts(&self, doc: DocId, budget: &mut Budget) -> Result<bool, Stop> {
        let fields = &self.query.fields;
        if self.filters.is_empty() && self.phrases.is_empty() && fields.is_empty() {
            return Ok(true);
        }
        budget.spend_text()?;
        let stored = self.texts.get(doc)?;
        let passes = self.filters.iter().all(|filter| filter.accepts(&stored.line))
            && self.phrases.iter().all(|phrase| phrase.accepts(&stored.line));
        if !passes || fields.is_empty() {
            return Ok(passes);
        }
        let encoded = self.reader.stream_of(doc)?;
        Ok(fields.iter().all(|matcher| {
            let own = stored.attributes.iter().find(|(name, _)| label_name(name) == matcher.name);
            match own {
                Some((_, value)) => matcher.accepts(value),
                None => stream::passes(&encoded, std::slice::from_ref(matcher)),
            }
        }))
    }
}

/// What terms tell exactly: streams, templates, severities, traces; and where an attribute can be.
fn known(query: &Query, reader: &Reader, lookup: &mut Lookup<'_>) -> Result<Bits, Stop> {
    let fields = &reader.fields;
    let mut lines = Bits::all(reader.len());
    if !query.matchers.is_empty() {
        lines.and(&lookup.streams(|encoded| stream::passes(encoded, &query.matchers))?);
    }
    if let Some(templates) = &query.templates {
        lines.and(&lookup.any(templates.iter().map(|id| Term::from_field_u64(fields.template, *id)))?);
    }
    if let Some(severities) = &query.severities {
        let term = |severity| Term::from_field_u64(fields.severity, severity_code(severity));
        lines.and(&lookup.any(severities.iter().map(|severity| term(*severity)))?);
    }
    if let Some(trace) = &query.trace_id {
        lines.and(&lookup.any([Term::from_field_text(fields.trace_id, &trace.to_ascii_lowercase())])?);
    }
    for matcher in &query.fields {
        if let Some(value) = term_of(matcher) {
            let term = attribute_term(&matcher.name, value);
            let mut found = lookup.any([Term::from_field_text(fields.attribute, &term)])?;
            found.or(&lookup.streams(|encoded| stream::passes(encoded, std::slice::from_ref(matcher)))?);
            lines.and(&found);
        }
    }
    Ok(lines)
}

/// The value that an attribute must have, where that is a term.
fn term_of(matcher: &Matcher) -> Option<&str> {
    let Condition::Equal(value) = &matcher.condition else { return None };
    (!value.is_empty() && matcher.name.len() + value.len() < LONGEST_ATTRIBUTE).then_some(value)
}
