//! How much memory there is, and how much of it this process has, as Linux tells. Elsewhere neither is known.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the control groups are.
const CGROUPS: &str = "/sys/fs/cgroup";
/// Version 1 says "no limit" by the largest number of pages; no machine has so much.
const UNLIMITED: u64 = 1 << 60;

/// The memory that is meant for this process, and what says so: the smallest limit of its control groups (v2 or v1), or else
/// half of the machine's memory, which it shares.
pub(super) fn default() -> Option<(u64, &'static str)> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_group = of_groups(Path::new(CGROUPS), &groups).map(|bytes| (bytes, "the control group"));
    let machine = || kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:");
    of_group.or_else(|| machine().map(|bytes| (bytes / 2, "half of the machine's memory")))
}

/// Resident memory of this process in bytes.
pub(super) fn resident() -> Option<u64> {
    kib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// A field such as `VmRSS:   1234 kB`, in bytes.
fn kib(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The smallest limit of the groups that `/proc/self/cgroup` names and of all above them. In a container their path may be the
/// one outside, of which only the root is to be seen.
fn of_groups(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().flat_map(|line| {
        // hierarchy-ID:controllers:path
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or("/"));
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => (root.join("memory"), "memory.limit_in_bytes"),
            _ => return Vec::new(),
        };
        let group: PathBuf = root.join(path.trim_start_matches('/'));
        let up = group.ancestors().take_while(|folder| folder.starts_with(&root));
        up.filter_map(|folder| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok()).collect()
    });
    limits.filter(|bytes| *bytes < UNLIMITED).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_on_the_way_up_holds() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        assert_eq!(of_groups(root.path(), "0::/\n"), None);
        put("a/b/memory.max", "max\n");
        put("a/memory.max", "2147483648\n");
        assert_eq!(of_groups(root.path(), "0::/a/b\n"), Some(2 << 30));
        put("a/b/memory.max", "1073741824\n");
        assert_eq!(of_groups(root.path(), "0::/a/b\n"), Some(1 << 30));
        put("memory.max", "1048576\n");
        assert_eq!(of_groups(root.path(), "0::/not/to/be/seen\n"), Some(1 << 20));

        put("memory/x/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(of_groups(root.path(), "4:cpu:/x\n9:memory:/x\n"), None);
        put("memory/memory.limit_in_bytes", "4096\n");
        assert_eq!(of_groups(root.path(), "4:cpu:/x\n9:rdma,memory:/x\n"), Some(4096));
    }

    #[test]
    fn fields_are_read() {
        assert_eq!(kib("Name:\tvigie\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12 << 10));
        assert_eq!(kib("VmRSS: many\n", "VmRSS:"), None);
        #[cfg(target_os = "linux")]
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20));
    }
}
