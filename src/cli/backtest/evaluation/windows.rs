//! Windows as JSON: `{"file": [[start, end], …], …}`. An empty list says that a file was looked through.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::labels::{About, Incident, Incidents, moment, window};
use crate::signal::TimestampMs;

const FORM: &str = r#"write {"cpu.csv": [["2026-01-31T08:00:00Z", "2026-01-31T09:00:00Z"]]}"#;

/// # Errors
/// It is not JSON, not of this form, or a window cannot be understood; the message says where.
pub(super) fn parse(text: &str) -> anyhow::Result<Incidents> {
    let root: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).context("it is not JSON")?;
    let Value::Object(files) = root else { bail!("the outermost has to be names of files; {FORM}") };
    let mut all = Vec::new();
    for (file, windows) in &files {
        let Value::Array(windows) = windows else { bail!("{file:?} has no list of windows; {FORM}") };
        for (place, value) in windows.iter().enumerate() {
            let origin = format!("{file:?}, window {}", place + 1);
            let window = read(value).with_context(|| origin.clone())?;
            all.push(Incident { origin, window, name: None, about: About::File(file.clone()) });
        }
    }
    Ok(Incidents { all, files: Some(files.into_iter().map(|(file, _)| file).collect()) })
}

fn read(value: &Value) -> anyhow::Result<(TimestampMs, TimestampMs)> {
    let Some([start, end]) = value.as_array().map(Vec::as_slice) else {
        bail!("it is not a pair of start and end; {FORM}");
    };
    window(time(start).context("start")?, time(end).context("end")?)
}

fn time(value: &Value) -> anyhow::Result<TimestampMs> {
    match value {
        Value::String(text) => moment(text),
        value => moment(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_its_windows() {
        let text =
            r#"{"a/cpu.csv": [["2026-01-01 01:00:00.000000", 1767232800], [1767240000.5, 1767240001]], "b.csv": []}"#;
        let incidents = parse(text).unwrap();
        let windows: Vec<_> = incidents.all.iter().map(|incident| incident.window).collect();
        assert_eq!(windows, [(1_767_229_200_000, 1_767_232_800_000), (1_767_240_000_500, 1_767_240_001_000)]);
        assert!(matches!(&incidents.all[1].about, About::File(file) if file == "a/cpu.csv"));
        assert_eq!(incidents.files.unwrap(), ["a/cpu.csv", "b.csv"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cases = [
            (r#"{"a": [["#, "it is not JSON"),
            (r#"[["2026-01-01", "2026-01-02"]]"#, "names of files"),
            (r#"{"a": "2026-01-01"}"#, "\"a\" has no list of windows"),
            (r#"{"a": [["2026-01-01"]]}"#, "\"a\", window 1: it is not a pair"),
            (r#"{"a": [["2026-01-01", "soon"]]}"#, "\"a\", window 1: end: \"soon\" is not a time"),
            (r#"{"a": [["2026-01-01", null]]}"#, "end: \"null\" is not a time"),
            (r#"{"a": [[1, 2], ["2026-01-02", "2026-01-01"]]}"#, "\"a\", window 2: it ends at"),
        ];
        for (text, expected) in cases {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
