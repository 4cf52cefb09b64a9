#!/usr/bin/env python3
"""Writes detector.csv: what the published prototype of the single-metric detector says of a made series.

usage: detector.py PROTOTYPE_DIR > detector.csv      (the folder that holds univariate.py; numpy, pandas, numba)

The series has a daily season, noise, a burst, a level shift, missing values and a quiet tail, 300 s apart. The Rust
test beside src/anomaly/detector.rs reads the file and must give the same numbers. The prototype is run with the
changes below; it computes in f64 throughout and keeps its windows unrounded.
"""
import os, sys
import numpy as np

CHANGES = [
    ("nb = min(48, day)", "nb = min(24, day)"),
    # A part of the day never seen goes on like the part before.
    ("ms, vs,", "before, ms, vs,"),
    ("prev = x[0], 0.,", "prev = x[0], x[0], 0.,"),
    ("else ms\n        r, l, d", "else before\n        r, l, d"),
    ("            prof[ph] += lr * q\n", "            prof[ph] += lr * q\n        before = prof[ph]\n"),
    (".05 * (w[i] - P[bi, i])", ".02 * (w[i] - P[bi, i])"),
    ("if h > 12:", "if h > 8:"),
]

source = open(os.path.join(sys.argv[1], "univariate.py")).read()
for old, new in CHANGES:
    assert source.count(old) == 1, old
    source = source.replace(old, new)
univariate = {"__name__": "univariate", "__file__": "univariate.py"}
exec(compile(source, "univariate.py", "exec"), univariate)

r = np.random.default_rng(7)
n, step = 4000, 300
t = 1_700_000_000 + np.arange(n) * step
x = 1e6 + 50 * np.sin(2 * np.pi * t / 86400) + 8 * r.standard_normal(n) + 3 * r.standard_t(3, n)
x[1500:1506] += 160
x[2200] -= 400
x[2900:3300] += 90
x[3600:] = x[3600:].round(-1)
e, st, _ = univariate["detect"](t, x, "recommended", nprot=12)
print("# detector.py, univariate.py design 'recommended' with changes\ntimestamp,value,event,state")
for row in zip(t, x, e, st):
    print("%d,%.6f,%.5g,%.5g" % row)
