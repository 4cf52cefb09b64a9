//! Which kind is told of which scenario, and after how long: the figures of docs/kinds.md.

use super::{
    Change, Kind, Slow, SlowEvent,
    synthetic::{DAY, HOUR, MINUTE, Noise, Normal, Source, daily},
};

/// Days of normal life before a scenario begins.
const BEFORE: i64 = 20 * DAY;

/// What is told of a series: time since the first sample, and event. `change` gives the value seen in place of the
/// normal one, `None` for a missing sample. Gaps beyond 3.5 intervals are told to the detector, as the engine does.
pub(super) fn watch(
    normal: Normal,
    seed: u64,
    days: i64,
    mut change: impl FnMut(i64, f64, &mut Noise) -> Option<f64>,
) -> Vec<(i64, SlowEvent)> {
    let mut source = Source::new(normal, seed);
    let step = source.step();
    let (first, value) = source.next();
    let mut slow = Slow::new(first, value);
    let (mut told, mut last) = (Vec::new(), first);
    loop {
        let (at, value) = source.next();
        if at > first + days * DAY {
            return told;
        }
        let Some(value) = change(at - first, value, &mut source.noise) else { continue };
        if (at - last) * 2 > step * 7 {
            slow.interrupt();
        }
        last = at;
        slow.observe(at, value, step as u32, &mut |event| told.push((at - first, event)));
    }
}

/// What is done to a series, `t` ms after the scenario begins.
type Break = fn(t: i64, value: f64, noise: &mut Noise) -> Option<f64>;

struct Row {
    scenario: &'static str,
    normal: Normal,
    lasts: i64,
    breaks: Break,
    /// What is to be told and the longest time until then; nothing else may be told while it lasts.
    expected: Option<(Kind, i64)>,
}

const fn row(scenario: &'static str, normal: Normal, lasts: i64, breaks: Break, expected: Option<(Kind, i64)>) -> Row {
    Row { scenario, normal, lasts, breaks, expected }
}

fn in_days(t: i64) -> f64 {
    t as f64 / DAY as f64
}

const TABLE: [Row; 20] = [
    row(
        "leak, 10 % a day",
        Normal::White,
        8 * DAY,
        |t, v, _| Some(v + 10.0 * in_days(t)),
        Some((Kind::Trend, 4 * DAY)),
    ),
    row("leak, 3 % a day", Normal::Daily, 8 * DAY, |t, v, _| Some(v + 3.0 * in_days(t)), Some((Kind::Trend, 5 * DAY))),
    row(
        "shrinks, 5 % a day",
        Normal::Daily,
        8 * DAY,
        |t, v, _| Some(v - 5.0 * in_days(t)),
        Some((Kind::Trend, 4 * DAY)),
    ),
    row(
        "leak, 20 % a day, 30 % of the samples missing",
        Normal::Sparse,
        8 * DAY,
        |t, v, _| Some(v + 20.0 * in_days(t)),
        Some((Kind::Trend, 5 * DAY)),
    ),
    row("leak for 2 days", Normal::Daily, 2 * DAY, |t, v, _| Some(v + 10.0 * in_days(t)), None),
    row(
        "four times the noise",
        Normal::White,
        DAY,
        |_, v, z| Some(v + 19.0 * z.normal()),
        Some((Kind::Variance, 3 * HOUR)),
    ),
    row(
        "four times the noise, daily season",
        Normal::Daily,
        DAY,
        |_, v, z| Some(v + 19.0 * z.normal()),
        Some((Kind::Variance, 3 * HOUR)),
    ),
    row(
        "a tenth of the noise",
        Normal::White,
        DAY,
        |_, v, _| Some(100.0 + 0.1 * (v - 100.0)),
        Some((Kind::Variance, 3 * HOUR)),
    ),
    row("half as much noise again", Normal::White, DAY, |_, v, z| Some(v + 5.6 * z.normal()), None),
    row("four times the noise for an hour", Normal::White, HOUR, |_, v, z| Some(v + 19.0 * z.normal()), None),
    row("stands still", Normal::Daily, 5 * HOUR, |_, _, _| Some(117.0), Some((Kind::Flatline, 90 * MINUTE))),
    row("falls to nothing", Normal::Weekly, 5 * HOUR, |_, _, _| Some(0.0), Some((Kind::Flatline, 90 * MINUTE))),
    row("a counter stands still", Normal::Poisson, 14 * HOUR, |_, _, _| Some(0.0), Some((Kind::Flatline, 10 * HOUR))),
    row("integers stand still", Normal::Quantised, 3 * DAY, |_, _, _| Some(3.0), Some((Kind::Flatline, 2 * DAY))),
    row("stands still for 30 minutes", Normal::Daily, 30 * MINUTE, |_, _, _| Some(117.0), None),
    row(
        "the same all day",
        Normal::Daily,
        3 * DAY,
        |_, _, z| Some(100.0 + 5.0 * z.normal()),
        Some((Kind::LostSeason, 36 * HOUR)),
    ),
    row("the night is missing", Normal::Daily, 3 * DAY, |_, v, z| Some(v.max(100.0 + 5.0 * z.normal())), None),
    row("no samples for 3 days", Normal::Daily, 3 * DAY, |_, _, _| None, None),
    row("a new level, for ever", Normal::Daily, 20 * DAY, |_, v, _| Some(v + 100.0), None),
    row("a spike", Normal::White, 3 * MINUTE, |_, v, _| Some(v + 500.0), None),
];

