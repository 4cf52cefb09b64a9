//! What a process has used, as Linux tells under `/proc`.

use std::{fs, io};

use anyhow::{Context as _, anyhow};
use serde::Serialize;

/// Clock ticks in a second, in which the kernel tells CPU time: 100 on all architectures that this is built for.
const TICKS_PER_S: f64 = 100.0;

/// A process on this machine.
#[derive(Clone, Debug)]
pub(super) struct Process {
    name: String,
}

/// What it has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Usage {
    /// User and system, all threads, in seconds.
    pub(super) cpu_s: f64,
    /// Resident memory now, in bytes.
    pub(super) resident_bytes: u64,
}

impl Process {
    /// The process numbered `pid`.
    pub(super) fn of(pid: u32) -> Self {
        Self { name: pid.to_string() }
    }

    /// This process.
    pub(super) fn this() -> Self {
        Self { name: "self".to_owned() }
    }

    /// What it has used until now.
    ///
    /// # Errors
    /// There is no such process, it belongs to somebody else, or this is not Linux.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.name);
            fs::read_to_string(&path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => anyhow!(
                    "there is no process {}: --pid takes the number of a process on this Linux machine, see `pidof`",
                    self.name
                ),
                _ => anyhow!(error).context(format!("cannot read {path}")),
            })
        };
        let cpu_s = cpu_s(&read("stat")?).with_context(|| format!("cannot read /proc/{}/stat", self.name))?;
        // A process that has ended but was not waited for has no memory any more.
        let resident_bytes = resident_bytes(&read("status")?).unwrap_or_default();
        Ok(Usage { cpu_s, resident_bytes })
    }
}

/// CPU seconds from `/proc/PID/stat`, fields 14 and 15. The second field, a name in parentheses, may hold anything.
fn cpu_s(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |place: usize| fields.get(place - 3)?.parse::<u64>().ok();
    Some((ticks(14)? + ticks(15)?) as f64 / TICKS_PER_S)
}

/// Resident memory from `/proc/PID/status`.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let stat =
            "42 (a) b) (c) S 1 42 42 0 -1 4194560 900 0 3 0 1234 66 0 0 20 0 9 0 5000 99 12 18446744073709551615";
        assert_eq!(cpu_s(stat), Some(13.0));
        assert_eq!(cpu_s("42 (a S 1"), None);
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t   2048 kB\nThreads:\t3\n"), Some(2 << 20));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_there_and_works() {
        let before = Process::this().usage().unwrap();
        assert!(before.resident_bytes > 1 << 20);
        let by_number = Process::of(std::process::id()).usage().unwrap();
        assert!(by_number.cpu_s >= before.cpu_s);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error_that_says_what_to_do() {
        let error = Process::of(u32::MAX).usage().unwrap_err().to_string();
        assert!(error.contains("no process 4294967295") && error.contains("--pid"), "{error}");
    }
}
