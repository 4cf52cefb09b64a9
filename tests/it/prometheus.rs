//! vigie among the programs it is made for: two real Prometheus servers and a vmagent scrape a node exporter every second
//! and write to it, one with remote write 1.0, one with 2.0, one with what VictoriaMetrics tries first.
//!
//! One long story, because a detector has to see a hundred scrapes before it may speak, and those two minutes serve all
//! the questions: is anything lost on the way, is it the same bit for bit, do promtool's commands print the same, and
//! does a burst on a real network device raise its score at once while the rest stays quiet.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Found, Process, Vigie, free_port, get, peers, query, query_at, seconds, wait_for};
use crate::wire::now_ms;

/// Longest wait for something that takes some scrapes of a second each.
const SOON: Duration = Duration::from_secs(30);
/// Scrapes after which findings may be raised, and for how many more nothing may be.
const QUIET_FROM: usize = 310;
const QUIET_FOR: usize = 40;
/// Seconds of the burst during which the rest has to stay quiet.
const BURST_FOR: i64 = 6;
/// Longest wait for the detector, which speaks after a hundred scrapes.
const WARM_UP: Duration = Duration::from_secs(240);

#[test]
fn real_senders_readers_and_a_real_burst() {
    let Some(programs) = peers("real_senders_readers_and_a_real_burst") else { return };
    let stack = Stack::start(&programs);

    stack.wait_for_scrapes(20);
    for sender in &stack.senders {
        stack.same_samples(sender);
        stack.same_words_from_promtool(sender);
    }
    let probes = stack.vmagent_fell_back_and_lost_nothing();

    stack.wait_until_scored();
    stack.wait_for_scrapes(QUIET_FROM + QUIET_FOR);
    stack.quiet_without_a_cause();
    stack.a_burst_is_seen_within_three_scrapes();

    for sender in &stack.senders {
        stack.same_samples(sender);
        sender.lost_nothing();
    }
    assert_eq!(stack.vmagent_fell_back_and_lost_nothing(), probes, "vmagent remembers what was refused");
    stack.vigie.stop();
}

/// A Prometheus that scrapes the node exporter and itself and writes to vigie.
struct Sender {
    _process: Process,
    base: String,
    /// Job of the node exporter's series; distinct for each sender, so that all write different series.
    job: &'static str,
}

impl Sender {
    fn start(programs: &Path, dir: &Path, job: &'static str, message: &str, node: &str, vigie: &Vigie) -> Self {
        let own = format!("127.0.0.1:{}", free_port());
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs:\n\
             - {{job_name: {job}, static_configs: [{{targets: ['{node}']}}]}}\n\
             - {{job_name: {job}_self, static_configs: [{{targets: ['{own}']}}]}}\n\
             remote_write:\n\
             - url: {url}\n\
             \x20 protobuf_message: {message}\n\
             \x20 queue_config: {{batch_send_deadline: 200ms}}\n\
             \x20 metadata_config: {{send_interval: 2s}}\n",
            url = vigie.url("/api/v1/write"),
        );
        let file = dir.join(format!("{job}.yml"));
        fs::write(&file, config).unwrap();
        let mut command = Command::new(programs.join("prometheus"));
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", dir.join(job).display()));
        command.arg(format!("--web.listen-address={own}"));
        let mut process = Process::start(job, &mut command, dir);
        let base = format!("http://{own}");
        process.wait_until_answers(&format!("{base}/-/ready"));
        Self { _process: process, base, job }
    }

    /// Asserts with the sender's own counters that every sample was accepted at the first attempt.
    fn lost_nothing(&self) {
        let metrics = Metrics::of(&self.base);
        let name = |what: &str| format!("prometheus_remote_storage_{what}_total");
        assert!(
            metrics.sum(&name("samples")).unwrap() > 10_000.0,
            "{}: too little was sent to prove anything",
            self.job
        );
        assert!(metrics.sum(&name("metadata")).unwrap() > 0.0 || self.job == "node_v2", "{}: no metadata", self.job);
        for what in ["samples", "histograms", "exemplars", "metadata"] {
            for fate in ["failed", "retried"] {
                let name = name(&format!("{what}_{fate}"));
                assert_eq!(metrics.sum(&name), Some(0.0), "{}: {name}", self.job);
            }
        }
        // These counters exist only once there is something to count.
        for what in ["samples_dropped", "histograms_dropped", "exemplars_dropped"] {
            let dropped = metrics.sum(&name(what)).unwrap_or(0.0);
            assert_eq!(dropped, 0.0, "{}: {what}", self.job);
        }
    }
}

/// The lines of a metrics page.
struct Metrics(Vec<(String, f64)>);

