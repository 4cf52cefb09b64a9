//! Series of a remote write 2.0 request: labels refer to a table of the texts that the request needs, each once.

use std::{collections::HashMap, ops::Range};

use super::{
    encode::by_job,
    population::{Job, Population},
    wire::{SampleField, push_varint, put_bytes, put_head, put_varint},
};

/// Encodes a request; keeps what does not change from request to request.
#[derive(Debug)]
pub(super) struct Message {
    /// By [`Job`].
    lines: [Vec<Encoded>; 3],
    /// Texts that do not depend on the target, and the reference of each in this request, 0 when it has none yet.
    texts: Vec<String>,
    references: Vec<u32>,
    /// The target's texts that this request has.
    shared: HashMap<String, u32>,
    /// References of the labels' values of the target at hand.
    target: Vec<u32>,
    /// References used in this request; the first is that of the empty text.
    used: u32,
    symbols: Vec<u8>,
    series: Vec<u8>,
    labels: Vec<u8>,
    metadata: Vec<u8>,
}

/// A line as indices into [`Message::texts`].
#[derive(Debug)]
struct Encoded {
    labels: Vec<(usize, Value)>,
    kind: u64,
    help: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Value {
    /// The line's own, by index into the texts.
    Own(usize),
    /// The target's, by place among its labels.
    Shared(usize),
}

impl Message {
    pub(super) fn new(population: &Population) -> Self {
        let mut texts = Texts::default();
        let lines = by_job(|job| {
            let shared = job.label_names().iter().enumerate();
            let shared: Vec<_> = shared.map(|(place, name)| (*name, Value::Shared(place))).collect();
            let lines = population.lines(job).iter().map(|line| {
                let own = line.labels.iter().map(|(name, value)| (*name, Value::Own(texts.index(value))));
                let mut labels: Vec<_> = own.collect();
                labels.extend(&shared);
                labels.sort_unstable_by_key(|(name, _)| *name);
                let labels = labels.into_iter().map(|(name, value)| (texts.index(name), value)).collect();
                let help = (!line.help.is_empty()).then(|| texts.index(line.help));
                Encoded { labels, kind: line.kind as u64, help }
            });
            lines.collect()
        });
        let texts = texts.all;
        let references = vec![0; texts.len()];
        let mut message = Self {
            lines,
            texts,
            references,
            shared: HashMap::new(),
            target: Vec::new(),
            used: 0,
            symbols: Vec::new(),
            series: Vec::new(),
            labels: Vec::new(),
            metadata: Vec::new(),
        };
        message.clear();
        message
    }

    /// Adds series of one target: its `lines`, each with the value that `values` has for it.
    pub(super) fn part(
        &mut self,
        job: Job,
        lines: Range<usize>,
        shared: &[String],
        values: impl Iterator<Item = f64>,
        sample: &mut SampleField,
    ) {
        let Self { lines: all, texts, references, target, used, symbols, series, labels, metadata, .. } = self;
        target.clear();
        for value in shared {
            let reference = self.shared.get(value).copied().unwrap_or_else(|| {
                let reference = put_symbol(symbols, used, value);
                self.shared.insert(value.clone(), reference);
                reference
            });
            target.push(reference);
        }
        let mut own = |index: usize| {
            if references[index] == 0 {
                references[index] = put_symbol(symbols, used, &texts[index]);
            }
            references[index]
        };
        for (line, value) in all[job as usize][lines].iter().zip(values) {
            labels.clear();
            for &(name, value) in &line.labels {
                push_varint(labels, own(name).into());
                let value = match value {
                    Value::Own(index) => own(index),
                    Value::Shared(place) => target[place],
                };
                push_varint(labels, value.into());
            }
            metadata.clear();
            put_varint(metadata, 1, line.kind);
            if let Some(help) = line.help {
                put_varint(metadata, 3, own(help).into());
            }
            // Each of the two has less than 128 bytes, so that tag and length take two.
            put_head(series, 5, labels.len() + metadata.len() + 4 + sample.len());
            put_bytes(series, 1, labels);
            series.extend_from_slice(sample.with(value));
            put_bytes(series, 5, metadata);
        }
    }

    /// Writes the request to `body` and begins the next.
    pub(super) fn finish(&mut self, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.symbols);
        body.extend_from_slice(&self.series);
        self.clear();
    }

    fn clear(&mut self) {
        self.references.fill(0);
        self.shared.clear();
        self.used = 0;
        self.symbols.clear();
        self.series.clear();
        put_symbol(&mut self.symbols, &mut self.used, "");
    }
}

/// Appends a text to the table and returns its reference.
fn put_symbol(symbols: &mut Vec<u8>, used: &mut u32, text: &str) -> u32 {
    put_bytes(symbols, 4, text.as_bytes());
    let reference = *used;
    *used += 1;
    reference
}

/// Texts, each once.
#[derive(Debug, Default)]
struct Texts {
    all: Vec<String>,
    indices: HashMap<String, usize>,
}

impl Texts {
    fn index(&mut self, text: &str) -> usize {
        *self.indices.entry(text.to_owned()).or_insert_with(|| {
            self.all.push(text.to_owned());
            self.all.len() - 1
        })
    }
}
