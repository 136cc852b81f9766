#!/usr/bin/env python3
"""Trains small PyTorch networks and writes their ONNX fixtures: convolutions, activations, exporters.

    python make_networks.py            every fixture of this script
    python make_networks.py NAME...    only these

Needs requirements-networks.txt, which has a newer torch than make_fixtures.py. The files of a fixture
are the same as there (see README.md), made by its `record`. The images are scikit-learn's 8x8 digits,
or a crop or an average of them. Seeds are fixed, and every trainer runs on one thread.
"""

import io
import sys
import warnings

import numpy as np
import onnx
import torch
from torch import nn

import make_fixtures
from make_fixtures import ROWS, SEED, Data, record

warnings.filterwarnings("ignore")
VERSION = torch.__version__.split("+")[0]


def seed():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)


def images(transform, shape, classes=10, channels_last=False):
    """Digits, transformed to rows of the given shape [C, H, W] (or [C, L])."""
    data = Data("digits")
    keep, keep_all = data.y < classes, data.y_all_test < classes
    turn = lambda x: np.ascontiguousarray(transform(x.reshape(-1, 8, 8)), np.float32).reshape(len(x), -1)
    data.x, data.y = turn(data.x[keep]), data.y[keep]
    data.x_all_test, data.y_all_test = turn(data.x_all_test[keep_all]), data.y_all_test[keep_all]
    data.x_test, data.y_test = data.x_all_test[:ROWS], data.y_all_test[:ROWS]
    data.shape = shape
    data.features = [f"p{i}" for i in range(data.x.shape[1])]
    return data


def digits(**more):
    return images(lambda x: x, (1, 8, 8), **more)


def small(**more):
    """4x4 averages of 2x2 pixels."""
    return images(lambda x: x.reshape(-1, 4, 2, 4, 2).mean((2, 4)), (1, 4, 4), **more)


def sequence(**more):
    """Two channels of length 8: sums over rows and over columns, as a sensor would give."""
    return images(lambda x: np.stack([x.mean(1), x.mean(2)], 1), (2, 8), **more)


def table(name):
    data = Data(name)
    data.shape = data.x.shape[1:]
    return data


class Scale(nn.Module):
    """Pixels are 0..16."""

    def forward(self, x):
        return x / 16


class Standardise(nn.Module):
    def __init__(self, x):
        super().__init__()
        self.register_buffer("mean", torch.tensor(x.astype(np.float64).mean(0), dtype=torch.float32))
        self.register_buffer("std", torch.tensor(x.astype(np.float64).std(0), dtype=torch.float32))

    def forward(self, x):
        return (x - self.mean) / self.std


def train(net, data, epochs, rate=0.01, decay=1e-4, batch=64):
    loss = nn.functional.mse_loss if data.regression else nn.functional.cross_entropy
    x = torch.tensor(data.x.reshape(-1, *data.shape))
    y = torch.tensor(data.y, dtype=torch.float32 if data.regression else torch.int64)
    optimiser = torch.optim.Adam(net.parameters(), lr=rate, weight_decay=decay)
    net.train()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for at in range(0, len(x), batch):
            rows = order[at:at + batch]
            optimiser.zero_grad()
            out = net(x[rows])
            loss(out[:, 0] if data.regression else out, y[rows]).backward()
            optimiser.step()
    return net.eval()


def export(net, data, exporter, opset, batch=2, **more):
    """exporter: "script" (TorchScript) or "dynamo"; axes: batch size left open unless fixed."""
    x = torch.tensor(data.x[:batch].reshape(-1, *data.shape))
    buffer = io.BytesIO()
    if exporter == "script":
        torch.onnx.export(net, x, buffer, opset_version=opset, input_names=["image"], output_names=["scores"],
                          dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}}, dynamo=False, **more)
    else:
        program = torch.onnx.export(net, (x,), dynamo=True, opset_version=opset, input_names=["image"], output_names=["scores"],
                                    dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False, verbose=False, **more)
        program.save(buffer, external_data=False)
    return buffer.getvalue()


def run_shaped(shape):
    """make_fixtures.run for inputs of more axes than a table has."""
    plain = make_fixtures.run

    def run(model, x):
        return plain(model, np.ascontiguousarray(x).reshape(-1, *shape))
    return plain, run


def fixture(name, data, net, exporter, opset, note, good, epochs=25, rate=0.01, head=None, edit=None, **more):
    seed()
    net = train(net() if callable(net) and not isinstance(net, nn.Module) else net, data, epochs, rate)
    whole = nn.Sequential(net, head).eval() if head else net
    model = export(whole, data, exporter, opset, **more)
    if edit:
        model = edit(model)
    plain, make_fixtures.run = run_shaped(data.shape)
    try:
        record(name, data, model, f"torch {VERSION} {exporter} exporter, opset {opset}", note, calibration=True, good=good)
    finally:
        make_fixtures.run = plain


def cnn_digits():
    fixture("torch_cnn_digits", digits(),
            lambda: nn.Sequential(Scale(), nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(54, 10)),
            "script", 17, "3x3 convolution, ReLU, 2x2 average pool, dense.", 0.9)


def cnn_dynamo():
    fixture("torch_cnn_small_dynamo", small(),
            lambda: nn.Sequential(Scale(), nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10)),
            "dynamo", 18, "Batch normalisation between convolution and ReLU.", 0.75)


def cnn_bn_unfolded():
    fixture("torch_cnn_small_bn", small(classes=4),
            lambda: nn.Sequential(Scale(), nn.BatchNorm2d(1), nn.Conv2d(1, 3, 3, padding=1, stride=2), nn.Tanh(), nn.BatchNorm2d(3), nn.Flatten(),
                                  nn.Linear(12, 4), nn.Softmax(1)),
            "script", 12, "Batch normalisation before a padded convolution and after its activation, not folded by the exporter.", 0.8,
            epochs=60, do_constant_folding=False, training=torch.onnx.TrainingMode.EVAL)


def cnn_two():
    fixture("torch_cnn_two_small", small(classes=3),
            lambda: nn.Sequential(Scale(), nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)),
            "script", 17, "Two convolutions.", 0.9, epochs=40)


FIXTURES = [cnn_digits, cnn_dynamo, cnn_bn_unfolded, cnn_two]


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for make in FIXTURES:
        if not wanted or make.__name__ in wanted:
            make()
