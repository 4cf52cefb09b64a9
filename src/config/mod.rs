//! Typed configuration: one YAML file in which every key has a default.
//!
//! [`Config`] is made of a section for each stage; code receives the section it needs, never the whole file or the
//! environment. A section is declared once, by the `section!` macro: the doc comment of a key is the manual, its
//! default stands beside it, and both are what `vigie config reference` prints ([`mod@reference`]). Loading is in
//! [`load()`]: `${NAME}` references, unknown keys with a suggestion and their line, then the checks that relate values.

#[macro_use]
mod section;

mod inputs;
mod load;
mod options;
mod policy;
pub mod reference;
mod units;

pub use inputs::{ForwardInput, SyslogInput, TlsFiles, Transport};
pub use load::{ConfigError, Overrides, Problem, load, parse};
pub use options::{
    Anomaly, Backfill, Config, Ingest, Journal, Log, LogFormat, LogLevel, Logs, Query, ScoreNames, Series, Server, Sync,
};
pub(crate) use policy::{Fault, WINDOWS_MAX, moment};
pub use policy::{RuleEntry, Window};
pub use section::{Key, Section};
pub use units::{ByteSize, InvalidUnit, Period};
