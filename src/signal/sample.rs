//! Samples and their time.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, event time.
pub type TimestampMs = i64;

/// Bits of the NaN with which Prometheus says that a series has ended.
///
/// It is a signalling NaN: compare bits, and keep it away from arithmetic.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// One observation of a series.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Event time.
    pub at: TimestampMs,
    /// Value, bit for bit as it was received.
    pub value: f64,
}

/// Whether `value` is the stale marker.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// The stale marker.
#[must_use]
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// What a metric family measures, as senders declare it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// Not declared.
    #[default]
    Unknown,
    /// Only grows, but for resets.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution of observations, cumulative.
    Histogram,
    /// Distribution of current values.
    GaugeHistogram,
    /// Quantiles computed by the target.
    Summary,
    /// Labels that describe the target, value 1.
    Info,
    /// Set of states, each 0 or 1.
    StateSet,
}

impl MetricKind {
    /// The kind with this number in remote write 1.0 and 2.0; [`MetricKind::Unknown`] for any other.
    #[must_use]
    pub fn from_wire(number: u64) -> Self {
        match number {
            1 => Self::Counter,
            2 => Self::Gauge,
            3 => Self::Histogram,
            4 => Self::GaugeHistogram,
            5 => Self::Summary,
            6 => Self::Info,
            7 => Self::StateSet,
            _ => Self::Unknown,
        }
    }

    /// The name used by the Prometheus metadata API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_bits_are_stale() {
        assert!(is_stale(stale_nan()));
        assert!(!is_stale(f64::NAN));
        assert!(!is_stale(f64::from_bits(0x7ff8_0000_0000_0001)));
    }
}
