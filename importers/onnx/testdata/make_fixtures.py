#!/usr/bin/env python3
"""Trains small real models and writes the ONNX fixtures of importers/onnx and of `fhe-ml demo`.

    python make_fixtures.py            every fixture, the broken files and the demo
    python make_fixtures.py NAME...    only these (fixture names, "broken" or "demo")
    python make_fixtures.py --ops      the operators of every committed file, in graph order

For a fixture NAME it writes, beside this script:

    NAME.onnx       the exported model
    NAME.csv        held-out rows, header = feature names, no target column
    NAME.calib.csv  training rows, same columns (linear models and networks only)
    NAME.json       what onnxruntime answers on NAME.csv: see `record`

Every number of a CSV is the shortest decimal that parses back to the same float32. Readers must
round it to float32 before they compare it with a threshold, as onnxruntime's FLOAT input does.

All seeds are fixed and every trainer runs on one thread. The answers in NAME.json come from
onnxruntime, so the files of one run belong together: regenerate all four, never one of them.
"""

import json
import os
import pathlib
import struct
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from sklearn import datasets, ensemble, linear_model, neighbors, neural_network, svm, tree
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).resolve().parent
DEMO = HERE.parents[2] / "cmd" / "fhe-ml" / "demo"
SEED = 3
ROWS = 30  # held-out rows per fixture
CALIBRATION_ROWS = 100
OPSET = {"": 17, "ai.onnx.ml": 3}

warnings.filterwarnings("ignore", category=FutureWarning)
warnings.filterwarnings("ignore", category=UserWarning)


# ---------------------------------------------------------------------------------------- data


class Data:
    """One scikit-learn data set, features rounded to float32, split into train and held-out rows."""

    def __init__(self, name, rows=ROWS, missing=0.0, test_size=0.3):
        bunch = getattr(datasets, "load_" + name)()
        x = bunch.data.astype(np.float32)
        y = bunch.target
        self.name = name
        self.regression = name == "diabetes"
        self.features = [str(f).replace(" ", "_") for f in bunch.feature_names]
        self.names = [] if self.regression else [str(n) for n in bunch.target_names]
        if missing:
            x = x.copy()
            x[np.random.RandomState(SEED).rand(*x.shape) < missing] = np.nan
        self.x, x_test, self.y, y_test = train_test_split(
            x, y, test_size=test_size, random_state=SEED, stratify=None if self.regression else y
        )
        self.x_all_test, self.y_all_test = x_test, y_test
        self.x_test, self.y_test = x_test[:rows], y_test[:rows]


def decimal(v, missing="nan"):
    """The shortest decimal that rounds to the float32 v; `missing` for NaN."""
    if np.isnan(v):
        return missing
    text = np.format_float_positional(np.float32(v), unique=True, trim="-")
    return "0" if text == "-0" else text


def write_csv(path, header, rows, missing="nan"):
    with open(path, "w", newline="\n") as f:
        f.write(",".join(header) + "\n")
        for row in rows:
            f.write(",".join(v if isinstance(v, str) else decimal(v, missing) for v in row) + "\n")


# --------------------------------------------------------------------------- recording answers


