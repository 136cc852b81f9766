#!/usr/bin/env python3
"""Writes ONNX graphs that are no models, and what onnxruntime computes with them: programs/.

    python make_programs.py

Needs requirements-networks.txt. programs/NAME.onnx are whole graphs, some written by PyTorch's two exporters, with
programs/NAME.json beside them: the description of the inputs for fhe-ml, rows of inputs, onnxruntime's outputs for each.
programs/operators.json has small graphs of one operator each, in base64, in the same form. Seeds are fixed.
"""

import base64
import io
import json
import os
import re
import warnings

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import torch
from torch import nn

warnings.filterwarnings("ignore")
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(int16)": np.int16,
         "tensor(int8)": np.int8, "tensor(uint8)": np.uint8, "tensor(uint16)": np.uint16, "tensor(uint32)": np.uint32, "tensor(uint64)": np.uint64,
         "tensor(bool)": np.bool_}


def bounds(spec):
    name, rest = spec.split(": ")
    kind, _, shape = rest.partition("[")
    shape = [int(d) for d in shape.rstrip("]").split(",")] if shape else []
    if ".." in kind:
        lo, hi = map(int, kind.split(".."))
    else:
        signed, bits = re.fullmatch(r"(u?)int(\d+)", kind).groups()
        lo, hi = (0, 2 ** int(bits) - 1) if signed else (-2 ** (int(bits) - 1), 2 ** (int(bits) - 1) - 1)
    return name, lo, hi, shape


