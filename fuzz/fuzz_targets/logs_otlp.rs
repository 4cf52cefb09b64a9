//! An export of logs by OTLP, in both forms and in every encoding.
#![no_main]

mod visit_logs;

use vigie::ingest::logs::otlp::decode;
use visit_logs::decode_and_visit;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    for content_type in ["application/x-protobuf", "application/json"] {
        for content_encoding in ["", "gzip", "deflate", "snappy"] {
            decode_and_visit(decode, content_type, content_encoding, body);
        }
    }
});
