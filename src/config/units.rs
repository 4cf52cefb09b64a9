//! Durations and sizes as people write them: `90s`, `2h30m`, `16MiB`.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Units of time, largest first, in milliseconds. A day has 24 hours.
const TIME: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size, largest first. Decimal ones are read, only binary ones are written.
const SIZE: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// A length of time in the configuration, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

/// A number of bytes in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// Why a duration or size was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUnit {
    /// Not a duration.
    #[error("{0:?} is not a duration; write a number with a unit, e.g. 500ms, 30s, 5m or 2h30m")]
    Period(String),
    /// Not a size.
    #[error("{0:?} is not a size; write a whole number with a unit, e.g. 512KiB, 16MiB or 1GiB")]
    ByteSize(String),
}

impl Period {
    /// A period of so many seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// A period of so many milliseconds; none when negative.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(Duration::from_millis(if millis < 0 { 0 } else { millis as u64 }))
    }

    /// The period.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    /// The period in milliseconds, as event time counts.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl ByteSize {
    /// So many MiB.
    #[must_use]
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// The number of bytes.
    #[must_use]
    pub fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Splits `2h30m` into (number, unit) pairs; `None` when a number or unit is missing.
fn parts(text: &str) -> Option<Vec<(u64, &str)>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit_end = rest[unit_at..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |n| unit_at + n);
        parts.push((rest[..unit_at].parse().ok()?, rest[unit_at..unit_end].trim()));
        rest = &rest[unit_end..];
    }
    (!parts.is_empty()).then_some(parts)
}

fn factor(units: &[(&str, u64)], unit: &str) -> Option<usize> {
    units.iter().position(|(name, _)| *name == unit)
}

impl FromStr for Period {
    type Err = InvalidUnit;

    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        let millis = || {
            let mut sum = 0_u64;
            let mut smallest_yet = None;
            for (number, unit) in parts(text)? {
                let place = factor(&TIME, unit)?;
                let in_order = smallest_yet.is_none_or(|before| before < place);
                if !in_order {
                    return None;
                }
                smallest_yet = Some(place);
                sum = sum.checked_add(number.checked_mul(TIME[place].1)?)?;
            }
            Some(sum)
        };
        millis().map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| InvalidUnit::Period(text.into()))
    }
}

impl FromStr for ByteSize {
    type Err = InvalidUnit;

    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        let bytes = || match parts(text)?.as_slice() {
            [(number, unit)] => number.checked_mul(SIZE[factor(&SIZE, unit)?].1),
            _ => None,
        };
        bytes().map(Self).ok_or_else(|| InvalidUnit::ByteSize(text.into()))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.as_millis().unsigned_abs();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in TIME {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SIZE.iter().filter(|(unit, _)| unit.ends_with("iB") || *unit == "B");
        let fits = |&&(_, bytes): &&(&str, u64)| self.0 >= bytes && self.0.is_multiple_of(bytes);
        let (unit, bytes) = binary.into_iter().find(fits).copied().unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'_, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

as_text!(Period);
as_text!(ByteSize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, millis, canonical) in [
            ("30s", 30_000, "30s"),
            ("2h30m", 9_000_000, "2h30m"),
            ("120m", 7_200_000, "2h"),
            ("1500ms", 1_500, "1s500ms"),
            ("1d", 86_400_000, "1d"),
            ("0s", 0, "0s"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!((period.as_millis(), period.to_string().as_str()), (millis, canonical), "{text}");
        }
        for bad in ["", "30", "s", "-1s", "1.5h", "30m2h", "1s1s", "1 year", "99999999999999999999s"] {
            assert!(bad.parse::<Period>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes, canonical) in [
            ("16MiB", 16 << 20, "16MiB"),
            ("1024 KiB", 1 << 20, "1MiB"),
            ("2MB", 2_000_000, "2000000B"),
            ("0B", 0, "0B"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.get(), size.to_string().as_str()), (bytes, canonical), "{text}");
        }
        for bad in ["", "16", "16M", "1MiB5KiB", "99999999TiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad:?}");
        }
    }
}
