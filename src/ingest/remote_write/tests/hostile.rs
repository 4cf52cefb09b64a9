//! Bodies that are no requests.

use super::{
    histograms::{custom, exponential},
    *,
};
use crate::{
    ingest::remote_write::{Encoder, Malformed, WireFault},
    signal::{MetricKind, Sample},
};

fn refused(body: &[u8], offset: usize, fault: WireFault) {
    for protocol in [Protocol::V1, Protocol::V2] {
        // Field 1 of a 1.0 request, field 5 of a 2.0 request.
        let mut body = body.to_vec();
        if protocol == Protocol::V2 && body.first() == Some(&0x0a) {
            body[0] = 5 << 3 | 2;
        }
        assert_eq!(decode(protocol, &body).unwrap_err(), DecodeError::Malformed(Malformed { offset, fault }));
    }
}

#[test]
fn faults_of_the_wire_tell_where_they_are() {
    refused(&[0x0a], 1, WireFault::Truncated);
    refused(&[0x48, 0x80], 1, WireFault::Truncated);
    refused(&[0x49, 1, 2, 3], 1, WireFault::Truncated);
    refused(&[0x4d, 1, 2, 3], 1, WireFault::Truncated);
    refused(&[0x0a, 5, 1], 1, WireFault::Length(5));
    refused(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 1, WireFault::Length(u64::MAX));
    refused(&[[0x48].as_slice(), &[0x80; 10], &[1]].concat(), 1, WireFault::Varint);
    refused(&[0x48, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], 1, WireFault::Varint);
    refused(&[0x00, 0x01], 0, WireFault::FieldNumber);
    refused(&[0x80, 0x80, 0x80, 0x80, 0x10, 0x01], 0, WireFault::FieldNumber);
    refused(&[0x0b, 0x0c], 0, WireFault::WireType(3));
    refused(&[0x0c], 0, WireFault::WireType(4));
    refused(&[0x0e], 0, WireFault::WireType(6));
    // A sample whose own message ends inside its value, though the request goes on.
    refused(&[0x0a, 4, 0x12, 2, 0x09, 1, 0x48, 1], 5, WireFault::Truncated);
    refused(&[0x0a, 2, 0x10, 1], 2, WireFault::Mismatch(2));
    assert_eq!(
        decode(Protocol::V1, &[0x08, 0x01]).unwrap_err().to_string(),
        "malformed protobuf at byte 0 of the uncompressed body: field 1 has the wrong wire type"
    );
}

/// A request that has everything in it.
fn everything(protocol: Protocol) -> Vec<u8> {
    let mut encoder = Encoder::new(protocol);
    encoder.metadata("latency_seconds", MetricKind::Histogram, "Time to answer.", "seconds");
    encoder.metadata("up", MetricKind::Gauge, "", "");
    let samples = [Sample { at: 1_700_000_000_000, value: 1.0 }, Sample { at: -1, value: f64::NAN }];
    encoder.series(&Labels::from_pairs([("__name__", "up"), ("job", "é"), ("path", &"/long".repeat(30))]), &samples);
    let labels = Labels::from_pairs([("__name__", "latency_seconds"), ("job", "shop")]);
    encoder.histograms(&labels, &[exponential(1.0), exponential(2.0)]);
    encoder.histograms(&labels, &[custom()]);
    encoder.body()
}

#[test]
fn a_request_cut_anywhere_is_refused_or_shorter() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let body = everything(protocol);
        let whole = decode(protocol, &body).unwrap();
        assert!(whole.rejected().is_empty(), "{}", whole.rejected());
        assert_eq!(whole.series().len(), 3);
        for cut in 0..body.len() {
            if let Ok(request) = decode(protocol, &body[..cut]) {
                assert!(request.series().len() < 3, "{cut}");
                visit(&request);
            }
        }
    }
}

#[test]
fn a_request_with_any_byte_changed_never_panics() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let body = everything(protocol);
        for at in 0..body.len() {
            for change in [0x01, 0x04, 0x80, 0xff] {
                let mut changed = body.clone();
                changed[at] ^= change;
                if let Ok(request) = decode(protocol, &changed) {
                    visit(&request);
                }
            }
        }
    }
}

#[test]
fn limits_of_a_request_refuse_it_whole() {
    let three = request_v1(&[series(&[("__name__", "up")]), series(&[("__name__", "up")]), series(&[])]);
    let check = |limits: Limits, fits: bool| {
        let outcome = WriteRequest::decode(Protocol::V1, three.clone(), &limits);
        assert!(outcome.as_ref().map_or_else(DecodeError::is_too_large, |_| fits), "{limits:?}");
        assert_eq!(outcome.is_ok(), fits, "{limits:?}");
    };
    check(Limits { series: 3, samples: 3, body_bytes: three.len(), ..Limits::default() }, true);
    check(Limits { series: 2, ..Limits::default() }, false);
    check(Limits { samples: 2, ..Limits::default() }, false);
    check(Limits { body_bytes: three.len() - 1, ..Limits::default() }, false);
    let symbols = request_v2(&["", "a", "b"], &[]);
    for (limit, fits) in [(2, false), (3, true)] {
        let limits = Limits { symbols: limit, ..Limits::default() };
        assert_eq!(WriteRequest::decode(Protocol::V2, symbols.clone(), &limits).is_ok(), fits);
    }
}

#[test]
fn an_entry_of_another_request_is_harmless() {
    let long = decode(Protocol::V1, &everything(Protocol::V1)).unwrap();
    let short = decode(Protocol::V2, &[]).unwrap();
    for entry in long.series() {
        let view = short.view(entry);
        assert_eq!((view.labels().len(), view.samples().count(), view.histograms().count()), (0, 0, 0));
    }
}
