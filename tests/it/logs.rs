//! `vigie logs` and `vigie backtest --sessions`: files in, templates and verdicts out.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

use crate::support::binary;

fn vigie(arguments: &[&str], dir: &Path) -> Output {
    let output = Command::new(binary()).args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Lines of a web server and a database, a few errors, and something new at the end.
fn lines() -> String {
    let mut text = String::new();
    for i in 0..4_000 {
        text += &match i % 4 {
            0 => format!("INFO request {i} from 10.0.{}.{} took {}.5 ms\n", i % 200, i % 250, i % 90),
            1 => format!("INFO pool holds {} connections\r\n", i % 17),
            2 => format!("{{\"level\":\"info\",\"msg\":\"order {i} stored\",\"user\":\"u{i}\"}}\n"),
            _ if i % 1_000 == 999 => format!("ERROR deadlock in transaction {i}, \"retried\"\n"),
            _ => format!("level=info msg=\"cache hit\" key=k{i}\n"),
        };
    }
    text + "WARN certificate expires in 3 days"
}

#[test]
fn a_file_in_templates_with_what_is_odd() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.log"), lines()).unwrap();
    let output = vigie(&["logs", "a.log"], dir.path());
    let shown = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "4001 lines, 6 templates",
        "INFO request <*> from <*> took <*> ms",
        "order <*> stored {level,msg,user}",
        "cache hit {key,level,msg}",
        "4  error, database, line 1000: ERROR deadlock in transaction 999",
        "1  new, rare, tls, line 4001: WARN certificate expires in 3 days",
    ] {
        assert!(shown.lines().any(|line| line.contains(expected)), "{expected:?} in {shown}");
    }
}

#[test]
fn compressed_input_and_standard_input_give_the_same_and_counts_add_up() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.log"), lines()).unwrap();
    let mut gz = GzEncoder::new(fs::File::create(dir.path().join("a.log.gz")).unwrap(), Compression::fast());
    gz.write_all(lines().as_bytes()).unwrap();
    gz.finish().unwrap();
    let plain = vigie(&["logs", "--json", "a.log"], dir.path()).stdout;
    assert_eq!(plain, vigie(&["logs", "--json", "a.log.gz"], dir.path()).stdout);
    let mut child =
        Command::new(binary()).args(["logs", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines().as_bytes()).unwrap();
    assert_eq!(plain, child.wait_with_output().unwrap().stdout);
    let table: Value = serde_json::from_slice(&plain).unwrap();
    let counts = table["templates"].as_array().unwrap().iter().map(|row| row["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 4_001);
}

#[test]
fn each_line_has_its_template() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.log"), lines()).unwrap();
    vigie(&["logs", "--assignments", "out.csv", "a.log"], dir.path());
    let out = fs::read_to_string(dir.path().join("out.csv")).unwrap();
    let rows: Vec<&str> = out.lines().collect();
    assert_eq!((rows[0], rows.len()), ("line,template_id,template", 4_002));
    let id = |row: usize| rows[row].split(',').nth(1).unwrap();
    assert!(rows[1].starts_with("1,") && rows[1].ends_with(",INFO request <*> from <*> took <*> ms"), "{}", rows[1]);
    assert_eq!(id(1), id(5));
    assert_ne!(id(1), id(2));
    assert!(rows[1_000].ends_with(",\"ERROR deadlock in transaction <*>, \"\"retried\"\"\""), "{}", rows[1_000]);
}

#[test]
fn hostile_lines_are_lines() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = fs::File::create(dir.path().join("a.log")).unwrap();
    file.write_all(b"\xff\xfe\x00 broken \xc3\n\n").unwrap();
    file.write_all(&b"x".repeat(10 << 20)).unwrap();
    file.write_all(b"\n").unwrap();
    file.write_all("{\"a\":".repeat(200_000).as_bytes()).unwrap();
    file.write_all(b"\n(a+)+$ [[[[ a=a=a= \\\\ {{{{ 1,2,3\n").unwrap();
    drop(file);
    let table: Value = serde_json::from_slice(&vigie(&["logs", "--json", "a.log"], dir.path()).stdout).unwrap();
    assert_eq!(table["lines"], 5);
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, expected) in
        [(&["logs", "none.log"][..], "none.log cannot be read"), (&["logs", "."], "is a folder")]
    {
        let output = Command::new(binary()).args(arguments).current_dir(dir.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(expected), "{error}");
    }
}

#[test]
fn sessions_are_learnt_and_judged() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "id,events,split\n".to_owned();
    for i in 0..500 {
        text += &format!("s{i},open {}close,train\n", "read ".repeat(i % 4));
    }
    text += "good,open read read close,test\nbad,open read,test\nodd,open strange close,test\n";
    fs::write(dir.path().join("s.csv"), text).unwrap();
    let output = vigie(&["backtest", "--sessions", "--out", "out", "s.csv"], dir.path());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("2 of 3 sessions are anomalous"));
    let out = fs::read_to_string(dir.path().join("out/s.csv")).unwrap();
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.splitn(4, ',').collect()).collect();
    assert_eq!(rows[0], ["id", "state_score", "anomalous", "broken"]);
    assert_eq!(rows[1], ["good", "0", "0", ""]);
    assert_eq!((rows[2][0], rows[2][2]), ("bad", "1"));
    assert!(rows[2][3].contains("open 1 times, close 0 times"), "{}", rows[2][3]);
    assert!(rows[3][3].contains("strange is rare"), "{}", rows[3][3]);
}

/// The reference that the parser was designed with, where it is: every line in the same group, with the same text.
#[test]
fn templates_are_those_of_the_reference() {
    let shared = Path::new("../shared");
    let (reference, sets) = (shared.join("prototypes/logparse.py"), shared.join("datasets/loghub"));
    if !reference.exists() || !sets.exists() {
        eprintln!("skipped: no reference parser and public log sets beside this folder");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let run = Command::new("python3").arg(&reference).arg(&sets).arg(dir.path()).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let script = r#"
import csv, glob, os, subprocess, sys
vigie, sets, out = sys.argv[1:]
rows = lambda path: list(csv.DictReader(open(path, newline="")))
for path in sorted(glob.glob(f"{sets}/*/*_2k.truth.csv")):
    name = os.path.basename(os.path.dirname(path))
    with open(f"{out}/{name}.txt", "w") as f:
        f.writelines(row["Content"].replace("\n", " ") + "\n" for row in rows(path))
    subprocess.run([vigie, "logs", "--assignments", f"{out}/{name}.own.csv", f"{out}/{name}.txt"], check=True, stdout=subprocess.DEVNULL)
    there, back = {}, {}
    for a, b in zip(rows(f"{out}/{name}.csv"), rows(f"{out}/{name}.own.csv"), strict=True):
        assert a["EventTemplate"] == b["template"], (name, a, b)
        assert there.setdefault(a["EventId"], b["template_id"]) == b["template_id"], (name, a, b)
        assert back.setdefault(b["template_id"], a["EventId"]) == a["EventId"], (name, a, b)
    print(name)
"#;
    let compared =
        Command::new("python3").args(["-c", script]).arg(binary()).arg(&sets).arg(dir.path()).output().unwrap();
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stderr));
    assert!(String::from_utf8_lossy(&compared.stdout).lines().count() >= 9);
}
