//! Units of a masked token: constants, values, and what parts them.

use serde::{Deserialize, Serialize};

use super::super::mask::{
    BLANK, VALUE,
    class::{is_alpha, is_delimiter, is_digit, is_letter, trim, trim_end},
};

/// Values inside values inside values: what is deeper is one value.
const DEPTH: usize = 16;
/// Truth values and states: two of them at one place are two messages, not two values of one.
const STATES: [&[u8]; 24] = [
    b"true",
    b"false",
    b"yes",
    b"no",
    b"on",
    b"off",
    b"enabled",
    b"disabled",
    b"succeeded",
    b"failed",
    b"success",
    b"failure",
    b"up",
    b"down",
    b"start",
    b"stop",
    b"started",
    b"stopped",
    b"begin",
    b"end",
    b"open",
    b"close",
    b"opened",
    b"closed",
];
const BRACKETS: [&[u8]; 4] = [b"()", b"[]", b"{}", b"\"\""];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Delimiter,
    /// A word; enough different ones at one place make it a value.
    Constant,
    /// A value, or what is one as soon as another one is seen there.
    Loose,
    /// The digits behind a word, as in `eth0`.
    Number,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unit {
    pub(super) kind: Kind,
    pub(super) text: Box<[u8]>,
}

impl Unit {
    fn new(kind: Kind, text: &[u8]) -> Self {
        Self { kind, text: text.into() }
    }

    /// The unit of a value that varies.
    pub(super) fn value() -> Self {
        Self::new(Kind::Loose, &[VALUE])
    }

    /// Whether its text does not count for the signature.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self.kind, Kind::Loose | Kind::Number)
    }

    pub(super) fn is_word(&self) -> bool {
        self.kind == Kind::Constant && self.text.iter().any(|byte| is_letter(*byte))
    }
}

/// How readily a word becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Readiness {
    /// Two different ones suffice.
    Loose,
    /// A few.
    Word,
    /// A truth value or a name in capitals, as states are written: very many.
    State,
}

impl Readiness {
    pub(super) fn of(text: &[u8]) -> Self {
        let core = core(text);
        if core.contains(&VALUE) {
            return Self::Loose;
        }
        if is_state(core) {
            return Self::State;
        }
        let dots = core.iter().filter(|byte| **byte == b'.').count();
        let is_exception = core.ends_with(b"Exception") || core.ends_with(b"Error");
        if core.iter().any(|byte| matches!(byte, b'/' | b'\\')) || dots > 1 && !is_exception {
            return Self::Loose;
        }
        if core.iter().any(|byte| is_digit(*byte)) && stem(core).is_none() {
            return Self::Loose;
        }
        let is_capital = !core.iter().any(u8::is_ascii_lowercase) && core.iter().any(|byte| is_letter(*byte));
        if core.len() > 1 && is_capital && core.is_ascii() { Self::State } else { Self::Word }
    }
}

fn core(text: &[u8]) -> &[u8] {
    trim(text, |byte| b".,;:!?".contains(&byte))
}

fn is_state(word: &[u8]) -> bool {
    STATES.iter().any(|state| word.eq_ignore_ascii_case(state))
}

/// Whether what follows `key=` stays a constant.
fn is_state_of_key(value: &[u8]) -> bool {
    let core = core(trim(value, |byte| byte == b'"'));
    !core.contains(&VALUE) && is_state(core)
}

/// Length of the word before one or two digits: `ssh2`, `eth0`, `SOCKS5`.
fn stem(text: &[u8]) -> Option<usize> {
    let word = trim_end(text, is_digit);
    let is_stem = word.len() > 1
        && (1..=2).contains(&(text.len() - word.len()))
        && is_letter(word[0])
        && word.iter().all(|byte| is_letter(*byte) || matches!(byte, b'_' | b'-' | b'.'));
    is_stem.then_some(word.len())
}

