//! What a line is in the index.

use tantivy::{
    TantivyDocument,
    index::{IndexBuilder, IndexSettings},
    schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, SchemaBuilder, TextFieldIndexing, TextOptions},
    store::Compressor,
    tokenizer::{TextAnalyzer, TokenizerManager},
};

use super::{stream, tokens::LineTokenizer};
use crate::{
    ingest::logs::names::label_name,
    signal::{LogRecord, Severity, TimestampNs},
};

/// Longest `name=value` of an attribute that is a term; what is longer is only stored.
pub(super) const LONGEST_ATTRIBUTE: usize = 256;

/// Bytes of text that are compressed together.
const BLOCK_BYTES: usize = 16 << 10;

/// The fields of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// Event time in ns.
    pub(super) time: Field,
    /// Bytes of the line.
    pub(super) bytes: Field,
    /// The label set.
    pub(super) stream: Field,
    pub(super) line: Field,
    pub(super) template: Field,
    /// See [`severity_code`].
    pub(super) severity: Field,
    /// In lower case.
    pub(super) trace_id: Field,
    /// `name=value`, with the name as a label.
    pub(super) attribute: Field,
    /// All attributes, as JSON.
    pub(super) attributes: Field,
}

/// Names of the columns.
pub(super) mod column {
    pub(in crate::search) const TIME: &str = "time";
    pub(in crate::search) const BYTES: &str = "bytes";
    pub(in crate::search) const STREAM: &str = "stream";
    pub(in crate::search) const TEMPLATE: &str = "template";
    pub(in crate::search) const SEVERITY: &str = "severity";
}

/// 0 is no severity, then in order.
pub(super) fn severity_code(severity: Option<Severity>) -> u64 {
    severity.map_or(0, |severity| severity as u64 + 1)
}

pub(super) fn severity_of(code: u64) -> Option<Severity> {
    Severity::ALL.get(usize::try_from(code.checked_sub(1)?).ok()?).copied()
}

/// The schema of all segments.
pub(super) fn schema() -> (Schema, Fields) {
    let terms = |tokenizer| {
        let terms = TextFieldIndexing::default().set_tokenizer(tokenizer).set_fieldnorms(false);
        TextOptions::default().set_indexing_options(terms.set_index_option(IndexRecordOption::Basic))
    };
    let mut builder = SchemaBuilder::new();
    let fields = Fields {
        time: builder.add_i64_field(column::TIME, FAST),
        bytes: builder.add_u64_field(column::BYTES, FAST),
        stream: builder.add_text_field(column::STREAM, terms("raw").set_fast("raw")),
        line: builder.add_text_field("line", terms("line").set_stored()),
        template: builder.add_u64_field(column::TEMPLATE, INDEXED | FAST),
        severity: builder.add_u64_field(column::SEVERITY, INDEXED | FAST),
        trace_id: builder.add_text_field("trace_id", terms("raw").set_stored()),
        attribute: builder.add_text_field("attribute", terms("raw")),
        attributes: builder.add_text_field("attributes", STORED),
    };
    (builder.build(), fields)
}

/// How a segment is made.
pub(super) fn builder(schema: Schema) -> IndexBuilder {
    let tokenizers = TokenizerManager::default();
    tokenizers.register("line", TextAnalyzer::from(LineTokenizer::default()));
    let settings = IndexSettings {
        docstore_compression: Compressor::Lz4,
        docstore_compress_dedicated_thread: false,
        docstore_blocksize: BLOCK_BYTES,
        ..IndexSettings::default()
    };
    IndexBuilder::new().schema(schema).tokenizers(tokenizers).settings(settings)
}

/// Makes documents of records; keeps its buffers.
#[derive(Debug, Default)]
pub(super) struct Documents {
    stream: String,
}

impl Documents {
    pub(super) fn of(
        &mut self,
        fields: &Fields,
        at: TimestampNs,
        record: &LogRecord<'_>,
        template: u64,
    ) -> TantivyDocument {
        stream::encode(record.labels, &mut self.stream);
        let mut document = TantivyDocument::with_capacity(record.line.len() + self.stream.len() + 64);
        document.add_i64(fields.time, at);
        document.add_u64(fields.bytes, record.line.len() as u64);
        document.add_text(fields.stream, &self.stream);
        document.add_text(fields.line, record.line);
        document.add_u64(fields.template, template);
        document.add_u64(fields.severity, severity_code(record.severity));
        if !record.trace_id.is_empty() {
            document.add_text(fields.trace_id, record.trace_id.to_ascii_lowercase());
        }
        let attributes: Vec<(&str, &str)> = record.attributes().collect();
        for (name, value) in &attributes {
            let name = label_name(name);
            if name.len() + value.len() < LONGEST_ATTRIBUTE {
                document.add_text(fields.attribute, attribute_term(&name, value));
            }
        }
        if !attributes.is_empty() {
            // A list of pairs of texts has nothing that JSON could refuse.
            document.add_text(fields.attributes, serde_json::to_string(&attributes).unwrap_or_default());
        }
        document
    }
}

/// The term of an attribute. `name` is a label name, so the first `=` ends it.
pub(super) fn attribute_term(name: &str, value: &str) -> String {
    format!("{name}={value}")
}
