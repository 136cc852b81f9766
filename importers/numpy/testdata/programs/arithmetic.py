# inputs: 'x: uint4[3]' 'y: int4[3]' 'z: uint3' 'm: uint2[2, 3]'
import math

import numpy as np

SCALE = 0.25
TABLE = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3])


def relu(v):
    return np.maximum(v, 0)


def quantized(f, steps=15):
    return lambda v: np.rint(steps * f(v * SCALE)).astype(np.int64)


def main_affine(x, y, z):
    return 3 * x - 2 * y + z, -(x + 1) * 2, x - y[::-1], +z


def main_tables(x, y):
    return quantized(np.tanh)(y), np.floor(np.sqrt(x)).astype(np.int64), x // 3, y % 5, x**2, abs(y), np.sign(y), x << 2, y >> 1, x & 6, y | 3, x ^ 5, ~y


def main_float(x, y):
    a = (x / 4 + 0.5) * (x - 1.5)
    b = np.where(y > 0, np.log(np.maximum(y, 1)), -1.0) * 8
    return np.rint(a).astype(np.int64), b.astype(int), np.round(y * 0.3, 0).astype(np.int64), (x * np.exp(-x / 5) * 10).astype("int64")


def main_compare(x, y, z):
    c = (x > 3) & (x <= 9)
    d = (y < 0) | (y == 5)
    return c, d, ~c, c.astype(np.int64) + d, (x != 4) ^ (x > 7), np.logical_not(y), np.logical_and(x, x > 2)


def main_two(x, y, z):
    return x * y, np.maximum(x, y), np.minimum(x, y + 2), x > y, x == y, x <= z, np.where(x > y, x, y), np.where(z > 3, x, 0), x * x, y * z, (x > 3) & (y > 0), (x > 3) | (y > z)


def main_reduce(x, y, m):
    return (x.sum(), m.sum(axis=0), np.sum(m, axis=1, keepdims=True), m.max(axis=1), m.min(), np.argmax(x), np.argmin(y), m.argmax(axis=0), np.argmax(m),
            x.mean().round().astype(np.int64), (np.mean(m, axis=1) * 10).astype(np.int64), (x > 3).any(), (m < 3).all(axis=1), np.prod(m[0]), m.sum(axis=(0, 1)))


def main_dots(x, y, m):
    w = np.arange(6).reshape(3, 2) - 2
    return m @ w, x @ w, w.T @ y, np.dot(x, np.array([1, 2, 3])), m @ x, x @ y, m.dot(w[:, 0]), np.outer(x, np.array([1, -1]))


def main_lookup(x, z):
    pairs = np.array([1, 0, 2, 5, 3, 3, 7, 1])
    return TABLE[x], pairs[z] + TABLE[x[0]], pairs[TABLE[x] % 8]


def main_clip(x, y, z):
    return np.clip(y, -3, 3), y.clip(0, 7), relu(y) + relu(-y), max(x[0], 3), min(x[0], x[1], x[2]), np.clip(x * 3, 5, 20)


def main_conditions(x, z, k=3):
    out = x if k > 2 else -x
    if k == 3 and math.sqrt(9) == 3:
        out = out + 1
    elif k:
        out = out - 1
    else:
        out = out * 0
    assert k < 10
    for i in range(10):
        if i == 2:
            continue
        if i > 4:
            break
        out = out + i
    return out, z + (0 < k <= 3), z * int(2.9), z + round(2.5) + len("abc"[0:1] if False else [1, 2])


def main_wide(x, y):
    s = 60 * x[0] + 37 * x[1] + 11 * x[2]
    return s >> 4, s // 32, (s - 1000) >> 5


def main_types(x, y):
    flags = x > 7
    return flags * 3, flags + flags, flags * flags, flags.astype(int).sum(), np.sum(flags), x.astype(bool), x.astype(np.uint8) + 1, (x == 1) + y


def main_constants(x):
    e = np.eye(3, dtype=np.int64)
    a = np.linspace(0, 1, 5)
    b = np.full((3,), 2)
    c = np.ones_like(b) + np.zeros(3, dtype=int) + np.array([[1, 2, 3], [4, 5, 6]]).sum(axis=0)
    d = (np.arange(0, 3, 0.5) * 2).astype(np.int64)
    return x @ e + b, x * int(a[2] * 10), x + c, x + d[::2], x + np.argmax(np.array([1, 5, 5])), x * (2**3) + 7 // 2 - 7 % 4 - (-7 // 2)
