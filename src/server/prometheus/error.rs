//! Errors of the query API: the envelope Prometheus' clients expect, and the one place that maps causes to it.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{promql, server::app::NotReady};

/// Prometheus' error types, and below them those of what Prometheus has no words for; each has one status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum ErrorType {
    BadData,
    Execution,
    Timeout,
    Canceled,
    Internal,
    NotFound,
    Unavailable,
    Conflict,
    Forbidden,
    TooLarge,
    UnsupportedMediaType,
}

impl ErrorType {
    fn as_str(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Internal => "internal",
            Self::NotFound => "not_found",
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Timeout | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            // Nobody reads it: the client has gone. 499 is what Prometheus and nginx log then.
            Self::Canceled => StatusCode::from_u16(499).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// An answer that is an error.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    kind: ErrorType,
    message: String,
}

impl ApiError {
    pub(in crate::server) fn new(kind: ErrorType, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The status code it is answered with.
    pub(crate) fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The error with more to say about it.
    pub(super) fn with(self, more: &str) -> Self {
        Self { message: format!("{}: {more}", self.message), ..self }
    }

    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        Self::new(ErrorType::BadData, message)
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    status: &'static str,
    #[serde(rename = "errorType")]
    error_type: &'static str,
    error: &'a str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let envelope = Envelope { status: "error", error_type: self.kind.as_str(), error: &self.message };
        (self.status(), Json(envelope)).into_response()
    }
}

impl From<NotReady> for ApiError {
    fn from(cause: NotReady) -> Self {
        Self::new(ErrorType::Unavailable, cause.to_string())
    }
}

impl From<promql::Error> for ApiError {
    fn from(cause: promql::Error) -> Self {
        use promql::Error;
        let kind = match &cause {
            Error::Parse(_) | Error::BadParameter(_) | Error::Unsupported(_) => ErrorType::BadData,
            Error::Execution(_) | Error::TooManySamples | Error::TooManySeries => ErrorType::Execution,
            Error::Timeout => ErrorType::Timeout,
            Error::Canceled => ErrorType::Canceled,
            Error::Source(_) | Error::NoMemory => ErrorType::Unavailable,
        };
        let message = match &cause {
            Error::Parse(_) => format!("invalid parameter \"query\": {cause}"),
            _ => cause.to_string(),
        };
        Self::new(kind, message)
    }
}
