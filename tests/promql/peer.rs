//! A Prometheus of our own, and how to talk to it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use vigie::promql::Series;

use crate::ask::{Ask, Outcome, Question};

/// Longest wait for it to come up; the tests share their machine with a compiler.
const PATIENCE: Duration = Duration::from_secs(60);
/// Samples are sent in slices of this, because Prometheus refuses what is an hour older than the newest.
const SLICE_MS: i64 = 600_000;

/// A server that speaks the Prometheus API.
#[derive(Debug)]
pub struct Http {
    address: String,
}

/// A running Prometheus with an empty data folder, killed when dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: Child,
    http: Http,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts it and waits until it is ready; `None`, after saying so, when there is none.
    pub fn start() -> Option<Self> {
        let Some(program) = program() else {
            let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!in_ci, "in CI there must be a Prometheus; VIGIE_PEERS names its folder");
            // Past the harness, which shows the output of failed tests only.
            let _ = writeln!(std::io::stderr(), "skipped: promql beside Prometheus: no Prometheus here (VIGIE_PEERS)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prometheus.yml"), "global: {}\n").unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let process = Command::new(program)
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.enable-remote-write-receiver"])
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut prometheus = Self { process, http: Http { address }, _folder: folder };
        let began = Instant::now();
        while !prometheus.http.get("/-/ready").is_some_and(|(status, _)| status == 200) {
            assert_eq!(prometheus.process.try_wait().unwrap(), None, "Prometheus ended");
            assert!(began.elapsed() < PATIENCE, "Prometheus did not become ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(prometheus)
    }

    /// Sends series by remote write 1.0.
    pub fn write(&self, series: &[Series]) {
        let times = || series.iter().flat_map(|one| one.samples.iter().map(|sample| sample.at));
        let (mut from, last) = (times().min().unwrap(), times().max().unwrap());
        while from <= last {
            let body = write_request(series, from, from + SLICE_MS);
            let body = snap::raw::Encoder::new().compress_vec(&body).unwrap();
            let head = "Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n\
                        X-Prometheus-Remote-Write-Version: 0.1.0\r\n";
            let (status, text) = self.http.send("POST", "/api/v1/write", head, &body).unwrap();
            assert!(status / 100 == 2, "{status}: {text}");
            from += SLICE_MS;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Ask for Prometheus {
    fn ask(&self, question: &Question) -> Outcome {
        self.http.ask(question)
    }
}

impl Ask for Http {
    fn ask(&self, question: &Question) -> Outcome {
        let (path, parameters) = question.request();
        let form: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect();
        let head = "Content-Type: application/x-www-form-urlencoded\r\n";
        let (_, body) = self.send("POST", path, head, form.join("&").as_bytes()).unwrap();
        Outcome::of_answer(&serde_json::from_str::<Json>(&body).unwrap())
    }
}

impl Http {
    fn get(&self, path: &str) -> Option<(u16, String)> {
        self.send("GET", path, "", b"")
    }

    /// Sends a request as HTTP 1.0, so that the answer ends with the connection.
    fn send(&self, method: &str, path: &str, head: &str, body: &[u8]) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: {}\r\n{head}Content-Length: {length}\r\n\r\n", self.address)
            .ok()?;
        stream.write_all(body).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }
}

fn program() -> Option<PathBuf> {
    let peers = std::env::var_os("VIGIE_PEERS").map(PathBuf::from).or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        Some(cache.join("vigie/peers"))
    })?;
    Some(peers.join("sid/usr/bin/prometheus")).filter(|program| program.exists())
}

fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// `prometheus.WriteRequest` with the samples from `from` to before `to`.
fn write_request(series: &[Series], from: i64, to: i64) -> Vec<u8> {
    let mut request = Vec::new();
    for one in series {
        let mut message = Vec::new();
        for (name, value) in one.labels.iter() {
            let mut label = Vec::new();
            field(&mut label, 1, name.as_bytes());
            field(&mut label, 2, value.as_bytes());
            field(&mut message, 1, &label);
        }
        let samples: Vec<_> = one.samples.iter().filter(|sample| (from..to).contains(&sample.at)).collect();
        for sample in &samples {
            let mut bytes = vec![1 << 3 | 1];
            bytes.extend_from_slice(&sample.value.to_bits().to_le_bytes());
            bytes.push(2 << 3);
            varint(&mut bytes, sample.at as u64);
            field(&mut message, 2, &bytes);
        }
        if !samples.is_empty() {
            field(&mut request, 1, &message);
        }
    }
    request
}

fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
