#!/usr/bin/env python3
"""Log lines to templates beside each other: vigie and Drain3 on the same lines, one thread each.

usage: logs.py [--lines N] [--corpus DIR] [--binary PATH]

Two corpora of N lines each: the stream of `log_stream.py`, and, with --corpus, the messages of Loghub's CSV files in DIR and
below (`*.truth.csv`, column Content), shuffled, repeated, each time with other numbers. vigie is measured with the example
`log_rate`, to be built before:

    cargo build --release --example log_rate

and looked for in $CARGO_TARGET_DIR/release/examples or target/release/examples; --binary names another place. Its time is the
fastest of five runs; then come the same lines through the engine, where counts by minute are judged, and through it into the
index, all on one core. Drain3 runs once, on the first tenth of the lines, which is its faster part. Needs drain3.
"""
import argparse, csv, glob, json, logging, os, random, re, subprocess, sys, tempfile, time

from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig

import log_stream


def repeated(folder, count):
    lines = []
    for path in sorted(glob.glob(f"{folder}/**/*.truth.csv", recursive=True)):
        with open(path, newline="") as f:
            lines += [row["Content"].replace("\n", " ") for row in csv.DictReader(f)]
    if not lines:
        sys.exit(f"{folder} holds no *.truth.csv")
    dice = random.Random(1)
    other = lambda match: "".join(dice.choice("0123456789") for _ in match.group()) if len(match.group()) > 1 else match.group()
    number = re.compile(r"(?<![A-Za-z0-9])\d+(?![A-Za-z])")
    out = []
    while len(out) < count:
        dice.shuffle(lines)
        out += [number.sub(other, line) for line in lines] if out else lines
    return out[:count]


def vigie(binary, lines):
    marks = [str(n) for n in (10_000, 100_000, 300_000, 1_000_000, 3_000_000) if n <= len(lines)]
    with tempfile.NamedTemporaryFile("w", suffix=".log") as f:
        f.writelines(line + "\n" for line in lines)
        f.flush()
        return json.loads(subprocess.run([binary, f.name, *marks], check=True, capture_output=True, text=True).stdout)


def drain3(lines):
    miner = TemplateMiner(config=TemplateMinerConfig())
    began = time.process_time()
    for line in lines:
        miner.add_log_message(line)
    return time.process_time() - began, len(miner.drain.clusters)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    p.add_argument("--lines", type=int, default=1_000_000), p.add_argument("--corpus")
    p.add_argument("--binary", default=os.path.join(target, "release", "examples", "log_rate"))
    a = p.parse_args()
    if not os.path.exists(a.binary):
        sys.exit(f"{a.binary} is missing; see --help")
    logging.disable(logging.CRITICAL)
    stream, statements = log_stream.lines(a.lines, 1)
    corpora = [(f"stream of {len(log_stream.SERVICES)} services, {statements} statements", list(stream))]
    if a.corpus:
        corpora.append(("Loghub, repeated with other numbers", repeated(a.corpus, a.lines)))
    for name, lines in corpora:
        told = vigie(a.binary, lines)
        part = lines[:len(lines) // 10]
        seconds, clusters = drain3(part)
        rate, other = told["lines"] / told["seconds"], len(part) / seconds
        print(f"{name}: {told['lines']} lines of {told['bytes'] / told['lines']:.0f} bytes")
        print(f"  vigie   {rate:>12,.0f} lines/s  {told['bytes'] / told['seconds'] / 1e6:>6.0f} MB/s  {told['templates']} templates; "
              + ", ".join(f"{found} after {at:,}" for at, found in told["templates_after"]))
        for what, seconds in (("and judged", told["seconds_judged"]), ("and indexed", told["seconds_indexed"])):
            print(f"  {what:<12}{told['lines'] / seconds:>7,.0f} lines/s")
        print(f"  Drain3  {other:>12,.0f} lines/s  {clusters} templates after {len(part):,} lines; vigie is {rate / other:.0f} times as fast")


if __name__ == "__main__":
    main()
