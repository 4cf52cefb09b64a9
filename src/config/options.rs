//! The sections and their defaults. The doc comment of a key is what `docs/configuration.md` says about it.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{ByteSize, ForwardInput, Period, RuleEntry, SyslogInput, Window};
use crate::logs::{Pattern, redact::Pii};

section! {
    /// Everything that can be set.
    pub struct Config {
        /// Directory for state that outlives a restart. It is created when missing. `--data-dir` wins over it.
        data_dir: PathBuf = PathBuf::from("vigie-data"),
        /// Seed of everything drawn at random. The same samples with the same seed give the same findings.
        seed: u64 = 1,
        /// Threads that own and score series; 0 takes one for each core. Findings do not depend on it.
        shards: usize = 0,
        /// Memory that vigie is to keep within, as a resident set. From 85 % of it on, tenants may add series up to a fair share
        /// only, so that the largest is stopped first; from 95 % on no series are added. Refused ones are answered 429, those
        /// there are go on. Not set, it is the smallest limit of the process' control groups, or without any half of the
        /// machine's memory. `0B` is none. On systems other than Linux nothing is watched. `--memory-limit` wins over it.
        memory_limit: Option<ByteSize> = None,
        /// Planned work, for every tenant, e.g. `{match: '{job="db"}', from: 2026-11-21T02:00:00Z, until:
        /// 2026-11-21T04:00:00Z, every: 7d, comment: backup}`: inside, nothing is raised about the series that `match` selects
        /// and nothing is learnt from them. Times are RFC 3339. `every`, the time between the beginnings of repetitions, counts
        /// in fixed steps from `from` and knows no daylight saving; without it the window comes once. `comment` may be left
        /// out. Windows for one tenant, and those that cannot wait for a restart, are planned on the page or by the API.
        maintenance: Vec<Window> = Vec::new(),
        /// Where vigie listens.
        server: Server = Server::default(),
        /// What is accepted from senders.
        ingest: Ingest = Ingest::default(),
        /// Log lines of other programs.
        logs: Logs = Logs::default(),
        /// What is kept of each series.
        series: Series = Series::default(),
        /// How findings are made.
        anomaly: Anomaly = Anomaly::default(),
        /// How what was acknowledged is kept.
        journal: Journal = Journal::default(),
        /// Limits of the query API.
        query: Query = Query::default(),
        /// What is read in at the start.
        backfill: Backfill = Backfill::default(),
        /// What vigie says on standard error.
        log: Log = Log::default(),
    }
}

section! {
    /// Where vigie listens.
    pub struct Server {
        /// Address and port for everything: remote write, query API, page, metrics. Loopback unless you say otherwise,
        /// because nothing is authenticated: put a proxy before it when it must be reached from elsewhere. Port 0 takes
        /// a free one. `--listen` wins over it.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 9797)),
        /// URL under which people reach the page, e.g. `https://vigie.example.com`. Shown in the remote write snippet
        /// and put before the links of findings. Default: the address listened on, and links without a host.
        external_url: Option<String> = None,
        /// Time that running requests get when vigie stops, before it goes on without them.
        shutdown_grace: Period = Period::from_secs(10),
    }
}

section! {
    /// What is accepted from senders.
    pub struct Ingest {
        /// Largest remote write request after decompression; a larger one is answered 413. Prometheus' default batch of
        /// 2,000 samples has about 1 MiB.
        max_body: ByteSize = ByteSize::mib(32),
        /// Largest remote write request as it arrives, compressed.
        max_compressed_body: ByteSize = ByteSize::mib(16),
        /// Requests with samples or log lines handled at once, of all tenants; a tenant that is alone may have three quarters of them, several have less
        /// each. More are answered 503 with `Retry-After`, which makes every sender wait and repeat.
        /// Their bodies are the largest part of the memory that senders can take.
        max_concurrent_requests: usize = 64,
        /// Time in which a request must have arrived whole.
        request_timeout: Period = Period::from_secs(30),
        /// How far ahead of this machine's clock a sample may be.
        max_ahead: Period = Period::from_secs(600),
    }
}

