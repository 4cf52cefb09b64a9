//! What a sender may get wrong, against the running binary: the status that makes it do the right thing, counts that are
//! true, the good part of a request kept, and a daemon that stays up.
//!
//! The contract is remote write 1.0 and 2.0 as Prometheus itself answers: 400 for what will never succeed, 415 for a
//! wrong type or encoding, 413 for too much, never a 5xx, because a sender repeats that for ever.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;

use crate::support::{Answer, Vigie, get, query, query_at};
use crate::wire::{Message, Series, Symbols, Version, now_ms, request, sample, series_v1, series_v2, snappy};

/// The three headers of a 2.0 answer, on success and on 4xx alike.
const WRITTEN: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

/// Asserts the status of an answer and what must hold for every answer of that status.
#[track_caller]
fn expect(what: &str, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    if status == 204 {
        assert_eq!(answer.body, "", "{what}: a success has no body");
        return;
    }
    assert!(!answer.body.trim().is_empty(), "{what}: a refusal says why");
    let kind = answer.headers.get("content-type").map_or("", String::as_str);
    assert!(kind.starts_with("text/plain"), "{what}: Prometheus logs the body, so it is plain text, not {kind:?}");
}

/// Asserts the counts in the headers of an answer to a 2.0 request.
#[track_caller]
fn expect_written(what: &str, answer: &Answer, samples: u64) {
    let counts = WRITTEN.map(|header| answer.headers.get(header).map(|value| value.parse::<u64>().unwrap()));
    assert_eq!(counts, [Some(samples), Some(0), Some(0)], "{what}: samples, histograms, exemplars written");
}

/// Asserts that a series holds exactly these samples.
#[track_caller]
fn expect_stored(vigie: &Vigie, selector: &str, samples: &[(i64, &str)]) {
    let found = query(&vigie.url(""), &format!("{selector}[1h]"));
    assert_eq!(found.len(), 1, "series of {selector}: {found:?}");
    let samples: Vec<_> = samples.iter().map(|&(at, value)| (at, value.to_owned())).collect();
    assert_eq!(found[0].samples, samples, "{selector}");
}

#[test]
fn a_wrong_type_or_encoding_is_415() {
    let vigie = Vigie::start();
    let good = |name: &str| Series::new(name, &[], &[(now_ms(), 1.0)]);
    let [v1, v2] = Version::BOTH.map(|version| snappy(&request(version, &[good("typed")]).0));

    let refused = [
        ("json", "application/json", "snappy"),
        ("text", "text/plain", "snappy"),
        ("an unknown message", "application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy"),
        ("a message of another package", "application/x-protobuf;proto=prometheus.ReadRequest", "snappy"),
        ("zstd, as vmagent probes", "application/x-protobuf", "zstd"),
        ("gzip", "application/x-protobuf", "gzip"),
        ("an invented encoding", "application/x-protobuf", "snappy-framed"),
    ];
    for (what, kind, encoding) in refused {
        let headers = [("Content-Type", kind), ("Content-Encoding", encoding)];
        expect(what, &vigie.write_with(Version::V1, &headers, &v1), 415);
    }
    assert!(query(&vigie.url(""), "typed").is_empty(), "nothing of a refused request is stored");

    // The type is a media type, not a string: case, spaces and quotes are the sender's choice.
    let accepted = [
        ("1.0 by name", "application/x-protobuf;proto=prometheus.WriteRequest", &v1),
        ("1.0 in capitals", "Application/X-Protobuf", &v1),
        ("2.0 with a space", "application/x-protobuf; proto=io.prometheus.write.v2.Request", &v2),
        ("2.0 quoted", "application/x-protobuf; Proto=\"io.prometheus.write.v2.Request\"", &v2),
    ];
    for (what, kind, body) in accepted {
        let headers = [("Content-Type", kind), ("Content-Encoding", "snappy")];
        expect(what, &vigie.write_with(Version::V1, &headers, body), 204);
    }
    assert_eq!(query(&vigie.url(""), "typed").len(), 1);

    expect("GET", &get(&vigie.url("/api/v1/write")), 405);
    vigie.stop();
}

#[test]
fn success_carries_the_counts_that_a_2_0_sender_asks_for() {
    let vigie = Vigie::start();
    let now = now_ms();
    let series = [
        Series::new("counted", &[("part", "a")], &[(now - 2000, 1.0), (now - 1000, 2.0)]),
        Series::new("counted", &[("part", "b")], &[(now - 1000, 3.0)]),
    ];
    let answer = vigie.write(Version::V2, &series);
    expect("two series", &answer, 204);
    expect_written("two series", &answer, 3);

    // An empty request is valid: senders of metadata and health probes use it.
    let answer = vigie.write(Version::V2, &[]);
    expect("no series", &answer, 204);
    expect_written("no series", &answer, 0);
    vigie.stop();
}

