//! The frame of every page, and how times and numbers are said on it.

use axum::{
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::plot;
use crate::{
    server::{NotReady, rfc3339},
    signal::{Labels, TimestampMs},
};

/// Nothing is loaded, run or framed, forms go to vigie alone; the style sheet is part of the page.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Seconds after which a page is loaded again.
const REFRESH_S: u32 = 15;

/// Whether a page loads itself again, which a reader can switch off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    On,
    Off,
    /// What a reader is writing would be lost.
    Never,
}

impl Refresh {
    /// As the URL's `?refresh=off` says.
    pub(super) fn of(query: Option<&str>) -> Self {
        let off = query.is_some_and(|query| query.split('&').any(|pair| pair == "refresh=off"));
        if off { Self::Off } else { Self::On }
    }
}

/// A whole page.
pub(super) fn page(status: StatusCode, title: &str, refresh: Refresh, content: &Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if refresh == Refresh::On { meta http-equiv="refresh" content=(REFRESH_S); }
                title { (title) " – vigie" }
                style { (PreEscaped(include_str!("style.css"))) (PreEscaped(plot::STYLE)) }
            }
            body {
                header {
                    a.name href="/" { "vigie" }
                    p { "learns what is normal for every series, says what is wrong and why" }
                    nav aria-label="pages" {
                        a href="/" { "findings" } " · "
                        @if cfg!(feature = "search") { a href="/logs" { "logs" } " · " }
                        a href="/maintenance" { "maintenance" }
                    }
                }
                main { (content) }
                footer { (links(refresh)) }
            }
        }
    };
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: it would take the origin from the page's own forms, by which they are known.
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(document.into_string())).into_response()
}

/// The page of a daemon that cannot answer now.
pub(super) fn unavailable(cause: NotReady) -> Response {
    let content = html! {
        h1 { "Not yet" }
        p { (cause.to_string()) "." }
    };
    page(StatusCode::SERVICE_UNAVAILABLE, "not ready", Refresh::On, &content)
}

fn links(refresh: Refresh) -> Markup {
    html! {
        nav aria-label="the same as data" {
            a href="/api/v1/findings" { "findings as JSON" } " · "
            a href="/api/v1/alerts" { "as Prometheus alerts" } " · "
            a href="/metrics" { "metrics of vigie itself" }
            @match refresh {
                Refresh::On => { " · loads again every " (REFRESH_S) " s, " a href="?refresh=off" { "stop that" } }
                Refresh::Off => { " · " a href="?" { "load again by itself" } }
                Refresh::Never => {}
            }
        }
    }
}

/// A point in time, with how long ago it was.
pub(super) fn moment(at: TimestampMs, now: TimestampMs) -> Markup {
    let exact = rfc3339(at);
    html! { time datetime=(exact) title=(exact) { (ago(now - at)) } }
}

/// A length of time in its two largest units, as the time that has passed.
fn ago(ms: i64) -> String {
    let secs = ms / 1000;
    match secs {
        ..=-1 => "ahead of the clock".to_owned(),
        0..=59 => format!("{secs} s ago"),
        60..=3_599 => format!("{} min ago", secs / 60),
        3_600..=86_399 => format!("{} h {} min ago", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{} d {} h ago", secs / 86_400, secs % 86_400 / 3_600),
    }
}

/// A label set, as one writes it in a query.
pub(super) fn label_set(labels: &Labels) -> Markup {
    html! { code { (labels.to_string()) } }
}

/// A link to a page of vigie's own with these parameters.
pub(super) fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut link = path.to_owned();
    for (i, (name, value)) in parameters.iter().enumerate() {
        link.push(if i == 0 { '?' } else { '&' });
        link.push_str(name);
        link.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => link.push(byte.into()),
                _ => link.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_has_passed_is_said_in_two_units() {
        for (ms, text) in [
            (0, "0 s ago"),
            (59_999, "59 s ago"),
            (60_000, "1 min ago"),
            (3_900_000, "1 h 5 min ago"),
            (90_000_000, "1 d 1 h ago"),
            (-5_000, "ahead of the clock"),
        ] {
            assert_eq!(ago(ms), text);
        }
    }

    #[test]
    fn the_refresh_can_be_switched_off() {
        assert_eq!(Refresh::of(None), Refresh::On);
        assert_eq!(Refresh::of(Some("a=b&refresh=off")), Refresh::Off);
    }
}
