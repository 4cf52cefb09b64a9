//! Fluent forward protocol, version 1, as Fluentd and Fluent Bit speak it.
//!
//! A [`Decoder`] takes the bytes of a connection and gives [`Event`]s; each writes its records to a batch and knows the
//! bytes of its acknowledgement. Records are documents like those of Elasticsearch, with the tag as label `tag`.
//!
//! Left out: the handshake with a shared key, and events that are no logs (Fluent Bit's metrics and traces), whose
//! entries are refused.

mod decoder;
mod event;
mod msgpack;
mod reader;
mod scanner;

pub use decoder::Decoder;
pub use event::{Event, Tally};

#[cfg(test)]
mod tests;
