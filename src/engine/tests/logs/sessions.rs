//! Sessions: how many are broken is judged like any other count.

use super::*;
use crate::engine::SESSIONS;

/// Requests of a service, of which some lack their end now and then, and a third do from `incident` on.
fn requests(minute: i64, incident: i64) -> LogBatch {
    let mut lines = Vec::new();
    for i in 0..20 {
        let number = 20 * minute + i;
        let id = xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes());
        let mut say = |what: &str| {
            let at = START + minute * MINUTE + i * 2_000 + lines.len() as i64 % 7;
            lines.push(("pay", at, format!("INFO {what} [{id:032x}]")));
        };
        say("request begins");
        say(&format!("login of user {}", number % 31));
        (0..=(3.0 * (noise(number, 3) + 0.5)) as usize).for_each(|_| {
            say("item is locked");
            say("item is free again");
        });
        if noise(number, 4) < 0.495 && (minute < incident || i % 3 > 0) {
            say("request ends");
        }
    }
    batch(&lines.iter().map(|(service, at, line)| (*service, *at, line.as_str())).collect::<Vec<_>>())
}

fn tell(run: &mut Run, range: std::ops::Range<i64>) {
    for minute in range {
        run.log(&ordinary(minute));
        run.log(&requests(minute, 700));
    }
}

fn rows(run: &Run) -> Vec<String> {
    run.engine.log_sessions(&run.tenant).into_iter().map(|row| format!("{row:?}")).collect()
}

#[test]
fn more_broken_sessions_are_told_with_what_they_lack() {
    let mut run = Run::new(Options::default());
    tell(&mut run, 0..720);
    let broken = run.counts(SESSIONS, &[("outcome", "broken"), ("service", "pay")]);
    let whole = run.counts(SESSIONS, &[("outcome", "whole"), ("service", "pay")]);
    assert!(broken[0].0 >= 360, "they are learnt for six hours");
    // A session ends within two minutes after its last line.
    let before: f64 = broken.iter().filter(|(minute, _)| *minute < 700).map(|(_, count)| count).sum();
    let during: Vec<f64> = broken.iter().filter(|(minute, _)| *minute >= 703).map(|(_, count)| *count).collect();
    assert!(before > 0.0 && before < 80.0, "{before}");
    assert!(during.len() > 10 && during.iter().all(|count| *count >= 6.0), "{during:?}");
    assert!(whole.iter().zip(&broken).skip(1).all(|(whole, broken)| whole.1 + broken.1 == 20.0));

    let findings = run.engine.findings(&run.tenant);
    assert!(findings.iter().all(|finding| finding.raised_at >= START + 700 * MINUTE), "{findings:#?}");
    let words = "usually once: \"INFO request ends [<*>]\" 0 times";
    let told: Vec<_> = findings.iter().filter(|finding| finding.sentence.contains(words)).collect();
    assert!(!told.is_empty(), "{findings:#?}");
    assert!(told.iter().all(|finding| finding.labels.get("outcome") == Some("broken")));
    assert!(told[0].lines[0].starts_with("INFO request begins ["), "{told:#?}");

    let rows = run.engine.log_sessions(&run.tenant);
    assert_eq!(rows.len(), 1, "the other services have none");
    assert!(rows[0].is_learnt && rows[0].last_broken.len() == 16);
}

#[test]
fn shards_and_restarts_make_no_difference_to_sessions() {
    let mut plain = Run::new(Options { shards: 1, ..Options::default() });
    tell(&mut plain, 0..400);
    let expected = (plain.everything(), rows(&plain));
    let mut run = Run::new(Options { shards: 3, ..Options::default() });
    let mut begun = 0;
    for end in [200, 375, 400] {
        tell(&mut run, begun..end);
        begun = end;
        let mut bytes = Vec::new();
        run.engine.snapshot().unwrap().write(&mut bytes).unwrap();
        let restored = Snapshot::read(&mut bytes.as_slice()).unwrap().decode().unwrap();
        run.engine = Engine::restore(&run.engine.shards[0].options.clone(), restored);
    }
    assert!((run.everything(), rows(&run)) == expected);
    assert!(expected.1[0].contains("is_learnt: true"), "{expected:?}");
}
