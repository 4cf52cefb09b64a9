//! Labels laid beside data: which file a label is about, and which of its rows and windows are labelled.

use anyhow::{Context as _, bail};

use super::{
    alarms::Window,
    labels::{About, Incidents, Labels as Known},
    ranking::Ranked,
    rows::truths,
};
use crate::{
    cli::backtest::{
        files::{Input, without_ending},
        order::Order,
        table::{Column, Table},
    },
    signal::{Labels, TimestampMs},
};

/// Which labels are about a data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::backtest) enum Assigned {
    /// None: nobody looked through it.
    Nothing,
    /// A column of its own.
    Column,
    /// All rows of the label file.
    Rows,
    /// These of the incidents, as far as they lie within.
    Incidents(Vec<usize>),
}

/// What is true of a part of the replay.
#[derive(Debug, Default)]
pub(in crate::cli::backtest) struct Truth {
    /// Whether something was wrong, by place in the times of the replay.
    pub(super) labelled: Vec<bool>,
    pub(super) windows: Vec<Labelled>,
}

/// A labelled window of a part.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Labelled {
    pub(super) window: Window,
    pub(super) name: Option<String>,
    /// The series it is about; `None` for all.
    pub(super) columns: Option<Vec<usize>>,
    /// Its place among the incidents.
    pub(super) incident: Option<usize>,
}

/// Lays labels beside files. Returns what is about each of them, and what a user should know.
///
/// # Errors
/// Labels that are about no file, or may be about several.
pub(super) fn assign(labels: &Known, inputs: &[Input]) -> anyhow::Result<(Vec<Assigned>, Vec<String>)> {
    match labels {
        Known::Column(_) => Ok((vec![Assigned::Column; inputs.len()], Vec::new())),
        Known::Rows(_) if inputs.len() > 1 => bail!(
            "a label for each row can be about one file only, and there are {}: name the file, \
             or write incidents as start,end,name,file",
            inputs.len()
        ),
        Known::Rows(_) => Ok((vec![Assigned::Rows], Vec::new())),
        Known::Incidents(incidents) => assign_incidents(incidents, inputs),
    }
}

fn assign_incidents(incidents: &Incidents, inputs: &[Input]) -> anyhow::Result<(Vec<Assigned>, Vec<String>)> {
    // Where files are listed, what is not listed was not looked through.
    let blank = if incidents.files.is_some() { Assigned::Nothing } else { Assigned::Incidents(Vec::new()) };
    let mut assigned = vec![blank; inputs.len()];
    let mut strangers: Vec<&str> = Vec::new();
    for file in incidents.files.iter().flatten() {
        match place(file, inputs)? {
            Some(place) => assigned[place] = Assigned::Incidents(Vec::new()),
            None => strangers.push(file),
        }
    }
    let mut add = |place: usize, incident| match &mut assigned[place] {
        Assigned::Incidents(all) => all.push(incident),
        other => *other = Assigned::Incidents(vec![incident]),
    };
    let mut known = 0;
    for (number, incident) in incidents.all.iter().enumerate() {
        match &incident.about {
            About::Anything | About::Series(_) => (0..inputs.len()).for_each(|place| add(place, number)),
            About::File(file) => match place(file, inputs).with_context(|| incident.origin.clone())? {
                Some(place) => add(place, number),
                None if strangers.contains(&file.as_str()) => continue,
                None => {
                    strangers.push(file);
                    continue;
                }
            },
        }
        known += 1;
    }
    let listed = assigned.iter().any(|one| *one != Assigned::Nothing);
    if !listed || (known == 0 && !incidents.all.is_empty() && incidents.files.is_none()) {
        let first = |names: &[&str]| names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let here: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        bail!(
            "the labels are about no file that is replayed: they name {}, there is {}; write paths below the folder",
            first(&strangers),
            first(&here)
        );
    }
    let mut notes = Vec::new();
    // One file of many may well be replayed with the labels of all.
    if let (Some(first), true) = (strangers.first(), inputs.len() > 1) {
        notes.push(format!("labels name {} files that are not replayed, such as {first}", strangers.len()));
    }
    let unjudged: Vec<&Input> =
        inputs.iter().zip(&assigned).filter(|(_, one)| **one == Assigned::Nothing).map(|(input, _)| input).collect();
    if let Some(first) = unjudged.first() {
        notes.push(format!(
            "{} files are not listed in the labels and not judged, such as {}; an empty list says that nothing was wrong",
            unjudged.len(),
            first.name
        ));
    }
    Ok((assigned, notes))
}

