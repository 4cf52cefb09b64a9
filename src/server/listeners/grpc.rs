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
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tokio::time::timeout;

use super::deliver::{Protocol, deliver};
use crate::{
    config::Config,
    ingest::logs::{LogError, LogLimits, otlp},
    server::{
        app::{App, NotReady},
        tenant::Tenant,
    },
    signal::LogBatch,
};

/// Up to this size a message is decoded where it arrived, within a millisecond.
const INLINE_BYTES: usize = 64 << 10;
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
    match take(&app, request).await {
        Ok(()) => taken(),
        Err(status) => {
            tracing::debug!(status = ?status.code, reason = status.message, "OTLP by gRPC refused");
            status.into_response()
        }
    }
}

async fn take(app: &App, request: Request) -> Result<(), Status> {
    app.check_writable()?;
    let Tenant(tenant) = Tenant::of(request.headers()).map_err(|e| Status::new(Code::InvalidArgument, e))?;
    let encoding = encoding(request.headers())?;
    let place = app.places().take(&tenant)?;
    let body = body(app.config(), request).await?;
    let turn = place.turn().await;
    let limits = LogLimits { body_bytes: app.config().ingest.max_body.get(), ..LogLimits::default() };
    let batch = decode(encoding, body, limits).await?;
    drop(turn);
    Ok(deliver(app, Protocol::OtlpGrpc, &tenant, batch).await?)
}

/// How messages are compressed that say that they are.
fn encoding(headers: &HeaderMap) -> Result<Option<&'static str>, Status> {
    let Some(named) = headers.get(ENCODING) else { return Ok(None) };
    match named.as_bytes() {
        b"identity" => Ok(None),
        b"gzip" => Ok(Some("gzip")),
        b"deflate" => Ok(Some("deflate")),
        other => {
            let shown: String = String::from_utf8_lossy(other).chars().take(100).collect();
            let message = format!("compression {shown:?} is not supported; send gzip, deflate or none");
            Err(Status::new(Code::Unimplemented, message))
        }
    }
}

async fn body(config: &Config, request: Request) -> Result<Bytes, Status> {
    let (limit, period) = (config.ingest.max_compressed_body, config.ingest.request_timeout);
    let whole = Limited::new(request.into_body(), limit.get().saturating_add(PREFIX_BYTES)).collect();
    match timeout(period.get(), whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Status::new(
            Code::InvalidArgument,
            format!("message is over the limit of {limit}; send smaller batches"),
        )),
        Ok(Err(error)) => Err(Status::new(Code::Cancelled, format!("the request broke off: {error}"))),
        Err(_late) => {
            Err(Status::new(Code::DeadlineExceeded, format!("the request did not arrive whole within {period}")))
        }
    }
}

async fn decode(encoding: Option<&'static str>, body: Bytes, limits: LogLimits) -> Result<LogBatch, Status> {
    let is_small = body.len() <= INLINE_BYTES;
    let decode = move || {
        let (is_compressed, message) = unframe(&body)?;
        let encoding = match (is_compressed, encoding) {
            (false, _) => None,
            (true, Some(encoding)) => Some(encoding),
            (true, None) => {
                return Err(Status::new(
                    Code::InvalidArgument,
                    "message is compressed and grpc-encoding does not say how",
                ));
            }
        };
        let mut batch = LogBatch::default();
        otlp::decode(Some(otlp::Form::Protobuf.content_type()), encoding, message, &limits, &mut batch)?;
        Ok(batch)
    };
    if is_small {
        return decode();
    }
    tokio::task::spawn_blocking(decode).await.unwrap_or_else(|panic| {
        tracing::error!(error = %panic, "decoding a request ended without a result");
        Err(NotReady::Fault.into())
    })
}

/// The one message of a request, and whether it is compressed.
fn unframe(body: &[u8]) -> Result<(bool, &[u8]), Status> {
    let wrong = |what| Err(Status::new(Code::InvalidArgument, what));
    let Some((prefix, message)) = body.split_first_chunk::<PREFIX_BYTES>() else {
        return wrong("request has no message");
    };
    let [flag, length @ ..] = *prefix;
    if flag > 1 {
        return wrong("message is neither compressed nor not");
    }
    if u64::from(u32::from_be_bytes(length)) != message.len() as u64 {
        return wrong("request does not hold one message of the length that it says");
    }
    Ok((flag == 1, message))
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
    Cancelled = 1,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
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

impl From<NotReady> for Status {
    fn from(cause: NotReady) -> Self {
        let code = if cause == NotReady::Crowded { Code::ResourceExhausted } else { Code::Unavailable };
        Self { retry_after_s: Some(cause.retry_after_s()), ..Self::new(code, cause) }
    }
}

impl From<LogError> for Status {
    fn from(cause: LogError) -> Self {
        Self::new(Code::InvalidArgument, cause)
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