#[test]
fn a_body_that_is_not_the_message_is_400() {
    let vigie = Vigie::start();
    for version in Version::BOTH {
        let message = request(version, &[Series::new("broken_body", &[], &[(now_ms(), 1.0)])]);
        let block = snappy(&message.0);
        let framed = framed_snappy(&message.0);

        expect("nothing at all", &vigie.write_body(version, &[]), 400);
        expect("not compressed", &vigie.write_body(version, &message.0), 400);
        expect("framed snappy", &vigie.write_body(version, &framed), 400);
        expect("noise", &vigie.write_body(version, &[0xff; 300]), 400);
        for length in 1..block.len() {
            let what = format!("{version:?}: the first {length} of {} compressed bytes", block.len());
            expect(&what, &vigie.write_body(version, &block[..length]), 400);
        }

        let field = if version == Version::V1 { 1 } else { 5 };
        let messages = [
            ("a varint of eleven bytes", Message::new().raw(&[0x08]).raw(&[0xff; 10]).raw(&[0x01])),
            ("a tag of eleven bytes", Message::new().raw(&[0xff; 11])),
            ("field number zero", Message::new().raw(&[0x02, 0x00])),
            ("a group, which proto3 has not", Message::new().raw(&[(field << 3 | 3) as u8])),
            ("wire type 7", Message::new().raw(&[(field << 3 | 7) as u8, 0])),
            ("a series that is a number", Message::new().varint(field, 7)),
            ("a series longer than the body", Message::new().raw(&[(field << 3 | 2) as u8, 0x7f, 0x00])),
            ("a length of 2^64 - 1", Message::new().raw(&[(field << 3 | 2) as u8]).raw(&[0xff; 9]).raw(&[0x01])),
            ("a sample cut short", Message::new().bytes(field, &Message::new().bytes(2, &[0x09, 0, 0]).0)),
        ];
        for (what, broken) in messages {
            expect(&format!("{version:?}: {what}"), &vigie.write_message(version, &broken), 400);
        }
    }
    assert!(query(&vigie.url(""), "broken_body").is_empty());
    vigie.stop();
}

/// A message cut at any byte is refused, except where the cut leaves a shorter message that is complete.
#[test]
fn a_message_cut_anywhere_is_400_or_complete() {
    let vigie = Vigie::start();
    let now = now_ms();
    for version in Version::BOTH {
        let series: Vec<_> = ["a", "b", "c"].map(|part| Series::new("cut", &[("part", part)], &[(now, 1.0)])).into();
        let whole = request(version, &series);
        let ends = field_ends(&whole.0);
        for length in 0..whole.0.len() {
            let answer = vigie.write_message(version, &Message(whole.0[..length].to_vec()));
            let complete = ends.contains(&length);
            let what = format!("{version:?}: {length} of {} bytes", whole.0.len());
            expect(&what, &answer, if complete { 204 } else { 400 });
        }
    }
    // The complete parts were taken, again and again with the same values, which is no fault.
    let found = query(&vigie.url(""), "cut[1h]");
    assert_eq!(found.iter().map(|series| series.label("part")).collect::<Vec<_>>(), ["a", "b"]);
    assert!(found.iter().all(|series| series.samples == [(now, "1".to_owned())]), "{found:?}");
    vigie.stop();
}

/// Returns the offsets at which a field of the outermost message ends, and 0.
fn field_ends(message: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    let mut at = 0;
    while at < message.len() {
        // Every outer field is length-delimited, with a one-byte tag.
        at += 1;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = message[at];
            at += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        at += length;
        ends.push(at);
    }
    assert_eq!(at, message.len());
    ends
}

fn framed_snappy(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.into_inner().unwrap()
}

