//! Bodies of `_bulk` requests.

use super::{BulkReport, action::Action, report::Refusal};
use crate::{
    ingest::logs::{LogError, LogLimits, Writer, fields::Fields},
    signal::LogBatch,
};

/// Longest name of an index in bytes, as in Elasticsearch.
const INDEX_BYTES: usize = 255;
/// Longest reason of a refusal in bytes: it may quote the sender.
const REASON_BYTES: usize = 200;

/// Decodes the decompressed body of a bulk request: lines of JSON, in turn an action and the document it is about.
///
/// `path_index` is the index that the request's path names, for actions that name none. The records' streams have the
/// index as label `index`. What is wrong with an item refuses that item; the last line needs no line feed, and empty
/// lines are passed over. `batch` is to be empty at first.
///
/// # Errors
/// [`LogError`] when there is no action at all or the request is over a limit; what is in the batch then is not to be
/// used.
pub fn decode(
    path_index: Option<&str>,
    body: &[u8],
    limits: &LogLimits,
    batch: &mut LogBatch,
) -> Result<BulkReport, LogError> {
    if body.len() > limits.body_bytes {
        return Err(LogError::BodyTooLarge { limit: limits.body_bytes });
    }
    let mut writer = Writer::new(batch, limits);
    let mut fields = Fields::default();
    let mut report = BulkReport::default();
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut lines = lines.filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        if report.taken() + report.refused() >= limits.records {
            return Err(LogError::TooMany { what: "actions", limit: limits.records });
        }
        let action = Action::read(line);
        let source = lines.next_if(|next| action.owns(next));
        // The answer repeats it for each item, so that a long one would make it huge.
        let index = action.index.as_deref().or(path_index).filter(|index| index.len() <= INDEX_BYTES);
        let outcome = match document(&action, index, source, &mut fields) {
            Ok((index, text)) => {
                fields.write(&mut writer, ("index", index), None, || text.to_owned())?;
                Ok(())
            }
            Err(refusal) => Err(refusal),
        };
        report.add(&action, index, source.unwrap_or(line), outcome);
    }
    if report.taken() + report.refused() == 0 {
        return Err(LogError::Malformed { what: "request body holds no action".to_owned(), at: 0 });
    }
    Ok(report)
}

/// Reads the document of an action, and gives back its index and its text.
fn document<'a>(
    action: &Action<'_>,
    index: Option<&'a str>,
    source: Option<&'a [u8]>,
    fields: &mut Fields,
) -> Result<(&'a str, &'a str), Refusal> {
    let refuse =
        |kind, reason: &str| Refusal { kind, reason: reason[..reason.floor_char_boundary(REASON_BYTES)].to_owned() };
    if let Some(fault) = &action.fault {
        return Err(refuse("illegal_argument_exception", fault));
    }
    let index =
        index.ok_or_else(|| refuse("action_request_validation_exception", "index is missing, or its name too long"))?;
    let source = source.ok_or_else(|| refuse("action_request_validation_exception", "source is missing"))?;
    let text = str::from_utf8(source).map_err(|error| refuse("mapper_parsing_exception", &error.to_string()))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let read = fields.read(&mut json).and_then(|()| json.end());
    read.map_err(|error| refuse("mapper_parsing_exception", &format!("failed to parse: {error}")))?;
    Ok((index, text))
}
