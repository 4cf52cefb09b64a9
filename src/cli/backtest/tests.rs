//! Whole runs, from the command line to the files that come out.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    net::{TcpListener, TcpStream},
    path::Path,
};

use clap::Parser as _;

use super::*;

mod labels;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn backtest(line: &[&str]) -> anyhow::Result<ExitCode> {
    run(Line::try_parse_from(["backtest", "--quiet"].iter().chain(line))?.args)
}

/// Everything below a folder.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let prefix = path.file_name().unwrap().to_string_lossy().into_owned();
            found.extend(contents(&path).into_iter().map(|(name, bytes)| (format!("{prefix}/{name}"), bytes)));
        } else {
            found.insert(path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Rows of a CSV file as maps from heading to cell.
fn rows(bytes: &[u8]) -> Vec<BTreeMap<String, String>> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let mut lines = text.lines();
    let heading: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| heading.iter().map(|h| (*h).to_owned()).zip(line.split(',').map(str::to_owned)).collect();
    lines.map(row).collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

/// Deterministic noise in -0.5..0.5.
fn noise(i: usize, stream: u64) -> f64 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&i.to_le_bytes(), stream);
    (hash >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}

const ROWS: usize = 4_000;
const FAULT: std::ops::Range<usize> = 3_500..3_560;

/// A CPU that follows the day, five minutes a row, and stands far too high for a while.
fn cpu(i: usize) -> f64 {
    let usual = 40.0 + 15.0 * (i as f64 * std::f64::consts::TAU / 288.0).sin() + 3.0 * noise(i, 1);
    usual + if FAULT.contains(&i) { 45.0 } else { 0.0 }
}

fn one_series() -> String {
    let row = |i: usize| format!("{},{:.3}\n", 1_767_225_600 + i * 300, cpu(i));
    std::iter::once("timestamp,value\n".to_owned()).chain((0..ROWS).map(row)).collect()
}

/// Metrics that move together; in the fault one of them goes its own way within its usual range.
fn workload(from: usize, to: usize, fault: bool) -> String {
    let mut text = String::from("requests,cpu,memory,label\n");
    for i in from..to {
        let load = 50.0 + 30.0 * (i as f64 / 40.0).sin() + 4.0 * noise(i, 2);
        let stray = fault && FAULT.contains(&i);
        let cpu = if stray { 100.0 - load } else { load * 0.8 } + noise(i, 3);
        text.push_str(&format!("{load:.3},{cpu:.3},{:.3},{}\n", load * 0.3 + 20.0 + noise(i, 4), u8::from(stray)));
    }
    text
}

struct Run {
    folder: tempfile::TempDir,
}

impl Run {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join("in").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// Replays `what` with more arguments into `out`.
    fn go(&self, out: &str, what: &str, more: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let (out, what) = (self.path(out), self.path(what));
        let mut line = vec!["--out", &out, &what];
        line.extend(more);
        backtest(&line).unwrap();
        contents(Path::new(&out))
    }
}

#[test]
fn a_fault_in_one_series_is_found_and_shown() {
    let run = Run::new(&[("cpu.csv", &one_series())]);
    let files = run.go("out", "in/cpu.csv", &[]);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["cpu.csv", "report.html", "summary.csv", "summary.json"]);
    let rows = rows(&files["cpu.csv"]);
    assert_eq!(rows.len(), ROWS);
    assert_eq!((rows[1]["timestamp"].as_str(), rows[3].len()), ("1767225900", 8));
    let raised: Vec<usize> = (0..ROWS).filter(|i| number(&rows[*i], "event_score") > 0.0).collect();
    assert!(raised.iter().any(|i| FAULT.contains(i)), "{raised:?}");
    assert!(raised.iter().filter(|i| !FAULT.contains(i)).count() <= 2, "{raised:?}");
    let highest =
        (1_000..ROWS).max_by(|a, b| number(&rows[*a], "state_score").total_cmp(&number(&rows[*b], "state_score")));
    assert!((FAULT.start..FAULT.end + 30).contains(&highest.unwrap()), "{highest:?}");
    let (value, upper) = (number(&rows[FAULT.start], "value"), number(&rows[FAULT.start], "upper"));
    assert!(value > upper && number(&rows[3_000], "lower") < number(&rows[3_000], "expected"));

    let report = String::from_utf8(files["report.html"].clone()).unwrap();
    assert!(report.contains("plot-mark") && report.contains("plot-band") && !report.contains("<script"));
    let summary: serde_json::Value = serde_json::from_slice(&files["summary.json"]).unwrap();
    assert_eq!(summary[0]["rows"], ROWS);
    let sentence = summary[0]["findings"][0]["sentence"].as_str().unwrap();
    assert!(report.contains(&crate::ui::plot::escape(sentence)) || report.contains(sentence), "{sentence}");
}

