"""Random programs over the operations of compiler.Graph and their results in numpy. See README.md."""
import json
import sys

import numpy as np

rng = np.random.default_rng(20240607)
SHAPES = [(), (1,), (3,), (4,), (2, 3), (1, 3), (2, 1), (3, 4), (2, 3, 4), (1, 1, 4)]
COMPARISONS = ["less_equal", "less", "greater", "greater_equal", "equal", "not_equal"]


class Program:
    """A list of nodes, with the values of each for every case side by side."""

    def __init__(self, cases):
        self.cases, self.inputs, self.nodes, self.values = cases, [], [], []

    def put(self, op, values, args=(), **fields):
        self.nodes.append({"op": op, "args": list(args), **fields})
        self.values.append([np.asarray(v, dtype=np.int64) for v in values])
        return len(self.nodes) - 1

    def input(self, shape, lo, hi):
        name = f"in {len(self.inputs)}"
        values = [rng.integers(lo, hi + 1, size=shape) for _ in range(self.cases)]
        self.inputs.append(len(self.nodes))
        return self.put("input", values, name=name, shape=list(shape), lo=lo, hi=hi)

    def constant(self, value):
        value = np.asarray(value, dtype=np.int64)
        return self.put("constant", [value] * self.cases, shape=list(value.shape), data=value.ravel().tolist())

    def map(self, op, f, *args, **fields):
        rows = [f(*row) for row in zip(*(self.values[a] for a in args))]
        return self.put(op, rows, args, **fields)

    def shape(self, a):
        return self.values[a][0].shape

    def range(self, a, lo, hi):
        """Clips a to lo..hi, so that its bounds are known to be within."""
        return self.map("clip", lambda x: np.clip(x, lo, hi), a, ints=[lo, hi])


def random_constant(p, shape, lo=-50, hi=50):
    return p.constant(rng.integers(lo, hi + 1, size=shape))


def compatible(shape):
    """A random shape that broadcasts with shape."""
    cut = rng.integers(0, len(shape) + 1)
    out = [1 if rng.random() < 0.3 else d for d in shape[cut:]]
    return tuple(out)


def one(p, op, a):
    shape = p.shape(a)
    if op in ("add", "subtract", "multiply", "maximum", "minimum", *COMPARISONS):
        b = random_constant(p, compatible(shape))
        pair = (a, b) if rng.random() < 0.5 else (b, a)
        return p.map(op, getattr(np, op), *pair)
    if op == "negative":
        return p.map(op, np.negative, a)
    if op == "matmul":
        flat = a
        if len(shape) not in (1, 2):
            flat = p.map("reshape", lambda x: x.reshape(-1), a, ints=[-1])
        s = p.shape(flat)
        if rng.random() < 0.5:
            k = s[-1]
            c = random_constant(p, (k,) if rng.random() < 0.3 else (k, int(rng.integers(1, 5))))
            return p.map(op, np.matmul, flat, c)
        k = s[0]
        c = random_constant(p, (k,) if rng.random() < 0.3 else (int(rng.integers(1, 5)), k))
        return p.map(op, np.matmul, c, flat)
    if op == "sum":
        if not shape or rng.random() < 0.3:
            return p.map(op, np.sum, a, ints=[])
        axis = int(rng.integers(-len(shape), len(shape)))
        return p.map(op, lambda x: np.sum(x, axis=axis), a, ints=[axis])
    if op == "reshape":
        size = int(np.prod(shape, dtype=int))
        options = [(-1,), (1, size), (size, 1)] + [(d, -1) for d in range(2, size) if size % d == 0]
        new = options[rng.integers(len(options))]
        return p.map(op, lambda x: x.reshape(new), a, ints=list(new))
    if op == "transpose":
        perm = rng.permutation(len(shape)).tolist() if rng.random() < 0.7 else []
        return p.map(op, lambda x: np.transpose(x, perm or None), a, ints=perm)
    if op == "concatenate":
        if not shape:
            return None
        axis = int(rng.integers(-len(shape), len(shape)))
        other = list(shape)
        other[axis] = int(rng.integers(1, 4))
        b = random_constant(p, other)
        parts = [a, b, a] if rng.random() < 0.5 else [b, a]
        return p.map(op, lambda *x: np.concatenate(x, axis=axis), *parts, ints=[axis])
    if op == "getitem":
        if not shape:
            return None
        i = int(rng.integers(-shape[0], shape[0]))
        return p.map(op, lambda x: x[i], a, ints=[i])
    if op == "lookup":
        a = p.range(a, -6, 9)
        rows = int(np.prod(shape, dtype=int)) if rng.random() < 0.5 else 1
        lo = [int(v) for v in rng.integers(-9, -5, size=rows)]
        table = rng.integers(-99, 100, size=(rows, 20))

        def look(x):
            flat = x.ravel()
            r = np.arange(flat.size) % rows if rows > 1 else np.zeros(flat.size, int)
            return table[r, flat - np.array(lo)[r]].reshape(x.shape)

        return p.map(op, look, a, lo=lo, rows=table.tolist())
    if op == "where":
        c = p.map("greater", np.greater, a, random_constant(p, shape, -20, 20))
        x = random_constant(p, compatible(shape))
        pair = (x, a) if rng.random() < 0.5 else (a, x)
        return p.map(op, lambda c, x, y: np.where(c != 0, x, y), c, *pair)
    if op == "clip":
        lo, hi = sorted(int(v) for v in rng.integers(-40, 40, size=2))
        return p.map(op, lambda x: np.clip(x, lo, hi), a, ints=[lo, hi])
    if op == "bits":
        n = int(rng.integers(1, 9))
        a = p.range(a, 0, 2**n - 1)
        return p.map(op, lambda x: (x[..., None] >> np.arange(n)) & 1, a, ints=[n])
    if op == "round":
        d = int(rng.integers(1, 6))
        return p.map(op, lambda x: np.right_shift(x + (1 << (d - 1)), d), a, ints=[d])
    raise ValueError(op)