impl Metrics {
    fn of(base: &str) -> Self {
        let body = get(&format!("{base}/metrics")).body;
        let lines = body.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        Self(lines.map(|(series, value)| (series.to_owned(), value.parse().unwrap())).collect())
    }

    /// Returns the sum over all series of a name, `None` if there is none: a renamed counter must not pass for zero.
    fn sum(&self, name: &str) -> Option<f64> {
        self.sum_where(name, "")
    }

    /// Like `sum`, over the series whose labels contain a text.
    fn sum_where(&self, name: &str, labels: &str) -> Option<f64> {
        let of_name = |series: &str| {
            let rest = series.strip_prefix(name)?;
            (rest.is_empty() || rest.starts_with('{')).then(|| rest.contains(labels))
        };
        let values: Vec<_> =
            self.0.iter().filter(|(series, _)| of_name(series) == Some(true)).map(|&(_, v)| v).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}

/// All processes of the story.
struct Stack {
    senders: [Sender; 2],
    vmagent: String,
    promtool: PathBuf,
    vigie: Vigie,
    // Kept for their end: processes stop and the folder goes when the stack is dropped.
    _scrapers: [Process; 2],
    _dir: TempDir,
}

impl Stack {
    fn start(programs: &Path) -> Self {
        let dir = TempDir::new().unwrap();
        let vigie = Vigie::start();

        let node = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(programs.join("prometheus-node-exporter"));
        let mut exporter = Process::start("node", command.arg(format!("--web.listen-address={node}")), dir.path());
        exporter.wait_until_answers(&format!("http://{node}/metrics"));

        let senders = [("node_v1", "prometheus.WriteRequest"), ("node_v2", "io.prometheus.write.v2.Request")];
        let senders = senders.map(|(job, message)| Sender::start(programs, dir.path(), job, message, &node, &vigie));
        let (vmagent, agent) = start_vmagent(programs, dir.path(), &node, &vigie);
        Self {
            senders,
            vmagent: agent,
            promtool: programs.join("promtool"),
            vigie,
            _scrapers: [exporter, vmagent],
            _dir: dir,
        }
    }

    /// Waits until vigie holds this many scrapes of each sender.
    fn wait_for_scrapes(&self, count: usize) {
        for job in ["node_v1", "node_v2", "node_vmagent"] {
            wait_for(&format!("{count} scrapes of {job}"), SOON + Duration::from_secs(count as u64), || {
                let found = query(&self.vigie.url(""), &format!("up{{job=\"{job}\"}}[15m]"));
                found.first().is_some_and(|series| series.samples.len() >= count).then_some(())
            });
        }
    }

    /// Returns a moment of which everything has arrived.
    fn settled(&self, job: &str) -> i64 {
        let at = now_ms();
        // A job's scrape is complete when its last series is there; one more scrape proves that.
        wait_for("the newest scrape to arrive", SOON, || {
            let newest = query(&self.vigie.url(""), &format!("scrape_series_added{{job=\"{job}\"}}[10s]"));
            (newest.first()?.samples.last()?.0 > at + 1000).then_some(())
        });
        at
    }

    /// Asserts that vigie holds what Prometheus holds: every series and sample of a scrape window, bit for bit.
    fn same_samples(&self, sender: &Sender) {
        let at = self.settled(sender.job);
        let mut samples = 0;
        for job in [sender.job.to_owned(), format!("{}_self", sender.job)] {
            let window = format!("{{job=\"{job}\"}}[15s]");
            let [there, here] = [&sender.base, &self.vigie.url("")].map(|base| query_at(base, &window, at));
            let here: BTreeMap<_, _> = here.iter().map(|series| (&series.labels, series)).collect();
            for series in &there {
                let found = here.get(&series.labels);
                assert_eq!(found.map(|found| &found.samples), Some(&series.samples), "{:?}", series.labels);
            }
            // Nothing else either, except results, whose labels hold the source's.
            let own = here.values().filter(|series| !series.label("__name__").starts_with("vigie_")).count();
            assert_eq!(own, there.len(), "series of {job}");
            samples += there.iter().map(|series| series.samples.len()).sum::<usize>();
        }
        assert!(samples > 5_000, "{samples} samples in 15 scrapes prove too little");
    }

