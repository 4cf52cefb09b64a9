#!/usr/bin/env python3
"""Writes detector.csv: what the published prototype of the single-metric detector says of a made series.

usage: detector.py PROTOTYPE_DIR > detector.csv      (the folder that holds univariate.py; numpy, pandas, numba)

The series has a daily season, noise, a burst, a level shift, missing values and a quiet tail, 300 s apart. The Rust
test beside src/anomaly/detector.rs reads the file and must give the same numbers.
"""
import sys
import numpy as np

sys.path.insert(0, sys.argv[1])
import univariate

r = np.random.default_rng(7)
n, step = 4000, 300
t = 1_700_000_000 + np.arange(n) * step
x = 1e6 + 50 * np.sin(2 * np.pi * t / 86400) + 8 * r.standard_normal(n) + 3 * r.standard_t(3, n)
x[1500:1506] += 160
x[2200] -= 400
x[2900:3300] += 90
x[3600:] = x[3600:].round(-1)
e, st, _ = univariate.detect(t, x, "recommended")
print("# detector.py, univariate.py design 'recommended'\ntimestamp,value,event,state")
for row in zip(t, x, e, st):
    print("%d,%.6f,%.5g,%.5g" % row)
