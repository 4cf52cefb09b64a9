//! `POST /loki/api/v1/push`.

use axum::{
    extract::{Request, State},
    http::StatusCode,
};

use super::{Kind, receive};
use crate::{
    ingest::logs::loki,
    server::{app::App, intake::Refused},
};

const PROTOCOL: &str = "loki";

/// Answers as Loki does: 204, or a text that says what is wrong.
pub(super) async fn push(State(app): State<App>, request: Request) -> Result<StatusCode, Refused> {
    let decode = |Kind { content_type, content_encoding }: &Kind, body: &_, limits: &_, batch: &mut _| {
        loki::decode(content_type.as_deref(), content_encoding.as_deref(), body, limits, batch)
    };
    receive(&app, PROTOCOL, request, decode).await?;
    Ok(StatusCode::NO_CONTENT)
}