def run(model_bytes, x):
    """onnxruntime's outputs on float32 rows, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model_bytes, options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(x, np.float32)})


def number(v):
    """float32 as the shortest JSON number that parses back to it."""
    return float(str(np.float32(v)))


def answers(model_bytes, x, data, classes):
    """(labels, scores) of onnxruntime. A model without a label output gets its label here:
    argmax of several outputs, or output > 0.5 of one sigmoid output."""
    out = run(model_bytes, x)
    if data.regression:
        return [], [[number(v) for v in np.ravel(row)] for row in out[0].reshape(len(x), -1)]
    if len(out) == 1:
        scores = out[0].reshape(len(x), -1)
        index = (scores[:, 0] > 0.5).astype(int) if scores.shape[1] == 1 else scores.argmax(1)
        return [classes[i] for i in index], [[number(v) for v in row] for row in scores]
    labels = [str(v) for v in np.ravel(out[0])]
    if isinstance(out[1], list):  # ZipMap: one {class: score} per row
        scores = [[number({str(k): v for k, v in row.items()}[c]) for c in classes] for row in out[1]]
    else:
        scores = [[number(v) for v in row] for row in out[1].reshape(len(x), -1)]
    return labels, scores


def record(name, data, model, producer, note, native=None, calibration=False, classes=None,
           y=None, missing="nan", good=None):
    """Writes the four files of a fixture.

    native: the labels (or values) that the training library itself predicts on data.x_test; how
    many of them onnxruntime disagrees with goes into the note. good: least accuracy (or R2) on all
    held-out rows, so that no fixture is a badly trained model.
    """
    raw = model if isinstance(model, bytes) else model.SerializeToString()
    y = data.y_test if y is None else y
    if classes is None and not data.regression:
        classes = [str(c) for c in sorted(set(data.y))]
    labels, scores = answers(raw, data.x_test, data, classes)
    if native is not None and not data.regression:
        wrong = sum(a != str(b) for a, b in zip(labels, native))
        note += f" onnxruntime and the training library differ on {wrong} of {len(labels)} labels."
    if native is not None and data.regression:
        worst = np.max(np.abs(np.ravel(scores) - np.ravel(native)) / np.maximum(1, np.abs(np.ravel(native))))
        assert worst < 1e-4, (name, worst)
        note += " onnxruntime equals the training library to 1e-4."

    # Quality on every held-out row, not only on the recorded ones.
    all_labels, all_scores = answers(raw, data.x_all_test, data, classes)
    if data.regression:
        v = np.ravel(all_scores)
        quality = 1 - np.sum((v - data.y_all_test) ** 2) / np.sum((data.y_all_test - data.y_all_test.mean()) ** 2)
    else:
        truth = [classes[int(v)] for v in data.y_all_test]
        quality = float(np.mean([a == b for a, b in zip(all_labels, truth)]))
    assert quality >= good, (name, quality)

    (HERE / f"{name}.onnx").write_bytes(raw)
    write_csv(HERE / f"{name}.csv", data.features, data.x_test, missing)
    if calibration:
        write_csv(HERE / f"{name}.calib.csv", data.features, data.x[:CALIBRATION_ROWS], missing)
    answer = {
        "task": "regress" if data.regression else "classify",
        "classes": classes or [],
        "producer": producer,
        "note": note.strip(),
        "labels": labels,
        "scores": scores,
        "y": [number(v) if data.regression else classes[int(v)] for v in y],
    }
    with open(HERE / f"{name}.json", "w", newline="\n") as f:
        f.write("{\n")
        f.write(",\n".join(f' {json.dumps(k)}: {json.dumps(v)}' for k, v in answer.items()))
        f.write("\n}\n")
    kind = "R2" if data.regression else "accuracy"
    print(f"{name:36s} {len(raw):7d} bytes  {kind} {quality:.3f}  {note.strip()}")


# -------------------------------------------------------------------------------- scikit-learn


def to_onnx_sklearn(model, name, n_features, options=None):
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    return convert_sklearn(model, name=name, target_opset=OPSET, options=options,
                           initial_types=[("X", FloatTensorType([None, n_features]))])


SKLEARN = "scikit-learn 1.5.0, skl2onnx 1.20.0"


def sklearn_fixture(name, data, model, note, good, options=None, named=False, **kw):
    """Fits, converts and records. named: train on class names, so that labels are strings."""
    classes = None
    target = data.y
    if named:
        classes = data.names
        target = np.array(data.names)[data.y]
        assert classes == sorted(classes)
    model.fit(data.x, target)
    exported = to_onnx_sklearn(model, name, data.x.shape[1], options(model) if options else None)
    record(name, data, exported, SKLEARN, note, native=model.predict(data.x_test),
           classes=classes, good=good, **kw)
    return model, exported


def no_zipmap(model):
    return {id(model): {"zipmap": False}}


def logreg_breast_cancer():
    sklearn_fixture("logreg_breast_cancer", Data("breast_cancer"),
                    make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
                    "StandardScaler + binary LogisticRegression, default ZipMap output.", 0.95,
                    calibration=True)


def logreg_iris_multinomial():
    sklearn_fixture("logreg_iris_multinomial", Data("iris"),
                    linear_model.LogisticRegression(max_iter=1000),
                    "Multinomial LogisticRegression on raw features, zipmap=False.", 0.9,
                    options=no_zipmap, calibration=True)


def logreg_wine_ovr():
    sklearn_fixture("logreg_wine_ovr", Data("wine"),
                    make_pipeline(StandardScaler(),
                                  linear_model.LogisticRegression(solver="liblinear", multi_class="ovr")),
                    "StandardScaler + one-vs-rest LogisticRegression (liblinear): sigmoid of each"
                    " class, then divided by their sum; class names as labels.", 0.93,
                    named=True, calibration=True)


def linreg_diabetes():
    sklearn_fixture("linreg_diabetes", Data("diabetes"), linear_model.LinearRegression(),
                    "LinearRegression.", 0.35, calibration=True)


def ridge_classifier_iris():
    sklearn_fixture("ridge_classifier_iris", Data("iris"), linear_model.RidgeClassifier(),
                    "RidgeClassifier: three raw scores, no link.", 0.75,
                    options=no_zipmap, calibration=True)


def linearsvc_breast_cancer():
    sklearn_fixture("linearsvc_breast_cancer", Data("breast_cancer"),
                    make_pipeline(StandardScaler(), svm.LinearSVC(C=0.1, dual=False)),
                    "StandardScaler + LinearSVC, raw scores [-s, s] of a binary model.", 0.95,
                    options=lambda m: {id(m.steps[-1][1]): {"raw_scores": True}},
                    calibration=True)


def poisson_diabetes():
    sklearn_fixture("poisson_diabetes", Data("diabetes"),
                    linear_model.PoissonRegressor(alpha=1e-3, max_iter=1000),
                    "PoissonRegressor: exp of a linear score.", 0.35, calibration=True)


def tree_breast_cancer():
    sklearn_fixture("tree_breast_cancer", Data("breast_cancer"),
                    tree.DecisionTreeClassifier(max_depth=5, random_state=SEED),
                    "One tree of depth 5, default ZipMap output.", 0.88)


def tree_iris():
    sklearn_fixture("tree_iris", Data("iris"), tree.DecisionTreeClassifier(max_depth=4, random_state=SEED),
                    "One tree, class names as labels, default ZipMap output.", 0.88, named=True)


def forest_iris():
    sklearn_fixture("forest_iris", Data("iris"),
                    ensemble.RandomForestClassifier(10, max_depth=4, random_state=SEED),
                    "10 trees, averaged probabilities.", 0.88, options=no_zipmap)


def forest_digits():
    sklearn_fixture("forest_digits", Data("digits"),
                    ensemble.RandomForestClassifier(20, max_depth=6, random_state=SEED),
                    "20 trees of depth 6, 10 classes, 64 features.", 0.88, options=no_zipmap)


def forest_regressor_diabetes():
    sklearn_fixture("forest_regressor_diabetes", Data("diabetes"),
                    ensemble.RandomForestRegressor(20, max_depth=5, random_state=SEED),
                    "20 regression trees, averaged.", 0.3)


def gb_breast_cancer():
    sklearn_fixture("gb_breast_cancer", Data("breast_cancer"),
                    ensemble.GradientBoostingClassifier(n_estimators=20, max_depth=3, learning_rate=0.3,
                                                        random_state=SEED),
                    "Gradient boosting, 20 trees of depth 3, log-odds then sigmoid.", 0.9)


def gb_wine():
    sklearn_fixture("gb_wine", Data("wine"),
                    ensemble.GradientBoostingClassifier(n_estimators=10, max_depth=2, learning_rate=0.3,
                                                        random_state=SEED),
                    "Gradient boosting, 10 rounds x 3 classes, softmax.", 0.88, options=no_zipmap)


def tracks_missing(model):
    """Whether any split of the file sends NaN to its true branch."""
    return any(1 in a.ints for n in model.graph.node for a in n.attribute
               if a.name == "nodes_missing_value_tracks_true")


def hgb_breast_cancer_missing():
    data = Data("breast_cancer", missing=0.15)
    _, exported = sklearn_fixture(
        "hgb_breast_cancer_missing", data,
        ensemble.HistGradientBoostingClassifier(max_iter=20, max_depth=3, learning_rate=0.3,
                                                random_state=SEED),
        "Histogram gradient boosting on data with 15% missing cells (empty in the CSV).", 0.9,
        missing="", options=no_zipmap)
    assert tracks_missing(exported) and np.isnan(data.x_test).any()


def most_thresholds(model):
    """The largest number of distinct float32 thresholds that the trees use on one feature."""
    node = next(n for n in model.graph.node if n.op_type.startswith("TreeEnsemble"))
    a = {a.name: a for a in node.attribute}
    seen = {}
    for f, v, mode in zip(a["nodes_featureids"].ints, a["nodes_values"].floats, a["nodes_modes"].strings):
        if mode != b"LEAF":
            seen.setdefault(f, set()).add(v)
    return max(len(s) for s in seen.values())


def tree_manythresholds_diabetes():
    _, exported = sklearn_fixture(
        "tree_manythresholds_diabetes", Data("diabetes"),
        ensemble.ExtraTreesRegressor(60, max_depth=5, random_state=SEED),
        "60 extra trees: more than 127 distinct thresholds on a feature.", 0.3)
    assert most_thresholds(exported) > 127, most_thresholds(exported)
    print(f"{'':36s} most thresholds on one feature: {most_thresholds(exported)}")


def mlp_breast_cancer():
    sklearn_fixture("mlp_breast_cancer", Data("breast_cancer"),
                    make_pipeline(StandardScaler(),
                                  neural_network.MLPClassifier((16,), alpha=0.1, max_iter=1000,
                                                               random_state=SEED)),
                    "StandardScaler + 16 ReLU units + sigmoid.", 0.95, calibration=True)


def mlp_iris_tanh():
    sklearn_fixture("mlp_iris_tanh", Data("iris"),
                    neural_network.MLPClassifier((8,), activation="tanh", solver="lbfgs", alpha=0.1,
                                                 max_iter=2000, random_state=SEED),
                    "8 tanh units + softmax on raw features.", 0.9, options=no_zipmap, calibration=True)


def mlp_diabetes_regressor():
    sklearn_fixture("mlp_diabetes_regressor", Data("diabetes"),
                    make_pipeline(StandardScaler(),
                                  neural_network.MLPRegressor((8,), activation="logistic", solver="lbfgs",
                                                              alpha=60.0, max_iter=2000, random_state=SEED)),
                    "StandardScaler + 8 logistic units + linear output.", 0.35, calibration=True)


def mlp2_iris():
    sklearn_fixture("mlp2_iris", Data("iris"),
                    make_pipeline(StandardScaler(),
                                  neural_network.MLPClassifier((8, 6), solver="lbfgs", alpha=0.1,
                                                               max_iter=2000, random_state=SEED)),
                    "StandardScaler + two hidden layers (8 and 6 ReLU units) + softmax.", 0.9,
                    options=no_zipmap, calibration=True)


# ---------------------------------------------------------------------------- boosting libraries


def xgb_fixture(name, data, model, note, good, **kw):
    from onnxmltools.convert import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    model.fit(data.x, data.y)
    exported = convert_xgboost(model, name=name, target_opset=15,
                               initial_types=[("X", FloatTensorType([None, data.x.shape[1]]))])
    record(name, data, exported, "xgboost 3.2.0, onnxmltools 1.16.0", note,
           native=model.predict(data.x_test), good=good, **kw)
    return exported


def xgb_parameters(rounds, depth, rate=0.3):
    return dict(n_estimators=rounds, max_depth=depth, learning_rate=rate, n_jobs=1,
                random_state=SEED, tree_method="hist")


def xgb_breast_cancer():
    from xgboost import XGBClassifier

    xgb_fixture("xgb_breast_cancer", Data("breast_cancer"), XGBClassifier(**xgb_parameters(20, 3)),
                "20 trees of depth 3, BRANCH_LT, sigmoid.", 0.9)


def xgb_iris():
    from xgboost import XGBClassifier

    xgb_fixture("xgb_iris", Data("iris"), XGBClassifier(**xgb_parameters(10, 3)),
                "10 rounds x 3 classes, BRANCH_LT, softmax.", 0.88)


def xgb_regressor_diabetes():
    from xgboost import XGBRegressor

    xgb_fixture("xgb_regressor_diabetes", Data("diabetes"), XGBRegressor(**xgb_parameters(20, 3, 0.2)),
                "20 regression trees of depth 3, BRANCH_LT.", 0.3)


def xgb_breast_cancer_missing():
    from xgboost import XGBClassifier

    data = Data("breast_cancer", missing=0.15)
    exported = xgb_fixture("xgb_breast_cancer_missing", data, XGBClassifier(**xgb_parameters(20, 3)),
                           "20 trees on data with 15% missing cells (nan in the CSV), BRANCH_LT.", 0.9)
    assert tracks_missing(exported) and np.isnan(data.x_test).any()


def lgbm_breast_cancer():
    from lightgbm import LGBMClassifier
    from onnxmltools.convert import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    data = Data("breast_cancer")
    model = LGBMClassifier(n_estimators=20, max_depth=3, num_leaves=8, learning_rate=0.3, n_jobs=1,
                           deterministic=True, force_row_wise=True, random_state=SEED, verbose=-1)
    model.fit(data.x, data.y)
    exported = convert_lightgbm(model, name="lgbm_breast_cancer", target_opset=15,
                                initial_types=[("X", FloatTensorType([None, data.x.shape[1]]))])
    record("lgbm_breast_cancer", data, exported, "lightgbm 4.5.0, onnxmltools 1.16.0",
           "20 trees of depth 3, BRANCH_LEQ, default ZipMap output.",
           native=model.predict(data.x_test), good=0.9)


# ---------------------------------------------------------------------------------------- torch


def torch_fixture(name, data, layers, loss, note, good, epochs=600, rate=0.01, decay=1e-3, head=None):
    """Trains Standardise + layers(torch) with Adam on the whole train split and exports it together
    with `head`, the final activation that the loss already contains."""
    import io

    import torch

    torch.manual_seed(SEED)
    torch.set_num_threads(1)

    class Standardise(torch.nn.Module):
        """(x - mean) / std with the train split's mean and deviation, so the file takes raw features."""

        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.tensor(data.x.astype(np.float64).mean(0), dtype=torch.float32))
            self.register_buffer("std", torch.tensor(data.x.astype(np.float64).std(0), dtype=torch.float32))

        def forward(self, x):
            return (x - self.mean) / self.std

    net = torch.nn.Sequential(Standardise(), *layers(torch.nn))
    x = torch.tensor(data.x)
    y = torch.tensor(data.y)
    optimiser = torch.optim.Adam(net.parameters(), lr=rate, weight_decay=decay)
    net.train()
    for _ in range(epochs):
        optimiser.zero_grad()
        loss(torch, net(x), y).backward()
        optimiser.step()
    whole = torch.nn.Sequential(*net, *([head(torch.nn)] if head else [])).eval()
    buffer = io.BytesIO()
    torch.onnx.export(whole, torch.zeros(1, x.shape[1]), buffer, opset_version=17,
                      input_names=["input"], output_names=["output"],
                      dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}})
    with torch.no_grad():
        out = whole(torch.tensor(data.x_test)).numpy()
    if data.regression:
        native = out[:, 0]
    else:
        native = out.argmax(1) if out.shape[1] > 1 else (out[:, 0] > 0.5).astype(int)
    record(name, data, buffer.getvalue(), "torch " + torch.__version__.split("+")[0], note,
           native=native, good=good, calibration=True)


