//! OTLP by gRPC: the routes, and one request over a real HTTP/2 connection without an upgrade.

use std::io::Write as _;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Request, Response, StatusCode},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use flate2::{Compression, write::GzEncoder};
use http_body_util::BodyExt;
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::*;
use crate::{
    config::{ByteSize, Config, Logs},
    engine::Options,
    fleet::{Fleet, FleetThreads},
    ingest::logs::otlp::status_with_retry,
    server::{
        App, Clock,
        listeners::{Listeners, grpc},
    },
};

const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

fn open() -> (App, FleetThreads) {
    let config = Config { logs: Logs { max_body: ByteSize::mib(2), ..Logs::default() }, ..Config::default() };
    let app = App::new(config, ([127, 0, 0, 1], 9797).into(), Clock::fixed(NOW));
    let (engine, threads) = Fleet::start(&Options { shards: 1, ..Options::default() }, None, None).unwrap();
    app.open(engine);
    (app, threads)
}

/// An export of lines, by hand: fields 1, 2, 2, 5 and 1 are one in the other.
fn export(lines: &[&str]) -> Vec<u8> {
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length > 0x7f {
            field.push(length as u8 | 0x80);
            length >>= 7;
        }
        field.push(length as u8);
        field.extend_from_slice(bytes);
        field
    }
    let records = lines.iter().flat_map(|line| field(2, &field(5, &field(1, line.as_bytes()))));
    field(1, &field(2, &records.collect::<Vec<_>>()))
}

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a client reads: status, message, details, and the bytes of the answer.
struct Answer {
    code: u16,
    message: String,
    details: Vec<u8>,
    body: Bytes,
}

async fn ask(app: &App, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let mut request = Request::post(path).header("content-type", "application/grpc+proto").header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let router = grpc::routes().with_state(app.clone());
    let response: Response<Body> = router.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert_eq!(response.headers()["grpc-accept-encoding"], "gzip,deflate,identity");
    let head = response.headers().clone();
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    // The status is in the head of an answer without a message, and behind one.
    assert_ne!(head.contains_key("grpc-status"), trailers.contains_key("grpc-status"));
    let get = |name| head.get(name).or(trailers.get(name)).map_or("", |value| value.to_str().unwrap()).to_owned();
    Answer {
        code: get("grpc-status").parse().unwrap(),
        message: get("grpc-message"),
        details: STANDARD_NO_PAD.decode(get("grpc-status-details-bin")).unwrap(),
        body: body.to_bytes(),
    }
}

