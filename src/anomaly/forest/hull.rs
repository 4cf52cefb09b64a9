//! The small isolation forest of a workload, in which rows far outside keep getting shallower.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::batch::count_rows;
use super::grow::{Grower, Split, Tree};
use super::{Code, ForestError, ForestParams, SAMPLE_SIZE_MAX, credit, depth_limit, normalise, share_out, usual_path};

/// Parts of 1 in which a path length is kept; the longest possible path, 12 + c(4096), still fits 16 bits.
const PATH_UNIT: f32 = 2048.0;

/// An isolation forest over rows of [`Code`]s with hull exits.
///
/// Every node keeps the range \[lo, hi\] that its feature had among the node's own rows. A row that lies `e` outside is
/// cut off right there with probability `e / (hi - lo + e)`, which is the chance that a cut drawn over the range widened
/// to the row falls between the row and all others; with the rest of its weight it walks on. The depth of a row
/// is the expected one. So depth falls towards 0 the further out a row lies, where a plain forest gives the same to
/// 6 deviations and to 60.
///
/// A row is scored by its [relative depth](Self::relative_depth). Features have weights: the chance to be cut.
///
/// Memory: 10 bytes for each cut. Few branches reach the depth limit, so that 32 trees of 128 rows have a thousand cuts
/// where complete trees would have four thousand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct HullForest {
    features: usize,
    /// Rows each tree was grown on.
    sample: usize,
    /// Place of each tree's first node.
    roots: Vec<u32>,
    /// Each before those below it.
    nodes: Vec<Node>,
}

/// A cut and the range it was drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    feature: u8,
    /// Codes from here on go right; 1 at least.
    cut: Code,
    lo: Code,
    hi: Code,
    /// Share of the sample's rows that went left, in 255ths.
    left: u8,
    /// Bits: whether the branch ends for rows that go left (1) and right (2).
    ends: u8,
    /// For rows that go left and right: where the branch ends its path length in units of 1 / [`PATH_UNIT`], else how far
    /// on the next node is.
    next: [u16; 2],
}

impl Node {
    /// Stands for a tree without cuts: no code is outside, and no real cut is 0.
    fn lone(path: u16) -> Self {
        Self { feature: 0, cut: Code(0), lo: Code(0), hi: Code(255), left: 0, ends: 3, next: [path; 2] }
    }

    fn ends(self, side: usize) -> bool {
        self.ends >> side & 1 == 1
    }

    /// Probability that a row with `code` is cut off here from all rows the node has seen.
    fn exit(self, code: Code) -> f32 {
        if code >= self.lo && code <= self.hi {
            return 0.0;
        }
        let (lo, hi, value) = (self.lo.value(), self.hi.value(), code.value());
        let outside = (value - hi).max(lo - value);
        outside / (hi - lo + outside)
    }
}

impl HullForest {
    /// Grows a forest on `rows`, one after the other, with a code for each of `weights`, which are the chances of the
    /// features to be cut relative to each other. Time: 0.3 ms for 32 trees of 128.
    ///
    /// # Errors
    ///
    /// If the parameters or weights are out of range or the codes are not whole rows. Having no or few rows is not an
    /// error.
    pub fn fit(rows: &[Code], weights: &[f32], params: &ForestParams) -> Result<Self, ForestError> {
        params.check()?;
        let features = weights.len();
        let count = count_rows(rows.len(), features)?;
        let total: f32 = weights.iter().sum();
        if weights.iter().any(|weight| *weight < 0.0) || !total.is_finite() || total <= 0.0 {
            return Err(ForestError::Weights);
        }
        let sample = params.sample_size.min(count);
        let mut growing = Growing { nodes: Vec::new(), above: vec![0; depth_limit(sample) as usize] };
        let mut grower = Grower::new(count, sample, weights, params.seed);
        let roots = (0..params.trees).map(|_| {
            let root = growing.nodes.len() as u32;
            grower.grow(&mut growing, |row, feature| rows[row * features + feature].value());
            root
        });
        let roots = roots.collect();
        growing.nodes.shrink_to_fit();
        Ok(Self { features, sample, roots, nodes: growing.nodes })
    }

