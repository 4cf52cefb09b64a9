//! The form of a template: its tokens in units, and what is compared of them.

use serde::{Deserialize, Serialize};

use super::unit::{Kind, Readiness, Unit, is_alphabetic, join, push_folded, show, units};
use crate::logs::mask::{
    VALUE,
    class::{is_digit, is_letter, trim},
};

const BLANK: u64 = 0x5bd1_e995_9d1c_3f27;

/// One step of a hash over hashes.
pub(super) fn chain(hash: u64, next: u64) -> u64 {
    let product = u128::from(hash ^ next ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product as u64) ^ (product >> 64) as u64
}

pub(super) fn hash(text: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text)
}

fn unit_hash(unit: &Unit) -> u64 {
    if unit.is_blank() { BLANK } else { hash(&unit.text) }
}

/// Tokens in units.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Form {
    pub(super) tokens: Vec<Vec<Unit>>,
}

/// A signature, and the parts it is made of: constants and delimiters with everything else left blank.
pub(super) struct Signature {
    pub(super) hash: u64,
    units: Vec<Vec<u64>>,
    parts: Vec<u64>,
}

fn token_hash(units: &[u64]) -> u64 {
    units.iter().fold(chain(0, units.len() as u64), |hash, unit| chain(hash, *unit))
}

impl Signature {
    /// The signature with one unit left open.
    pub(super) fn without_unit(&self, token: usize, unit: usize) -> u64 {
        let units = &self.units[token];
        let (head, tail) = (token_hash(&units[..unit]), token_hash(&units[unit + 1..]));
        self.with_token(token, chain(chain(1, head), tail))
    }

    /// The signature with units of a token left open, and the hash of these units.
    pub(super) fn without_units(&self, token: usize, open: std::ops::Range<usize>) -> (u64, u64) {
        let units = &self.units[token];
        let (head, tail) = (token_hash(&units[..open.start]), token_hash(&units[open.end..]));
        (self.with_token(token, chain(chain(2, head), tail)), token_hash(&units[open]))
    }

    /// The hash of a token that is nothing but a value.
    pub(super) fn of_value() -> u64 {
        token_hash(&[BLANK])
    }

    fn with_token(&self, token: usize, hash: u64) -> u64 {
        let place = token as u64 + 3;
        self.hash.wrapping_sub(chain(place, self.parts[token])).wrapping_add(chain(place, hash))
    }
}

impl Form {
    /// The form of a masked line. The first word with letters is the message's name, even with dots in it.
    pub(super) fn of(masked: &[u8]) -> Self {
        let tokens = masked.split(|byte| *byte == b' ').filter(|token| !token.is_empty());
        let mut form = Self { tokens: tokens.map(units).collect() };
        let firsts = form.tokens.iter_mut().map(|token| token.iter_mut().find(|unit| unit.kind != Kind::Delimiter));
        if let Some(first) = firsts.flatten().find(|unit| unit.text.iter().any(|byte| is_letter(*byte))) {
            let is_value = first.text.contains(&VALUE) || first.text.iter().any(|byte| is_digit(*byte));
            if first.kind == Kind::Loose && !is_value {
                first.kind = Kind::Constant;
            }
        }
        form
    }

    pub(super) fn signature(&self) -> Signature {
        let units: Vec<Vec<u64>> = self.tokens.iter().map(|token| token.iter().map(unit_hash).collect()).collect();
        let parts: Vec<u64> = units.iter().map(|units| token_hash(units)).collect();
        let places = parts.iter().enumerate().map(|(place, part)| chain(place as u64 + 3, *part));
        let hash = places.fold(chain(0, parts.len() as u64), u64::wrapping_add);
        Signature { hash, units, parts }
    }

    pub(super) fn has_shape_of(&self, other: &Self) -> bool {
        self.tokens.len() == other.tokens.len()
            && self.tokens.iter().zip(&other.tokens).all(|(a, b)| a.len() == b.len())
    }

    /// Places of units of a kind: token and unit.
    pub(super) fn places(&self, kind: Kind) -> impl Iterator<Item = (usize, usize)> {
        self.tokens.iter().enumerate().flat_map(move |(p, token)| {
            token.iter().enumerate().filter(move |(_, unit)| unit.kind == kind).map(move |(q, _)| (p, q))
        })
    }

