//! Decoding of logs: 2,000 records of 20 pods, each a line of some 110 bytes with a trace and two attributes, by each
//! protocol in each form, from the body as it comes from the network to the batch.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use vigie::{
    ingest::logs::{LogLimits, loki, otlp},
    signal::LogBatch,
};

/// The daemon's allocator: the system's gives large buffers back at once, and page faults would be measured instead.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const STREAMS: u64 = 20;
const RECORDS: u64 = 100;
const START: u64 = 1_700_000_000;

fn line(i: u64) -> String {
    let (address, took) = (i * 7 % 251, i * 31 % 900);
    format!(
        "level=info msg=\"request served\" method=GET path=/api/v1/cart/{i:06} status=200 \
         client=10.3.{address}.17 took={took}ms bytes={}",
        i * 977 % 30_000
    )
}

/// Sixteen bytes that are the trace of a record.
fn trace(i: u64) -> [u8; 16] {
    (u128::from(i + 1) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes()
}

fn trace_text(i: u64) -> String {
    format!("{:032x}", u128::from_be_bytes(trace(i)))
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A field that holds a string, bytes or a message.
fn field(number: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [&[number << 3 | 2], &*varint(content.len() as u64), content].concat()
}

fn number(number: u8, value: u64) -> Vec<u8> {
    [&[number << 3], &*varint(value)].concat()
}

fn fixed64(number: u8, value: u64) -> Vec<u8> {
    [&[number << 3 | 1][..], &value.to_le_bytes()].concat()
}

/// One message of all records of each stream, by its number.
fn streams(one: impl Fn(u64) -> Vec<u8>) -> Vec<u8> {
    (0..STREAMS).flat_map(|s| field(1, one(s))).collect()
}

fn loki_protobuf() -> Vec<u8> {
    let pair = |name: &str, value: &str| field(3, [field(1, name), field(2, value)].concat());
    let entry = |i: u64| {
        let time = field(1, [number(1, START + i), number(2, 5)].concat());
        let metadata = [pair("trace_id", &trace_text(i)), pair("user", "4711"), pair("zone", "eu-west-1a")].concat();
        field(2, [time, field(2, line(i)), metadata].concat())
    };
    let body = streams(|s| {
        let labels = format!(r#"{{app="cart", namespace="shop", pod="cart-7d9c5b8f6c-{s:05}"}}"#);
        [vec![field(1, labels)], (0..RECORDS).map(entry).collect()].concat().concat()
    });
    snap::raw::Encoder::new().compress_vec(&body).expect("a block")
}

fn loki_json() -> Vec<u8> {
    let entry = |i: u64| {
        let metadata = json!({ "trace_id": trace_text(i), "user": "4711", "zone": "eu-west-1a" });
        json!([format!("{}000000005", START + i), line(i), metadata])
    };
    let streams: Vec<Value> = (0..STREAMS)
        .map(|s| {
            let labels = json!({ "app": "cart", "namespace": "shop", "pod": format!("cart-7d9c5b8f6c-{s:05}") });
            json!({ "stream": labels, "values": (0..RECORDS).map(entry).collect::<Vec<_>>() })
        })
        .collect();
    json!({ "streams": streams }).to_string().into_bytes()
}

/// Attributes of the resource that is a stream.
fn resource(s: u64) -> [(&'static str, String); 5] {
    [
        ("service.name", "cart".to_owned()),
        ("k8s.namespace.name", "shop".to_owned()),
        ("k8s.pod.name", format!("cart-7d9c5b8f6c-{s:05}")),
        ("telemetry.sdk.name", "opentelemetry".to_owned()),
        ("process.pid", "7".to_owned()),
    ]
}

fn otlp_protobuf() -> Vec<u8> {
    let attribute = |n: u8, name: &str, value: &str| field(n, [field(1, name), field(2, field(1, value))].concat());
    let record = |i: u64| {
        let times = [fixed64(1, (START + i) * 1_000_000_000), fixed64(11, (START + i) * 1_000_000_000)].concat();
        let told = [number(2, 9), field(3, "INFO"), field(5, field(1, line(i)))].concat();
        let attributes = [attribute(6, "user", "4711"), attribute(6, "zone", "eu-west-1a")].concat();
        field(2, [times, told, attributes, field(9, trace(i)), field(10, [1; 8])].concat())
    };
    streams(|s| {
        let resource: Vec<u8> = resource(s).iter().flat_map(|(name, value)| attribute(1, name, value)).collect();
        let scope = [vec![field(1, field(1, "shop.cart"))], (0..RECORDS).map(record).collect()].concat().concat();
        [field(1, resource), field(2, scope)].concat()
    })
}

fn otlp_json() -> Vec<u8> {
    let attribute = |name: &str, value: &str| json!({ "key": name, "value": { "stringValue": value } });
    let record = |i: u64| {
        let at = format!("{}000000000", START + i);
        json!({
            "timeUnixNano": at, "observedTimeUnixNano": at, "severityNumber": 9, "severityText": "INFO",
            "body": { "stringValue": line(i) }, "traceId": trace_text(i), "spanId": "0101010101010101",
            "attributes": [attribute("user", "4711"), attribute("zone", "eu-west-1a")],
        })
    };
    let streams: Vec<Value> = (0..STREAMS)
        .map(|s| {
            let resource: Vec<Value> = resource(s).iter().map(|(name, value)| attribute(name, value)).collect();
            let records: Vec<Value> = (0..RECORDS).map(record).collect();
            let scope = json!({ "scope": { "name": "shop.cart" }, "logRecords": records });
            json!({ "resource": { "attributes": resource }, "scopeLogs": [scope] })
        })
        .collect();
    json!({ "resourceLogs": streams }).to_string().into_bytes()
}

fn decode(c: &mut Criterion) {
    let limits = LogLimits::default();
    let mut group = c.benchmark_group("ingest/logs");
    group.throughput(Throughput::Elements(STREAMS * RECORDS));
    let (protobuf, json) = (Some("application/x-protobuf"), Some("application/json"));
    for (name, decode, content_type, body) in [
        ("loki_protobuf", loki::decode as Decode, protobuf, loki_protobuf()),
        ("loki_json", loki::decode, json, loki_json()),
        ("otlp_protobuf", otlp::decode, protobuf, otlp_protobuf()),
        ("otlp_json", otlp::decode, json, otlp_json()),
    ] {
        let batch = || {
            let mut batch = LogBatch::default();
            decode(content_type, None, black_box(&body), &limits, &mut batch).expect("a good request");
            batch
        };
        let decoded = batch();
        let last = decoded.records().last().expect("records");
        assert_eq!((decoded.len() as u64, last.trace_id), (STREAMS * RECORDS, &*trace_text(RECORDS - 1)));
        assert_eq!(last.attributes().filter(|(name, _)| ["user", "zone"].contains(name)).count(), 2);
        group.bench_function(name, |b| b.iter(batch));
    }
    group.finish();
}

type Decode =
    fn(Option<&str>, Option<&str>, &[u8], &LogLimits, &mut LogBatch) -> Result<(), vigie::ingest::logs::LogError>;

criterion_group!(benches, decode);
criterion_main!(benches);
