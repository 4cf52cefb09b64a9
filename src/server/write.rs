//! `POST /api/v1/write`: Prometheus remote write 1.0 and 2.0.
//!
//! The status code decides what a sender does next, so each cause has the one that makes it do the right thing:
//!
//! | cause | answer | sender |
//! |---|---|---|
//! | all written | 204 | goes on |
//! | some or all of it cannot be taken | 400, 413 or 415 | drops the batch and counts it |
//! | there is no room for new series; known ones are written | 429 with `Retry-After` | drops the batch, or comes back later |
//! | vigie is starting, reads in history, is stopping or overloaded | 503 with `Retry-After` | waits and sends the same again |
//!
//! Overload is 503 and not 429, because Prometheus drops a batch on 429 unless `retry_on_http_429` is set, and by
//! default it is not: what waiting does not help is better dropped, and overload passes. Sending a request again is safe:
//! samples that were taken before are taken for what they are.

use std::{fmt::Write as _, sync::Arc, time::Instant};

use axum::{
    body::Bytes,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};

use super::{
    app::{App, NotReady},
    intake::{self, Cause, Refused},
    tenant::Tenant,
};
use crate::{
    engine::{Refusal, WriteReport},
    fleet,
    ingest::remote_write::{DecodeError, Limits, Protocol, WriteRequest, decompress, negotiate},
    signal::TenantId,
};

/// Seconds after which a sender may look whether there is room for more series: some may have gone by then, and asking costs
/// little.
const ROOM_AFTER_S: u64 = 60;

const WRITTEN: [HeaderName; 3] = [
    HeaderName::from_static("x-prometheus-remote-write-samples-written"),
    HeaderName::from_static("x-prometheus-remote-write-histograms-written"),
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written"),
];

pub(super) async fn write(State(app): State<App>, request: Request) -> Response {
    let received = Instant::now();
    match receive(&app, request).await {
        Ok((tenant, report)) => {
            app.telemetry().written(&report, received);
            if let Some(samples) = app.refusals().add(&tenant, &report, app.now()) {
                let (reason, _) = no_room(&app, &tenant, &report);
                tracing::warn!(%tenant, samples, reason, example = example(&report), "new series are refused");
            }
            hold_back(&app, &tenant, &report).await;
            outcome(&app, &tenant, &report)
        }
        Err(refused) => {
            tracing::debug!(status = refused.cause.status().as_u16(), reason = refused.message, "remote write refused");
            unwritten(refused)
        }
    }
}

async fn receive(app: &App, request: Request) -> Result<(TenantId, WriteReport), Refused> {
    app.check_writable()?;
    let Tenant(tenant) = Tenant::of(request.headers()).map_err(|e| Refused::new(Cause::Invalid, e))?;
    let protocol = protocol(request.headers())?;
    let place = app.places().take(&tenant)?;
    let received_at = app.now();
    let body = intake::body(app, request, app.config().ingest.max_compressed_body).await?;
    app.telemetry().received(body.len());
    let turn = place.turn().await;
    let decoded = Arc::new(decode(protocol, body.clone(), limits(app)).await?);
    drop(turn);
    let request = fleet::Request { tenant: tenant.clone(), protocol, raw: body, body: decoded, received: received_at };
    let report = app.engine()?.write(request).await.map_err(NotReady::from)?;
    app.arrived(&tenant, report.samples + report.histograms);
    Ok((tenant, report))
}

/// Waits as long as new series are to take of their tenant. Nothing is held meanwhile but the connection.
async fn hold_back(app: &App, tenant: &TenantId, report: &WriteReport) {
    let wait = app.pace().hold_back(tenant, report.created + report.without_room(), Instant::now());
    if !wait.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = app.stopping() => {}
        }
    }
}

fn protocol(headers: &HeaderMap) -> Result<Protocol, Refused> {
    let text = |name| intake::text(headers, name);
    negotiate(text(CONTENT_TYPE).as_deref(), text(CONTENT_ENCODING).as_deref())
        .map_err(|error| Refused::new(Cause::Unsupported, error))
}

fn limits(app: &App) -> Limits {
    Limits { body_bytes: app.config().ingest.max_body.get(), ..Limits::default() }
}

async fn decode(protocol: Protocol, body: Bytes, limits: Limits) -> Result<WriteRequest, Refused> {
    let bytes = body.len();
    let decode = move || {
        let raw = decompress(&body, &limits)?;
        WriteRequest::decode(protocol, raw, &limits)
    };
    Ok(intake::work(bytes, decode).await??)
}

/// The answer to a request that was decoded, whatever became of its samples.
fn outcome(app: &App, tenant: &TenantId, report: &WriteReport) -> Response {
    let counts = [report.samples, report.histograms, report.exemplars];
    let mut headers: HeaderMap = WRITTEN.into_iter().zip(counts.map(Into::into)).collect();
    let rejected = report.rejected();
    if rejected == 0 && report.reasons.is_empty() {
        return (StatusCode::NO_CONTENT, headers).into_response();
    }
    if !report.refused.is_empty() && report.refused.keys().all(|why| why.is_limit()) {
        headers.insert(RETRY_AFTER, ROOM_AFTER_S.into());
        let (reason, remedy) = no_room(app, tenant, report);
        let text = format!(
            "{reason}; {rejected} samples of new series were refused, e.g. of {}, those of known series were written; {remedy}",
            example(report)
        );
        return (StatusCode::TOO_MANY_REQUESTS, headers, text).into_response();
    }
    let mut text = format!("{rejected} samples of the request were rejected, the others were written");
    for reason in &report.reasons {
        let _ = write!(text, "; {reason}");
    }
    tracing::debug!(rejected, reasons = ?report.reasons, "remote write was taken in part");
    (StatusCode::BAD_REQUEST, headers, text).into_response()
}

/// Why there is no room for more series of a tenant, and what helps.
fn no_room(app: &App, tenant: &TenantId, report: &WriteReport) -> (String, &'static str) {
    if report.refused.contains_key(&Refusal::SeriesLimit) {
        let limit = app.config().series.max_per_tenant;
        let reason = format!("tenant {tenant} has the {limit} series that it may have (series.max_per_tenant)");
        (reason, "send fewer series, without labels whose values do not repeat, or raise the limit")
    } else {
        let limit = app.memory().shown();
        let reason = format!("vigie's memory is short (limit {limit}) and tenant {tenant} has its share of the series");
        (reason, "send fewer series, or give vigie more memory (--memory-limit)")
    }
}

/// A series that was refused.
fn example(report: &WriteReport) -> &str {
    report.reasons.first().and_then(|reason| reason.split_once(": ")).map_or("", |(_, series)| series)
}

/// The answer to a request of which nothing was taken.
fn unwritten(refused: Refused) -> Response {
    let passes = matches!(refused.cause, Cause::NotReady(_));
    let mut response = refused.into_response();
    if !passes {
        // A 2.0 sender takes an answer without these headers for one of a receiver that only knows 1.0.
        response.headers_mut().extend(WRITTEN.map(|name| (name, 0.into())));
    }
    response
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        Self::new(if error.is_too_large() { Cause::TooLarge } else { Cause::Invalid }, error)
    }
}
