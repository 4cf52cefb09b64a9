//! Tests of both forests.

use proptest::prelude::*;

use super::*;
use crate::anomaly::random::Dice;

/// Reads a golden file of `tests/reference/forest.py`: number of features, rows, scores of scikit-learn.
fn golden(text: &str) -> (usize, Vec<f32>, Vec<f32>) {
    let mut lines = text.lines();
    let features: usize = lines.next().unwrap().parse().unwrap();
    let (mut rows, mut scores) = (Vec::new(), Vec::new());
    for line in lines {
        let values: Vec<f32> = line.split(',').map(|value| value.parse().unwrap()).collect();
        assert_eq!(values.len(), features + 1);
        rows.extend(&values[..features]);
        scores.push(values[features]);
    }
    (features, rows, scores)
}

/// Ranks from 0; equal values share their mean rank.
fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let first = order.iter().position(|at| at == &equal[0]).unwrap();
        for &at in equal {
            ranks[at] = first as f64 + (equal.len() - 1) as f64 / 2.0;
        }
    }
    ranks
}

/// Spearman's rank correlation.
fn spearman(a: &[f32], b: &[f32]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let middle = (a.len() - 1) as f64 / 2.0;
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - middle) * (y - middle)).sum::<f64>();
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

/// A round cloud of `count` rows around 0, each value the sum of four uniform ones, sd 0.58.
fn cloud(count: usize, features: usize, seed: u64) -> Vec<f32> {
    let mut dice = Dice::new(seed, 9);
    (0..count * features).map(|_| (0..4).map(|_| dice.unit() - 0.5).sum()).collect()
}

fn score_all(forest: &Forest, rows: &[f32]) -> Vec<f32> {
    let mut scores = vec![0.0; rows.len() / forest.features()];
    forest.score_batch(rows, &mut scores);
    scores
}

#[test]
fn usual_path_is_the_papers() {
    // c(2) = 1, c(3) = 2 (1 + 1/2) - 4/3, c(256) as published with the paper's ln approximation 10.244.
    for (n, expected) in [(0, 0.0), (1, 0.0), (2, 1.0), (3, 3.0 - 4.0 / 3.0), (4, 11.0 / 3.0 - 1.5)] {
        assert!((usual_path(n) - expected).abs() < 1e-12, "{n}");
    }
    assert!((usual_path(256) - 10.244).abs() < 0.005);
    for n in [64, 65, 100, 256, 1024, 4096] {
        let harmonic: f64 = (1..n).map(|i| 1.0 / i as f64).sum();
        let exact = 2.0 * harmonic - 2.0 * (n - 1) as f64 / n as f64;
        assert!((usual_path(n) - exact).abs() < 1e-4, "{n}: {} {exact}", usual_path(n));
    }
}

#[test]
fn depth_limit_is_the_ceiling_of_the_logarithm() {
    for (sample, expected) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (128, 7), (129, 8), (256, 8), (4096, 12)] {
        assert_eq!(depth_limit(sample), expected, "{sample}");
    }
}

#[test]
fn ranks_as_scikit_learn_does() {
    for (name, text) in [
        ("blobs", include_str!("../../../tests/reference/forest_blobs.csv")),
        ("tails", include_str!("../../../tests/reference/forest_tails.csv")),
        ("moons", include_str!("../../../tests/reference/forest_moons.csv")),
    ] {
        let (features, rows, expected) = golden(text);
        let params = ForestParams { trees: 300, sample_size: 256, seed: 5 };
        let scores = score_all(&Forest::fit(&rows, features, &params).unwrap(), &rows);
        let agreement = spearman(&scores, &expected);
        assert!(agreement > 0.97, "{name}: {agreement}");
        // Not only the order: `score_samples` negated is the paper's score.
        let worst = scores.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 0.04, "{name}: {worst}");
    }
}

#[test]
fn two_rows_have_a_closed_form() {
    // Each tree cuts once between them: path 1 = c(2), score 1/2; beyond either the same.
    let forest = Forest::fit(&[1.0, 2.0], 1, &ForestParams { trees: 10, sample_size: 2, seed: 3 }).unwrap();
    assert_eq!(score_all(&forest, &[1.0, 2.0, -50.0, 50.0]), [0.5; 4]);
}

#[test]
fn one_row_far_away_has_a_closed_form() {
    // 255 equal rows and one other: the first cut always parts them, and the crowd cannot be cut further.
    let mut rows = vec![0.0; 256];
    rows[100] = 1.0;
    let forest = Forest::fit(&rows, 1, &ForestParams { trees: 20, sample_size: 256, seed: 3 }).unwrap();
    let of = |path: f64| (-path / usual_path(256)).exp2() as f32;
    // Path lengths have 255 steps, and the rounding of 20 trees makes up for each other.
    assert!((forest.score(&[1.0]) - of(1.0)).abs() < 1e-4);
    assert!((forest.score(&[0.0]) - of(1.0 + usual_path(255))).abs() < 1e-6);
}

