//! The lines of a bulk request that say what to do with the line behind them.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::ingest::logs::fields::Word;

/// What an action that cannot be read is taken for.
const MISREAD: &str = "index";
/// Longest name of an action that is repeated in the answer, in bytes.
const NAME_BYTES: usize = 32;

/// What one action line asks for.
#[derive(Debug)]
pub(super) struct Action<'a> {
    /// `create`, `index`, or what the sender wrote in its place.
    pub(super) name: Cow<'a, str>,
    pub(super) index: Option<Cow<'a, str>>,
    pub(super) id: Option<Cow<'a, str>>,
    /// Why it is not done.
    pub(super) fault: Option<String>,
}

impl<'a> Action<'a> {
    /// Reads a line. One that is no action line becomes an `index` action that is not done.
    pub(super) fn read(line: &'a [u8]) -> Self {
        match serde_json::from_slice(line) {
            Ok(Line { name, meta: Meta { _index, _id } }) => {
                let fault = match &*name {
                    "create" | "index" => None,
                    "update" | "delete" => Some(format!("action [{name}] is not for logs, which are only added")),
                    _ => Some(format!("action [{name:.32}] is not known; create and index are")),
                };
                let name = if name.len() > NAME_BYTES { Cow::Borrowed(MISREAD) } else { name };
                Self { name, index: _index.map(|word| word.0), id: _id.map(|word| word.0), fault }
            }
            Err(error) => {
                let fault = Some(format!("malformed action line: {error}"));
                Self { name: Cow::Borrowed(MISREAD), index: None, id: None, fault }
            }
        }
    }

    /// Whether the next line is the source of this action. Behind an action that is not understood it is, unless it
    /// looks like an action itself: so what is wrong with one item does not put the others out of step.
    pub(super) fn owns(&self, next: &[u8]) -> bool {
        match &*self.name {
            "delete" => false,
            "update" => true,
            _ => self.fault.is_none() || !is_action(next),
        }
    }
}

fn is_action(line: &[u8]) -> bool {
    let read = serde_json::from_slice::<Line<'_>>(line);
    read.is_ok_and(|line| ["create", "index", "update", "delete"].contains(&&*line.name))
}

/// `{"NAME": {…}}`.
struct Line<'a> {
    name: Cow<'a, str>,
    meta: Meta<'a>,
}

/// What an action says of its document; `_type`, `routing`, `pipeline` and the like mean nothing here.
#[derive(serde::Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    _index: Option<Word<'a>>,
    #[serde(borrow)]
    _id: Option<Word<'a>>,
}

impl<'de> Deserialize<'de> for Line<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one action")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line<'de>, A::Error> {
        let Some((Word(name), meta)) = map.next_entry()? else {
            return Err(A::Error::custom("no action"));
        };
        match map.next_key::<Word<'_>>()? {
            None => Ok(Line { name, meta }),
            Some(_) => Err(A::Error::custom("more than one action")),
        }
    }
}
