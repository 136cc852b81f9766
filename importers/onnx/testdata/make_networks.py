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


def images(transform, shape, classes=10, rows=ROWS):
    """Digits, transformed to rows of the given shape [C, H, W] (or [C, L])."""
    data = Data("digits")
    keep, keep_all = data.y < classes, data.y_all_test < classes
    turn = lambda x: np.ascontiguousarray(transform(x.reshape(-1, 8, 8)), np.float32).reshape(len(x), -1)
    data.x, data.y = turn(data.x[keep]), data.y[keep]
    data.x_all_test, data.y_all_test = turn(data.x_all_test[keep_all]), data.y_all_test[keep_all]
    data.x_test, data.y_test = data.x_all_test[:rows], data.y_all_test[:rows]
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
    fixture("torch_cnn_digits", digits(rows=300),
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


def conv1d():
    fixture("torch_conv1d_elu", sequence(classes=4),
            lambda: nn.Sequential(Scale(), nn.Conv1d(2, 4, 3, groups=2, dilation=2), nn.ELU(), nn.Flatten(), nn.Linear(16, 4)),
            "script", 13, "Two sensors, grouped and dilated 1-D convolution, Elu.", 0.9, epochs=60)


def conv1d_dynamo():
    fixture("torch_conv1d_selu_dynamo", sequence(classes=3),
            lambda: nn.Sequential(Scale(), nn.Conv1d(2, 6, 4, stride=2, padding=1), nn.SELU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 3)),
            "dynamo", 18, "Strided and padded 1-D convolution, Selu, global average pool.", 0.75, epochs=80)


def depthwise():
    fixture("torch_cnn_depthwise_dynamo", small(classes=4),
            lambda: nn.Sequential(Scale(), nn.Conv2d(1, 2, 2), nn.Conv2d(2, 4, 2, groups=2), nn.PReLU(4, 0.1), nn.Flatten(), nn.Linear(16, 4)),
            "dynamo", 18, "A convolution, a depthwise one right behind it, a PReLU slope per channel.", 0.9, epochs=60)


class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding="same")
        self.head = nn.Linear(48, 4)

    def forward(self, x):
        x = self.conv((x / 16).permute(0, 3, 1, 2))
        x = nn.functional.relu6(x).permute(0, 2, 3, 1)
        return self.head(x.reshape(x.shape[0], -1))


def channels_last():
    data = small(classes=4)
    data.shape = (4, 4, 1)
    fixture("torch_cnn_nhwc", data, ChannelsLast, "script", 17,
            "Rows are height, width, channel as TensorFlow has them: Transpose before and after, Shape and Gather in the Reshape, ReLU6.", 0.9, epochs=60)


class Residual(nn.Module):
    def __init__(self, x, width=4):
        super().__init__()
        self.norm = Standardise(x)
        self.a, self.b, self.c, self.d = nn.Linear(x.shape[1], width), nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, 3)

    def forward(self, x):
        x = torch.relu(self.a(self.norm(x)))
        x = torch.relu(self.c(torch.relu(self.b(x))) + x)
        return self.d(x)


def residual():
    data = table("iris")
    fixture("torch_mlp_residual", data, lambda: Residual(data.x), "script", 17, "A residual block: relu(W relu(V x) + x).", 0.9, epochs=150)


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 6, 2, bias=False), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(nn.functional.leaky_relu(self.conv(x / 16), 0.05).mean(dim=(2, 3)))


def pooled():
    fixture("torch_cnn_mean_dynamo", small(classes=3), Pooled, "dynamo", 18, "LeakyRelu, then the mean over both axes as ReduceMean.", 0.7, epochs=120)


def mlp(name, act, exporter, opset, note, data="iris", head=None, units=6, epochs=150, good=0.85, rate=0.01):
    def make():
        d = table(data)
        out = 1 if d.regression else 3
        fixture(name, d, lambda: nn.Sequential(Standardise(d.x), nn.Linear(d.x.shape[1], units), act(), nn.Linear(units, out)),
                exporter, opset, note, good, epochs=epochs, head=head, rate=rate)
    make.__name__ = name
    return make


