//! How the engine is given its input, on whatever it runs: batches from the router, records from the journal.

use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::oneshot;

use super::{Input, LogRequest, Request, Unavailable, queue::Bill};
use crate::{
    engine::WriteReport,
    ingest::remote_write::{Limits, Protocol, WriteRequest, decompress},
    journal::{Kind, Position, Record},
    signal::{Command, Finding, TenantId},
};

/// Where the report of a request goes.
pub(super) struct Reply {
    to: oneshot::Sender<Result<WriteReport, Unavailable>>,
    /// What its tenant is charged for it.
    bill: Option<Bill<Input>>,
}

impl Reply {
    pub(super) fn new(to: oneshot::Sender<Result<WriteReport, Unavailable>>) -> Self {
        Self { to, bill: None }
    }

    /// Answers, and settles the bill.
    pub(super) fn send(mut self, answer: Result<WriteReport, Unavailable>) {
        if let (Some(bill), Ok(report)) = (&mut self.bill, &answer) {
            bill.add_created(report.created);
        }
        drop(self.bill);
        // A caller that has gone away needs no answer.
        let _ = self.to.send(answer);
    }
}

/// The inputs that were taken from the queue, with those bills that are to be settled when they are done; the others are.
pub(super) fn billed(taken: Vec<(Input, Bill<Input>)>) -> Vec<Input> {
    let mut batch = Vec::with_capacity(taken.len());
    for (mut input, bill) in taken {
        match &mut input {
            Input::Write { reply, .. } | Input::Logs { reply, .. } => reply.bill = Some(bill),
            Input::Tell { .. } | Input::Save => {}
        }
        batch.push(input);
    }
    batch
}

/// An engine.
pub(super) trait Takes {
    /// Takes a request.
    fn write(&mut self, request: &Request, reply: Option<Reply>);

    /// Takes log records.
    fn write_logs(&mut self, request: &LogRequest, reply: Option<Reply>);

    /// Takes a command; gives the finding it was about, as it is now.
    fn tell(&mut self, tenant: &TenantId, command: &Command) -> Result<Option<Finding>, Unavailable>;
}

/// Has the engine take a batch that is kept, or refuses one that is not. Returns whether a snapshot was asked for: it
/// belongs behind the whole batch, which is where the journal is.
pub(super) fn take_batch(engine: &mut impl Takes, batch: Vec<Input>, is_kept: bool) -> bool {
    let mut is_snapshot_wanted = false;
    for input in batch {
        // A caller that has gone away needs no answer.
        match input {
            Input::Write { reply, .. } | Input::Logs { reply, .. } if !is_kept => {
                reply.send(Err(Unavailable::Unwritable))
            }
            Input::Tell { reply, .. } if !is_kept => drop(reply.send(Err(Unavailable::Unwritable))),
            Input::Write { request, reply } => engine.write(&request, Some(reply)),
            Input::Logs { request, reply } => engine.write_logs(&request, Some(reply)),
            Input::Tell { tenant, command, reply } => drop(reply.send(engine.tell(&tenant, &command))),
            Input::Save => is_snapshot_wanted = true,
        }
    }
    is_snapshot_wanted
}

/// Has the engine take a record that stands at `at`, as it took what the record was made of.
pub(super) fn take_record(engine: &mut impl Takes, at: Position, record: &Record<'_>) -> Result<(), String> {
    let protocol = match record.kind {
        Kind::RemoteWrite1 => Protocol::V1,
        Kind::RemoteWrite2 => Protocol::V2,
        Kind::Logs => {
            engine.write_logs(&LogRequest::of_record(record, record.end(at))?, None);
            return Ok(());
        }
        Kind::Command => {
            let command: Command = serde_json::from_slice(record.body).map_err(|error| error.to_string())?;
            return engine.tell(&record.tenant, &command).map(drop).map_err(|error| error.to_string());
        }
    };
    // What was within the limits when it came is so now.
    let limits = Limits { body_bytes: usize::MAX, ..Limits::default() };
    let decoded = decompress(record.body, &limits).and_then(|raw| WriteRequest::decode(protocol, raw, &limits));
    let body = Arc::new(decoded.map_err(|error| error.to_string())?);
    let (tenant, received) = (record.tenant.clone(), record.received_at);
    engine.write(&Request { tenant, protocol, raw: Bytes::new(), body, received }, None);
    Ok(())
}
