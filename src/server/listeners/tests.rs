//! Connections and datagrams with a sink that can be held up, and whole listeners with real sockets.

mod connections;
mod grpc;
mod sockets;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{encoding::text, registry::Registry};
use tokio::time::sleep;

use super::{
    Counters, FORWARD, SYSLOG,
    input::{Input, Sink},
    stop::{Stop, Word},
};
use crate::{
    ingest::logs::LogLimits,
    server::{
        app::NotReady,
        intake::{Cause, Refused},
    },
    signal::{LogBatch, TenantId, TimestampMs},
};

/// 2023-11-14T22:13:20Z in milliseconds.
const NOW: TimestampMs = 1_700_000_000_000;

/// Keeps lines, or does not as long as it is told so.
#[derive(Clone, Debug, Default)]
struct Fake(Arc<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    refuses: Mutex<Option<Cause>>,
    attempts: AtomicU64,
    lines: Mutex<Vec<String>>,
}

impl Fake {
    fn hold_up(&self, cause: impl Into<Option<NotReady>>) {
        *self.0.refuses.lock().unwrap() = cause.into().map(Cause::NotReady);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lines.lock().unwrap().clone()
    }

    fn attempts(&self) -> u64 {
        self.0.attempts.load(Ordering::SeqCst)
    }

    /// Waits for so many lines and returns them.
    async fn wait_for(&self, count: usize) -> Vec<String> {
        until(|| self.lines().len() >= count).await;
        self.lines()
    }
}

impl Sink for Fake {
    async fn deliver(&self, _: &'static str, tenant: &TenantId, batch: LogBatch) -> Result<(), Refused> {
        assert_eq!(tenant.as_str(), "shop");
        assert!(!batch.is_empty());
        self.0.attempts.fetch_add(1, Ordering::SeqCst);
        if let Some(cause) = *self.0.refuses.lock().unwrap() {
            return Err(Refused::new(cause, "not kept"));
        }
        self.0.lines.lock().unwrap().extend(batch.records().map(|record| record.line.to_owned()));
        Ok(())
    }

    fn now(&self) -> TimestampMs {
        NOW
    }
}

/// An input of the tenant `shop`, and who gives it the word to stop.
fn input(protocol: &'static str) -> (Input<Fake>, Word) {
    let (word, stop) = Stop::new();
    let input = Input {
        protocol,
        tenant: TenantId::parse("shop").unwrap(),
        limits: LogLimits::default(),
        event_bytes: 1 << 20,
        connections: 2,
        idle: Duration::from_secs(60),
        counters: Counters::default(),
        stop,
        sink: Fake::default(),
    };
    (input, word)
}

/// Value of a counter, `name{labels}`; zero as long as there is none.
fn counter(counters: &Counters, name: &str) -> u64 {
    let mut registry = Registry::default();
    counters.register(&mut registry);
    let mut page = String::new();
    text::encode(&mut page, &registry).unwrap();
    let found = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.map_or(0, |value| value.parse().unwrap())
}

/// Waits until something is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Messages of Fluent forward: `[tag, time, {"log": line}]`, with an option if a chunk is to be acknowledged.
fn event(line: &str, chunk: Option<&str>) -> Vec<u8> {
    let text = |out: &mut Vec<u8>, text: &str| {
        assert!(text.len() < 32);
        out.push(0xa0 | text.len() as u8);
        out.extend_from_slice(text.as_bytes());
    };
    let mut event = vec![if chunk.is_some() { 0x94 } else { 0x93 }];
    text(&mut event, "app");
    event.extend_from_slice(&[0xce, 0x65, 0x53, 0xf1, 0x00, 0x81]);
    text(&mut event, "log");
    text(&mut event, line);
    if let Some(chunk) = chunk {
        event.push(0x81);
        text(&mut event, "chunk");
        text(&mut event, chunk);
    }
    event
}

/// The acknowledgement of a chunk.
fn ack(chunk: &str) -> Vec<u8> {
    [&b"\x81\xa3ack"[..], &[0xa0 | chunk.len() as u8], chunk.as_bytes()].concat()
}
