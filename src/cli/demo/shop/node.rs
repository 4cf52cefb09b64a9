//! The machines under the shop.

use super::{
    container::{GIB, MIB, Work},
    noise::{Drift, Noise},
    registry::{Registry, Scope, Slot},
    target::Target,
};
use crate::signal::TimestampMs;

/// The machines' names.
pub(in crate::cli::demo) const NAMES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// The machine of the database's primary.
pub(in crate::cli::demo) const DATABASE: usize = 2;
/// Where the database keeps its files, on [`DATABASE`].
pub(in crate::cli::demo) const DATABASE_MOUNT: &str = "/var/lib/postgresql";
/// Size of that filesystem, in bytes.
pub(super) const DATABASE_DISK: f64 = 100.0 * GIB;
/// What is used of it when nothing is wrong, in bytes.
pub(super) const DATABASE_USED: f64 = 44.0 * GIB;

/// Cores of a machine.
pub(super) const CORES: f64 = 4.0;
const MEMORY: f64 = 16.0 * GIB;
/// Modes of the CPU and their share of what is not idle.
const MODES: [(&str, f64); 5] = [("user", 0.72), ("system", 0.21), ("softirq", 0.04), ("nice", 0.0), ("steal", 0.03)];

/// What a machine carries in one step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Burden {
    /// The sum over its pods.
    pub(super) pods: Work,
    /// Cores taken by what is not part of the shop.
    pub(super) stolen: f64,
    /// Bytes stuck on the database's filesystem.
    pub(super) stuck: f64,
}

/// A machine and the state behind its series.
#[derive(Clone, Debug)]
pub(super) struct Node {
    noise: Noise,
    system: Drift,
    cached: Drift,
    loads: [f64; 3],
    /// Bytes of logs on `/`, rotated every day.
    logs: f64,
    age: f64,
    temperature: f64,
    cores: Vec<Core>,
    load_averages: [Slot; 3],
    slots: Slots,
    mounts: [Mount; 3],
    disk: Disk,
    interfaces: [Interface; 2],
    target: Target,
}

#[derive(Clone, Debug)]
struct Core {
    modes: [Slot; MODES.len()],
    iowait: Slot,
    idle: Slot,
    share: f64,
}

#[derive(Clone, Debug)]
struct Slots {
    cpu_pressure: Slot,
    io_pressure: Slot,
    available: Slot,
    free: Slot,
    cached: Slot,
    dirty: Slot,
    context_switches: Slot,
    forks: Slot,
    running: Slot,
    blocked: Slot,
    files: Slot,
    connections: Slot,
    clock_offset: Slot,
    temperature: Slot,
}

#[derive(Clone, Debug)]
struct Mount {
    available: Slot,
    inodes: Slot,
    size: f64,
}

#[derive(Clone, Debug)]
struct Disk {
    reads: Slot,
    writes: Slot,
    read: Slot,
    written: Slot,
    busy: Slot,
}

#[derive(Clone, Debug)]
struct Interface {
    received: Slot,
    sent: Slot,
    dropped: Slot,
    share: f64,
}

