//! Events in every mode, whole and in pieces, and malformed ones.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

use super::{scanner::Scanner, *};
use crate::{
    ingest::logs::{LogError, LogLimits, Writer},
    signal::LogBatch,
};

/// 2023-11-14T22:13:20Z in seconds.
const TIME: [u8; 5] = [0xce, 0x65, 0x53, 0xf1, 0x00];
/// The same and 5 ns, as an `EventTime` of eight bytes.
const EVENT_TIME: [u8; 10] = [0xd7, 0x00, 0x65, 0x53, 0xf1, 0x00, 0, 0, 0, 5];
const AT: i64 = 1_700_000_000_000_000_000;

fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    msgpack::write_text(&mut bytes, text.as_bytes());
    bytes
}

/// A list of values, fewer than 16.
fn list(values: &[&[u8]]) -> Vec<u8> {
    [&[0x90 | values.len() as u8], &*values.concat()].concat()
}

fn map(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| [&*text(name), value].concat()).collect();
    [&[0x80 | pairs.len() as u8], &*pairs.concat()].concat()
}

fn record(line: &str) -> Vec<u8> {
    map(&[("log", &text(line)), ("stream", &text("stdout"))])
}

/// Bytes with 32 bits of length.
fn bytes(payload: &[u8]) -> Vec<u8> {
    [&[0xc6][..], &(payload.len() as u32).to_be_bytes(), payload].concat()
}

fn gzip(payload: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(payload).unwrap();
    encoder.finish().unwrap()
}

fn packed(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| list(&[&EVENT_TIME, &record(line)])).collect()
}

/// An event of each mode, the last two with options.
fn every_mode() -> [Vec<u8>; 4] {
    let tag = text("app.web");
    let pairs = [list(&[&TIME, &record("two")]), list(&[&EVENT_TIME, &record("three\n")])];
    let compressed = map(&[("size", &[2]), ("compressed", &text("gzip")), ("chunk", &text("Y2h1bms="))]);
    let members = [gzip(&packed(&["five"])), gzip(&packed(&["six"]))].concat();
    [
        list(&[&tag, &TIME, &record("one")]),
        list(&[&tag, &list(&[&pairs[0], &pairs[1]])]),
        list(&[&tag, &bytes(&packed(&["four"])), &map(&[("chunk", &text("abc"))])]),
        list(&[&tag, &bytes(&members), &compressed]),
    ]
}

/// Lines, acknowledgements and records refused of what pieces of a connection bring.
type Outcome = (Vec<String>, Vec<Option<Vec<u8>>>, usize);

fn run<'a>(most: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Outcome, LogError> {
    let (limits, mut batch) = (LogLimits::default(), LogBatch::default());
    let mut writer = Writer::new(&mut batch, &limits);
    let mut decoder = Decoder::new(most);
    let (mut acks, mut tally) = (Vec::new(), Tally::default());
    for piece in pieces {
        decoder.feed(piece);
        while let Some(event) = decoder.event()? {
            let Tally { taken, refused } = event.write(&mut writer)?;
            tally = Tally { taken: tally.taken + taken, refused: tally.refused + refused };
            acks.push(event.ack());
        }
    }
    assert_eq!(tally.taken, batch.len());
    Ok((batch.records().map(|record| record.line.to_owned()).collect(), acks, tally.refused))
}

fn lines(event: &[u8]) -> (Vec<String>, usize) {
    let (lines, _, refused) = run(1 << 20, [event]).unwrap();
    (lines, refused)
}

#[test]
fn every_mode_of_the_protocol() {
    let (lines, acks, refused) = run(1 << 20, [&*every_mode().concat()]).unwrap();
    assert_eq!(lines, ["one", "two", "three", "four", "five", "six"]);
    assert_eq!(refused, 0);
    let acks: Vec<_> = acks.iter().map(|ack| ack.as_deref()).collect();
    assert_eq!(acks, [None, None, Some(&b"\x81\xa3ack\xa3abc"[..]), Some(b"\x81\xa3ack\xa8Y2h1bms=")]);
}

#[test]
fn a_record_is_a_document_with_a_tag() {
    let (limits, mut batch) = (LogLimits::default(), LogBatch::default());
    let kubernetes = map(&[("pod_name", &text("cart-1")), ("namespace_name", &text("shop"))]);
    let document = map(&[
        ("log", &text("failed\n")),
        ("level", &text("error")),
        ("time", &text("2020-01-01T00:00:00Z")),
        ("kubernetes", &kubernetes),
        ("codes", &list(&[&[7], &[0xff], &[0xc3], &[0xc0], &[0xca, 0x3f, 0x80, 0, 0]])),
        ("ext", &EVENT_TIME),
        ("bytes", &bytes(b"a\xff")),
    ]);
    let mut decoder = Decoder::new(1 << 20);
    decoder.feed(&list(&[&text("kube.x"), &EVENT_TIME, &document, &map(&[])]));
    let event = decoder.event().unwrap().unwrap();
    assert_eq!((&*event.tag(), event.ack()), ("kube.x", None));
    event.write(&mut Writer::new(&mut batch, &limits)).unwrap();
    let record = batch.records().next().unwrap();
    assert_eq!(
        record.labels.to_string(),
        "{kubernetes_namespace_name=\"shop\",kubernetes_pod_name=\"cart-1\",namespace=\"shop\",pod=\"cart-1\",\
         service=\"kube.x\",tag=\"kube.x\"}"
    );
    assert_eq!((record.at, record.line), (Some(AT + 5), "failed"));
    assert_eq!(record.severity.unwrap().as_str(), "error");
    assert_eq!(record.attributes().collect::<Vec<_>>(), [("codes", "[7,-1,true,null,1.0]"), ("bytes", "a\u{fffd}")]);
}