section! {
    /// Log lines of other programs, sent to vigie.
    pub struct Logs {
        /// What is taken out of lines and attributes before they are written anywhere; the name of its kind is put in its
        /// place. `email`, `card` (numbers of payment cards), `token` (passwords, keys, bearer tokens), `iban` (bank accounts),
        /// `ip` (IPv4 addresses). Numbers count as cards or accounts only when their check digits say so.
        redact: Vec<Pii> = Pii::DEFAULT.to_vec(),
        /// Forms of lines that are to be templates, e.g. `user <*> logged in from <*>`: `<*>` stands for any text, what is a value
        /// elsewhere (a number, an address, a path) for any other value. Of several that fit a line the first wins, and all win
        /// over the templates that vigie finds, whose counts they take over. 200 at most.
        patterns: Vec<Pattern> = Vec::new(),
        /// How long lines can be searched: days that ended longer ago are removed.
        keep_for: Period = Period::from_secs(30 * 86_400),
        /// Most disk that lines may take to be searched, of all tenants; the oldest days are removed first.
        keep_bytes: ByteSize = ByteSize::mib(20 << 10),
        /// Largest request with log lines, as it arrives and after decompression; a larger one is answered 413. Shippers'
        /// own limits are 1 to 20 MB. How many requests there may be at once, and how long one may take to arrive, is in `ingest`.
        max_body: ByteSize = ByteSize::mib(32),
        /// Where syslog is listened to, e.g. `{listen: 0.0.0.0:5514, protocol: udp, tenant: shop}`: RFC 5424 and RFC 3164, by
        /// `tcp` (the default, in both framings) or `udp`. `tenant` is whose lines they are, `default` if it is left out. With
        /// `tls: {cert: FILE, key: FILE}`, both in PEM, connections are of TLS; `client_ca: FILE` beside them takes only senders
        /// with a certificate of that authority. Nothing else is authenticated.
        syslog: Vec<SyslogInput> = Vec::new(),
        /// Where Fluentd and Fluent Bit may forward to, e.g. `{listen: 0.0.0.0:24224}`, with `tenant` and `tls` as for syslog.
        forward: Vec<ForwardInput> = Vec::new(),
        /// Another address for OTLP by gRPC, e.g. `0.0.0.0:4317`, the port that exporters expect. It is always taken at
        /// `server.listen`.
        otlp_grpc: Option<SocketAddr> = None,
        /// Connections that each of `syslog` and `forward` serves at once. More wait until there is room. Each takes up to 1 MiB,
        /// and one that forwards as much more as an event has, up to `logs.max_body`.
        max_connections: usize = 256,
        /// Time after which a connection of `syslog` or `forward` by which nothing comes is closed. Many senders of syslog lose a
        /// line when that happens.
        idle_timeout: Period = Period::from_secs(3_600),
    }
}

section! {
    /// What is kept of each series.
    pub struct Series {
        /// How far back the samples of a series can be queried and drawn. What vigie has learnt of a series is kept
        /// apart and reaches back further.
        window: Period = Period::from_secs(2 * 3600),
        /// Time without samples after which a series counts as vanished and is no longer judged.
        vanish_after: Period = Period::from_secs(300),
        /// Most series of one tenant; each shard takes its share. Samples of further ones are refused, answered 429 and counted;
        /// those there are go on. A series counts until its last sample has left the window.
        max_per_tenant: usize = 1_000_000,
    }
}

section! {
    /// How findings are made.
    pub struct Anomaly {
        /// Names of the series that carry the answers: `vigie` or `vmanomaly`, the names that dashboards and alert rules
        /// written for VictoriaMetrics' vmanomaly read.
        score_names: ScoreNames = ScoreNames::Vigie,
        /// How many findings that are nothing you will take, per tenant and week. vigie watches how often evidence of each
        /// strength comes by itself and sets the bar for findings so that no more come; less is quieter and later.
        false_alarms_per_week: f64 = 2.0,
        /// Least deviation from the expected value that is worth a finding, as a share of the expected value: 0.1 is 10 %.
        min_relative_deviation: f64 = 0.1,
        /// Samples that come later than this after their time are learnt and scored but raise nothing: a finding about the
        /// past helps nobody.
        late_after: Period = Period::from_secs(600),
        /// Resolved findings kept per tenant and shard; the oldest are forgotten first.
        findings_kept: usize = 1_000,
        /// Which deviations of which series are worth a finding, e.g. `{match: '{job="batch"}', direction: above,
        /// min_relative: 0.5}`. `match` is a selector as in PromQL. `exclude: true` raises nothing about the series;
        /// `direction` (`both`, `above`, `below`) says which side of what is expected counts; `min_absolute` is the least
        /// deviation in the series' unit (for a counter, of its rate per second), `min_relative` the least as a share of what is
        /// expected. Of several rules for a series each sets what it names, and the last wins. Series are scored all the same.
        rules: Vec<RuleEntry> = Vec::new(),
    }
}

