//! Templates that are about the same: average linkage on the distance 1 − cosine, of those with most lines; the others go
//! to the nearest.

use std::collections::BTreeMap;

use linfa::{ParamGuard, traits::Transformer};
use linfa_hierarchical::HierarchicalCluster;
use linfa_kernel::{Kernel, KernelMethod};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};

/// Templates that are compared each with each; time and memory go with the square.
const COMPARED: usize = 2_000;
/// Topics of a source, beside one of what fits nowhere.
const MOST: usize = 39;
/// Average distance at which two groups of templates are not joined any more; the later ones while there are too many groups.
const APART: [f32; 4] = [0.75, 0.8, 0.85, 0.9];
/// How alike the middle of a group a template must be to go to it afterwards, as a cosine.
const NEAR: f32 = 0.25;
/// Share of a source's lines that makes a topic of a template that is like no other: one in so many.
const SHARE: u64 = 100;

/// Rows that belong together.
#[derive(Debug)]
pub(super) struct Grouped {
    /// In no order; rows in theirs.
    pub(super) groups: Vec<Vec<usize>>,
    /// Rows that fit nowhere.
    pub(super) others: Vec<usize>,
}

/// Groups points of length 1 or 0, of which the first have most lines.
pub(super) fn group(points: &Array2<f32>, lines: &[u64]) -> Grouped {
    let compared = points.nrows().min(COMPARED);
    let sum = |group: &[usize]| group.iter().map(|row| lines[*row]).sum::<u64>();
    let all: u64 = lines.iter().sum();
    let is_topic = |group: &Vec<usize>| group.len() > 1 || sum(group).saturating_mul(SHARE) >= all;
    let mut groups = alike(points.slice(s![..compared, ..]), is_topic);
    // Those with most lines; equal ones in the order of their first rows.
    groups.sort_by_key(|group| std::cmp::Reverse(sum(group)));
    groups.truncate(MOST);
    let mut is_placed = vec![false; points.nrows()];
    groups.iter().flatten().for_each(|row| is_placed[*row] = true);
    let middles: Vec<_> = groups.iter().map(|group| middle(points, group)).collect();
    let mut others = Vec::new();
    for row in (0..points.nrows()).filter(|row| !is_placed[*row]) {
        let likeness = middles.iter().map(|middle| points.row(row).dot(middle));
        match likeness.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)) {
            Some((nearest, likeness)) if likeness >= NEAR => groups[nearest].push(row),
            _ => others.push(row),
        }
    }
    groups.iter_mut().for_each(|group| group.sort_unstable());
    Grouped { groups, others }
}

/// The direction of a group, of length 1 or 0.
fn middle(points: &Array2<f32>, group: &[usize]) -> Array1<f32> {
    let sum = group.iter().fold(Array1::<f32>::zeros(points.ncols()), |sum, row| sum + points.row(*row));
    let length = sum.dot(&sum).sqrt();
    if length > 0.0 { sum / length } else { sum }
}

/// Groups of points that are near each other on average, in the order of their first points; where they can be joined to
/// so few, not more than there may be. Those without a direction are a group of their own.
fn alike(points: ArrayView2<'_, f32>, is_topic: impl Fn(&Vec<usize>) -> bool) -> Vec<Vec<usize>> {
    let (pointing, idle): (Vec<usize>, Vec<usize>) =
        (0..points.nrows()).partition(|row| points.row(*row).iter().any(|x| *x != 0.0));
    // The logarithm that the linkage takes of a similarity makes the distance 1 − cosine of this one.
    let similarity = Kernel::params().method(KernelMethod::Gaussian(2.0));
    let mut kernel = similarity.transform(points.select(Axis(0), &pointing).view());
    let mut groups = Vec::new();
    for apart in APART {
        // Only what is no distance at all is refused.
        let Ok(linkage) = HierarchicalCluster::default().max_distance(apart).check() else { break };
        let linked = linkage.transform(kernel);
        kernel = linked.records;
        let mut clusters = BTreeMap::<usize, Vec<usize>>::new();
        for (row, cluster) in pointing.iter().zip(linked.targets) {
            clusters.entry(cluster).or_default().push(*row);
        }
        groups = clusters.into_values().chain((!idle.is_empty()).then(|| idle.clone())).filter(&is_topic).collect();
        if groups.len() <= MOST {
            break;
        }
    }
    groups.sort_unstable();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(angles: &[f32]) -> Array2<f32> {
        Array2::from_shape_fn((angles.len(), 2), |(row, column)| {
            let angle = angles[row].to_radians();
            if angles[row].is_nan() { 0.0 } else { [angle.cos(), angle.sin()][column] }
        })
    }

    #[test]
    fn near_ones_are_together_and_what_is_like_none_needs_lines() {
        let points = points(&[0.0, 120.0, 5.0, 125.0, 240.0, 10.0]);
        let many = group(&points, &[90, 80, 70, 60, 50, 40]);
        assert_eq!(many.groups, [vec![0, 2, 5], vec![1, 3], vec![4]]);
        let few = group(&points, &[90, 80, 70, 60, 2, 1]);
        assert_eq!((few.groups, few.others), (vec![vec![0, 2, 5], vec![1, 3]], vec![4]));
    }

    #[test]
    fn what_says_nothing_is_together() {
        let found = group(&points(&[f32::NAN, 30.0, f32::NAN]), &[5, 5, 5]);
        assert_eq!(found.groups, [vec![0, 2], vec![1]]);
        let none = group(&points(&[]), &[]);
        assert!(none.groups.is_empty() && none.others.is_empty());
    }

    #[test]
    fn there_are_only_so_many_and_those_behind_go_to_the_nearest() {
        let mut axes = Array2::zeros((COMPARED + 60, 60));
        for row in 0..COMPARED + 60 {
            axes[[row, row % 60]] = 1.0;
        }
        let found = group(&axes, &vec![1; COMPARED + 60]);
        assert_eq!(found.groups.len(), MOST);
        assert!(found.groups.iter().flatten().any(|row| *row >= COMPARED));
        assert_eq!(found.groups.iter().map(Vec::len).sum::<usize>() + found.others.len(), COMPARED + 60);
    }
}
