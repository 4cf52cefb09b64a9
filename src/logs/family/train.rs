//! Training of the classifier, and how well it does on systems whose lines it was not given.

use std::collections::{BTreeMap, BTreeSet};

use linfa::{Dataset, traits::Fit};
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Family, THRESHOLD, likeliest,
    model::{CLASSES, Model, Probabilities, Table, vector},
    terms::terms,
};

/// A term is known when so many lines of the corpus have it.
const LINES_MIN: usize = 2;
/// Strength of the quadratic penalty on weights.
const PENALTY: f32 = 0.01;
/// Most steps of the optimiser (L-BFGS).
const STEPS: u64 = 60;

/// Lines with their families.
#[derive(Debug)]
pub struct Corpus {
    hash: u64,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    /// The program, or kind of program, that writes so.
    system: String,
    /// `None` for ordinary lines.
    family: Option<Family>,
    text: String,
}

/// What is wrong with a corpus.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// A line is not `system`, `family` and text with tabs between.
    #[error("line {0} is not a system, a family and a text with tabs between them")]
    Line(usize),
    /// Nothing to learn from.
    #[error("it has no line of {0}")]
    Absent(String),
    /// The optimiser gave up.
    #[error("no weights were found: {0}")]
    Unsolved(String),
    /// Memory ran out, or the like.
    #[error("cannot be written: {0}")]
    Encoding(String),
}

impl Corpus {
    /// Reads lines of `system`, family (`none` for ordinary lines) and text, with tabs between.
    ///
    /// # Errors
    /// A line is something else.
    pub fn parse(text: &str) -> Result<Self, TrainError> {
        let line = |(at, line): (usize, &str)| {
            let error = TrainError::Line(at + 1);
            let [system, family, text] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else { return Err(error) };
            let family = match family {
                "none" => None,
                name => Some(Family::from_name(name).ok_or(error)?),
            };
            Ok(Line { system: system.to_owned(), family, text: text.to_owned() })
        };
        let lines = text.lines().enumerate().map(line).collect::<Result<_, _>>()?;
        Ok(Self { hash: xxh3_64(text.as_bytes()), lines })
    }

    /// The bytes of a model of all lines.
    ///
    /// # Errors
    /// A family has no line, or no weights were found.
    pub fn train(&self) -> Result<Vec<u8>, TrainError> {
        let lines: Vec<&Line> = self.lines.iter().collect();
        let table = Table { corpus: self.hash, ..fit(&lines)? };
        table.encode().map_err(|error| TrainError::Encoding(error.to_string()))
    }

    /// How well models do on systems that they were not trained on: each system in turn is left out.
    ///
    /// # Errors
    /// As for [`Corpus::train`].
    pub fn evaluate(&self) -> Result<Evaluation, TrainError> {
        let systems: BTreeSet<&str> = self.lines.iter().map(|line| line.system.as_str()).collect();
        let mut evaluation = Evaluation { lines: self.lines.len(), systems: systems.len(), ..Evaluation::default() };
        for system in systems {
            let (out, rest): (Vec<_>, Vec<_>) = self.lines.iter().partition(|line| line.system == system);
            let model = Model::new(fit(&rest)?);
            for line in out {
                evaluation.count(line.family, &model.probabilities(&line.text));
            }
        }
        Ok(evaluation)
    }
}

/// Class of a line: 0 for ordinary ones.
fn class(family: Option<Family>) -> usize {
    family.map_or(0, |family| family as usize + 1)
}

/// Weights from lines. The same lines give the same weights on the same kind of machine.
fn fit(lines: &[&Line]) -> Result<Table, TrainError> {
    let classes: BTreeSet<usize> = lines.iter().map(|line| class(line.family)).collect();
    if let Some(absent) = (0..CLASSES).find(|class| !classes.contains(class)) {
        let family = absent.checked_sub(1).map_or("none", |family| Family::ALL[family].as_str());
        return Err(TrainError::Absent(family.to_owned()));
    }
    let mut lines_with: BTreeMap<String, usize> = BTreeMap::new();
    for (term, _) in lines.iter().flat_map(|line| terms(&line.text)) {
        *lines_with.entry(term).or_default() += 1;
    }
    lines_with.retain(|_, lines| *lines >= LINES_MIN);
    let rows: BTreeMap<&str, (u32, u32)> =
        lines_with.iter().zip(0..).map(|((term, lines), row)| (term.as_str(), (row, *lines as u32))).collect();

    let mut x = Array2::<f32>::zeros((lines.len(), rows.len()));
    for (at, line) in lines.iter().enumerate() {
        for (row, weight) in vector(&line.text, lines.len() as u32, |term| rows.get(term).copied()) {
            x[[at, row as usize]] = weight;
        }
    }
    let y: Array1<usize> = lines.iter().map(|line| class(line.family)).collect();
    let solver = MultiLogisticRegression::default().alpha(PENALTY).max_iterations(STEPS);
    let fitted = solver.fit(&Dataset::new(x, y)).map_err(|error| TrainError::Unsolved(error.to_string()))?;

    // All classes were there, so that their columns are in order.
    let found = fitted.params();
    let mut units = [0.0_f32; CLASSES];
    for row in found.rows() {
        units.iter_mut().zip(row).for_each(|(unit, weight)| *unit = unit.max(weight.abs() / 127.0));
    }
    let quantised =
        |row: usize| std::array::from_fn(|c| (found[[row, c]] / units[c].max(f32::MIN_POSITIVE)).round() as i8);
    Ok(Table {
        corpus: 0,
        lines: lines.len() as u32,
        terms: lines_with.keys().cloned().collect(),
        lines_with: lines_with.values().map(|lines| u16::try_from(*lines).unwrap_or(u16::MAX)).collect(),
        weights: (0..found.nrows()).map(quantised).collect(),
        units,
        intercepts: std::array::from_fn(|class| fitted.intercept()[class]),
    })
}