#[test]
fn a_workload_is_learnt_from_the_training_file_and_its_fault_found() {
    let run = Run::new(&[("m.train.csv", &workload(0, 3_000, false)), ("m.test.csv", &workload(3_000, ROWS, true))]);
    let train = run.path("in/m.train.csv");
    let more = ["--train", &train, "--ignore", "label", "--step", "1m"];
    let rows = rows(&run.go("out", "in/m.test.csv", &more)["m.test.csv"]);
    assert_eq!(rows.len(), ROWS - 3_000);
    assert_eq!(rows[1]["timestamp"], "2020-01-01T00:01:00Z");
    let (from, to) = (FAULT.start - 3_000, FAULT.end - 3_000);
    let mean = |range: std::ops::Range<usize>| {
        range.clone().map(|i| number(&rows[i], "state_score")).sum::<f64>() / range.len() as f64
    };
    assert!(mean(from..to) > 3.0 * mean(0..from), "{} {}", mean(from..to), mean(0..from));
    let drivers: Vec<&str> = rows[from..to].iter().map(|row| row["driver"].as_str()).collect();
    assert!(drivers.iter().filter(|driver| **driver == "cpu").count() > (to - from) / 2, "{drivers:?}");
}

#[test]
fn two_runs_are_the_same_and_no_file_knows_the_others() {
    let many: Vec<(String, String)> =
        (0..4).map(|i| (format!("group-{}/{i}.csv", i % 2), workload(i * 100, i * 100 + 900, false))).collect();
    let mut files: Vec<(&str, &str)> = many.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let cpu = one_series();
    files.push(("cpu.csv", &cpu));
    let run = Run::new(&files);
    let first = run.go("out-1", "in", &[]);
    assert!(first == run.go("out-2", "in", &[]), "two runs differ");
    assert!(first.contains_key("group-1/3.csv") && first.contains_key("cpu.csv"));
    let alone = Run::new(&[("cpu.csv", &cpu)]);
    assert!(alone.go("out", "in", &[])["cpu.csv"] == first["cpu.csv"], "scores depend on other files");
}

#[test]
fn what_is_said_of_a_row_does_not_depend_on_later_rows() {
    let (whole, part) = (workload(0, ROWS, true), workload(0, FAULT.start + 20, true));
    let scores = |text: &str| Run::new(&[("a.csv", text)]).go("out", "in", &["--ignore", "label"]).remove("a.csv");
    let (whole, part) = (scores(&whole).unwrap(), scores(&part).unwrap());
    assert!(part.len() > 100_000 && whole.starts_with(&part));
}

#[test]
fn every_row_has_its_scores_whatever_its_order() {
    let text = "time,value\n30,3\n10,1\n,9\n30,4\n20,\n40,5\n".replace("0,", "00000000,");
    let run = Run::new(&[("a.csv", &text)]);
    let rows = rows(&run.go("out", "in", &[])["a.csv"]);
    let times: Vec<&str> = rows.iter().map(|row| row["timestamp"].as_str()).collect();
    assert_eq!(times, ["300000000", "100000000", "", "300000000", "200000000", "400000000"]);
    assert_eq!((rows[0]["value"].as_str(), rows[3]["value"].as_str(), rows[4]["value"].as_str()), ("3", "3", ""));
    assert!(rows.iter().all(|row| row["event_score"] == "0" && number(row, "state_score").is_finite()));
}

#[test]
fn a_bad_file_among_good_ones_is_told_by_the_exit_code() {
    let good = one_series();
    let run = Run::new(&[("good.csv", &good), ("bad.csv", "a,b\n1,2\n1,2,3\n"), ("words.csv", "a\nx\n")]);
    let (out, input) = (run.path("out"), run.path("in"));
    let code = backtest(&["--out", &out, &input]).unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    assert!(contents(Path::new(&out)).contains_key("good.csv"));
    let alone = backtest(&["--out", &out, &run.path("in/bad.csv")]).unwrap_err();
    assert!(format!("{alone:#}").contains("line 3 has 3 fields"), "{alone:#}");
    let words = backtest(&["--out", &out, &run.path("in/words.csv")]).unwrap_err();
    assert!(format!("{words:#}").contains("no column of numbers"), "{words:#}");
}

