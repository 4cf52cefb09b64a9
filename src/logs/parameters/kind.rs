//! What a value is, by its letters.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueKind {
    /// A whole number.
    Integer,
    /// A number with a fraction or an exponent.
    Decimal,
    /// A number with a unit of time; measured in seconds.
    Duration,
    /// A number with a unit of bytes; measured in bytes.
    Size,
    /// A number with `%`; measured in per cent.
    Percent,
    /// A date, a time of day, or both.
    Time,
    /// An IP address, perhaps with a port, or a host with a port.
    Address,
    /// A UUID, or another name that holds digits.
    Identifier,
    /// A path of files, or an address with a scheme.
    Path,
    /// One word of letters.
    Word,
    /// Anything else, or values of several types.
    Text,
}

/// What a unit of time has in seconds, and one of size in bytes.
const TIMES: [(&str, f64); 12] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("msec", 1e-3),
    ("s", 1.0),
    ("sec", 1.0),
    ("secs", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
];
const SIZES: [(&str, f64); 14] = [
    ("b", 1.0),
    ("bytes", 1.0),
    ("k", 1e3),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
    ("kib", 1024.0),
    ("ki", 1024.0),
    ("mib", 1_048_576.0),
    ("mi", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("gi", 1_073_741_824.0),
    ("tib", 1_099_511_627_776.0),
];

impl ValueKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Integer,
        Self::Decimal,
        Self::Duration,
        Self::Size,
        Self::Percent,
        Self::Time,
        Self::Address,
        Self::Identifier,
        Self::Path,
        Self::Word,
        Self::Text,
    ];

    /// The type of a value, and how much it is where that is a number: see the types for the units.
    #[must_use]
    pub fn of(value: &str) -> (Self, Option<f64>) {
        let value = value.trim_matches(|letter: char| "\"'`()[]{}<>,;".contains(letter));
        if let Some((kind, much)) = measure(value) {
            return (kind, Some(much));
        }
        let has_digit = value.bytes().any(|byte| byte.is_ascii_digit());
        let kind = match value {
            "" => Self::Text,
            _ if is_time(value) => Self::Time,
            _ if value.contains(char::is_whitespace) => Self::Text,
            _ if is_address(value) => Self::Address,
            _ if value.contains("://") || value.starts_with(['/', '~', '.']) && value.contains('/') => Self::Path,
            _ if value.get(1..3).is_some_and(|drive| drive == ":\\" || drive == ":/") => Self::Path,
            _ if has_digit => Self::Identifier,
            _ if value.chars().all(|letter| letter.is_alphabetic() || "_-.".contains(letter)) => Self::Word,
            _ => Self::Text,
        };
        (kind, None)
    }

    /// Whether values of this type are names of states, codes and the like, of which there may be a closed set. Addresses,
    /// identifiers and paths come and go with what they name.
    #[must_use]
    pub fn may_be_closed(self) -> bool {
        matches!(self, Self::Integer | Self::Word)
    }

    /// The unit of what is measured, to stand behind a number; `None` where values are not numbers.
    #[must_use]
    pub fn unit(self) -> Option<&'static str> {
        match self {
            Self::Integer | Self::Decimal => Some(""),
            Self::Duration => Some(" s"),
            Self::Size => Some(" bytes"),
            Self::Percent => Some(" %"),
            Self::Time | Self::Address | Self::Identifier | Self::Path | Self::Word | Self::Text => None,
        }
    }

    /// What it is called.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Percent => "percent",
            Self::Time => "time",
            Self::Address => "address",
            Self::Identifier => "identifier",
            Self::Path => "path",
            Self::Word => "word",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A number, with a unit or without.
fn measure(value: &str) -> Option<(ValueKind, f64)> {
    let end = value.bytes().take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)).count();
    let (number, unit) = value.split_at(end);
    // `5E` of `5EB` is no number, nor is `5e` of `5eth`.
    let (number, unit) = match number.trim_end_matches(['e', 'E']) {
        shorter if shorter.len() < number.len() => value.split_at(shorter.len()),
        _ => (number, unit),
    };
    if !number.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite())?;
    let of = |units: &[(&str, f64)]| {
        let unit = unit.trim_start();
        units.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name)).map(|(_, factor)| number * factor)
    };
    match unit {
        "" if value.bytes().all(|byte| byte.is_ascii_digit() || b"+-".contains(&byte)) => {
            Some((ValueKind::Integer, number))
        }
        "" => Some((ValueKind::Decimal, number)),
        "%" => Some((ValueKind::Percent, number)),
        _ => of(&TIMES)
            .map(|seconds| (ValueKind::Duration, seconds))
            .or_else(|| of(&SIZES).map(|bytes| (ValueKind::Size, bytes))),
    }
}

/// A date like 2006-01-02 or 2006/01/02, or a time like 15:04:05, and nothing longer beside it than names of months.
fn is_time(value: &str) -> bool {
    let parts = value.split([' ', 'T', 'Z', ',']).map(|part| part.trim_matches(['[', ']']));
    parts.filter(|part| part.len() >= 8).any(|part| {
        let digits = |at: usize| part.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        let marks = |places: [usize; 2], of: &[u8]| {
            places.iter().all(|at| part.as_bytes().get(*at).is_some_and(|byte| of.contains(byte)))
        };
        [0, 1, 3, 4, 6, 7].into_iter().all(digits) && marks([2, 5], b":/")
            || [0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(digits) && marks([4, 7], b"-/.")
    })
}

fn is_address(value: &str) -> bool {
    let bare = value.trim_start_matches('/');
    let is_ip = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let is_port = |text: &str| !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    match bare.rsplit_once(':') {
        _ if is_ip(bare) => true,
        Some((host, port)) => is_port(port) && (is_ip(host) || host.contains('.')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_types() {
        use ValueKind::*;
        for (value, kind, much) in [
            ("22", Integer, Some(22.0)),
            ("-3", Integer, Some(-3.0)),
            ("3.5", Decimal, Some(3.5)),
            ("1e3", Decimal, Some(1_000.0)),
            ("12ms", Duration, Some(0.012)),
            ("1.5h", Duration, Some(5_400.0)),
            ("3.5 KB", Size, Some(3_500.0)),
            ("64MiB", Size, Some(67_108_864.0)),
            ("20%", Percent, Some(20.0)),
            ("10.0.0.1", Address, None),
            ("/10.0.0.1:5410", Address, None),
            ("::1", Address, None),
            ("[::1]:80", Address, None),
            ("db.shop.svc:5432", Address, None),
            ("Dec 10 07:34:33", Time, None),
            ("2006-01-02T15:04:05.123Z", Time, None),
            ("10/10/06", Time, None),
            ("12.34.56.78", Address, None),
            ("blk_-160", Identifier, None),
            ("5E", Identifier, None),
            ("deadbeef01", Identifier, None),
            ("123e4567-e89b-12d3-a456-426614174000", Identifier, None),
            ("/var/log/x", Path, None),
            ("C:\\x", Path, None),
            ("https://a.b/c", Path, None),
            ("\"admin\"", Word, None),
            ("two words", Text, None),
            ("", Text, None),
            ("+", Text, None),
            ("a=b", Text, None),
        ] {
            assert_eq!(ValueKind::of(value), (kind, much), "{value}");
        }
        for kind in ValueKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
