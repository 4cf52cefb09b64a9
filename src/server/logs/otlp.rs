//! `POST /v1/logs` and, as Loki has it, `POST /otlp/v1/logs`: OpenTelemetry's protocol over HTTP.

use axum::{
    extract::{Request, State},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};

use super::{Kind, receive};
use crate::{
    ingest::logs::otlp::{self, Form},
    server::{
        app::App,
        intake::{Cause, Refused},
    },
};

const PROTOCOL: &str = "otlp";

/// Answers in the form of the request. Exporters send again on 429, 502, 503 and 504 alone.
pub(super) async fn export(State(app): State<App>, request: Request) -> Response {
    // One that names no form is refused, in the form that there always is.
    let form = Form::of(Kind::of(request.headers()).content_type.as_deref()).unwrap_or(Form::Protobuf);
    let decode = |Kind { content_type, content_encoding }: &Kind, body: &_, limits: &_, batch: &mut _| {
        otlp::decode(content_type.as_deref(), content_encoding.as_deref(), body, limits, batch)
    };
    let content_type = [(CONTENT_TYPE, form.content_type())];
    match receive(&app, PROTOCOL, request, decode).await {
        Ok(()) => (content_type, otlp::response(form, None)).into_response(),
        Err(refused) => refused.respond((content_type, otlp::status(form, code(&refused), &refused.message))),
    }
}

/// The code of gRPC that says the same.
fn code(refused: &Refused) -> u32 {
    match refused.cause {
        Cause::Invalid | Cause::Unsupported => 3,
        Cause::Late => 4,
        Cause::Foreign => 7,
        Cause::TooLarge => 8,
        Cause::NotReady(_) => 14,
    }
}
