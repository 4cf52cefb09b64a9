#!/usr/bin/env python3
"""What a tenant notices of another one that floods: latency of its writes alone, and beside millions of distinct series.

usage: noisy_neighbour.py [--vigie PATH] [--series N] [--interval 1s] [--duration 30s] [--flood-series N] [--flood-connections N]
                          [--limit N]

vigie is started on a free port with an empty data folder. The quiet tenant sends its series in an open loop, each of them once per
interval, so that a request that has to wait does not hold up the next one: latency counts from when a request was due. First it
is alone; then the flooding tenant sends distinct series in a closed loop beside it, as fast as they are answered, and without
waiting where it is told to (`--no-retry`). Generators and vigie share the machine; that of the flood, which would have one of
its own, has a lower priority (nice 10). vigie is to be built before:

    cargo build --release

and looked for in $CARGO_TARGET_DIR/release or target/release. Nothing but Python's standard library is needed.
"""
import argparse, json, os, subprocess, sys, tempfile, time, urllib.request

from ingest import free_port, table, vigie, wait_until_ready


def metrics(base):
    with urllib.request.urlopen(f"{base}/metrics", timeout=30) as answer:
        return answer.read().decode()


def metric(page, series):
    values = [line.rsplit(" ", 1)[1] for line in page.splitlines() if line.rsplit(" ", 1)[0] == series]
    return float(values[0]) if values else 0.0


def loadgen(a, base, tenant, *options, nice=0):
    return subprocess.Popen(["nice", "-n", str(nice), a.vigie, "loadgen", base, "--tenant", tenant, "--json", *options],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def told(process):
    out, _ = process.communicate()
    if not out:
        sys.exit("vigie loadgen told nothing")
    return json.loads(out)


def row(name, figures):
    latency = figures["latency_s"]
    cells = [f"{1e3 * latency[q]:.1f}" for q in ("p50", "p99", "max")]
    return [name, *cells, str(figures["samples_written"]), str(figures["samples_failed"]), str(figures["retries"])]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--vigie", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release", "vigie"))
    p.add_argument("--series", type=int, default=20_000), p.add_argument("--interval", default="1s")
    p.add_argument("--duration", default="30s"), p.add_argument("--flood-series", type=int, default=10_000_000)
    p.add_argument("--flood-connections", type=int, default=4), p.add_argument("--limit", type=int, default=1_000_000)
    a = p.parse_args()
    a.vigie = os.path.abspath(a.vigie)
    if not os.path.exists(a.vigie):
        sys.exit(f"{a.vigie} is missing; see --help")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    quiet = ["--series", str(a.series), "--interval", a.interval, "--mode", "open", "--duration", a.duration]
    flood = ["--series", str(a.flood_series), "--mode", "closed", "--duration", "1h", "--no-retry", "--seed", "2",
             "--connections", str(a.flood_connections)]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        config = os.path.join(folder, "vigie.yaml")
        with open(config, "w") as f:
            f.write(f"series: {{max_per_tenant: {a.limit}}}\n")
        command, ready = vigie(a.vigie, folder, port)
        process = subprocess.Popen([*command, "--config", config], stdout=log, stderr=log, cwd=folder)
        try:
            wait_until_ready(process, base + ready, log)
            told(loadgen(a, base, "quiet", *quiet[:-1], "5s"))  # its series are known from here on
            alone = told(loadgen(a, base, "quiet", *quiet))
            noisy = loadgen(a, base, "flood", *flood, nice=10)
            time.sleep(1)
            growing = told(loadgen(a, base, "quiet", *quiet))
            at_limit = metric(metrics(base), 'vigie_tenant_series{tenant="flood"}')
            # On past its limit, until it has sent every series once.
            began = time.monotonic()
            while metric(metrics(base), 'vigie_tenant_refused_samples_total{tenant="flood"}') + at_limit < a.flood_series:
                if time.monotonic() - began > 600:
                    break
                time.sleep(1)
            beside = told(loadgen(a, base, "quiet", *quiet))
            noisy.send_signal(2)
            flooded = told(noisy)
            page = metrics(base)
        finally:
            process.terminate()
            process.wait()
        log.seek(0)
        lines = [line for line in log.read().decode(errors="replace").splitlines() if "refused" in line or "memory is" in line]
    print(table([["quiet tenant", "p50 ms", "p99 ms", "max ms", "samples", "failed", "retries"], row("alone", alone),
                 row("while the flood's series are new", growing), row("while they are refused", beside)]))
    for q in ("p50", "p99"):
        ratios = [figures["latency_s"][q] / alone["latency_s"][q] for figures in (growing, beside)]
        print(f"{q}: {ratios[0]:.2f} and {ratios[1]:.2f} times as long as alone")
    answers = ", ".join(f"{answer['count']} x {answer['status']}" for answer in flooded["answers"])
    print(f"flood: {flooded['samples_written'] + flooded['samples_failed']} samples sent, {flooded['samples_written']} written; {answers}")
    for series in ('vigie_tenant_series{tenant="flood"}', 'vigie_tenant_refused_samples_total{tenant="flood"}',
                   "vigie_memory_resident_bytes", "vigie_memory_limit_bytes"):
        print(f"{series} {metric(page, series):.0f}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
