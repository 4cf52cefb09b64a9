//! The shop lives as a shop would, and only its faults set it apart from itself.

use std::collections::HashSet;

use super::{
    Shop,
    calendar::{DAY, HOUR, MINUTE},
};
use crate::{
    cli::demo::fault::{Fault, FaultKind},
    signal::{FindingScope, Labels, TimestampMs, is_stale},
};

const START: TimestampMs = 1_770_000_000_000;

fn shop(faults: Vec<Fault>) -> Shop {
    Shop::new(42, START, MINUTE, faults)
}

/// The fault of `kind` from hour 3 to hour 4 or, for the slow ones, 5.
fn fault(kind: FaultKind) -> Fault {
    let hours = if matches!(kind, FaultKind::Leak | FaultKind::Disk) { 2 } else { 1 };
    Fault { kind, start: START + 3 * HOUR, end: START + (3 + hours) * HOUR, pick: 1 }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let run = |seed| {
        let mut shop = Shop::new(seed, START, MINUTE, vec![fault(FaultKind::Surge)]);
        let mut all = Vec::new();
        for _ in 0..300 {
            shop.tick();
            all.extend(shop.samples().map(|(index, value)| (shop.at(), index, value.to_bits())));
        }
        let labels: Vec<Labels> = shop.series().iter().map(|series| series.labels.clone()).collect();
        (all, labels)
    };
    assert!(run(1) == run(1));
    assert!(run(1).0 != run(2).0);
}

#[test]
fn there_are_about_two_thousand_series_and_no_two_are_one() {
    let mut shop = shop(Vec::new());
    let mut deployed = 0;
    for _ in 0..3 * DAY / MINUTE {
        shop.tick();
        let live = shop.samples().filter(|(_, value)| !is_stale(*value)).count();
        assert!(live == 0 || (1_900..=2_200).contains(&live), "{live} series");
        deployed += shop.samples().count() - live;
    }
    assert!(deployed > 300, "deploys end series");
    let labels: HashSet<_> = shop.series().iter().map(|series| &series.labels).collect();
    assert_eq!(labels.len(), shop.series().len());
    // The table of families and the series agree.
    let used: HashSet<_> = shop.series().iter().map(|series| series.family.name).collect();
    for family in super::FAMILIES {
        assert!(used.contains(family.name), "no series of {}", family.name);
    }
}

#[test]
fn counters_only_grow_but_at_restarts_and_values_are_finite() {
    let mut shop = shop(FaultKind::ALL.map(fault).to_vec());
    let mut before: Vec<f64> = Vec::new();
    let mut resets: HashSet<(TimestampMs, String)> = HashSet::new();
    for _ in 0..2 * DAY / MINUTE {
        shop.tick();
        before.resize(shop.series().len(), f64::NAN);
        for (index, value) in shop.samples() {
            let series = &shop.series()[index];
            assert!(value.is_finite() || is_stale(value), "{}: {value}", series.labels);
            if series.is_cumulative() && value < before[index] {
                resets.insert((shop.at(), series.labels.get("pod").unwrap_or_default().to_owned()));
            }
            if !is_stale(value) {
                before[index] = value;
            }
        }
    }
    // One restart a day, and the pod that leaked.
    assert_eq!(resets.len(), 3, "{resets:?}");
}

#[test]
fn a_day_has_ordinary_life_in_it() {
    let mut shop = shop(Vec::new());
    let (mut silent, mut by_hour) = (0, [0.0; 48]);
    for tick in 0..2 * DAY / MINUTE {
        shop.tick();
        silent += usize::from(shop.samples().next().is_none());
        by_hour[(tick / 60) as usize] += total(&shop, "http_requests_total", "frontend");
    }
    assert!((2..=9).contains(&silent), "{silent} scrapes are missing");
    let (night, noon) = (by_hour[28] - by_hour[27], by_hour[37] - by_hour[36]);
    assert!(noon > 2.0 * night, "noon {noon}, night {night}");
}

/// Sum over the live series of a metric in the pods whose name starts with `pod`.
fn total(shop: &Shop, metric: &str, pod: &str) -> f64 {
    let counts = |index: usize| {
        let labels = &shop.series()[index].labels;
        labels.metric() == metric && labels.get("pod").or(labels.get("instance")).unwrap_or_default().starts_with(pod)
    };
    shop.registry.live().filter(|(index, _)| counts(*index)).map(|(_, value)| value).sum()
}