    /// Asserts that promtool, pointed at either, prints the same.
    fn same_words_from_promtool(&self, sender: &Sender) {
        let (job, at) = (sender.job, self.settled(sender.job));
        let (end, start) = (seconds(at), seconds(at - 12_000));
        let [time, start, end] = [format!("--time={end}"), format!("--start={start}"), format!("--end={end}")];
        let of_job = |expression: &str| expression.replace("JOB", &format!("job=\"{job}\""));
        let check = |command: &str, flags: &[&str], arguments: &[&str]| {
            let [there, here] = [&sender.base, &self.vigie.url("")].map(|base| {
                let mut promtool = Command::new(&self.promtool);
                promtool.args(["query", command]).args(flags).arg(base).args(arguments);
                words(&mut promtool)
            });
            assert!(!there.is_empty(), "{command} {arguments:?} prints nothing");
            assert_eq!(here, there, "promtool query {command} {flags:?} {arguments:?}");
        };

        let instant = [
            "up{JOB}",
            "node_memory_MemTotal_bytes{JOB}",
            "rate(node_network_receive_bytes_total{JOB,device=\"lo\"}[10s])",
            "increase(node_cpu_seconds_total{JOB}[10s])",
            "max by (mode) (node_cpu_seconds_total{JOB})",
            "count by (job) ({JOB,__name__=~\"node_.+\"})",
            "node_memory_MemFree_bytes{JOB} / node_memory_MemTotal_bytes{JOB}",
            "max_over_time(node_load1{JOB}[10s])",
            "absent(no_such_series{JOB})",
        ];
        for expression in instant {
            check("instant", &[&time], &[&of_job(expression)]);
        }
        for expression in ["node_load1{JOB}", "rate(node_cpu_seconds_total{JOB,mode=\"user\"}[5s])"] {
            check("range", &[&start, &end, "--step=1s"], &[&of_job(expression)]);
        }
        let selector = format!("--match={}", of_job("node_network_receive_bytes_total{JOB}"));
        check("series", &[&start, &end, &selector], &[]);
        check("labels", &[&start, &end, &selector], &["device"]);
        let everything = format!("--match={}", of_job("{__name__!~\"vigie_.*\",JOB}"));
        check("labels", &[&start, &end, &everything], &["__name__"]);
    }

    /// Asserts that vmagent's first attempts (zstd) got the 415 that makes it fall back, and that all its data is here.
    /// Returns the number of these attempts: one, or more when it had several requests under way at the first answer.
    fn vmagent_fell_back_and_lost_nothing(&self) -> f64 {
        let metrics = Metrics::of(&self.vmagent);
        let answers = |code: &str| {
            metrics.sum_where("vmagent_remotewrite_requests_total", &format!("status_code=\"{code}\"")).unwrap_or(0.0)
        };
        let probes = answers("415");
        assert!(probes >= 1.0, "vmagent probes");
        assert!(answers("2XX") > 5.0, "vmagent sends every second");
        assert_eq!(metrics.sum_where("vmagent_remotewrite_requests_total", "status_code=\"4"), Some(probes));
        assert_eq!(metrics.sum_where("vmagent_remotewrite_requests_total", "status_code=\"5").unwrap_or(0.0), 0.0);
        assert_eq!(metrics.sum("vmagent_remotewrite_packets_dropped_total"), Some(0.0));

        let at = self.settled("node_vmagent");
        let [names, expected] = ["node_vmagent", "node_v1"].map(|job| {
            let found = query_at(&self.vigie.url(""), &format!("{{__name__=~\"node_.+\",job=\"{job}\"}}"), at);
            found.iter().map(|series| series.label("__name__").to_owned()).collect::<Vec<_>>()
        });
        assert_eq!(names, expected, "vmagent and Prometheus scrape the same exporter");
        probes
    }

    /// Waits until nearly all series have a score, which takes a hundred scrapes each.
    fn wait_until_scored(&self) {
        wait_for("scores", WARM_UP, || {
            let count = |what: &str| query(&self.vigie.url(""), what).first().map_or(0.0, Found::value);
            let series = count("count({__name__=~\"node_.+\"})");
            (count("count(vigie_anomaly_score{metric=~\"node_.+\"})") > 0.9 * series).then_some(())
        });
    }

    /// Asserts that, nothing having happened, fewer than one series in a hundred was called anomalous at any time.
    fn quiet_without_a_cause(&self) {
        let verdicts = query(&self.vigie.url(""), &format!("max_over_time(vigie_anomalous[{QUIET_FOR}s])"));
        expect_quiet("before the burst", &verdicts, |_| true);
    }

