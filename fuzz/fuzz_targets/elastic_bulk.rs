//! A decompressed body of an Elasticsearch bulk request.
#![no_main]

use vigie::{
    ingest::logs::{LogLimits, elastic},
    signal::LogBatch,
};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let mut batch = LogBatch::default();
    let Ok(report) = elastic::decode(Some("logs"), body, &LogLimits::default(), &mut batch) else { return };
    assert_eq!(batch.records().count(), report.taken());
    let answer: serde_json::Value = serde_json::from_str(&report.response(1)).expect("the answer is JSON");
    let items = answer["items"].as_array().expect("a list of items");
    assert_eq!(items.len(), report.taken() + report.refused());
});
