//! OTLP by gRPC: `LogsService/Export`, a message in and a message out.
//!
//! The status decides what an exporter does next (OTLP specification, "OTLP/gRPC response"):
//!
//! | cause | status | exporter |
//! |---|---|---|
//! | all taken | OK | goes on |
//! | wrong or too large | `INVALID_ARGUMENT` | drops the batch |
//! | metrics or traces, or an encoding that is not known here | `UNIMPLEMENTED` | drops the batch |
//! | a tenant has its share of what there is | `RESOURCE_EXHAUSTED` with `RetryInfo` | waits and sends the same again |
//! | vigie starts, stops or is overloaded | `UNAVAILABLE` with `RetryInfo` | waits and sends the same again |
//! | the request did not arrive in time | `DEADLINE_EXCEEDED` | sends the same again |
//!
//! The framing is written out here: one message of five bytes before it, and a status behind. A gRPC library answers what is
//! too large before it gets here, and tonic with `OUT_OF_RANGE`, which exporters repeat for ever.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, HeaderMap as Trailers},
    },
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http_body_util::{BodyExt, Full};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    ingest::logs::{LogError, otlp},
    server::{
        app::{App, NotReady},
        intake::{self, Cause, Refused},
        logs::{Kind, receive},
    },
};

/// Label of metrics.
const PROTOCOL: &str = "otlp_grpc";
/// Bytes before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPTED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("grpc-accept-encoding"), HeaderValue::from_static("gzip,deflate,identity"));

/// What is not to be in a status message as it is: gRPC over HTTP/2, "Status-Message".
const ESCAPED: AsciiSet = CONTROLS.add(b'%');

/// The services of OTLP, of which only one is taken.
pub(in crate::server) fn routes() -> Router<App> {
    Router::new()
        .route("/opentelemetry.proto.collector.logs.v1.LogsService/Export", post(export))
        .route("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", post(no_metrics))
        .route("/opentelemetry.proto.collector.trace.v1.TraceService/Export", post(no_traces))
}

async fn no_metrics() -> Status {
    Status::new(
        Code::Unimplemented,
        "vigie takes metrics by Prometheus remote write, at /api/v1/write; by gRPC only logs",
    )
}

async fn no_traces() -> Status {
    Status::new(Code::Unimplemented, "vigie takes no traces; by gRPC only logs")
}

async fn export(State(app): State<App>, request: Request) -> Response {
    let is_grpc = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(GRPC.as_bytes()));
    if !is_grpc {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "this is a gRPC service; OTLP over HTTP is at /v1/logs\n")
            .into_response();
    }
    let encoding = intake::text(request.headers(), ENCODING).map(String::from);
    let decode = move |_: &Kind, body: &[u8], limits: &_, batch: &mut _| {
        let (is_compressed, message) = unframe(body)?;
        let encoding = if is_compressed { Some(compression(encoding.as_deref())?) } else { None };
        otlp::decode(Some(otlp::Form::Protobuf.content_type()), encoding, message, limits, batch)
    };
    match receive(&app, PROTOCOL, request, decode).await {
        Ok(()) => taken(),
        Err(refused) => Status::from(refused).into_response(),
    }
}

/// How a message is compressed that says that it is.
fn compression(encoding: Option<&str>) -> Result<&'static str, LogError> {
    match encoding {
        Some("gzip") => Ok("gzip"),
        Some("deflate") => Ok("deflate"),
        None | Some("identity") => Err(malformed("message is compressed and grpc-encoding does not say how", 0)),
        Some(other) => {
            let shown: String = other.chars().take(100).collect();
            let message = format!("compression {shown:?} is not supported; send gzip, deflate or none");
            Err(LogError::Unsupported(message))
        }
    }
}

/// The one message of a request, and whether it is compressed.
fn unframe(body: &[u8]) -> Result<(bool, &[u8]), LogError> {
    let Some((prefix, message)) = body.split_first_chunk::<PREFIX_BYTES>() else {
        return Err(malformed("request has no message", body.len()));
    };
    let [flag, length @ ..] = *prefix;
    if flag > 1 {
        return Err(malformed("message is neither compressed nor not", 0));
    }
    if u64::from(u32::from_be_bytes(length)) != message.len() as u64 {
        return Err(malformed("request does not hold one message of the length that it says", 1));
    }
    Ok((flag == 1, message))
}

fn malformed(what: &str, at: usize) -> LogError {
    LogError::Malformed { what: what.to_owned(), at }
}

/// The answer to what was taken: an empty message, and the status behind it.
fn taken() -> Response {
    let message = Full::new(Bytes::from_static(&[0; PREFIX_BYTES]));
    let trailers = Trailers::from_iter([(STATUS, HeaderValue::from(Code::Ok as u16))]);
    let body = message.with_trailers(std::future::ready(Some(Ok(trailers))));
    ([(CONTENT_TYPE, GRPC), ACCEPTED], Body::new(body)).into_response()
}

/// gRPC's codes that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    Ok = 0,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Unavailable = 14,
}

/// Why nothing of a request was taken.
#[derive(Debug)]
struct Status {
    code: Code,
    message: String,
    /// Seconds after which the same may be sent again.
    retry_after_s: Option<u64>,
}

impl Status {
    fn new(code: Code, message: impl ToString) -> Self {
        Self { code, message: message.to_string(), retry_after_s: None }
    }
}

impl From<Refused> for Status {
    fn from(Refused { cause, message }: Refused) -> Self {
        let (code, retry_after_s) = match cause {
            Cause::Invalid | Cause::TooLarge => (Code::InvalidArgument, None),
            Cause::Foreign => (Code::PermissionDenied, None),
            Cause::Late => (Code::DeadlineExceeded, None),
            Cause::Unsupported => (Code::Unimplemented, None),
            Cause::NotReady(NotReady::Crowded) => (Code::ResourceExhausted, Some(NotReady::Crowded.retry_after_s())),
            Cause::NotReady(cause) => (Code::Unavailable, Some(cause.retry_after_s())),
        };
        Self { code, message, retry_after_s }
    }
}

/// An answer of nothing but a status: it is in the head.
impl IntoResponse for Status {
    fn into_response(self) -> Response {
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, GRPC), ACCEPTED, (STATUS, HeaderValue::from(self.code as u16))]);
        let escaped = utf8_percent_encode(&self.message, &ESCAPED).to_string();
        let details = self
            .retry_after_s
            .map(|secs| STANDARD_NO_PAD.encode(otlp::status_with_retry(self.code as u32, &self.message, secs)));
        for (name, value) in [(MESSAGE, Some(escaped)), (DETAILS, details)] {
            // Both are printable ASCII by now.
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        }
        headers.into_response()
    }
}
