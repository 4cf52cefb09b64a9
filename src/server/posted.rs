//! Bodies of requests that change something.
//!
//! vigie authenticates nobody: whoever reaches it may write. A browser inside reaches it as well, on behalf of whatever
//! page it shows, and a foreign page may send forms and plain text anywhere without asking (cross-site request
//! forgery). Therefore a change comes in one of two ways that a foreign page has not:
//!
//! - as `application/json`, for which a browser asks the server first (a CORS preflight, which vigie never grants);
//!   `DELETE` is asked about in the same way;
//! - as a form of vigie's own page, which the browser tells by `Sec-Fetch-Site: same-origin`, or, where it does not
//!   send that header (plain HTTP to another host than localhost), by an `Origin` that is this server's.

use axum::{
    Form, Json,
    extract::{DefaultBodyLimit, FromRequest, Request},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_TYPE, HOST, ORIGIN},
    },
};
use serde::de::DeserializeOwned;

use super::{
    app::App,
    prometheus::{ApiError, ErrorType},
};

/// Largest body: a selector and a comment at their limits fit, escaped as well.
const BYTES_MAX: usize = 32 << 10;

/// What was posted, and how.
#[derive(Debug)]
pub(crate) struct Posted<T> {
    pub(crate) body: T,
    /// Whether a person sent it from the page and wants to see a page again.
    pub(crate) is_form: bool,
}

impl<T: DeserializeOwned> FromRequest<App> for Posted<T> {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, app: &App) -> Result<Self, ApiError> {
        let headers = request.headers().clone();
        let is_form = match media_type(&headers).as_str() {
            "application/json" => false,
            "application/x-www-form-urlencoded" => true,
            other => {
                let text = format!("content type {other:?} is not supported; send application/json");
                return Err(ApiError::new(ErrorType::UnsupportedMediaType, text));
            }
        };
        if is_form && !is_own_page(&headers, app.config().server.external_url.as_deref()) {
            let text = "a form must come from vigie's own page; scripts send application/json";
            return Err(ApiError::new(ErrorType::Forbidden, text));
        }
        DefaultBodyLimit::max(BYTES_MAX).apply(&mut request);
        let body = if is_form {
            let form = Form::<T>::from_request(request, app).await;
            form.map(|Form(body)| body).map_err(|rejection| refuse(rejection.status(), rejection.body_text()))?
        } else {
            let json = Json::<T>::from_request(request, app).await;
            json.map(|Json(body)| body).map_err(|rejection| refuse(rejection.status(), rejection.body_text()))?
        };
        Ok(Self { body, is_form })
    }
}

fn refuse(status: StatusCode, text: String) -> ApiError {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(ErrorType::TooLarge, format!("the body is larger than {BYTES_MAX} bytes"))
        }
        _ => ApiError::bad_data(format!("invalid body: {text}")),
    }
}

fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether the browser says that a page of this server sent the request.
fn is_own_page(headers: &HeaderMap, external_url: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return false };
    let Some((_, authority)) = origin.split_once("://") else { return false };
    // A proxy may have replaced `Host`; people reach vigie by its external URL then.
    let is_external = external_url.and_then(|url| url.strip_prefix(origin));
    text(HOST.as_str()) == Some(authority) || is_external.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a browser says that the page of another site sent the request. Programs other than browsers say neither.
pub(super) fn is_foreign_page(headers: &HeaderMap, external_url: Option<&str>) -> bool {
    let is_browser = headers.contains_key("sec-fetch-site") || headers.contains_key(ORIGIN);
    is_browser && !is_own_page(headers, external_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_this_server_may_send_forms() {
        let own = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            is_own_page(&headers, Some("https://vigie.example.com/"))
        };
        assert!(own(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(own(&[("origin", "http://10.0.0.1:9797"), ("host", "10.0.0.1:9797")]));
        assert!(own(&[("origin", "https://vigie.example.com"), ("host", "127.0.0.1:9797")]));
        for foreign in [
            &[][..],
            &[("host", "10.0.0.1:9797")],
            &[("origin", "null"), ("host", "null")],
            &[("origin", "http://evil.example"), ("host", "10.0.0.1:9797")],
            &[("origin", "http://10.0.0.1:9797.evil.example"), ("host", "10.0.0.1:9797")],
            &[("origin", "https://vigie.example"), ("host", "10.0.0.1:9797")],
            &[("sec-fetch-site", "same-site"), ("origin", "http://10.0.0.1:9797"), ("host", "10.0.0.1:9797")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://10.0.0.1:9797"), ("host", "10.0.0.1:9797")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!own(foreign), "{foreign:?}");
        }
    }
}