#[test]
fn each_scenario_is_told_as_its_kind_and_in_time() {
    for Row { scenario, normal, lasts, breaks, expected } in TABLE {
        let mut delays = Vec::new();
        for seed in 0..20 {
            let told = watch(normal, seed, (BEFORE + lasts) / DAY + 4, |t, value, noise| {
                if (BEFORE..BEFORE + lasts).contains(&t) { breaks(t - BEFORE, value, noise) } else { Some(value) }
            });
            let raised: Vec<_> = told.iter().filter(|(_, event)| event.change == Change::Raised).collect();
            let Some((kind, within)) = expected else {
                assert!(raised.is_empty(), "{scenario}, seed {seed}: {raised:?}");
                continue;
            };
            let [(at, event)] = raised[..] else { panic!("{scenario}, seed {seed}: {raised:?}") };
            assert!(event.kind == kind && event.evidence >= 1.0, "{scenario}, seed {seed}: {event:?}");
            assert!((BEFORE..=BEFORE + within).contains(at), "{scenario}, seed {seed}: {} min", (at - BEFORE) / MINUTE);
            delays.push((at - BEFORE) / MINUTE);
        }
        delays.sort_unstable();
        if let (Some(least), Some(most)) = (delays.first(), delays.last()) {
            println!("{scenario}: {expected:?} after {least} to {most} minutes");
        }
    }
}

#[test]
fn normal_series_of_all_kinds_stay_quiet_for_sixty_days() {
    let mut loud = Vec::new();
    for normal in Normal::ALL {
        for seed in 0..20 {
            let told = watch(normal, seed, 60, |_, value, _| Some(value));
            loud.extend(told.first().map(|(at, event)| (normal, seed, *at / DAY, *event)));
        }
    }
    assert!(loud.is_empty(), "{loud:#?}");
}

#[test]
fn normal_series_with_missing_samples_and_outages_of_the_sender_stay_quiet() {
    let mut loud = Vec::new();
    for normal in Normal::ALL {
        for seed in 100..110 {
            let mut until = 0;
            let told = watch(normal, seed, 40, |t, value, noise| {
                if t > until && noise.chance(1.0 / 4_000.0) {
                    until = t + (noise.unit() * 30.0 * HOUR as f64) as i64;
                }
                (t > until && !noise.chance(0.2)).then_some(value)
            });
            loud.extend(told.first().map(|(at, event)| (normal, seed, *at / DAY, *event)));
        }
    }
    assert!(loud.is_empty(), "{loud:#?}");
}

/// Random walks are the hardest for the detector of trends: hourly means, 60 days each.
#[test]
fn random_walks_are_told_as_trends_less_than_once_in_2_000_weeks() {
    let (mut trends, mut others) = (0, 0);
    for seed in 0..2_000 {
        let mut noise = Noise::new(seed);
        let mut slow = Slow::new(0, 0.0);
        let mut level = 0.0;
        for hour in 0..60 * 24 {
            level += noise.normal();
            slow.observe(hour * HOUR, level + 0.5 * noise.normal(), HOUR as u32, &mut |event| {
                let raised = i32::from(event.change == Change::Raised);
                if event.kind == Kind::Trend { trends += raised } else { others += raised }
            });
        }
    }
    let weeks = 2_000 * 60 / 7;
    println!("{trends} trends in {weeks} weeks");
    assert!(trends * 2_000 < weeks && others == 0, "{trends} trends, {others} others in {weeks} weeks");
}

#[test]
fn a_leak_from_birth_is_told_once_and_a_clock_or_counter_is_not() {
    for seed in 0..10 {
        let leak = watch(Normal::Daily, seed, 40, |t, value, _| Some(value + 10.0 * in_days(t)));
        let [(at, event)] = leak[..] else { panic!("seed {seed}: {leak:?}") };
        assert_eq!((event.kind, event.change), (Kind::Trend, Change::Raised));
        assert!((10 * DAY..13 * DAY).contains(&at) && (event.per_day / 10.0 - 1.0).abs() < 0.2, "{event:?}");
        assert_eq!(watch(Normal::White, seed, 40, |t, _, _| Some(100.0 * in_days(t))), [], "only ever grows");
    }
}

