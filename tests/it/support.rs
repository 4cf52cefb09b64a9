//! Processes, ports and HTTP: what every story in this binary needs and none wants to tell.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::wire::{Message, Series, Version, request, snappy};

/// Longest wait for a process to come up or to go; generous, because the tests share their machine with a compiler.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `found` returns something; panics with the name of what never came.
pub(crate) fn wait_for<T>(what: &str, patience: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(it) = found() {
            return it;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain for {what}");
        sleep(Duration::from_millis(50));
    }
}

/// Returns a port that nobody listens on.
///
/// Ports below the range from which systems take the ports of outgoing connections: between this check and the start of
/// the process that wants the port, nobody else gets it by chance. The start depends on the process, so that two test
/// runs on one machine do not walk the same way.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() * 97 % u32::from(COUNT)) as u16;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A child process with its output in a file; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, with its output in `<name>.log` under `dir`.
    pub(crate) fn start(name: &'static str, command: &mut Command, dir: &Path) -> Self {
        let log = dir.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).unwrap();
        let errors = output.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { name, child, log }
    }

    /// Waits until `url` answers with 200, or panics with the process' own words.
    pub(crate) fn wait_until_answers(&mut self, url: &str) {
        let deadline = Instant::now() + PATIENCE;
        while try_get(url).is_none_or(|answer| answer.status != 200) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{} ended with {ended:?}:\n{}", self.name, self.log());
            assert!(Instant::now() < deadline, "{} never answered at {url}:\n{}", self.name, self.log());
            sleep(Duration::from_millis(30));
        }
    }

    /// Returns its number.
    #[cfg(feature = "loadgen")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns everything the process has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        // The shell's own `kill` is everywhere; the program of that name is not.
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().unwrap();
        assert!(sent.success(), "{} is gone already:\n{}", self.name, self.log());
        wait_for("the end of a process after SIGTERM", PATIENCE, || self.child.try_wait().unwrap())
    }

    /// Ends the process without a warning (SIGKILL).
    pub(crate) fn kill(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -KILL \"$0\"", &pid]).status().unwrap();
        assert!(sent.success(), "{} is gone already:\n{}", self.name, self.log());
    }

    /// Highest resident memory so far in bytes; `None` where the system does not say.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        self.memory("VmHWM:")
    }

    /// Resident memory in bytes; `None` where the system does not say.
    #[cfg(all(feature = "loadgen", target_os = "linux"))]
    pub(crate) fn resident_memory(&self) -> Option<u64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, what: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(what))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has already been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(20).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            eprintln!("--- the last words of {}:\n{}", self.name, tail.join("\n"));
        }
    }
}

/// A running `vigie serve`.
#[derive(Debug)]
pub(crate) struct Vigie {
    process: Process,
    base: String,
    data: TempDir,
}

impl Vigie {
    /// Starts with an empty data folder and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::start_in(TempDir::new().unwrap())
    }

    /// Starts with the data folder of an earlier run.
    pub(crate) fn start_in(data: TempDir) -> Self {
        let mut vigie = Self::launch(data, &format!("127.0.0.1:{}", free_port()), "");
        vigie.wait_until_ready();
        vigie
    }

    /// Starts at an address with a configuration file, without waiting for anything but an answer.
    pub(crate) fn launch(data: TempDir, address: &str, config: &str) -> Self {
        let file = data.path().join("vigie.yaml");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", address, "--data-dir"]).arg(data.path().join("data"));
        let process = Process::start("vigie", command.arg("--config").arg(&file), data.path());
        let mut vigie = Self { process, base: format!("http://{address}"), data };
        vigie.process.wait_until_answers(&vigie.url("/-/healthy"));
        vigie
    }

    /// Waits until it serves everything.
    pub(crate) fn wait_until_ready(&mut self) {
        self.process.wait_until_answers(&format!("{}/-/ready", self.base));
    }

    /// The sum of the series of `/metrics` that begin so; zero as long as there are none.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let page = get(&self.url("/metrics")).body;
        let values = page.lines().filter(|line| line.starts_with(series)).map(|line| line.rsplit_once(' ').unwrap().1);
        values.map(|value| value.parse::<f64>().unwrap() as u64).sum()
    }

    /// Returns the address of a path, or of the whole server for the empty path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Returns `host:port`.
    pub(crate) fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// The process, for its log and its memory.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Asserts that it still serves and has not lost a thread to a panic.
    pub(crate) fn assert_healthy(&self) {
        assert_eq!(get(&self.url("/-/healthy")).status, 200);
        let log = self.process.log();
        assert!(!log.contains("panicked"), "vigie panicked:\n{log}");
    }

    /// Ends it in good order and returns the data folder, to start from it again.
    pub(crate) fn stop(mut self) -> TempDir {
        self.assert_healthy();
        let status = self.process.terminate();
        let log = self.process.log();
        assert!(status.success(), "SIGTERM must end vigie with 0, got {status}:\n{log}");
        assert!(!log.contains("panicked"), "vigie panicked while stopping:\n{log}");
        let Self { process, data, .. } = self;
        drop(process);
        data
    }

    /// Waits for the process, which was killed, and returns the data folder, to start from it again.
    pub(crate) fn into_data(self) -> TempDir {
        let Self { process, data, .. } = self;
        drop(process);
        data
    }

    /// The folder with its configuration and data.
    pub(crate) fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// Sends series as a well-behaved sender does.
    pub(crate) fn write(&self, version: Version, series: &[Series]) -> Answer {
        self.write_message(version, &request(version, series))
    }

    /// Sends a message made by hand, well compressed and with the right headers.
    pub(crate) fn write_message(&self, version: Version, message: &Message) -> Answer {
        self.write_body(version, &snappy(&message.0))
    }

    /// Sends any body with the right headers.
    pub(crate) fn write_body(&self, version: Version, body: &[u8]) -> Answer {
        let headers = [("Content-Encoding", "snappy"), ("Content-Type", version.content_type())];
        self.write_with(version, &headers, body)
    }

    /// Posts any body with any headers.
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let post = headers.iter().fold(agent().post(self.url(path)), |post, &(name, value)| post.header(name, value));
        Answer::from(post.send(body).unwrap())
    }

    /// Sends any body with any headers besides the version.
    pub(crate) fn write_with(&self, version: Version, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let own = [("X-Prometheus-Remote-Write-Version", version.number()), ("User-Agent", "vigie-test")];
        self.post("/api/v1/write", &[&own, headers].concat(), body)
    }
}

