//! The answer to a bulk request.

use std::collections::BTreeMap;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::action::Action;

/// What became of each action of a request, in order.
#[derive(Clone, Debug, Default)]
pub struct BulkReport {
    taken: usize,
    refused: usize,
    /// The items as JSON, with commas between them.
    items: String,
}

/// Why one action was not done.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) reason: String,
}

#[derive(Serialize)]
struct Item<'a> {
    _index: Option<&'a str>,
    _id: &'a str,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Created { _version: u64, result: &'static str, _seq_no: u64, _primary_term: u64, _shards: Shards, status: u16 },
    Refused { status: u16, error: &'a Refusal },
}

#[derive(Serialize)]
struct Shards {
    total: u64,
    successful: u64,
    failed: u64,
}

impl BulkReport {
    /// Number of documents taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Number of actions that were not done.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// The body of the answer, whose status is 200 whatever became of the items.
    #[must_use]
    pub fn response(&self, took_ms: u64) -> String {
        let Self { refused, items, .. } = self;
        format!(r#"{{"took":{took_ms},"errors":{},"items":[{items}]}}"#, *refused > 0)
    }

    /// Adds the next item. An id that the sender did not choose is made of the item's place and its document.
    pub(super) fn add(
        &mut self,
        action: &Action<'_>,
        index: Option<&str>,
        document: &[u8],
        outcome: Result<(), Refusal>,
    ) {
        let made;
        let id = match &action.id {
            Some(id) => &**id,
            None => {
                // As long as those of Elasticsearch itself: 20 characters.
                let place = (self.taken + self.refused) as u64;
                made = format!("{:020x}", xxh3_128_with_seed(document, place) >> 48);
                &*made
            }
        };
        let outcome = match &outcome {
            Ok(()) => {
                self.taken += 1;
                let _shards = Shards { total: 1, successful: 1, failed: 0 };
                Outcome::Created { _version: 1, result: "created", _seq_no: 0, _primary_term: 1, _shards, status: 201 }
            }
            Err(error) => {
                self.refused += 1;
                Outcome::Refused { status: 400, error }
            }
        };
        let item = BTreeMap::from([(&*action.name, Item { _index: index, _id: id, outcome })]);
        if !self.items.is_empty() {
            self.items.push(',');
        }
        self.items.push_str(&serde_json::to_string(&item).expect("texts and numbers are JSON"));
    }
}
