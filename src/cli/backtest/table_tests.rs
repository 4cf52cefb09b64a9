use std::path::PathBuf;

use polars::prelude::{IntoColumn as _, NamedFrom as _, ParquetWriter, Series, TimeUnit, df};

use super::*;

const START: TimestampMs = 1_767_225_600_000;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn read(&self, content: &str) -> Result<Table, TableError> {
        Table::read(&self.file("a.csv", content), &[])
    }
}

fn at(table: &Table) -> Vec<Option<TimestampMs>> {
    table.times.as_ref().unwrap().at.clone()
}

fn names(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn a_time_column_is_known_by_its_name_in_every_form() {
    let cases = [
        ("timestamp", "2026-01-01 00:00:00", "2026-01-01 00:01:00"),
        ("TIME", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
        ("Date", "2026-01-01T01:00:00+01:00", "2026-01-01T01:01:00+01:00"),
        ("_time", "1767225600", "1767225660"),
        ("ts", "1767225600000", "1767225660000"),
        ("datetime", "1767225600000000", "1767225660000000"),
        ("epoch", "1767225600000000000", "1767225660000000000"),
        ("time", "1767225600.0", "1767225660.0"),
    ];
    let folder = Folder::new();
    for (name, first, second) in cases {
        let table = folder.read(&format!("cpu,{name}\n1,{first}\n2.5,{second}\n")).unwrap();
        assert_eq!(at(&table), [Some(START), Some(START + 60_000)], "{name} {first}");
        assert_eq!(table.columns[0].values, [1.0, 2.5]);
        assert_eq!(names(&table), ["cpu"], "{name}");
        let written = &table.times.unwrap().written;
        assert!(written[1] == second || second.ends_with(".0"), "{written:?} is not as given");
    }
}

#[test]
fn a_time_column_of_another_name_is_known_by_what_it_holds() {
    let table = Folder::new().read("host,when,cpu\na,2026-01-01 00:00:00,1\nb,2026-01-01 00:01:00,2\n").unwrap();
    assert_eq!(at(&table), [Some(START), Some(START + 60_000)]);
    assert_eq!((names(&table), table.left_out.concat()), (vec!["cpu"], "host".to_owned()));
}

#[test]
fn a_metric_may_be_called_time() {
    let folder = Folder::new();
    let table = folder.read("time,cpu\n0.31,1\n0.12,2\n0.42,2\n").unwrap();
    assert!(table.times.is_none());
    assert_eq!(names(&table), ["time", "cpu"]);
    // Seconds since the beginning are times, though.
    assert_eq!(at(&folder.read("time,cpu\n0,1\n1,2\n").unwrap()), [Some(0), Some(1_000)]);
}

#[test]
fn cells_may_be_missing_and_flags_are_numbers() {
    let table = Folder::new().read("time,a,b,up\n1767225600,,1,true\n,2,NA,false\n1767225660,NaN,-,true\n").unwrap();
    assert_eq!(at(&table), [Some(START), None, Some(START + 60_000)]);
    let cells: Vec<String> = table.columns.iter().map(|column| format!("{:?}", column.values)).collect();
    assert_eq!(cells, ["[NaN, 2.0, NaN]", "[1.0, NaN, NaN]", "[1.0, 0.0, 1.0]"]);
}

#[test]
fn whole_numbers_may_be_followed_by_fractions_anywhere() {
    let mut text = String::from("value\n");
    (0..5_000).for_each(|i| text.push_str(&format!("{i}\n")));
    text.push_str("0.5\n");
    let table = Folder::new().read(&text).unwrap();
    assert_eq!((table.rows, table.columns[0].values[5_000]), (5_001, 0.5));
}

#[test]
fn other_separators_and_no_heading() {
    let folder = Folder::new();
    let table = folder.read("datetime;a;b\n2026-01-01 00:00:00;1;2\n").unwrap();
    assert_eq!((at(&table), names(&table)), (vec![Some(START)], vec!["a", "b"]));
    let table = folder.read("datetime\ta\n2026-01-01 00:00:00\t1\n").unwrap();
    assert_eq!(names(&table), ["a"]);
    let table = folder.read("2026-01-01 00:00:00,7,7\n2026-01-01 00:01:00,8,9\n").unwrap();
    assert_eq!((table.rows, at(&table).len()), (2, 2));
    assert_eq!(table.columns[1].values, [7.0, 9.0]);
    assert_eq!(names(&folder.read(",time\n1,0\n2,1\n").unwrap()), ["value"]);
}

#[test]
fn the_ignored_are_left_aside() {
    let folder = Folder::new();
    let path = folder.file("a.csv", "a,label,b\n1,0,2\n");
    let ignore = ["label".to_owned(), "nowhere".to_owned()];
    let table = Table::read(&path, &ignore).unwrap();
    assert_eq!((names(&table), table.ignored.concat()), (vec!["a", "b"], "label".to_owned()));
    let all = ["a".to_owned(), "b".to_owned(), "label".to_owned()];
    assert!(matches!(Table::read(&path, &all), Err(TableError::NoSeries(_))));
}

#[test]
fn compressed_csv_is_read_as_it_is() {
    // printf 'time,cpu\n1767225600,3\n1767225660,4\n' | gzip -n
    let gz = [
        31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 43, 201, 204, 77, 213, 73, 46, 40, 229, 50, 52, 55, 51, 55, 50, 50, 53, 51,
        48, 208, 49, 134, 115, 204, 12, 116, 76, 184, 0, 212, 201, 99, 124, 35, 0, 0, 0,
    ];
    let folder = Folder::new();
    let table = Table::read(&folder.file("a.csv.gz", gz), &[]).unwrap();
    assert_eq!(at(&table), [Some(START), Some(START + 60_000)]);
    assert_eq!(table.columns[0].values, [3.0, 4.0]);
}

#[test]
fn parquet_keeps_its_types() {
    let folder = Folder::new();
    let path = folder.0.path().join("a.bin");
    let micros = Series::new("when".into(), [START * 1_000, (START + 250) * 1_000]);
    let when = micros.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap().into_column();
    let mut frame =
        df!("cpu" => [Some(0.5), None], "count" => [1_u32, 2], "up" => [true, false], "host" => ["a", "b"]).unwrap();
    frame.with_column(when).unwrap();
    ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
    let table = Table::read(&path, &[]).unwrap();
    assert_eq!(at(&table), [Some(START), Some(START + 250)]);
    assert_eq!(table.times.as_ref().unwrap().written, ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.250Z"]);
    assert_eq!(names(&table), ["cpu", "count", "up"]);
    assert!(table.columns[0].values[1].is_nan());
    assert_eq!(table.columns[2].values, [1.0, 0.0]);
}

#[test]
fn dates_of_a_calendar_begin_at_midnight() {
    let days = Series::new("day".into(), [20_454_i32, 20_455]).cast(&DataType::Date).unwrap().into_column();
    let frame = DataFrame::new(2, vec![days, Series::new("sales".into(), [1.0, 2.0]).into_column()]).unwrap();
    let table = Table::from_frame(frame, &[]).unwrap();
    assert_eq!(at(&table), [Some(START), Some(START + DAY)]);
}

#[test]
fn what_cannot_be_read_is_explained() {
    let folder = Folder::new();
    let cases = [
        ("", "no rows"),
        ("time,cpu\n", "no rows"),
        ("host,zone\na,b\n", "no column of numbers beside time and ignored ones (columns: host, zone)"),
        ("time,a\n1767225600,1\n", ""),
        ("time,a\n2026-01-01,1\nyesterday,2\n", "row 2: \"yesterday\" is not a time"),
        ("a,b\n1,2\n3,4\n5,6,7\n", "line 4 has 3 fields, the first line has 2"),
        ("a,b\n1,\"2\n3,4\n", "line 2 opens a quote"),
    ];
    for (text, expected) in cases {
        match folder.read(text) {
            Ok(_) => assert!(expected.is_empty(), "{text:?} was read"),
            Err(error) => assert!(error.to_string().contains(expected) && !expected.is_empty(), "{text:?}: {error}"),
        }
    }
    let missing = Table::read(&folder.0.path().join("nowhere.csv"), &[]).unwrap_err();
    assert!(matches!(missing, TableError::Io(_)), "{missing}");
}
