//! Two hours of data in which everything occurs that PromQL has rules for.

use vigie::promql::Series;
use vigie::signal::{Labels, Sample, stale_nan};

/// Begin of the data. Any time would do; this one is a whole multiple of two hours, like Prometheus' blocks.
pub(crate) const START_MS: i64 = 1_700_006_400_000;
/// Distance of samples of a regular series.
const INTERVAL_MS: i64 = 15_000;
/// Samples of a regular series.
const COUNT: i64 = 480;

/// Numbers that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    /// The next number in 0..1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn labels(text: &str) -> Labels {
    let pairs = text.split(',').map(|pair| pair.split_once('=').unwrap());
    Labels::from_pairs(pairs)
}

/// A series with a sample at each interval for which `value` (of the sample's number) has one.
fn regular(text: &str, mut value: impl FnMut(i64) -> Option<f64>) -> Series {
    let sample = |i: i64| Some(Sample { at: START_MS + i * INTERVAL_MS, value: value(i)? });
    Series { labels: labels(text), samples: (0..COUNT).filter_map(sample).collect() }
}

/// All series.
pub(crate) fn series() -> Vec<Series> {
    let mut all = Vec::new();
    counters(&mut all);
    gauges(&mut all);
    histograms(&mut all);
    special(&mut all);
    all
}

/// Counters with resets, late begins, early ends, and irregular scrapes.
fn counters(all: &mut Vec<Series>) {
    let mut noise = Noise(1);
    for (number, (job, instance)) in [("api", "a"), ("api", "b"), ("web", "a"), ("web", "c")].into_iter().enumerate() {
        for (code, speed) in [("200", 40.0), ("404", 3.0), ("500", 0.2)] {
            let mut total = 0.0;
            let resets_each = 90 + 35 * number as i64;
            let text = format!("__name__=requests_total,job={job},instance={instance},code={code}");
            all.push(regular(&text, |i| {
                let is_up = (code != "500" || i > 40) && !(job == "web" && code == "404" && i > 300);
                total = if i % resets_each == resets_each - 1 { 0.0 } else { total + (noise.next() * speed).floor() };
                is_up.then_some(total)
            }));
        }
    }
    let mut at = START_MS;
    let mut total = 1e9;
    let mut samples = Vec::new();
    while at < START_MS + COUNT * INTERVAL_MS {
        samples.push(Sample { at, value: total });
        at += 1_000 + (noise.next() * 55_000.0) as i64;
        total += noise.next() * 100.0;
    }
    all.push(Series { labels: labels("__name__=irregular_bytes_total,job=api"), samples });
    all.push(regular("__name__=young_total,job=api", |i| (i >= 100).then_some((i - 100) as f64 * 7.0)));
}

/// Gauges with gaps, stale markers, and values of very different size.
fn gauges(all: &mut Vec<Series>) {
    let mut noise = Noise(2);
    for (instance, level) in [("a", 20.0), ("b", -5.0), ("c", 0.0)] {
        for cpu in ["0", "1"] {
            let text = format!("__name__=load,instance={instance},cpu={cpu}");
            all.push(regular(&text, |i| {
                let is_gap = instance == "b" && (150..185).contains(&i);
                let wave = (i as f64 / 30.0).sin() * 4.0;
                (!is_gap).then(|| level + wave + noise.next())
            }));
        }
    }
    // Ends with a marker, comes back, and ends again; its successor takes over.
    all.push(regular("__name__=leader,instance=a", |i| match i {
        100 | 301 => Some(stale_nan()),
        101..=199 | 302.. => None,
        _ => Some(i as f64),
    }));
    all.push(regular("__name__=leader,instance=b", |i| {
        (i > 100 && i < 400).then_some(if i < 200 { 2.0 } else { 1.0 })
    }));
    for (name, size) in [("huge", 1e100), ("one", 1.0), ("minus", -1e100), ("tiny", 1e-12)] {
        all.push(regular(&format!("__name__=sizes,size={name}"), |i| Some(size * (1.0 + (i % 3) as f64))));
    }
    all.push(regular("__name__=steps,kind=up", |i| Some((i / 20) as f64)));
    all.push(regular("__name__=flat,kind=x", |_| Some(42.0)));
    all.push(regular("__name__=version_info,instance=a,version=1.2.3,job=api", |_| Some(1.0)));
    all.push(regular("__name__=version_info,instance=b,version=2.0.0,job=api", |i| (i < 300).then_some(1.0)));
    all.push(regular("__name__=version_info,instance=c,version=2.0.0,job=web", |_| Some(1.0)));
    all.push(regular("__name__=weight,instance=a", |_| Some(2.0)));
    all.push(regular("__name__=weight,instance=b", |_| Some(0.5)));
    all.push(regular("__name__=dotted.metric,dotted.label=ü", |i| Some(i as f64)));
}

/// Classic histograms: sound, without the last bucket, with falling counts, with a bound that is no number.
fn histograms(all: &mut Vec<Series>) {
    let mut noise = Noise(3);
    for (job, speed) in [("api", 20.0), ("web", 5.0), ("idle", 0.0)] {
        let mut counts = [0.0; 5];
        let mut columns = vec![Vec::new(); 5];
        for _ in 0..COUNT {
            let mut below = 0.0;
            for (bucket, column) in columns.iter_mut().enumerate() {
                below += (noise.next() * speed).floor();
                counts[bucket] += below;
                column.push(counts[bucket]);
            }
        }
        for (bound, column) in ["0.1", "0.5", "1", "5", "+Inf"].iter().zip(columns) {
            let text = format!("__name__=latency_seconds_bucket,job={job},le={bound}");
            all.push(regular(&text, |i| Some(column[i as usize])));
        }
    }
    for (bound, speed) in [("1", 2.0), ("2", 3.0)] {
        all.push(regular(&format!("__name__=endless_bucket,le={bound}"), |i| Some(i as f64 * speed)));
    }
    for (bound, speed) in [("-1", 3.0), ("0", 2.0), ("2", 6.0), ("+Inf", 7.0)] {
        all.push(regular(&format!("__name__=odd_bucket,le={bound}"), |i| Some(i as f64 * speed)));
    }
    all.push(regular("__name__=odd_bucket,le=many", |i| Some(i as f64)));
    all.push(regular("__name__=only_bucket,le=+Inf", |i| Some(i as f64)));
}

/// NaN, infinities, single samples, and times.
fn special(all: &mut Vec<Series>) {
    for (kind, value) in
        [("nan", f64::NAN), ("inf", f64::INFINITY), ("ninf", f64::NEG_INFINITY), ("zero", 0.0), ("half", -0.5)]
    {
        all.push(regular(&format!("__name__=special,kind={kind}"), |_| Some(value)));
    }
    all.push(regular("__name__=sometimes_nan,kind=x", |i| Some(if i % 3 == 0 { f64::NAN } else { (i % 7) as f64 })));
    all.push(regular("__name__=single,kind=x", |i| (i == 200).then_some(5.0)));
    for (name, time) in [("leap", 1_709_210_096.0), ("epoch", 0.0), ("before", -86_401.0), ("now", 1_700_010_123.9)] {
        all.push(regular(&format!("__name__=birthday,of={name}"), |_| Some(time)));
    }
    for (name, value) in [("p", 0.3), ("q", 0.75), ("r", -1.4)] {
        all.push(regular(&format!("__name__=ratio,of={name}"), |i| Some(value + (i % 10) as f64 / 50.0)));
    }
}
