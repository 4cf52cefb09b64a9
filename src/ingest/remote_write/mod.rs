//! Prometheus remote write 1.0 and 2.0.
//!
//! The way of a request: [`negotiate()`] its headers, [`decompress`] its body, [`WriteRequest::decode`] it, then look at
//! the series it located through [`WriteRequest::view`].
//!
//! Decoding is one walk over the bytes. It computes the [`Identity`](crate::signal::Identity) of each series and
//! remembers where its samples lie, but builds no label set: nearly all series of a request are known already, and
//! the few that are new can be asked for their labels. Nothing is allocated per label or sample.
//!
//! What is wrong with one series refuses that series ([`Rejections`]); what is wrong with the bytes or the size of the
//! request refuses the request ([`DecodeError`]).
//!
//! Left out on purpose: exemplars are counted, not read; `Content-Encoding: zstd` is refused, which makes vmagent fall
//! back to snappy; remote write 2.0's old `created_timestamp` of a series is ignored.

mod compression;
mod encode;
mod histogram;
mod histogram_wire;
mod limits;
mod negotiate;
mod reject;
mod request;
mod series;
mod v1;
mod v2;
mod view;

#[cfg(test)]
mod tests;

pub use compression::decompress;
pub use encode::Encoder;
pub use histogram::{Bucket, NativeHistogram, ResetHint};
pub use histogram_wire::{HistogramError, MAX_BUCKETS};
pub use limits::{DecodeError, Limits};
pub use negotiate::{Protocol, Unsupported, negotiate};
pub use reject::{Fault, Rejections, Tally};
pub use request::{SeriesEntry, WriteRequest};
pub use view::{FamilyMetadata, SeriesView, WireSample};

pub use super::wire::{Malformed, WireFault};
