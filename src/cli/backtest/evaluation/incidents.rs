//! Incidents as a table: `start,end[,name][,file or series]`, a line each.

use anyhow::{Context as _, bail};

use super::labels::{About, Incident, Incidents, moment, window};
use crate::{cli::backtest::time::parse_time, promql::parse_selector};

/// Headings of the column that says what an incident is about; the first is for files, the others for selectors.
const ABOUT: [&str; 3] = ["file", "series", "matcher"];
/// Numbers from here on are taken for Unix times where nothing else says so: 1973 and later in seconds.
const UNIX_TIME_LEAST: f64 = 1e8;

/// Places of the columns.
struct Columns {
    start: usize,
    end: usize,
    name: Option<usize>,
    about: Option<usize>,
    /// Whether a name without braces is a metric's and not a file's.
    is_series: bool,
}

impl Columns {
    /// Of a first line that holds headings; `None` where there is no start or no end.
    fn named(cells: &[String]) -> Option<Self> {
        let place = |name: &str| cells.iter().position(|cell| cell.trim().eq_ignore_ascii_case(name));
        let about = ABOUT.iter().find_map(|name| place(name).map(|column| (column, *name != ABOUT[0])));
        Some(Self {
            start: place("start")?,
            end: place("end")?,
            name: place("name"),
            about: about.map(|(column, _)| column),
            is_series: about.is_some_and(|(_, is_series)| is_series),
        })
    }

    /// Of a file without headings.
    fn unnamed() -> Self {
        Self { start: 0, end: 1, name: Some(2), about: Some(3), is_series: false }
    }
}

/// Lines with something in them, with their numbers from 1; `#` begins a remark.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn separator(line: &str) -> char {
    line.chars().find(|c| matches!(c, ',' | ';' | '\t')).unwrap_or(',')
}

/// Whether this is such a table: by its headings, or because its first two cells are times.
pub(super) fn is_table(text: &str) -> bool {
    let Some((_, first)) = lines(text).next() else { return false };
    let Ok(cells) = split(first, separator(first)) else { return false };
    Columns::named(&cells).is_some() || (cells.len() > 1 && cells[..2].iter().all(|cell| looks_like_time(cell)))
}

fn looks_like_time(cell: &str) -> bool {
    parse_time(cell).is_some() || cell.trim().parse::<f64>().is_ok_and(|number| number >= UNIX_TIME_LEAST)
}

/// # Errors
/// A line that cannot be understood, with its number.
pub(super) fn parse(text: &str) -> anyhow::Result<Incidents> {
    let mut lines = lines(text).peekable();
    let separator = lines.peek().map_or(',', |(_, first)| separator(first));
    let named = lines.peek().and_then(|(_, first)| Columns::named(&split(first, separator).ok()?));
    let columns = match named {
        Some(columns) => {
            lines.next();
            columns
        }
        None => Columns::unnamed(),
    };
    let read = |(number, line)| {
        let origin = format!("line {number}");
        let incident = incident(line, separator, &columns, origin.clone());
        incident.context(origin)
    };
    let all = lines.map(read).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Incidents { all, files: None })
}

fn incident(line: &str, separator: char, columns: &Columns, origin: String) -> anyhow::Result<Incident> {
    let cells = split(line, separator)?;
    let cell = |column: Option<usize>| {
        column.and_then(|column| cells.get(column)).map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
    };
    let (Some(start), Some(end)) = (cell(Some(columns.start)), cell(Some(columns.end))) else {
        bail!("start and end are both needed, here is {line:?}");
    };
    let about = match cell(columns.about) {
        None => About::Anything,
        Some(about) if columns.is_series || about.contains('{') => About::Series(
            parse_selector(about)
                .with_context(|| format!("{about:?} is not a selector; write {{namespace=\"shop\"}}, in quotes"))?,
        ),
        Some(about) => About::File(about.to_owned()),
    };
    let window = window(moment(start).context("start")?, moment(end).context("end")?)?;
    Ok(Incident { origin, window, name: cell(columns.name).map(str::to_owned), about })
}

/// The cells of a line; within quotes the separator is text and two quotes are one. Quotes elsewhere in a cell are text.
fn split(line: &str, separator: char) -> anyhow::Result<Vec<String>> {
    let mut cells = vec![String::new()];
    let (mut quoted, mut fresh) = (false, true);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let Some(cell) = cells.last_mut() else { break };
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if fresh => quoted = true,
            c if c == separator && !quoted => {
                cells.push(String::new());
                fresh = true;
                continue;
            }
            c if c.is_whitespace() && fresh && !quoted => continue,
            c => cell.push(c),
        }
        fresh = false;
    }
    if quoted {
        bail!("a quote is opened and never closed");
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn headings_say_which_column_is_which() {
        let text = "# ours\nName;END;start;file\n\nfull disk;2026-01-01 02:00;2026-01-01T01:00:00Z;db/disk.csv\n;1767232800;1767229200;\n";
        assert!(is_table(text));
        let incidents = parse(text).unwrap().all;
        assert_eq!(incidents[0].window, (1_767_229_200_000, 1_767_232_800_000));
        assert_eq!((incidents[0].name.as_deref(), incidents[0].origin.as_str()), (Some("full disk"), "line 4"));
        assert!(matches!(&incidents[0].about, About::File(file) if file == "db/disk.csv"));
        assert_eq!((incidents[1].window, incidents[1].name.as_deref()), (incidents[0].window, None));
        assert!(matches!(incidents[1].about, About::Anything));
    }

    #[test]
    fn without_headings_the_order_says_it_and_a_selector_is_known_by_its_braces() {
        let text = "1767229200,1767232800,slow,\"{namespace=\"\"shop\"\",pod=~\"\"cart.*\"\"}\"\n1767229200000,1767232800000\n";
        assert!(is_table(text));
        let incidents = parse(text).unwrap().all;
        assert_eq!(incidents[0].window, incidents[1].window);
        let About::Series(alternatives) = &incidents[0].about else { panic!("{:?}", incidents[0].about) };
        assert_eq!(alternatives[0].len(), 2);
        let named = parse("start,end,series\n1767229200,1767232800,up\n").unwrap().all;
        assert!(matches!(named[0].about, About::Series(_)));
    }

    #[test]
    fn rows_with_a_label_are_no_incidents() {
        for text in ["timestamp,label\n1767229200,0\n", "2026-01-01,0\n2026-01-02,1\n", "label\n0\n", "0\n1\n"] {
            assert!(!is_table(text), "{text}");
        }
    }

    #[test]
    fn a_bad_line_is_told_with_its_number_and_what_to_write() {
        assert!(
            error("start,end\nyesterday,now\n").contains("line 2: start: \"yesterday\" is not a time; write 2026-")
        );
        assert!(error("start,end\n\n2026-01-02,\n").contains("line 3: start and end are both needed"));
        let swapped = error("start,end\n2026-01-02,2026-01-01\n");
        assert!(swapped.contains("line 2: it ends at 2026-01-01T00:00:00Z, before its start"), "{swapped}");
        assert!(error("start,end,name\n2026-01-01,2026-01-02,\"x\n").contains("line 2: a quote is opened"));
        assert!(error("start,end,series\n2026-01-01,2026-01-02,a b\n").contains("is not a selector"));
    }
}
