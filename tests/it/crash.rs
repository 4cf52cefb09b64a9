//! What was acknowledged outlives the process: vigie is killed at random moments, and everything it said yes to is there
//! afterwards, scored as if nothing had happened.

use std::{collections::BTreeMap, env, fs, path::Path, process::Command, thread::sleep, time::Duration};

use tempfile::TempDir;

use crate::support::{Found, Process, Vigie, free_port, get, peers, query, query_at, wait_for};
use crate::wire::{Series, Version, now_ms};

const STEP: i64 = 15_000;
const KILLS: usize = 5;
/// Requests between two kills, of two scrapes each.
const REQUESTS: i64 = 60;

/// Scrapes `from..to` of some gauges and a counter.
fn scrapes(start: i64, from: i64, to: i64) -> Vec<Series> {
    let mut series: Vec<Series> = (0..6)
        .map(|part| {
            let value = |n: i64| 50.0 + (n as f64 * 0.7 + f64::from(part)).sin() + 0.3 * (n as f64 * 2.3).cos();
            let samples: Vec<_> = (from..to).map(|n| (start + n * STEP, value(n))).collect();
            Series::new("queue_length", &[("job", "shop"), ("queue", &part.to_string())], &samples)
        })
        .collect();
    let total: Vec<_> = (from..to).map(|n| (start + n * STEP, (n * n) as f64)).collect();
    series.push(Series::new("done_total", &[("job", "shop")], &total));
    series
}

/// All samples and scores up to `at`.
fn everything(vigie: &Vigie, at: i64) -> Vec<String> {
    let questions = ["{job=\"shop\"}[6h]", "vigie_anomaly_score[6h]", "vigie_expected[6h]", "vigie_upper[6h]"];
    questions.iter().map(|question| format!("{:?}", query_at(&vigie.url(""), question, at))).collect()
}

/// A window long enough for the whole story; snapshots in between, so that it goes on from one as well.
const CONFIG: &str = "series: {window: 6h}\njournal: {snapshot_interval: 1s}\n";

fn start(data: TempDir) -> Vigie {
    start_at(data, &format!("127.0.0.1:{}", free_port()))
}

fn start_at(data: TempDir, address: &str) -> Vigie {
    let mut vigie = Vigie::launch(data, address, CONFIG);
    vigie.wait_until_ready();
    vigie
}

#[test]
fn killed_at_random_moments_nothing_acknowledged_is_lost() {
    let (start_at, mut next) = (now_ms() - 2 * KILLS as i64 * REQUESTS * STEP, 0);
    let mut vigie = start(TempDir::new().unwrap());
    for kill in 0..KILLS {
        let before = next;
        for _ in 0..REQUESTS {
            let answer = vigie.write(Version::V1, &scrapes(start_at, next, next + 2));
            assert_eq!(answer.status, 204, "{}", answer.body);
            next += 2;
        }
        // The next request is on its way when it ends; what becomes of that one is open, and it is sent again.
        let body = scrapes(start_at, next, next + 2);
        std::thread::scope(|scope| {
            let sender = &vigie;
            scope.spawn(move || {
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sender.write(Version::V1, &body)));
            });
            sleep(Duration::from_micros(300 * kill as u64));
            vigie.process().kill();
        });
        vigie = start(vigie.into_data());
        assert!(next > before);
        let answer = vigie.write(Version::V1, &scrapes(start_at, next, next + 2));
        assert!([204, 400].contains(&answer.status), "{} {}", answer.status, answer.body);
        next += 2;
    }
    let end = start_at + next * STEP;
    let undisturbed = start(TempDir::new().unwrap());
    let mut n = 0;
    while n < next {
        let answer = undisturbed.write(Version::V1, &scrapes(start_at, n, n + 2));
        assert_eq!(answer.status, 204, "{}", answer.body);
        n += 2;
    }
    let (ours, theirs) = (everything(&vigie, end), everything(&undisturbed, end));
    assert!(theirs.iter().all(|answer| answer.len() > 1_000), "the story has samples and scores: {theirs:?}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!(ours == theirs, "killed {KILLS} times:\n{ours}\nundisturbed:\n{theirs}");
    }
    // Feedback is told to a shard and kept as well; a second vigie does not touch the folder.
    let data = vigie.data_dir().join("data");
    assert!(fs::read_dir(&data).unwrap().count() > 1, "journal, snapshots and lock");
    let second = std::process::Command::new(crate::support::binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("in use by another vigie"), "{said}");
    assert_eq!(get(&vigie.url("/-/ready")).status, 200);
}

/// Interval of the real sender's scrapes, so short that there are scores after half a minute.
const SCRAPE_MS: u64 = 300;
/// Scrapes that a series must have seen for its scores to prove something.
const SCRAPES: usize = 150;
/// What is asked of both in the end.
const QUESTIONS: [&str; 5] =
    ["{job=~\"node|self\"}", "vigie_anomaly_score", "vigie_expected", "vigie_upper", "vigie_workload_anomaly_score"];