#[test]
fn rows_that_cannot_be_told_apart_score_a_half() {
    let params = ForestParams::default();
    for rows in [vec![], vec![1.0, 2.0], [3.0, 4.0].repeat(300), vec![f32::NAN; 20]] {
        let forest = Forest::fit(&rows, 2, &params).unwrap();
        for score in score_all(&forest, &[vec![1.0, 2.0, f32::NAN, 1e30], [3.0, 4.0].repeat(20)].concat()) {
            assert!((score - 0.5).abs() < 1e-6, "{} rows: {score}", rows.len() / 2);
        }
        let mut shares = [0.0; 2];
        forest.attribute(&[1.0, 2.0], &mut shares);
        assert_eq!(shares, [0.5, 0.5]);
    }
}

#[test]
fn constant_features_change_nothing_but_the_draws() {
    let rows = cloud(400, 2, 1);
    let with_constants: Vec<f32> = rows.chunks(2).flat_map(|row| [7.0, row[0], row[1], -1.0]).collect();
    let params = ForestParams { trees: 300, ..ForestParams::default() };
    let plain = score_all(&Forest::fit(&rows, 2, &params).unwrap(), &rows);
    let forest = Forest::fit(&with_constants, 4, &params).unwrap();
    assert!(spearman(&plain, &score_all(&forest, &with_constants)) > 0.95);
    let mut shares = [0.0; 4];
    forest.attribute(&with_constants[..4], &mut shares);
    assert!(shares[0] == 0.0 && shares[3] == 0.0, "{shares:?}");
}

#[test]
fn same_seed_same_forest() {
    let rows = cloud(1000, 3, 2);
    let fit = |seed| Forest::fit(&rows, 3, &ForestParams { trees: 20, sample_size: 64, seed }).unwrap();
    assert_eq!(fit(1), fit(1));
    assert_ne!(fit(1), fit(2));
}

#[test]
fn growing_is_pinned() {
    // Scores must not change with a library's or our own version: a change here changes what users see.
    let rows = cloud(300, 3, 3);
    let forest = Forest::fit(&rows, 3, &ForestParams { trees: 10, sample_size: 64, seed: 11 }).unwrap();
    let scores = score_all(&forest, &[0.0, 0.0, 0.0, 1.5, 0.0, -1.5, f32::NAN, 0.1, 0.2]);
    for (score, expected) in scores.iter().zip(PINNED) {
        assert!((score - expected).abs() < 1e-6, "{scores:?}");
    }
}

const PINNED: [f32; 3] = [0.402_764_53, 0.696_609_6, 0.525_763_5];

#[test]
fn missing_and_infinite_values_are_scored() {
    let mut rows = cloud(500, 3, 4);
    for value in rows.iter_mut().step_by(17) {
        *value = f32::NAN;
    }
    rows[5] = f32::INFINITY;
    rows[8] = f32::NEG_INFINITY;
    let forest = Forest::fit(&rows, 3, &ForestParams::default()).unwrap();
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 0.0, -0.0, f32::MIN_POSITIVE, f32::NAN, 1.0];
    assert!(score_all(&forest, &odd).iter().all(|score| (0.0..=1.0).contains(score)));
    // NaN is below every cut, as is negative infinity.
    assert_eq!(forest.score(&[f32::NAN, 0.1, 0.2]), forest.score(&[f32::NEG_INFINITY, 0.1, 0.2]));
}

#[test]
fn bad_parameters_are_refused() {
    let params = ForestParams { trees: 5, sample_size: 16, seed: 1 };
    let refused = |rows: &[f32], features, params| Forest::fit(rows, features, &params).unwrap_err();
    assert_eq!(refused(&[1.0], 1, ForestParams { trees: 0, ..params }), ForestError::NoTrees);
    assert_eq!(refused(&[1.0], 1, ForestParams { sample_size: 0, ..params }), ForestError::SampleSize { got: 0 });
    assert_eq!(refused(&[1.0], 1, ForestParams { sample_size: 5000, ..params }), ForestError::SampleSize { got: 5000 });
    assert_eq!(refused(&[1.0], 0, params), ForestError::Features { got: 0 });
    assert_eq!(refused(&[1.0], 257, params), ForestError::Features { got: 257 });
    assert_eq!(refused(&[1.0; 3], 2, params), ForestError::Ragged { values: 3, features: 2 });
    for weights in [[0.0, 0.0], [1.0, -1.0], [1.0, f32::NAN], [f32::INFINITY, 1.0]] {
        assert_eq!(HullForest::fit(&[Code(1); 4], &weights, &params).unwrap_err(), ForestError::Weights, "{weights:?}");
    }
}