/// The file that a label names: by its path below what is replayed, or by the end of its whole path.
fn place(name: &str, inputs: &[Input]) -> anyhow::Result<Option<usize>> {
    let bare = without_ending(name.trim_start_matches("./"));
    if let Some(place) = inputs.iter().position(|input| input.name == bare) {
        return Ok(Some(place));
    }
    let ends = |input: &Input| {
        let whole = input.path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        let before = without_ending(&whole).strip_suffix(bare).map(str::len);
        before.is_some_and(|before| before == 0 || whole.as_bytes()[before - 1] == b'/')
    };
    let found: Vec<usize> = (0..inputs.len()).filter(|place| ends(&inputs[*place])).collect();
    match found[..] {
        [] => Ok(None),
        [place] => Ok(Some(place)),
        [a, b, ..] => {
            bail!("{name:?} may be {} or {}: write its path below the folder", inputs[a].name, inputs[b].name)
        }
    }
}

/// The truth about a file: labels by row become windows, windows become labels by row. `column` is the label column of
/// the data, `series` the labels of its other columns.
pub(super) fn of_file(
    labels: &Known,
    assigned: &Assigned,
    column: Option<&Column>,
    (table, order): (&Table, &Order),
    series: &[Labels],
) -> anyhow::Result<Option<Truth>> {
    let by_row = match (assigned, labels) {
        (Assigned::Column, _) => match column {
            Some(column) => truths(column)?,
            None => return Ok(None),
        },
        (Assigned::Rows, Known::Rows(rows)) => rows.of(table, order)?,
        (Assigned::Incidents(chosen), Known::Incidents(incidents)) => {
            return Ok(Some(of_windows(incidents, chosen.iter().copied(), &order.at, series)));
        }
        _ => return Ok(None),
    };
    let labelled = order.row.iter().map(|row| by_row[*row]).collect();
    let ranked = Ranked { score: Vec::new(), labelled };
    let window = |run: std::ops::RangeInclusive<usize>| Labelled {
        window: (order.at[*run.start()], order.at[*run.end()]),
        name: None,
        columns: None,
        incident: None,
    };
    let windows = ranked.runs().into_iter().map(window).collect();
    Ok(Some(Truth { labelled: ranked.labelled, windows }))
}

