//! The JSON form: `{"streams": [{"stream": {"app": "cart"}, "values": [["<ns>", "line", {"trace_id": "…"}]]}]}`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Entry, Stream};
use crate::ingest::logs::{
    LogError,
    collect::Collector,
    json::{Document, Integer, Pairs, Text},
};

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow)]
    streams: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StreamValues<'a> {
    #[serde(borrow, default)]
    stream: Pairs<'a>,
    #[serde(borrow)]
    values: Option<&'a RawValue>,
}

/// Walks the request and hands each entry to `collector`.
pub(super) fn walk(body: &str, collector: &mut Collector<'_>) -> Result<(), LogError> {
    let document = Document(body);
    document.each(document.read::<Push<'_>>()?.streams, |StreamValues { stream: Pairs(labels), values }| {
        let mut stream = None;
        document.each(values, |entry: Entry<'_>| {
            let stream = match stream {
                Some(stream) => stream,
                None => *stream.insert(Stream::begin(&labels, document.at(values), collector)?),
            };
            entry.record(stream, collector)
        })
    })
}

impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of time, line and perhaps metadata")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Entry<'de>, A::Error> {
        let missing = |count| A::Error::invalid_length(count, &self);
        let Integer(at) = parts.next_element()?.ok_or_else(|| missing(0))?;
        let Text(line) = parts.next_element()?.ok_or_else(|| missing(1))?;
        let metadata = parts.next_element::<Option<Pairs<'_>>>()?.flatten().unwrap_or_default().0;
        while parts.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry { at: at.try_into().ok(), line, metadata })
    }
}