#[test]
fn the_command_line_says_what_belongs_together() {
    let bad: [&[&str]; 5] = [
        &["--out", "o"],
        &["--out", "o", "--prometheus", "http://h"],
        &["--out", "o", "--prometheus", "http://h", "--query", "up", "--from", "0", "file.csv"],
        &["--out", "o", "file.csv", "--step", "5"],
        &["--out", "o", "file.csv", "--query", "up"],
    ];
    for line in bad {
        assert!(Line::try_parse_from(["backtest"].iter().chain(line)).is_err(), "{line:?}");
    }
}

/// Answers range queries as Prometheus does, the first of them with an error, and returns the requests.
fn server(listener: &TcpListener, answers: usize) -> Vec<String> {
    let mut requests = Vec::new();
    for stream in listener.incoming().take(answers + 1) {
        let mut stream = stream.unwrap();
        let request = read_request(&mut stream);
        let (status, body) = if requests.is_empty() {
            ("503 Service Unavailable", r#"{"status":"error","error":"starting up"}"#.to_owned())
        } else {
            ("200 OK", answer(&request))
        };
        requests.push(request);
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, format!("{head}{body}").as_bytes()).unwrap();
    }
    requests
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    head + "\n" + &String::from_utf8(body).unwrap()
}

fn answer(request: &str) -> String {
    let parameter = |name: &str| -> f64 {
        let (_, rest) = request.split_once(&format!("{name}=")).unwrap();
        rest.split('&').next().unwrap().parse().unwrap()
    };
    let (start, end, step) = (parameter("start"), parameter("end"), parameter("step"));
    let points = ((end - start) / step) as usize + 1;
    assert!(points <= 11_000, "{points} points at once");
    let first = ((start - 1_767_225_600.0) / step) as usize;
    let values: Vec<String> =
        (0..points).map(|i| format!("[{},\"{:.3}\"]", start + i as f64 * step, cpu((first + i) % ROWS))).collect();
    let series = |pod: &str| {
        let metric = format!(r#"{{"__name__":"cpu","namespace":"shop","pod":"{pod}"}}"#);
        format!(r#"{{"metric":{metric},"values":[{}]}}"#, values.join(","))
    };
    let result = format!("{},{}", series("cart-0"), series("cart-1"));
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}}}"#)
}

#[test]
fn a_servers_history_is_replayed_in_pieces() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:secret@{}/prom/", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || server(&listener, 2));
    let run = Run::new(&[]);
    let out = run.path("out");
    let until = (1_767_225_600 + 12_000 * 300).to_string();
    let line = ["--prometheus", &url, "--query", "cpu", "--from", "2026-01-01", "--to", &until, "--step", "5m"];
    backtest(&[&line[..], &["--out", &out, "--header", "X-Scope-OrgID: a"]].concat()).unwrap();
    let requests = serving.join().unwrap();
    assert!(requests[0].starts_with("POST /prom/api/v1/query_range "), "{}", requests[0]);
    assert!(requests.iter().all(|request| {
        let request = request.to_ascii_lowercase();
        request.contains("authorization: basic dxnlcjpzzwnyzxq=") && request.contains("x-scope-orgid: a")
    }));
    let files = contents(Path::new(&out));
    let text = String::from_utf8(files["scores.csv"].clone()).unwrap();
    assert!(text.starts_with("time,series,value,state,event,expected,lower,upper\n2026-01-01T00:00:00Z,\"cpu{"));
    let of_cart = |line: &&str| line.contains(r#"pod=""cart-0"""#) && line.contains("cpu{");
    assert_eq!(text.lines().filter(of_cart).count(), 12_001);
    let summary: serde_json::Value = serde_json::from_slice(&files["summary.json"]).unwrap();
    let names: Vec<&str> = summary.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert!(names.contains(&r#"cpu{namespace="shop",pod="cart-1"}"#), "{names:?}");
    assert!(summary[0]["findings"].as_array().is_some_and(|findings| !findings.is_empty()), "{}", summary[0]);
}

#[test]
fn a_refused_query_is_told_in_the_servers_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:secret@{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        let body = r#"{"status":"error","errorType":"bad_data","error":"parse error at char 3"}"#;
        let head = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n", body.len());
        std::io::Write::write_all(&mut stream, format!("{head}{body}").as_bytes()).unwrap();
    });
    let run = Run::new(&[]);
    let line = ["--prometheus", &url, "--query", "cpu{", "--from", "now-1h", "--out", &run.path("out")];
    let error = format!("{:#}", backtest(&line).unwrap_err());
    serving.join().unwrap();
    assert!(error.contains("parse error at char 3") && error.contains("cpu{") && !error.contains("secret"), "{error}");
}
