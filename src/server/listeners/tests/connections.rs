//! A connection in memory, whose other end is the test.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::JoinHandle,
};

use super::*;
use crate::server::listeners::{
    connection::{End, Parser, serve},
    forward::Forward,
    syslog::Syslog,
};

/// A connection of which so many bytes fit on the way.
fn connect<P: Parser + 'static>(parser: P, input: &Input<Fake>, fit: usize) -> (DuplexStream, JoinHandle<End>) {
    let (ours, theirs) = duplex(fit);
    (ours, tokio::spawn(serve(theirs, parser, input.clone())))
}

fn syslog(input: &Input<Fake>) -> (DuplexStream, JoinHandle<End>) {
    connect(Syslog::new(), input, 1 << 16)
}

fn forward(input: &Input<Fake>) -> (DuplexStream, JoinHandle<End>) {
    connect(Forward::new(1 << 20), input, 1 << 16)
}

#[tokio::test]
async fn messages_in_both_framings_are_kept_and_a_last_one_too() {
    let (input, _word) = input(SYSLOG);
    let (mut sender, end) = syslog(&input);
    sender.write_all(b"<13>1 - h app - - - one\n25 <13>1 - h app - - - two\n!<13>thr").await.unwrap();
    sender.write_all(b"ee\r\n<13>four").await.unwrap();
    drop(sender);
    assert!(matches!(end.await.unwrap(), End::Closed));
    assert_eq!(input.sink.lines(), ["one", "two\n!", "three", "four"]);
}

#[tokio::test]
async fn lines_do_not_wait_for_the_end_of_their_connection() {
    let (input, _word) = input(SYSLOG);
    let (mut sender, _end) = syslog(&input);
    sender.write_all(b"<13>one\n<13>tw").await.unwrap();
    assert_eq!(input.sink.wait_for(1).await, ["one"]);
    sender.write_all(b"o\n").await.unwrap();
    assert_eq!(input.sink.wait_for(2).await, ["one", "two"]);
}

#[tokio::test]
async fn nothing_is_read_while_lines_wait_and_each_is_kept_once() {
    let (input, _word) = input(SYSLOG);
    input.sink.hold_up(NotReady::Busy);
    let (mut sender, end) = syslog(&input);
    let line = "x".repeat(1_000);
    let all = format!("{line}\n").repeat(2_000);
    let sending = tokio::spawn(async move { sender.write_all(all.as_bytes()).await.unwrap() });
    until(|| input.sink.attempts() >= 3).await;
    assert!(!sending.is_finished(), "two megabytes are not on the way, nor with vigie");
    assert_eq!(input.sink.lines().len(), 0);
    input.sink.hold_up(NotReady::Unwritable);
    let before = input.sink.attempts();
    until(|| input.sink.attempts() > before).await;
    input.sink.hold_up(None);
    sending.await.unwrap();
    assert!(matches!(end.await.unwrap(), End::Closed));
    let lines = input.sink.lines();
    assert_eq!(lines.len(), 2_000);
    assert!(lines.iter().all(|kept| *kept == line));
}

#[tokio::test]
async fn what_was_read_before_the_stop_is_kept() {
    let (input, word) = input(SYSLOG);
    // Of what is written, all but the last byte has been read.
    let (mut sender, end) = connect(Syslog::new(), &input, 1);
    sender.write_all(b"one\nhalf of it").await.unwrap();
    drop(word);
    assert!(matches!(end.await.unwrap(), End::Stopped));
    let lines = input.sink.lines();
    assert_eq!((lines.len(), &*lines[0]), (2, "one"));
    assert!(lines[1].starts_with("half of i"), "{}", lines[1]);
}

#[tokio::test]
async fn lines_that_nobody_can_keep_any_more_are_counted() {
    let (input, _word) = input(SYSLOG);
    input.sink.hold_up(NotReady::Stopping);
    let (mut sender, end) = syslog(&input);
    sender.write_all(b"one\ntwo\n").await.unwrap();
    assert!(matches!(end.await.unwrap(), End::Stopped));
    let dropped = "log_lines_dropped_total{protocol=\"syslog\",reason=\"stopping\"}";
    assert_eq!((input.sink.attempts(), counter(&input.counters, dropped)), (1, 2));
}

#[tokio::test]
async fn a_wrong_length_ends_the_connection_and_what_was_before_it_is_kept() {
    let (input, _word) = input(SYSLOG);
    let (mut sender, end) = syslog(&input);
    sender.write_all(b"<13>one\n12a <13>two").await.unwrap();
    let end = end.await.unwrap();
    assert_eq!((end.reason(), end.to_string()), (Some("malformed"), "wrong length of a message at byte 10".to_owned()));
    assert_eq!(input.sink.lines(), ["one"]);
}