def conv(p, rank):
    """A convolution by numpy's windows of the padded array, with every part of the geometry at random."""
    def draw(lo, hi):
        return [int(v) for v in rng.integers(lo, hi + 1, size=rank)]
    groups, channels, outputs = int(rng.integers(1, 3)), int(rng.integers(1, 4)), int(rng.integers(1, 3))
    size, kernel, stride, dilation, before, after = draw(5, 8), draw(1, 3), draw(1, 3), draw(1, 2), draw(0, 2), draw(0, 2)
    a = p.input((groups * channels, *size), -100, 100)
    w = random_constant(p, (groups * outputs, channels, *kernel), -9, 9)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]

    def f(x, w):
        x = np.pad(x, [(0, 0), *zip(before, after)])
        x = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(1, rank + 1)))
        pick = (slice(None), *(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation))
        x = x[pick]  # [C, positions..., kernel...]
        x = x.reshape(groups, channels, *x.shape[1:])
        w = w.reshape(groups, outputs, channels, *kernel)
        out = np.einsum(f"gc{'pq'[:rank]}{'kl'[:rank]},goc{'kl'[:rank]}->go{'pq'[:rank]}", x, w)
        return out.reshape(groups * outputs, *out.shape[2:])

    return p.map("conv", f, a, w, ints=[groups, *stride, *before, *after, *dilation])


def take(p, a):
    new = [int(d) for d in rng.integers(1, 4, size=rng.integers(0, 4))]
    index = rng.integers(0, np.prod(p.shape(a), dtype=int), size=int(np.prod(new, dtype=int)))
    return p.map("take", lambda x: x.ravel()[index].reshape(new), a, ints=[len(new), *new, *index.tolist()])


OPS = ["add", "subtract", "negative", "multiply", "matmul", "sum", "reshape", "transpose", "concatenate", "getitem",
       "lookup", "where", "maximum", "minimum", "clip", "bits", "round", *COMPARISONS]


def finish(p):
    last = len(p.nodes) - 1
    outputs = sorted({last, int(rng.integers(len(p.nodes)))})
    cases = [{"inputs": {p.nodes[i]["name"]: p.values[i][c].ravel().tolist() for i in p.inputs},
              "outputs": [p.values[o][c].ravel().tolist() for o in outputs]} for c in range(p.cases)]
    return {"nodes": p.nodes, "outputs": outputs, "shapes": [list(p.shape(o)) for o in outputs], "cases": cases}


def main():
    programs = []
    for op in OPS:  # every operation on its own, on every shape
        for shape in SHAPES:
            p = Program(2)
            if one(p, op, p.input(shape, -100, 100)) is not None:
                programs.append(finish(p))
    for shape in SHAPES:  # variable with variable
        for op in ("add", "subtract"):
            p = Program(2)
            p.map(op, getattr(np, op), p.input(shape, -1000, 1000), p.input(compatible(shape), -5, 5))
            programs.append(finish(p))
    while len(programs) < 320:  # chains
        p = Program(3)
        a = p.input(SHAPES[rng.integers(len(SHAPES))], -100, 100)
        b = p.input(p.shape(a), 0, 15)
        a = p.map("add", np.add, a, b)
        for _ in range(int(rng.integers(2, 8))):
            n = one(p, OPS[rng.integers(len(OPS))], a)
            if n is None:
                continue
            a = n
            if np.prod(p.shape(a)) > 200 or np.abs(p.values[a]).max() > 1 << 40:
                break
            if len(p.shape(a)) > 5:
                a = p.map("sum", np.sum, a, ints=[])
        programs.append(finish(p))
    for i in range(40):
        p = Program(2)
        conv(p, 1 + i % 2)
        programs.append(finish(p))
    for shape in SHAPES:  # two inputs
        for op in ("multiply", "maximum", "minimum", *COMPARISONS):
            p = Program(2)
            p.map(op, getattr(np, op), p.input(shape, -20, 20), p.input(compatible(shape), -20, 20))
            programs.append(finish(p))
        for _ in range(2):
            p = Program(2)
            take(p, p.input(shape, -100, 100))
            programs.append(finish(p))
    json.dump({"numpy": np.__version__, "programs": programs}, sys.stdout, separators=(",", ":"))
    print()


main()
