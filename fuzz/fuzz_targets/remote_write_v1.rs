//! A decompressed remote write 1.0 body.
#![no_main]

mod visit;

libfuzzer_sys::fuzz_target!(|body: &[u8]| visit::decode_and_visit(vigie::ingest::remote_write::Protocol::V1, body));