def torch_mlp_breast_cancer():
    torch_fixture("torch_mlp_breast_cancer", Data("breast_cancer"),
                  lambda nn: [nn.Linear(30, 12), nn.ReLU(), nn.Linear(12, 1)],
                  lambda torch, out, y: torch.nn.functional.binary_cross_entropy_with_logits(out[:, 0], y.float()),
                  "12 ReLU units, one sigmoid output = probability of class 1; no label output"
                  " (labels here: output > 0.5).", 0.95, epochs=300, decay=1e-2,
                  head=lambda nn: nn.Sigmoid())


def torch_mlp_iris():
    torch_fixture("torch_mlp_iris", Data("iris"),
                  lambda nn: [nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(),
                              nn.Linear(6, 3)],
                  lambda torch, out, y: torch.nn.functional.cross_entropy(out, y),
                  "8 units with batch norm, 6 units, softmax; no label output (labels here: argmax).", 0.9,
                  head=lambda nn: nn.Softmax(dim=1))


def torch_linear_diabetes():
    torch_fixture("torch_linear_diabetes", Data("diabetes"),
                  lambda nn: [nn.Linear(10, 1)],
                  lambda torch, out, y: torch.nn.functional.mse_loss(out[:, 0], y.float()),
                  "One linear layer.", 0.35, epochs=3000, rate=0.5, decay=0.0)


