//! The one way from any log input into the engine.

use std::borrow::Cow;

use crate::{
    logs::redact::{Redactor, Taken},
    server::{
        app::{App, NotReady},
        intake,
    },
    signal::{LogBatch, TenantId},
};

/// Takes out of a batch what is not to be kept, hands it to the engine and counts it for the protocol that it came by. What
/// returns without an error is in
/// the journal and in the engine and may be acknowledged.
///
/// # Errors
/// The batch cannot be taken now; nothing of it is kept, and the sender should send it again.
pub(in crate::server) async fn deliver(
    app: &App,
    protocol: &'static str,
    tenant: &TenantId,
    mut batch: LogBatch,
) -> Result<(), NotReady> {
    if batch.is_empty() {
        return Ok(());
    }
    let arrived = Arrived { lines: batch.len(), bytes: batch.text_bytes(), cut: batch.cut() };
    let shared = app.clone();
    let redacted = intake::work(arrived.bytes, move || {
        let taken = redact(shared.redactor(), &mut batch);
        (batch, taken)
    });
    let (batch, taken) = redacted.await?;
    write(app, tenant, batch).await?;
    app.telemetry().logs().taken(protocol, &arrived, &taken);
    Ok(())
}

/// What arrived in a batch.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) lines: usize,
    /// Of text.
    pub(super) bytes: usize,
    /// Texts that were cut off or left out.
    pub(super) cut: u64,
}

fn redact(redactor: &Redactor, batch: &mut LogBatch) -> Taken {
    let mut taken = Taken::new();
    batch.replace(|name, text| {
        let redacted = match name {
            Some(name) => redactor.redact_value(name, text, &mut taken),
            None => redactor.redact(text, &mut taken),
        };
        match redacted {
            Cow::Borrowed(_) => None,
            Cow::Owned(redacted) => Some(redacted),
        }
    });
    taken
}

/// Hands a batch to the engine.
async fn write(app: &App, _tenant: &TenantId, _batch: LogBatch) -> Result<(), NotReady> {
    app.engine().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        logs::redact::Pii,
        signal::{Labels, LogLine},
    };

    #[test]
    fn lines_and_attributes_are_redacted_and_nothing_else() {
        let mut batch = LogBatch::default();
        let stream = batch.stream(Labels::from_pairs([("service", "mail@example.com")]));
        let line = LogLine { trace_id: "0af7", line: "login of jane@example.com", ..LogLine::default() };
        batch.push(stream, &line, [("password", "hunter2"), ("user", "jane@example.com"), ("n@example.com", "1")]);
        batch.push(stream, &LogLine { line: "nothing", ..line }, [("user", "jane")]);
        let taken = redact(&Redactor::new(&Pii::DEFAULT), &mut batch);
        assert_eq!(taken, Taken::from([(Pii::Email, 2), (Pii::Token, 1)]));
        let records: Vec<_> =
            batch.records().map(|r| (r.trace_id, r.line, r.attributes().collect::<Vec<_>>())).collect();
        let attributes = vec![("password", "<token>"), ("user", "<email>"), ("n@example.com", "1")];
        assert_eq!(records[0], ("0af7", "login of <email>", attributes));
        assert_eq!(records[1], ("0af7", "nothing", vec![("user", "jane")]));
        assert_eq!(batch.records().next().unwrap().labels.get("service"), Some("mail@example.com"));
    }
}