#[test]
fn attribution_names_the_feature_that_is_off() {
    let mut rows = cloud(1000, 6, 5);
    rows[6 * 10 + 4] = 9.0;
    let forest = Forest::fit(&rows, 6, &ForestParams { sample_size: 1000, ..ForestParams::default() }).unwrap();
    let mut shares = [0.0; 6];
    forest.attribute(&rows[60..66], &mut shares);
    assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    assert!(shares[4] > 0.5, "{shares:?}");

    let codes: Vec<Code> = cloud(500, 6, 6).into_iter().map(|value| Code::of(value.abs())).collect();
    let forest = HullForest::fit(&codes, &[1.0; 6], &ForestParams { trees: 32, sample_size: 128, seed: 1 }).unwrap();
    let mut row = codes[..6].to_vec();
    row[2] = Code::of(30.0);
    forest.attribute(&row, &mut shares);
    assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    assert!(shares[2] > 0.8, "{shares:?}");
}

#[test]
fn hull_exits_go_on_where_the_plain_forest_stops() {
    let values = cloud(512, 4, 7).into_iter().map(f32::abs).collect::<Vec<_>>();
    let params = ForestParams { trees: 32, sample_size: 128, seed: 1 };
    let codes: Vec<Code> = values.iter().copied().map(Code::of).collect();
    let hull = HullForest::fit(&codes, &[1.0; 4], &params).unwrap();
    let plain = Forest::fit(&values, 4, &params).unwrap();
    let row = |size: f32| [size, 0.3, 0.3, 0.3];
    let depth = |size| hull.relative_depth(&row(size).map(Code::of));
    let depths: Vec<f32> = [3.0, 6.0, 20.0, 100.0, 1000.0].map(depth).into();
    assert!(depths.windows(2).all(|pair| pair[1] < pair[0]) && depths[4] < 0.8 * depths[1], "{depths:?}");
    assert_eq!(plain.score(&row(6.0)), plain.score(&row(1000.0)));
    // Among the crowd both say the same.
    let usual: Vec<f32> = codes.chunks(4).map(|row| -hull.relative_depth(row)).collect();
    let agreement = spearman(&usual, &score_all(&plain, &values));
    assert!(agreement > 0.8, "{agreement}");
}

#[test]
fn a_hull_forest_of_two_rows_has_a_closed_form() {
    // One feature, values v and w: every tree cuts once; inside the range the path is 1 = c(2). A row e beyond w is cut
    // off at depth 0 with probability e / (w - v + e).
    let (v, w, x) = (Code::of(1.0), Code::of(3.0), Code::of(10.0));
    let forest = HullForest::fit(&[v, w], &[1.0], &ForestParams { trees: 8, sample_size: 2, seed: 1 }).unwrap();
    assert_eq!(forest.relative_depth(&[v]), 1.0);
    assert_eq!(forest.relative_depth(&[w]), 1.0);
    let outside = x.value() - w.value();
    let expected = 1.0 - outside / (w.value() - v.value() + outside);
    assert!((forest.relative_depth(&[x]) - expected).abs() < 1e-6);
}

#[test]
fn weights_choose_the_features() {
    let codes: Vec<Code> = cloud(500, 3, 8).into_iter().map(|value| Code::of(value.abs())).collect();
    let params = ForestParams { trees: 50, sample_size: 64, seed: 1 };
    let forest = HullForest::fit(&codes, &[0.0, 1.0, 3.0], &params).unwrap();
    let far = [Code::of(50.0); 3];
    let mut shares = [0.0; 3];
    forest.attribute(&far, &mut shares);
    assert_eq!(shares[0], 0.0);
    assert!((0.6..0.9).contains(&shares[2]), "{shares:?}");
}

#[test]
fn forests_survive_storage() {
    let rows = cloud(300, 4, 9);
    let params = ForestParams { trees: 7, sample_size: 100, seed: 1 };
    let forest = Forest::fit(&rows, 4, &params).unwrap();
    let bytes = postcard::to_stdvec(&forest).unwrap();
    assert_eq!(postcard::from_bytes::<Forest>(&bytes).unwrap(), forest);

    let codes: Vec<Code> = rows.iter().map(|value| Code::of(value.abs())).collect();
    let hull = HullForest::fit(&codes, &[1.0; 4], &params).unwrap();
    let bytes = postcard::to_stdvec(&hull).unwrap();
    assert_eq!(postcard::from_bytes::<HullForest>(&bytes).unwrap(), hull);
}

