//! From a file to a checked [`Config`].
//!
//! Three steps, each with errors that name the place and the way out: `${NAME}` references are put in (line by line,
//! so that positions stay true), the text is read into the typed sections, and the values are checked together, all
//! mistakes at once.

use std::{
    borrow::Cow,
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{ByteSize, Config, inputs, policy, reference};
use crate::signal::TenantId;

/// Most bytes of a request as it arrived, the same as [`crate::journal::MAX_BODY`].
const JOURNALLED_MAX: usize = 64 << 20;

/// Settings given on the command line, which win over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `server.listen`
    pub listen: Option<SocketAddr>,
    /// `data_dir`
    pub data_dir: Option<PathBuf>,
    /// `memory_limit`
    pub memory_limit: Option<ByteSize>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The text is not a configuration.
    #[error("{}:{line}: {message}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// What is wrong and what to do.
        message: String,
    },
    /// Values that cannot work.
    #[error("{}: {}", path.display(), Problem::list(problems))]
    Values {
        /// The file.
        path: PathBuf,
        /// Each mistake.
        problems: Vec<Problem>,
    },
}

/// A value that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, e.g. `query.timeout` or `anomaly.rules[2].match`.
    pub key: Cow<'static, str>,
    /// What is wrong and what would do.
    pub message: String,
}

impl Problem {
    fn list(problems: &[Self]) -> String {
        problems.iter().map(Self::to_string).collect::<Vec<_>>().join("; ")
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.message)
    }
}

/// Reads the configuration file, or takes the defaults when there is none, and lets the command line win.
///
/// # Errors
/// The file cannot be read or is not a valid configuration.
pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Config, ConfigError> {
    let mut config = match path {
        None => Config::default(),
        Some(path) => {
            let read_error = |source| ConfigError::Read { path: path.into(), source };
            let text = std::fs::read_to_string(path).map_err(read_error)?;
            parse(path, &text, |name| std::env::var(name).ok())?
        }
    };
    if let Some(listen) = overrides.listen {
        config.server.listen = listen;
    }
    if let Some(data_dir) = &overrides.data_dir {
        config.data_dir.clone_from(data_dir);
    }
    config.memory_limit = overrides.memory_limit.or(config.memory_limit);
    Ok(config)
}

/// Reads the text of a configuration; `environment` answers `${NAME}` references, `path` only names it in errors.
///
/// # Errors
/// [`ConfigError::Text`] for the first thing that cannot be read, [`ConfigError::Values`] for all that cannot work.
pub fn parse(path: &Path, text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    let at_line = |line, message| ConfigError::Text { path: path.into(), line, message };
    let text = expand(text, environment).map_err(|(line, message)| at_line(line, message))?;
    // A file of comments only is YAML's null, and a valid configuration.
    let config: Option<Config> = serde_saphyr::from_str(&text).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        at_line(line, explain(error.without_snippet()))
    })?;
    let config = config.unwrap_or_default();
    let problems = check(&config);
    if problems.is_empty() { Ok(config) } else { Err(ConfigError::Values { path: path.into(), problems }) }
}

/// Puts environment variables in the place of `${NAME}`, or the text after `:-` when one is not set; `$$` is a dollar.
///
/// Lines that are comments stay as they are. Works on the text, so that any value can be a reference; in return a
/// variable cannot hold a line break, which could add keys.
fn expand(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<String, (u64, String)> {
    let mut out = String::with_capacity(text.len());
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        let mut rest = line;
        let is_comment = line.trim_start().starts_with('#');
        while let Some(at) = rest.find('$').filter(|_| !is_comment) {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let (reference, after) =
                    after.split_once('}').ok_or_else(|| (number, "`${` without a closing `}`".to_owned()))?;
                out.push_str(&look_up(reference, &environment).map_err(|message| (number, message))?);
                rest = after;
            } else {
                out.push('$');
            }
        }
        out.push_str(rest);
    }
    Ok(out)
}

fn look_up(reference: &str, environment: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, fallback) = match reference.split_once(":-") {
        Some((name, fallback)) => (name, Some(fallback)),
        None => (reference, None),
    };
    let value = environment(name).or_else(|| fallback.map(str::to_owned)).ok_or_else(|| {
        format!("environment variable {name} is not set; set it, or give a default with ${{{name}:-default}}")
    })?;
    if value.contains(char::is_control) {
        return Err(format!("environment variable {name} holds a line break or another control character"));
    }
    Ok(value)
}

/// The parser's error in the words of a user of the file.
fn explain(error: &serde_saphyr::Error) -> String {
    match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            let hint = match nearest(field, expected) {
                Some(key) => format!("did you mean `{key}`?"),
                None => match reference::section_of(field) {
                    Some(section) => format!("it belongs in the section `{section}`"),
                    None => format!("known here: {}", expected.join(", ")),
                },
            };
            format!("unknown key `{field}`; {hint}")
        }
        serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("`{variant}` is not one of {}", expected.join(", "))
        }
        other => {
            let options = serde_saphyr::RenderOptions::new(&serde_saphyr::UserMessageFormatter);
            let message = other.render_with_options(options);
            message.lines().next().unwrap_or("not valid YAML").to_owned()
        }
    }
}