/// Verdicts on lines of systems that were left out.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// Lines of the corpus.
    pub lines: usize,
    /// Systems of the corpus.
    pub systems: usize,
    /// Ordinary lines.
    pub ordinary: usize,
    /// Ordinary lines of which a family was told.
    pub false_alarms: usize,
    /// What was told at the threshold, by family.
    pub told: [Counts; Family::ALL.len()],
    /// What was likeliest, a family or nothing, whatever its probability.
    pub likeliest: [Counts; Family::ALL.len()],
}

/// What became of the lines of a family.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Lines of it.
    pub lines: usize,
    /// Lines called so.
    pub called: usize,
    /// Lines called so rightly.
    pub right: usize,
}

impl Counts {
    fn count(all: &mut [Self], truth: Option<Family>, called: Option<Family>) {
        truth.into_iter().for_each(|family| all[family as usize].lines += 1);
        called.into_iter().for_each(|family| all[family as usize].called += 1);
        truth.filter(|_| truth == called).into_iter().for_each(|family| all[family as usize].right += 1);
    }

    /// Share of what was called so that is.
    #[must_use]
    pub fn precision(&self) -> f64 {
        self.right as f64 / self.called.max(1) as f64
    }

    /// Share of its lines that were called so.
    #[must_use]
    pub fn recall(&self) -> f64 {
        self.right as f64 / self.lines.max(1) as f64
    }

    /// Harmonic mean of both.
    #[must_use]
    pub fn f1(&self) -> f64 {
        2.0 * self.right as f64 / (self.lines + self.called).max(1) as f64
    }
}

impl Evaluation {
    fn count(&mut self, truth: Option<Family>, probabilities: &Probabilities) {
        let (family, probability) = likeliest(probabilities);
        let told = (probability >= THRESHOLD).then_some(family);
        Counts::count(&mut self.told, truth, told);
        Counts::count(&mut self.likeliest, truth, (probability > probabilities[0]).then_some(family));
        if truth.is_none() {
            self.ordinary += 1;
            self.false_alarms += usize::from(told.is_some());
        }
    }

    /// Mean F1 of the families.
    #[must_use]
    pub fn macro_f1(counts: &[Counts]) -> f64 {
        counts.iter().map(Counts::f1).sum::<f64>() / counts.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: &str = include_str!("../../../models/families.tsv");

    /// Every so manieth line of the corpus.
    fn excerpt(step: usize) -> String {
        CORPUS.lines().step_by(step).map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn the_same_lines_give_the_same_bytes() {
        let corpus = Corpus::parse(&excerpt(6)).unwrap();
        let bytes = corpus.train().unwrap();
        assert_eq!(bytes, corpus.train().unwrap());
        let model = Model::decode(&bytes).unwrap();
        let right = corpus.lines.iter().filter(|line| {
            let probabilities = model.probabilities(&line.text);
            let (family, probability) = likeliest(&probabilities);
            (probability > probabilities[0]).then_some(family) == line.family
        });
        assert!(right.count() * 10 > corpus.lines.len() * 9, "what it was given is learnt");
    }

    #[test]
    fn the_corpus_is_whole() {
        let corpus = Corpus::parse(CORPUS).unwrap();
        for family in Family::ALL {
            let systems: BTreeSet<_> =
                corpus.lines.iter().filter(|line| line.family == Some(family)).map(|line| &line.system).collect();
            assert!(systems.len() >= 5, "{family}: {systems:?}");
        }
        let ordinary = corpus.lines.iter().filter(|line| line.family.is_none()).count();
        assert!(ordinary * 4 > corpus.lines.len(), "{ordinary}");
    }

    #[test]
    fn what_is_wrong_with_a_corpus_is_said() {
        assert_eq!(Corpus::parse("a\tnone\tx\na none x\n").unwrap_err(), TrainError::Line(2));
        assert_eq!(Corpus::parse("a\tnonsense\tx\n").unwrap_err(), TrainError::Line(1));
        let error = Corpus::parse("a\tnone\tx\n").unwrap().train().unwrap_err();
        assert_eq!(error, TrainError::Absent("out-of-memory".to_owned()));
    }
}