async fn metric(app: &App, series: &str) -> u64 {
    let page = app.telemetry().render(None, &Registry::default()).unwrap();
    let found = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn lines_are_taken_plain_and_compressed() {
    let (app, _threads) = open();
    let lines = export(&["one", "two"]);
    let many = export(&["a long line of which there are many, so that it is decoded aside"; 10_000]);
    for (headers, body, taken) in [
        (&[][..], frame(0, &lines), 2),
        (&[("grpc-encoding", "identity")], frame(0, &lines), 4),
        (&[("grpc-encoding", "gzip")], frame(1, &gzip(&lines)), 6),
        // Nothing obliges a sender that may compress to do it.
        (&[("grpc-encoding", "gzip")], frame(0, &lines), 8),
        (&[("x-scope-orgid", "shop")], frame(0, &many), 10_008),
        (&[("grpc-encoding", "gzip")], frame(1, &gzip(&many)), 20_008),
        (&[], frame(0, b""), 20_008),
    ] {
        let answer = ask(&app, LOGS, headers, body).await;
        assert_eq!((answer.code, &*answer.message, &answer.body[..]), (0, "", &[0; 5][..]), "{headers:?}");
        assert_eq!(metric(&app, "vigie_log_lines_received_total{protocol=\"otlp_grpc\"}").await, taken);
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_for_good() {
    let (app, _threads) = open();
    let lines = export(&["one"]);
    let bomb = gzip(&vec![0; 3 << 20]);
    for (headers, body, code, text) in [
        (&[][..], Vec::new(), 3, "request has no message"),
        (&[], frame(2, &lines), 3, "neither compressed nor not"),
        (&[], frame(0, &lines)[..lines.len()].to_vec(), 3, "one message of the length that it says"),
        (&[], [frame(0, &lines), frame(0, &lines)].concat(), 3, "one message of the length that it says"),
        (&[], frame(1, &gzip(&lines)), 3, "grpc-encoding does not say how"),
        (&[("grpc-encoding", "gzip")], frame(1, &lines), 3, "bad compression"),
        (&[("grpc-encoding", "gzip")], frame(1, &bomb), 3, "over the limit of 2097152 bytes"),
        (&[], frame(0, b"\x0a\x7f"), 3, "malformed protobuf"),
        (&[], vec![0; (2 << 20) + 1], 3, "over the limit of 2MiB; send smaller batches"),
        (&[("x-scope-orgid", "a/b")], frame(0, &lines), 3, "tenant name \"a/b\" is not allowed"),
        (&[("grpc-encoding", "zs%td")], frame(1, &lines), 12, "compression \"zs%25td\" is not supported"),
    ] {
        let answer = ask(&app, LOGS, headers, body).await;
        assert_eq!(answer.code, code, "{text}: {}", answer.message);
        assert!(answer.message.contains(text), "{} should say {text}", answer.message);
        assert!(answer.body.is_empty() && answer.details.is_empty());
    }
    for (service, text) in [("metrics.v1.MetricsService", "remote write"), ("trace.v1.TraceService", "no traces")] {
        let path = format!("/opentelemetry.proto.collector.{service}/Export");
        let answer = ask(&app, &path, &[], frame(0, b"")).await;
        assert_eq!(answer.code, 12);
        assert!(answer.message.contains(text), "{}", answer.message);
    }
    let json = Request::post(LOGS).header("content-type", "application/json").body(Body::from("{}")).unwrap();
    let answer = grpc::routes().with_state(app).oneshot(json).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn what_passes_says_when_to_come_back() {
    let (app, _threads) = open();
    app.close();
    let answer = ask(&app, LOGS, &[], frame(0, &export(&["one"]))).await;
    assert_eq!((answer.code, &*answer.message), (14, "vigie is stopping"));
    assert_eq!(answer.details, status_with_retry(14, "vigie is stopping", 5));
    let app = App::new(Config::default(), ([127, 0, 0, 1], 9797).into(), Clock::fixed(NOW));
    assert_eq!(ask(&app, LOGS, &[], frame(0, b"")).await.code, 14);
}

#[tokio::test]
async fn a_tenant_with_all_its_places_taken_is_told_to_wait() {
    let (app, _threads) = open();
    let tenant = TenantId::default();
    let places: Vec<_> = std::iter::from_fn(|| app.places().take(&tenant).ok()).collect();
    assert!(!places.is_empty());
    let answer = ask(&app, LOGS, &[], frame(0, b"")).await;
    assert_eq!((answer.code, answer.details.is_empty()), (8, false));
}

#[tokio::test]
async fn http_2_with_prior_knowledge_at_a_port_of_its_own() {
    let (app, _threads) = open();
    let config = Logs { otlp_grpc: Some(([127, 0, 0, 1], 0).into()), ..Logs::default() };
    let listeners = Listeners::bind(&config).await.unwrap();
    let address = listeners.grpc.as_ref().unwrap().local_addr().unwrap();
    let listening = listeners.start(&app);
    let (client, connection) = h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    for lines in [&["one", "two"][..], &["three"]] {
        let request = Request::post(format!("http://{address}{LOGS}")).header("content-type", "application/grpc");
        let (response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(frame(0, &export(lines)).into(), true).unwrap();
        let mut body = response.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), [0; 5][..]);
        let trailers: HeaderMap = body.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    }
    assert_eq!(metric(&app, "vigie_log_lines_received_total{protocol=\"otlp_grpc\"}").await, 3);
    drop(client);
    connection.await.unwrap().unwrap();
    listening.stop(tokio::time::Instant::now() + Duration::from_secs(60)).await;
    assert!(TcpStream::connect(address).await.is_err());
}