impl Node {
    pub(super) fn register(registry: &mut Registry, seed: u64, index: usize, at: TimestampMs) -> Self {
        let name = NAMES[index];
        let mut noise = Noise::new(seed, name);
        let first = registry.next_index();
        let instance = format!("{name}:9100");
        let target = [("job", "node-exporter"), ("instance", &*instance), ("node", name)];
        let mut scope = registry.scope(&target);
        scope.constant("node_memory_MemTotal_bytes", &[], MEMORY);
        scope.constant("node_memory_SwapFree_bytes", &[], 0.0);
        scope.constant("node_boot_time_seconds", &[], (at / 1000 - 2_000_000 - 70_000 * index as i64) as f64);
        scope.constant("node_uname_info", &[("release", "6.12.48"), ("machine", "x86_64")], 1.0);
        let cores = ["0", "1", "2", "3"].map(|cpu| Core {
            modes: MODES.map(|(mode, _)| scope.with("node_cpu_seconds_total", &[("cpu", cpu), ("mode", mode)])),
            iowait: scope.with("node_cpu_seconds_total", &[("cpu", cpu), ("mode", "iowait")]),
            idle: scope.with("node_cpu_seconds_total", &[("cpu", cpu), ("mode", "idle")]),
            share: noise.between(0.21, 0.29),
        });
        let load_averages = [scope.one("node_load1"), scope.one("node_load5"), scope.one("node_load15")];
        let slots = Slots {
            cpu_pressure: scope.one("node_pressure_cpu_waiting_seconds_total"),
            io_pressure: scope.one("node_pressure_io_waiting_seconds_total"),
            available: scope.one("node_memory_MemAvailable_bytes"),
            free: scope.one("node_memory_MemFree_bytes"),
            cached: scope.one("node_memory_Cached_bytes"),
            dirty: scope.one("node_memory_Dirty_bytes"),
            context_switches: scope.one("node_context_switches_total"),
            forks: scope.one("node_forks_total"),
            running: scope.one("node_procs_running"),
            blocked: scope.one("node_procs_blocked"),
            files: scope.one("node_filefd_allocated"),
            connections: scope.one("node_nf_conntrack_entries"),
            clock_offset: scope.one("node_timex_offset_seconds"),
            temperature: scope.with("node_hwmon_temp_celsius", &[("sensor", "temp1")]),
        };
        let data = if index == DATABASE { DATABASE_MOUNT } else { "/data" };
        let mounts = [
            Mount::register(&mut scope, "/", "/dev/nvme0n1p2", 80.0 * GIB),
            Mount::register(&mut scope, "/var/lib/containerd", "/dev/nvme0n1p3", 120.0 * GIB),
            Mount::register(&mut scope, data, "/dev/nvme1n1", DATABASE_DISK),
        ];
        let disk = Disk::register(&mut scope);
        let interfaces = [Interface::register(&mut scope, "eth0", 1.0), Interface::register(&mut scope, "cni0", 0.6)];
        let exposed = registry.next_index() - first;
        Self {
            system: Drift::new(0.05, 15.0),
            cached: Drift::new(0.04, 200.0),
            loads: [0.5; 3],
            logs: noise.between(1.0, 3.0) * GIB,
            age: 0.0,
            temperature: 48.0,
            cores: cores.into(),
            load_averages,
            slots,
            mounts,
            disk,
            interfaces,
            target: Target::register(registry, seed, &target, exposed),
            noise,
        }
    }

    pub(super) fn tick(&mut self, registry: &mut Registry, burden: &Burden, seconds: f64) {
        let (noise, slots, pods) = (&mut self.noise, &self.slots, &burden.pods);
        let io = (pods.read + pods.written) / (150.0 * MIB) + 0.002;
        let wanted = pods.cpu + burden.stolen + 0.18 * self.system.next(noise);
        let busy = wanted.min(0.985 * CORES);
        for core in &self.cores {
            let used = (busy * core.share * noise.factor(0.03)).min(0.995) * seconds;
            let waited = (io / CORES * noise.factor(0.3) * seconds).min(0.5 * (seconds - used));
            for (slot, (_, share)) in core.modes.iter().zip(MODES) {
                registry.add(*slot, used * share);
            }
            registry.add(core.iowait, waited);
            registry.add(core.idle, seconds - used - waited);
        }
        // Something waits when the cores are nearly all taken.
        let contended = (busy / CORES).powi(4) + (wanted / CORES - 1.0).max(0.0);
        registry.add(slots.cpu_pressure, (contended.min(1.0) * seconds * noise.factor(0.2)).min(seconds));
        registry.add(slots.io_pressure, (0.3 * io * seconds * noise.factor(0.3)).min(seconds));
        let running = 1.0 + noise.poisson(wanted);
        let blocked = noise.poisson(io * 2.0);
        registry.set(slots.running, running);
        registry.set(slots.blocked, blocked);
        for ((load, slot), minutes) in self.loads.iter_mut().zip(self.load_averages).zip([1.0, 5.0, 15.0]) {
            let keep = (-seconds / 60.0 / minutes).exp();
            *load = keep * *load + (1.0 - keep) * (wanted * noise.factor(0.1) + io);
            registry.set(slot, (*load * 100.0).round() / 100.0);
        }
        self.temperature += 0.2 * (44.0 + 6.0 * busy - self.temperature);
        registry.set(slots.temperature, (self.temperature + noise.between(-0.5, 0.5)).round());
        registry.set(slots.clock_offset, 40e-6 * noise.stray());

        let used = 2.2 * GIB + pods.memory;
        let cached = 5.0 * GIB * self.cached.next(noise);
        let dirty = 3.0 * MIB * noise.factor(0.4) + 5.0 * pods.written;
        registry.set(slots.available, (MEMORY - used - 0.3 * GIB).round());
        registry.set(slots.free, (MEMORY - used - cached).max(0.2 * GIB).round());
        registry.set(slots.cached, cached.round());
        registry.set(slots.dirty, (dirty / 4096.0).round() * 4096.0);
        let traffic = pods.received + pods.sent;
        registry.add(slots.context_switches, (seconds * (2500.0 + 9000.0 * wanted) * noise.factor(0.02)).round());
        registry.add(slots.forks, noise.poisson(1.2 * seconds));
        registry.set(slots.files, 2300.0 + 32.0 * noise.poisson(6.0));
        registry.set(slots.connections, 400.0 + noise.poisson(traffic / 9000.0));

        self.age += seconds;
        self.logs += 35e3 * seconds * noise.factor(0.1);
        if self.age % 86_400.0 < seconds {
            // The logs of the day are compressed at midnight, the oldest removed.
            self.logs *= 0.35;
        }
        let data = if burden.stuck > 0.0 { DATABASE_USED + burden.stuck } else { DATABASE_USED };
        for (mount, used) in self.mounts.iter().zip([22.0 * GIB + self.logs, 37.0 * GIB, data]) {
            let grown = 600.0 * self.age;
            registry.set(mount.available, ((mount.size - used - grown).max(0.0) / 4096.0).floor() * 4096.0);
            registry.set(mount.inodes, mount.size / 16_384.0 - (used / 60e3).floor());
        }
        self.disk.tick(registry, noise, pods, io, seconds);
        for interface in &self.interfaces {
            interface.tick(registry, noise, pods, seconds);
        }
        self.target.tick(registry);
    }
}

