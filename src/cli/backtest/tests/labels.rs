//! Runs that are judged by labels.

use super::*;
use crate::cli::backtest::time::stamp;

const START: i64 = 1_767_225_600_000;
const STEP: i64 = 300_000;

fn at(row: usize) -> i64 {
    START + row as i64 * STEP
}

fn fault() -> (String, String) {
    (stamp(at(FAULT.start)), stamp(at(FAULT.end - 1)))
}

fn evaluation(files: &BTreeMap<String, Vec<u8>>) -> serde_json::Value {
    serde_json::from_slice(&files["evaluation.json"]).unwrap()
}

fn page(files: &BTreeMap<String, Vec<u8>>) -> String {
    String::from_utf8(files["evaluation.html"].clone()).unwrap()
}

#[test]
fn every_form_of_labels_says_the_same_of_a_file() {
    let (start, end) = fault();
    let label = |i: usize| u8::from(FAULT.contains(&i));
    let mut rows = String::from("time,is_anomaly\n");
    (0..ROWS).for_each(|i| rows.push_str(&format!("{},{}\n", stamp(at(i)), label(i))));
    let mut whole = String::from("timestamp,value,wrong\n");
    (0..ROWS).for_each(|i| whole.push_str(&format!("{},{:.3},{}\n", at(i) / 1_000, cpu(i), label(i))));
    let run = Run::new(&[
        ("data/cpu.csv", &one_series()),
        ("whole/cpu.csv", &whole),
        ("rows.csv", &rows),
        ("incidents.csv", &format!("start,end,name,file\n{start},{end},,cpu.csv\n")),
        ("windows.json", &format!(r#"{{"data/cpu.csv": [["{start}", "{end}"]], "b.csv": []}}"#)),
    ]);
    let unjudged = run.go("plain", "in/data/cpu.csv", &[]);
    let labels = run.path("in/incidents.csv");
    let first = run.go("incidents", "in/data/cpu.csv", &["--labels", &labels]);
    for (name, bytes) in &unjudged {
        assert!(first[name] == *bytes, "labels change {name}");
    }
    let told = evaluation(&first);
    let file = &told["files"][0];
    assert_eq!((&file["rows"], &file["labelled_rows"]), (&ROWS.into(), &FAULT.len().into()));
    assert!(file["vus_pr"].as_f64().unwrap() > 0.5 && file["auc_pr"].as_f64().unwrap() > 0.5, "{file:#}");
    assert_eq!((&file["findings"]["windows"], &file["findings"]["found"]), (&1.into(), &1.into()));
    let window = &file["windows"][0];
    assert_eq!(window["start"], start.as_str());
    let delay = window["finding_delay_seconds"].as_f64().unwrap();
    assert!((0.0..3_600.0).contains(&delay), "{delay}");
    assert_eq!(file["findings"]["delay_worst_seconds"], delay);
    assert_eq!(told["pooled"]["findings"], file["findings"]);

    for (name, what, labels) in [
        ("rows", "in/data/cpu.csv", run.path("in/rows.csv")),
        ("windows", "in/data/cpu.csv", run.path("in/windows.json")),
        ("column", "in/whole/cpu.csv", "column:wrong".into()),
        ("folder", "in/data", run.path("in/windows.json")),
    ] {
        let files = run.go(name, what, &["--labels", &labels]);
        assert_eq!(evaluation(&files)["files"], told["files"], "{name}");
        assert!(files["cpu.csv"] == unjudged["cpu.csv"], "{name}");
    }
}

#[test]
fn the_page_shows_what_was_missed_first_and_needs_nothing_else() {
    let (start, end) = fault();
    let miss = format!("{},{},<b>never</b>", stamp(at(2_000)), stamp(at(2_050)));
    let run = Run::new(&[("cpu.csv", &one_series()), ("known.csv", &format!("{start},{end},disk full\n{miss}\n"))]);
    let labels = run.path("in/known.csv");
    let files = run.go("out", "in", &["--labels", &labels]);
    assert!(!files.contains_key("known.csv"), "labels are no data");
    assert!(files == run.go("again", "in", &["--labels", &labels]), "two runs differ");
    let page = page(&files);
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text:?}"));
    assert!(place("Missed (1)") < place("&lt;b&gt;never") && place("&lt;b&gt;never") < place("False alarms ("));
    assert!(place("False alarms (") < place("Found (1)") && place("Found (1)") < place("disk full"));
    let sentence = evaluation(&files)["files"][0]["windows"][1]["finding"]["sentence"].as_str().unwrap().to_owned();
    assert!(place(&crate::ui::plot::escape(&sentence).replace("&#39;", "'")) > place("disk full"));
    assert!(page.matches("class=\"plot-labelled\"").count() >= 2 && page.contains("class=\"plot-mark\""));
    for outside in ["<script", "<b>", "src=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn a_budget_and_a_tolerance_change_what_counts() {
    let late = format!("{},{}\n", stamp(at(FAULT.end + 40)), stamp(at(FAULT.end + 90)));
    let run = Run::new(&[("cpu.csv", &one_series()), ("late.csv", &late)]);
    let labels = run.path("in/late.csv");
    let judged = |out: &str, more: &[&str]| {
        let files = run.go(out, "in/cpu.csv", &[&["--labels", &labels], more].concat());
        evaluation(&files)["pooled"]["findings"].clone()
    };
    let strict = judged("strict", &[]);
    assert_eq!((&strict["hits"], &strict["missed"]), (&0.into(), &1.into()), "no hit beside a window");
    assert!(strict["false_per_week"].as_f64().unwrap() > 0.0);
    let tolerant = judged("tolerant", &["--tolerance", "9h"]);
    assert_eq!((&tolerant["found"], &tolerant["false_alarms"]), (&1.into(), &0.into()));
    assert!(tolerant["delay_median_seconds"].as_f64().unwrap() < 0.0);
    let none = judged("none", &["--tolerance", "9h", "--budget", "0"]);
    assert_eq!(
        (&none["raised"], &none["left_out_by_budget"], &none["found"]),
        (&0.into(), &strict["raised"], &0.into())
    );
}

#[test]
fn a_workload_is_judged_without_its_labels() {
    let run = Run::new(&[("m.train.csv", &workload(0, 3_000, false)), ("m.csv", &workload(3_000, ROWS, true))]);
    let train = run.path("in/m.train.csv");
    let ignoring = run.go("ignoring", "in/m.csv", &["--train", &train, "--ignore", "label"]);
    let files = run.go("judged", "in/m.csv", &["--train", &train, "--labels", "column:label"]);
    assert!(files["m.csv"] == ignoring["m.csv"], "labels are no series");
    let file = &evaluation(&files)["files"][0];
    assert!(file["auc_pr"].as_f64().unwrap() > 0.8, "{file:#}");
    assert_eq!(file["windows"].as_array().unwrap().len(), 1);
}

#[test]
fn a_folder_is_judged_where_it_is_labelled() {
    let (start, end) = fault();
    let json = format!(r#"{{"a.csv": [["{start}", "{end}"]], "b.csv": []}}"#);
    let calm: String = one_series().lines().take(1_500).map(|line| format!("{line}\n")).collect();
    let run =
        Run::new(&[("in/a.csv", &one_series()), ("in/b.csv", &calm), ("in/c.csv", &calm), ("windows.json", &json)]);
    let files = run.go("out", "in/in", &["--labels", &run.path("in/windows.json")]);
    let told = evaluation(&files);
    let names: Vec<&str> = told["files"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(told["mean"]["vus_pr"], told["files"][0]["vus_pr"], "b has no labelled row to rank");
    assert!(told["files"][1]["vus_pr"].is_null() && told["files"][1]["findings"]["recall"].is_null());
    let pooled = told["pooled"]["auc_pr"].as_f64().unwrap();
    assert!(pooled <= told["files"][0]["auc_pr"].as_f64().unwrap(), "{pooled}: more rows that are not labelled");
}

#[test]
fn labels_that_do_not_fit_say_what_to_do() {
    let run = Run::new(&[
        ("data/cpu.csv", &one_series()),
        ("data/other.csv", &one_series()),
        ("elsewhere.csv", "start,end\n2001-01-01,2001-01-02\n"),
        ("stranger.json", r#"{"disk.csv": []}"#),
        ("rows.csv", "time,label\n2026-01-01,0\n"),
        ("swapped.csv", "start,end\n2026-01-02,2026-01-01\n"),
        ("empty.csv", " \n"),
    ]);
    let error = |what: &str, labels: &str| {
        let labels = if labels.starts_with("column:") { labels.to_owned() } else { run.path(labels) };
        let line = ["--out", &run.path("out"), "--labels", &labels, &run.path(what)];
        format!("{:#}", backtest(&line).unwrap_err())
    };
    let cases = [
        ("in/data", "in/elsewhere.csv", "2026-01-01T00:00:00Z to 2026-01-14T21:15:00Z"),
        ("in/data", "in/stranger.json", "they name disk.csv, there is cpu, other"),
        ("in/data", "in/rows.csv", "can be about one file only, and there are 2"),
        ("in/data/cpu.csv", "in/rows.csv", "the row at 2026-01-01T00:05:00Z has no label"),
        ("in/data", "in/swapped.csv", "swapped.csv: line 2: it ends at 2026-01-01T00:00:00Z, before its start"),
        ("in/data", "in/empty.csv", "write start,end in a first line"),
        ("in/data", "in/nowhere.csv", "nowhere.csv"),
        (
            "in/data/cpu.csv",
            "column:label",
            "it has no column \"label\" of 0 and 1 for --labels (columns of numbers: value)",
        ),
        ("in/data/cpu.csv", "column:value", "no column of numbers"),
        ("in/data", "column:label", "no file has the column \"label\" of --labels"),
    ];
    for (what, labels, expected) in cases {
        let error = error(what, labels);
        assert!(error.contains(expected), "{labels} of {what}: {error}");
    }
    for line in [["--budget", "1"], ["--tolerance", "5m"], ["--labels", "column:"]] {
        let line = [&["backtest", "--out", "o", "x.csv"], &line[..]].concat();
        assert!(Line::try_parse_from(&line).is_err(), "{line:?}");
    }
}

#[test]
fn a_servers_history_is_judged_as_a_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || server(&listener, 1));
    let (start, end) = fault();
    let quoted = |selector: &str| format!("\"{}\"", selector.replace('"', "\"\""));
    let (one, none) = (quoted(r#"{pod="cart-1"}"#), quoted(r#"{namespace="bank"}"#));
    let known =
        format!("start,end,series,name\n{start},{end},,both\n{start},{end},{one},one\n{start},{end},{none},none\n");
    let run = Run::new(&[("known.csv", &known), ("files.json", r#"{"a.csv": []}"#)]);
    let until = (at(ROWS - 1) / 1_000).to_string();
    let line = ["--prometheus", &url, "--query", "cpu", "--from", "2026-01-01", "--to", &until, "--step", "5m"];
    let (out, labels) = (run.path("out"), run.path("in/known.csv"));
    backtest(&[&line[..], &["--out", &out, "--labels", &labels]].concat()).unwrap();
    serving.join().unwrap();
    let told = evaluation(&contents(Path::new(&out)));
    assert_eq!(told["windows_outside"], serde_json::json!(["line 4"]));
    let windows = told["files"][0]["windows"].as_array().unwrap();
    let names: Vec<&str> = windows.iter().map(|window| window["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["both", "one"]);
    assert!(windows.iter().all(|window| !window["finding"].is_null()), "{windows:#?}");
    assert!(told["pooled"]["auc_pr"].as_f64().unwrap() > 0.5, "{told:#}");

    let labels = run.path("in/files.json");
    let error = backtest(&[&line[..], &["--out", &out, "--labels", &labels]].concat()).unwrap_err();
    assert!(format!("{error:#}").contains("write incidents"), "{error:#}");
}
