//! A pod as the kubelet and kube-state-metrics see it, whatever runs inside.

use std::ops::Range;

use super::{
    node,
    noise::{Drift, Noise},
    registry::{Registry, Slot},
};

/// Memory limit of every container, in bytes.
pub(super) const MEMORY_LIMIT: f64 = 2.0 * GIB;
/// A gibibyte.
pub(super) const GIB: f64 = 1024.0 * MIB;
/// A mebibyte.
pub(super) const MIB: f64 = 1_048_576.0;
/// Length of a scheduling period of the kernel's CPU bandwidth control, in seconds.
const CFS_PERIOD: f64 = 0.1;
/// Bytes of a packet, on average.
const PACKET: f64 = 900.0;

/// Where a pod is and what it is called.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) service: &'static str,
    pub(super) pod: String,
    pub(super) node: usize,
    /// Address that is scraped.
    pub(super) instance: String,
}

impl Place {
    /// Labels of what the pod itself exposes.
    pub(super) fn target(&self) -> [(&str, &str); 5] {
        [
            ("namespace", NAMESPACE),
            ("pod", &self.pod),
            ("job", self.service),
            ("service", self.service),
            ("instance", &self.instance),
        ]
    }
}

/// The namespace of the shop.
pub(super) const NAMESPACE: &str = "shop";

/// What a pod does in one step, for all who account for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// Cores in use.
    pub(super) cpu: f64,
    /// Bytes held by the processes.
    pub(super) memory: f64,
    /// Bytes per second received, sent, read from disk and written to disk.
    pub(super) received: f64,
    pub(super) sent: f64,
    pub(super) read: f64,
    pub(super) written: f64,
}

/// A pod's container: its series and what they need from step to step.
#[derive(Clone, Debug)]
pub(super) struct Container {
    noise: Noise,
    cache_drift: Drift,
    cpu_limit: f64,
    disk_used: f64,
    slots: Slots,
    /// What the kubelet counts and a restart sets back.
    counted_by_kubelet: Range<usize>,
    /// Counted by the cluster, not by the container: it outlives a restart.
    restarts: Slot,
}

#[derive(Clone, Debug)]
struct Slots {
    cpu: Slot,
    periods: Slot,
    throttled: Slot,
    working_set: Slot,
    rss: Slot,
    cache: Slot,
    received: Slot,
    sent: Slot,
    received_packets: Slot,
    sent_packets: Slot,
    receive_errors: Slot,
    read: Slot,
    written: Slot,
    usage: Slot,
    threads: Slot,
    out_of_memory: Slot,
}

impl Container {
    pub(super) fn register(registry: &mut Registry, seed: u64, place: &Place, cpu_limit: f64) -> Self {
        let named = [("namespace", NAMESPACE), ("pod", &*place.pod), ("container", place.service)];
        let first = registry.next_index();
        let mut kubelet = registry.scope(&named).and("job", "kubelet").and("instance", node::NAMES[place.node]);
        let slots = Slots {
            cpu: kubelet.one("container_cpu_usage_seconds_total"),
            periods: kubelet.one("container_cpu_cfs_periods_total"),
            throttled: kubelet.one("container_cpu_cfs_throttled_periods_total"),
            working_set: kubelet.one("container_memory_working_set_bytes"),
            rss: kubelet.one("container_memory_rss"),
            cache: kubelet.one("container_memory_cache"),
            received: kubelet.one("container_network_receive_bytes_total"),
            sent: kubelet.one("container_network_transmit_bytes_total"),
            received_packets: kubelet.one("container_network_receive_packets_total"),
            sent_packets: kubelet.one("container_network_transmit_packets_total"),
            receive_errors: kubelet.one("container_network_receive_errors_total"),
            read: kubelet.one("container_fs_reads_bytes_total"),
            written: kubelet.one("container_fs_writes_bytes_total"),
            usage: kubelet.one("container_fs_usage_bytes"),
            threads: kubelet.one("container_threads"),
            out_of_memory: kubelet.one("container_oom_events_total"),
        };
        let counted_by_kubelet = first..registry.next_index();

        let mut cluster =
            registry.scope(&named).and("job", "kube-state-metrics").and("instance", "kube-state-metrics:8080");
        for (metric, share) in
            [("kube_pod_container_resource_requests", 0.5), ("kube_pod_container_resource_limits", 1.0)]
        {
            cluster.constant(metric, &[("resource", "cpu"), ("unit", "core")], share * cpu_limit);
            cluster.constant(metric, &[("resource", "memory"), ("unit", "byte")], share * MEMORY_LIMIT);
        }
        cluster.constant("kube_pod_status_ready", &[("condition", "true")], 1.0);
        cluster.constant("kube_pod_status_phase", &[("phase", "Running")], 1.0);
        let restarts = cluster.one("kube_pod_container_status_restarts_total");

        let mut noise = Noise::new(seed, &format!("container {}", place.pod));
        let disk_used = noise.between(20.0, 40.0) * MIB;
        let cache_drift = Drift::new(0.1, 90.0);
        Self { noise, cache_drift, cpu_limit, disk_used, slots, counted_by_kubelet, restarts }
    }

    /// Accounts for a step of `seconds`.
    pub(super) fn tick(&mut self, registry: &mut Registry, work: &Work, seconds: f64) {
        let (noise, slots) = (&mut self.noise, &self.slots);
        registry.add(slots.cpu, work.cpu * seconds);
        let periods = (seconds / CFS_PERIOD).round();
        registry.add(slots.periods, periods);
        // Load comes in bursts: a container is throttled now and then well below its limit.
        let pressed = ((work.cpu / self.cpu_limit - 0.3) / 0.7).clamp(0.0, 1.0);
        registry.add(slots.throttled, noise.share(periods, pressed.powi(3)));

        let cache = 60.0 * MIB * self.cache_drift.next(noise);
        registry.set(slots.rss, work.memory.round());
        registry.set(slots.cache, cache.round());
        registry.set(slots.working_set, (work.memory + 0.4 * cache).round());

        let flow = |bytes_per_second: f64, noise: &mut Noise| (bytes_per_second * seconds * noise.factor(0.02)).round();
        let received = flow(work.received, noise);
        let sent = flow(work.sent, noise);
        registry.add(slots.received, received);
        registry.add(slots.sent, sent);
        registry.add(slots.received_packets, (received / PACKET).round());
        registry.add(slots.sent_packets, (sent / PACKET).round());
        registry.add(slots.receive_errors, noise.poisson(0.001));
        // Disks are written in whole pages, and by most services in rare flushes.
        let flushes = noise.poisson(0.4 * seconds / 60.0);
        registry.add(slots.read, flow(work.read, noise));
        registry.add(slots.written, flow(work.written, noise) + 65_536.0 * flushes);
        self.disk_used += 4096.0 * flushes;
        registry.set(slots.usage, self.disk_used);
        registry.set(slots.threads, 11.0 + (work.cpu * 4.0).round() + noise.poisson(0.3));
    }

    /// The container was killed and started again in place.
    pub(super) fn restart(&mut self, registry: &mut Registry, out_of_memory: bool) {
        registry.reset(self.counted_by_kubelet.clone());
        registry.add(self.restarts, 1.0);
        if out_of_memory {
            registry.add(self.slots.out_of_memory, 1.0);
        }
    }
}
