//! A body as it comes from the network, taken for either version.
#![no_main]

mod visit;

use vigie::ingest::remote_write::{Limits, Protocol, decompress};

libfuzzer_sys::fuzz_target!(|compressed: &[u8]| {
    let limits = Limits { body_bytes: 1 << 20, ..Limits::default() };
    let Ok(body) = decompress(compressed, &limits) else { return };
    assert!(body.len() <= limits.body_bytes);
    visit::decode_and_visit(Protocol::V1, &body);
    visit::decode_and_visit(Protocol::V2, &body);
});