# ----------------------------------------------------------------------------------------- demo


def demo():
    """Three models on breast cancer for `fhe-ml demo`, one split: calibration.csv is part of the
    training rows, heldout.csv was never trained on and carries the target."""
    DEMO.mkdir(parents=True, exist_ok=True)
    data = Data("breast_cancer", rows=40)
    models = {
        "logreg": make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
        "gboost": ensemble.GradientBoostingClassifier(n_estimators=20, max_depth=3, learning_rate=0.3,
                                                      random_state=SEED),
        "mlp": make_pipeline(StandardScaler(),
                             neural_network.MLPClassifier((8,), alpha=0.1, max_iter=1500,
                                                          random_state=SEED)),
    }
    for name, model in models.items():
        model.fit(data.x, data.y)
        raw = to_onnx_sklearn(model, name, data.x.shape[1]).SerializeToString()
        labels, _ = answers(raw, data.x_test, data, ["0", "1"])
        right = sum(a == str(b) for a, b in zip(labels, data.y_test))
        native = model.predict(data.x_test)
        assert labels == [str(v) for v in native]
        assert right >= 37, (name, right)
        (DEMO / f"{name}.onnx").write_bytes(raw)
        print(f"demo/{name:31s} {len(raw):7d} bytes  accuracy on heldout.csv {right}/{len(labels)},"
              f" on every held-out row {model.score(data.x_all_test, data.y_all_test):.3f}")
    write_csv(DEMO / "calibration.csv", data.features, data.x[:150])
    write_csv(DEMO / "heldout.csv", data.features + ["target"],
              [list(row) + [str(t)] for row, t in zip(data.x_test, data.y_test)])


