"""Writes fixtures.json: small scikit-learn models as plain weights, with rows and the raw scores that numpy gives for them.

Run with Python 3 and scikit-learn (any recent version): python make_fixtures.py
Data: scikit-learn's copies of breast cancer, iris, digits (UCI, CC BY 4.0) and diabetes (Efron et al. 2004).
"""
import json
import warnings

import numpy as np
from sklearn import datasets
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")


def short(a):
    return np.array([float("%.6g" % v) for v in np.asarray(a, float).ravel()]).reshape(np.shape(a))


def load(name):
    d = getattr(datasets, "load_" + name)()
    cls = name != "diabetes"
    x = np.float32(d.data).astype(float)
    return train_test_split(x, d.target, test_size=0.3, random_state=7, stratify=d.target if cls else None)


def apply(layers, x):
    for w, b, act in layers:
        x = x @ np.array(w).T + np.array(b)
        x = {"Identity": lambda v: v, "Relu": lambda v: np.maximum(v, 0), "Tanh": np.tanh,
             "Sigmoid": lambda v: 1 / (1 + np.exp(-v))}[act](x)
    return x


def fixture(name, data, hidden, act, **kw):
    xtr, xte, ytr, yte = load(data)
    s = StandardScaler().fit(xtr)
    cls = data != "diabetes"
    if hidden:
        make = MLPClassifier if cls else MLPRegressor
        m = make(hidden, activation={"Relu": "relu", "Tanh": "tanh", "Sigmoid": "logistic"}[act], max_iter=1500, random_state=3,
                 solver="adam" if cls else "lbfgs", **kw)
        m.fit(s.transform(xtr), ytr)
        ws, bs = [w.T for w in m.coefs_], m.intercepts_
    else:
        m = (LogisticRegression(max_iter=5000) if cls else LinearRegression()).fit(s.transform(xtr), ytr)
        ws, bs = [np.atleast_2d(m.coef_)], [np.atleast_1d(m.intercept_)]
    bs[0] = bs[0] - (ws[0] / s.scale_) @ s.mean_
    ws[0] = ws[0] / s.scale_
    n = len(ws)
    layers = [(short(w).tolist(), short(b).tolist(), act if i < n - 1 else "Identity") for i, (w, b) in enumerate(zip(ws, bs))]
    keep = 120 if data == "digits" else 200
    return {"name": name, "task": "classify" if cls else "regress", "layers": [{"w": w, "b": b, "act": a} for w, b, a in layers],
            "calibration": short(xtr[:120]).tolist(), "rows": short(xte[:keep]).tolist(), "target": np.asarray(yte[:keep], float).tolist(),
            "raw": short(apply(layers, short(xte[:keep]))).tolist()}


out = [
    fixture("logistic_breast_cancer", "breast_cancer", (), ""),
    fixture("logistic_iris", "iris", (), ""),
    fixture("linear_diabetes", "diabetes", (), ""),
    fixture("mlp_breast_cancer", "breast_cancer", (16,), "Relu", alpha=0.1),
    fixture("mlp_iris_tanh", "iris", (10,), "Tanh"),
    fixture("mlp_iris_sigmoid", "iris", (8,), "Sigmoid"),
    fixture("mlp_diabetes", "diabetes", (16,), "Relu", alpha=100.0),
    fixture("mlp_digits", "digits", (24,), "Relu", alpha=0.1),
    fixture("mlp2_iris", "iris", (8, 6), "Relu"),
    fixture("mlp2_breast_cancer", "breast_cancer", (16, 8), "Relu", alpha=0.1),
    fixture("mlp2_diabetes_tanh", "diabetes", (12, 8), "Tanh", alpha=20.0),
    fixture("mlp3_digits", "digits", (32, 24, 16), "Relu", alpha=0.1),
]
with open("fixtures.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(o, separators=(",", ":")) for o in out) + "\n]\n")