/// A real Prometheus that scrapes a node exporter and itself and writes to vigie.
fn start_sender(programs: &Path, dir: &Path, vigie: &Vigie) -> ([Process; 2], String) {
    let [node, own] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
    let mut command = Command::new(programs.join("prometheus-node-exporter"));
    let mut exporter = Process::start("node", command.arg(format!("--web.listen-address={node}")), dir);
    exporter.wait_until_answers(&format!("http://{node}/metrics"));
    let config = format!(
        "global: {{scrape_interval: {SCRAPE_MS}ms, scrape_timeout: {SCRAPE_MS}ms}}\n\
         scrape_configs:\n\
         - {{job_name: node, static_configs: [{{targets: ['{node}']}}]}}\n\
         - {{job_name: self, static_configs: [{{targets: ['{own}']}}]}}\n\
         remote_write:\n\
         - url: {url}\n\
         \x20 queue_config: {{batch_send_deadline: 100ms, max_backoff: 500ms}}\n",
        url = vigie.url("/api/v1/write"),
    );
    let file = dir.join("prometheus.yml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(programs.join("prometheus"));
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()));
    command.arg(format!("--web.listen-address={own}"));
    let mut prometheus = Process::start("prometheus", &mut command, dir);
    let base = format!("http://{own}");
    prometheus.wait_until_answers(&format!("{base}/-/ready"));
    ([exporter, prometheus], base)
}

fn by_labels(found: Vec<Found>) -> BTreeMap<String, Vec<(i64, String)>> {
    let samples = |series: &Found| series.samples.iter().map(|(at, value)| (*at, value.clone())).collect();
    found.iter().map(|series| (format!("{:?}", series.labels), samples(series))).collect()
}

/// Copies the journal as far as it is there: what snapshots make superfluous is removed later.
fn archive(vigie: &Vigie, to: &Path) {
    for file in fs::read_dir(vigie.data_dir().join("data")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("journal") {
            fs::copy(&file, to.join("data").join(name)).unwrap();
        }
    }
}

/// Many kills while a real Prometheus sends: `VIGIE_KILLS=50 cargo test --test it -- killed_under_a_real_sender`.
#[test]
fn killed_under_a_real_sender() {
    let Some(programs) = peers("killed_under_a_real_sender") else { return };
    let kills: u64 = env::var("VIGIE_KILLS").map_or(6, |kills| kills.parse().expect("VIGIE_KILLS is a number"));
    let (dir, address) = (TempDir::new().unwrap(), format!("127.0.0.1:{}", free_port()));
    let mut vigie = start_at(TempDir::new().unwrap(), &address);
    let (_sender, prometheus) = start_sender(&programs, dir.path(), &vigie);
    let (journal, mut longest) = (TempDir::new().unwrap(), Duration::ZERO);
    fs::create_dir(journal.path().join("data")).unwrap();
    for kill in 0..kills {
        // Some kills come while it replays, or right after.
        let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
        sleep(Duration::from_millis(u64::from(nanos) % if kill % 5 == 4 { 100 } else { 2_500 }));
        vigie.process().kill();
        archive(&vigie, journal.path());
        let began = std::time::Instant::now();
        vigie = start_at(vigie.into_data(), &address);
        longest = longest.max(began.elapsed());
    }
    println!("killed {kills} times; ready again after {longest:?} at the longest");
    wait_for("enough scrapes", Duration::from_millis(2 * SCRAPE_MS * SCRAPES as u64 + 30_000), || {
        let up = query(&vigie.url(""), "up{job=\"self\"}[30m]");
        up.first().is_some_and(|series| series.samples.len() >= SCRAPES).then_some(())
    });
    // Late enough that no scrape from before is still being stored.
    let at = now_ms();
    sleep(Duration::from_secs(5));
    // What Prometheus has, vigie has in the end: it sends again until it hears a yes.
    let window = "{job=~\"node|self\"}[30m]";
    let sent = by_labels(query_at(&prometheus, window, at));
    assert!(sent.len() > 500, "{} series", sent.len());
    wait_for("all samples that were sent", Duration::from_secs(120), || {
        let kept = by_labels(query_at(&vigie.url(""), window, at));
        let is_there = |(labels, samples): (&String, &Vec<(i64, String)>)| {
            // Its own storage may begin a little later than what it sent.
            let from = samples.first().map_or(i64::MAX, |(at, _)| *at);
            let kept = kept.get(labels).into_iter().flatten().filter(|(at, _)| *at >= from);
            samples.iter().eq(kept)
        };
        sent.iter().all(is_there).then_some(())
    });
    let answers =
        |vigie: &Vigie| QUESTIONS.map(|question| by_labels(query_at(&vigie.url(""), &format!("{question}[30m]"), at)));
    let disturbed = answers(&vigie);
    assert!(disturbed[1].values().map(Vec::len).sum::<usize>() > 1_000, "there are scores");
    // One that was never disturbed: it is given everything that was ever journalled, from the first request on.
    vigie.process().kill();
    archive(&vigie, journal.path());
    let undisturbed = answers(&start(journal));
    for ((question, ours), theirs) in QUESTIONS.iter().zip(&disturbed).zip(&undisturbed) {
        assert_eq!(ours.len(), theirs.len(), "series of {question}");
        for (labels, samples) in theirs {
            assert!(
                ours.get(labels) == Some(samples),
                "{question} {labels}:\n{samples:?}\nkilled:\n{:?}",
                ours.get(labels)
            );
        }
    }
}