/// The candidate that differs from `word` in few letters, if there is one.
fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    let ranked = candidates.iter().map(|candidate| (edits(word, candidate), *candidate));
    ranked.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= limit).map(|(_, best)| best)
}

/// Letters to insert, delete or replace to turn `a` into `b` (Levenshtein distance, one row at a time).
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.chars().count()]
}

/// What types cannot say: values that are each well formed and still cannot work.
fn check(config: &Config) -> Vec<Problem> {
    let Config { shards, server, ingest, logs, series, anomaly, query, backfill, .. } = config;
    let is_url = |url: &Option<String>| {
        url.as_deref().is_none_or(|url| {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            rest.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace))
        })
    };
    let secs = |period: super::Period| period.get().as_secs_f64();
    [
        (
            is_url(&server.external_url),
            "server.external_url",
            "must be an absolute URL such as https://vigie.example.com",
        ),
        (ingest.max_body.get() > 0, "ingest.max_body", "must be more than 0B"),
        (ingest.max_compressed_body.get() > 0, "ingest.max_compressed_body", "must be more than 0B"),
        (
            ingest.max_compressed_body <= ingest.max_body,
            "ingest.max_compressed_body",
            "must not be larger than ingest.max_body",
        ),
        (
            ingest.max_compressed_body.get() <= JOURNALLED_MAX,
            "ingest.max_compressed_body",
            "must be at most 64MiB, the longest record of the journal",
        ),
        (ingest.max_concurrent_requests > 0, "ingest.max_concurrent_requests", "must be at least 1"),
        (secs(ingest.request_timeout) >= 1.0, "ingest.request_timeout", "must be at least 1s"),
        (secs(ingest.max_ahead) >= 1.0, "ingest.max_ahead", "must be at least 1s: clocks never agree"),
        (logs.max_connections > 0, "logs.max_connections", "must be at least 1"),
        ((1.0..=30.0 * 86_400.0).contains(&secs(logs.idle_timeout)), "logs.idle_timeout", "must be between 1s and 30d"),
        (logs.max_body.get() > 0, "logs.max_body", "must be more than 0B"),
        (
            logs.max_body.get() <= JOURNALLED_MAX,
            "logs.max_body",
            "must be at most 64MiB, the longest record of the journal",
        ),
        (
            secs(series.window) >= 600.0,
            "series.window",
            "must be at least 10m, or there is too little to draw and query",
        ),
        (
            secs(series.window) <= 7.0 * 86_400.0,
            "series.window",
            "must be at most 7d: series that have ended are held in memory as long",
        ),
        (*shards <= 1024, "shards", "must be at most 1024; 0 takes one for each core"),
        (secs(series.vanish_after) >= 1.0, "series.vanish_after", "must be at least 1s"),
        (series.max_per_tenant > 0, "series.max_per_tenant", "must be at least 1"),
        (
            anomaly.false_alarms_per_week > 0.0,
            "anomaly.false_alarms_per_week",
            "must be more than 0: nothing keeps that promise but to say nothing",
        ),
        (anomaly.min_relative_deviation >= 0.0, "anomaly.min_relative_deviation", "must not be negative"),
        (secs(query.lookback) > 0.0, "query.lookback", "must be more than 0s"),
        (secs(query.timeout) > 0.0, "query.timeout", "must be more than 0s"),
        (query.max_series > 0, "query.max_series", "must be at least 1"),
        (query.max_samples > 0, "query.max_samples", "must be at least 1"),
        (query.max_memory.get() > 0, "query.max_memory", "must be more than 0B"),
        (secs(query.max_wait) > 0.0, "query.max_wait", "must be more than 0s"),
        (query.max_concurrent > 0, "query.max_concurrent", "must be at least 1"),
        (is_url(&backfill.prometheus), "backfill.prometheus", "must be a URL such as http://127.0.0.1:9090"),
        (
            TenantId::parse(&backfill.tenant).is_ok(),
            "backfill.tenant",
            "must be 1 to 150 characters of A-Z a-z 0-9 ! - _ . * ' ( )",
        ),
        (!backfill.selectors.is_empty(), "backfill.selectors", "must hold at least one selector"),
        (secs(backfill.history) > 0.0, "backfill.history", "must be more than 0s"),
        (backfill.max_samples_per_second > 0, "backfill.max_samples_per_second", "must be at least 1"),
        (secs(backfill.timeout) > 0.0, "backfill.timeout", "must be more than 0s"),
    ]
    .into_iter()
    .filter(|(good, _, _)| !good)
    .map(|(_, key, message)| Problem { key: key.into(), message: message.into() })
    .chain(policy::check(config))
    .chain(inputs::check(logs))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LogFormat, Period, ScoreNames};

    fn environment(name: &str) -> Option<String> {
        match name {
            "ADDRESS" => Some("[::1]:9000".into()),
            "BROKEN" => Some("a\nseed: 7".into()),
            _ => None,
        }
    }

    fn read(text: &str) -> Result<Config, String> {
        parse(Path::new("vigie.yaml"), text, environment).map_err(|e| e.to_string())
    }

    #[test]
    fn little_or_nothing_gives_the_defaults() {
        assert_eq!(read("").unwrap(), Config::default());
        assert_eq!(read("# nothing yet, see ${NOWHERE}\n").unwrap(), Config::default());
        assert_eq!(read(include_str!("fixtures/minimal.yaml")).unwrap().server.listen.port(), 9000);
    }

    #[test]
    fn every_key_is_read() {
        let config = read(include_str!("fixtures/full.yaml")).unwrap();
        assert_eq!(config.data_dir, PathBuf::from("/var/lib/vigie"));
        assert_eq!(config.server.external_url.as_deref(), Some("https://vigie.example.com"));
        assert_eq!(config.ingest.max_body, ByteSize::mib(64));
        assert_eq!(config.series.window, Period::from_secs(6 * 3600));
        assert_eq!(config.anomaly.score_names, ScoreNames::Vmanomaly);
        assert_eq!(config.log.format, LogFormat::Json);
        // Nothing in the fixture is left at its default, so a key added later must be added there as well.
        let defaults = serde_json::to_value(Config::default()).unwrap();
        let set = serde_json::to_value(&config).unwrap();
        for (section, default) in defaults.as_object().unwrap() {
            match default.as_object() {
                None => assert_ne!(set[section], *default, "{section}"),
                Some(keys) => keys.iter().for_each(|(key, v)| assert_ne!(set[section][key], *v, "{section}.{key}")),
            }
        }
    }

    #[test]
    fn what_the_journal_cannot_hold_is_not_to_be_received() {
        assert_eq!(JOURNALLED_MAX, crate::journal::MAX_BODY);
        let ingest = |most: &str| read(&format!("ingest: {{max_body: 200MiB, max_compressed_body: {most}}}"));
        assert!(ingest("64MiB").is_ok());
        assert!(ingest("65MiB").unwrap_err().to_string().contains("must be at most 64MiB"));
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line_and_the_right_one() {
        let error = read(include_str!("fixtures/misspelt.yaml")).unwrap_err();
        assert_eq!(error, "vigie.yaml:5: unknown key `max_concurent`; did you mean `max_concurrent`?");
        assert_eq!(
            read("window: 1h\n").unwrap_err(),
            "vigie.yaml:1: unknown key `window`; it belongs in the section `series`"
        );
        assert_eq!(
            read("log:\n  colour: no\n").unwrap_err(),
            "vigie.yaml:2: unknown key `colour`; known here: level, format"
        );
    }

    #[test]
    fn values_that_cannot_be_read_say_what_would_do() {
        let text = "ingest:\n  max_body: 12\n";
        assert!(read(text).unwrap_err().starts_with("vigie.yaml:2: "), "{}", read(text).unwrap_err());
        assert!(read(text).unwrap_err().contains("e.g. 512KiB"), "{}", read(text).unwrap_err());
        assert_eq!(read("log:\n  format: xml\n").unwrap_err(), "vigie.yaml:2: `xml` is not one of text, json");
        assert!(read("server: [\n").unwrap_err().starts_with("vigie.yaml:"));
    }

    #[test]
    fn all_values_that_cannot_work_are_listed() {
        let error = read("query: {max_concurrent: 0, timeout: 0s}\nserver: {external_url: vigie}\n").unwrap_err();
        for key in ["query.max_concurrent", "query.timeout", "server.external_url"] {
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn references_are_put_in() {
        assert_eq!(expand("a: ${X:-1} $$ $b # ${ADDRESS}\n", environment).unwrap(), "a: 1 $ $b # [::1]:9000\n");
        assert_eq!(expand("\n  # ${Y}\nx: ${Y}", environment).unwrap_err().0, 3);
        assert!(expand("x: ${BROKEN}", environment).unwrap_err().1.contains("line break"));
        assert!(expand("x: ${ADDRESS", environment).is_err());
    }

    #[test]
    fn the_command_line_wins() {
        let overrides = Overrides {
            listen: Some(([0, 0, 0, 0], 80).into()),
            data_dir: Some("here".into()),
            memory_limit: Some(ByteSize::mib(64)),
        };
        let config = load(None, &overrides).unwrap();
        assert_eq!((config.server.listen.port(), config.data_dir), (80, PathBuf::from("here")));
    }
}