/// What the last five minutes of the fault's first 55 minutes brought, per metric: with the fault, and without.
fn with_and_without(kind: FaultKind, metric: &str, pod: &str) -> (f64, f64) {
    let measure = |is_spared| {
        let mut shop = shop(vec![fault(kind)]);
        shop.is_spared = is_spared;
        let mut at_50 = 0.0;
        for tick in 0..236 {
            shop.tick();
            if tick == 230 {
                at_50 = total(&shop, metric, pod);
            }
        }
        let end = total(&shop, metric, pod);
        let is_cumulative = shop.series().iter().any(|s| s.labels.metric() == metric && s.is_cumulative());
        if is_cumulative { end - at_50 } else { end }
    };
    (measure(false), measure(true))
}

#[test]
fn every_fault_moves_what_it_is_about() {
    let check = |kind, metric: &str, pod: &str, low: f64, high: f64| {
        let (with, without) = with_and_without(kind, metric, pod);
        let factor = with / without;
        assert!((low..high).contains(&factor), "{kind:?} moves {metric} of {pod} by {factor}: {with} for {without}");
    };
    check(FaultKind::Latency, "http_request_duration_seconds_sum", "payment", 4.0, 6.5);
    check(FaultKind::Latency, "http_request_duration_seconds_sum", "checkout", 2.5, 5.0);
    check(FaultKind::Latency, "http_request_duration_seconds_sum", "frontend", 1.3, 3.0);
    check(FaultKind::Surge, "http_requests_total", "frontend", 2.8, 3.2);
    check(FaultKind::Surge, "container_cpu_usage_seconds_total", "catalogue", 2.2, 3.2);
    check(FaultKind::Leak, "container_memory_working_set_bytes", "cart", 1.7, 4.0);
    check(FaultKind::Disk, "pg_wal_size_bytes", "postgres-0", 20.0, 200.0);
    check(FaultKind::Disk, "node_filesystem_avail_bytes", "node-3", 0.5, 0.95);
    check(FaultKind::Neighbour, "node_load1", "node-2", 3.0, 20.0);
    check(FaultKind::Neighbour, "http_request_duration_seconds_sum", "search", 1.2, 2.2);

    let failed = |is_spared| {
        let mut shop = shop(vec![fault(FaultKind::Errors)]);
        shop.is_spared = is_spared;
        let failures = |shop: &Shop, pod: &str| -> f64 {
            let is_failure = |index: usize| {
                let labels = &shop.series()[index].labels;
                labels.get("code") == Some("500") && labels.get("pod").is_some_and(|name| name.starts_with(pod))
            };
            shop.registry.live().filter(|(index, _)| is_failure(*index)).map(|(_, value)| value).sum()
        };
        (0..180).for_each(|_| shop.tick());
        let before = ["payment", "checkout", "frontend"].map(|pod| failures(&shop, pod));
        (0..50).for_each(|_| shop.tick());
        [0, 1, 2].map(|i| failures(&shop, ["payment", "checkout", "frontend"][i]) - before[i])
    };
    let (with, without) = (failed(false), failed(true));
    for (with, without) in with.into_iter().zip(without) {
        assert!(with > 15.0 * (without + 5.0), "{with} failures, else {without}");
    }
}

#[test]
fn a_fault_moves_nothing_but_what_it_is_said_to_affect() {
    for kind in FaultKind::ALL {
        let mut hit = shop(vec![fault(kind)]);
        let mut spared = hit.clone();
        spared.is_spared = true;
        let (mut hit_before, mut spared_before) = (Vec::new(), Vec::new());
        let mut moved = HashSet::new();
        for _ in 0..7 * 60 {
            hit.tick();
            spared.tick();
            assert_eq!(hit.series().len(), spared.series().len());
            for (index, (a, b)) in steps(&hit, &mut hit_before).zip(steps(&spared, &mut spared_before)).enumerate() {
                if (a - b).abs() > 1e-6 * (a.abs() + b.abs()) {
                    moved.insert(index);
                }
            }
        }
        let incident = &hit.incidents()[0];
        assert!(!moved.is_empty());
        for index in moved {
            let labels = &hit.series()[index].labels;
            assert!(incident.affects(FindingScope::Series, labels), "{kind:?} moves {labels}");
        }
    }
}

/// What each series did since the scrape before: its increase if it is a counter, its value if not.
fn steps<'a>(shop: &'a Shop, before: &'a mut Vec<f64>) -> impl Iterator<Item = f64> + 'a {
    let mut values = vec![0.0; shop.series().len()];
    for (index, value) in shop.registry.live() {
        values[index] = value;
    }
    before.resize(values.len(), 0.0);
    let old = std::mem::replace(before, values.clone());
    values.into_iter().zip(old).enumerate().map(|(index, (value, old))| {
        let grows = shop.series()[index].is_cumulative() && value >= old;
        if grows { value - old } else { value }
    })
}
