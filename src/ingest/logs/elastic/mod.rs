//! What of Elasticsearch's HTTP API a shipper of logs needs.
//!
//! [`decode`] takes the body of a `_bulk` request, and [`BulkReport::response`] answers it item by item; [`answer()`]
//! is for everything that shippers ask before they send. Documents are added and never looked up again, so there is no
//! update, no deletion, and an id is only echoed.

mod action;
mod bulk;
mod handshake;
mod report;

pub use bulk::decode;
pub use handshake::{Handshake, PRODUCT_HEADER, answer, content_type};
pub use report::BulkReport;

#[cfg(test)]
mod tests;