/// Delimiters one by one, and the runs between them; a value always begins a new one.
pub(super) fn pieces(token: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = token;
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let ends = |byte: &u8| is_delimiter(*byte) || *byte == VALUE;
        let length =
            if is_delimiter(first) { 1 } else { 1 + rest[1..].iter().position(ends).unwrap_or(rest.len() - 1) };
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some(piece)
    })
}

pub(super) fn is_delimiter_piece(piece: &[u8]) -> bool {
    matches!(piece, [byte] if is_delimiter(*byte))
}

/// The units of a masked token. What follows `key=` is one value, up to `,`, `;`, `&`, `|` or the bracket around it.
pub(super) fn units(token: &[u8]) -> Vec<Unit> {
    let mut units = Vec::new();
    split(token, DEPTH, &mut units);
    units
}

fn split(token: &[u8], depth: usize, units: &mut Vec<Unit>) {
    if BRACKETS.contains(&token) {
        units.push(Unit::new(Kind::Delimiter, &token[..1]));
        units.push(Unit::new(Kind::Loose, b""));
        units.push(Unit::new(Kind::Delimiter, &token[1..]));
        return;
    }
    let pieces: Vec<&[u8]> = pieces(token).collect();
    let (mut at, mut offset) = (0, 0);
    while let Some(piece) = pieces.get(at).copied() {
        let before = at.checked_sub(1).map(|before| pieces[before]);
        offset += piece.len();
        at += 1;
        if piece == b"=" && before.is_some_and(|before| !is_delimiter_piece(before)) {
            units.push(Unit::new(Kind::Delimiter, piece));
            let count = value_pieces(&pieces[at..]);
            let length: usize = pieces[at..at + count].iter().map(|piece| piece.len()).sum();
            value_of_key(&token[offset..offset + length], depth, units);
            (at, offset) = (at + count, offset + length);
        } else if is_delimiter_piece(piece) {
            units.push(Unit::new(Kind::Delimiter, piece));
        } else if before == Some(b"\"") && pieces.get(at).copied() == Some(b"\"") {
            units.push(Unit::new(Kind::Loose, piece));
        } else {
            word(piece, units);
        }
    }
}

/// How many pieces the value of a key takes.
fn value_pieces(pieces: &[&[u8]]) -> usize {
    let mut depth = 0;
    let ends = |piece: &&[u8]| {
        match **piece {
            [b'(' | b'[' | b'{' | b'<'] => depth += 1,
            [b')' | b']' | b'}' | b'>'] => depth -= 1,
            [b',' | b';' | b'&' | b'|'] => return depth == 0,
            _ => {}
        }
        depth < 0
    };
    pieces.iter().position(ends).unwrap_or(pieces.len())
}

fn value_of_key(value: &[u8], depth: usize, units: &mut Vec<Unit>) {
    match value {
        [] => {}
        // key={a=1,b=2}: look inside.
        _ if value.contains(&b'=') && depth > 0 => split(value, depth - 1, units),
        [b'"', inner @ .., b'"'] if !inner.is_empty() => {
            units.push(Unit::new(Kind::Delimiter, b"\""));
            units.push(Unit::new(Kind::Loose, inner));
            units.push(Unit::new(Kind::Delimiter, b"\""));
        }
        _ => {
            let kind = if is_state_of_key(value) { Kind::Constant } else { Kind::Loose };
            units.push(Unit::new(kind, value));
        }
    }
}

fn word(piece: &[u8], units: &mut Vec<Unit>) {
    if piece.contains(&VALUE) || Readiness::of(piece) == Readiness::Loose {
        units.push(Unit::new(Kind::Loose, piece));
        return;
    }
    let text = trim_end(piece, |byte| byte == b'.');
    let Some(stem) = stem(text) else {
        units.push(Unit::new(Kind::Constant, piece));
        return;
    };
    units.push(Unit::new(Kind::Constant, &text[..stem]));
    units.push(Unit::new(Kind::Number, &text[stem..]));
    if text.len() < piece.len() {
        units.push(Unit::new(Kind::Delimiter, &piece[text.len()..]));
    }
}