section! {
    /// How what was acknowledged is kept. Every request is in the journal before it is answered, so that it survives the death
    /// of the process; at the start, vigie takes the newest snapshot and what the journal holds beyond it.
    pub struct Journal {
        /// When what was written is made to survive a power failure too: `interval`, `always` (before each answer; slower) or
        /// `never` (when the operating system sees fit).
        sync: Sync = Sync::Interval,
        /// What a power failure may cost at most with `sync: interval`.
        sync_interval: Period = Period::from_millis(200),
        /// Time between snapshots of what was learnt. The journal is kept until three of them can do without it, so that it
        /// takes the disk what senders send in about three such times; shorter means a faster start after a crash. One is
        /// also made whenever the journal has grown by 4 GiB since the last.
        snapshot_interval: Period = Period::from_secs(600),
    }
}

section! {
    /// Limits of the query API. What exceeds one is told which, how far it got, and what would do.
    pub struct Query {
        /// How old the newest sample of a series may be for an instant vector. A request can choose another with
        /// `lookback_delta`.
        lookback: Period = Period::from_secs(300),
        /// Series one query may touch, counted before any sample is read; more is answered 422. Labels of that many take
        /// about 100 MiB.
        max_series: usize = 200_000,
        /// Samples and values of results that one query may hold at a time; more is answered 422. Each takes 16 bytes, so
        /// that the default is 160 MB; Prometheus' is 50 million, 800 MB.
        max_samples: usize = 10_000_000,
        /// Memory of all queries together, about: 512 bytes for each series and 16 for each sample. A query that needs
        /// more than the others leave is answered 503.
        max_memory: ByteSize = ByteSize::mib(512),
        /// Time one query may take, its wait for a turn included; a request can choose less with `timeout`.
        timeout: Period = Period::from_secs(120),
        /// Queries evaluated at once; more wait for their turn. They share the processor with the samples that arrive, so
        /// that more than a few for each core only make all of them slower.
        max_concurrent: usize = 4,
        /// Time a query may wait for its turn; then it is answered 503.
        max_wait: Period = Period::from_secs(15),
    }
}

section! {
    /// What is read in at the start, so that vigie knows the series before it is sent the first sample of them. Nothing
    /// is raised about the past. Meanwhile remote write is answered 503: senders wait, repeat, and lose nothing.
    pub struct Backfill {
        /// URL of the Prometheus, or of what answers like one, that has the history: the one that writes to vigie, whose
        /// external labels are added as it does. After a restart only what is missing is read. Without it nothing is.
        prometheus: Option<String> = None,
        /// Bearer token to send along, best as a reference: `${PROMETHEUS_TOKEN}`. A user and a password go into the URL.
        bearer_token: Option<String> = None,
        /// Tenant that the history is of, as senders name it in `X-Scope-OrgID`.
        tenant: String = "default".to_owned(),
        /// Selectors of the series. They should be those that are written to vigie.
        selectors: Vec<String> = vec![r#"{__name__!=""}"#.to_owned()],
        /// How far back.
        history: Period = Period::from_secs(86_400),
        /// Samples read in per second at most. Less is easier on Prometheus and on this machine.
        max_samples_per_second: u32 = 100_000,
        /// Time after which vigie goes on with what it has. Senders must be able to wait that long: Prometheus keeps about
        /// two hours of samples for them.
        timeout: Period = Period::from_secs(3_600),
    }
}

section! {
    /// What vigie says on standard error.
    pub struct Log {
        /// `error`, `warn`, `info`, `debug` or `trace`. The environment variable `RUST_LOG` wins over it and can set a
        /// level for each module, e.g. `warn,vigie::ingest=debug`.
        level: LogLevel = LogLevel::Info,
        /// `text` for people, `json` for collectors: one object a line.
        format: LogFormat = LogFormat::Text,
    }
}

/// Naming scheme of the series that carry vigie's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoreNames {
    /// vigie's own names.
    Vigie,
    /// `anomaly_score`, `yhat`, `yhat_lower`, `yhat_upper`.
    Vmanomaly,
}

/// When the journal is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sync {
    /// At the latest after `sync_interval`.
    Interval,
    /// Before each answer.
    Always,
    /// Never.
    Never,
}

/// Least severity that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// vigie cannot do its work.
    Error,
    /// Something a person should look at.
    Warn,
    /// The life of the process and each finding.
    Info,
    /// Each request.
    Debug,
    /// All there is.
    Trace,
}

impl LogLevel {
    /// The level as `RUST_LOG` writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}
