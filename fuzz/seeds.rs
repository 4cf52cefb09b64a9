//! Writes a few good requests to `corpus/`, so that the fuzzer need not invent protobuf first.

use std::{fs, io, path::Path};

use vigie::{
    ingest::remote_write::{Encoder, Limits, NativeHistogram, Protocol, WriteRequest},
    signal::{Labels, MetricKind, Sample, stale_nan},
};

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (protocol, target) in [(Protocol::V1, "remote_write_v1"), (Protocol::V2, "remote_write_v2")] {
        for (name, mut encoder) in [("plain", plain(protocol)), ("histograms", histograms(protocol))] {
            write(&corpus.join(target), name, &encoder.body())?;
            write(&corpus.join("remote_write_snappy"), &format!("{target}_{name}"), &encoder.finish())?;
        }
    }
    for (target, name, bytes) in LOGS {
        write(&corpus.join(target), name, bytes)?;
    }
    for (name, body) in [("protobuf", loki()), ("json", LOKI_JSON.as_bytes().to_vec())] {
        write(&corpus.join("logs_loki"), name, &body)?;
    }
    for (name, body) in [("protobuf", otlp()), ("json", OTLP_JSON.as_bytes().to_vec())] {
        write(&corpus.join("logs_otlp"), name, &body)?;
    }
    Ok(())
}

const LOGS: [(&str, &str, &[u8]); 5] = [
    ("elastic_bulk", "filebeat", BULK),
    ("syslog", "octets", b"48 <34>1 2003-10-11T22:14:15Z h su 7 ID [a b=\"c\"] x"),
    ("syslog", "lines", b"<34>Oct 11 22:14:15 h su[7]: failed\n<30>2023-11-14T22:13:20.5+01:00 h cron: ran\n"),
    ("forward", "message", b"\x93\xa3tag\xce\x65\x53\xf1\x00\x82\xa3log\xa1x\xa5level\xa4warn"),
    (
        "forward",
        "forward",
        b"\x93\xa1t\x91\x92\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x05\x81\xa3log\xa1x\x81\xa5chunk\xa1c",
    ),
];

/// Two documents with fields of many kinds, and an action that is refused.
const BULK: &[u8] = br#"{"create":{"_index":"logs","_id":"1"}}
{"@timestamp":"2023-11-14T22:13:20.123Z","message":"one","log":{"level":"error"},"host":{"name":"h","ip":["::1"]}}
{"delete":{"_id":"2"}}
{"index":{}}
{"time":1700000000,"kubernetes":{"pod_name":"p"},"trace.id":"ab"}
"#;

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(name), bytes)
}

fn plain(protocol: Protocol) -> Encoder {
    let mut encoder = Encoder::new(protocol);
    encoder.metadata("up", MetricKind::Gauge, "Whether the target answers.", "");
    let long = "/long".repeat(30);
    for job in ["shop", "büro", &long] {
        let labels = Labels::from_pairs([("__name__", "up"), ("instance", "a:1"), ("job", job)]);
        let samples = [1.0, f64::NAN, stale_nan()].map(|value| Sample { at: 1_700_000_000_000, value });
        encoder.series(&labels, &samples);
    }
    encoder
}

/// A series with exponential and one with custom buckets, two histograms each.
fn histograms(protocol: Protocol) -> Encoder {
    let mut encoder = Encoder::new(protocol);
    let labels = Labels::from_pairs([("__name__", "latency_seconds"), ("job", "shop")]);
    for message in [EXPONENTIAL, CUSTOM] {
        let first = decoded(message);
        let mut second = first.clone();
        second.at += 15_000;
        encoder.histograms(&labels, &[first, second]);
    }
    encoder
}

