#!/usr/bin/env python3
"""A plain reference of the workload detector, without its forest, and the golden file made with it: rows of a made-up
workload and their norms.

usage: workload.py [OUT_DIR]        (OUT_DIR: default the folder of this script)

workload.csv holds a comment line, then every fifth row's number, its norm as one stream and its norm after learning
the first 1,200 rows. The rows themselves are drawn again by the test, from the same integer generator and with additions
and multiplications only, so that both sides have the same bits. Made with numpy 2.4.6, in f64 throughout.
"""
import os, sys
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


class Generation:
    """A model of the learned moments, and what it makes of the rows while it is in use."""

    def __init__(self, inputs):
        metrics = len(inputs) // 2
        self.centre, self.scale = inputs.copy(), np.ones(len(inputs))
        self.weights, self.sharpness = np.eye(len(inputs))[:metrics], np.ones(metrics)
        self.known, self.shifts = np.ones(metrics, bool), np.zeros(metrics)

    @classmethod
    def of(cls, mean, covariance, span, known):
        made, metrics = cls(mean), len(known)
        made.scale = np.maximum(np.sqrt(np.diag(covariance) + (0.03 * span) ** 2), 1e-9)
        correlation = covariance / np.outer(made.scale, made.scale)
        precision = np.linalg.inv(correlation + 0.5 * np.eye(len(mean)))
        made.weights = (precision / np.diag(precision)[:, None])[:metrics]
        variance = np.einsum("ij,jk,ik->i", made.weights, correlation, made.weights)
        made.sharpness = 1 / np.sqrt(np.maximum(variance, 0) + 0.02**2)
        made.known = known
        return made

    def observe(self, inputs, span, since_move):
        """Mean square of the residuals and of their recent means, and of the known residuals alone."""
        z = 10 * np.arcsinh((inputs - self.centre) / np.maximum(self.scale, 0.03 * span) / 10)
        u = 5 * np.arcsinh(self.weights @ z * self.sharpness / 5)
        u = np.where(self.known, u, u * 0.5 ** (since_move / 20))
        self.shifts += (1 - 0.5 ** (1 / 40)) * (u - self.shifts)
        return np.mean(u**2 + self.shifts**2), np.mean(np.where(self.known, u, 0) ** 2)


def norms(rows, border=None):
    """The peak-held norm of each row; at the border a model is made of all that was learned before."""
    inputs = np.r_[rows[0], rows[0]]
    metrics = len(rows[0])
    mean, covariance = inputs.copy(), np.zeros((len(inputs), len(inputs)))
    lo, hi, moved = inputs.copy(), inputs.copy(), np.zeros(metrics, int)
    present, former = Generation(inputs), Generation(inputs)
    due, unrest, peak, out = 8, 1.0, 0.0, [0.0]
    for t in range(1, len(rows)):
        inputs = np.r_[rows[t], rows[t - 1]]
        moved[(lo == hi)[:metrics] & (rows[t] != lo[:metrics])] = t
        can_wait = t >= 100 and t <= due + min(t // 2, 10_000)
        if t == border or (t >= due and not (can_wait and unrest >= 9)):
            late = t - moved < 0.1 * min(t, 10_000)
            known = (hi > lo)[:metrics] & ((moved == 0) | ~late)
            present, former = Generation.of(mean, covariance, hi - lo, known), present
            due = t + min(t, 2500)
        span = np.maximum(hi, inputs) - np.minimum(lo, inputs)
        (now, known), (before, _) = (it.observe(inputs, span, t - moved) for it in (present, former))
        norm = np.sqrt((now + before) / 2)
        keep = 0.5 ** (1 / 10)
        peak = max(norm, keep * peak + (1 - keep) * norm)
        out.append(peak)
        unrest += (1 - 0.5 ** (1 / 20)) * (min(known, 100.0) - unrest)
        lo, hi, delta = np.minimum(lo, inputs), np.maximum(hi, inputs), inputs - mean
        if t >= 100:
            limit = 30 * np.maximum(np.sqrt(np.diag(covariance)), 0.03 * (hi - lo))
            delta = np.clip(delta, -limit, limit)
        rate = max(1 - 0.5 ** (1 / 10_000), 1 / (t + 1))
        mean = mean + rate * delta
        covariance = (1 - rate) * (covariance + rate * np.outer(delta, delta))
    return out


def main():
    if "-h" in sys.argv or "--help" in sys.argv:
        return print(__doc__)
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    rows = workload()
    stream, learn = norms(rows), norms(rows, BORDER)
    with open(os.path.join(out, "workload.csv"), "w") as f:
        f.write("# row, norm as a stream, norm after learning 1,200 rows\n")
        for t in range(0, ROWS, 5):
            after = f"{learn[t]:.6g}" if t >= BORDER else ""
            f.write(f"{t},{stream[t]:.6g},{after}\n")


if __name__ == "__main__":
    main()