impl Mount {
    fn register(scope: &mut Scope<'_>, mountpoint: &str, device: &str, size: f64) -> Self {
        let labels = [("mountpoint", mountpoint), ("device", device), ("fstype", "ext4")];
        scope.constant("node_filesystem_size_bytes", &labels, size);
        let available = scope.with("node_filesystem_avail_bytes", &labels);
        Self { available, inodes: scope.with("node_filesystem_files_free", &labels), size }
    }
}

impl Disk {
    fn register(scope: &mut Scope<'_>) -> Self {
        let mut of = |metric| scope.with(metric, &[("device", "nvme1n1")]);
        Self {
            reads: of("node_disk_reads_completed_total"),
            writes: of("node_disk_writes_completed_total"),
            read: of("node_disk_read_bytes_total"),
            written: of("node_disk_written_bytes_total"),
            busy: of("node_disk_io_time_seconds_total"),
        }
    }

    fn tick(&self, registry: &mut Registry, noise: &mut Noise, pods: &Work, io: f64, seconds: f64) {
        let read = noise.poisson((pods.read / 65_536.0 + 0.02) * seconds);
        let written = noise.poisson((pods.written / 32_768.0 + 3.0) * seconds);
        registry.add(self.reads, read);
        registry.add(self.writes, written);
        registry.add(self.read, read * 65_536.0);
        registry.add(self.written, written * 32_768.0);
        registry.add(self.busy, (0.8 * io * seconds * noise.factor(0.1)).min(seconds));
    }
}

impl Interface {
    fn register(scope: &mut Scope<'_>, device: &str, share: f64) -> Self {
        let of = [("device", device)];
        scope.constant("node_network_up", &of, 1.0);
        Self {
            received: scope.with("node_network_receive_bytes_total", &of),
            sent: scope.with("node_network_transmit_bytes_total", &of),
            dropped: scope.with("node_network_receive_drop_total", &of),
            share,
        }
    }

    fn tick(&self, registry: &mut Registry, noise: &mut Noise, pods: &Work, seconds: f64) {
        let mut bytes = |rate: f64| ((rate * self.share + 3000.0) * seconds * noise.factor(0.02)).round();
        let (received, sent) = (bytes(pods.received), bytes(pods.sent));
        registry.add(self.received, received);
        registry.add(self.sent, sent);
        registry.add(self.dropped, noise.poisson(0.01));
    }
}
