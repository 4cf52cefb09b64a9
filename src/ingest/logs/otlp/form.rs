//! The two forms of a request and of its answer.

use crate::ingest::logs::{LogError, compression::media_type};

/// How a request is written, and so its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Protobuf's binary encoding.
    Protobuf,
    /// Protobuf's JSON encoding, with OTLP's exceptions.
    Json,
}

impl Form {
    /// The form that a `Content-Type` names.
    ///
    /// # Errors
    /// [`LogError::Unsupported`] for another one or none.
    pub fn of(content_type: Option<&str>) -> Result<Self, LogError> {
        let media_type = media_type(content_type);
        let forms = [Self::Protobuf, Self::Json];
        forms.into_iter().find(|form| media_type.eq_ignore_ascii_case(form.content_type())).ok_or_else(|| {
            let shown: String = media_type.chars().take(100).collect();
            let what = "is not supported; send application/x-protobuf or application/json";
            LogError::Unsupported(format!("content type {shown:?} {what}"))
        })
    }

    /// Its `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_names_the_form() {
        assert_eq!(Form::of(Some("application/x-protobuf")), Ok(Form::Protobuf));
        assert_eq!(Form::of(Some("Application/JSON; charset=utf-8")), Ok(Form::Json));
        for other in [None, Some(""), Some("text/plain"), Some("application/jsonl")] {
            assert!(matches!(Form::of(other), Err(LogError::Unsupported(_))), "{other:?}");
        }
    }
}