#[test]
fn too_much_is_413_and_costs_no_memory() {
    const ROOF: u64 = 256 << 20;
    let vigie = Vigie::start();

    // The declared length alone: nothing of it may be allocated.
    for declared in [u64::from(u32::MAX), 3 << 30, 1 << 30] {
        let claim = Message::new().raw(&varint(declared)).raw(&[0x00, 0x00]);
        expect(&format!("{declared} bytes declared"), &vigie.write_body(Version::V1, &claim.0), 413);
    }
    // More than the format allows is not a size but a malformed block.
    expect("2^40 bytes declared", &vigie.write_body(Version::V1, &varint(1 << 40)), 400);

    // True bombs: zeros, which snappy packs into one part in twenty. The first is small enough to be read whole.
    for mebibytes in [128, 512] {
        let bomb = snappy(&vec![0; mebibytes << 20]);
        assert!(bomb.len() < mebibytes << 16);
        expect(&format!("a bomb of {mebibytes} MiB"), &interrupted_post(&vigie, &bomb), 413);
    }
    expect("ten gigabytes announced", &interrupted_post_header(&vigie, "Content-Length: 10000000000"), 413);
    expect("no end of chunks", &endless_post(&vigie), 413);

    if let Some(peak) = vigie.process().peak_memory() {
        assert!(peak < ROOF, "{} MiB at the peak", peak >> 20);
    }
    expect("after it", &vigie.write(Version::V1, &[Series::new("after", &[], &[(now_ms(), 1.0)])]), 204);
    vigie.stop();
}

fn varint(value: u64) -> Vec<u8> {
    // Field and wire type take the first byte, which is not wanted here.
    Message::new().varint(0, value).0.split_off(1)
}

