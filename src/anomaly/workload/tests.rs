//! Tests of the workload detector.

use proptest::prelude::*;

use super::*;

/// Rows of the workload in the golden file.
const ROWS: usize = 3000;
/// Row before which the model is refreshed in the golden file's last column.
const BORDER: usize = 1200;

/// Knuth's 64-bit congruential generator, as in `tests/reference/workload.py`.
struct Draws(u64);

impl Draws {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn noise(&mut self) -> f64 {
        self.unit() + self.unit() + self.unit() - self.unit() - self.unit() - self.unit()
    }
}

/// The workload of `tests/reference/workload.py`: six metrics that follow a load and a queue, three faults and a changed
/// level in its second half.
fn workload() -> Vec<[f64; 6]> {
    let (mut draw, mut load, mut queue) = (Draws(7), 0.0, 0.0);
    let row = |t: usize| {
        load = 0.98 * load + 0.2 * draw.noise();
        let burst = if t % 700 < 12 { 4.0 } else { 0.0 };
        queue = 0.8 * queue + 0.3 * load + 0.3 * burst + 0.1 * draw.noise();
        let noise: [f64; 6] = std::array::from_fn(|_| draw.noise());
        let mut row = [
            1000.0 + 200.0 * load + 100.0 * burst + 10.0 * noise[0],
            5e12 + 1e9 * load + 2e8 * noise[1],
            0.02 + 0.001 * queue + 0.0005 * noise[2],
            3.0 * queue - 2.0 * load + 0.3 * noise[3],
            if noise[4] > 1.6 { 1.0 } else { 0.0 },
            (t / 1000) as f64,
        ];
        match t {
            1500..1530 => row[0] -= 400.0,
            1900..1960 => row[2] = 0.05,
            2300..2310 => row[3] += 40.0,
            2600.. => row[1] += 4e9,
            _ => {}
        }
        row
    };
    (0..ROWS).map(row).collect()
}

fn detector() -> Workload {
    Workload::new(6, WorkloadParams::default()).unwrap()
}

fn bytes(workload: &Workload) -> Vec<u8> {
    postcard::to_stdvec(workload).unwrap()
}

