#!/usr/bin/env python3
"""Ingestion beside each other: vigie, Prometheus and VictoriaMetrics take the same series by remote write.

usage: ingest.py [--vigie PATH] [--prometheus PATH] [--victoria-metrics PATH] [--series N] [--duration 20s]
                 [--protocol 1|2] [--connections N] [--interval 15s]

Each given program is started alone, on a free port with an empty data folder, and fed by `vigie loadgen` in a closed
loop: the next request follows the answer, so that the slower one takes fewer samples. CPU seconds are those of the
program between the first request and the last answer, work that it puts off until later left out; memory is what is
resident at the end. They do not do the same work: vigie scores every sample and keeps two hours, the others store them
on disk. vigie is to be built before:

    cargo build --release

and looked for in $CARGO_TARGET_DIR/release or target/release. Nothing but Python's standard library is needed.
"""
import argparse, json, os, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

PATIENCE_S = 30


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def vigie(binary, folder, port):
    return [binary, "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", os.path.join(folder, "data")], "/-/ready"


def prometheus(binary, folder, port):
    config = os.path.join(folder, "prometheus.yml")
    with open(config, "w") as f:
        f.write("global: {}\n")
    return [binary, f"--config.file={config}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver"], "/-/ready"


def victoria_metrics(binary, folder, port):
    return [binary, f"-storageDataPath={folder}/data", f"-httpListenAddr=127.0.0.1:{port}"], "/health"


def wait_until_ready(process, url, log, patience=PATIENCE_S):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    log.seek(0)
    sys.exit(f"{url} never answered; the last words of the program:\n" + log.read()[-2000:].decode(errors="replace"))


def measure(name, recipe, binary, a):
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        command, ready = recipe(binary, folder, port)
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            wait_until_ready(process, f"http://127.0.0.1:{port}{ready}", log)
            load = [a.vigie, "loadgen", f"http://127.0.0.1:{port}/api/v1/write", "--mode", "closed", "--json", "--pid", str(process.pid)]
            for option in ("series", "duration", "protocol", "connections", "interval"):
                load += [f"--{option}", str(getattr(a, option))]
            run = subprocess.run(load, stdout=subprocess.PIPE, text=True)
            if run.returncode:
                sys.exit(f"vigie loadgen failed against {name}: {run.stdout}")
            return json.loads(run.stdout)
        finally:
            process.terminate()
            process.wait()


def shown(name, told):
    target = told["target"]
    cells = [name, f"{target['samples_per_cpu_s']:.0f}", f"{target['resident_bytes_per_series']:.0f}", f"{told['samples_per_s']:.0f}",
             f"{1e3 * told['latency_s']['p99']:.1f}", str(told["samples_written"]), str(told["samples_failed"]), str(told["retries"]),
             f"{target['cpu_s']:.1f}", f"{told['own_cpu_s']:.1f}"]
    if told["series_written"] < told["series"]:
        cells[0] += f" ({told['series_written']} series)"
    return cells


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) for row in rows)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--vigie", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release", "vigie"))
    p.add_argument("--prometheus"), p.add_argument("--victoria-metrics")
    p.add_argument("--series", type=int, default=100_000), p.add_argument("--duration", default="20s")
    p.add_argument("--protocol", type=int, default=1), p.add_argument("--connections", type=int, default=4)
    p.add_argument("--interval", default="15s")
    a = p.parse_args()
    a.vigie = os.path.abspath(a.vigie)
    programs = [("vigie", vigie, a.vigie), ("Prometheus", prometheus, a.prometheus), ("VictoriaMetrics", victoria_metrics, a.victoria_metrics)]
    programs = [(name, recipe, os.path.abspath(binary)) for name, recipe, binary in programs if binary]
    missing = [binary for _, _, binary in programs if not os.path.exists(binary)]
    if missing:
        sys.exit(f"{missing[0]} is missing; see --help")
    print(f"{a.series} series, {a.duration} each, remote write {a.protocol}.0, {a.connections} connections, closed loop", flush=True)
    rows = [["", "samples/CPU-s", "B/series", "samples/s", "p99 ms", "samples", "failed", "retries", "CPU s", "generator CPU s"]]
    rows += [shown(name, measure(name, recipe, binary, a)) for name, recipe, binary in programs]
    print(table(rows))


if __name__ == "__main__":
    main()