#[tokio::test]
async fn messages_over_the_limit_are_cut_and_counted() {
    let (input, _word) = input(SYSLOG);
    let (mut sender, end) = syslog(&input);
    sender.write_all(&b"x".repeat(300 << 10)).await.unwrap();
    sender.write_all(b"\nshort\n").await.unwrap();
    drop(sender);
    assert!(matches!(end.await.unwrap(), End::Closed));
    let lines = input.sink.lines();
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LogBatch::LINE_BYTES, 5]);
    assert_eq!(counter(&input.counters, "log_messages_cut_total{protocol=\"syslog\"}"), 1);
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let (mut input, _word) = input(FORWARD);
    input.idle = Duration::from_millis(300);
    let (mut sender, end) = forward(&input);
    sender.write_all(&event("one", None)).await.unwrap();
    let end = end.await.unwrap();
    assert!(matches!(end, End::Idle), "{end}");
    assert_eq!(input.sink.lines(), ["one"]);
    assert_eq!(sender.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_event_is_acknowledged_when_it_is_kept_and_not_before() {
    let (input, _word) = input(FORWARD);
    input.sink.hold_up(NotReady::Busy);
    let (mut sender, _end) = forward(&input);
    sender
        .write_all(&[event("one", Some("a1")), event("two", None), event("three", Some("a2"))].concat())
        .await
        .unwrap();
    let mut answer = [0; 16];
    tokio::select! {
        _ = sender.read_exact(&mut answer) => panic!("acknowledged what is not kept"),
        () = until(|| input.sink.attempts() >= 3) => {}
    }
    input.sink.hold_up(None);
    sender.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[..], [ack("a1"), ack("a2")].concat());
    assert_eq!(input.sink.lines(), ["one", "two", "three"]);
    // And so does the next.
    sender.write_all(&event("four", Some("a3"))).await.unwrap();
    sender.read_exact(&mut answer[..8]).await.unwrap();
    assert_eq!((&answer[..8], input.sink.lines().len()), (&*ack("a3"), 4));
}

#[tokio::test]
async fn an_event_that_is_not_kept_is_never_acknowledged() {
    let (input, _word) = input(FORWARD);
    input.sink.hold_up(NotReady::Stopping);
    let (mut sender, end) = forward(&input);
    sender.write_all(&event("one", Some("a1"))).await.unwrap();
    assert!(matches!(end.await.unwrap(), End::Stopped));
    let mut answer = Vec::new();
    sender.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"");
    // Its sender still has it.
    assert_eq!(counter(&input.counters, "log_lines_dropped_total{protocol=\"forward\",reason=\"stopping\"}"), 0);
}

#[tokio::test]
async fn what_can_never_be_kept_ends_its_connection_and_is_counted() {
    for (cause, reason) in [(Cause::TooLarge, "too_large"), (Cause::NotReady(NotReady::Fault), "fault")] {
        let dropped = format!("log_lines_dropped_total{{protocol=\"forward\",reason=\"{reason}\"}}");
        for (chunk, lost) in [(Some("a1"), 0), (None, 1)] {
            let (input, _word) = input(FORWARD);
            *input.sink.0.refuses.lock().unwrap() = Some(cause);
            let (mut sender, end) = forward(&input);
            sender.write_all(&event("one", chunk)).await.unwrap();
            assert_eq!(end.await.unwrap().reason(), Some("refused"));
            assert_eq!((input.sink.attempts(), counter(&input.counters, &dropped)), (1, lost));
            let mut answer = Vec::new();
            sender.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, b"");
        }
    }
}

#[tokio::test]
async fn signs_of_life_and_pieces_are_no_events() {
    let (input, _word) = input(FORWARD);
    let (mut sender, _end) = forward(&input);
    let (one, two) = (event("one", None), event("two", None));
    sender.write_all(&[&[0xc0], &one[..], &[0xc0], &two[..9]].concat()).await.unwrap();
    assert_eq!(input.sink.wait_for(1).await, ["one"]);
    sender.write_all(&two[9..]).await.unwrap();
    assert_eq!(input.sink.wait_for(2).await, ["one", "two"]);
}

#[tokio::test]
async fn what_is_no_event_ends_the_connection_and_what_was_before_it_is_kept() {
    let (input, _word) = input(FORWARD);
    for (rest, why) in [(&b"\xc1"[..], "no value begins like this"), (b"\x93\xa1a\x01", ""), (b"\x01", "no event")] {
        let (mut sender, end) = forward(&input);
        sender.write_all(&event("kept", Some("a1"))).await.unwrap();
        sender.write_all(rest).await.unwrap();
        let mut answer = [0; 8];
        sender.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[..], ack("a1"));
        if why.is_empty() {
            // Half an event, and then nothing more.
            drop(sender);
            assert!(matches!(end.await.unwrap(), End::Closed));
        } else {
            let end = end.await.unwrap();
            assert!(matches!(&end, End::Malformed(error) if error.to_string().contains(why)), "{end}");
        }
    }
    assert_eq!(input.sink.lines(), ["kept"; 3]);
    let (mut sender, end) = connect(Forward::new(1_000), &input, 1 << 16);
    sender.write_all(&[&b"\x93\xa1a\x00\xdb\x00\x00\xff\xff"[..], &[b'x'; 2_000]].concat()).await.unwrap();
    let end = end.await.unwrap();
    assert!(matches!(&end, End::Malformed(error) if error.is_too_large()), "{end}");
}

#[tokio::test]
async fn many_records_in_few_bytes_come_in_several_batches() {
    let (input, _word) = input(FORWARD);
    let (mut sender, end) = connect(Forward::new(1 << 20), &input, 4 << 20);
    let events = 25_000;
    sender.write_all(&event("x", None).repeat(events)).await.unwrap();
    drop(sender);
    assert!(matches!(end.await.unwrap(), End::Closed));
    assert_eq!(input.sink.lines().len(), events);
    assert!(input.sink.attempts() >= 2);
}