    /// Sends a burst over the loopback device and asserts that its series are called anomalous at once, all others not.
    fn a_burst_is_seen_within_three_scrapes(&self) {
        let began = now_ms();
        let burst = Burst::start();
        for job in ["node_v1", "node_v2", "node_vmagent"] {
            let labels = format!("device=\"lo\",job=\"{job}\"");
            let score = format!("vigie_anomaly_score{{metric=\"node_network_receive_bytes_total\",{labels}}}");
            let raw = format!("node_network_receive_bytes_total{{{labels}}}[1m]");
            let at = wait_for("the burst's score to pass 1", SOON, || {
                let scores = query(&self.vigie.url(""), &format!("{score}[1m]"));
                let samples = &scores.first()?.samples;
                let high = |(at, value): &&(i64, String)| *at > began && value.parse::<f64>().unwrap() >= 1.0;
                Some(samples.iter().find(high)?.0)
            });
            let scrapes =
                query(&self.vigie.url(""), &raw)[0].samples.iter().filter(|(t, _)| (began..=at).contains(t)).count();
            eprintln!("{job}: the score passed 1 with scrape {scrapes} of the burst");
            assert!(scrapes <= 3, "{job}: the score passed 1 after {scrapes} scrapes of the burst");
        }
        // A finding wants more than a high score: of thousands of series that are minutes old, no single one can show
        // enough for a budget of two a week. What it must not do is call what the burst cannot move.
        let verdicts = wait_for("the burst to have lasted", SOON, || {
            let is_old_enough = now_ms() - began > BURST_FOR * 1000;
            let asked = format!("max_over_time(vigie_anomalous[{BURST_FOR}s])");
            is_old_enough.then(|| query(&self.vigie.url(""), &asked))
        });
        drop(burst);
        expect_quiet("during the burst", &verdicts, |series| !moved_by_the_burst(series.label("metric")));
    }
}

/// Whether a metric measures what the burst is made of: the network, the processor that moves the bytes, and the
/// processes that do it. A change there is no false alarm.
fn moved_by_the_burst(metric: &str) -> bool {
    const MOVED: [&str; 14] = [
        "node_network_",
        "node_netstat_",
        "node_sockstat_",
        "node_softnet_",
        "node_cpu_",
        "node_schedstat_",
        "node_pressure_",
        "node_load",
        "node_procs_",
        "node_intr_",
        "node_context_switches_",
        "node_forks_",
        "node_memory_",
        "process_",
    ];
    MOVED.iter().any(|prefix| metric.starts_with(prefix))
}

/// Asserts that fewer than one in a hundred of the counted series is called anomalous.
#[track_caller]
fn expect_quiet(when: &str, verdicts: &[Found], counts: impl Fn(&Found) -> bool) {
    let judged: Vec<_> = verdicts.iter().filter(|series| counts(series)).collect();
    let loud: Vec<_> = judged.iter().filter(|series| series.value() == 1.0).map(|series| &series.labels).collect();
    eprintln!("{when}: {} of {} series are called anomalous", loud.len(), judged.len());
    assert!(judged.len() > 500, "{when}: only {} series judged", judged.len());
    assert!(
        loud.len() * 100 < judged.len(),
        "{when}: {} of {} are called anomalous: {loud:#?}",
        loud.len(),
        judged.len()
    );
}

fn start_vmagent(programs: &Path, dir: &Path, node: &str, vigie: &Vigie) -> (Process, String) {
    let own = format!("127.0.0.1:{}", free_port());
    let file = dir.join("vmagent.yml");
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs:\n\
         - {{job_name: node_vmagent, static_configs: [{{targets: ['{node}']}}]}}\n"
    );
    fs::write(&file, config).unwrap();
    let mut command = Command::new(programs.join("vmagent"));
    command.arg(format!("-promscrape.config={}", file.display()));
    command.arg(format!("-remoteWrite.url={}", vigie.url("/api/v1/write")));
    command.arg(format!("-remoteWrite.tmpDataPath={}", dir.join("vmagent").display()));
    command.arg(format!("-httpListenAddr={own}"));
    let mut process = Process::start("vmagent", &mut command, dir);
    let base = format!("http://{own}");
    process.wait_until_answers(&format!("{base}/health"));
    (process, base)
}

/// Runs a command and returns the lines it prints, sorted: servers may order an instant vector as they like.
#[track_caller]
fn words(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    let mut lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Bytes pumped over the loopback device as fast as it takes them, until dropped.
struct Burst {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Burst {
    fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sink = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut source, _) = listener.accept().unwrap();
        let until = Arc::clone(&over);
        let pump = std::thread::spawn(move || {
            let bytes = vec![0; 1 << 18];
            while !until.load(Ordering::Relaxed) {
                source.write_all(&bytes).unwrap();
            }
        });
        let drain = std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 18];
            // Ends when the pump hangs up.
            while sink.read(&mut bytes).is_ok_and(|read| read > 0) {}
        });
        Self { over, threads: vec![pump, drain] }
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic in there has been printed; a second one while dropping would hide the first failure.
            let _ = thread.join();
        }
    }
}