    /// Codes in a row.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// Bytes the forest takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.nodes.capacity() * size_of::<Node>() + self.roots.capacity() * size_of::<u32>()
    }

    /// Expected depth of `row` against the usual one of the sample: about 1 and above for the crowd, falling to 0 the
    /// further outside a row is. 1 when the forest was grown on less than two rows and has nothing to say.
    ///
    /// # Panics
    ///
    /// If `row` does not have [`features`](Self::features) codes.
    #[must_use]
    pub fn relative_depth(&self, row: &[Code]) -> f32 {
        assert_eq!(row.len(), self.features, "codes in a row");
        let usual = usual_path(self.sample) as f32;
        if usual == 0.0 {
            return 1.0;
        }
        let mut sum = 0.0;
        for root in &self.roots {
            // Weight of the row that has not been cut off yet, and depth of what has.
            let (mut live, mut level, mut at) = (1.0, 0.0, *root as usize);
            loop {
                let node = self.nodes[at];
                let code = row[usize::from(node.feature)];
                if code < node.lo || code > node.hi {
                    let exit = node.exit(code);
                    sum += live * exit * level;
                    live *= 1.0 - exit;
                }
                let side = usize::from(code >= node.cut);
                if node.ends(side) {
                    sum += live * (f32::from(node.next[side]) / PATH_UNIT);
                    break;
                }
                at += usize::from(node.next[side]);
                level += 1.0;
            }
        }
        sum / (self.roots.len() as f32 * usual)
    }

    /// Share of each feature in a row's isolation, into `shares`; they sum to 1.
    ///
    /// As [`Forest::attribute`](super::Forest::attribute), and where a row is cut off outside the range of a node, that
    /// node's feature gets all the credit of that part of the row.
    ///
    /// # Panics
    ///
    /// If `row` or `shares` does not have [`features`](Self::features) elements.
    pub fn attribute(&self, row: &[Code], shares: &mut [f32]) {
        assert_eq!(row.len(), self.features, "codes in a row");
        assert_eq!(shares.len(), self.features, "shares");
        shares.fill(0.0);
        let limit = depth_limit(self.sample);
        let mut path = Vec::with_capacity(limit as usize);
        for root in &self.roots {
            path.clear();
            let (mut live, mut at) = (1.0, *root as usize);
            while self.nodes[at].cut > Code(0) {
                let node = self.nodes[at];
                let code = row[usize::from(node.feature)];
                let exit = node.exit(code);
                shares[usize::from(node.feature)] += live * exit * credit(path.len() as u32 + 1, limit);
                live *= 1.0 - exit;
                let side = usize::from(code >= node.cut);
                path.push((node.feature, if side == 1 { node.left } else { 255 - node.left }));
                if node.ends(side) {
                    break;
                }
                at += usize::from(node.next[side]);
            }
            share_out(&path, limit, live, shares);
        }
        normalise(shares);
    }

    /// Whether all parts fit together, so that nothing can panic later.
    fn check(&self) -> Result<(), ForestError> {
        let Self { features, sample, ref roots, ref nodes } = *self;
        count_rows(0, features)?;
        if roots.is_empty() {
            return Err(ForestError::NoTrees);
        }
        if sample > SAMPLE_SIZE_MAX {
            return Err(ForestError::SampleSize { got: sample });
        }
        if !roots.iter().all(|root| (*root as usize) < nodes.len()) {
            return Err(ForestError::Damaged("number of nodes"));
        }
        // Every walk goes forward, so that it ends.
        let goes_on = |at: usize, next: u16| next > 0 && at + usize::from(next) < nodes.len();
        let sound = |(at, node): (usize, &Node)| {
            let goes_on = (0..2).all(|side| node.ends(side) || goes_on(at, node.next[side]));
            usize::from(node.feature) < features && node.lo < node.hi && goes_on
        };
        if !nodes.iter().enumerate().all(sound) {
            return Err(ForestError::Damaged("node"));
        }
        Ok(())
    }
}

/// Trees as they grow, each branch after the other.
struct Growing {
    nodes: Vec<Node>,
    /// Places of the nodes above the branch at hand, by level.
    above: Vec<usize>,
}

impl Growing {
    /// Tells the node above a slot what is there.
    fn link(&mut self, slot: usize, ends: bool, next: impl Fn(usize) -> u16) {
        if let Some(level) = (slot / 2).checked_ilog2() {
            let above = self.above[level as usize];
            let node = &mut self.nodes[above];
            node.ends |= u8::from(ends) << (slot % 2);
            node.next[slot % 2] = next(above);
        }
    }
}

impl Tree for Growing {
    fn split(&mut self, slot: usize, split: Split) {
        let here = self.nodes.len();
        self.link(slot, false, |above| (here - above) as u16);
        self.above[slot.ilog2() as usize] = here;
        self.nodes.push(Node {
            feature: split.feature,
            cut: Code::at_least(split.cut),
            lo: Code::of(split.lo),
            hi: Code::of(split.hi),
            left: split.left,
            ends: 0,
            next: [0; 2],
        });
    }

    fn leaf(&mut self, slot: usize, depth: u32, size: usize) {
        let path = ((depth as f32 + usual_path(size) as f32) * PATH_UNIT).round() as u16;
        if depth == 0 {
            self.nodes.push(Node::lone(path));
        }
        self.link(slot, true, |_| path);
    }
}

impl Serialize for HullForest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for HullForest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let forest = Self::deserialize(deserializer)?;
        forest.check().map_err(de::Error::custom)?;
        Ok(forest)
    }
}
