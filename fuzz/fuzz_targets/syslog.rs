//! The bytes of a syslog connection, framed at once and in pieces, and its messages.
#![no_main]

use vigie::{
    ingest::logs::{
        LogLimits, Writer,
        syslog::{self, Framer},
    },
    signal::LogBatch,
};

const MESSAGE_BYTES: usize = 64;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let whole = frames(&[bytes]);
    let pieces: Vec<&[u8]> = bytes.chunks(3).collect();
    assert_eq!(frames(&pieces), whole);

    let (limits, mut batch) = (LogLimits::default(), LogBatch::default());
    let mut writer = Writer::new(&mut batch, &limits);
    for message in whole.iter().map(Vec::as_slice).chain([bytes]) {
        syslog::decode(message, 1_700_000_000_000_000_000, &mut writer).expect("few enough");
    }
    assert_eq!(batch.records().count(), batch.len());
});

/// The messages up to the first wrong length.
fn frames(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut framer = Framer::new(MESSAGE_BYTES);
    let mut messages = Vec::new();
    let mut take = |message: &[u8]| {
        assert!(message.len() <= MESSAGE_BYTES);
        messages.push(message.to_vec());
        Ok(())
    };
    if pieces.iter().all(|piece| framer.feed(piece, &mut take).is_ok()) {
        framer.finish(&mut take).expect("taking never fails");
    }
    messages
}