class Mish(nn.Module):
    """Written out, as before torch had it."""

    def forward(self, x):
        return x * torch.tanh(nn.functional.softplus(x))


class HardSwish(nn.Module):
    """As mobile networks wrote it."""

    def forward(self, x):
        return x * nn.functional.relu6(x + 3) / 6


class NoBias(nn.Module):
    """Products of either side, and dropout that evaluation leaves out."""

    def __init__(self, x):
        super().__init__()
        self.norm = Standardise(x)
        self.a, self.b = nn.Linear(4, 6, bias=False), nn.Parameter(torch.randn(3, 6) / 3)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        x = self.drop(torch.tanh(self.a(self.norm(x))))
        return (self.b @ x.unsqueeze(2)).squeeze(2)


def no_bias():
    data = table("iris")
    fixture("torch_mlp_matmul", data, lambda: NoBias(data.x), "script", 17, "Weights on the right and on the left of MatMul, no biases, Dropout.", 0.8, epochs=150)


def skorch():
    """A module trained by skorch, exported as its users do."""
    from skorch import NeuralNetClassifier
    data = table("wine")
    seed()
    net = NeuralNetClassifier(
        nn.Sequential(Standardise(data.x), nn.Linear(13, 8), nn.Softsign(), nn.Linear(8, 3), nn.Softmax(-1)),
        max_epochs=120, lr=0.02, optimizer=torch.optim.Adam, train_split=None, iterator_train__shuffle=True, verbose=0)
    net.fit(data.x, data.y.astype(np.int64))
    model = export(net.module_.eval(), data, "script", 17)
    record("skorch_mlp_wine", data, model, f"torch {VERSION} script exporter, trained by skorch", "Softsign, Softmax.",
           native=[str(v) for v in net.predict(data.x_test)], calibration=True, good=0.93)


class Tall(nn.Module):
    """Two-layer convolutional network with a pool between."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(Scale(), nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2),
                                  nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 10))

    def forward(self, x):
        return self.body(x)


def lenet():
    fixture("torch_cnn_digits_two", digits(rows=300), Tall, "script", 17, "Convolution, average pool, convolution: the layout of LeNet.", 0.93, epochs=40)


FIXTURES = [
    cnn_digits, cnn_dynamo, cnn_bn_unfolded, cnn_two, conv1d, conv1d_dynamo, depthwise, channels_last, residual, pooled, no_bias, skorch, lenet,
    mlp("torch_mlp_gelu", nn.GELU, "script", 17, "Gelu written out with Erf."),
    mlp("torch_mlp_gelu_tanh", lambda: nn.GELU("tanh"), "script", 17, "Gelu written out with Tanh and Pow."),
    mlp("torch_mlp_gelu_dynamo", nn.GELU, "dynamo", 20, "The operator Gelu."),
    mlp("torch_mlp_silu", nn.SiLU, "script", 17, "x * Sigmoid(x)."),
    mlp("torch_mlp_mish", Mish, "script", 17, "x * Tanh(Softplus(x))."),
    mlp("torch_mlp_hardswish", HardSwish, "script", 17, "Hard swish written out with ReLU6."),
    mlp("torch_mlp_hardswish_dynamo", nn.Hardswish, "dynamo", 18, "The operator HardSwish."),
    mlp("torch_mlp_hardsigmoid", nn.Hardsigmoid, "script", 17, "The operator HardSigmoid."),
    mlp("torch_mlp_celu_logsoftmax", nn.CELU, "script", 17, "Celu; log probabilities of LogSoftmax.", head=nn.LogSoftmax(1)),
    mlp("torch_mlp_softplus_diabetes", nn.Softplus, "dynamo", 18, "Softplus, a regressor.", data="diabetes", good=0.3, epochs=200, rate=0.1),
    mlp("torch_mlp_hardtanh", nn.Hardtanh, "dynamo", 18, "Clip at both ends."),
]


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for make in FIXTURES:
        if not wanted or make.__name__ in wanted:
            make()
