//! From the wire to the words of [`signal`](crate::signal): one decoder a protocol.
//!
//! First stage of the data's way. Decoders are pure functions over bytes: no sockets, no clock, no state between
//! requests. They check everything that a request can be checked for by itself; what needs the history of a series
//! (order, duplicates, staleness) is decided by the stage after.

pub mod logs;
#[cfg(test)]
mod message;
pub mod remote_write;
mod wire;
mod wire_write;
