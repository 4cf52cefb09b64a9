//! The bytes of a Fluent forward connection, at once and in pieces.
#![no_main]

use vigie::{
    ingest::logs::{LogLimits, Writer, forward::Decoder},
    signal::LogBatch,
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let pieces: Vec<&[u8]> = bytes.chunks(3).collect();
    assert_eq!(lines(&pieces), lines(&[bytes]));
});

/// Lines and acknowledgements up to the first fault.
fn lines(pieces: &[&[u8]]) -> (Vec<String>, Vec<Vec<u8>>) {
    let limits = LogLimits { body_bytes: 1 << 16, ..LogLimits::default() };
    let (mut batch, mut acks) = (LogBatch::default(), Vec::new());
    let mut writer = Writer::new(&mut batch, &limits);
    let mut decoder = Decoder::new(1 << 16);
    'connection: for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.event() {
                Ok(Some(event)) if event.write(&mut writer).is_ok() => acks.extend(event.ack()),
                Ok(None) => break,
                _ => break 'connection,
            }
        }
    }
    (batch.records().map(|record| record.line.to_owned()).collect(), acks)
}
