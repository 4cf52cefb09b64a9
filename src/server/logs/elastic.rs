//! What shippers ask of an Elasticsearch: `_bulk`, and the calls that they make before they send.
//!
//! All of it is below `/elasticsearch`, for shippers that can be given a path, and at the root for those that cannot. `/`
//! itself is vigie's page; it is an Elasticsearch's greeting only for who asks like a client of one.

use std::time::Instant;

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::{any, post},
};
#[cfg(feature = "ui")]
use axum::{http::header::USER_AGENT, middleware::Next};
use serde_json::json;

use super::{Kind, receive};
use crate::{
    ingest::logs::{
        decompress,
        elastic::{self, PRODUCT_HEADER},
    },
    server::{
        app::App,
        intake::{self, Cause, Refused},
    },
};

const PROTOCOL: &str = "elasticsearch";
/// The version that vigie speaks as. Clients of version 7 to 9 go on with it.
const VERSION: &str = "8.17.0";

/// The routes at the root and below `/elasticsearch`. The calls before sending are a matter of the fallback, see
/// [`handshake`].
pub(super) fn routes() -> Router<App> {
    let bulk = Router::new().route("/_bulk", post(bulk).put(bulk)).route("/{index}/_bulk", post(bulk).put(bulk));
    let below = bulk.clone().fallback(handshake_or_unknown);
    // A path with a slash at its end is not below.
    let root = any(|method: Method, headers: HeaderMap| async move { greeting(&method, &headers) });
    bulk.route("/elasticsearch/", root).nest("/elasticsearch", below)
}

async fn bulk(State(app): State<App>, index: Option<Path<String>>, request: Request) -> Response {
    let began = Instant::now();
    let content_type = content_type(request.headers());
    let index = index.map(|Path(index)| index);
    let decode = move |kind: &Kind, body: &_, limits: &_, batch: &mut _| {
        let body = decompress(kind.content_encoding.as_deref(), body, limits)?;
        elastic::decode(index.as_deref(), &body, limits, batch)
    };
    let response = match receive(&app, PROTOCOL, request, decode).await {
        Ok(report) => {
            app.telemetry().logs().rejected(PROTOCOL, report.refused());
            report.response(began.elapsed().as_millis() as u64).into_response()
        }
        Err(refused) => refused.respond(error(refused.cause.status(), kind(&refused), &refused.message)),
    };
    with(content_type, response)
}

/// The name that Elasticsearch has for such an error.
fn kind(refused: &Refused) -> &'static str {
    match refused.cause {
        Cause::Invalid => "parse_exception",
        Cause::Foreign => "security_exception",
        Cause::Late => "timeout_exception",
        Cause::TooLarge => "content_too_long_exception",
        Cause::Unsupported => "media_type_header_exception",
        Cause::NotReady(_) => "es_rejected_execution_exception",
    }
}

/// Answers a call that shippers make before they send; none if it is another.
pub(in crate::server) fn handshake(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    let answer = elastic::answer(method.as_str(), path, VERSION)?;
    let status = StatusCode::from_u16(answer.status).unwrap_or_default();
    let body = answer.body.map(|body| body.to_string()).unwrap_or_default();
    Some(with(content_type(headers), (status, body).into_response()))
}

async fn handshake_or_unknown(request: Request) -> Response {
    let (method, path, headers) = (request.method(), request.uri().path(), request.headers());
    handshake(method, path, headers).unwrap_or_else(|| {
        let message = format!("vigie takes logs as Elasticsearch does; {method} {path} is not part of that");
        let body = error(StatusCode::NOT_FOUND, "resource_not_found_exception", &message);
        with(content_type(headers), (StatusCode::NOT_FOUND, body).into_response())
    })
}

fn greeting(method: &Method, headers: &HeaderMap) -> Response {
    handshake(method, "/", headers).unwrap_or_else(|| StatusCode::METHOD_NOT_ALLOWED.into_response())
}

/// Answers `/` to clients of Elasticsearch, before vigie's page does to everybody else.
#[cfg(feature = "ui")]
pub(in crate::server) async fn greet(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if request.uri().path() == "/" && is_read && is_client(request.headers()) {
        return greeting(request.method(), request.headers());
    }
    next.run(request).await
}

/// Whether a request is evidently of a client of Elasticsearch. The official ones ask for its media type or tell of
/// themselves in a header; shippers of logs are known by their names.
#[cfg(feature = "ui")]
fn is_client(headers: &HeaderMap) -> bool {
    let text = |name| intake::text(headers, name).map(|text| text.to_ascii_lowercase()).unwrap_or_default();
    let agent = text(USER_AGENT);
    text(ACCEPT).contains("application/vnd.elasticsearch+")
        || headers.contains_key("x-elastic-client-meta")
        || ["elastic", "opensearch"].iter().any(|name| agent.contains(name))
        || ["fluent", "logstash", "vector/"].iter().any(|name| agent.starts_with(name))
}

/// Adds what every answer of an Elasticsearch has.
fn with(content_type: HeaderValue, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(PRODUCT_HEADER.0, HeaderValue::from_static(PRODUCT_HEADER.1));
    headers.insert(CONTENT_TYPE, content_type);
    response
}

/// The content type that the client understands: what it asks for, or else the counterpart of what it sends.
fn content_type(headers: &HeaderMap) -> HeaderValue {
    let known = |name| elastic::content_type(&intake::text(headers, name).unwrap_or_default());
    let asked = known(ACCEPT);
    let chosen = if asked.contains("vnd.") { asked } else { known(CONTENT_TYPE) };
    HeaderValue::from_str(&chosen).unwrap_or(HeaderValue::from_static("application/json"))
}

fn error(status: StatusCode, kind: &str, reason: &str) -> String {
    let cause = json!({"type": kind, "reason": reason});
    json!({
        "error": {"root_cause": [cause], "type": kind, "reason": reason},
        "status": status.as_u16(),
    })
    .to_string()
}