#[test]
fn norm_is_the_references() {
    let rows = workload();
    let run = |border: Option<usize>| -> Vec<f64> {
        let mut workload = detector();
        let mut norms = Vec::new();
        for (t, row) in rows.iter().enumerate() {
            if border == Some(t) {
                workload.refresh_now();
            }
            norms.push(workload.observe(row).map_or(0.0, |score| score.norm));
        }
        norms
    };
    let (stream, learn) = (run(None), run(Some(BORDER)));
    let mut compared = 0;
    for line in include_str!("../../../tests/reference/workload.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let t: usize = fields[0].parse().unwrap();
        for (norm, expected) in [(stream[t], fields[1]), (learn[t], fields[2])] {
            if let Ok(expected) = expected.parse::<f64>() {
                assert!((norm - expected).abs() <= 2e-4 * expected, "row {t}: {norm}, expected {expected}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, ROWS / 5 + (ROWS - BORDER) / 5);
}

#[test]
fn faults_stand_out_and_are_explained() {
    let mut workload = detector();
    let mut usual: Vec<WorkloadScore> = Vec::new();
    let mean =
        |usual: &[WorkloadScore], of: fn(&WorkloadScore) -> f64| usual.iter().map(of).sum::<f64>() / usual.len() as f64;
    for (t, row) in self::workload().iter().enumerate() {
        let Some(score) = workload.observe(row) else { continue };
        let culprit = match t {
            1500 => Some((0, -1.0)),
            1900 => Some((2, 1.0)),
            2300 => Some((3, 1.0)),
            _ => None,
        };
        if let Some((metric, sign)) = culprit {
            let top = workload.top(2);
            assert_eq!(top[0].metric, metric, "row {t}: {top:?}");
            assert!(top[0].size * sign > 5.0 && top[0].size.abs() > 1.5 * top[1].size.abs(), "row {t}: {top:?}");
            assert_eq!(workload.residuals()[metric], top[0].size);
            let shares = workload.forest_shares().unwrap();
            assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{shares:?}");
            assert!(shares.iter().all(|share| *share <= shares[metric]), "row {t}: {shares:?}");
            let (usual_q, usual_depth) = (mean(&usual, |score| score.q), mean(&usual, |score| score.depth));
            assert!(score.q > 2.5 * usual_q, "row {t}: {score:?}, usual {usual_q}");
            assert!(score.depth < 0.7 * usual_depth, "row {t}: {score:?}, usual {usual_depth}");
        } else if (1200..1490).contains(&t) && t % 700 > 30 {
            usual.push(score);
        }
    }
    let usual_depth = mean(&usual, |score| score.depth);
    assert!((0.8..1.3).contains(&usual_depth), "{usual_depth}");
}

#[test]
fn peaks_are_held_and_fall_by_half_in_ten_rows() {
    let mut workload = detector();
    let rows = self::workload();
    for row in &rows[..2300] {
        workload.observe(row);
    }
    let peak = workload.observe(&rows[2305]).unwrap();
    // Both generations see the fault, and a lone row has little part in the recent means.
    assert!((0.9 * peak.q..1.2 * peak.q).contains(&peak.norm), "{peak:?}");
    let mut last = peak;
    for row in &rows[1000..1010] {
        last = workload.observe(row).unwrap();
        assert!(last.norm >= last.q / 2.0_f64.sqrt());
    }
    // Each row leaves 0.5^(1/10) of the peak, and adds the rest of its own score.
    assert!((0.5 * peak.norm..0.5 * peak.norm + 2.0).contains(&last.norm), "{} {}", peak.norm, last.norm);
}

#[test]
fn a_restored_detector_goes_on_bit_for_bit() {
    let rows = workload();
    for stop in [0, 1, 5, 90, 400, 700, 2400] {
        let mut kept = detector();
        for row in &rows[..stop] {
            kept.observe(row);
        }
        let mut restored: Workload = postcard::from_bytes(&bytes(&kept)).unwrap();
        for row in &rows[stop..(stop + 400).min(ROWS)] {
            assert_eq!(kept.observe(row), restored.observe(row));
        }
        assert_eq!(bytes(&kept), bytes(&restored));
        assert!(restored.size_bytes() <= kept.size_bytes(), "{} {}", restored.size_bytes(), kept.size_bytes());
    }
}

#[test]
fn damage_is_found_on_restoring() {
    let rows = workload();
    let mut sound = detector();
    for row in &rows[..300] {
        sound.observe(row);
    }
    let check = |damage: fn(&mut Workload), part: &'static str| {
        let mut damaged = sound.clone();
        damage(&mut damaged);
        assert_eq!(damaged.check(), Err(WorkloadError::Damaged(part)));
        assert!(postcard::from_bytes::<Workload>(&bytes(&damaged)).is_err());
    };
    check(|w| w.inputs.truncate(11), "inputs");
    check(|w| w.inputs[3] = f64::INFINITY, "scores");
    check(|w| w.peaks[0] = f64::NAN, "scores");
    check(|w| w.learned = Moments::new(10), "moments");
    check(|w| w.learned.mean[1] = f64::NAN, "moments");
    check(|w| w.moved[2] = 301, "inputs");
    check(|w| w.present = Generation::first(6, 10), "model");
    check(|w| w.former = Generation::first(5, 12), "model");
    check(|w| w.forest = HullForest::fit(&[], &[1.0; 9], &ForestParams::default()).ok(), "forest");
    check(|w| w.reservoir.truncate(15), "reservoir");
    check(|w| w.offered = 301, "reservoir");
    check(|w| w.refresh_at = u64::MAX, "rows");
    assert_eq!(sound.check(), Ok(()));
}

#[test]
fn missing_values_repeat_the_last() {
    let rows = workload();
    let (mut gaps, mut filled) = (detector(), detector());
    for (t, row) in rows[..800].iter().enumerate() {
        let (mut with_gap, mut carried) = (*row, *row);
        if t > 0 && t % 3 == 0 {
            with_gap[t % 6] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e19][t % 4];
            carried[t % 6] = rows[t - 1][t % 6];
        }
        assert_eq!(gaps.observe(&with_gap), filled.observe(&carried), "row {t}");
    }
}

#[test]
fn a_row_of_which_more_than_half_is_missing_changes_nothing() {
    let rows = workload();
    let mut workload = detector();
    for row in &rows[..500] {
        workload.observe(row);
    }
    let before = bytes(&workload);
    let nan = f64::NAN;
    assert_eq!(workload.observe(&[nan, nan, nan, nan, 1.0, 1.0]), None);
    assert_eq!(bytes(&workload), before);
    assert!(workload.observe(&[nan, nan, nan, rows[500][3], 0.0, 0.0]).is_some());
    assert_eq!(workload.rows(), 501);
}

#[test]
fn a_metric_that_appears_late_does_not_alarm() {
    let (mut late, mut heard) = (detector(), false);
    for (t, row) in workload()[..2300].iter().enumerate() {
        let mut row = *row;
        // The step of this metric is another story.
        row[5] = row[4];
        if t < 400 {
            row[1] = f64::NAN;
        }
        late.observe(&row);
        if t < 800 {
            assert_eq!(late.residuals()[1], 0.0, "row {t}");
        }
        if t < 1500 {
            assert!(late.residuals()[1].abs() < 5.0, "row {t}: {:?}", late.residuals());
        }
        heard |= late.residuals()[1] != 0.0;
    }
    assert!(heard);
}

#[test]
fn the_first_move_of_a_still_metric_is_news_that_fades() {
    let mut workload = detector();
    let rows = self::workload();
    for row in &rows[..1000] {
        workload.observe(row);
    }
    // The last metric makes its first step.
    let step = workload.observe(&rows[1000]).unwrap();
    let residual = workload.residuals()[5];
    assert!((25.0..35.0).contains(&residual) && step.norm > 10.0 && step.q < 2.0, "{residual}, {step:?}");
    for row in &rows[1001..=1020] {
        workload.observe(row);
    }
    assert!((0.45 * residual..0.55 * residual).contains(&workload.residuals()[5]), "{:?}", workload.residuals());
    let mut last = step;
    for row in &rows[1021..=1180] {
        last = workload.observe(row).unwrap();
    }
    assert!(last.norm < 1.1 * last.q && workload.residuals()[5].abs() < 0.1, "{last:?}, {:?}", workload.residuals());
}

#[test]
fn a_fault_under_way_at_a_refresh_is_still_seen_by_the_model_before() {
    let (mut workload, mut refreshed) = (detector(), detector());
    let rows = self::workload();
    for row in &rows[..1930] {
        workload.observe(row);
        refreshed.observe(row);
    }
    // In the middle of the second fault.
    refreshed.refresh_now();
    for row in &rows[1930..1959] {
        workload.observe(row);
        refreshed.observe(row);
    }
    let (kept, after) = (workload.observe(&rows[1959]).unwrap(), refreshed.observe(&rows[1959]).unwrap());
    assert!(after.q < 0.9 * kept.q && after.norm > after.q, "{kept:?}, {after:?}");
}

#[test]
fn a_lasting_shift_counts_twice_what_scatter_of_the_same_size_does() {
    let mean_square = |sign: f64| {
        let (learned, mut generation) = (Moments::new(2), Generation::first(1, 2));
        let mut last = 0.0;
        for t in 0..600 {
            last = generation.observe(&[sign.powi(t), 0.0], &learned, [0].into_iter());
        }
        last
    };
    let (scatter, shift) = (mean_square(-1.0), mean_square(1.0));
    assert!((1.99..2.0).contains(&(shift / scatter)), "{scatter} {shift}");
}

#[test]
fn scores_do_not_depend_on_units() {
    let rows = workload();
    let (mut plain, mut scaled) = (detector(), detector());
    for (t, row) in rows[..1600].iter().enumerate() {
        // Powers of two, but for the shift, which costs digits.
        let other = [row[0] * 1024.0 - 7e5, row[1] / 4096.0, row[2] * 8.0, row[3] * 65536.0, row[4] * 2.0, row[5]];
        let (Some(a), Some(b)) = (plain.observe(row), scaled.observe(&other)) else { continue };
        // Until the first refresh the scale is 1 in whatever unit.
        assert!(t < 8 + 60 || (a.norm - b.norm).abs() < 1e-3 * a.norm, "row {t}: {} {}", a.norm, b.norm);
    }
}

#[test]
fn without_trees_there_is_no_forest() {
    let mut workload = Workload::new(6, WorkloadParams { trees: 0, ..WorkloadParams::default() }).unwrap();
    let mut full = detector();
    for row in &self::workload()[..1000] {
        let (score, with_forest) = (workload.observe(row), full.observe(row));
        assert_eq!(score.map(|score| score.norm), with_forest.map(|score| score.norm));
        assert!(score.is_none_or(|score| score.depth == 1.0));
    }
    assert!(workload.forest_shares().is_none());
    assert!(workload.size_bytes() < 3000, "{}", workload.size_bytes());
    assert!(full.size_bytes() < 45_000, "{}", full.size_bytes());
}

#[test]
fn a_workload_of_28_metrics_takes_no_more_than_it_did() {
    let (mut workload, mut draw) = (Workload::new(28, WorkloadParams::default()).unwrap(), Draws(3));
    let mut size_after = |rows: u64| {
        while workload.rows() < rows {
            let load = draw.noise();
            let row: [f64; 28] = std::array::from_fn(|_| load + draw.noise());
            workload.observe(&row);
        }
        workload.size_bytes()
    };
    let (models, forest) = (size_after(100), size_after(1000));
    assert!(models <= 21_400, "{models}");
    assert!(forest <= models + 28 * 1024 + 512 * 32, "{forest}");
}

#[test]
fn bad_parameters_are_refused() {
    let default = WorkloadParams::default();
    for metrics in [0, METRICS_MAX + 1] {
        assert_eq!(Workload::new(metrics, default).unwrap_err(), WorkloadError::Metrics { got: metrics });
    }
    for (params, name) in [
        (WorkloadParams { trees: 5000, ..default }, "trees"),
        (WorkloadParams { sample_size: 0, ..default }, "sample_size"),
        (WorkloadParams { half_life_rows: f64::NAN, ..default }, "half_life_rows"),
        (WorkloadParams { hold_rows: 0.0, ..default }, "hold_rows"),
        (WorkloadParams { refresh_rows: 0, ..default }, "refresh_rows"),
        (WorkloadParams { wait_rows_max: u64::MAX, ..default }, "wait_rows_max"),
    ] {
        assert_eq!(Workload::new(3, params).unwrap_err(), WorkloadError::Parameter(name));
    }
}

/// A detector of two metrics with a small forest, stored.
fn small() -> Vec<u8> {
    let params = WorkloadParams { trees: 2, sample_size: 8, ..WorkloadParams::default() };
    let mut workload = Workload::new(2, params).unwrap();
    for row in &self::workload()[..300] {
        workload.observe(&row[..2]);
    }
    workload.refresh_now();
    bytes(&workload)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_bytes_are_refused_or_can_go_on(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut stored = small();
        for (at, byte) in changes {
            let at = at.index(stored.len());
            stored[at] = byte;
        }
        if let Ok(mut workload) = postcard::from_bytes::<Workload>(&stored) {
            let row = vec![1.0; workload.metrics()];
            for _ in 0..20 {
                workload.observe(&row);
            }
            workload.refresh_now();
            workload.observe(&row);
            prop_assert!(workload.forest_shares().is_none_or(|shares| shares.len() == workload.metrics()));
        }
    }

    #[test]
    fn no_input_breaks_it(
        metrics in 1_usize..6,
        values in prop::collection::vec(prop_oneof![
            4 => -1e3..1e3_f64,
            1 => any::<f64>(),
            1 => Just(1e18),
            1 => Just(-1e18),
            1 => Just(f64::NAN),
            1 => Just(0.0),
        ], 0..1500),
    ) {
        let mut workload = Workload::new(metrics, WorkloadParams::default()).unwrap();
        for row in values.chunks_exact(metrics) {
            if let Some(score) = workload.observe(row) {
                let scores = [score.q, score.depth, score.norm, score.state];
                prop_assert!(scores.iter().all(|score| score.is_finite() && *score >= 0.0), "{:?}", score);
            }
        }
        prop_assert_eq!(workload.check(), Ok(()));
    }
}
