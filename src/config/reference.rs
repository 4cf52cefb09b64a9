//! The manual of the configuration, made from the sections themselves.

use std::fmt::Write as _;

use super::{Anomaly, Backfill, Config, Ingest, Journal, Key, Log, Logs, Query, Section, Series, Server};

/// The sections in the order of the file.
fn sections() -> [(&'static str, &'static str, Vec<Key>); 9] {
    [
        ("server", Server::ABOUT, Server::keys()),
        ("ingest", Ingest::ABOUT, Ingest::keys()),
        ("logs", Logs::ABOUT, Logs::keys()),
        ("series", Series::ABOUT, Series::keys()),
        ("anomaly", Anomaly::ABOUT, Anomaly::keys()),
        ("journal", Journal::ABOUT, Journal::keys()),
        ("query", Query::ABOUT, Query::keys()),
        ("backfill", Backfill::ABOUT, Backfill::keys()),
        ("log", Log::ABOUT, Log::keys()),
    ]
}

/// The section that has a key of this name, for a key found in the wrong place.
pub(super) fn section_of(key: &str) -> Option<&'static str> {
    sections().into_iter().find(|(_, _, keys)| keys.iter().any(|known| known.name == key)).map(|(name, ..)| name)
}

const INTRODUCTION: &str = "\
# Configuration

vigie needs no configuration: `vigie serve` listens on loopback, learns and shows. What follows can be put into one
YAML file and given with `--config FILE`. Every key may be left out. A key that vigie does not know is an error that
names its line and the key that was probably meant; `vigie config check FILE` says so without starting anything.

- Durations are written `500ms`, `30s`, `5m`, `2h30m`, `1d`; sizes `512KiB`, `16MiB`, `1GiB`.
- `${NAME}` anywhere outside a comment line is replaced by the environment variable, `${NAME:-default}` by the default
  when it is not set; `$$` is a dollar sign. A variable that is not set and has no default is an error.
- The flags `--listen`, `--data-dir` and `--memory-limit` win over the file.

This page is what `vigie config reference` prints.
";

/// The whole manual as Markdown: each key with its default and effect, then the file with all defaults.
#[must_use]
pub fn markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    out.push_str("\n## At the top\n\n");
    list(&mut out, "", &top_level());
    for (name, about, keys) in sections() {
        let _ = write!(out, "\n## `{name}`\n\n{}\n\n", reflow(about));
        list(&mut out, &format!("{name}."), &keys);
    }
    let _ = write!(out, "\n## The file with all defaults\n\n```yaml\n{}```\n", defaults());
    out
}

/// A configuration file in which every key has its default; a key without one is commented out.
#[must_use]
pub fn defaults() -> String {
    let mut out = String::new();
    for key in top_level() {
        line(&mut out, "", &key);
    }
    for (name, _, keys) in sections() {
        let _ = writeln!(out, "{name}:");
        for key in keys {
            line(&mut out, "  ", &key);
        }
    }
    out
}

fn top_level() -> Vec<Key> {
    Config::keys().into_iter().filter(|key| !key.default.is_object()).collect()
}

fn list(out: &mut String, prefix: &str, keys: &[Key]) {
    for key in keys {
        let default = match &key.default {
            serde_json::Value::Null => "not set".to_owned(),
            value => format!("`{}`", plain(value)),
        };
        let _ = writeln!(out, "- **`{prefix}{}`** (default: {default})  \n  {}", key.name, reflow(key.manual));
    }
}

fn line(out: &mut String, indent: &str, key: &Key) {
    let _ = match &key.default {
        serde_json::Value::Null => writeln!(out, "{indent}# {}:", key.name),
        value => writeln!(out, "{indent}{}: {}", key.name, plain(value)),
    };
}

/// A default as one writes it in YAML.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A doc comment as one paragraph.
fn reflow(comment: &str) -> String {
    comment.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_listed() {
        let listed: Vec<_> = sections().iter().map(|(name, ..)| *name).collect();
        let declared: Vec<_> = Config::keys().iter().filter(|k| k.default.is_object()).map(|k| k.name).collect();
        assert_eq!(listed, declared);
    }

    #[test]
    fn the_file_of_defaults_is_the_default() {
        let read = crate::config::parse("defaults".as_ref(), &defaults(), |_| None).unwrap();
        assert_eq!(read, Config::default());
    }

    #[test]
    fn the_page_is_up_to_date() {
        let page = include_str!("../../docs/configuration.md");
        assert!(page == markdown(), "renew it: vigie config reference > docs/configuration.md");
    }
}
