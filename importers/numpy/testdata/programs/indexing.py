# inputs: 'x: uint4[4, 5]' 'y: int4[6]'
import numpy as np


def main_slices(x):
    return x[1:3, ::2] + x[-2:, 4:1:-2][:, :1]


def main_items(x, y):
    a = x[0, 1] + x[-1][2] - y[-1]
    b = x[..., 0]
    c = x[:, None, 2]
    return a, b, c, x.T[3], y[::-1], x[1, ...]


def main_fancy(x, y):
    rows = np.array([2, 0, 0])
    return x[rows], x[:, [4, 1]], y[np.array([True, False, True, False, False, True])], x[1, rows]


def main_shapes(x, y):
    z = x.reshape(2, -1)
    w = np.concatenate([y, x[0], np.array([1, 2])])
    s = np.stack([y[:3], y[3:]], axis=1)
    return z, w, s, x.ravel(), x.flatten()[7], np.transpose(x), np.hstack([y, y]), np.vstack([x[0], x[1]]), np.expand_dims(y, 1), np.squeeze(x[:1])


def main_swaps(x):
    z = x.reshape(2, 2, 5)
    return z.transpose(2, 0, 1), np.swapaxes(z, 0, 2), z.transpose((1, 0, 2)), np.flip(x, axis=1), np.flip(x), np.repeat(x[0], 2), np.repeat(x, 2, axis=0), np.broadcast_to(x[0], (3, 5))


def main_assign(x, y):
    a = np.zeros((3, 3), dtype=np.int64)
    a[1, 2] = 7
    a[0] = y[:3]
    a[:, 1] = x[0, 1:4]
    a[2, 2] += 5
    b = y.copy()
    b[1:3] = 0
    b[-1] = x[0, 0]
    return a, b


def main_loops(x, y):
    total = 0
    for i, row in enumerate(x):
        for v in row[:2]:
            total = total + (i + 1) * v
    parts = [y[i] * w for i, w in zip(range(6), [1, -1, 2, -2, 3, -3]) if w != 2]
    acc = parts[0]
    for p in parts[1:]:
        acc += p
    return total, acc, sum(y[j] for j in range(0, 6, 2)), len(parts) * y[0]
