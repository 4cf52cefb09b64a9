//! What is measured: the metrics of a machine, of a container and of a service, under the names that node exporter,
//! cAdvisor and client libraries use.

use super::motion::{Motion, scramble};

/// Number of a kind on the wire, the same in remote write 1.0 and 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter = 1,
    Gauge = 2,
    Histogram = 3,
}

/// A series of a target, but for the labels that all series of the target share.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Sorted by name, the metric's name among them.
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) motion: Motion,
    /// What its noise depends on: parts of one histogram have the same, so that they agree.
    pub(super) stream: u64,
}

type Dimension = (&'static str, &'static [&'static str]);

/// A metric family, times all combinations of its labels' values.
struct Family {
    name: &'static str,
    help: &'static str,
    dimensions: &'static [Dimension],
    shape: Shape,
}

enum Shape {
    Single(Kind, Motion),
    /// A classic histogram of so many observations a second.
    Histogram {
        per_s: f64,
    },
}

/// Upper bounds of client libraries' default buckets, with the share of observations that are not above.
const BUCKETS: [(&str, f64); 12] = [
    ("0.005", 0.08),
    ("0.01", 0.21),
    ("0.025", 0.47),
    ("0.05", 0.68),
    ("0.1", 0.83),
    ("0.25", 0.93),
    ("0.5", 0.97),
    ("1.0", 0.987),
    ("2.5", 0.995),
    ("5.0", 0.998),
    ("10.0", 0.9995),
    ("+Inf", 1.0),
];

const CPUS: Dimension = ("cpu", &["0", "1", "2", "3"]);
const MODES: Dimension = ("mode", &["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"]);
const DISKS: Dimension = ("device", &["nvme0n1", "nvme1n1"]);
const LINKS: Dimension = ("device", &["cilium_host", "eth0", "eth1", "lo"]);
const FILESYSTEMS: [Dimension; 2] = [("fstype", &["ext4"]), ("mountpoint", &["/", "/boot", "/var/lib/containerd"])];
const INTERFACE: Dimension = ("interface", &["eth0"]);
const METHODS: Dimension = ("method", &["GET", "POST"]);
const ROUTES: Dimension = ("route", &["/", "/api/v1/items", "/api/v1/orders"]);
const CODES: Dimension = ("code", &["200", "404", "500"]);

/// The machine, as node exporter sees it.
pub(super) fn machine() -> Vec<Line> {
    lines(&[
        counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", &[CPUS, MODES], 0.12, 100.0),
        counter("node_disk_io_time_seconds_total", "Total seconds spent doing I/Os.", &[DISKS], 0.08, 1000.0),
        counter("node_disk_read_bytes_total", "The number of bytes read.", &[DISKS], 3e5, 1.0 / 512.0),
        counter("node_disk_reads_completed_total", "The number of reads completed.", &[DISKS], 20.0, 1.0),
        counter("node_disk_writes_completed_total", "The number of writes completed.", &[DISKS], 60.0, 1.0),
        counter("node_disk_written_bytes_total", "The number of bytes written.", &[DISKS], 9e5, 1.0 / 512.0),
        counter("node_network_receive_bytes_total", "Network device bytes received.", &[LINKS], 4e6, 1.0),
        counter("node_network_receive_drop_total", "Network device packets dropped.", &[LINKS], 0.002, 1.0),
        counter("node_network_receive_packets_total", "Network device packets received.", &[LINKS], 4e3, 1.0),
        counter("node_network_transmit_bytes_total", "Network device bytes sent.", &[LINKS], 3e6, 1.0),
        counter("node_network_transmit_packets_total", "Network device packets sent.", &[LINKS], 3e3, 1.0),
        counter("node_context_switches_total", "Total number of context switches.", &[], 9e3, 1.0),
        counter("node_forks_total", "Total number of forks.", &[], 4.0, 1.0),
        gauge("node_filesystem_avail_bytes", "Space available to users.", &FILESYSTEMS, 4e10, 0.05, 1.0 / 4096.0),
        gauge("node_filesystem_files_free", "Free file nodes.", &FILESYSTEMS, 3e6, 0.02, 1.0),
        constant("node_filesystem_size_bytes", "Size of the filesystem.", &FILESYSTEMS, 107_374_182_400.0),
        constant("node_network_mtu_bytes", "Network device property: mtu.", &[LINKS], 1500.0),
        constant("node_network_up", "1 if the device is up.", &[LINKS], 1.0),
        gauge("node_cpu_scaling_frequency_hertz", "Current scaled CPU frequency.", &[CPUS], 2.4e9, 0.3, 1e-3),
        gauge("node_hwmon_temp_celsius", "Temperature.", &[("sensor", &["temp1", "temp2", "temp3"])], 48.0, 0.2, 1.0),
        gauge("node_load1", "1m load average.", &[], 2.0, 0.6, 100.0),
        gauge("node_load5", "5m load average.", &[], 2.0, 0.4, 100.0),
        gauge("node_load15", "15m load average.", &[], 2.0, 0.2, 100.0),
        gauge("node_memory_Active_bytes", "Memory information field Active.", &[], 6e9, 0.2, 1.0 / 4096.0),
        gauge("node_memory_Buffers_bytes", "Memory information field Buffers.", &[], 4e8, 0.1, 1.0 / 4096.0),
        gauge("node_memory_Cached_bytes", "Memory information field Cached.", &[], 5e9, 0.2, 1.0 / 4096.0),
        gauge("node_memory_Dirty_bytes", "Memory information field Dirty.", &[], 2e6, 0.6, 1.0 / 4096.0),
        gauge("node_memory_MemAvailable_bytes", "Memory information field.", &[], 9e9, 0.2, 1.0 / 4096.0),
        gauge("node_memory_MemFree_bytes", "Memory information field MemFree.", &[], 3e9, 0.3, 1.0 / 4096.0),
        constant("node_memory_MemTotal_bytes", "Memory information field MemTotal.", &[], 16_777_216_000.0),
        gauge("node_procs_running", "Number of processes in runnable state.", &[], 4.0, 0.6, 1.0),
        gauge("node_sockstat_TCP_alloc", "Number of TCP sockets in state alloc.", &[], 400.0, 0.2, 1.0),
        gauge("node_sockstat_TCP_inuse", "Number of TCP sockets in state inuse.", &[], 200.0, 0.2, 1.0),
        constant("node_boot_time_seconds", "Node boot time, in unixtime.", &[], 1.76e9),
        constant("up", "", &[], 1.0),
    ])
}

/// A container, as cAdvisor sees it.
pub(super) fn container() -> Vec<Line> {
    lines(&[
        counter("container_cpu_cfs_periods_total", "Elapsed enforcement periods.", &[], 8.0, 1.0),
        counter("container_cpu_cfs_throttled_periods_total", "Throttled period intervals.", &[], 0.4, 1.0),
        counter("container_cpu_system_seconds_total", "Cumulative system cpu time.", &[], 0.03, 1000.0),
        counter("container_cpu_usage_seconds_total", "Cumulative cpu time consumed.", &[], 0.2, 1e6),
        counter("container_cpu_user_seconds_total", "Cumulative user cpu time.", &[], 0.15, 1000.0),
        counter("container_fs_reads_bytes_total", "Cumulative bytes read.", &[DISKS], 2e4, 1.0 / 4096.0),
        counter("container_fs_writes_bytes_total", "Cumulative bytes written.", &[DISKS], 5e4, 1.0 / 4096.0),
        counter("container_network_receive_bytes_total", "Bytes received.", &[INTERFACE], 8e4, 1.0),
        counter("container_network_receive_packets_total", "Packets received.", &[INTERFACE], 90.0, 1.0),
        counter("container_network_transmit_bytes_total", "Bytes transmitted.", &[INTERFACE], 6e4, 1.0),
        counter("container_network_transmit_packets_total", "Packets transmitted.", &[INTERFACE], 80.0, 1.0),
        gauge("container_file_descriptors", "Number of open file descriptors.", &[], 60.0, 0.2, 1.0),
        gauge("container_memory_cache", "Number of bytes of page cache.", &[], 8e7, 0.2, 1.0 / 4096.0),
        gauge("container_memory_mapped_file", "Size of memory mapped files.", &[], 2e7, 0.1, 1.0 / 4096.0),
        gauge("container_memory_rss", "Size of RSS.", &[], 2e8, 0.2, 1.0 / 4096.0),
        gauge("container_memory_usage_bytes", "Current memory usage.", &[], 3e8, 0.2, 1.0 / 4096.0),
        gauge("container_memory_working_set_bytes", "Current working set.", &[], 2.5e8, 0.2, 1.0 / 4096.0),
        gauge("container_processes", "Number of processes.", &[], 6.0, 0.2, 1.0),
        gauge("container_sockets", "Number of open sockets.", &[], 30.0, 0.3, 1.0),
        gauge("container_threads", "Number of threads.", &[], 20.0, 0.2, 1.0),
        gauge("container_cpu_load_average_10s", "Container cpu load average.", &[], 5.0, 0.6, 1.0),
        constant("container_spec_cpu_quota", "CPU quota.", &[], 200_000.0),
        constant("container_spec_memory_limit_bytes", "Memory limit.", &[], 1_073_741_824.0),
        constant("container_start_time_seconds", "Start time of the container.", &[], 1.763e9),
    ])
}

/// A service in that container, as its client library sees it.
pub(super) fn service() -> Vec<Line> {
    lines(&[
        counter("http_requests_total", "Requests answered.", &[CODES, METHODS, ROUTES], 6.0, 1.0),
        histogram("http_request_duration_seconds", "Time to answer a request.", &[ROUTES], 12.0),
        counter("http_client_requests_total", "Requests made.", &[("peer", &["cache", "db", "queue"])], 9.0, 1.0),
        counter("go_gc_duration_seconds_count", "Garbage collection cycles.", &[], 0.3, 1.0),
        counter("go_memstats_alloc_bytes_total", "Bytes allocated, even if freed.", &[], 4e6, 1.0 / 16.0),
        counter("go_memstats_frees_total", "Number of frees.", &[], 5e4, 1.0),
        counter("go_memstats_mallocs_total", "Number of mallocs.", &[], 5e4, 1.0),
        counter("process_cpu_seconds_total", "User and system CPU time.", &[], 0.2, 100.0),
        gauge("http_requests_in_flight", "Requests being answered.", &[METHODS, ROUTES], 5.0, 0.6, 1.0),
        gauge("db_connections", "Connections.", &[("state", &["active", "idle", "waiting"])], 10.0, 0.6, 1.0),
        gauge("queue_length", "Jobs that wait.", &[("queue", &["email", "export", "index"])], 20.0, 0.6, 1.0),
        gauge("cache_hit_ratio", "Share of look-ups that hit.", &[("cache", &["page", "user"])], 0.3, 0.3, 1e4),
        gauge("latency_seconds_ema", "Smoothed time to answer.", &[METHODS, ROUTES], 0.04, 0.4, 1e6),
        gauge("worker_utilisation", "Share of time at work.", &[("pool", &["cpu", "io"])], 0.3, 0.5, 1e4),
        gauge("go_goroutines", "Number of goroutines.", &[], 90.0, 0.3, 1.0),
        gauge("go_memstats_alloc_bytes", "Bytes allocated and still in use.", &[], 4e7, 0.5, 1.0 / 16.0),
        gauge("go_memstats_heap_inuse_bytes", "Heap bytes in use.", &[], 6e7, 0.4, 1.0 / 8192.0),
        gauge("go_memstats_heap_objects", "Number of allocated objects.", &[], 3e5, 0.4, 1.0),
        gauge("go_memstats_stack_inuse_bytes", "Stack bytes in use.", &[], 2e6, 0.2, 1.0 / 8192.0),
        gauge("go_threads", "Number of OS threads.", &[], 12.0, 0.2, 1.0),
        gauge("process_open_fds", "Number of open file descriptors.", &[], 40.0, 0.3, 1.0),
        gauge("process_resident_memory_bytes", "Resident memory size.", &[], 2e8, 0.2, 1.0 / 4096.0),
        gauge("process_virtual_memory_bytes", "Virtual memory size.", &[], 1.2e9, 0.02, 1.0 / 4096.0),
        constant("go_info", "Information about the Go environment.", &[("version", &["go1.25.4"])], 1.0),
        constant("process_max_fds", "Maximum number of open file descriptors.", &[], 1_048_576.0),
        constant("process_start_time_seconds", "Start time of the process.", &[], 1.763e9),
        constant("up", "", &[], 1.0),
    ])
}

/// Grows by about `per_s`, in steps of 1 / `steps_per_unit`.
const fn counter(
    name: &'static str,
    help: &'static str,
    dimensions: &'static [Dimension],
    per_s: f64,
    steps_per_unit: f64,
) -> Family {
    Family { name, help, dimensions, shape: Shape::Single(Kind::Counter, Motion::Count { per_s, steps_per_unit }) }
}

/// Moves around `level` by up to about the share `spread` of it, in steps of 1 / `steps_per_unit`.
const fn gauge(
    name: &'static str,
    help: &'static str,
    dimensions: &'static [Dimension],
    level: f64,
    spread: f64,
    steps_per_unit: f64,
) -> Family {
    let motion = Motion::Wander { level, spread, steps_per_unit };
    Family { name, help, dimensions, shape: Shape::Single(Kind::Gauge, motion) }
}

const fn constant(name: &'static str, help: &'static str, dimensions: &'static [Dimension], value: f64) -> Family {
    Family { name, help, dimensions, shape: Shape::Single(Kind::Gauge, Motion::Still { value }) }
}

/// A classic histogram of about `per_s` observations a second.
const fn histogram(name: &'static str, help: &'static str, dimensions: &'static [Dimension], per_s: f64) -> Family {
    Family { name, help, dimensions, shape: Shape::Histogram { per_s } }
}

fn lines(families: &[Family]) -> Vec<Line> {
    families.iter().flat_map(family_lines).collect()
}

fn family_lines(family: &Family) -> Vec<Line> {
    let mut lines = Vec::new();
    for labels in combinations(family.dimensions) {
        let stream = stream(family.name, &labels);
        let mut push = |suffix: &str, more: Option<&'static str>, kind, motion| {
            let mut labels = labels.clone();
            labels.push(("__name__", format!("{}{suffix}", family.name)));
            labels.extend(more.map(|bound| ("le", bound.to_owned())));
            labels.sort_unstable();
            lines.push(Line { labels, kind, help: family.help, motion, stream });
        };
        match family.shape {
            Shape::Single(kind, motion) => push("", None, kind, motion),
            Shape::Histogram { per_s } => {
                for (bound, share) in BUCKETS {
                    let motion = Motion::Count { per_s: per_s * share, steps_per_unit: 1.0 };
                    push("_bucket", Some(bound), Kind::Histogram, motion);
                }
                push("_count", None, Kind::Histogram, Motion::Count { per_s, steps_per_unit: 1.0 });
                push("_sum", None, Kind::Histogram, Motion::Count { per_s: per_s * 0.07, steps_per_unit: 1e6 });
            }
        }
    }
    lines
}

fn combinations(dimensions: &[Dimension]) -> Vec<Vec<(&'static str, String)>> {
    dimensions.iter().fold(vec![Vec::new()], |all, (name, values)| {
        let extended = |labels: &Vec<(&'static str, String)>, value: &str| {
            let mut labels = labels.clone();
            labels.push((*name, value.to_owned()));
            labels
        };
        all.iter().flat_map(|labels| values.iter().map(move |value| extended(labels, value))).collect()
    })
}

fn stream(name: &str, labels: &[(&'static str, String)]) -> u64 {
    let texts = std::iter::once(name).chain(labels.iter().map(|(_, value)| value.as_str()));
    texts.flat_map(str::bytes).fold(0, |hash, byte| scramble(hash ^ u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn lines_differ_and_their_labels_are_sorted() {
        for lines in [machine(), container(), service()] {
            let distinct: HashSet<_> = lines.iter().map(|line| line.labels.clone()).collect();
            assert_eq!(distinct.len(), lines.len());
            for line in &lines {
                assert!(line.labels.is_sorted_by(|a, b| a.0 < b.0), "{:?}", line.labels);
                assert!(line.labels.iter().any(|(name, _)| *name == "__name__"));
                assert!(line.labels.iter().all(|(_, value)| !value.is_empty()));
            }
        }
    }

    #[test]
    fn about_half_are_gauges_that_move_and_some_are_constant() {
        let lines: Vec<_> = [machine(), container(), service()].concat();
        let share =
            |is: fn(&Motion) -> bool| lines.iter().filter(|line| is(&line.motion)).count() as f64 / lines.len() as f64;
        let counters = share(|motion| matches!(motion, Motion::Count { .. }));
        let constants = share(|motion| matches!(motion, Motion::Still { .. }));
        assert!((0.4..0.65).contains(&counters), "{counters}");
        assert!((0.05..0.15).contains(&constants), "{constants}");
    }
}
