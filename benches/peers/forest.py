#!/usr/bin/env python3
"""Isolation forests beside each other: vigie, scikit-learn and isotree on the same rows, one thread.

usage: forest.py [--rows N] [--features N] [--trees N] [--sample N] [--binary PATH] [--only vigie,sklearn,isotree]

Rows are sizes of residuals, as the detector feeds them: exponential, with a scale drawn per row. vigie is measured with
the example `forest_rate`, to be built before:

    cargo build --release --no-default-features --example forest_rate

and looked for in $CARGO_TARGET_DIR/release/examples or target/release/examples; --binary names another place. vigie's
figures are the fastest of five runs within its process, the others' the fastest of two. Each scores all rows with the
forest it has fitted on all rows. Needs numpy, scipy, scikit-learn, isotree.
"""
import argparse, os, subprocess, sys, tempfile, time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
from importlib.metadata import version


def fastest(runs, work):
    best, result = float("inf"), None
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return best, result


def vigie(a, X):
    binary = a.binary or os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release", "examples", "forest_rate")
    if not os.path.exists(binary):
        sys.exit(f"{binary} is missing; see --help")
    with tempfile.NamedTemporaryFile(suffix=".f32") as f:
        X.astype(np.float32).tofile(f)
        f.flush()
        out = subprocess.run([binary, f.name, str(a.features), str(a.trees), str(a.sample)], check=True, capture_output=True, text=True)
    figures = dict(line.split() for line in out.stdout.splitlines())
    return float(figures["fit_s"]), float(figures["rows_per_s"]), float(figures["mean_score"])


def sklearn(a, X):
    from sklearn.ensemble import IsolationForest
    fit, model = fastest(2, lambda: IsolationForest(n_estimators=a.trees, max_samples=a.sample, n_jobs=1, random_state=1).fit(X))
    score, s = fastest(2, lambda: -model.score_samples(X))
    return fit, len(X) / score, float(s.mean())


def isotree(a, X):
    from isotree import IsolationForest
    fit, model = fastest(2, lambda: IsolationForest(
        ntrees=a.trees, sample_size=a.sample, ndim=1, prob_pick_avg_gain=0, prob_pick_pooled_gain=0, missing_action="fail",
        penalize_range=False, standardize_data=False, nthreads=1, random_seed=1).fit(X))
    score, s = fastest(2, lambda: model.predict(X))
    return fit, len(X) / score, float(s.mean())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, default=1_000_000), p.add_argument("--features", type=int, default=8)
    p.add_argument("--trees", type=int, default=100), p.add_argument("--sample", type=int, default=256)
    p.add_argument("--binary"), p.add_argument("--only", default="vigie,sklearn,isotree")
    a = p.parse_args()
    draw = np.random.default_rng(1)
    X = draw.exponential(size=(a.rows, 1)) * draw.exponential(size=(a.rows, a.features))
    print(f"{a.rows} rows x {a.features}, {a.trees} trees x {a.sample}, one thread")
    base = None
    for name in a.only.split(","):
        fit, rate, mean = {"vigie": vigie, "sklearn": sklearn, "isotree": isotree}[name](a, X)
        base = base or rate
        label = {"sklearn": "scikit-learn"}.get(name, name)
        shown = label if name == "vigie" else f"{label} {version(label)}"
        print(f"{shown:22} fit {1e3 * fit:8.1f} ms   {rate / 1e6:7.3f} M rows/s   {rate / base:5.2f} of the first   mean score {mean:.3f}", flush=True)


if __name__ == "__main__":
    main()
