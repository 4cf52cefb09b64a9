//! Log lines as shippers send them over HTTP.
//!
//! Each protocol has a file that reads its requests and writes its answers in the form that its senders understand.
//! The way between is one for all: [`receive`] takes the request as remote write does, and [`deliver()`], the way of
//! every log input, hands its records on.
//!
//! | cause | answer | sender |
//! |---|---|---|
//! | all taken | 204 or 200 | goes on |
//! | malformed, too large, of another type | 400, 413, 415 | drops the batch; some split one that is too large |
//! | vigie is starting, reads in history, is stopping or overloaded | 503 with `Retry-After` | sends the same again |

mod deliver;
mod elastic;
mod loki;
mod metrics;
mod otlp;

use axum::{
    Router,
    extract::Request,
    http::{
        HeaderMap,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
    routing::{get, post},
};

pub(super) use deliver::deliver;
#[cfg(feature = "ui")]
pub(super) use elastic::greet;
pub(super) use elastic::handshake;
pub(super) use metrics::LogMetrics;

use super::{
    admin,
    app::App,
    intake::{self, Cause, Refused},
    posted,
    tenant::Tenant,
};
use crate::{
    ingest::logs::{LogError, LogLimits},
    signal::LogBatch,
};

/// Logs are often an eighth of their size when compressed, and not all protocols tell whether they are.
const COMPRESSION: usize = 8;

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/loki/api/v1/push", post(loki::push))
        // Where Loki says whether it is ready; Vector asks before it sends.
        .route("/ready", get(admin::ready))
        .route("/v1/logs", post(otlp::export))
        .route("/otlp/v1/logs", post(otlp::export))
        .merge(elastic::routes())
}

/// What the headers of a request say of its body.
#[derive(Debug)]
pub(super) struct Kind {
    content_type: Option<String>,
    content_encoding: Option<String>,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| intake::text(headers, name).map(Into::into);
        Self { content_type: text(CONTENT_TYPE), content_encoding: text(CONTENT_ENCODING) }
    }
}

/// Takes a request: its records, which `decode` reads from the body, are in the journal and in the engine when this
/// returns. Gives what `decode` says besides.
pub(super) async fn receive<T: Send + 'static>(
    app: &App,
    protocol: &'static str,
    request: Request,
    decode: impl FnOnce(&Kind, &[u8], &LogLimits, &mut LogBatch) -> Result<T, LogError> + Send + 'static,
) -> Result<T, Refused> {
    let taken = take(app, protocol, request, decode).await;
    if let Err(Refused { cause, message }) = &taken {
        app.telemetry().logs().refused(protocol, *cause);
        tracing::debug!(protocol, cause = cause.as_str(), message, "log lines refused");
    }
    taken
}

async fn take<T: Send + 'static>(
    app: &App,
    protocol: &'static str,
    request: Request,
    decode: impl FnOnce(&Kind, &[u8], &LogLimits, &mut LogBatch) -> Result<T, LogError> + Send + 'static,
) -> Result<T, Refused> {
    // All senders wait for an answer; not all send again what is answered 503 (rsyslog does not).
    app.restored(app.config().ingest.request_timeout.get()).await;
    app.check_writable()?;
    let headers = request.headers();
    if posted::is_foreign_page(headers, app.config().server.external_url.as_deref()) {
        return Err(Refused::new(Cause::Foreign, "log lines are not taken from pages of other sites"));
    }
    let Tenant(tenant) = Tenant::of(headers).map_err(|error| Refused::new(Cause::Invalid, error))?;
    let kind = Kind::of(headers);
    let place = app.places().take(&tenant)?;
    let body = intake::body(app, request, app.config().logs.max_body).await?;
    let limits = LogLimits { body_bytes: app.config().logs.max_body.get(), ..LogLimits::default() };
    let turn = place.turn().await;
    let decoded = intake::work(body.len().saturating_mul(COMPRESSION), move || {
        let mut batch = LogBatch::default();
        decode(&kind, &body, &limits, &mut batch).map(|told| (told, batch))
    });
    let (told, batch) = decoded.await??;
    deliver(app, protocol, &tenant, batch, turn).await?;
    Ok(told)
}

impl From<LogError> for Refused {
    fn from(error: LogError) -> Self {
        let cause = match error {
            LogError::Unsupported(_) => Cause::Unsupported,
            _ if error.is_too_large() => Cause::TooLarge,
            _ => Cause::Invalid,
        };
        Self::new(cause, error)
    }
}
