//! A message of either form.

use std::borrow::Cow;

use super::{bsd, header, structured};
use crate::{
    ingest::logs::{LogError, Writer},
    signal::{LogLine, Severity, TimestampNs},
};

/// A message in its parts. What its sender left out is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// What kind of program it is from, by number: see [`Self::facility_name`].
    pub facility: Option<u8>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// Event time.
    pub at: Option<TimestampNs>,
    /// Where it is from.
    pub host: &'a str,
    /// The program: the app-name, or the tag without what is in brackets.
    pub app: &'a str,
    /// Its process.
    pub procid: &'a str,
    /// What kind of message it is.
    pub msgid: &'a str,
    /// Structured data: `id.param` and value.
    pub data: Vec<(String, Cow<'a, str>)>,
    /// The text.
    pub text: &'a str,
}

/// Names of facilities by number, as `syslog.conf` has them.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

impl<'a> Message<'a> {
    /// Reads a message that was received at `received`, which gives a time without year its year.
    #[must_use]
    pub fn parse(message: &'a str, received: TimestampNs) -> Self {
        let message = message.trim_end_matches(['\0', '\r', '\n']);
        let Some((priority, rest)) = header::priority(message) else {
            return bsd::parse(message, received);
        };
        let parsed = rest.strip_prefix("1 ").and_then(structured::parse).unwrap_or_else(|| bsd::parse(rest, received));
        Self { facility: Some(priority / 8), severity: Severity::from_syslog(u64::from(priority % 8)), ..parsed }
    }

    /// Name of the facility, such as `daemon`; empty when there is none.
    #[must_use]
    pub fn facility_name(&self) -> &'static str {
        self.facility.and_then(|number| FACILITIES.get(usize::from(number))).copied().unwrap_or_default()
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), LogError> {
        let labels = [("host", self.host), ("service", self.app), ("facility", self.facility_name())];
        let labels: Vec<_> = labels.into_iter().filter(is_told).collect();
        let ids = [("procid", self.procid), ("msgid", self.msgid)].into_iter().filter(is_told);
        let data = self.data.iter().map(|(name, value)| (name.as_str(), &**value));
        let line = LogLine { at: self.at, severity: self.severity, trace_id: "", line: self.text };
        writer.push(&labels, &line, ids.chain(data))
    }
}

fn is_told(pair: &(&str, &str)) -> bool {
    !pair.1.is_empty()
}

/// Adds a message to a batch, with labels `host`, `service` and `facility`; process, message id and structured data are
/// attributes. Bytes that are no UTF-8 are replaced. An empty message is nothing.
///
/// # Errors
/// [`LogError::TooMany`] records or streams for one batch.
pub fn decode(message: &[u8], received: TimestampNs, writer: &mut Writer<'_>) -> Result<(), LogError> {
    let message = String::from_utf8_lossy(message);
    let message = Message::parse(&message, received);
    if message == Message::default() { Ok(()) } else { message.write(writer) }
}