/// One text for two different values: shared head and tail survive where a delimiter cuts them.
pub(super) fn join(a: &[u8], b: &[u8]) -> Box<[u8]> {
    let holds_more = |text: &[u8]| text.len() > 1 && text.contains(&VALUE);
    if holds_more(a) || holds_more(b) {
        let (mut left, mut right) = (pieces(a), pieces(b));
        let mut joined = Vec::new();
        loop {
            match (left.next(), right.next()) {
                (None, None) => return joined.into(),
                (Some(x), Some(y)) if x == y => x.iter().for_each(|byte| push_folded(&mut joined, *byte, b"")),
                (Some(x), Some(y)) if !is_delimiter_piece(x) && !is_delimiter_piece(y) => {
                    push_folded(&mut joined, VALUE, b"");
                }
                _ => break,
            }
        }
    }
    [VALUE].into()
}

/// Appends a byte; values that touch, or have one joint or one of `more` between them, are one.
pub(super) fn push_folded(text: &mut Vec<u8>, byte: u8, more: &[u8]) {
    if byte == VALUE {
        match text[..] {
            [.., VALUE] => return,
            [.., VALUE, joint] if b".:,/-_+".contains(&joint) || more.contains(&joint) => {
                text.pop();
                return;
            }
            _ => {}
        }
    }
    text.push(byte);
}

/// As people see it.
pub(super) fn show(text: &[u8]) -> String {
    let mut shown = Vec::with_capacity(text.len() + 16);
    for byte in text {
        match *byte {
            VALUE => shown.extend_from_slice(b"<*>"),
            BLANK => shown.push(b' '),
            byte => shown.push(byte),
        }
    }
    String::from_utf8_lossy(&shown).into_owned()
}

/// Whether a text is a word of letters only.
pub(super) fn is_alphabetic(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_alpha(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(token: &str) -> String {
        let token = token.replace("<*>", "\u{1}");
        let letter = |kind| match kind {
            Kind::Delimiter => 'D',
            Kind::Constant => 'C',
            Kind::Loose => 'L',
            Kind::Number => 'N',
        };
        let units = units(token.as_bytes());
        units
            .iter()
            .map(|unit| format!("{}{} ", letter(unit.kind), show(&unit.text)))
            .collect::<String>()
            .trim_end()
            .to_owned()
    }

    #[test]
    fn tokens_in_units() {
        for (token, units) in [
            ("word", "Cword"),
            ("ssh2", "Cssh N2"),
            ("ssh2.", "Cssh N2 D."),
            ("[<*>]", "D[ L<*> D]"),
            ("[]", "D[ L D]"),
            ("user=bob,uid=<*>", "Cuser D= Lbob D, Cuid D= L<*>"),
            ("ok=true", "Cok D= Ctrue"),
            ("a={b=<*>,c=d}", "Ca D= D{ Cb D= L<*> D, Cc D= Ld D}"),
            ("m=\"a b\"", "Cm D= D\" La b D\""),
            ("\"x\"", "D\" Lx D\""),
            ("/var/log", "L/var/log"),
            ("Class@<*>", "CClass@ L<*>"),
        ] {
            assert_eq!(shown(token), units, "{token}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let token = "a=".repeat(10_000);
        assert!(units(token.as_bytes()).len() < 50);
    }

    #[test]
    fn what_two_values_share_survives() {
        let both = |a: &str, b: &str| {
            let mask = |text: &str| text.replace("<*>", "\u{1}");
            show(&join(mask(a).as_bytes(), mask(b).as_bytes()))
        };
        assert_eq!(both("abc", "abd"), "<*>");
        assert_eq!(both("(<*>)x", "(<*>)y"), "(<*>)<*>");
        assert_eq!(both("<*>|a", "<*>"), "<*>");
    }
}