#[test]
fn damage_is_found_on_restoring() {
    let rows = cloud(100, 2, 10);
    let forest = Forest::fit(&rows, 2, &ForestParams { trees: 3, sample_size: 32, seed: 1 }).unwrap();
    let bytes = postcard::to_stdvec(&forest).unwrap();
    // A struct is stored as the sequence of its fields.
    type Stored = (usize, usize, usize, f32, Vec<f32>, Vec<u8>, Vec<i8>, Vec<u8>, Vec<u8>);
    let check = |damage: fn(&mut Stored), sound: bool| {
        let mut stored: Stored = postcard::from_bytes(&bytes).unwrap();
        damage(&mut stored);
        let restored = postcard::from_bytes::<Forest>(&postcard::to_stdvec(&stored).unwrap());
        assert_eq!(restored.is_ok(), sound, "{stored:?}");
    };
    check(|_| {}, true);
    check(|stored| stored.0 = 1, false);
    check(|stored| stored.0 = 0, false);
    check(|stored| stored.1 = 0, false);
    check(|stored| stored.1 = 4, false);
    check(|stored| stored.1 = usize::MAX, false);
    check(|stored| stored.2 = 257, false);
    check(|stored| stored.2 = 1 << 40, false);
    check(|stored| stored.3 = f32::NAN, false);
    check(|stored| stored.3 = -1.0, false);
    check(|stored| stored.4[1] = f32::NAN, false);
    check(|stored| stored.4.swap(64, 128), false);
    check(|stored| stored.4.truncate(511), false);
    check(|stored| stored.5[40] = 2, false);
    check(|stored| stored.5.truncate(767), false);
    check(|stored| stored.6.truncate(767), false);
    check(|stored| stored.7.truncate(767), false);
    check(|stored| stored.8.truncate(767), false);
}

/// One tree of a forest without codes, to compare with.
struct Exact {
    nodes: Vec<(usize, f32)>,
    paths: Vec<f64>,
}

impl grow::Tree for Exact {
    fn split(&mut self, slot: usize, split: grow::Split) {
        self.nodes[slot] = (usize::from(split.feature), split.cut);
    }

    fn leaf(&mut self, slot: usize, depth: u32, size: usize) {
        self.paths[slot] = f64::from(depth) + usual_path(size);
    }
}

/// Scores of all `rows` by a forest grown on them without codes.
fn exact_scores(rows: &[f32], features: usize, params: &ForestParams) -> Vec<f32> {
    let (weights, count) = (vec![1.0; features], rows.len() / features);
    let mut grower = grow::Grower::new(count, params.sample_size, &weights, params.seed);
    let mut sums = vec![0.0; count];
    for _ in 0..params.trees {
        let slots = 2 << depth_limit(params.sample_size);
        let mut tree = Exact { nodes: vec![(0, f32::NAN); slots], paths: vec![0.0; slots] };
        grower.grow(&mut tree, |row, feature| rows[row * features + feature]);
        for (row, sum) in rows.chunks(features).zip(&mut sums) {
            let mut slot = 1;
            while !tree.nodes[slot].1.is_nan() {
                let (feature, cut) = tree.nodes[slot];
                slot = 2 * slot + usize::from(row[feature] >= cut);
            }
            *sum += tree.paths[slot];
        }
    }
    let usual = params.trees as f64 * usual_path(params.sample_size);
    sums.iter().map(|sum| (-sum / usual).exp2() as f32).collect()
}

/// Chance that one of the `anomalies` scores higher than one of the others.
fn auc(scores: &[f32], anomalies: usize) -> f64 {
    let (count, ranks) = (scores.len() - anomalies, ranks(scores));
    let sum: f64 = ranks[count..].iter().sum();
    (sum - (anomalies * (anomalies - 1) / 2) as f64) / (anomalies * count) as f64
}

