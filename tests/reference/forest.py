#!/usr/bin/env python3
"""Writes the golden files of the isolation forest: rows of three data sets and scikit-learn's scores for them.

usage: forest.py [OUT_DIR]        (default: the folder of this script)

Made with scikit-learn 1.9.1 and numpy 2.4.6. The data are drawn from a congruential generator written out here, so that
they do not depend on numpy's version; the scores are the mean of IsolationForest.score_samples over 3 seeds of 300 trees
on 256 rows, negated (higher is more anomalous). Each file: a line with the number of features, then per row its features
and the score. Values are rounded before the forest sees them.
"""
import math, os, sys
import numpy as np
from sklearn.ensemble import IsolationForest

ROWS = 900


class Draws:
    """Uniform draws of Knuth's 64-bit congruential generator (MMIX), and normal ones by Box and Muller."""

    def __init__(self, seed):
        self.state = seed

    def unit(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return ((self.state >> 11) + 0.5) / 2**53

    def normal(self):
        return math.sqrt(-2 * math.log(self.unit())) * math.cos(2 * math.pi * self.unit())


def blobs(draw):
    """Three round clouds in 5 dimensions, and 5 % of rows anywhere."""
    centres = [[6 * draw.unit() for _ in range(5)] for _ in range(3)]
    for _ in range(ROWS):
        if draw.unit() < 0.05:
            yield [14 * draw.unit() - 4 for _ in range(5)]
        else:
            centre = centres[int(3 * draw.unit())]
            yield [c + 0.6 * draw.normal() for c in centre]


def tails(draw):
    """8 dimensions with two common factors and a scale per row: Student's t with 3 degrees of freedom."""
    load = [[draw.normal(), draw.normal()] for _ in range(8)]
    for _ in range(ROWS):
        scale = math.sqrt(3 / sum(draw.normal() ** 2 for _ in range(3)))
        a, b = draw.normal(), draw.normal()
        yield [scale * (l[0] * a + l[1] * b + 0.5 * draw.normal()) for l in load]


def moons(draw):
    """Two interleaved half rings in the first two of 4 dimensions, noise in the others, 4 % of rows in between."""
    for _ in range(ROWS):
        turn, upper = math.pi * draw.unit(), draw.unit() < 0.5
        x, y = (math.cos(turn), math.sin(turn)) if upper else (1 - math.cos(turn), 0.4 - math.sin(turn))
        if draw.unit() < 0.04:
            x, y = 4 * draw.unit() - 1.5, 3 * draw.unit() - 1.2
        yield [x + 0.05 * draw.normal(), y + 0.05 * draw.normal(), draw.normal(), 0.2 * draw.normal()]


def main():
    if len(sys.argv) > 1 and sys.argv[1] in ("-h", "--help"):
        return print(__doc__)
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for number, rows in enumerate((blobs, tails, moons)):
        X = np.round(np.array(list(rows(Draws(number + 1)))), 3)
        forests = [IsolationForest(n_estimators=300, max_samples=256, random_state=seed).fit(X) for seed in range(3)]
        scores = -np.mean([f.score_samples(X) for f in forests], axis=0)
        with open(os.path.join(out, f"forest_{rows.__name__}.csv"), "w") as f:
            f.write(f"{X.shape[1]}\n")
            for row, score in zip(X, scores):
                f.write(",".join(f"{v:g}" for v in row) + f",{score:.5f}\n")


if __name__ == "__main__":
    main()