/// Returns the binary under test: the one cargo built for this test, or another (a release) named by `VIGIE_BIN`.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("VIGIE_BIN").map_or_else(|| env!("CARGO_BIN_EXE_vigie").into(), PathBuf::from)
}

/// What a server said, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl From<ureq::http::Response<ureq::Body>> for Answer {
    fn from(mut response: ureq::http::Response<ureq::Body>) -> Self {
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        // The answers to range queries over all series are large.
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        // The answers of OTLP are no text.
        let body = String::from_utf8_lossy(&body).into_owned();
        Self { status: response.status().as_u16(), headers, body }
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
    config.build().into()
}

/// Gets `url`; `None` if nobody listens there (yet).
fn try_get(url: &str) -> Option<Answer> {
    agent().get(url).call().ok().map(Answer::from)
}

/// Gets `url`.
pub(crate) fn get(url: &str) -> Answer {
    Answer::from(agent().get(url).call().unwrap_or_else(|error| panic!("{url}: {error}")))
}

/// Calls an endpoint of the Prometheus API with a form, as Grafana does, and returns `data`.
pub(crate) fn api(base: &str, path: &str, form: &[(&str, &str)]) -> Value {
    let url = format!("{base}/api/v1/{path}");
    let answer = agent().post(&url).send_form(form.iter().copied()).unwrap_or_else(|error| panic!("{url}: {error}"));
    let answer = Answer::from(answer);
    assert_eq!(answer.status, 200, "{url} {form:?}: {}", answer.body);
    let mut body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["status"], "success", "{url} {form:?}: {body}");
    body["data"].take()
}

/// One series of a query's result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) labels: BTreeMap<String, String>,
    /// Milliseconds and the value as printed: the shortest decimal that names the very bits, so equal texts are equal values.
    pub(crate) samples: Vec<(i64, String)>,
}

impl Found {
    /// Returns the newest value.
    pub(crate) fn value(&self) -> f64 {
        self.samples.last().unwrap().1.parse().unwrap()
    }

    /// Returns the value of a label, empty if it has none.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// Evaluates an instant query now; a range selector gives raw samples.
pub(crate) fn query(base: &str, expression: &str) -> Vec<Found> {
    found(&api(base, "query", &[("query", expression)]))
}

/// Evaluates an instant query at `at` milliseconds.
pub(crate) fn query_at(base: &str, expression: &str, at: i64) -> Vec<Found> {
    found(&api(base, "query", &[("query", expression), ("time", &seconds(at))]))
}

/// Writes milliseconds as the API's seconds.
pub(crate) fn seconds(at: i64) -> String {
    format!("{}.{:03}", at / 1000, at % 1000)
}

fn found(data: &Value) -> Vec<Found> {
    let result = data["result"].as_array().unwrap_or_else(|| panic!("no result in {data}"));
    let mut series: Vec<_> = result.iter().map(found_series).collect();
    series.sort_by(|left, right| left.labels.cmp(&right.labels));
    series
}

fn found_series(series: &Value) -> Found {
    let labels = serde_json::from_value(series["metric"].clone()).unwrap();
    let points = match series.get("values") {
        Some(values) => values.as_array().unwrap().iter().collect(),
        None => vec![&series["value"]],
    };
    let samples = points.into_iter().map(|point| (milliseconds(&point[0]), text(&point[1]))).collect();
    Found { labels, samples }
}

fn milliseconds(seconds: &Value) -> i64 {
    (seconds.as_f64().unwrap() * 1000.0).round() as i64
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a sample's value is a string, not {value}")).to_owned()
}

/// The folder with the real programs, or `None` after saying why the test is skipped; in CI they must be there.
pub(crate) fn peers(test: &str) -> Option<PathBuf> {
    let programs = peers_root().map(|root| root.join("sid/usr/bin")).filter(|bin| bin.join("prometheus").exists());
    if programs.is_none() {
        skip(test, "no Prometheus here; tests/peers/fetch gets it where it can");
    }
    programs
}

/// The Python that has the clients that ship logs, or `None` after saying why the test is skipped. They come from Python's
/// package index, which not every CI can reach.
pub(crate) fn clients(test: &str) -> Option<PathBuf> {
    let environment = peers_root().map(|root| root.join("clients")).filter(|it| it.join("clients.txt").exists());
    if environment.is_none() {
        say_skipped(test, "no clients that ship logs here; tests/peers/clients gets them where it can");
    }
    environment.map(|it| it.join("bin/python"))
}

fn peers_root() -> Option<PathBuf> {
    std::env::var_os("VIGIE_PEERS").map(PathBuf::from).or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        Some(cache.join("vigie/peers"))
    })
}

/// Says that a test is skipped, past the test harness, which shows the output of failed tests only.
pub(crate) fn skip(test: &str, why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{test} must run in CI: {why}");
    say_skipped(test, why);
}

fn say_skipped(test: &str, why: &str) {
    let line = format!("skipped: {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