# --------------------------------------------------------------------------------- broken files


def simple_model(nodes, n_in=4, n_out=1, initializers=(), input_dims=None, opset=17, output="Y", extra=()):
    graph = helper.make_graph(
        nodes, "broken",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, input_dims or [None, n_in])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, n_out])], list(initializers))
    return helper.make_model(graph, ir_version=8, producer_name="make_fixtures",
                             opset_imports=[helper.make_opsetid("", opset), *extra])


def floats(name, dims, values):
    return helper.make_tensor(name, TensorProto.FLOAT, dims, values)


def broken():
    """Files that must be refused with one clear line: see README.md for what is wrong in each."""
    folder = HERE / "broken"
    folder.mkdir(exist_ok=True)

    def write(name, content):
        raw = content if isinstance(content, bytes) else content.SerializeToString()
        (folder / f"{name}.onnx").write_bytes(raw)
        print(f"broken/{name:29s} {len(raw):7d} bytes")

    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    write("not_onnx", png + bytes(range(256)))
    write("text", b"sepal_length,sepal_width\n5.1,3.5\n")
    write("empty", b"")
    data = Data("breast_cancer")
    good = to_onnx_sklearn(make_pipeline(StandardScaler(), linear_model.LogisticRegression()).fit(data.x, data.y),
                           "truncated", 30).SerializeToString()
    write("truncated", good[: len(good) * 2 // 3])

    iris = Data("iris")
    knn = neighbors.KNeighborsClassifier(3).fit(iris.x[:20], iris.y[:20])
    knn = to_onnx_sklearn(knn, "unsupported_knn", 4)
    for node in knn.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                attribute.g.name = "body"  # skl2onnx puts a random identifier here
    write("unsupported_knn", knn)
    lstm = simple_model(
        [helper.make_node("Reshape", ["X", "shape"], ["S"], name="to_sequence"),
         helper.make_node("LSTM", ["S", "W", "R"], ["H", "Y"], name="the_lstm", hidden_size=1)],
        initializers=[helper.make_tensor("shape", TensorProto.INT64, [3], [4, -1, 1]),
                      floats("W", [1, 4, 1], [0.5] * 4), floats("R", [1, 4, 1], [0.5] * 4)])
    lstm.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 1
    onnx.checker.check_model(lstm)
    write("unsupported_op", lstm)
    write("unsupported_domain", simple_model(
        [helper.make_node("FancyLayer", ["X"], ["Y"], name="fancy", domain="com.example")],
        extra=[helper.make_opsetid("com.example", 1)]))

    gemm = helper.make_node("Gemm", ["X", "W", "B"], ["Y"], name="gemm")
    lie = simple_model([gemm], initializers=[floats("W", [4, 1], [1, 2, 3, 4]), floats("B", [1], [0])])
    lie.graph.initializer[0].dims[:] = [4000, 1000]
    write("dims_lie", lie)
    negative = simple_model([gemm], initializers=[floats("W", [4, 1], [1, 2, 3, 4]), floats("B", [1], [0])])
    negative.graph.initializer[0].dims[:] = [-4, -1]
    write("negative_dims", negative)
    write("wrong_width", simple_model(
        [gemm], initializers=[floats("W", [5, 1], [1, 2, 3, 4, 5]), floats("B", [1], [0])]))
    write("nan_weight", simple_model(
        [gemm], initializers=[floats("W", [4, 1], [1, float("nan"), 3, 4]), floats("B", [1], [0])]))
    external = simple_model([gemm], initializers=[floats("W", [4, 1], [1, 2, 3, 4]), floats("B", [1], [0])])
    w = external.graph.initializer[0]
    w.ClearField("float_data")
    w.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../../../go.mod"), ("offset", "0"), ("length", "16")):
        entry = w.external_data.add()
        entry.key, entry.value = key, value
    write("external_outside", external)
    write("cycle", simple_model(
        [helper.make_node("Add", ["X", "B"], ["A"], name="first"),
         helper.make_node("Relu", ["A"], ["B"], name="second"),
         helper.make_node("Identity", ["B"], ["Y"], name="last")], n_out=4))
    write("self_loop", simple_model([helper.make_node("Add", ["X", "Y"], ["Y"], name="loop")], n_out=4))
    write("unknown_input", simple_model([helper.make_node("Relu", ["nowhere"], ["Y"], name="relu")], n_out=4))
    write("duplicate_output", simple_model(
        [helper.make_node("Relu", ["X"], ["Y"], name="one"), helper.make_node("Tanh", ["X"], ["Y"], name="two")],
        n_out=4))
    write("no_nodes", simple_model([], n_out=4, output="X"))
    write("huge_dims", simple_model([helper.make_node("Relu", ["X"], ["Y"], name="relu")],
                                    input_dims=[1 << 40, 1 << 40], n_out=4))

    def one_tree(**change):
        a = dict(n_targets=1, nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0],
                 nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_values=[0.5, 0.0, 0.0],
                 nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0], target_treeids=[0, 0],
                 target_nodeids=[1, 2], target_ids=[0, 0], target_weights=[1.0, 2.0])
        a.update(change)
        node = helper.make_node("TreeEnsembleRegressor", ["X"], ["Y"], name="trees", domain="ai.onnx.ml", **a)
        return simple_model([node], extra=[helper.make_opsetid("ai.onnx.ml", 3)])

    write("tree_cycle", one_tree(nodes_modes=["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"],
                                 nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 2, 0]))
    write("tree_missing_child", one_tree(nodes_truenodeids=[7, 0, 0]))
    write("tree_feature_range", one_tree(nodes_featureids=[99, 0, 0]))
    write("tree_lengths", one_tree(nodes_values=[0.5]))