#[test]
fn what_stood_still_for_long_and_begins_to_vary_is_new() {
    for seed in 0..10 {
        let told = watch(Normal::White, seed, 60, |t, value, _| Some(if t < BEFORE { 100.0 } else { value }));
        assert_eq!(told, [], "seed {seed}");
        let told = watch(Normal::White, seed, 60, |t, value, noise| match t {
            t if t < BEFORE => Some(100.0),
            t if t < 2 * BEFORE => Some(value),
            _ => Some(value + 100.0 * noise.normal()),
        });
        assert_eq!(told.first().map(|(_, event)| event.kind), Some(Kind::Variance), "seed {seed}");
    }
}

#[test]
fn what_is_told_ends() {
    for seed in 0..10 {
        let ends = |normal: Normal, lasts: i64, breaks: Break| {
            let told = watch(normal, seed, 50, |t, value, noise| {
                if (BEFORE..BEFORE + lasts).contains(&t) { breaks(t - BEFORE, value, noise) } else { Some(value) }
            });
            let [(_, first), (end, last)] = told[..] else { panic!("seed {seed}: {told:?}") };
            assert_eq!((first.change, last.change, first.kind), (Change::Raised, Change::Resolved, last.kind));
            end - BEFORE
        };
        let restarted = ends(Normal::Daily, 6 * DAY, |t, v, _| Some(v + 10.0 * in_days(t)));
        assert!(restarted < 7 * DAY, "a leak ends by a restart: {restarted}");
        let calm = ends(Normal::White, DAY, |_, v, z| Some(v + 19.0 * z.normal()));
        assert!((DAY..DAY + 4 * HOUR).contains(&calm), "{calm}");
        let moves = ends(Normal::White, 5 * HOUR, |_, _, _| Some(100.0));
        assert!((5 * HOUR..5 * HOUR + 2 * MINUTE).contains(&moves), "{moves}");
        let back = ends(Normal::Daily, 3 * DAY, |_, _, z| Some(100.0 + 5.0 * z.normal()));
        assert!((3 * DAY..4 * DAY).contains(&back), "{back}");
        // What stays is the new normal.
        let noisy = ends(Normal::White, 30 * DAY, |_, v, z| Some(v + 19.0 * z.normal()));
        assert!((DAY..3 * DAY).contains(&noisy), "{noisy}");
        let flat = ends(Normal::Daily, 30 * DAY, |_, _, z| Some(100.0 + 5.0 * z.normal()));
        assert!((5 * DAY..15 * DAY).contains(&flat), "{flat}");
    }
}

#[test]
fn daylight_saving_moves_the_day_and_is_no_anomaly() {
    // The clocks change each 30 days, back and forth.
    for seed in 0..20 {
        let told = watch(Normal::White, seed, 60, |t, value, _| {
            let shift = if (t / (30 * DAY)) % 2 == 1 { HOUR } else { 0 };
            Some(value + 100.0 * daily(t + shift))
        });
        assert_eq!(told, [], "seed {seed}");
    }
}

#[test]
fn other_intervals_do_as_well() {
    for (step, within) in [(15_000, HOUR), (5 * MINUTE, 15 * HOUR), (15 * MINUTE, 45 * HOUR)] {
        for seed in 0..10 {
            let mut noise = Noise::new(seed);
            let mut slow = Slow::new(0, 100.0);
            let mut told = Vec::new();
            for at in (0..BEFORE + 2 * DAY).step_by(step as usize) {
                let spread = if at > BEFORE { 30.0 } else { 5.0 };
                let value = 100.0 + 30.0 * daily(at) + spread * noise.normal();
                slow.observe(at, value, step as u32, &mut |event| told.push((at, event)));
            }
            let first = told.first().map(|(at, event)| (event.kind, at - BEFORE));
            assert!(
                first.is_some_and(|(kind, after)| kind == Kind::Variance && (0..within).contains(&after)),
                "{step}: {told:?}"
            );
        }
    }
}

#[test]
fn the_state_is_small_and_survives_a_restart() {
    assert_eq!(size_of::<Slow>(), 72);
    let mut source = Source::new(Normal::Daily, 1);
    let (at, value) = source.next();
    let mut slow = Slow::new(at, value);
    let (mut told, mut told_restored) = (Vec::new(), Vec::new());
    let mut restored: Option<Slow> = None;
    for i in 0..40_000 {
        let (at, value) = source.next();
        let value = if i > 30_000 && i < 33_000 { 100.0 } else { value };
        slow.observe(at, value, 60_000, &mut |event| told.push(event));
        if let Some(restored) = &mut restored {
            restored.observe(at, value, 60_000, &mut |event| told_restored.push(event));
        } else if i == 20_000 {
            restored = Some(postcard::from_bytes(&postcard::to_stdvec(&slow).unwrap()).unwrap());
        }
    }
    assert!(told.len() >= 2);
    assert_eq!(told, told_restored);
}
