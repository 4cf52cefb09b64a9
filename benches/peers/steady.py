#!/usr/bin/env python3
"""Many series at a usual interval, and people who ask meanwhile: what is refused, how long things take, what it costs.

usage: steady.py [--vigie PATH] [--series N] [--interval 15s] [--duration 15m] [--queries N] [--connections N]
                 [--snapshot-interval 10m] [--restart]

vigie is started on a free port with an empty data folder and fed by `vigie loadgen` in an open loop, each series once per
interval: latency counts from when a request was due to its answer, which comes when every sample of it is scored and can be
asked for. Beside that, range queries a second: the last ten minutes of one metric of one instance, of its scores, and the
rates of one job summed by instance, in turns. At the end, with --restart, the process is killed and started anew: how long
until it answers. With --interval 1s it is a soak: shorten --snapshot-interval then, for the journal keeps what came since the
oldest of three snapshots. vigie is to be built before:

    cargo build --release

and looked for in $CARGO_TARGET_DIR/release or target/release. Nothing but Python's standard library is needed.
"""
import argparse, collections, json, os, subprocess, sys, tempfile, threading, time, urllib.error, urllib.parse, urllib.request

from ingest import free_port, wait_until_ready

QUERIES = [
    'node_cpu_seconds_total{instance="%(instance)s"}',
    'vigie_anomaly_score{instance="%(instance)s"}',
    'sum by (mode) (rate(node_cpu_seconds_total{instance="%(instance)s"}[5m]))',
    'node_memory_MemAvailable_bytes{instance="%(instance)s"}',
]


def instances(base):
    query = urllib.parse.urlencode({"match[]": "node_load1"})
    with urllib.request.urlopen(f"{base}/api/v1/label/instance/values?{query}", timeout=60) as answer:
        return json.load(answer)["data"]


def ask(base, stop, period, number, seen, times):
    """Asks once a period until told to stop."""
    time.sleep(number * period / 20)
    names, next_at, asked = [], time.monotonic(), number
    while not stop.is_set():
        if not names:
            names = instances(base)
        now = int(time.time())
        query = QUERIES[asked % len(QUERIES)] % {"instance": names[asked * 7919 % len(names)] if names else ""}
        asked += 1
        url = f"{base}/api/v1/query_range?" + urllib.parse.urlencode({"query": query, "start": now - 600, "end": now, "step": 15})
        began = time.monotonic()
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                body = json.load(answer)
                seen[f"{answer.status} {'with' if body['data']['result'] else 'without'} series"] += 1
        except urllib.error.HTTPError as error:
            seen[f"{error.code} {error.read()[:120].decode(errors='replace')}"] += 1
        except OSError as error:
            seen[str(error)] += 1
        times.append(time.monotonic() - began)
        next_at = max(next_at + period, time.monotonic() - period)
        stop.wait(max(0.0, next_at - time.monotonic()))


def quantile(times, q):
    return sorted(times)[min(int(q * len(times)), len(times) - 1)] if times else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    parser.add_argument("--vigie", default=os.path.join(target, "release", "vigie"))
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--interval", default="15s")
    parser.add_argument("--duration", default="15m")
    parser.add_argument("--queries", type=int, default=20, help="range queries a second")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--snapshot-interval", default="10m")
    parser.add_argument("--restart", action="store_true", help="kill it at the end, and start it again")
    a = parser.parse_args()
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        config = os.path.join(folder, "vigie.yaml")
        with open(config, "w") as f:
            f.write(f"series:\n  max_per_tenant: {2 * a.series}\njournal:\n  snapshot_interval: {a.snapshot_interval}\n")
        command = [a.vigie, "serve", "--config", config, "--listen", f"127.0.0.1:{port}", "--data-dir", os.path.join(folder, "data")]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until_ready(server, f"{base}/-/ready", log)
            load = [a.vigie, "loadgen", base, "--json", "--pid", str(server.pid), "--series", str(a.series), "--interval", a.interval,
                    "--duration", a.duration, "--connections", str(a.connections)]
            generator = subprocess.Popen(load, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            stop, seen, times = threading.Event(), collections.Counter(), []
            # The first round brings all series; people come when they are there.
            threads = [threading.Thread(target=ask, args=(base, stop, 20 / a.queries, n, seen, times)) for n in range(20)]
            time.sleep(30)
            for thread in threads:
                thread.start()
            told = json.loads(generator.stdout.read())
            stop.set()
            for thread in threads:
                thread.join()
            log.seek(0)
            lines = log.read().decode(errors="replace").splitlines()
            if a.restart:
                server.kill()
                server.wait()
                began = time.monotonic()
                server = subprocess.Popen(command, stdout=log, stderr=log)
                wait_until_ready(server, f"{base}/-/ready", log, 600)
                restarted = time.monotonic() - began
        finally:
            server.terminate()
            server.wait()
    target = told["target"]
    print(f"{told['series_written']} series, {told['samples_written']} samples written, {told['samples_failed']} failed, "
          f"{told['samples_overdue']} due and not sent; answers " + ", ".join(f"{x['count']} x {x['status']}" for x in told["answers"]))
    print("due to answered: " + ", ".join(f"{name} {1e3 * told['latency_s'][name]:.1f} ms" for name in ("p50", "p99", "p999", "max")))
    print(f"queries: {len(times)}, p50 {1e3 * quantile(times, .5):.1f} ms, p99 {1e3 * quantile(times, .99):.1f} ms, "
          f"max {1e3 * max(times, default=0):.1f} ms; " + ", ".join(f"{count} x {what}" for what, count in seen.most_common()))
    fifth = len(times) // 5
    print("queries' p99 by fifths, ms: " + " ".join(f"{1e3 * quantile(times[i * fifth:(i + 1) * fifth], .99):.1f}" for i in range(5)))
    print("due to answered by tenths, p50/p99 ms: " + " ".join(f"{1e3 * x['p50_s']:.1f}/{1e3 * x['p99_s']:.1f}" for x in told["course"]))
    print(f"CPU {target['cpu_s']:.0f} s of {told['elapsed_s']:.0f} s; resident by tenths, MiB: "
          + " ".join(f"{x['resident_bytes'] / (1 << 20):.0f}" for x in told["course"])
          + f"; growth in the second half {target['resident_growth_bytes_per_h'] / (1 << 20):+.1f} MiB an hour")
    print(f"resident at the end: {target['resident_end_bytes'] / (1 << 30):.2f} GiB, {target['resident_bytes_per_series']:.0f} bytes a series")
    saved = [line for line in lines if "state is saved" in line]
    print(f"{len(saved)} snapshots" + (f", the last: {saved[-1].split('saved', 1)[1].strip()}" if saved else ""))
    if a.restart:
        print(f"ready {restarted:.1f} s after it was killed and started anew")
    for line in [line for line in lines if " WARN " in line or " ERROR " in line][:10]:
        print(line)


if __name__ == "__main__":
    main()
