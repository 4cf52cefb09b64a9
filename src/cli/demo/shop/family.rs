//! The metric families that the shop exposes, as their exporters declare them.

use crate::signal::MetricKind::{self, Counter, Gauge, Histogram, Info, Summary};

/// A metric family's declaration, as remote write sends it in metadata.
#[derive(Debug)]
pub struct Family {
    /// Name, without `_bucket`, `_sum`, `_count`.
    pub name: &'static str,
    /// What it measures.
    pub kind: MetricKind,
    /// Base unit, may be empty.
    pub unit: &'static str,
    /// Help text.
    pub help: &'static str,
}

const fn f(name: &'static str, kind: MetricKind, unit: &'static str, help: &'static str) -> Family {
    Family { name, kind, unit, help }
}

/// All families, by exporter.
pub static FAMILIES: &[Family] = &[
    // Every scrape target.
    f("up", Gauge, "", "Whether the last scrape of the target succeeded."),
    f("scrape_duration_seconds", Gauge, "seconds", "Duration of the scrape."),
    f("scrape_samples_scraped", Gauge, "", "Samples that the target exposed."),
    // The services: requests answered, requests sent, pools, work queues.
    f("http_requests_total", Counter, "", "Requests answered."),
    f("http_request_duration_seconds", Histogram, "seconds", "Time to answer a request."),
    f("http_requests_in_flight", Gauge, "", "Requests being answered."),
    f("http_client_requests_total", Counter, "", "Requests sent to another service."),
    f("http_client_request_duration_seconds", Summary, "seconds", "Time another service took to answer."),
    f("db_client_connections", Gauge, "", "Connections of the database pool by state."),
    f("db_client_connections_max", Gauge, "", "Size of the database pool."),
    f("db_client_wait_seconds_total", Counter, "seconds", "Time spent waiting for a connection of the pool."),
    f("cache_requests_total", Counter, "", "Look-ups in the shared cache by result."),
    f("jobs_queue_depth", Gauge, "", "Jobs waiting."),
    f("jobs_processed_total", Counter, "", "Jobs done."),
    f("config_last_reload_successful", Gauge, "", "Whether the configuration on disk is the one in use."),
    f("build_info", Info, "", "Version that is running."),
    // The Go runtime and its process.
    f("go_goroutines", Gauge, "", "Goroutines that exist."),
    f("go_threads", Gauge, "", "Threads of the operating system."),
    f("go_gc_duration_seconds", Summary, "seconds", "Pauses of the garbage collector."),
    f("go_memstats_heap_alloc_bytes", Gauge, "bytes", "Heap in use, garbage included."),
    f("go_memstats_next_gc_bytes", Gauge, "bytes", "Heap size at which the next collection starts."),
    f("go_memstats_heap_objects", Gauge, "", "Objects on the heap."),
    f("go_memstats_stack_inuse_bytes", Gauge, "bytes", "Memory of stacks."),
    f("go_memstats_alloc_bytes_total", Counter, "bytes", "Bytes ever allocated."),
    f("go_memstats_mallocs_total", Counter, "", "Objects ever allocated."),
    f("process_cpu_seconds_total", Counter, "seconds", "CPU time used."),
    f("process_resident_memory_bytes", Gauge, "bytes", "Resident memory."),
    f("process_open_fds", Gauge, "", "Open file descriptors."),
    f("process_max_fds", Gauge, "", "Limit of open file descriptors."),
    f("process_start_time_seconds", Gauge, "seconds", "Start of the process since the Unix epoch."),
    // cAdvisor.
    f("container_cpu_usage_seconds_total", Counter, "seconds", "CPU time used by the container."),
    f("container_cpu_cfs_periods_total", Counter, "", "Scheduling periods."),
    f("container_cpu_cfs_throttled_periods_total", Counter, "", "Scheduling periods in which it was throttled."),
    f("container_memory_working_set_bytes", Gauge, "bytes", "Memory that cannot be reclaimed easily."),
    f("container_memory_rss", Gauge, "bytes", "Anonymous memory."),
    f("container_memory_cache", Gauge, "bytes", "Page cache."),
    f("container_network_receive_bytes_total", Counter, "bytes", "Bytes received."),
    f("container_network_transmit_bytes_total", Counter, "bytes", "Bytes sent."),
    f("container_network_receive_packets_total", Counter, "", "Packets received."),
    f("container_network_transmit_packets_total", Counter, "", "Packets sent."),
    f("container_network_receive_errors_total", Counter, "", "Packets received with an error."),
    f("container_fs_reads_bytes_total", Counter, "bytes", "Bytes read from disk."),
    f("container_fs_writes_bytes_total", Counter, "bytes", "Bytes written to disk."),
    f("container_fs_usage_bytes", Gauge, "bytes", "Disk space used."),
    f("container_threads", Gauge, "", "Threads of the container."),
    f("container_oom_events_total", Counter, "", "Times the container ran out of memory."),
    // kube-state-metrics.
    f("kube_pod_container_resource_requests", Gauge, "", "Resources requested."),
    f("kube_pod_container_resource_limits", Gauge, "", "Resources at most."),
    f("kube_pod_container_status_restarts_total", Counter, "", "Restarts of the container."),
    f("kube_pod_status_ready", Gauge, "", "Whether the pod takes traffic."),
    f("kube_pod_status_phase", Gauge, "", "Phase of the pod."),
    f("kube_deployment_spec_replicas", Gauge, "", "Pods wanted."),
    f("kube_deployment_status_replicas_available", Gauge, "", "Pods that take traffic."),
    // postgres_exporter.
    f("pg_up", Gauge, "", "Whether the database answers."),
    f("pg_stat_database_xact_commit", Counter, "", "Transactions committed."),
    f("pg_stat_database_xact_rollback", Counter, "", "Transactions rolled back."),
    f("pg_stat_database_blks_hit", Counter, "", "Blocks found in the buffer cache."),
    f("pg_stat_database_blks_read", Counter, "", "Blocks read from disk."),
    f("pg_stat_database_tup_returned", Counter, "", "Rows scanned."),
    f("pg_stat_database_tup_fetched", Counter, "", "Rows fetched."),
    f("pg_stat_database_tup_inserted", Counter, "", "Rows inserted."),
    f("pg_stat_database_tup_updated", Counter, "", "Rows updated."),
    f("pg_stat_database_deadlocks", Counter, "", "Deadlocks."),
    f("pg_stat_activity_count", Gauge, "", "Connections by state."),
    f("pg_locks_count", Gauge, "", "Locks held by mode."),
    f("pg_database_size_bytes", Gauge, "bytes", "Size of the database."),
    f("pg_wal_size_bytes", Gauge, "bytes", "Write-ahead log on disk."),
    f("pg_settings_max_connections", Gauge, "", "Connections at most."),
    f("pg_replication_lag_seconds", Gauge, "seconds", "How far the replica is behind."),
    f("pg_stat_bgwriter_buffers_checkpoint", Counter, "", "Buffers written by checkpoints."),
    // redis_exporter.
    f("redis_up", Gauge, "", "Whether the cache answers."),
    f("redis_commands_total", Counter, "", "Commands by name."),
    f("redis_keyspace_hits_total", Counter, "", "Look-ups that found their key."),
    f("redis_keyspace_misses_total", Counter, "", "Look-ups that did not."),
    f("redis_evicted_keys_total", Counter, "", "Keys thrown out for lack of memory."),
    f("redis_expired_keys_total", Counter, "", "Keys that reached their end."),
    f("redis_connected_clients", Gauge, "", "Clients connected."),
    f("redis_memory_used_bytes", Gauge, "bytes", "Memory used."),
    f("redis_memory_max_bytes", Gauge, "bytes", "Memory at most."),
    f("redis_db_keys", Gauge, "", "Keys stored."),
    // node_exporter.
    f("node_cpu_seconds_total", Counter, "seconds", "Time spent by each core in each mode."),
    f("node_load1", Gauge, "", "Load average over a minute."),
    f("node_load5", Gauge, "", "Load average over five minutes."),
    f("node_load15", Gauge, "", "Load average over fifteen minutes."),
    f("node_pressure_cpu_waiting_seconds_total", Counter, "seconds", "Time in which something waited for the CPU."),
    f("node_pressure_io_waiting_seconds_total", Counter, "seconds", "Time in which something waited for a disk."),
    f("node_memory_MemTotal_bytes", Gauge, "bytes", "Memory installed."),
    f("node_memory_MemAvailable_bytes", Gauge, "bytes", "Memory that can be had without swapping."),
    f("node_memory_MemFree_bytes", Gauge, "bytes", "Memory unused."),
    f("node_memory_Cached_bytes", Gauge, "bytes", "Page cache."),
    f("node_memory_Dirty_bytes", Gauge, "bytes", "Pages to be written."),
    f("node_memory_SwapFree_bytes", Gauge, "bytes", "Swap unused."),
    f("node_filesystem_size_bytes", Gauge, "bytes", "Size of the filesystem."),
    f("node_filesystem_avail_bytes", Gauge, "bytes", "Space available."),
    f("node_filesystem_files_free", Gauge, "", "Inodes unused."),
    f("node_disk_reads_completed_total", Counter, "", "Reads."),
    f("node_disk_writes_completed_total", Counter, "", "Writes."),
    f("node_disk_read_bytes_total", Counter, "bytes", "Bytes read."),
    f("node_disk_written_bytes_total", Counter, "bytes", "Bytes written."),
    f("node_disk_io_time_seconds_total", Counter, "seconds", "Time in which the disk was busy."),
    f("node_network_receive_bytes_total", Counter, "bytes", "Bytes received."),
    f("node_network_transmit_bytes_total", Counter, "bytes", "Bytes sent."),
    f("node_network_receive_drop_total", Counter, "", "Packets dropped on arrival."),
    f("node_network_up", Gauge, "", "Whether the interface is up."),
    f("node_context_switches_total", Counter, "", "Context switches."),
    f("node_forks_total", Counter, "", "Processes started."),
    f("node_procs_running", Gauge, "", "Processes ready to run."),
    f("node_procs_blocked", Gauge, "", "Processes waiting for a disk."),
    f("node_filefd_allocated", Gauge, "", "File descriptors in use."),
    f("node_nf_conntrack_entries", Gauge, "", "Connections tracked."),
    f("node_timex_offset_seconds", Gauge, "seconds", "Offset of the clock."),
    f("node_hwmon_temp_celsius", Gauge, "celsius", "Temperature of a sensor."),
    f("node_boot_time_seconds", Gauge, "seconds", "Start of the machine since the Unix epoch."),
    f("node_uname_info", Info, "", "Operating system."),
];

/// The family of the series called `name`.
///
/// # Panics
/// When no family declares it: the shop exposes only what the table above lists.
pub(super) fn of(name: &str) -> &'static Family {
    let named = |name: &str| FAMILIES.iter().find(|family| family.name == name);
    let part = || ["_bucket", "_sum", "_count"].iter().find_map(|suffix| named(name.strip_suffix(suffix)?));
    named(name).or_else(part).unwrap_or_else(|| panic!("no family declares {name}"))
}