/// Opens a POST to the write endpoint by hand: a client library would insist on sending all it announced.
fn open_post(vigie: &Vigie, length: &str) -> TcpStream {
    let mut stream = TcpStream::connect(vigie.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "POST /api/v1/write HTTP/1.1\r\nHost: vigie\r\nConnection: close\r\nContent-Type: application/x-protobuf\r\n\
         Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n{length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Reads what the server says, even if it closes in the middle of a request.
fn read_answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset after the answer is the server's right: it will not read the rest.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

fn interrupted_post_header(vigie: &Vigie, length: &str) -> Answer {
    read_answer(open_post(vigie, length))
}

/// Sends a body whose receiver may answer and close before it has read all of it.
fn interrupted_post(vigie: &Vigie, body: &[u8]) -> Answer {
    let mut stream = open_post(vigie, &format!("Content-Length: {}", body.len()));
    let _ = stream.write_all(body);
    read_answer(stream)
}

/// Sends chunks until the server has had enough; gives up after far more than any limit.
fn endless_post(vigie: &Vigie) -> Answer {
    let mut stream = open_post(vigie, "Transfer-Encoding: chunked");
    let chunk = [b"10000\r\n".as_slice(), &[0; 0x10000], b"\r\n"].concat();
    for _ in 0..(1 << 30) / 0x10000 {
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    read_answer(stream)
}

/// One bad series between two good ones: 400, the bad one refused with a reason, the good ones kept.
#[test]
fn a_bad_series_spoils_only_itself() {
    let vigie = Vigie::start();
    let now = now_ms();
    let one = [(now, 1.0)];
    let bad: [(&str, &[(&str, &str)]); 5] = [
        ("no labels at all", &[]),
        ("no name", &[("job", "shop")]),
        ("an empty name", &[("__name__", ""), ("job", "shop")]),
        ("a label twice", &[("__name__", "bad"), ("job", "shop"), ("job", "till")]),
        ("a label without a name", &[("", "shop"), ("__name__", "bad")]),
    ];
    for version in Version::BOTH {
        for (index, (what, labels)) in bad.into_iter().enumerate() {
            let name = format!("good_{}_{index}", version.number().replace('.', "_"));
            let series = [
                Series::new(&name, &[("place", "before")], &one),
                Series::with_labels(labels, &one),
                Series::new(&name, &[("place", "behind")], &one),
            ];
            let what = format!("{version:?}: {what}");
            expect_partial(&vigie, &what, version, &name, &vigie.write(version, &series));
        }
        let name = format!("good_{}_text", version.number().replace('.', "_"));
        let what = format!("{version:?}: a label value that is not UTF-8");
        expect_partial(&vigie, &what, version, &name, &vigie.write_message(version, &not_text(version, &name, now)));
    }
    assert!(query(&vigie.url(""), "bad").is_empty(), "a refused series leaves nothing behind");
    vigie.stop();
}

/// Asserts that of three series the outer two were kept.
#[track_caller]
fn expect_partial(vigie: &Vigie, what: &str, version: Version, name: &str, answer: &Answer) {
    expect(what, answer, 400);
    let counts = answer.body.split(' ').any(|word| word.parse::<u64>().is_ok_and(|count| count > 0));
    assert!(counts, "{what}: the text counts what was refused: {}", answer.body);
    if version == Version::V2 {
        expect_written(what, answer, 2);
    }
    let places: Vec<_> = query(&vigie.url(""), name).iter().map(|series| series.label("place").to_owned()).collect();
    assert_eq!(places, ["before", "behind"], "{what}: the rest of the request is kept");
}

/// A request whose middle series has a label value that is no UTF-8.
fn not_text(version: Version, name: &str, now: i64) -> Message {
    let good = ["before", "behind"].map(|place| Series::new(name, &[("place", place)], &[(now, 1.0)]));
    match version {
        Version::V1 => {
            let label = |name: &[u8], value: &[u8]| Message::new().bytes(1, name).bytes(2, value).0;
            let bad = Message::new()
                .bytes(1, &label(b"__name__", b"bad"))
                .bytes(1, &label(b"place", &[0xff, 0xfe]))
                .bytes(2, &sample((now, 1.0)).0);
            Message::new().bytes(1, &series_v1(&good[0]).0).bytes(1, &bad.0).bytes(1, &series_v1(&good[1]).0)
        }
        Version::V2 => {
            let mut symbols = Symbols::new();
            let bad = Series::new("bad", &[("place", "NOTTEXT")], &[]);
            let bad = series_v2(&symbols.references(&bad), &[(now, 1.0)]);
            let [before, behind] = good.map(|series| series_v2(&symbols.references(&series), &series.samples));
            let mut message = symbols.request(&[before, bad, behind]);
            let place = message.0.windows(7).position(|window| window == b"NOTTEXT").unwrap();
            message.0[place] = 0xff;
            message
        }
    }
}

/// Makes a series out of the references of its labels, wrongly.
type Breaker<'a> = Box<dyn Fn(&[u32]) -> Message + 'a>;

#[test]
fn bad_references_of_2_0_spoil_only_their_series() {
    let vigie = Vigie::start();
    let now = now_ms();
    let histogram = Message::new().varint(1, 1).double(3, 1.0).varint(4, 0).varint(15, now as u64);
    let broken: [(&str, Breaker<'_>); 5] = [
        ("a reference beyond the symbols", Box::new(|refs| series_v2(&[&refs[..3], &[1000]].concat(), &[(now, 1.0)]))),
        ("the largest reference", Box::new(|refs| series_v2(&[&refs[..3], &[u32::MAX]].concat(), &[(now, 1.0)]))),
        ("an odd number of references", Box::new(|refs| series_v2(&refs[..3], &[(now, 1.0)]))),
        ("no references", Box::new(|_| series_v2(&[], &[(now, 1.0)]))),
        ("samples and histograms in one", Box::new(|refs| series_v2(refs, &[(now, 1.0)]).bytes(3, &histogram.0))),
    ];
    for (index, (what, bad)) in broken.into_iter().enumerate() {
        let name = format!("referred_{index}");
        let mut symbols = Symbols::new();
        let mut good = |place: &str| {
            let series = Series::new(&name, &[("place", place)], &[(now, 1.0)]);
            series_v2(&symbols.references(&series), &series.samples)
        };
        let [before, behind] = [good("before"), good("behind")];
        let references = symbols.references(&Series::new("bad", &[("place", "between")], &[]));
        let message = symbols.request(&[before, bad(&references), behind]);
        expect_partial(&vigie, what, Version::V2, &name, &vigie.write_message(Version::V2, &message));
    }
    assert!(query(&vigie.url(""), "bad").is_empty());
    vigie.stop();
}

#[test]
fn the_order_of_samples_is_kept_and_its_breach_told() {
    const MINUTE: i64 = 60_000;
    let vigie = Vigie::start();
    let now = now_ms();
    for version in Version::BOTH {
        let name = format!("ordered_{}", version.number().replace('.', "_"));
        let write = |samples: &[(i64, f64)]| vigie.write(version, &[Series::new(&name, &[], samples)]);
        let check = |what: &str, samples: &[(i64, f64)], status: u16, written: u64| {
            let answer = write(samples);
            expect(what, &answer, status);
            if version == Version::V2 {
                expect_written(what, &answer, written);
            }
        };
        check("the first", &[(now, 1.0)], 204, 1);
        check("the same again, as after a lost answer", &[(now, 1.0)], 204, 1);
        check("another value at the same time", &[(now, 2.0)], 400, 0);
        check("an older one", &[(now - MINUTE, 3.0)], 400, 0);
        check("an older one before a newer one", &[(now - MINUTE, 3.0), (now + 1000, 4.0)], 400, 1);
        check("backwards inside a request", &[(now + 3000, 5.0), (now + 2000, 6.0)], 400, 1);
        check("nine minutes ahead of the clock", &[(now + 9 * MINUTE, 7.0)], 204, 1);
        check("eleven minutes ahead", &[(now + 11 * MINUTE, 8.0)], 400, 0);
        check("the end of time", &[(i64::MAX, 9.0)], 400, 0);
        check("before all time", &[(i64::MIN, 9.0)], 400, 0);

        let found = query_at(&vigie.url(""), &format!("{name}[30m]"), now + 20 * MINUTE);
        let samples = &found[0].samples;
        let expected = [(now, "1"), (now + 1000, "4"), (now + 3000, "5"), (now + 9 * MINUTE, "7")];
        assert_eq!(samples, &expected.map(|(at, value)| (at, value.to_owned())), "{version:?}");
    }
    vigie.stop();
}

#[test]
fn odd_values_survive_and_the_stale_marker_ends_a_series() {
    let vigie = Vigie::start();
    let base = now_ms() - 60_000;
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let tiny = f64::from_bits(1);
    for version in Version::BOTH {
        let name = format!("odd_{}", version.number().replace('.', "_"));
        let values = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, f64::MAX, tiny, 0.1 + 0.2];
        let samples: Vec<_> = (base..).step_by(1000).zip(values).collect();
        expect("odd values", &vigie.write(version, &[Series::new(&name, &[], &samples)]), 204);
        expect_stored(
            &vigie,
            &name,
            &[
                (base, "+Inf"),
                (base + 1000, "-Inf"),
                (base + 2000, "NaN"),
                (base + 3000, "-0"),
                (base + 4000, "1.7976931348623157e+308"),
                (base + 5000, "5e-324"),
                (base + 6000, "0.30000000000000004"),
            ],
        );
        assert_eq!(query(&vigie.url(""), &name).len(), 1, "alive before the marker");
        expect("stale", &vigie.write(version, &[Series::new(&name, &[], &[(base + 7000, stale)])]), 204);
        assert!(query(&vigie.url(""), &name).is_empty(), "a stale series has no value now");
        let found = query(&vigie.url(""), &format!("{name}[1h]"));
        assert_eq!(found[0].samples.len(), 7, "the marker itself is no sample");
    }
    vigie.stop();
}

/// Senders shard by series, so the parts of a workload arrive out of step with each other, and clocks are set. That is no
/// fault of theirs, and the intervals it gives, negative or very long, must not trip anything.
#[test]
fn series_of_one_workload_may_be_out_of_step() {
    let vigie = Vigie::start();
    let now = now_ms();
    let part = |name: &str, samples: &[(i64, f64)]| Series::new("out_of_step", &[("part", name)], samples);
    // Two samples each: the first row of `b` is older than the newest of `a`, before any interval is known.
    for (name, behind) in [("a", 0), ("b", 0), ("c", 90_000), ("d", 1)] {
        let samples = [(now - behind, 1.0), (now - behind + 1, 2.0)];
        expect(name, &vigie.write(Version::V1, &[part(name, &samples)]), 204);
    }
    // A clock that was at 1970 and is set right: an interval longer than 32 bits of milliseconds.
    expect("1970", &vigie.write(Version::V1, &[part("e", &[(1, 1.0)])]), 204);
    expect("and now", &vigie.write(Version::V1, &[part("e", &[(now, 2.0)])]), 204);
    let all: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| part(name, &[(now + 30_001, 4.0)])).into();
    expect("all at once", &vigie.write(Version::V1, &all), 204);
    vigie.stop();
}

/// Valid requests with random bytes changed: whatever they turn into, the daemon answers with the sender's fault or takes
/// what is left, and stays up.
#[test]
fn random_damage_is_never_the_servers_fault() {
    const SEED: u64 = 0x7669_6769_6521;
    const ROUNDS: u32 = 1500;
    let vigie = Vigie::start();
    let mut random = Pcg32::new(SEED, 1);
    let mut refused = 0;
    for round in 0..ROUNDS {
        let version = if random.next_u32().is_multiple_of(2) { Version::V1 } else { Version::V2 };
        let at = now_ms() - i64::from(ROUNDS - round);
        let series: Vec<_> = (0..3).map(|n| Series::new("damaged", &[("n", &n.to_string())], &[(at, 1.0)])).collect();
        let mut message = request(version, &series).0;
        for _ in 0..1 + random.next_u32() % 3 {
            let place = random.next_u32() as usize % message.len();
            message[place] = random.next_u32() as u8;
        }
        let answer = vigie.write_body(version, &snappy(&message));
        assert!([204, 400, 413].contains(&answer.status), "round {round}: {} {}", answer.status, answer.body);
        refused += u32::from(answer.status != 204);
    }
    assert!(refused > ROUNDS / 4, "only {refused} of {ROUNDS} damaged requests were refused");
    vigie.stop();
}
