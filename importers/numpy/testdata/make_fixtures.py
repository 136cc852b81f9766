"""What numpy itself says about every function and about the programs of this folder. See README.md."""
import inspect
import json
import math
import pathlib
import re
import sys

import numpy as np

SCALE = 32
# The arguments where a function is finite, within -64..127; the default is all.
DOMAIN = {
    "arccos": (-1, 1), "arccosh": (1, 127), "arcsin": (-1, 1), "arctanh": (0, 0), "cosh": (-12, 12), "exp": (-64, 12), "exp2": (-64, 18), "expm1": (-64, 12),
    "log": (1, 127), "log10": (1, 127), "log1p": (0, 127), "log2": (1, 127), "reciprocal": (1, 127), "sinh": (-12, 12), "sqrt": (0, 127),
}
UNARY = """absolute arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil cos cosh deg2rad degrees exp exp2 expm1 fabs floor isfinite isinf isnan log log10
log1p log2 logical_not negative positive rad2deg radians reciprocal rint sign signbit sin sinh spacing sqrt square tan tanh trunc invert""".split()
# name: constants on the right, constants on the left
BINARY = {
    "add": ([5], [-7]), "subtract": ([5], [9]), "multiply": ([-3], [4]), "arctan2": ([3, -2.5], [4]), "bitwise_and": ([13], [-6]), "bitwise_or": ([13], [5]),
    "bitwise_xor": ([13], [-1]), "copysign": ([-2.0], [3.5]), "equal": ([7], [-3]), "float_power": ([2, 0.5], [1.125]), "floor_divide": ([7, -3, 2.5], []),
    "fmax": ([11, 2.5], [-4]), "fmin": ([11, 2.5], [-4]), "fmod": ([7, -3, 2.5], []), "gcd": ([12], [18]), "greater": ([7, 2.5], [3]),
    "greater_equal": ([7], [3]), "heaviside": ([0.5], []), "hypot": ([3], [4.5]), "lcm": ([12], [18]), "ldexp": ([3], []), "left_shift": ([3], []),
    "less": ([7], [3]), "less_equal": ([7, 2.5], [3]), "logaddexp": ([3], [1.5]), "logaddexp2": ([3], [1.5]), "logical_and": ([1], [0]),
    "logical_or": ([0], [2]), "logical_xor": ([1], [0]), "maximum": ([11, 2.5], [-4]), "minimum": ([11, 2.5], [-4]), "nextafter": ([3], []),
    "not_equal": ([7], [-3]), "power": ([3, 2.5], []), "remainder": ([7, -3, 2.5], []), "right_shift": ([2], []), "true_divide": ([7, -3], []),
}
# What is defined for part of the arguments only, by name and side.
PARTIAL = {("float_power", "right"): (0, 127), ("power", "right"): (0, 127), ("arctan2", "left"): (-64, 127), ("float_power", "left"): (-64, 64)}


def rounded(values):
    """rint(SCALE * values), and which of them are within 4 ulp of a tie."""
    values = np.asarray(values)
    if values.dtype.kind in "bi":
        return (values.astype(np.int64) * SCALE).tolist(), []
    scaled = SCALE * values
    assert np.isfinite(scaled).all()
    distance = np.abs(scaled - np.floor(scaled) - 0.5)
    return np.rint(scaled).astype(np.int64).tolist(), np.flatnonzero(distance <= 4 * np.spacing(np.abs(scaled))).tolist()


def function_cases():
    cases = []

    def put(name, lo, hi, f, **fields):
        want, ties = rounded(f(np.arange(lo, hi + 1)))
        cases.append({"name": name, "lo": lo, "hi": hi, "want": want, "ties": [lo + t for t in ties], **fields})

    for name in UNARY:
        lo, hi = DOMAIN.get(name, (-64, 127))
        put(name, lo, hi, getattr(np, name))
    for name, (right, left) in BINARY.items():
        f = getattr(np, name)
        for c in right:
            lo, hi = PARTIAL.get((name, "right"), (-64, 127))
            put(name, lo, hi, lambda x: f(x, c), right=c, float=isinstance(c, float))
        for c in left:
            lo, hi = PARTIAL.get((name, "left"), (-64, 127))
            put(name, lo, hi, lambda x: f(c, x), left=c, float=isinstance(c, float))
    return cases


def parse_input(text):
    name, kind = [s.strip() for s in text.split(":")]
    m = re.fullmatch(r"(?:(u?)int(\d+)|(-?\d+)\.\.(-?\d+))(?:\[([\d, ]+)\])?", kind)
    if m[2]:
        bits = int(m[2])
        lo, hi = (0, 2**bits - 1) if m[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    else:
        lo, hi = int(m[3]), int(m[4])
    return name, lo, hi, [int(d) for d in m[5].split(",")] if m[5] else []


def program_cases(folder):
    """Runs each program: its first line says # inputs: 'x: uint3[4]' ..."""
    rng = np.random.default_rng(20250607)
    out = []
    for path in sorted(folder.glob("*.py")):
        source = path.read_text()
        inputs = re.findall(r"'([^']+)'", source.splitlines()[0])
        names = {"__name__": "program"}
        exec(compile(source, path.name, "exec"), names)
        for fn in [n for n, f in names.items() if inspect.isfunction(f) and n.startswith("main")]:
            cases = []
            for _ in range(30):
                args = {n: rng.integers(lo, hi + 1, size=shape) for n, lo, hi, shape in map(parse_input, inputs)
                        if n in inspect.signature(names[fn]).parameters}
                with np.errstate(all="ignore"):
                    result = names[fn](**{k: v.copy() for k, v in args.items()})
                results = result if isinstance(result, tuple) else (result,)
                assert all(np.asarray(r).dtype.kind in "biu" for r in results), (path, fn)
                cases.append({"inputs": {k: v.ravel().tolist() for k, v in args.items()},
                              "outputs": [np.asarray(r).astype(np.int64).ravel().tolist() for r in results]})
            out.append({"file": path.name, "function": fn, "inputs": inputs, "cases": cases})
    return out


def main():
    folder = pathlib.Path(__file__).parent
    with np.errstate(all="ignore"):
        functions = function_cases()
    json.dump({"numpy": np.__version__, "scale": SCALE, "functions": functions, "programs": program_cases(folder / "programs")}, sys.stdout, separators=(",", ":"))
    print()


main()
