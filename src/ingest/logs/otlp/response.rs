//! Bodies of answers, each in the form of its request.

use serde_json::json;

use super::Form;
use crate::ingest::wire_write::{put_bytes, put_varint};

/// What was not taken of a request that was otherwise taken. Senders never send it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial<'a> {
    /// Number of records; with 0 the message is a warning.
    pub rejected: u32,
    /// Why.
    pub message: &'a str,
}

/// Body of the answer to a request that was taken, an `ExportLogsServiceResponse`; goes with HTTP 200.
#[must_use]
pub fn response(form: Form, partial: Option<&Partial<'_>>) -> Vec<u8> {
    match (form, partial) {
        (Form::Protobuf, None) => Vec::new(),
        (Form::Json, None) => b"{}".to_vec(),
        (Form::Protobuf, Some(Partial { rejected, message })) => {
            let (mut response, mut partial) = (Vec::new(), Vec::new());
            put_varint(&mut partial, 1, (*rejected).into());
            put_bytes(&mut partial, 2, message.as_bytes());
            put_bytes(&mut response, 1, &partial);
            response
        }
        (Form::Json, Some(Partial { rejected, message })) => {
            // A 64-bit number, so a string.
            let partial = json!({ "rejectedLogRecords": rejected.to_string(), "errorMessage": message });
            json!({ "partialSuccess": partial }).to_string().into_bytes()
        }
    }
}

/// Body of the answer to a request that was refused, a `google.rpc.Status`. `code` is gRPC's: 3 for what is wrong, 8 for
/// too much, 14 for later, 16 for strangers.
#[must_use]
pub fn status(form: Form, code: u32, message: &str) -> Vec<u8> {
    match form {
        Form::Protobuf => {
            let mut status = Vec::new();
            put_varint(&mut status, 1, code.into());
            put_bytes(&mut status, 2, message.as_bytes());
            status
        }
        Form::Json => json!({ "code": code, "message": message }).to_string().into_bytes(),
    }
}

/// A `google.rpc.Status` in protobuf for a request that may be sent again after so many seconds, which a `RetryInfo` in
/// it says. By gRPC it is in `grpc-status-details-bin`.
#[must_use]
pub fn status_with_retry(code: u32, message: &str, after_s: u64) -> Vec<u8> {
    let (mut delay, mut info, mut detail) = (Vec::new(), Vec::new(), Vec::new());
    put_varint(&mut delay, 1, after_s);
    put_bytes(&mut info, 1, &delay);
    put_bytes(&mut detail, 1, b"type.googleapis.com/google.rpc.RetryInfo");
    put_bytes(&mut detail, 2, &info);
    let mut status = status(Form::Protobuf, code, message);
    put_bytes(&mut status, 3, &detail);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::message::message;

    #[test]
    fn what_was_taken_whole_is_an_empty_message() {
        assert_eq!(response(Form::Protobuf, None), b"");
        assert_eq!(response(Form::Json, None), b"{}");
    }

    #[test]
    fn what_was_not_taken_is_counted_and_explained() {
        let partial = Partial { rejected: 300, message: "too \"long\"" };
        let expected = message().message(1, message().varint(1, 300).bytes(2, "too \"long\""));
        assert_eq!(response(Form::Protobuf, Some(&partial)), expected.0);
        let json: serde_json::Value = serde_json::from_slice(&response(Form::Json, Some(&partial))).unwrap();
        let expected = json!({ "rejectedLogRecords": "300", "errorMessage": "too \"long\"" });
        assert_eq!(json, json!({ "partialSuccess": expected }));
    }

    #[test]
    fn refusals_are_a_status() {
        assert_eq!(status(Form::Protobuf, 3, "no"), message().varint(1, 3).bytes(2, "no").0);
        let json: serde_json::Value = serde_json::from_slice(&status(Form::Json, 3, "no")).unwrap();
        assert_eq!(json, json!({ "code": 3, "message": "no" }));
    }

    #[test]
    fn a_refusal_that_passes_says_when_to_come_back() {
        let info = message().message(1, message().varint(1, 5));
        let detail = message().bytes(1, "type.googleapis.com/google.rpc.RetryInfo").message(2, info);
        assert_eq!(status_with_retry(14, "no", 5), message().varint(1, 14).bytes(2, "no").message(3, detail).0);
    }
}
