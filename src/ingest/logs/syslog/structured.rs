//! RFC 5424.

use std::borrow::Cow;

use super::{Message, header};
use crate::ingest::logs::time;

/// Parses what follows the version; none when that is not as section 6 of the RFC has it.
pub(super) fn parse(rest: &str) -> Option<Message<'_>> {
    let (timestamp, rest) = header::field(rest)?;
    let at = if timestamp == "-" { None } else { Some(time::rfc3339(timestamp)?) };
    let (host, rest) = nilable(rest)?;
    let (app, rest) = nilable(rest)?;
    let (procid, rest) = nilable(rest)?;
    let (msgid, rest) = nilable(rest)?;
    // Some leave out the nil of structured data, and some write text in brackets in its place: then it is text.
    let (data, text) = data(rest).unwrap_or((Vec::new(), rest));
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Some(Message { at, host, app, procid, msgid, data, text, ..Message::default() })
}

fn nilable(rest: &str) -> Option<(&str, &str)> {
    let (field, rest) = header::field(rest)?;
    Some((if field == "-" { "" } else { field }, rest))
}

type Data<'a> = Vec<(String, Cow<'a, str>)>;

/// Structured data and the text behind it.
fn data(mut rest: &str) -> Option<(Data<'_>, &str)> {
    let mut data = Data::new();
    if let Some(behind) = rest.strip_prefix('-') {
        rest = behind;
    } else {
        rest = element(rest, &mut data)?;
        while rest.starts_with('[') {
            rest = element(rest, &mut data)?;
        }
    }
    match rest.strip_prefix(' ') {
        Some(text) => Some((data, text)),
        None => rest.is_empty().then_some((data, rest)),
    }
}

/// One `[id name="value" …]`; one without parameters is kept as its id.
fn element<'a>(rest: &'a str, data: &mut Data<'a>) -> Option<&'a str> {
    let rest = rest.strip_prefix('[')?;
    let (id, mut rest) = rest.split_at(rest.find([' ', ']'])?);
    if id.is_empty() || id.contains(['"', '=']) {
        return None;
    }
    if rest.starts_with(']') {
        data.push((id.to_owned(), Cow::Borrowed("")));
    }
    while !rest.starts_with(']') {
        let (name, behind) = rest.strip_prefix(' ')?.split_once("=\"")?;
        if name.is_empty() || name.contains([' ', '"', ']']) {
            return None;
        }
        let (value, behind) = value(behind)?;
        data.push((format!("{id}.{name}"), value));
        rest = behind;
    }
    rest.strip_prefix(']')
}

/// A value up to its quotation mark, and what is behind that. `\` stands before `"`, `\` and `]` that are meant as
/// such, and before anything else for itself.
fn value(rest: &str) -> Option<(Cow<'_, str>, &str)> {
    let (raw, behind) = rest.split_at(end_of_value(rest)?);
    let behind = behind.strip_prefix('"')?;
    if !raw.contains('\\') {
        return Some((Cow::Borrowed(raw), behind));
    }
    let mut value = String::with_capacity(raw.len());
    let mut letters = raw.chars().peekable();
    while let Some(letter) = letters.next() {
        let escaped = if letter == '\\' { letters.next_if(|next| matches!(next, '"' | '\\' | ']')) } else { None };
        value.push(escaped.unwrap_or(letter));
    }
    Some((Cow::Owned(value), behind))
}

fn end_of_value(rest: &str) -> Option<usize> {
    let mut is_escaped = false;
    rest.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}