def run(model, specs, rows, batch, exhaustive):
    """Inputs and onnxruntime's outputs: random rows, and the bounds; or all values of the first input in one row."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(7)
    types = {i.name: TYPES[i.type] for i in session.get_inputs()}
    out = []
    for r in range(1 if exhaustive else rows):
        feed, flat = {}, {}
        for k, spec in enumerate(specs):
            name, lo, hi, shape = bounds(spec)
            size = int(np.prod(shape)) if shape else 1
            x = rng.integers(lo, hi + 1, size)
            if exhaustive and k == 0:
                assert size == hi - lo + 1, spec
                x = np.arange(lo, hi + 1)
            elif r == 0 and not exhaustive:
                x[:] = lo
            elif r == 1:
                x[:] = hi
            flat[name] = x.tolist()
            feed[name] = x.reshape(([1] if batch else []) + shape).astype(types[name])
        results = session.run(None, feed)
        out.append({"inputs": flat, "outputs": [[float(v) if v % 1 else int(v) for v in y.astype(np.float64).ravel()] for y in results]})
    return out


def record(name, model, specs, note, rows=8, batch=False):
    onnx.checker.check_model(model)
    model.producer_name = model.producer_name or "fhe-ml"
    with open(os.path.join(HERE, name + ".onnx"), "wb") as f:
        f.write(model.SerializeToString())
    answers = {"note": note, "inputs": specs, "operators": sorted({n.op_type for n in model.graph.node}), "rows": run(model, specs, rows, batch, False)}
    with open(os.path.join(HERE, name + ".json"), "w") as f:
        json.dump(answers, f, indent=0)
        f.write("\n")


def parse(text, opset=18, ir=8):
    return onnx.parser.parse_model(f'<ir_version: {ir}, opset_import: ["": {opset}]>\n{text}')


class Module(nn.Module):
    """A function as a module."""

    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, *x):
        return self.f(*x)


def exported(f, *examples, dynamo=False, opset=17, batch=False):
    module = f if isinstance(f, nn.Module) else Module(f)
    module.eval()
    names = ["x", "y", "z"][:len(examples)]
    if dynamo:
        program = torch.onnx.export(module, examples, dynamo=True, verbose=False, input_names=names)
        model = program.model_proto
        for node in model.graph.node:  # paths of this machine and stack traces
            del node.metadata_props[:]
        del model.graph.metadata_props[:]
        for v in list(model.graph.value_info) + list(model.graph.input) + list(model.graph.output):
            del v.metadata_props[:]
        return model
    f = io.BytesIO()
    axes = {n: {0: "rows"} for n in names} if batch else None
    torch.onnx.export(module, examples, f, opset_version=opset, input_names=names, dynamic_axes=axes, dynamo=False)
    return onnx.load_from_string(f.getvalue())


def whole(module, scale=4):
    """Rounds all parameters of a module to small whole numbers."""
    rng = np.random.default_rng(3)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.tensor(rng.integers(-scale, scale + 1, p.shape)))
    return module


def graphs():
    I, F = torch.int64, torch.float32
    ints = lambda *shape: torch.ones(shape, dtype=I)
    floats = lambda *shape: torch.ones(shape, dtype=F)
    table = lambda *shape, lo=-9, hi=9: torch.tensor(np.random.default_rng(11).integers(lo, hi + 1, shape))

    record("torch_where", exported(lambda x: torch.where(x > 5, x.abs() * 3, -x) + 1, ints(6)), ["x: int4[6]"], "torch.where, abs; TorchScript exporter")
    record("torch_where_batch", exported(lambda x: torch.where(x > 2.5, x, 2 * x - 7), floats(1, 5), batch=True), ["x: int4[5]"],
           "whole numbers in float32, an open first axis; compared with 2.5", batch=True)
    w, b = table(6, 3, lo=-3, hi=3), table(3)
    record("torch_argmax", exported(lambda x: torch.argmax(x @ w + b, dim=-1), ints(6)), ["x: uint3[6]"], "matrix product and argmax of int64")
    record("torch_extremes", exported(lambda x, y: (torch.maximum(x, y), torch.minimum(x, y), (x * y).sum(), x.max()), ints(4), ints(4)),
           ["x: uint3[4]", "y: int3[4]"], "several outputs of two inputs: maximum, minimum, dot product, max")
    record("torch_remainder", exported(lambda x: torch.remainder(x, 5) * 10 + torch.div(x, 3, rounding_mode="trunc") - x // 4, ints(8)), ["x: int5[8]"],
           "Python's remainder, division truncated and rounded down")
    record("dynamo_bits", exported(lambda x, y: (x & 6) | (y ^ 3), ints(4).to(torch.int32), ints(4).to(torch.int32), dynamo=True), ["x: uint4[4]", "y: uint3[4]"],
           "bitwise operators; dynamo exporter")
    record("torch_floats", exported(lambda x: torch.floor(torch.sigmoid(x.float() * 0.3) * 50).to(I) - torch.clamp(torch.round(x.float() * 0.7), -3, 8).to(I), ints(32)),
           ["x: int5[32]"], "floating point inside, integers outside")
    rules = lambda x: torch.where(x[0] > 40, torch.where(x[1] <= 3, 2, 5), torch.where((x[2] > 10) & (x[1] > 1), 7, torch.where(x[3] == 2, 1, 0)))
    record("torch_rules", exported(rules, ints(4)), ["x: 0..60[4]"], "nested decisions on scalars")
    record("torch_cnn", exported(whole(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3)), 2), floats(1, 1, 4, 4)),
           ["x: uint2[1,4,4]"], "Conv2d, MaxPool2d and Linear with whole weights in float32", rows=4, batch=True)
    life = torch.ones(1, 1, 3, 3)
    life[0, 0, 1, 1] = 0

    def step(x):
        n = torch.conv2d(x, life, padding=1)
        return ((n == 3) | ((n == 2) & (x == 1))).to(I)

    record("torch_life", exported(step, floats(1, 1, 5, 5)), ["x: uint1[1,5,5]"], "a step of the game of life: convolution, comparisons, logic", rows=4, batch=True)
    sobel = torch.tensor([[[[1., 0, -1], [2, 0, -2], [1, 0, -1]]], [[[1., 2, 1], [0, 0, 0], [-1, -2, -1]]]])
    record("torch_edges", exported(lambda x: torch.clamp(torch.conv2d(x, sobel).abs().sum(1), max=40), floats(1, 1, 5, 5)), ["x: uint3[1,5,5]"],
           "Sobel's filter: two convolutions, absolute values", rows=4, batch=True)
    prototypes = table(5, 3, lo=0, hi=7)
    record("torch_nearest", exported(lambda x: torch.argmin((x - prototypes).abs().sum(1)), ints(3)), ["x: uint3[3]"], "the nearest of five stored rows", rows=6)
    squares = torch.tensor([i * i % 23 for i in range(16)])
    record("torch_table", exported(lambda x: squares[x] + squares[15 - x], ints(6)), ["x: uint4[6]"], "an encrypted index of a constant array")
    embedding = nn.Embedding(8, 3)
    with torch.no_grad():
        embedding.weight.copy_(table(8, 3))
    record("torch_embedding", exported(nn.Sequential(embedding), ints(4)), ["x: uint3[4]"], "nn.Embedding with whole weights")
    record("torch_mean", exported(lambda x: (x > x.float().mean()).to(I), ints(5)), ["x: uint3[5]"], "compared with the mean: refused, as two encrypted numbers meet in floating point")
    record("torch_threshold", exported(lambda x: (x.float().mean() > 3.3).to(I) + torch.floor(x.float().mean() * 2).to(I), ints(5)), ["x: uint3[5]"], "functions of a mean")
    record("torch_assign", exported(Assign(), ints(3, 4)), ["x: int4[3,4]"], "assignment to a slice: ScatterND", rows=4)
    record("dynamo_where", exported(lambda x: torch.where(x > 5, x.abs() * 3, -x) + 1, ints(6), dynamo=True), ["x: int4[6]"], "torch.where, abs; dynamo exporter")
    record("dynamo_layer", exported(whole(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)), 3), floats(1, 4), dynamo=True), ["x: uint3[4]"],
           "two layers with whole weights in float32; dynamo exporter", rows=4, batch=True)
    record("dynamo_scores", exported(lambda x: torch.argmax(torch.clamp(x @ w.float() + 3, min=0), -1), floats(6), dynamo=True), ["x: uint3[6]"],
           "weights in float32, clamp, argmax; dynamo exporter", rows=4)
    record("quantized_layer", parse("""
        g (uint8[1,4] x) => (uint8[1,2] y)
        <float s1 = {0.05}, uint8 z1 = {3}, int8[4,3] w = {3,-2,5,1,0,-4,2,2,-1,-3,4,6}, float[3] sw = {0.1,0.15,0.05}, int8[3] zw = {0,0,0}, float s2 = {0.04}, uint8 z2 = {60},
         int8[3,2] v = {1,-2,3,2,-4,1}, float sv = {0.5}, int8 zv = {0}, float s3 = {0.1}, uint8 z3 = {100}>
        { h = QLinearMatMul(x, s1, z1, w, sw, zw, s2, z2)
          y = QLinearMatMul(h, s2, z2, v, sv, zv, s3, z3) }""", 13), ["x: uint3[4]"], "two layers of 8 bits: QLinearMatMul", rows=6, batch=True)
    record("quantized_conv", parse("""
        g (uint8[1,1,4,4] x) => (uint8[1,2,3,3] y)
        <float s = {0.1}, uint8 z = {2}, int8[2,1,2,2] w = {3,-2,5,1,0,-4,2,2}, float[2] sw = {0.02,0.03}, int8 zw = {0}, float s2 = {0.05}, uint8 z2 = {30}, int32[2] b = {40,-50}>
        { y = QLinearConv(x, s, z, w, sw, zw, s2, z2, b) }""", 13), ["x: uint3[1,4,4]"], "a convolution of 8 bits: QLinearConv", rows=4, batch=True)
    record("sorted", parse("""
        g (int64[4] x) => (int64[4] y)
        { a, b, c, d = Split<axis=0, num_outputs=4>(x)
          p = Min(a, b)  q = Max(a, b)  r = Min(c, d)  s = Max(c, d)
          lo = Min(p, r)  t = Max(p, r)  u = Min(q, s)  hi = Max(q, s)
          m1 = Min(t, u)  m2 = Max(t, u)
          y = Concat<axis=0>(lo, m1, m2, hi) }"""), ["x: int3[4]"], "a sorting network of four numbers", rows=6)
    record("votes", parse("""
        g (bool[3] a, bool[3] b, bool[3] c) => (bool[3] y, bool[3] odd)
        { ab = And(a, b)  bc = And(b, c)  ac = And(a, c)  o = Or(ab, bc)  y = Or(o, ac)
          x = Xor(a, b)  odd = Xor(x, c) }"""), ["a: uint1[3]", "b: uint1[3]", "c: uint1[3]"], "majority and parity of bools", rows=8)
    record("histogram", parse("""
        g (int64[6] x) => (int64[4] y)
        <int64 depth = {4}, int64[2] values = {0, 1}, int64[1] axes = {0}>
        { h = OneHot(x, depth, values)  y = ReduceSum<keepdims=0>(h, axes) }"""), ["x: uint2[6]"], "how often each value occurs: OneHot, ReduceSum", rows=6)
    record("layout", parse("""
        g (int32[2,3,4] x) => (int32[6,5] y)
        <int64[1] s = {3}, int64[1] e = {-9223372036854775808}, int64[1] a = {2}, int64[1] st = {-1}, int64[2] shape = {6, -1}, int64[4] pads = {0,1,0,0}, int32 v = {-7}>
        { t = Slice(x, s, e, a, st)  r = Reshape(t, shape)  y = Pad(r, pads, v) }"""), ["x: int4[2,3,4]"], "reversed slices, Reshape, Pad", rows=3)
    record("product_of_sums", parse("""
        g (int64[4] x, int64[4] y) => (int64 z)
        <int64 two = {2}>
        { s = ReduceSum<keepdims=0>(x)  t = ReduceSum<keepdims=0>(y)  p = Mul(s, t)  d = Div(p, two)  z = Identity(d) }"""), ["x: uint2[4]", "y: int2[4]"],
           "two encrypted sums multiplied, then divided", rows=6)


class Assign(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[1] = x[0] + x[2]
        y[:, 2] = 5
        return y


def elementwise(op, spec="int7", type="float", opset=18, ir=8, scale=1000, attributes="", before=""):
    """All values of an input, cast to type, through a function in floating point, to integers."""
    _, lo, hi, _ = bounds("x: " + spec)
    n = hi - lo + 1
    code = {"float": 1, "double": 11}[type]
    return parse(f"""g (int64[{n}] x) => (int64[{n}] y)
        <{type} scale = {{{scale}}}, {type} step = {{0.0625}}, {type} one = {{1.03125}}>
        {{ f = Cast<to={code}>(x)  {before or 'h = Mul(f, step)'}  g = {op}{attributes}(h)  m = Mul(g, scale)  r = Round(m)  y = Cast<to=7>(r) }}""", opset, ir), [f"x: {spec}[{n}]"], True


def operators():
    out = {}
    positive = "k = Abs(f) k2 = Mul(k, step) h = Add(k2, one)"
    unit = "k = Mul(f, step) k2 = Mul(k, step) h = Mul(k2, one)"
    for op in ["Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Erf", "Exp", "Sigmoid", "Softplus", "Softsign", "HardSwish", "Elu", "Selu", "LeakyRelu",
               "ThresholdedRelu", "HardSigmoid", "Celu", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Relu", "Shrink", "Identity", "Mish"]:
        out[op] = elementwise(op)
    for op in ["Sqrt", "Log", "Acosh", "Reciprocal"]:
        out[op] = elementwise(op, before=positive)
    for op in ["Asin", "Acos", "Atanh"]:
        out[op] = elementwise(op, before=unit, spec="-61..61")
    for op in ["Exp", "Sigmoid", "Tanh", "Sqrt", "Floor", "Round"]:
        out[op + "_double"] = elementwise(op, type="double", before=positive)
    out["Gelu"] = elementwise("Gelu", opset=20, ir=9)
    out["Gelu_tanh"] = elementwise("Gelu", opset=20, ir=9, attributes='<approximate="tanh">')
    out["Elu_alpha"] = elementwise("Elu", attributes="<alpha=0.3>")
    out["Celu_alpha"] = elementwise("Celu", attributes="<alpha=0.7>")
    out["Selu_alpha"] = elementwise("Selu", attributes="<alpha=1.2, gamma=0.9>")
    out["LeakyRelu_alpha"] = elementwise("LeakyRelu", attributes="<alpha=0.2>")
    out["HardSigmoid_alpha"] = elementwise("HardSigmoid", attributes="<alpha=0.4, beta=0.3>")
    out["Shrink_bias"] = elementwise("Shrink", attributes="<bias=0.5, lambd=1.5>")
    out["ThresholdedRelu_alpha"] = elementwise("ThresholdedRelu", attributes="<alpha=1.7>")

    def add(name, text, specs, opset=18, exhaustive=False, ir=8):
        out[name] = (parse(text, opset, ir), specs, exhaustive)

    # The product of 0.7 and whole numbers, in float32: 10 * 0.7 is 7 there.
    for c in ["0.7", "0.1", "0.3", "-0.9"]:
        add(f"Floor_of_{c}", f"g (float[128] x) => (float[128] y) <float c = {{{c}}}> {{ m = Mul(x, c) y = Floor(m) }}", ["x: int7[128]"], exhaustive=True)
        add(f"Truncated_{c}", f"g (int32[128] x) => (int8[128] y) <float c = {{{c}}}> {{ f = Cast<to=1>(x) m = Mul(f, c) y = Cast<to=3>(m) }}", ["x: int7[128]"], exhaustive=True)
        add(f"Ceil_of_quotient_{c}", f"g (float[128] x) => (float[128] y) <float c = {{{c}}}> {{ m = Div(x, c) y = Ceil(m) }}", ["x: int7[128]"], exhaustive=True)
    add("Round_half", "g (float[128] x) => (float[128] y) <float c = {0.5}> { m = Mul(x, c) y = Round(m) }", ["x: int7[128]"], exhaustive=True)
    for n, d in [("seven", 7), ("minus_three", -3)]:
        add(f"Div_{n}", f"g (int64[128] x) => (int64[128] y) <int64 d = {{{d}}}> {{ y = Div(x, d) }}", ["x: int7[128]"], exhaustive=True)
        add(f"Mod_{n}", f"g (int64[128] x) => (int64[128] y) <int64 d = {{{d}}}> {{ y = Mod(x, d) }}", ["x: int7[128]"], exhaustive=True)
        add(f"Mod_fmod_{n}", f"g (int64[128] x) => (int64[128] y) <int64 d = {{{d}}}> {{ y = Mod<fmod=1>(x, d) }}", ["x: int7[128]"], exhaustive=True)
        add(f"Mod_float_{n}", f"g (float[128] x) => (float[128] y) <float d = {{{d}.0}}> {{ y = Mod<fmod=1>(x, d) }}", ["x: int7[128]"], exhaustive=True)
        add(f"Div_of_{n}", f"g (int64[12] x) => (int64[12] y) <int64 d = {{{d * 30}}}> {{ y = Div(d, x) }}", ["x: 1..12[12]"], exhaustive=True)
    add("Div_four", "g (int32[128] x) => (int32[128] y) <int32 d = {4}> { y = Div(x, d) }", ["x: uint7[128]"], exhaustive=True)
    add("Mod_fraction", "g (float[64] x) => (float[64] y) <float d = {2.5}, float four = {4.0}> { m = Mod<fmod=1>(x, d) y = Mul(m, four) }", ["x: int6[64]"], exhaustive=True)
    add("Div_encrypted", "g (int64[8] x, int64[8] y) => (int64[8] z) { z = Div(x, y) }", ["x: int4[8]", "y: 1..5[8]"])
    add("Mod_encrypted", "g (int64[8] x, int64[8] y) => (int64[8] z) { z = Mod(x, y) }", ["x: int4[8]", "y: -5..-1[8]"])
    add("Pow_two", "g (int64[64] x) => (int64[64] y) <int64 e = {2}> { y = Pow(x, e) }", ["x: int6[64]"], exhaustive=True)
    add("Pow_float_three", "g (float[64] x) => (float[64] y) <float e = {3.0}> { y = Pow(x, e) }", ["x: int6[64]"], exhaustive=True)
    add("Pow_half", "g (float[64] x) => (float[64] y) <float e = {0.5}, float c = {100.0}> { p = Pow(x, e) m = Mul(p, c) y = Round(m) }", ["x: uint6[64]"], exhaustive=True)
    add("Pow_base", "g (float[8] x) => (float[8] y) <float b = {2.0}> { y = Pow(b, x) }", ["x: uint3[8]"], exhaustive=True)
    add("Pow_int_float", "g (int64[64] x) => (int64[64] y) <float e = {1.5}> { y = Pow(x, e) }", ["x: uint6[64]"], exhaustive=True)
    for op in ["Add", "Sub", "Mul", "Max", "Min", "Sum"]:
        for t in ["int64", "float", "double", "int32"]:
            if op == "Sum" and t.startswith("int"):
                continue  # onnxruntime has none
            add(f"{op}_{t}", f"g ({t}[4] x, {t}[3,1] y) => ({t}[3,4] z) {{ z = {op}(x, y) }}", ["x: int3[4]", "y: int3[3,1]"])
    add("Max_three", "g (int64[4] x, int64[4] y) => (int64[4] z) <int64 c = {1}> { z = Max(x, c, y) }", ["x: int3[4]", "y: int3[4]"])
    add("Mean", "g (float[4] x, float[4] y) => (float[4] z) <float c = {3.0}> { m = Mean(x, y) n = Mul(m, c) z = Round(n) }", ["x: int3[4]", "y: int3[4]"])
    add("Add_fraction", "g (float[64] x) => (float[64] y) <float c = {0.3}, float k = {10.0}> { a = Add(x, c) m = Mul(a, k) y = Round(m) }", ["x: int6[64]"], exhaustive=True)
    for op in ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]:
        add(op, f"g (int64[4] x, int64[4] y) => (bool[4] z) {{ z = {op}(x, y) }}", ["x: int3[4]", "y: int3[4]"])
        for c in ["2.5", "-3.0", "900.5", "-900.5"]:
            add(f"{op}_{c}", f"g (float[64] x) => (bool[64] z) <float c = {{{c}}}> {{ z = {op}(x, c) }}", ["x: int6[64]"], exhaustive=True)
            add(f"{op}_of_{c}", f"g (float[64] x) => (bool[64] z) <float c = {{{c}}}> {{ z = {op}(c, x) }}", ["x: int6[64]"], exhaustive=True)
    add("Less_wide", "g (float[40] x) => (bool z) <float c = {1270.5}> { s = ReduceSum<keepdims=0>(x) z = Less(s, c) }", ["x: uint6[40]"])
    for op in ["And", "Or", "Xor"]:
        add(op, f"g (bool[4] x, bool[4] y) => (bool[4] z) {{ z = {op}(x, y) }}", ["x: uint1[4]", "y: uint1[4]"])
    add("Not", "g (bool[4] x) => (bool[4] z) { z = Not(x) }", ["x: uint1[4]"])
    for op in ["BitwiseAnd", "BitwiseOr", "BitwiseXor"]:
        add(op, f"g (int32[6] x, int32[6] y) => (int32[6] z) {{ z = {op}(x, y) }}", ["x: int4[6]", "y: int4[6]"])
    add("BitwiseNot", "g (int32[128] x) => (int32[128] y) { y = BitwiseNot(x) }", ["x: int7[128]"], exhaustive=True)
    add("BitwiseNot_uint8", "g (uint8[128] x) => (uint8[128] y) { y = BitwiseNot(x) }", ["x: uint7[128]"], exhaustive=True)
    add("BitShift_right", 'g (uint8[128] x) => (uint8[128] y) <uint8 n = {2}> { y = BitShift<direction="RIGHT">(x, n) }', ["x: uint7[128]"], exhaustive=True)
    add("BitShift_left", 'g (uint32[128] x) => (uint32[128] y) <uint32 n = {3}> { y = BitShift<direction="LEFT">(x, n) }', ["x: uint7[128]"], exhaustive=True)
    add("BitShift_wide", 'g (uint64[50] x) => (uint64 y) <uint64 n = {5}> { f = Cast<to=7>(x) s = ReduceSum<keepdims=0>(f) u = Cast<to=13>(s) y = BitShift<direction="RIGHT">(u, n) }',
        ["x: uint7[50]"])
    add("BitShift_encrypted", 'g (uint8[6] x, uint8[6] n) => (uint8[6] y) { y = BitShift<direction="LEFT">(x, n) }', ["x: uint3[6]", "n: uint2[6]"])
    add("Where", "g (bool[4] c, int64[4] x, int64[4] y) => (int64[4] z) { z = Where(c, x, y) }", ["c: uint1[4]", "x: int3[4]", "y: int3[4]"])
    add("Where_mask", "g (float[4] x, float[4] y) => (float[4] z) <bool[4] c = {1,0,0,1}> { z = Where(c, x, y) }", ["x: int3[4]", "y: int3[4]"])
    add("Where_fraction", "g (bool[4] c) => (float[4] z) <float a = {0.5}, float b = {-1.25}, float k = {4.0}> { w = Where(c, a, b) z = Mul(w, k) }", ["c: uint1[4]"])
    add("Clip_attributes", "g (float[128] x) => (float[128] y) { y = Clip<min=-3.0, max=17.0>(x) }", ["x: int7[128]"], opset=6, exhaustive=True)
    add("Clip_inputs", "g (int64[128] x) => (int64[128] y) <int64 lo = {-4}, int64 hi = {9223372036854775807}> { y = Clip(x, lo, hi) }", ["x: int7[128]"], exhaustive=True)
    add("Clip_upper", "g (float[128] x) => (float[128] y) <float hi = {5.5}, float k = {2.0}> { c = Clip(x, , hi) y = Mul(c, k) }", ["x: int7[128]"], exhaustive=True)
    add("Clip_empty", "g (float[128] x) => (float[128] y) <float lo = {9.0}, float hi = {2.0}> { y = Clip(x, lo, hi) }", ["x: int7[128]"], exhaustive=True)
    add("PRelu", "g (float[2,16] x) => (float[2,16] y) <float[2,1] s = {0.5, 3.0}, float k = {2.0}> { p = PRelu(x, s) y = Mul(p, k) }", ["x: int5[2,16]"])
    add("IsInf", "g (float[16] x) => (bool[16] y) { r = Reciprocal(x) y = IsInf(r) }", ["x: int4[16]"], opset=20, ir=9, exhaustive=True)
    add("IsNaN", "g (float[16] x) => (bool[16] y) { r = Sqrt(x) y = IsNaN(r) }", ["x: int4[16]"], exhaustive=True)
    add("Cast_bool", "g (int64[16] x) => (int64[16] y) { b = Cast<to=9>(x) y = Cast<to=7>(b) }", ["x: int4[16]"], exhaustive=True)
    add("Cast_double_float", "g (int64[128] x) => (float[128] y) <double c = {0.7}> { f = Cast<to=11>(x) m = Mul(f, c) g = Cast<to=1>(m) y = Floor(g) }", ["x: int7[128]"], exhaustive=True)
    add("CastLike", "g (int64[16] x) => (int64[16] y) <float c = {0.4}> { f = CastLike(x, c) m = Mul(f, c) y = CastLike(m, x) }", ["x: int4[16]"], exhaustive=True)
    add("OneHot_negative", "g (int64[3] x) => (int64[4,3] y) <int64 d = {4}, int64[2] v = {-1, 5}> { y = OneHot<axis=0>(x, d, v) }", ["x: -4..3[3]"])
    add("OneHot_outside", "g (float[3] x) => (float[3,4] y) <float d = {4.0}, float[2] v = {0.0, 1.0}> { y = OneHot(x, d, v) }", ["x: int4[3]"])
    # Reductions.
    for op in ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceSumSquare", "ReduceMean"]:
        spec = ["x: int2[2,3,2]"]
        end = "m = Mul(r, k) y = Round(m)"
        axes13 = op == "ReduceSum"
        for t in ["float", "int64"] if op != "ReduceMean" else ["float", "int32"]:
            tail = end if t == "float" else "y = Identity(r)"
            k = "float k = {6.0}" if t == "float" else "int64 k = {0}"
            if op in ("ReduceL1", "ReduceSumSquare", "ReduceMean") and t == "int64":
                continue
            add(f"{op}_{t}_all", f"g ({t}[2,3,2] x) => ({t} y) <{k}> {{ r = {op}<keepdims=0>(x) {tail} }}", spec, 13)
            if axes13:
                add(f"{op}_{t}_axes", f"g ({t}[2,3,2] x) => ({t}[2,1,2] y) <{k}, int64[1] a = {{-2}}> {{ r = {op}(x, a) {tail} }}", spec, 13)
                add(f"{op}_{t}_none", f"g ({t}[2,3,2] x) => ({t}[2,3,2] y) <{k}, int64[0] a = {{}}> {{ r = {op}<noop_with_empty_axes=1>(x, a) {tail} }}", spec, 13)
            else:
                add(f"{op}_{t}_axes", f"g ({t}[2,3,2] x) => ({t}[2,1,2] y) <{k}> {{ r = {op}<axes=[-2]>(x) {tail} }}", spec, 13)
                add(f"{op}_{t}_axes18", f"g ({t}[2,3,2] x) => ({t}[3] y) <{k}, int64[2] a = {{2, 0}}> {{ r = {op}<keepdims=0>(x, a) {tail} }}", spec, 18)
    add("ReduceL2", "g (float[3] x) => (float y) <float k = {100.0}> { r = ReduceL2<keepdims=0>(x) m = Mul(r, k) y = Round(m) }", ["x: int3[3]"])
    add("ReduceLogSum", "g (float[3] x) => (float y) <float k = {100.0}> { r = ReduceLogSum<keepdims=0>(x) m = Mul(r, k) y = Round(m) }", ["x: 1..7[3]"])
    for op in ["ArgMax", "ArgMin"]:
        add(op, f"g (int64[3,4] x) => (int64[3,1] y) {{ y = {op}<axis=-1>(x) }}", ["x: int2[3,4]"])
        add(op + "_last", f"g (float[3,4] x) => (int64[4] y) {{ y = {op}<axis=0, keepdims=0, select_last_index=1>(x) }}", ["x: int2[3,4]"])
    for e in (0, 1):
        for r in (0, 1):
            add(f"CumSum_{e}{r}", f"g (int64[3,4] x) => (int64[3,4] y) <int64 a = {{0}}> {{ y = CumSum<exclusive={e}, reverse={r}>(x, a) }}", ["x: int3[3,4]"])
    # Products.
    add("MatMul_vector", "g (int64[3] x) => (int64[2] y) <int64[3,2] w = {1,-2,3,4,-5,6}> { y = MatMul(x, w) }", ["x: int4[3]"])
    add("MatMul_left", "g (float[3,2] x) => (float[2,2] y) <float[2,3] w = {1,-2,3,4,-5,6}> { y = MatMul(w, x) }", ["x: int4[3,2]"])
    add("MatMul_stack", "g (float[2,2,3] x) => (float[2,2,2] y) <float[2,3,2] w = {1,-2,3,4,-5,6,7,8,-9,1,2,3}> { y = MatMul(x, w) }", ["x: int4[2,2,3]"])
    add("MatMul_broadcast", "g (float[2,3] x) => (float[2,2,2] y) <float[2,3,2] w = {1,-2,3,4,-5,6,7,8,-9,1,2,3}> { y = MatMul(x, w) }", ["x: int4[2,3]"])
    add("MatMul_row_stack", "g (float[3] x) => (float[2,2] y) <float[2,3,2] w = {1,-2,3,4,-5,6,7,8,-9,1,2,3}> { y = MatMul(x, w) }", ["x: int4[3]"])
    add("MatMul_encrypted", "g (int64[2,3] x, int64[3,2] y) => (int64[2,2] z) { z = MatMul(x, y) }", ["x: int3[2,3]", "y: int3[3,2]"])
    add("Gemm", "g (float[1,3] x) => (float[1,2] y) <float[2,3] w = {1,-2,3,4,-5,6}, float[2] b = {7,-8}> { y = Gemm<transB=1, alpha=0.5, beta=2.0>(x, w, b) }".replace("0.5", "2.0"),
        ["x: int4[1,3]"])
    add("Gemm_transA", "g (float[3,1] x) => (float[1,2] y) <float[3,2] w = {1,-2,3,4,-5,6}> { y = Gemm<transA=1>(x, w) }", ["x: int4[3,1]"])
    add("MatMulInteger", "g (uint8[2,3] x) => (int32[2,2] y) <int8[3,2] w = {1,-2,3,4,-5,6}, uint8 zx = {3}, int8[2] zw = {1, -1}> { y = MatMulInteger(x, w, zx, zw) }", ["x: uint4[2,3]"])
    # Windows.
    kernel = "float[2,1,2,2] w = {1,-2,3,4,-5,6,0,2}"
    add("Conv", f"g (float[1,1,4,4] x) => (float[1,2,3,3] y) <{kernel}, float[2] b = {{3,-3}}> {{ y = Conv(x, w, b) }}", ["x: int3[1,1,4,4]"])
    add("Conv_pads", f"g (float[1,1,4,4] x) => (float[1,2,3,3] y) <{kernel}> {{ y = Conv<pads=[1,0,1,1], strides=[2,2]>(x, w) }}".replace("[1,2,3,3]", "[1,2,a,b]"), ["x: int3[1,1,4,4]"])
    add("Conv_same", f'g (float[1,1,4,4] x) => (float[1,2,4,4] y) <{kernel}> {{ y = Conv<auto_pad="SAME_UPPER">(x, w) }}', ["x: int3[1,1,4,4]"])
    add("Conv_same_lower", f'g (float[1,1,4,4] x) => (float[1,2,a,b] y) <{kernel}> {{ y = Conv<auto_pad="SAME_LOWER", dilations=[1,1]>(x, w) }}', ["x: int3[1,1,4,4]"])
    add("Conv_dilated", f"g (float[1,1,4,4] x) => (float[1,2,2,2] y) <{kernel}> {{ y = Conv<dilations=[2,2]>(x, w) }}", ["x: int3[1,1,4,4]"])
    add("Conv_groups", "g (float[1,2,4] x) => (float[1,2,3] y) <float[2,1,2] w = {1,-2,3,4}> { y = Conv<group=2>(x, w) }", ["x: int3[1,2,4]"])
    add("Conv_rows", "g (float[2,1,4] x) => (float[2,2,3] y) <float[2,1,2] w = {1,-2,3,4}> { y = Conv(x, w) }", ["x: int3[2,1,4]"])
    add("ConvInteger", "g (uint8[1,1,3,3] x) => (int32[1,1,4,4] y) <uint8[1,1,2,2] w = {1,2,3,4}, uint8 zx = {3}, uint8 zw = {2}> { y = ConvInteger<pads=[1,1,1,1]>(x, w, zx, zw) }", ["x: uint3[1,1,3,3]"])
    for t in ["float", "double"]:
        add(f"MaxPool_{t}", f"g ({t}[1,1,4,4] x) => ({t}[1,1,2,2] y) {{ y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x) }}", ["x: int3[1,1,4,4]"])
    add("MaxPool_pads", "g (float[1,1,4,4] x) => (float[1,1,a,b] y) { y = MaxPool<kernel_shape=[3,2], pads=[1,0,1,1], strides=[2,1], dilations=[1,2]>(x) }", ["x: int3[1,1,4,4]"])
    add("AveragePool", "g (float[1,1,4,4] x) => (float[1,1,a,b] y) <float k = {12.0}> { p = AveragePool<kernel_shape=[2,2], pads=[1,1,0,0]>(x) m = Mul(p, k) y = Round(m) }", ["x: int2[1,1,4,4]"])
    add("AveragePool_padded", "g (float[1,1,4,4] x) => (float[1,1,a,b] y) <float k = {12.0}> { p = AveragePool<kernel_shape=[2,2], pads=[1,1,0,0], count_include_pad=1>(x) m = Mul(p, k) y = Round(m) }",
        ["x: int2[1,1,4,4]"])
    add("GlobalAveragePool", "g (float[1,2,2,2] x) => (float[1,2,1,1] y) <float k = {12.0}> { p = GlobalAveragePool(x) m = Mul(p, k) y = Round(m) }", ["x: int2[1,2,2,2]"])
    add("GlobalMaxPool", "g (float[1,2,2,2] x) => (float[1,2,1,1] y) { y = GlobalMaxPool(x) }", ["x: int2[1,2,2,2]"])
    add("BatchNormalization", """g (float[1,2,16] x) => (float[1,2,16] y)
        <float[2] s = {0.5, 2.0}, float[2] b = {1.0, -0.5}, float[2] m = {0.25, 3.0}, float[2] v = {0.7, 4.0}, float k = {100.0}>
        { n = BatchNormalization(x, s, b, m, v) h = Mul(n, k) y = Round(h) }""", ["x: int5[1,2,16]"], 15)
    # Quantization.
    add("QuantizeLinear", "g (float[128] x) => (uint8[128] y) <float s = {0.3}, uint8 z = {120}> { y = QuantizeLinear(x, s, z) }", ["x: int7[128]"], exhaustive=True)
    add("QuantizeLinear_default", "g (float[128] x) => (uint8[128] y) <float s = {1.7}> { y = QuantizeLinear(x, s) }", ["x: int7[128]"], exhaustive=True)
    add("QuantizeLinear_axis", "g (float[2,32] x) => (int8[2,32] y) <float[2] s = {0.3, 0.11}, int8[2] z = {5,-9}> { y = QuantizeLinear<axis=0>(x, s, z) }", ["x: int5[2,32]"])
    add("DequantizeLinear", "g (uint8[128] x) => (float[128] y) <float s = {0.3}, uint8 z = {20}, float k = {10.0}> { d = DequantizeLinear(x, s, z) m = Mul(d, k) y = Round(m) }", ["x: uint7[128]"], exhaustive=True)
    add("QDQ", "g (float[128] x) => (float[128] y) <float s = {0.7}, int8 z = {5}> { q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Round(d) }", ["x: int7[128]"], exhaustive=True)
    # Shapes and selections.
    shaped = {
        "Reshape_zero": ("[2,3,4]", "[2,12]", "int64[2] s = {0,-1}", "y = Reshape(x, s)"),
        "Flatten": ("[2,3,4]", "[6,4]", "int64 s = {0}", "y = Flatten<axis=-1>(x)"),
        "Squeeze": ("[1,3,1]", "[3,1]", "int64[1] s = {0}", "y = Squeeze(x, s)"),
        "Squeeze_all": ("[1,3,1]", "[3]", "int64 s = {0}", "y = Squeeze(x)"),
        "Unsqueeze": ("[3,2]", "[1,3,2,1]", "int64[2] s = {-1,0}", "y = Unsqueeze(x, s)"),
        "Transpose": ("[2,3,4]", "[4,2,3]", "int64 s = {0}", "y = Transpose<perm=[2,0,1]>(x)"),
        "Transpose_all": ("[2,3,4]", "[4,3,2]", "int64 s = {0}", "y = Transpose(x)"),
        "Expand": ("[3,1]", "[2,3,4]", "int64[3] s = {2,1,4}", "y = Expand(x, s)"),
        "Tile": ("[2,3]", "[4,3]", "int64[2] s = {2,1}", "y = Tile(x, s)"),
        "Concat": ("[2,3]", "[2,8]", "int64[2,2] s = {7,8,-9,1}", "y = Concat<axis=-1>(x, s, x)"),
        "Split": ("[2,5]", "[2,5]", "int64[2] s = {2,3}", "a, b = Split<axis=1>(x, s) y = Concat<axis=1>(b, a)"),
        "Split_uneven": ("[2,5]", "[2,5]", "int64 s = {2}", "a, b = Split<axis=1, num_outputs=2>(x) y = Concat<axis=1>(b, a)"),
        "Slice": ("[3,5]", "[2,a]", "int64[2] s = {0,-2}, int64[2] e = {2,-100}, int64[2] a = {0,1}, int64[2] t = {1,-2}", "y = Slice(x, s, e, a, t)"),
        "Slice_defaults": ("[3,5]", "[2,3]", "int64[2] s = {1,-3}, int64[2] e = {9223372036854775807,100}", "y = Slice(x, s, e)"),
        "Gather": ("[3,5]", "[3,2,2]", "int64[2,2] s = {-1,0,2,2}", "y = Gather<axis=1>(x, s)"),
        "Gather_scalar": ("[3,5]", "[5]", "int64 s = {-2}", "y = Gather(x, s)"),
        "GatherElements": ("[3,5]", "[2,5]", "int64[2,5] s = {0,1,2,-1,0,2,2,1,1,0}", "y = GatherElements<axis=0>(x, s)"),
        "GatherND": ("[3,5]", "[2]", "int64[2,2] s = {0,1,-1,4}", "y = GatherND(x, s)"),
        "GatherND_slices": ("[3,5]", "[2,5]", "int64[2,1] s = {2,-3}", "y = GatherND(x, s)"),
        "ScatterND": ("[3,5]", "[3,5]", "int64[1,1] s = {-1}, int64[1,5] u = {1,2,3,4,5}", "y = ScatterND(x, s, u)"),
        "ScatterElements": ("[3,5]", "[3,5]", "int64[1,3] s = {1,0,-1}, int64[1,3] u = {9,8,7}", "y = ScatterElements<axis=0>(x, s, u)"),
        "Pad_constant": ("[2,3]", "[a,b]", "int64[4] s = {0,1,2,0}, int64 v = {-5}", "y = Pad(x, s, v)"),
        "Pad_reflect": ("[2,3]", "[a,b]", "int64[4] s = {1,2,0,1}", 'y = Pad<mode="reflect">(x, s)'),
        "Pad_edge": ("[2,3]", "[a,b]", "int64[4] s = {1,2,0,3}", 'y = Pad<mode="edge">(x, s)'),
        "Pad_negative": ("[2,3]", "[a,b]", "int64[4] s = {1,-1,0,1}", "y = Pad(x, s)"),
        "Pad_axes": ("[2,3]", "[a,b]", "int64[2] s = {1,2}, int64 v = {4}, int64[1] ax = {-1}", "y = Pad(x, s, v, ax)"),
        "Trilu": ("[3,4]", "[3,4]", "int64 k = {1}", "y = Trilu(x, k)"),
        "Trilu_lower": ("[2,3,3]", "[2,3,3]", "int64 k = {-1}", "y = Trilu<upper=0>(x, k)"),
        "Shape": ("[2,3]", "[2,3]", "int64 k = {-1}", "s = Shape(x) n = Size(x) p = Add(s, n) q = ReduceSum<keepdims=0>(p) y = Add(x, q)"),
        "Shape_part": ("[2,3,4]", "[2,3,4]", "int64 k = {-1}", "s = Shape<start=1, end=-1>(x) y = Mul(x, s)"),
        "ConstantOfShape": ("[2,3]", "[2,3]", "int64[2] s = {2,3}", "c = ConstantOfShape<value = int64[1] {4}>(s) y = Mul(x, c)"),
        "Range": ("[4]", "[4]", "int64 a = {10}, int64 b = {0}, int64 c = {-3}", "r = Range(a, b, c) y = Add(x, r)"),
        "Constant": ("[2]", "[2]", "int64 a = {10}", "c = Constant<value_ints=[3,4]>() y = Mul(x, c)"),
    }
    for name, (before, after, constants, body) in shaped.items():
        add(name, f"g (int64{before} x) => (int64{after} y) <{constants}> {{ {body} }}", [f"x: int3{before}"])
    add("Dropout", "g (float[3] x) => (float[3] y) { y = Dropout(x) }", ["x: int3[3]"], 13)
    add("Pad_old", "g (float[2,3] x) => (float[a,b] y) { y = Pad<pads=[0,1,0,2], value=3.0>(x) }", ["x: int3[2,3]"], 10)
    add("Slice_old", "g (float[3,5] x) => (float[2,3] y) { y = Slice<starts=[1,-3], ends=[10,100]>(x) }", ["x: int3[3,5]"], 9)
    add("Squeeze_old", "g (float[1,3,1] x) => (float[3,1] y) { y = Squeeze<axes=[0]>(x) }", ["x: int3[1,3,1]"], 11)
    add("Gather_table", "g (int64[16] x) => (int64[16] y) <int64[16] t = {3,1,4,1,5,9,2,6,5,3,5,8,9,7,9,3}> { y = Gather(t, x) }", ["x: -8..7[16]"], exhaustive=True)
    add("Gather_float_table", "g (int64[4] x) => (float[4] y) <float[4] t = {0.5,1.5,-0.25,2.0}, float k = {4.0}> { g = Gather(t, x) y = Mul(g, k) }", ["x: uint2[4]"], exhaustive=True)
    add("Gather_columns", "g (int64[2] x) => (int64[3,2,2] y) <int64[3,4,2] t = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24}> { y = Gather<axis=1>(t, x) }", ["x: uint2[2]"])
    add("DepthToSpace", 'g (float[1,8,1,2] x) => (float[1,2,2,4] y) { y = DepthToSpace<blocksize=2>(x) }', ["x: int3[1,8,1,2]"])
    add("DepthToSpace_CRD", 'g (float[1,8,1,2] x) => (float[1,2,2,4] y) { y = DepthToSpace<blocksize=2, mode="CRD">(x) }', ["x: int3[1,8,1,2]"])
    add("SpaceToDepth", 'g (float[1,2,2,4] x) => (float[1,8,1,2] y) { y = SpaceToDepth<blocksize=2>(x) }', ["x: int3[1,2,2,4]"])
    with open(os.path.join(HERE, "operators.json"), "w") as f:
        cases = []
        for name, (model, specs, exhaustive) in out.items():
            onnx.checker.check_model(model)
            rows = run(model, specs, 3, False, exhaustive)
            if exhaustive and len(specs) == 1:
                del rows[0]["inputs"]  # all values, in order
            cases.append(json.dumps({"name": name, "model": base64.b64encode(model.SerializeToString()).decode(), "inputs": specs, "rows": rows}, separators=(",", ":")))
        f.write("[\n" + ",\n".join(cases) + "\n]\n")
        print(len(cases), "operators")


if __name__ == "__main__":
    os.makedirs(HERE, exist_ok=True)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    operators()
    graphs()
