//! What requests that bring data have in common: a body within limits of size and time, work that is done away from the
//! threads that serve connections, and the reasons to refuse one.

use std::borrow::Cow;

use axum::{
    body::{Bytes, HttpBody},
    extract::{DefaultBodyLimit, FromRequest, Request},
    http::{HeaderMap, HeaderName, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};

use super::app::{App, NotReady};
use crate::config::ByteSize;

/// Up to this size a body is decoded where it arrived, which takes less than a millisecond and hence less than moving
/// it to another thread is worth; Prometheus' batches are 20 to 60 kB.
const INLINE_BYTES: usize = 64 << 10;

/// Why nothing of a request was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It is not what it says that it is.
    Invalid,
    /// A browser sends it for the page of another site.
    Foreign,
    /// It did not arrive whole in time.
    Late,
    /// It is over a limit.
    TooLarge,
    /// A type or an encoding that is not taken.
    Unsupported,
    /// The fault is not the sender's, and passes.
    NotReady(NotReady),
}

impl Cause {
    /// The status that makes a sender do the right thing: wait and repeat for what passes, drop for the rest.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Its name as a label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Foreign => "foreign",
            Self::Late => "late",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::NotReady(cause) => cause.as_str(),
        }
    }
}

/// A request of which nothing was taken.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) cause: Cause,
    /// What is wrong and what would do.
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(cause: Cause, message: impl ToString) -> Self {
        Self { cause, message: message.to_string() }
    }

    /// The answer with this body: status, and when to come back.
    pub(super) fn respond(&self, body: impl IntoResponse) -> Response {
        let mut response = (self.cause.status(), body).into_response();
        if let Cause::NotReady(cause) = self.cause {
            response.headers_mut().insert(RETRY_AFTER, cause.retry_after_s().into());
        }
        response
    }
}

impl From<NotReady> for Refused {
    fn from(cause: NotReady) -> Self {
        Self::new(Cause::NotReady(cause), cause)
    }
}

/// The reason in plain text.
impl IntoResponse for Refused {
    fn into_response(mut self) -> Response {
        let message = std::mem::take(&mut self.message);
        self.respond(message)
    }
}

/// A header as it would be read, also if it is not text.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<Cow<'_, str>> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// Reads the body of a request, of at most `limit` as it arrives. One that tells its length is refused before any of it
/// is read.
pub(super) async fn body(app: &App, mut request: Request, limit: ByteSize) -> Result<Bytes, Refused> {
    let announced = request.body().size_hint().lower();
    if announced > limit.get() as u64 {
        let message = format!("body of {announced} bytes is over the limit of {limit}; send smaller batches");
        return Err(Refused::new(Cause::TooLarge, message));
    }
    DefaultBodyLimit::max(limit.get()).apply(&mut request);
    let period = app.config().ingest.request_timeout;
    match tokio::time::timeout(period.get(), Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) => {
            let is_too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            Err(Refused::new(if is_too_large { Cause::TooLarge } else { Cause::Invalid }, rejection.body_text()))
        }
        Err(_late) => Err(Refused::new(Cause::Late, format!("the request did not arrive whole within {period}"))),
    }
}

/// Does work on about so many bytes: at once when they are few, else where it holds up nobody.
pub(super) async fn work<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotReady> {
    if bytes <= INLINE_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|panic| {
        tracing::error!(error = %panic, "work on a request ended without a result");
        NotReady::Fault
    })
}