/// Count 6, sum 9, schema 0, threshold 0.125, zero count 1, one negative and two positive buckets, time 1 s.
const EXPONENTIAL: &[u8] = &[
    0x08, 6, 0x19, 0, 0, 0, 0, 0, 0, 0x22, 0x40, 0x20, 0, 0x29, 0, 0, 0, 0, 0, 0, 0xc0, 0x3f, 0x30, 1, 0x42, 4, 0x08,
    2, 0x10, 1, 0x4a, 1, 4, 0x5a, 4, 0x08, 2, 0x10, 2, 0x62, 2, 2, 2, 0x78, 0xe8, 0x07,
];

/// Count 3, sum 6, schema -53, bounds 1 and 2, three buckets of one.
const CUSTOM: &[u8] = &[
    0x08, 3, 0x19, 0, 0, 0, 0, 0, 0, 0x18, 0x40, 0x20, 0x69, 0x5a, 2, 0x10, 3, 0x62, 3, 2, 0, 0, 0x82, 0x01, 16, 0, 0,
    0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0x40,
];

fn decoded(histogram: &[u8]) -> NativeHistogram {
    let label = b"\x0a\x0d\x0a\x08__name__\x12\x01h";
    let series = [&label[..], &[0x22, histogram.len() as u8], histogram].concat();
    let body = [&[0x0a, series.len() as u8], &*series].concat();
    let request = WriteRequest::decode(Protocol::V1, body, &Limits::default()).expect("a good request");
    let view = request.view(&request.series()[0]);
    view.histograms().next().expect("one histogram").expect("a good histogram")
}

/// A field that holds a string, bytes or a message of less than 128 bytes.
fn field(number: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [&[number << 3 | 2, content.len() as u8], content].concat()
}

/// A Loki push of one entry with everything in it.
fn loki() -> Vec<u8> {
    let metadata = field(3, [field(1, "trace_id"), field(2, "0af7")].concat());
    let entry = field(2, [field(1, [0x08, 1, 0x10, 2]), field(2, "a line"), metadata].concat());
    field(1, [field(1, r#"{app="cart", path="\x41\u00e9\n"}"#), entry].concat())
}

const LOKI_JSON: &str = r#"{"streams": [{"stream": {"app": "cart", "level": "warn"}, "values": [
    ["1700000000000000000", "a line"], ["1", "\u00e9\ud83d", {"trace_id": "0af7", "user": "7"}]]}]}"#;

/// An export of one record with a value of each type.
fn otlp() -> Vec<u8> {
    let list = field(5, [field(1, field(1, "a")), field(1, []), field(1, field(7, [0xff]))].concat());
    let map = field(6, field(1, [field(1, "k"), field(2, list)].concat()));
    let scalars: [&[u8]; 3] = [&[0x10, 1], &[0x18, 7], &[0x21, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f]];
    let attributes = scalars.map(|scalar| field(6, [field(1, "n"), field(2, scalar)].concat())).concat();
    let head: &[u8] = &[0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 9];
    let record = [head, &field(5, map), &attributes, &field(9, [7; 16]), &field(12, "event")].concat();
    let resource = field(1, field(1, [field(1, "service.name"), field(2, field(1, "cart"))].concat()));
    // Longer than `field` can tell.
    let logs = [&[0x12, record.len() as u8 | 0x80, (record.len() >> 7) as u8], &*record].concat();
    let scope = [&[0x12, logs.len() as u8 | 0x80, (logs.len() >> 7) as u8], &*logs].concat();
    let whole = [resource, scope].concat();
    [&[0x0a, whole.len() as u8 | 0x80, (whole.len() >> 7) as u8], &*whole].concat()
}

const OTLP_JSON: &str = r#"{"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value":
    {"stringValue": "cart"}}]}, "scopeLogs": [{"scope": {"name": "s"}, "logRecords": [{"timeUnixNano": "1",
    "severityNumber": 9, "traceId": "0af7651916cd43dd8448eb211c80319c", "eventName": "e", "body": {"kvlistValue":
    {"values": [{"key": "k", "value": {"arrayValue": {"values": [{}, {"intValue": "-7"}, {"doubleValue": "NaN"},
    {"bytesValue": "/w=="}, {"boolValue": true}]}}}]}}}]}]}]}"#;
