//! Which version a request is in, from its headers alone.

/// Version of remote write, which is to say the protobuf message of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Remote write 1.0, `prometheus.WriteRequest`.
    V1,
    /// Remote write 2.0, `io.prometheus.write.v2.Request`.
    V2,
}

impl Protocol {
    /// The `Content-Type` of a request in this version.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::V1 => "application/x-protobuf",
            Self::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    /// The `X-Prometheus-Remote-Write-Version` of a request in this version.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::V1 => "0.1.0",
            Self::V2 => "2.0.0",
        }
    }
}

/// Why the headers of a request are refused; HTTP 415.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Another media type, or one that cannot be parsed.
    #[error("content type {0:?} is not supported; send application/x-protobuf")]
    MediaType(String),
    /// A `proto` parameter that names another message.
    #[error("protobuf message {0:?} is not supported; send prometheus.WriteRequest or io.prometheus.write.v2.Request")]
    Message(String),
    /// Another compression than snappy.
    #[error("content encoding {0:?} is not supported; send snappy")]
    Encoding(String),
}

/// Decides the version of a request from its `Content-Type` and `Content-Encoding`.
///
/// As lenient as Prometheus' own receiver with old senders: an absent or empty `Content-Type` means 1.0, an absent or
/// empty `Content-Encoding` means snappy. The body is never looked at.
///
/// # Errors
/// [`Unsupported`] for another media type, message or encoding.
pub fn negotiate(content_type: Option<&str>, content_encoding: Option<&str>) -> Result<Protocol, Unsupported> {
    let encoding = content_encoding.unwrap_or_default().trim();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") {
        return Err(Unsupported::Encoding(shown(encoding)));
    }
    let media_type = content_type.unwrap_or_default().trim();
    if media_type.is_empty() {
        return Ok(Protocol::V1);
    }
    let refused = || Unsupported::MediaType(shown(media_type));
    let (kind, parameters) = media_type.split_once(';').unwrap_or((media_type, ""));
    if !kind.trim_end().eq_ignore_ascii_case("application/x-protobuf") {
        return Err(refused());
    }
    match proto_parameter(parameters).map_err(|Unparsable| refused())?.as_deref() {
        None | Some("prometheus.WriteRequest") => Ok(Protocol::V1),
        Some("io.prometheus.write.v2.Request") => Ok(Protocol::V2),
        Some(other) => Err(Unsupported::Message(shown(other))),
    }
}

/// Header text for an error message, cut where it gets long.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// A media type's parameters break the grammar of RFC 9110, section 8.3.1.
struct Unparsable;

/// Value of the parameter `proto`. Two of them that differ cannot be followed.
fn proto_parameter(mut rest: &str) -> Result<Option<String>, Unparsable> {
    let mut proto: Option<String> = None;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() {
            return Ok(proto);
        }
        let (name, after) = rest.split_once('=').ok_or(Unparsable)?;
        let (value, after) = parameter_value(after)?;
        if name.trim().eq_ignore_ascii_case("proto") {
            if proto.as_ref().is_some_and(|first| *first != value) {
                return Err(Unparsable);
            }
            proto = Some(value);
        }
        rest = after;
    }
}

/// A parameter's value, token or quoted string, and what follows it.
fn parameter_value(text: &str) -> Result<(String, &str), Unparsable> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, after) = text.split_once(';').unwrap_or((text, ""));
        let token = token.trim_end();
        return if token.is_empty() { Err(Unparsable) } else { Ok((token.to_owned(), after)) };
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                let after = quoted[at + 1..].trim_start();
                return if after.is_empty() || after.starts_with(';') { Ok((value, after)) } else { Err(Unparsable) };
            }
            '\\' => value.push(characters.next().ok_or(Unparsable)?.1),
            other => value.push(other),
        }
    }
    Err(Unparsable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(content_type: &str) -> Result<Protocol, Unsupported> {
        negotiate(Some(content_type), Some("snappy"))
    }

    #[test]
    fn the_message_is_decided_by_the_proto_parameter() {
        for v1 in [
            "",
            "application/x-protobuf",
            "Application/X-Protobuf ; charset=utf-8;",
            "application/x-protobuf;proto=prometheus.WriteRequest",
            "application/x-protobuf; PROTO=\"prometheus.WriteRequest\" ; q=1",
        ] {
            assert_eq!(typed(v1), Ok(Protocol::V1), "{v1}");
        }
        for v2 in [
            Protocol::V2.content_type(),
            "application/x-protobuf ;\tproto = io.prometheus.write.v2.Request",
            "application/x-protobuf;a=\"x;\\\"y\";proto=\"io.prometheus.write.v2.Reque\\st\"",
        ] {
            assert_eq!(typed(v2), Ok(Protocol::V2), "{v2}");
        }
    }

    #[test]
    fn absent_headers_mean_the_first_version() {
        assert_eq!(negotiate(None, None), Ok(Protocol::V1));
        assert_eq!(negotiate(Some(Protocol::V2.content_type()), Some("")), Ok(Protocol::V2));
        assert_eq!(negotiate(None, Some(" Snappy")), Ok(Protocol::V1));
    }

    #[test]
    fn the_rest_is_refused() {
        for media in [
            "application/json",
            "application/x-protobuffer",
            "text/plain; proto=prometheus.WriteRequest",
            "application/x-protobuf;proto",
            "application/x-protobuf;proto=",
            "application/x-protobuf;proto=\"prometheus.WriteRequest",
            "application/x-protobuf;proto=\"prometheus.WriteRequest\"x",
            "application/x-protobuf;proto=prometheus.WriteRequest;proto=io.prometheus.write.v2.Request",
        ] {
            assert!(matches!(typed(media), Err(Unsupported::MediaType(_))), "{media}");
        }
        for message in ["io.prometheus.write.v3.Request", "PROMETHEUS.WRITEREQUEST"] {
            let refused = typed(&format!("application/x-protobuf;proto={message}"));
            assert_eq!(refused, Err(Unsupported::Message(message.into())));
        }
        for encoding in ["zstd", "gzip", "identity", "snappy, gzip"] {
            let refused = negotiate(Some("application/x-protobuf"), Some(encoding));
            assert_eq!(refused, Err(Unsupported::Encoding(encoding.into())));
        }
    }
}