#[test]
fn what_fluent_logger_sends() {
    // Version 0.11.1, with and without nanoseconds.
    let bytes = b"\x93\xa7app.web\xd7\x00k\x02<\xd7'\xec\xba6\x83\xa7message\xa2hi\xa5level\xa4warn\xa1n\x82\xa1a\xcb?\xf8\x00\x00\x00\x00\
        \x00\x00\xa1b\xc0\x93\xa7app.web\xcek\x02<\xd7\x81\xa4from\xa1x";
    assert_eq!(lines(bytes), (vec!["hi".to_owned(), r#"{"from":"x"}"#.to_owned()], 0));
}

#[test]
fn a_record_without_text_is_json() {
    let document = [&[0x82], &*text("a"), &[0x01], &[0x07], &*map(&[("b", &text("\""))])].concat();
    let (lines, _) = lines(&list(&[&text("t"), &TIME, &document]));
    assert_eq!(lines, [r#"{"a":1,"7":{"b":"\""}}"#]);
}

#[test]
fn times() {
    let with_metadata = list(&[&EVENT_TIME, &map(&[])]);
    let long = [&[0xc7, 8, 0], &EVENT_TIME[2..]].concat();
    let float = [&[0xcb], &1_700_000_000.5_f64.to_be_bytes()[..]].concat();
    for (time, at) in [
        (&TIME[..], Some(AT)),
        (&EVENT_TIME, Some(AT + 5)),
        (&long, Some(AT + 5)),
        (&with_metadata, Some(AT + 5)),
        (&float, Some(AT + 500_000_000)),
        (&[0xff], Some(-1_000_000_000)),
        (&[0xc0], None),
        (&[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], None),
        (&[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], None),
        (&[0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], None),
        (&[0xd6, 0, 1, 2, 3, 4], None),
        (&[0x91, 0x91, 0x01], None),
        (&[0x90], None),
    ] {
        let (limits, mut batch) = (LogLimits::default(), LogBatch::default());
        let mut decoder = Decoder::new(1 << 20);
        decoder.feed(&list(&[&text("t"), &list(&[&list(&[time, &record("x")])])]));
        decoder.event().unwrap().unwrap().write(&mut Writer::new(&mut batch, &limits)).unwrap();
        assert_eq!(batch.records().next().unwrap().at, at, "{time:x?}");
    }
}

#[test]
fn what_is_no_record_is_refused_and_the_others_go_on() {
    let good = list(&[&TIME, &record("good")]);
    let wrong: [&[u8]; 6] = [&[0xc0], &[0x91, 0x01], &[0x92, 0x01, 0xc0], &[0x93, 1, 0x80, 1], &[0x90], &[0xa1, b'x']];
    for wrong in wrong {
        let entries = list(&[&good, wrong, &good]);
        assert_eq!(lines(&list(&[&text("t"), &entries])), (vec!["good".into(), "good".into()], 1), "{wrong:x?}");
        let entries = bytes(&[&good, wrong, &good].concat());
        assert_eq!(lines(&list(&[&text("t"), &entries])), (vec!["good".into(), "good".into()], 1), "{wrong:x?}");
    }
    // Behind what is no value nothing can be read.
    for wrong in [&[0xc1][..], &[0x92, 0x01], &[0xdb, 0xff, 0xff, 0xff, 0xff], &[0x91; 100]] {
        let entries = bytes(&[&good, wrong].concat());
        assert_eq!(lines(&list(&[&text("t"), &entries])), (vec!["good".into()], 1), "{wrong:x?}");
    }
    // Old clients write packed entries as text.
    let mut entries = Vec::new();
    msgpack::write_text(&mut entries, &packed(&["old"]));
    assert_eq!(lines(&list(&[&text("t"), &entries])), (vec!["old".into()], 0));
}

#[test]
fn options_that_mean_nothing() {
    for option in [&[0xc0][..], &[0x80], &[0x01], &[0x81, 0x01, 0x02], &map(&[("compressed", &text("text"))])] {
        let event = list(&[&text("t"), &bytes(&packed(&["x"])), option]);
        assert_eq!(run(1 << 20, [&*event]).unwrap(), (vec!["x".to_owned()], vec![None], 0), "{option:x?}");
    }
}

#[test]
fn what_is_no_event_ends_the_connection() {
    let malformed = |bytes: &[u8]| match run(1 << 20, [bytes]).unwrap_err() {
        LogError::Malformed { what, at } => (what, at),
        other => panic!("{other}"),
    };
    for bytes in [&[0x01][..], &[0x90], &[0x91, 0xa1, b't'], &[0x92, 0x01, 0x90], &[0x92, 0xa1, b't', 0x01], &[0x80]] {
        assert_eq!(malformed(bytes), ("no event of the forward protocol".to_owned(), 0), "{bytes:x?}");
    }
    assert_eq!(malformed(b"\x92\xa1t\xc1"), ("no value begins like this".to_owned(), 3));
    let deep = malformed(&[0x91; 100]);
    assert_eq!(deep, ("lists and maps are too deep in each other".to_owned(), Scanner::DEPTH + 1));
    assert_eq!(malformed(b"GET / HTTP/1.1\r\n").0, "no event of the forward protocol");
    let no_gzip = list(&[&text("t"), &bytes(b"x"), &map(&[("compressed", &text("gzip"))])]);
    assert!(malformed(&no_gzip).0.starts_with("entries are no gzip"));
    let zstd = list(&[&text("t"), &bytes(b"x"), &map(&[("compressed", &text("zstd"))])]);
    let unsupported = "entries are compressed with zstd; send gzip".to_owned();
    assert_eq!(run(1 << 20, [&*zstd]), Err(LogError::Unsupported(unsupported)));
    // A sign of life is none.
    assert_eq!(run(99, [&[0xc0, 0xc0][..]]).unwrap(), (vec![], vec![], 0));
}

#[test]
fn sizes_are_bounded() {
    let [message, ..] = every_mode();
    let too_large = |most| Err(LogError::BodyTooLarge { limit: most });
    assert_eq!(run(message.len(), [&*message]).map(|outcome| outcome.0), Ok(vec!["one".to_owned()]));
    assert_eq!(run(message.len() - 1, [&*message]), too_large(message.len() - 1));
    // By what a value says of itself, and by what came.
    assert_eq!(run(1000, [b"\x92\xa1t\xc6\xff\xff\xff\xff".as_slice()]), too_large(1000));
    let many = [&b"\x92\xa1t\xdd\xff\xff\xff\xff"[..], &[0xc0; 1000]].concat();
    assert_eq!(run(1000, many.chunks(7)), too_large(1000));

    let bomb = gzip(&vec![0xc0; 10_000]);
    let event = list(&[&text("t"), &bytes(&bomb), &map(&[("compressed", &text("gzip"))])]);
    let limits = LogLimits { body_bytes: 9_999, ..LogLimits::default() };
    let mut batch = LogBatch::default();
    let mut decoder = Decoder::new(1000);
    decoder.feed(&event);
    let event = decoder.event().unwrap().unwrap();
    assert_eq!(event.write(&mut Writer::new(&mut batch, &limits)), Err(LogError::BodyTooLarge { limit: 9_999 }));
    let limits = LogLimits { body_bytes: 10_000, ..limits };
    assert_eq!(event.write(&mut Writer::new(&mut batch, &limits)), Ok(Tally { taken: 0, refused: 10_000 }));
}

#[test]
fn byte_by_byte_is_the_same_as_at_once() {
    let all = every_mode().concat();
    let whole = run(1 << 20, [&*all]).unwrap();
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(run(1 << 20, all.chunks(size)).unwrap(), whole, "{size}");
    }
}

#[test]
fn events_cut_or_changed_anywhere_never_panic() {
    let all = every_mode().concat();
    for at in 0..all.len() {
        let (lines, ..) = run(1 << 20, [&all[..at]]).unwrap();
        assert!(lines.len() < 6);
        for change in [0x01, 0x10, 0x80, 0xff] {
            let mut changed = all.clone();
            changed[at] ^= change;
            let _ = run(1 << 20, [&*changed]);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_the_same_in_any_pieces(
        begun in prop_oneof![Just(&b""[..]), Just(&b"\x92\xa1t"[..]), Just(&b"\x92\xa1t\x92\x92\x01"[..])],
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), 0x80..0x84_u8, 0x90..0x94_u8, 0xa0..0xa3_u8, 0xc0..0xc8_u8, 0..4_u8],
            0..100,
        ),
        size in 1..9_usize,
    ) {
        let bytes = [begun, &bytes].concat();
        prop_assert_eq!(run(99, bytes.chunks(size)), run(99, [&*bytes]));
    }

    #[test]
    fn any_entries_are_records_or_refused(bytes_of in prop::collection::vec(any::<u8>(), 0..200)) {
        let event = list(&[&text("t"), &bytes(&bytes_of)]);
        prop_assert!(run(1 << 20, [&*event]).is_ok());
    }
}
