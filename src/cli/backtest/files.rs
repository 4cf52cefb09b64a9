//! Which files are replayed, and where their scores go.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// Endings of the files taken from a folder. A file that is named itself may have any.
const ENDINGS: [&str; 5] = [".csv", ".csv.gz", ".csv.zst", ".parquet", ".pq"];

/// A file to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Path below what was named, without the ending, `/` between parts.
    pub(super) name: String,
    /// Size in bytes, for the progress.
    pub(super) bytes: u64,
}

impl Input {
    /// Where its scores go.
    pub(super) fn output(&self, out: &Path) -> PathBuf {
        out.join(format!("{}.csv", self.name))
    }
}

/// The file at `path`, or all files below it, ordered by name. What lies in `out` is left aside: a second run
/// must not take the scores of the first for its input. So is the file of `labels`.
pub(super) fn find(path: &Path, out: &Path, labels: Option<&Path>) -> anyhow::Result<Vec<Input>> {
    let about = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    let inputs = if about.is_dir() {
        let mut paths = Vec::new();
        let out = std::fs::canonicalize(out).ok();
        walk(path, out.as_deref(), &mut paths)?;
        if let Some(labels) = labels.and_then(|labels| std::fs::canonicalize(labels).ok()) {
            paths.retain(|(file, _)| std::fs::canonicalize(file).ok().as_ref() != Some(&labels));
        }
        let mut inputs: Vec<Input> = paths.into_iter().map(|(file, bytes)| input(file, path, bytes)).collect();
        inputs.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.path.cmp(&b.path)));
        inputs
    } else {
        let folder = path.parent().unwrap_or(Path::new(""));
        vec![input(path.to_owned(), folder, about.len())]
    };
    if inputs.is_empty() {
        bail!("{} holds no file that ends in {}", path.display(), ENDINGS.join(", "));
    }
    check_outputs(&inputs, out)?;
    Ok(inputs)
}

fn input(path: PathBuf, root: &Path, bytes: u64) -> Input {
    let below = path.strip_prefix(root).unwrap_or(&path);
    let name = below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
    let name = without_ending(&name).to_owned();
    Input { path, name, bytes }
}

/// `name` without the longest of the known endings it has.
pub(super) fn without_ending(name: &str) -> &str {
    let ending = ENDINGS.iter().filter(|ending| has_ending(name, ending)).map(|ending| ending.len()).max();
    &name[..name.len() - ending.unwrap_or(0)]
}

/// Whether `name` is more than this ending.
fn has_ending(name: &str, ending: &str) -> bool {
    let start = name.len().checked_sub(ending.len()).filter(|start| *start > 0);
    start.and_then(|start| name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(ending))
}

fn walk(folder: &Path, out: Option<&Path>, found: &mut Vec<(PathBuf, u64)>) -> anyhow::Result<()> {
    let unreadable = || format!("cannot read folder {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        // Links to folders are not followed: they may lead back up.
        if entry.file_type().with_context(unreadable)?.is_dir() {
            if out.is_none() || std::fs::canonicalize(&path).ok().as_deref() != out {
                walk(&path, out, found)?;
            }
        } else if ENDINGS.iter().any(|ending| has_ending(&name, ending))
            && let Ok(about) = std::fs::metadata(&path)
            && about.is_file()
        {
            found.push((path, about.len()));
        }
    }
    Ok(())
}

/// No two files may be written to the same place, and none over an input.
fn check_outputs(inputs: &[Input], out: &Path) -> anyhow::Result<()> {
    let mut taken: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    for input in inputs {
        let output = input.output(out);
        if let Ok(existing) = std::fs::canonicalize(&output)
            && std::fs::canonicalize(&input.path).is_ok_and(|path| path == existing)
        {
            bail!("the scores of {} would be written over it: choose another --out", input.path.display());
        }
        if let Some(other) = taken.insert(output.clone(), &input.path) {
            let (a, b) = (other.display(), input.path.display());
            bail!("the scores of {a} and of {b} would both be written to {}", output.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "value\n1\n").unwrap();
        }
        folder
    }

    #[test]
    fn outputs_keep_the_folders_and_lose_the_ending() {
        let folder = folder(&[
            "b/cpu.csv",
            "a/machine.test.csv.gz",
            "a/disk.PARQUET",
            "a/notes.txt",
            ".hidden.csv",
            ".git/x.csv",
            ".csv",
        ]);
        let out = folder.path().join("out");
        let inputs = find(folder.path(), &out, None).unwrap();
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(names, ["a/disk", "a/machine.test", "b/cpu"]);
        assert_eq!(inputs[1].output(&out), out.join("a/machine.test.csv"));
    }

    #[test]
    fn one_file_goes_by_its_own_name_whatever_its_ending() {
        let folder = folder(&["deep/server.data", "deep/x.csv.gz"]);
        let name = |file: &str| find(&folder.path().join(file), folder.path(), None).unwrap()[0].name.clone();
        assert_eq!(name("deep/server.data"), "server.data");
        assert_eq!(name("deep/x.csv.gz"), "x");
    }

    #[test]
    fn the_scores_of_an_earlier_run_are_no_input_and_neither_are_labels() {
        let folder = folder(&["cpu.csv", "out/cpu.csv", "known.csv"]);
        let names = |labels: Option<&str>| {
            let labels = labels.map(|labels| folder.path().join(labels));
            let inputs = find(folder.path(), &folder.path().join("out"), labels.as_deref()).unwrap();
            inputs.into_iter().map(|input| input.name).collect::<Vec<_>>()
        };
        assert_eq!(names(None), ["cpu", "known"]);
        assert_eq!(names(Some("known.csv")), ["cpu"]);
    }

    #[test]
    fn nothing_is_overwritten() {
        let one = folder(&["cpu.csv"]);
        let error = find(one.path(), one.path(), None).unwrap_err();
        assert!(error.to_string().contains("would be written over it"), "{error}");
        let two = folder(&["cpu.csv", "cpu.csv.gz"]);
        let error = find(two.path(), &two.path().join("out"), None).unwrap_err();
        assert!(error.to_string().contains("would both be written to"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let folder = folder(&["a.txt"]);
        let missing = find(&folder.path().join("nowhere.csv"), folder.path(), None).unwrap_err();
        assert!(missing.to_string().contains("nowhere.csv"), "{missing}");
        assert!(find(folder.path(), folder.path(), None).unwrap_err().to_string().contains(".parquet"));
    }
}
