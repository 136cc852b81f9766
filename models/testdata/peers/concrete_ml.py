"""The peer of run.go: trains models, exports them to ONNX, and runs them under Concrete ML 1.9.0.

    python concrete_ml.py train DIR [NAME...]    DIR/NAME.onnx, NAME.calib.csv (training rows), NAME.csv (held-out rows), NAME.json (labels), NAME.pickle
    python concrete_ml.py run DIR NAME ROWS      one JSON object: what Concrete ML takes for the model in DIR on the first ROWS held-out rows

Both sides read the same trained parameters: Concrete ML by from_sklearn_model or, of a network, as a torch module with the same weights; ours from the
ONNX file. All seeds are fixed.
"""
import json
import os
import pathlib
import pickle
import statistics
import sys
import tempfile
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")
SEED = 3


def data(name):
    """Rows and labels of a scikit-learn data set, 70% for training. Columns are standardized, but for pixels."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    d = getattr(datasets, "load_" + name)()
    x, xt, y, yt = train_test_split(d.data, d.target, test_size=0.3, random_state=SEED, stratify=d.target)
    if name != "digits":
        s = StandardScaler().fit(x)
        x, xt = s.transform(x), s.transform(xt)
    return np.float32(x), np.float32(xt), y, yt


def models():
    """name: (data set, estimator, bits of Concrete ML's inputs)."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.tree import DecisionTreeClassifier
    from xgboost import XGBClassifier

    def boosted(trees, depth):
        return XGBClassifier(n_estimators=trees, max_depth=depth, learning_rate=0.3, random_state=SEED, n_jobs=1)

    def network(units, **kw):
        return MLPClassifier((units,), max_iter=2000, random_state=SEED, **kw)

    return {
        "logreg": ("breast_cancer", LogisticRegression(), 8),
        "tree": ("breast_cancer", DecisionTreeClassifier(max_depth=5, random_state=SEED), 6),
        "xgb20x3": ("breast_cancer", boosted(20, 3), 6),
        "xgb50x4": ("breast_cancer", boosted(50, 4), 6),
        "forest_digits": ("digits", RandomForestClassifier(20, max_depth=6, random_state=SEED, n_jobs=1), 6),
        "mlp_iris": ("iris", network(16, alpha=0.01), 5),
        "mlp_breast_cancer": ("breast_cancer", network(32, alpha=1), 4),
    }


def export(model, name, features):
    if name.startswith("xgb"):
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType

        return convert_xgboost(model, initial_types=[("X", FloatTensorType([None, features]))], target_opset=15)
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    return convert_sklearn(model, initial_types=[("X", FloatTensorType([None, features]))], target_opset={"": 17, "ai.onnx.ml": 3},
                           options={id(model): {"zipmap": False}})


def train(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (source, model, _) in models().items():
        if names and name not in names:
            continue
        x, xt, y, yt = data(source)
        model.fit(x, y)
        (folder / (name + ".onnx")).write_bytes(export(model, name, x.shape[1]).SerializeToString())
        header = ",".join("x%d" % i for i in range(x.shape[1]))
        for suffix, rows in ((".calib.csv", x), (".csv", xt)):
            lines = [",".join(np.format_float_positional(v, unique=True) for v in row) for row in rows]
            (folder / (name + suffix)).write_text("\n".join([header] + lines) + "\n")
        shape = {"accuracy": model.score(xt, yt), "labels": yt.tolist()}
        (folder / (name + ".json")).write_text(json.dumps(shape))
        (folder / (name + ".pickle")).write_bytes(pickle.dumps(model))


def torch_module(mlp):
    """The network with the same weights, down to the scores before the softmax or sigmoid."""
    import torch

    layers = []
    for i, (w, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_)):
        linear = torch.nn.Linear(*w.shape)
        linear.weight.data, linear.bias.data = torch.tensor(w.T, dtype=torch.float32), torch.tensor(b, dtype=torch.float32)
        layers += [linear] + ([torch.nn.ReLU()] if i + 1 < len(mlp.coefs_) else [])
    return torch.nn.Sequential(*layers)


def compiled(name, model, x, bits):
    """The Concrete ML model, and a function from its results to labels."""
    if name.startswith("mlp"):
        from concrete.ml.torch.compile import compile_torch_model

        q = compile_torch_model(torch_module(model), x, n_bits=bits, rounding_threshold_bits=6)

        def labels(out):
            return out.argmax(1) if out.shape[1] > 1 else (out[:, 0] > 0).astype(int)

        return q, lambda rows: labels(q.forward(rows, fhe="disable")), labels
    import concrete.ml.sklearn as cml

    kind = {"logreg": cml.LogisticRegression, "tree": cml.DecisionTreeClassifier, "forest_digits": cml.RandomForestClassifier}.get(name, cml.XGBClassifier)
    q = kind.from_sklearn_model(model, x, n_bits=bits)
    q.compile(x)
    return q, lambda rows: q.predict(rows, fhe="disable"), lambda out: out.argmax(1)


def run(folder, name, rows):
    from concrete import fhe
    from concrete.ml.deployment import FHEModelClient, FHEModelDev, FHEModelServer

    source, _, bits = models()[name]
    x, xt, _, yt = data(source)
    model = pickle.loads((folder / (name + ".pickle")).read_bytes())

    def since(start):
        return round(time.perf_counter() - start, 3)

    say = lambda text: print("concrete ml: %s: %s" % (name, text), file=sys.stderr, flush=True)
    start = time.perf_counter()
    q, clear, labels = compiled(name, model, x, bits)
    out = {"bits": bits, "compile_s": since(start)}
    want = clear(xt)
    out["accuracy"] = float(np.mean(want == yt))
    say("compiled in %.0f s" % out["compile_s"])
    with tempfile.TemporaryDirectory() as temp:
        FHEModelDev(temp, q).save()
        client, server = FHEModelClient(temp), FHEModelServer(temp)
        start = time.perf_counter()
        client.generate_private_and_evaluation_keys()
        out["keygen_s"] = since(start)
        keys = client.get_serialized_evaluation_keys()
        out["key_bytes"] = len(keys)
        say("keys in %.0f s" % out["keygen_s"])
        keys = fhe.EvaluationKeys.deserialize(keys)
        times, right = [], 0
        warm = False  # the first row finds nothing in memory: it is not counted, unless it takes very long
        while len(times) < rows:
            i = len(times)
            request = client.quantize_encrypt_serialize(xt[i:i + 1])
            start = time.perf_counter()
            response = server.run(request, keys)
            took = time.perf_counter() - start
            if not warm and took < 10:
                warm = True
                continue
            warm = True
            times.append(took)
            size = lambda m: sum(map(len, m)) if isinstance(m, tuple) else len(m)
            out["request_bytes"], out["response_bytes"] = size(request), size(response)
            right += int(labels(client.deserialize_decrypt_dequantize(response))[0] == want[i])
            say("row %d of %d in %.3g s" % (len(times), rows, took))
    out.update(rows=rows, ms=1000 * statistics.median(times), same=right)
    print(json.dumps(out))


if __name__ == "__main__":
    if len(sys.argv) >= 3 and sys.argv[1] == "train":
        train(pathlib.Path(sys.argv[2]), sys.argv[3:])
    elif len(sys.argv) == 5 and sys.argv[1] == "run":
        # Its first import may print; the result is the last line.
        run(pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        sys.exit(__doc__)
