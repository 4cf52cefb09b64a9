use super::*;

fn ranked(labelled: &[RangeInclusive<usize>], score: &[f64]) -> Ranked {
    let labelled = (0..score.len()).map(|row| labelled.iter().any(|run| run.contains(&row))).collect();
    Ranked { score: score.to_vec(), labelled }
}

/// A case with what is expected of it.
#[derive(serde::Deserialize)]
struct Golden {
    name: String,
    rows: usize,
    labelled: Vec<(usize, usize)>,
    vus_pr: f64,
    auc_pr: f64,
    score: Vec<f64>,
}

/// Seeded random scores of two decimals; what is expected of them was computed with an evaluation script in numpy that
/// agrees with TSB-AD's own figures to six digits (buffers up to 100 rows, 250 cuts).
#[test]
fn figures_are_those_of_the_benchmark() {
    let cases: Vec<Golden> = serde_json::from_str(include_str!("golden.json")).unwrap();
    assert_eq!(cases.len(), 9);
    for Golden { name, rows, labelled, vus_pr: vus, auc_pr: auc, score } in cases {
        assert_eq!(score.len(), rows, "{name}");
        let runs: Vec<_> = labelled.into_iter().map(|(first, last)| first..=last).collect();
        let part = ranked(&runs, &score);
        assert_eq!(part.runs(), runs, "{name}");
        let (vus_here, auc_here) = (vus_pr(&[&part]).unwrap(), auc_pr(&[&part]).unwrap());
        assert!((vus_here - vus).abs() < 1e-6, "{name}: {vus_here} is not {vus}");
        assert!((auc_here - auc).abs() < 1e-6, "{name}: {auc_here} is not {auc}");
    }
}

#[test]
fn without_rows_of_both_kinds_there_is_nothing_to_rank() {
    let (none, all, empty) = (ranked(&[], &[0.1, 0.9]), ranked(&[0..=1], &[0.1, 0.9]), Ranked::default());
    for part in [&none, &all, &empty] {
        assert_eq!((vus_pr(&[part]), auc_pr(&[part])), (None, None));
    }
    assert_eq!(auc_pr(&[]), None);
    assert_eq!(auc_pr(&[&none, &all]), Some(0.5), "together they have both");
}

#[test]
fn a_constant_score_is_worth_the_share_of_labelled_rows() {
    let part = ranked(&[2..=3], &[0.7; 10]);
    assert!((auc_pr(&[&part]).unwrap() - 0.2).abs() < 1e-12);
}

#[test]
fn a_score_that_is_no_number_counts_as_zero() {
    let score = [0.5, f64::NAN, 0.2, f64::NAN, 0.0];
    let zeros = score.map(|score| if score.is_nan() { 0.0 } else { score });
    let (with, without) = (ranked(&[1..=2], &score), ranked(&[1..=2], &zeros));
    assert_eq!(auc_pr(&[&with]), auc_pr(&[&without]));
    assert_eq!(vus_pr(&[&with]), vus_pr(&[&without]));
}

#[test]
fn the_order_of_equal_scores_does_not_matter() {
    let (first, last) = (ranked(&[0..=1], &[0.5; 4]), ranked(&[2..=3], &[0.5; 4]));
    assert_eq!(auc_pr(&[&first]), auc_pr(&[&last]));
}

#[test]
fn rows_of_different_files_are_no_neighbours() {
    let mut score = vec![0.0; 60];
    score[0] = 1.0;
    let (wrong, fine) = (ranked(&[55..=59], &[0.5; 60]), ranked(&[], &score));
    let apart = vus_pr(&[&wrong, &fine]).unwrap();
    let mut joined = wrong.clone();
    joined.score.extend(fine.score);
    joined.labelled.extend(fine.labelled);
    let joined = vus_pr(&[&joined]).unwrap();
    assert!(apart < joined, "the score that follows the window is no part of it: {apart} {joined}");
}
