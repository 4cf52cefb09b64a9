//! Messages from the RFCs and from real senders, and malformed ones.

use proptest::prelude::*;

use super::*;
use crate::{
    ingest::logs::{LogError, LogLimits, Writer},
    signal::{LogBatch, Severity, TimestampNs},
};

/// 2023-11-14T22:13:20Z.
const RECEIVED: TimestampNs = 1_700_000_000_000_000_000;

fn at(time: &str) -> Option<TimestampNs> {
    Some(chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_nanos_opt().unwrap())
}

/// A message in short: time, host, app, process, message id, data and text.
fn short(message: &str) -> String {
    let Message { at, host, app, procid, msgid, data, text, .. } = Message::parse(message, RECEIVED);
    let at = at.map_or(String::new(), |at| chrono::DateTime::from_timestamp_nanos(at).to_rfc3339());
    let data: Vec<_> = data.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{} {host}/{app}/{procid}/{msgid} {} | {text}", at.trim_end_matches("+00:00"), data.join(" "))
}

#[track_caller]
fn check(message: &str, expected: &str) {
    assert_eq!(short(message), expected, "{message}");
}

#[test]
fn rfc_5424() {
    check(
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed for lonvick",
        "2003-10-11T22:14:15.003 mymachine.example.com/su//ID47  | 'su root' failed for lonvick",
    );
    check(
        "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
        "2003-08-24T12:14:15.000003 192.0.2.1/myproc/8710/  | %% It's time to make the do-nuts.",
    );
    check(
        r#"<165>1 2003-10-11T22:14:15Z h evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="App \"x\" \\ \] \n"][p@1 c="é"] An entry"#,
        "2003-10-11T22:14:15 h/evntslog//ID47 exampleSDID@32473.iut=3 \
         exampleSDID@32473.eventSource=App \"x\" \\ ] \\n p@1.c=é | An entry",
    );
    check("<165>1 - - - - - -", " ///  | ");
    check("<165>1 - - - - - [only]", " /// only= | ");
    check("<165>1 - h a 1 m - - text", " h/a/1/m  | - text");
    check("<165>1 - h a 1 m", " h/a/1/m  | ");
}