/// The truth that incidents tell about moments: those of them that begin before the last and end after the first.
pub(super) fn of_windows(
    incidents: &Incidents,
    chosen: impl Iterator<Item = usize>,
    at: &[TimestampMs],
    series: &[Labels],
) -> Truth {
    let mut truth = Truth { labelled: vec![false; at.len()], windows: Vec::new() };
    let (Some(first), Some(last)) = (at.first(), at.last()) else { return truth };
    for number in chosen {
        let incident = &incidents.all[number];
        let (start, end) = incident.window;
        let columns = match &incident.about {
            About::Series(selectors) => {
                let picks = |series: &Labels| {
                    selectors.iter().any(|all| all.iter().all(|m| m.accepts(series.get(&m.name).unwrap_or_default())))
                };
                Some((0..series.len()).filter(|column| picks(&series[*column])).collect::<Vec<_>>())
            }
            About::Anything | About::File(_) => None,
        };
        if start > *last || end < *first || columns.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        let rows = at.partition_point(|at| *at < start)..at.partition_point(|at| *at <= end);
        truth.labelled[rows].fill(true);
        truth.windows.push(Labelled {
            window: incident.window,
            name: incident.name.clone(),
            columns,
            incident: Some(number),
        });
    }
    truth.windows.sort_by_key(|labelled| labelled.window);
    truth
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::backtest::evaluation::{incidents, windows},
        signal::METRIC_NAME,
    };

    fn inputs(paths: &[&str]) -> Vec<Input> {
        let input = |path: &&str| Input {
            path: format!("/data/set/{path}").into(),
            name: without_ending(path).into(),
            bytes: 1,
        };
        paths.iter().map(input).collect()
    }

    fn json(text: &str, paths: &[&str]) -> anyhow::Result<(Vec<Assigned>, Vec<String>)> {
        assign(&Known::Incidents(windows::parse(text).unwrap()), &inputs(paths))
    }

    fn table(text: &str, paths: &[&str]) -> anyhow::Result<(Vec<Assigned>, Vec<String>)> {
        assign(&Known::Incidents(incidents::parse(text).unwrap()), &inputs(paths))
    }

    #[test]
    fn windows_of_files_go_to_the_file_with_this_end_of_its_path() {
        let text = r#"{"b/cpu.csv": [[1, 2]], "set/a/cpu.csv": [[3, 4]], "c.csv": []}"#;
        let (assigned, notes) = json(text, &["a/cpu.csv.gz", "b/cpu.csv", "d.csv"]).unwrap();
        let one = |number| Assigned::Incidents(vec![number]);
        assert_eq!(assigned, [one(1), one(0), Assigned::Nothing]);
        assert!(notes[0].contains("1 files that are not replayed, such as c.csv"), "{notes:?}");
        assert!(notes[1].contains("such as d;"), "{notes:?}");
    }

    #[test]
    fn incidents_without_a_file_are_about_all_and_the_others_had_none() {
        let (assigned, notes) = table("start,end,file\n1,2,\n3,4,b.csv\n", &["a.csv", "b.csv"]).unwrap();
        assert_eq!(assigned, [Assigned::Incidents(vec![0]), Assigned::Incidents(vec![0, 1])]);
        assert!(notes.is_empty());
    }

    #[test]
    fn names_that_fit_no_file_or_two_are_refused() {
        let none = json(r#"{"x.csv": [[1, 2]]}"#, &["a.csv"]).unwrap_err();
        assert!(none.to_string().contains("they name x.csv, there is a"), "{none}");
        let none = table("start,end,file\n1,2,x\n", &["a.csv"]).unwrap_err();
        assert!(none.to_string().contains("about no file that is replayed"), "{none}");
        let two = table("start,end,file\n1,2,cpu.csv\n", &["a/cpu.csv", "b/cpu.csv"]).unwrap_err();
        assert!(format!("{two:#}").contains("line 2: \"cpu.csv\" may be a/cpu or b/cpu"), "{two:#}");
        assert_eq!(json(r#"{"pu.csv": []}"#, &["cpu.csv"]).map_err(|_| ()), Err(()), "half a name is no name");
    }

    #[test]
    fn windows_label_the_rows_within_and_pick_their_series() {
        let text = "start,end,series\n20,30,\n500,600,\n35,45,b\n5,9,\n0,99,nobody\n";
        let incidents = incidents::parse(text).unwrap();
        let series = ["a", "b"].map(|name| Labels::from_pairs([(METRIC_NAME, name)]));
        let at = [10_000, 20_000, 30_000, 40_000, 50_000];
        let truth = of_windows(&incidents, 0..5, &at, &series);
        assert_eq!(truth.labelled, [false, true, true, true, false]);
        let windows: Vec<_> = truth.windows.iter().map(|w| (w.window.0, w.columns.clone(), w.incident)).collect();
        assert_eq!(windows, [(20_000, None, Some(0)), (35_000, Some(vec![1]), Some(2))]);
    }
}
