//! A Loki push: JSON, protobuf before its compression, or a body as it comes from the network.
#![no_main]

mod visit_logs;

use vigie::ingest::logs::loki::decode;
use visit_logs::decode_and_visit;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    decode_and_visit(decode, "application/json", "", body);
    decode_and_visit(decode, "application/x-protobuf", "", body);
    let Ok(block) = snap::raw::Encoder::new().compress_vec(body) else { return };
    decode_and_visit(decode, "application/x-protobuf", "snappy", &block);
});
