//! Syslog: RFC 5424 and what is taken for RFC 3164, one message after the other.
//!
//! A datagram is one message; of a TCP connection a [`Framer`] makes messages. [`decode`] takes a message of either
//! form, which it tells apart by its beginning. No message is refused: what is no header is text.

mod bsd;
mod framer;
mod header;
mod message;
mod structured;

pub use framer::Framer;
pub use message::{Message, decode};

#[cfg(test)]
mod tests;
