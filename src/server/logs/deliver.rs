//! The one way from any log input into the engine.

use std::borrow::Cow;

use tokio::sync::SemaphorePermit;

use crate::{
    fleet::{LogRequest, TooLarge},
    logs::redact::{Redactor, Taken},
    server::{
        app::{App, NotReady},
        intake::{self, Cause, Refused},
    },
    signal::{LogBatch, TenantId},
};

/// Takes out of a batch what is not to be kept, hands it to the engine and counts it for the protocol that it came by. What
/// returns without an error is in the journal and in the engine and may be acknowledged.
///
/// `turn` is the tenant's turn to work on a request, where there is one; it ends with the work.
///
/// # Errors
/// The batch is not kept: not now, and the sender should send it again ([`Cause::NotReady`]), or not at all.
pub(in crate::server) async fn deliver(
    app: &App,
    protocol: &'static str,
    tenant: &TenantId,
    mut batch: LogBatch,
    turn: Option<SemaphorePermit<'_>>,
) -> Result<(), Refused> {
    if batch.is_empty() {
        return Ok(());
    }
    let arrived = Arrived { lines: batch.len(), bytes: batch.text_bytes(), cut: batch.cut() };
    let (shared, tenant) = (app.clone(), tenant.clone());
    let ready = intake::work(arrived.bytes, move || {
        let taken = redact(shared.redactor(), &mut batch);
        LogRequest::new(tenant, batch, shared.now()).map(|request| (request, taken))
    });
    let (request, taken) = ready.await??;
    drop(turn);
    app.engine()?.write_logs(request).await.map_err(NotReady::from)?;
    app.telemetry().logs().taken(protocol, &arrived, &taken);
    Ok(())
}

impl From<TooLarge> for Refused {
    fn from(error: TooLarge) -> Self {
        Self::new(Cause::TooLarge, error)
    }
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