# ----------------------------------------------------------------------------------------- main


FIXTURES = [
    logreg_breast_cancer, logreg_iris_multinomial, logreg_wine_ovr, linreg_diabetes,
    ridge_classifier_iris, linearsvc_breast_cancer, poisson_diabetes,
    tree_breast_cancer, tree_iris, forest_iris, forest_digits, forest_regressor_diabetes,
    gb_breast_cancer, gb_wine, hgb_breast_cancer_missing, tree_manythresholds_diabetes,
    mlp_breast_cancer, mlp_iris_tanh, mlp_diabetes_regressor, mlp2_iris,
    xgb_breast_cancer, xgb_iris, xgb_regressor_diabetes, xgb_breast_cancer_missing, lgbm_breast_cancer,
    torch_mlp_breast_cancer, torch_mlp_iris, torch_linear_diabetes,
    broken, demo,
]


def print_ops():
    for path in sorted(HERE.glob("*.onnx")) + sorted(DEMO.glob("*.onnx")):
        model = onnx.load(path)
        ops = " ".join((n.domain.replace("ai.onnx.ml", "ml") + ":" if n.domain else "") + n.op_type
                       for n in model.graph.node)
        opsets = " ".join(f"{o.domain or 'onnx'}={o.version}" for o in model.opset_import)
        print(f"| {path.stem} | {opsets} | {ops} |")


def main(arguments):
    if arguments == ["--ops"]:
        return print_ops()
    known = {f.__name__: f for f in FIXTURES}
    for name in arguments:
        if name not in known:
            sys.exit(f"make_fixtures: no fixture {name!r}; there are: {' '.join(known)}")
    for name, make in known.items():
        if not arguments or name in arguments:
            make()


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # skl2onnx writes its opset list from a set: start again with a fixed order of sets.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    main(sys.argv[1:])
