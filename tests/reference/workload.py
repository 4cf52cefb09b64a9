#!/usr/bin/env python3
"""Writes the golden file of the workload detector: rows of a made-up workload and a reference's scores for them.

usage: workload.py REFERENCE.py [OUT_DIR]        (OUT_DIR: default the folder of this script)

REFERENCE.py is the numpy and numba implementation the detector was designed with; it offers `scores(train, test, mode,
**parameters)`, whose first column is the peak-held norm of each row. Residuals are not quantised before the norm is taken
(quant=False); all other parameters are its defaults. Made with numpy 2.4.6 and numba 0.68.1.

workload.csv holds a comment line, then every fifth row's number, its norm as one stream and its norm after learning
the first 1,200 rows. The rows themselves are drawn again by the test, from the same integer generator and with additions
and multiplications only, so that both sides have the same bits.
"""
import importlib.util, os, sys
import numpy as np

ROWS, METRICS, BORDER = 3000, 6, 1200


class Draws:
    """Knuth's 64-bit congruential generator (MMIX)."""

    def __init__(self, seed):
        self.state = seed

    def unit(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 11) * 2.0**-53

    def noise(self):
        """Nearly normal: six uniform draws, variance 1/2."""
        return self.unit() + self.unit() + self.unit() - self.unit() - self.unit() - self.unit()


def workload():
    """Six metrics that follow a load and a queue; from row 1,500 on three faults and a changed level."""
    draw, load, queue, rows = Draws(7), 0.0, 0.0, []
    for t in range(ROWS):
        load = 0.98 * load + 0.2 * draw.noise()
        burst = 4.0 if t % 700 < 12 else 0.0
        queue = 0.8 * queue + 0.3 * load + 0.3 * burst + 0.1 * draw.noise()
        noise = [draw.noise() for _ in range(METRICS)]
        row = [
            1000.0 + 200.0 * load + 100.0 * burst + 10.0 * noise[0],
            5e12 + 1e9 * load + 2e8 * noise[1],
            0.02 + 0.001 * queue + 0.0005 * noise[2],
            3.0 * queue - 2.0 * load + 0.3 * noise[3],
            1.0 if noise[4] > 1.6 else 0.0,
            float(t // 1000),
        ]
        if 1500 <= t < 1530:
            row[0] -= 400.0
        if 1900 <= t < 1960:
            row[2] = 0.05
        if 2300 <= t < 2310:
            row[3] += 40.0
        if t >= 2600:
            row[1] += 4e9
        rows.append(row)
    return np.array(rows)


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        return print(__doc__)
    spec = importlib.util.spec_from_file_location("reference", sys.argv[1])
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    out = sys.argv[2] if len(sys.argv) > 2 else os.path.dirname(os.path.abspath(__file__))
    rows = workload()
    stream = reference.scores(rows[:0], rows, "stream", quant=False)[:, 0]
    learn = reference.scores(rows[:BORDER], rows[BORDER:], "learn", quant=False)[:, 0]
    with open(os.path.join(out, "workload.csv"), "w") as f:
        f.write("# row, norm as a stream, norm after learning 1,200 rows\n")
        for t in range(0, ROWS, 5):
            after = f"{learn[t - BORDER]:.6g}" if t >= BORDER else ""
            f.write(f"{t},{stream[t]:.6g},{after}\n")


if __name__ == "__main__":
    main()
