//! The Go runtime of a service: goroutines, the garbage collector's sawtooth, the process.

use super::{
    container::{MIB, Place, Work},
    noise::Noise,
    registry::{Registry, Slot},
};
use crate::signal::TimestampMs;

/// Average size of an allocated object, in bytes.
const OBJECT: f64 = 96.0;
/// Share of its final resident memory that a new process starts with; the rest comes as its caches fill.
const COLD: f64 = 0.75;
/// Time in which the caches fill to 63 %, in seconds.
const WARMING: f64 = 2400.0;
/// Bytes of stack per goroutine.
const STACK: f64 = 4096.0;

/// What the service asks of its runtime in one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// Requests being answered.
    pub(super) in_flight: f64,
    /// Bytes allocated per second.
    pub(super) allocated: f64,
    /// Bytes that a leak holds.
    pub(super) leaked: f64,
}

/// The runtime's series and its state.
#[derive(Clone, Debug)]
pub(super) struct Runtime {
    noise: Noise,
    /// Bytes that survive a collection once all caches are warm.
    live: f64,
    /// Seconds since the start of the process.
    age: f64,
    /// How far the heap is from the last collection to the next, 0 to 1.
    phase: f64,
    slots: Slots,
}

#[derive(Clone, Debug)]
struct Slots {
    goroutines: Slot,
    threads: Slot,
    pause_sum: Slot,
    pause_count: Slot,
    heap: Slot,
    next_gc: Slot,
    objects: Slot,
    stack: Slot,
    allocated: Slot,
    mallocs: Slot,
    cpu: Slot,
    resident: Slot,
    fds: Slot,
    start: Slot,
}

impl Runtime {
    /// A process that started `age` seconds before `at`.
    pub(super) fn register(registry: &mut Registry, seed: u64, place: &Place, at: TimestampMs, age: f64) -> Self {
        let mut noise = Noise::new(seed, &format!("runtime {}", place.pod));
        let live = noise.between(45.0, 90.0) * MIB;
        let phase = noise.unit();
        let target = place.target();
        let mut scope = registry.scope(&target);
        scope.constant("build_info", &[("version", "2.14.3"), ("goversion", "go1.26.1")], 1.0);
        scope.constant("process_max_fds", &[], 65_536.0);
        scope.constant("config_last_reload_successful", &[], 1.0);
        let slots = Slots {
            goroutines: scope.one("go_goroutines"),
            threads: scope.one("go_threads"),
            pause_sum: scope.one("go_gc_duration_seconds_sum"),
            pause_count: scope.one("go_gc_duration_seconds_count"),
            heap: scope.one("go_memstats_heap_alloc_bytes"),
            next_gc: scope.one("go_memstats_next_gc_bytes"),
            objects: scope.one("go_memstats_heap_objects"),
            stack: scope.one("go_memstats_stack_inuse_bytes"),
            allocated: scope.one("go_memstats_alloc_bytes_total"),
            mallocs: scope.one("go_memstats_mallocs_total"),
            cpu: scope.one("process_cpu_seconds_total"),
            resident: scope.one("process_resident_memory_bytes"),
            fds: scope.one("process_open_fds"),
            start: scope.one("process_start_time_seconds"),
        };
        let mut runtime = Self { noise, live, age, phase, slots };
        runtime.started(registry, at - (age * 1000.0) as TimestampMs);
        runtime
    }

    /// Advances by `seconds`; adds the memory that the process holds to `work`.
    pub(super) fn tick(&mut self, registry: &mut Registry, demand: &Demand, work: &mut Work, seconds: f64) {
        self.age += seconds;
        let (noise, slots) = (&mut self.noise, &self.slots);
        let warm = COLD + (1.0 - COLD) * (1.0 - (-self.age / WARMING).exp());
        let live = self.live * warm + demand.leaked;

        // A collection starts when the heap has doubled.
        let allocated = demand.allocated * seconds * noise.factor(0.02);
        let travelled = self.phase + allocated / live;
        let collections = travelled.floor();
        self.phase = travelled - collections;
        let heap = live * (1.0 + self.phase) * noise.factor(0.004);
        registry.add(slots.pause_count, collections);
        registry.add(slots.pause_sum, collections * 0.000_35 * noise.factor(0.3));
        registry.set(slots.heap, heap.round());
        registry.set(slots.next_gc, (2.0 * live).round());
        registry.set(slots.objects, (heap / OBJECT).round());
        registry.add(slots.allocated, allocated.round());
        registry.add(slots.mallocs, (allocated / OBJECT).round());

        let in_flight = noise.poisson(demand.in_flight);
        let goroutines = 24.0 + 2.0 * in_flight + noise.poisson(3.0);
        registry.set(slots.goroutines, goroutines);
        registry.set(slots.threads, 9.0 + noise.poisson(0.2));
        registry.set(slots.stack, STACK * (goroutines * 1.5).ceil());
        registry.set(slots.fds, 31.0 + in_flight + noise.poisson(4.0));
        registry.add(slots.cpu, work.cpu * seconds * 0.99);

        // The runtime gives memory back slowly: what is resident follows the size at which it collects.
        work.memory += 2.1 * live * noise.factor(0.003) + 18.0 * MIB;
        registry.set(slots.resident, work.memory.round());
    }

    /// The process was started again at `at`; its counters have been reset.
    pub(super) fn restart(&mut self, registry: &mut Registry, at: TimestampMs) {
        self.age = 0.0;
        self.started(registry, at);
    }

    fn started(&mut self, registry: &mut Registry, at: TimestampMs) {
        registry.set(self.slots.start, at as f64 / 1000.0);
    }
}
