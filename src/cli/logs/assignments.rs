//! The template of each line, as CSV.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use hashbrown::HashMap;

use crate::{
    cli::csv::field,
    logs::{Catalogue, TemplateNumber},
};

/// Writes a row for each line: its number from 1, the id and the text of its template, as they are known at the end.
pub(super) fn write(path: &Path, catalogue: &Catalogue, numbers: &[TemplateNumber]) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "line,template_id,template")?;
    let mut known: HashMap<TemplateNumber, String> = HashMap::new();
    for (at, number) in numbers.iter().enumerate() {
        let root = catalogue.root(*number);
        let rest =
            known.entry(root).or_insert_with(|| format!("{},{}", catalogue.id(root), field(&catalogue.text(root))));
        writeln!(out, "{},{rest}", at + 1)?;
    }
    out.flush()
}