    pub(super) fn unit(&self, (token, unit): (usize, usize)) -> &Unit {
        &self.tokens[token][unit]
    }

    pub(super) fn make_value(&mut self, (token, unit): (usize, usize)) {
        self.tokens[token][unit] = Unit::value();
    }

    /// Takes over the values of another form of the same signature; true where that changes anything.
    pub(super) fn absorb(&mut self, other: &Self) -> bool {
        let mut is_changed = false;
        for (token, others) in self.tokens.iter_mut().zip(&other.tokens) {
            for (unit, other) in token.iter_mut().zip(others) {
                if unit.is_blank() && unit.text != other.text {
                    let text = join(&unit.text, &other.text);
                    is_changed |= *unit.text != *text;
                    unit.text = text;
                }
            }
        }
        is_changed
    }

    /// By what is around it the slot of a word is known again: its key, or the two words before and the token after.
    pub(super) fn context(&self, (token, unit): (usize, usize)) -> Option<u64> {
        let units = &self.tokens[token];
        if unit >= 2 && &*units[unit - 1].text == b"=" {
            return Some(chain(1, hash(&units[unit - 2].text)));
        }
        if unit > 0 || token < 2 {
            return None;
        }
        let text = |place: usize| -> Vec<u8> {
            self.tokens.get(place).into_iter().flatten().flat_map(|unit| unit.text.iter().copied()).collect()
        };
        let (first, second, after) = (text(token - 2), text(token - 1), text(token + 1));
        let first = trim(&first, |byte| b".,:;[(".contains(&byte));
        let is_known = is_alphabetic(&second) && is_alphabetic(first);
        is_known.then(|| chain(chain(chain(2, hash(first)), hash(&second)), hash(&after)))
    }

    /// Makes words values whose context is a slot, but for states; true where there were any.
    pub(super) fn fill_slots(&mut self, is_slot: impl Fn(u64) -> bool) -> bool {
        let mut is_changed = false;
        for place in self.places(Kind::Constant).collect::<Vec<_>>() {
            if self.context(place).is_some_and(&is_slot) && Readiness::of(&self.unit(place).text) != Readiness::State {
                self.make_value(place);
                is_changed = true;
            }
        }
        is_changed
    }

    /// Whether a line of the other form is one of this.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.tokens.len() == other.tokens.len()
            && self.tokens.iter().zip(&other.tokens).all(|(token, other)| covers_token(token, other))
    }

    /// Its text in bytes, values as one byte.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            if at > 0 {
                text.push(b' ');
            }
            for (at, unit) in token.iter().enumerate() {
                // Where numbers differ the word before them is part of the value.
                let is_stem = unit.kind == Kind::Constant
                    && token.get(at + 1).is_some_and(|next| next.kind == Kind::Number && *next.text == [VALUE]);
                if !is_stem {
                    unit.text.iter().for_each(|byte| push_folded(&mut text, *byte, b" "));
                }
            }
        }
        text
    }

    /// Its text as people see it.
    pub(super) fn shown(&self) -> String {
        show(&self.text())
    }
}

fn covers_token(token: &[Unit], other: &[Unit]) -> bool {
    if token.len() != other.len() {
        // A value swallows tokens of another shape, with the same punctuation around them.
        let mut inner = token.iter().enumerate().filter(|(_, unit)| unit.kind != Kind::Delimiter);
        let (Some((at, unit)), None) = (inner.next(), inner.next()) else { return false };
        let after = token.len() - at - 1;
        return unit.kind == Kind::Loose
            && *unit.text == [VALUE]
            && other.len() >= token.len()
            && token[..at] == other[..at]
            && token[at + 1..] == other[other.len() - after..];
    }
    token.iter().zip(other).all(|(unit, other)| match unit.kind {
        Kind::Number => other.kind == Kind::Number,
        Kind::Loose => match other.kind {
            Kind::Delimiter | Kind::Number => false,
            Kind::Constant => *unit.text == [VALUE] && Readiness::of(&other.text) != Readiness::State,
            Kind::Loose => true,
        },
        Kind::Constant | Kind::Delimiter => !other.is_blank() && unit.text == other.text,
    })
}