#[test]
fn rfc_5424_that_is_not_quite() {
    // No structured data, or what looks like it.
    check("<14>1 - h app 1 m just text", " h/app/1/m  | just text");
    check("<14>1 - h app 1 m [error] text", " h/app/1/m error= | text");
    check("<14>1 - h app 1 m [error", " h/app/1/m  | [error");
    check("<14>1 - h app 1 m [a b] text", " h/app/1/m  | [a b] text");
    check(r#"<14>1 - h app 1 m [a b="c] text"#, r#" h/app/1/m  | [a b="c] text"#);
    check(r#"<14>1 - h app 1 m [a b="c"x] text"#, r#" h/app/1/m  | [a b="c"x] text"#);
    check("<14>1 - h app 1 m -text", " h/app/1/m  | -text");
    // No header of this version at all.
    check("<14>1 yesterday h app 1 m - text", " ///  | 1 yesterday h app 1 m - text");
    check("<14>1 - h app", " ///  | 1 - h app");
    check("<14>2 - h app 1 m - text", " ///  | 2 - h app 1 m - text");
    let long = "h".repeat(256);
    check(&format!("<14>1 - {long} app 1 m - text"), &format!(" ///  | 1 - {long} app 1 m - text"));
}

#[test]
fn rfc_3164() {
    check(
        "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
        "2023-10-11T22:14:15 mymachine/su//  | 'su root' failed for lonvick on /dev/pts/8",
    );
    check("<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", "2023-02-05T17:32:18 10.0.0.99///  | Use the BFG!");
    check("<38>Nov 14 22:13:20 h sshd[4242]: session opened", "2023-11-14T22:13:20 h/sshd/4242/  | session opened");
    check("<22>Nov 14 22:13:20 h postfix/smtpd[7]: connect: x", "2023-11-14T22:13:20 h/postfix/smtpd/7/  | connect: x");
    check("<6>Nov 14 22:13:20 h kernel: [ 12.3] up", "2023-11-14T22:13:20 h/kernel//  | [ 12.3] up");
    check("<13>Nov 14 22:13:20 fe80::1 app: x", "2023-11-14T22:13:20 fe80::1/app//  | x");
    check("<13>Nov 14 22:13:20 - app: x", "2023-11-14T22:13:20 /app//  | x");
    check("<13>Nov 14 22:13:20", "2023-11-14T22:13:20 ///  | ");
}

#[test]
fn what_real_senders_leave_out_or_add() {
    // The C library, to a local socket that is read over the network: no host.
    check("<13>Nov 14 22:13:20 cron[1]: (root) CMD", "2023-11-14T22:13:20 /cron/1/  | (root) CMD");
    // No time.
    check("<13>app[1]: text", " /app/1/  | text");
    check("<13>app: text", " /app//  | text");
    check("<13>just some text", " ///  | just some text");
    check("no priority at all", " ///  | no priority at all");
    check("<13>http://a/b is down", " ///  | http://a/b is down");
    check("<13>", " ///  | ");
    // rsyslog's forward format.
    check(
        "<30>2023-11-14T23:13:20.123456+01:00 h systemd[1]: Started x.\n",
        "2023-11-14T22:13:20.123456 h/systemd/1/  | Started x.",
    );
    // `logger` of util-linux 2.38, which writes blanks into the name if told to.
    check(
        "<13>1 2026-11-22T00:52:39.613146+00:00 vm root - - [timeQuality tzKnown=\"1\" isSynced=\"0\"] hello ü\n",
        "2026-11-22T00:52:39.613146 vm/root// timeQuality.tzKnown=1 timeQuality.isSynced=0 | hello ü",
    );
    check("<155>1 2026-11-22T00:52:39Z vm my app - - - hello", "2026-11-22T00:52:39 vm/my/app/  | - hello");
    // Routers.
    check(
        "<189>29: *Mar  1 18:48:50.483 UTC: %SYS-5-CONFIG_I: Configured",
        "2023-03-01T18:48:50.483 /%SYS-5-CONFIG_I//  | Configured",
    );
    check("<166>Mar 01 2022 18:48:50: %ASA-6-302013: Built", "2022-03-01T18:48:50 /%ASA-6-302013//  | Built");
    check("<166>Mar 01 2022 18:48:50 fw : %ASA-6-302013: Built", "2022-03-01T18:48:50 fw///  | : %ASA-6-302013: Built");
    // A time that is none.
    check("<13>Nov 31 22:13:20 h app: x", " ///  | Nov 31 22:13:20 h app: x");
    check("<13>Nov 14 25:13:20 h app: x", " ///  | Nov 14 25:13:20 h app: x");
    check("<13>Nov 14 22:13:20x h app: x", " ///  | Nov 14 22:13:20x h app: x");
    check("<13>Nov", " ///  | Nov");
}

#[test]
fn a_time_without_year_is_in_the_last_that_fits() {
    let year_of = |message: &str, received: &str| Message::parse(message, at(received).unwrap()).at;
    let december = "<13>Dec 31 23:59:58 h app: x";
    assert_eq!(year_of(december, "2024-01-01T00:00:03Z"), at("2023-12-31T23:59:58Z"));
    assert_eq!(year_of(december, "2023-12-31T23:59:59Z"), at("2023-12-31T23:59:58Z"));
    let january = "<13>Jan  1 00:30:00 h app: x";
    assert_eq!(year_of(january, "2023-12-31T23:30:00Z"), at("2024-01-01T00:30:00Z"));
    assert_eq!(year_of("<13>Feb 29 00:00:00 h app: x", "2024-03-01T00:00:00Z"), at("2024-02-29T00:00:00Z"));
    assert_eq!(year_of("<13>Jun  1 00:00:00 h app: x", "2023-05-03T00:00:00Z"), at("2023-06-01T00:00:00Z"));
    assert_eq!(year_of("<13>Jun  1 00:00:00 h app: x", "2023-05-01T00:00:00Z"), at("2022-06-01T00:00:00Z"));
    assert_eq!(year_of("<13>Feb 29 00:00:00 h app: x", "2025-02-01T00:00:00Z"), at("2024-02-29T00:00:00Z"));
    assert_eq!(year_of("<13>Feb 29 00:00:00 h app: x", "2022-03-01T00:00:00Z"), None);
}

#[test]
fn priorities() {
    let read = |message: &str| {
        let message = Message::parse(message, RECEIVED);
        (message.facility_name(), message.severity)
    };
    assert_eq!(read("<0>a"), ("kern", Some(Severity::Fatal)));
    assert_eq!(read("<191>a"), ("local7", Some(Severity::Debug)));
    assert_eq!(read("<086>a"), ("authpriv", Some(Severity::Info)));
    for none in ["a", "<192>a", "<>a", "<-1>a", "<+1>a", "<1", "<1234>a", "<é>"] {
        assert_eq!(read(none), ("", None), "{none}");
        assert_eq!(Message::parse(none, RECEIVED).text, none);
    }
}

fn decoded(messages: &[&[u8]]) -> LogBatch {
    let (limits, mut batch) = (LogLimits::default(), LogBatch::default());
    let mut writer = Writer::new(&mut batch, &limits);
    for message in messages {
        decode(message, RECEIVED, &mut writer).unwrap();
    }
    batch
}

#[test]
fn a_message_becomes_a_record() {
    let batch = decoded(&[
        br#"<35>1 2023-11-14T22:13:20Z h su 7 ID47 [a b="c"] failed"#,
        b"<35>Nov 14 22:13:20 h su[8]: \xff\0",
        b"",
        b"\n",
    ]);
    let records: Vec<_> = batch.records().collect();
    assert_eq!(records.len(), 2, "empty messages are none");
    for record in &records {
        assert_eq!(record.labels.to_string(), r#"{facility="auth",host="h",service="su"}"#);
        assert_eq!((record.at, record.severity), (Some(RECEIVED), Some(Severity::Error)));
    }
    assert_eq!(records[0].attributes().collect::<Vec<_>>(), [("procid", "7"), ("msgid", "ID47"), ("a.b", "c")]);
    assert_eq!((records[0].line, records[1].line), ("failed", "\u{fffd}"));
    let streams = serde_json::to_value(&batch).unwrap()["streams"].as_array().unwrap().len();
    assert_eq!(streams, 1);
}

#[test]
fn a_full_batch_says_so() {
    let limits = LogLimits { records: 1, ..LogLimits::default() };
    let mut batch = LogBatch::default();
    let mut writer = Writer::new(&mut batch, &limits);
    decode(b"<1>a", RECEIVED, &mut writer).unwrap();
    assert_eq!(decode(b"<1>b", RECEIVED, &mut writer), Err(LogError::TooMany { what: "records", limit: 1 }));
}

const EXAMPLES: [&str; 4] = [
    "<165>1 2003-10-11T22:14:15.003Z h evntslog 7 ID47 [a@1 b=\"c\\\"\" d=\"e\"][f g=\"h\"] \u{feff}An entry",
    "<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed",
    "<189>29: *Mar  1 2024 18:48:50.483 UTC: %SYS-5-CONFIG_I: Configured",
    "<30>2023-11-14T23:13:20.123456+01:00 h systemd[1]: Started é.",
];

#[test]
fn a_message_cut_or_changed_anywhere_never_panics() {
    for example in EXAMPLES.map(str::as_bytes) {
        for at in 0..example.len() {
            decoded(&[&example[..at]]);
            for change in [0x01, 0x10, 0x80] {
                let mut changed = example.to_vec();
                changed[at] ^= change;
                assert_eq!(decoded(&[&changed]).len(), 1);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_message_is_a_record(
        message in prop_oneof![
            ".{0,80}",
            "<[0-9]{1,3}>1 ([a-]|[0-9]{1,3}| |\\[|\\]|=|\"|\\\\|\u{feff}){0,40}",
            "<13>(Nov|Feb|[*:]| | |[0-9]{1,2}|[0-9]{2}:[0-9]{2}:[0-9]{2}|2024|\\[|\\]|: |UTC){0,12}",
        ],
        received in any::<i64>(),
    ) {
        let (limits, mut batch) = (LogLimits::default(), LogBatch::default());
        decode(message.as_bytes(), received, &mut Writer::new(&mut batch, &limits)).unwrap();
        prop_assert_eq!(batch.records().count(), batch.len());
    }
}
