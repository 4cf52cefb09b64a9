//! Models as text.

use std::fmt::Write as _;

use crate::server::{ModelView, ModelsView};

const HEADER: [&str; 8] = ["METRIC", "GENERATION", "TRAINED AT", "ROWS", "OF", "MEAN SCORE", "ISOLATED", "DRIFT"];

/// All models, a line each; the prior last.
pub(super) fn list(view: &ModelsView) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(view.items.iter().map(row));
    rows.extend(view.prior.iter().map(|prior| {
        let mut cells = row(prior);
        "(prior, where there is none)".clone_into(&mut cells[0]);
        cells
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut out = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    let _ = writeln!(out, "\n{} forests, generation {}", view.total, view.generation);
    out
}

fn row(model: &ModelView) -> [String; 8] {
    [
        model.family.clone(),
        model.generation.to_string(),
        model.trained_at.clone().unwrap_or_else(|| "-".to_owned()),
        model.rows.to_string(),
        model.rows_seen.to_string(),
        format!("{:.3}", model.quality.mean_score),
        format!("{:.1} %", 100.0 * model.quality.isolated_share),
        optional(model.quality.drift),
    ]
}

fn optional(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.3}"))
}

/// One model, a figure a line.
pub(super) fn one(model: &ModelView) -> String {
    let quality = &model.quality;
    let lines = [
        ("metric", model.family.clone()),
        ("generation", model.generation.to_string()),
        ("trained at", model.trained_at.clone().unwrap_or_else(|| "-".to_owned())),
        ("rows", format!("{} of {} seen, {} values each", model.rows, model.rows_seen, model.features)),
        ("trees", format!("{} on {} rows each", model.trees, model.sample_size)),
        ("mean score", format!("{:.3}", quality.mean_score)),
        ("isolated", format!("{:.1} % of rows score above 0.6", 100.0 * quality.isolated_share)),
        ("rank correlation", format!("{} with the sum of rarities", optional(quality.rank_correlation))),
        ("drift", format!("{} from the forest before", optional(quality.drift))),
    ];
    lines.iter().map(|(name, text)| format!("{name:17} {text}\n")).collect()
}
