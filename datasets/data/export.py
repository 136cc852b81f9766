"""Writes the embedded tables (*.csv.gz) and the numbers that the tests hold them to (../testdata/expected.json).

    python3 -m venv v && v/bin/pip install scikit-learn==1.9.1 numpy==2.4.6
    v/bin/python export.py

Numbers are written as the shortest decimal that reads back to the same float64.
"""
import gzip
import json
import math
import os

import numpy as np
from sklearn import datasets

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "testdata")

LOADERS = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}


def text(v):
    v = float(v)
    return str(int(v)) if v.is_integer() else repr(v)


def splitmix64(state):
    """Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014)."""
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def shuffled(n, seed):
    order, rng = list(range(n)), splitmix64(seed)
    for i in range(n - 1, 0, -1):
        j = next(rng) * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    return order


expected = {}
for name, load in LOADERS.items():
    d = load()
    columns = [str(c) for c in d.feature_names]
    x, y = np.asarray(d.data, np.float64), np.asarray(d.target, np.float64)
    lines = [",".join(columns + ["target"])]
    lines += [",".join([text(v) for v in row] + [text(t)]) for row, t in zip(x, y)]
    with open(os.path.join(HERE, name + ".csv.gz"), "wb") as f:
        # No time stamp and no file name in the header: the same bytes on every run.
        f.write(gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0))
    expected[name] = {
        "rows": x.shape[0],
        "columns": columns,
        "column_sums": [math.fsum(c) for c in x.T],
        "target_sum": math.fsum(y),
        "class_counts": np.bincount(y.astype(int)).tolist() if hasattr(d, "target_names") else None,
        "classes": [str(c) for c in d.target_names] if hasattr(d, "target_names") else None,
        "first": x[0].tolist(), "middle": x[len(x) // 2].tolist(), "last": x[-1].tolist(),
        "target_first": y[0], "target_middle": y[len(y) // 2], "target_last": y[-1],
        "shuffled_seed_7": shuffled(x.shape[0], 7),
    }
with open(os.path.join(OUT, "expected.json"), "w") as f:
    json.dump(expected, f, indent=0)

# Arrays of every dtype and both orders for the NPY reader; the answers are in npy.json.
base = np.array([[0, 1, 2], [3, 100, 5]])
answers = {}
for dtype in ["f2", "f4", "f8", ">f4", ">f8", "i1", "i2", "i4", "i8", ">i2", ">i8", "u1", "u2", "u4", "u8", "?"]:
    for order in "CF":
        a = base.astype(dtype, order=order)
        if a.dtype.kind == "f":
            a = (a / a.dtype.type(8)).astype(a.dtype, order=order)
        if a.dtype.kind == "i":
            a = (-a).astype(a.dtype, order=order)
        file = "npy_%s_%s.npy" % (a.dtype.str.translate({60: "le_", 62: "be_", 124: ""}), order)
        np.save(os.path.join(OUT, file), a)
        answers[file] = a.astype(np.float64).tolist()
np.save(os.path.join(OUT, "vector_i8.npy"), np.array([3, -1, 2]))
np.save(os.path.join(OUT, "vector_column.npy"), np.array([[0.5], [1.5]]))
np.save(os.path.join(OUT, "text.npy"), np.array([["a", "b"]]))
with open(os.path.join(OUT, "version3.npy"), "wb") as f:
    np.lib.format.write_array(f, np.array([[1.5, 2.5]]), version=(3, 0))
with open(os.path.join(OUT, "npy.json"), "w") as f:
    json.dump(answers, f, indent=0)