#[test]
fn codes_cost_no_accuracy() {
    // A cloud, a cloud of integers and one with long tails; anomalies are 2.5 times as wide.
    type Shape = fn(f32) -> f32;
    let shapes: [(&str, Shape); 3] = [
        ("round", |value| value),
        ("integers", |value| (4.0 * value).round()),
        ("tails", |value| (4.0 * value).sinh()),
    ];
    const SEEDS: u64 = 4;
    for (name, shape) in shapes {
        for (features, sample_size) in [(8, 256), (3, 256), (5, 1024)] {
            let mut rows = cloud(4000, features, 12);
            rows.extend(cloud(400, features, 13).into_iter().map(|value| 2.5 * value));
            rows.iter_mut().for_each(|value| *value = shape(*value));
            let (mut worst, mut agreement, mut loss) = (0_f32, 0.0, 0.0);
            for seed in 0..SEEDS {
                let params = ForestParams { trees: 100, sample_size, seed };
                let exact = exact_scores(&rows, features, &params);
                let coded = score_all(&Forest::fit(&rows, features, &params).unwrap(), &rows);
                worst = coded.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(worst, f32::max);
                agreement += spearman(&coded, &exact) / SEEDS as f64;
                loss += (auc(&exact, 400) - auc(&coded, 400)) / SEEDS as f64;
            }
            let figures = format!("{name}, {features} features, {sample_size} rows: {worst} {agreement} {loss}");
            assert!(worst < 0.025 && agreement > 0.995 && loss < 0.001, "{figures}");
        }
    }
}

/// Scores `rows` one by one and by every layout there is.
fn assert_all_ways_are_equal(forest: &Forest, rows: &[f32]) {
    let single: Vec<f32> = rows.chunks(forest.features()).map(|row| forest.score(row)).collect();
    assert_eq!(score_all(forest, rows), single);
    for layout in Layout::available() {
        let mut scores = vec![0.0; single.len()];
        forest.score_batch_by(layout, rows, &mut scores);
        assert_eq!(scores, single, "{layout:?}");
    }
}

#[test]
fn trees_of_every_depth_are_scored_alike() {
    let rows = cloud(SAMPLE_SIZE_MAX, 3, 15);
    for sample_size in (1..=12).map(|levels| 1 << levels) {
        let forest = Forest::fit(&rows, 3, &ForestParams { trees: 9, sample_size, seed: 1 }).unwrap();
        assert_all_ways_are_equal(&forest, &rows);
    }
}

proptest! {
    #[test]
    fn all_ways_of_scoring_are_equal(
        count in prop_oneof![4 => 0_usize..400, 1 => 1000_usize..1500],
        features in prop_oneof![3 => 1_usize..20, 2 => 20_usize..40, 1 => Just(FEATURES_MAX)],
        trees in prop_oneof![9 => 1_usize..20, 1 => Just(300)],
        sample_size in prop_oneof![4 => 1_usize..400, 1 => 400_usize..=SAMPLE_SIZE_MAX],
        scale in prop_oneof![Just(1.0_f32), Just(1e30), Just(f32::INFINITY)],
        seed in any::<u64>(),
    ) {
        let count = count.min(20_000 / features);
        let mut rows = cloud(count, features, seed);
        for (at, value) in rows.iter_mut().enumerate().skip((seed % 50) as usize).step_by(101) {
            *value = if at % 2 == 0 { f32::NAN } else { *value * scale };
        }
        let forest = Forest::fit(&rows, features, &ForestParams { trees, sample_size, seed }).unwrap();
        assert_all_ways_are_equal(&forest, &rows);
    }

    #[test]
    fn any_bytes_are_refused_or_can_be_scored_by_all(
        mut bytes in Just(postcard::to_stdvec(&Forest::fit(
            &cloud(100, 2, 14), 2, &ForestParams { trees: 2, sample_size: 16, seed: 1 },
        ).unwrap()).unwrap()),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        value in any::<f32>(),
    ) {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(forest) = postcard::from_bytes::<Forest>(&bytes) {
            let rows = vec![value; 70 * forest.features()];
            let mut shares = vec![0.0; forest.features()];
            forest.attribute(&rows[..forest.features()], &mut shares);
            let score = forest.score(&rows[..forest.features()]);
            prop_assert!((0.0..=1.0).contains(&score));
            for layout in Layout::available() {
                let mut scores = [0.0; 70];
                forest.score_batch_by(layout, &rows, &mut scores);
                prop_assert_eq!(scores, [score; 70]);
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_can_be_scored(
        mut bytes in Just(postcard::to_stdvec(&HullForest::fit(
            &(0..=255).map(Code).collect::<Vec<_>>(), &[1.0, 2.0], &ForestParams { trees: 2, sample_size: 16, seed: 1 },
        ).unwrap()).unwrap()),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        code in any::<u8>(),
    ) {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(forest) = postcard::from_bytes::<HullForest>(&bytes) {
            let row = vec![Code(code); forest.features()];
            let mut shares = vec![0.0; forest.features()];
            forest.attribute(&row, &mut shares);
            prop_assert!(forest.relative_depth(&row) >= 0.0);
        }
    }
}
