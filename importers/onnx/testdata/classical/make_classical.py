#!/usr/bin/env python3
"""Trains small scikit-learn and CatBoost models and writes the ONNX fixtures of this folder.

    python make_classical.py            every fixture that the installed scikit-learn makes
    python make_classical.py NAME...    only these

It runs once with each of the two pinned sets of packages (see README.md): with scikit-learn 1.5 it
writes NAME.onnx and NAME.json, with scikit-learn 1.9 NAME_19.onnx and NAME_19.json. Fixtures share the
tables DATA.csv (rows that no model was trained on) and DATA.calib.csv (training rows).

NAME.json: task, classes (in score order), data (which table), producer, note, and onnxruntime's labels
and scores on every row of DATA.csv. Numbers of a CSV are the shortest decimals that parse back to the
same float32.
"""

import json
import os
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import sklearn
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn import (calibration, compose, datasets, decomposition, discriminant_analysis, ensemble, feature_selection,
                     impute, linear_model, multiclass, multioutput, naive_bayes, neighbors, neural_network,
                     cross_decomposition, pipeline, preprocessing, svm, tree)
from sklearn.model_selection import train_test_split

HERE = pathlib.Path(__file__).resolve().parent
SEED = 7
ROWS = 24
CALIBRATION_ROWS = 60
VERSION = ".".join(sklearn.__version__.split(".")[:2])
SUFFIX = {"1.5": "", "1.9": "_19"}[VERSION]
OPSET = {"": 17, "ai.onnx.ml": 3}

warnings.filterwarnings("ignore")

pipe = pipeline.make_pipeline
scale = preprocessing.StandardScaler


# ---------------------------------------------------------------------------------------- data


class Data:
    """A table: x (float32 array, or a data frame of several types), y, split into train and held-out rows."""

    def __init__(self, name, x, y, names, classes, rows=ROWS):
        self.name, self.names = name, names
        self.classes = classes
        x_train, x_test, self.y, y_test = train_test_split(
            x, y, test_size=0.3, random_state=SEED, stratify=y if classes else None)
        self.x, self.x_test, self.y_test = x_train, x_test[:rows], y_test[:rows]
        self.frame = isinstance(x, pd.DataFrame)

    def write(self):
        for suffix, x in (("", self.x_test), (".calib", self.x[:CALIBRATION_ROWS])):
            rows = x.itertuples(index=False) if self.frame else x
            text = "".join(",".join(line) + "\n" for line in [self.names] + [[cell(v) for v in row] for row in rows])
            path = HERE / f"{self.name}{suffix}.csv"
            if path.exists():
                assert path.read_text() == text, f"{path} differs between the versions"
            path.write_text(text)


def cell(v):
    """A text as it is; the shortest decimal of a float32; nothing for a missing value."""
    if isinstance(v, str):
        return v
    if np.isnan(v):
        return ""
    text = np.format_float_positional(np.float32(v), unique=True, trim="-")
    return "0" if text == "-0" else text


def bundled(name, columns=None, missing=0.0, text_labels=False):
    bunch = getattr(datasets, "load_" + name)()
    x = bunch.data.astype(np.float32)
    names = [str(f).replace(" ", "_") for f in bunch.feature_names]
    if columns:
        x, names = x[:, :columns], names[:columns]
    y = bunch.target
    label = name
    if missing:
        x = x.copy()
        x[np.random.RandomState(SEED).rand(*x.shape) < missing] = np.nan
        label += "_missing"
    regression = name == "diabetes"
    if text_labels:
        y = np.array([str(n) for n in bunch.target_names])[y]
    return Data(label, x, y.astype(np.float32) if regression else y, names, None if regression else sorted(set(y)))


def passengers():
    """A made-up table of passengers: numbers with missing cells, an integer and two text columns."""
    r = np.random.RandomState(SEED)
    n = 300
    sex = r.choice(["female", "male"], n)
    port = r.choice(["Cherbourg", "Queenstown", "Southampton"], n, p=[0.3, 0.2, 0.5])
    cabin = r.randint(1, 4, n)
    age = np.round(r.gamma(6, 5, n), 0).astype(np.float32)
    fare = np.round(np.exp(r.normal(4 - 0.7 * cabin, 0.6)), 2).astype(np.float32)
    z = 1.5 * (sex == "female") - 0.8 * cabin + 0.02 * fare - 0.01 * age + 0.5 * (port == "Cherbourg") + 1.2
    y = np.where(r.rand(n) < 1 / (1 + np.exp(-2 * z)), "yes", "no")
    age[r.rand(n) < 0.15] = np.nan
    x = pd.DataFrame({"age": age, "fare": fare, "cabin": cabin.astype(np.int64), "sex": sex, "port": port})
    return Data("passengers", x, y, list(x.columns), ["no", "yes"])


def counts():
    """Counts of eight words in texts of three kinds, for naive Bayes."""
    r = np.random.RandomState(SEED)
    y = r.randint(0, 3, 300)
    rates = r.gamma(1.2, 1.5, (3, 8))
    x = r.poisson(rates[y]).astype(np.float32)
    return Data("counts", x, y, [f"word{i}" for i in range(8)], [0, 1, 2])


TABLES = {
    "iris": lambda: bundled("iris"),
    "iris_text": lambda: bundled("iris", text_labels=True),
    "wine": lambda: bundled("wine", columns=6),
    "wine_targets": lambda: Data("wine_targets", bundled("wine", columns=6).x, np.zeros(len(bundled("wine", columns=6).x), np.float32),
                                 [f"f{i}" for i in range(6)], None),
    "breast_cancer": lambda: bundled("breast_cancer", columns=8),
    "breast_cancer_missing": lambda: bundled("breast_cancer", columns=8, missing=0.15),
    "diabetes": lambda: bundled("diabetes"),
    "diabetes_missing": lambda: bundled("diabetes", missing=0.1),
    "passengers": passengers,
    "counts": counts,
}
cache = {}


def table(name):
    if name not in cache:
        cache[name] = TABLES[name]()
    return cache[name]


# --------------------------------------------------------------------------- recording answers


def number(v):
    """float32 as the shortest JSON number that parses back to it."""
    return float(str(np.float32(v)))


def feeds(session, data, double):
    inputs = session.get_inputs()
    if len(inputs) == 1 and not data.frame:
        return {inputs[0].name: np.ascontiguousarray(data.x_test, np.float64 if double else np.float32)}
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(double)": np.float64, "tensor(string)": object}
    return {i.name: data.x_test[i.name].to_numpy().astype(kinds[i.type]).reshape(-1, 1) for i in inputs}


def record(name, data, model, producer, note, double=False, native=None):
    raw = model if isinstance(model, bytes) else model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    out = session.run(None, feeds(session, data, double))
    n = len(data.x_test)
    labels, classes = [], []
    if data.classes is None:
        scores = np.hstack([np.asarray(o).reshape(n, -1) for o in out])
    else:
        classes = [str(c) for c in data.classes]
        labels = [str(v) for v in np.ravel(out[0])]
        if len(out) > 2:  # zipmap "columns": one output per class
            scores = np.stack(out[1:], axis=1)
        elif len(out) == 1:
            scores = np.zeros((n, 0))
        elif isinstance(out[1], list):
            scores = np.array([[{str(k): v for k, v in row.items()}[c] for c in classes] for row in out[1]])
        else:
            scores = np.asarray(out[1]).reshape(n, -1)
    if native is not None and labels:
        wrong = sum(a != str(b) for a, b in zip(labels, native))
        if wrong:
            note += f" onnxruntime's label differs from the library's on {wrong} of {n} rows."
    if native is not None and not labels:
        worst = float(np.max(np.abs(scores.ravel() - np.ravel(native)) / np.maximum(1, np.abs(np.ravel(native)))))
        if worst > 1e-3:
            note += f" onnxruntime's value differs from the library's by up to {worst:.2g} of it."
    data.write()
    (HERE / f"{name}.onnx").write_bytes(raw)
    answer = dict(task="regress" if data.classes is None else "classify", data=data.name, classes=classes,
                  producer=producer, note=note.strip(), labels=labels,
                  scores=[[number(v) for v in row] for row in scores])
    (HERE / f"{name}.json").write_text(json.dumps(answer, separators=(",", ":")) + "\n")
    right = f"accuracy {np.mean([a == str(b) for a, b in zip(labels, data.y_test)]):.2f}" if labels else ""
    print(f"{name:34s} {len(raw):7d} bytes {right} {note}")


# ------------------------------------------------------------------------------------ fixtures

FIXTURES = []  # (name, versions, function)


def fixture(name, data, make, note="", versions=("1.5", "1.9"), options=None, double=False, opset=None, target=None):
    """Registers a scikit-learn model: make() is trained on the table and converted."""

    def build(full):
        d = table(data)
        model = make()
        model.fit(d.x, d.y if target is None else target(d.y))
        if d.frame:
            kinds = {"f": FloatTensorType, "i": Int64TensorType, "O": StringTensorType, "U": StringTensorType, "T": StringTensorType}
            types = [(c, kinds.get(getattr(d.x[c].dtype, "kind", "O"), StringTensorType)([None, 1])) for c in d.x.columns]
        else:
            types = [("X", (DoubleTensorType if double else FloatTensorType)([None, d.x.shape[1]]))]
        opts = None
        if options is not None:
            opts = {id(model): options} if not callable(options) else options(model)
        converted = to_onnx(model, initial_types=types, target_opset=opset or OPSET, options=opts)
        converted.graph.name = name
        record(full, d, converted, f"scikit-learn {sklearn.__version__}, skl2onnx 1.20.0", note, double,
               native=model.predict(d.x_test))

    if VERSION in versions:
        FIXTURES.append((name + SUFFIX, build))


def two(y):
    """Two targets."""
    return np.stack([y, np.sqrt(y)], axis=1)


zipmap = {"zipmap": False}
both, old, new = ("1.5", "1.9"), ("1.5",), ("1.9",)


def trees(n=5, depth=3, **more):
    return dict(n_estimators=n, max_depth=depth, random_state=SEED, **more)


# linear models
fixture("logreg_double", "iris", lambda: pipe(scale(), linear_model.LogisticRegression()), double=True, options=zipmap)
fixture("logreg_raw_scores", "iris", lambda: linear_model.LogisticRegression(), options={"zipmap": False, "raw_scores": True}, versions=old)
fixture("logreg_columns", "iris", lambda: linear_model.LogisticRegression(), options={"zipmap": "columns"}, versions=new)
fixture("sgd_hinge", "iris", lambda: pipe(scale(), linear_model.SGDClassifier(random_state=SEED)), options=zipmap,
        versions=old)
fixture("sgd_log", "breast_cancer", lambda: pipe(scale(), linear_model.SGDClassifier(loss="log_loss", random_state=SEED)))
fixture("sgd_log_multi", "wine", lambda: pipe(scale(), linear_model.SGDClassifier(loss="log_loss", random_state=SEED)), options=zipmap)
fixture("sgd_huber", "breast_cancer", lambda: pipe(scale(), linear_model.SGDClassifier(loss="modified_huber", random_state=SEED)), options=zipmap)
fixture("perceptron", "iris_text", lambda: pipe(scale(), linear_model.Perceptron(random_state=SEED)), options=zipmap)
fixture("passive_aggressive", "breast_cancer", lambda: pipe(scale(), linear_model.SGDClassifier(loss="perceptron", eta0=1, learning_rate="constant", penalty=None, random_state=SEED)), options=zipmap)
fixture("ridge_binary", "breast_cancer", lambda: linear_model.RidgeClassifier(), options=zipmap, versions=new)
fixture("lda", "wine", lambda: discriminant_analysis.LinearDiscriminantAnalysis(), options=zipmap)
fixture("linearsvc_multi", "wine", lambda: pipe(scale(), svm.LinearSVC(random_state=SEED)), options=lambda m: {id(m.steps[-1][1]): {"raw_scores": True}}, versions=old)
fixture("lasso", "diabetes", lambda: pipe(preprocessing.RobustScaler(), linear_model.Lasso(alpha=0.1)))
fixture("elasticnet_minmax", "diabetes", lambda: pipe(preprocessing.MinMaxScaler(), linear_model.ElasticNet(alpha=0.01)), versions=old)
fixture("huber_maxabs", "diabetes", lambda: pipe(preprocessing.MaxAbsScaler(), linear_model.HuberRegressor()), versions=new)
fixture("sgd_regressor", "diabetes", lambda: pipe(scale(), linear_model.SGDRegressor(random_state=SEED)))
fixture("pca_regression", "diabetes", lambda: pipe(scale(), decomposition.PCA(4), linear_model.LinearRegression()))
fixture("svd_logreg", "breast_cancer", lambda: pipe(decomposition.TruncatedSVD(3, random_state=SEED), linear_model.LogisticRegression()), options=zipmap, versions=new)
fixture("pls", "diabetes", lambda: cross_decomposition.PLSRegression(2))
fixture("gamma", "diabetes", lambda: pipe(scale(), linear_model.GammaRegressor()))
fixture("tweedie", "diabetes", lambda: pipe(scale(), linear_model.TweedieRegressor(power=1.5)), versions=new)
fixture("bayesian_ridge", "diabetes", lambda: linear_model.BayesianRidge(), versions=old)
fixture("linear_svr", "diabetes", lambda: pipe(scale(), svm.LinearSVR(C=10, random_state=SEED)), versions=new)
fixture("svr_linear", "diabetes", lambda: pipe(scale(), svm.SVR(kernel="linear", epsilon=60)))
fixture("svc_linear", "breast_cancer", lambda: pipe(scale(), svm.SVC(kernel="linear")), options=zipmap)
fixture("svc_linear_multi", "iris", lambda: pipe(scale(), svm.SVC(kernel="linear")), options=zipmap)
fixture("svc_linear_multi_ovo", "wine", lambda: pipe(scale(), svm.SVC(kernel="linear", decision_function_shape="ovo")), options=zipmap, versions=old)
fixture("svc_linear_proba", "breast_cancer", lambda: pipe(scale(), svm.SVC(kernel="linear", probability=True, random_state=SEED)), options=zipmap, versions=old)
fixture("nusvc_linear", "breast_cancer", lambda: pipe(scale(), svm.NuSVC(kernel="linear", nu=0.3)), versions=new)

# trees
fixture("tree_text", "iris_text", lambda: tree.DecisionTreeClassifier(max_depth=4, random_state=SEED))
fixture("tree_multi_output", "diabetes", lambda: tree.DecisionTreeRegressor(max_depth=4, random_state=SEED), versions=old, target=two)
fixture("extra_trees", "wine", lambda: ensemble.ExtraTreesClassifier(**trees()), options=zipmap)
fixture("extra_trees_regressor", "diabetes", lambda: ensemble.ExtraTreesRegressor(**trees()), versions=new)
fixture("forest_double", "iris", lambda: ensemble.RandomForestClassifier(**trees()), double=True, versions=old)
fixture("gb_regressor", "diabetes", lambda: ensemble.GradientBoostingRegressor(**trees(8)))
fixture("gb_multi", "iris_text", lambda: ensemble.GradientBoostingClassifier(**trees(4, 2)), versions=new)
fixture("hgb", "breast_cancer", lambda: ensemble.HistGradientBoostingClassifier(max_iter=6, max_depth=3, random_state=SEED), options=zipmap, versions=old)
fixture("hgb_multi", "wine", lambda: ensemble.HistGradientBoostingClassifier(max_iter=3, max_depth=3, random_state=SEED), options=zipmap, versions=old)
fixture("hgb_regressor", "diabetes_missing", lambda: ensemble.HistGradientBoostingRegressor(max_iter=6, max_depth=3, random_state=SEED), versions=old)
fixture("forest_poisson", "diabetes", lambda: ensemble.RandomForestRegressor(criterion="poisson", **trees()), versions=old)
fixture("bagging_trees", "wine", lambda: ensemble.BaggingClassifier(tree.DecisionTreeClassifier(max_depth=3), n_estimators=4, max_features=4, random_state=SEED), options=zipmap)
fixture("bagging_regressor", "diabetes", lambda: ensemble.BaggingRegressor(tree.DecisionTreeRegressor(max_depth=3), n_estimators=4, random_state=SEED))
fixture("bagging_linear", "diabetes", lambda: ensemble.BaggingRegressor(linear_model.Ridge(), n_estimators=4, random_state=SEED), versions=old)
fixture("adaboost", "breast_cancer", lambda: ensemble.AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=2), n_estimators=5, random_state=SEED, algorithm="SAMME"), options=zipmap, versions=old)
fixture("adaboost", "breast_cancer", lambda: ensemble.AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=2), n_estimators=5, random_state=SEED), options=zipmap, versions=new)
fixture("adaboost_r", "wine", lambda: ensemble.AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=2), n_estimators=4, random_state=SEED), options=zipmap, versions=old)
fixture("voting_soft", "wine", lambda: ensemble.VotingClassifier([("a", tree.DecisionTreeClassifier(max_depth=3, random_state=1)), ("b", ensemble.RandomForestClassifier(**trees(3)))], voting="soft", weights=np.array([2, 1]), flatten_transform=False), options=zipmap)
fixture("voting_regressor", "diabetes", lambda: ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", linear_model.Lasso(alpha=0.1))]))
fixture("voting_regressor_trees", "diabetes", lambda: ensemble.VotingRegressor([("a", tree.DecisionTreeRegressor(max_depth=3, random_state=1)), ("b", ensemble.GradientBoostingRegressor(**trees(3)))]), versions=new)
fixture("ovr_trees", "wine", lambda: multiclass.OneVsRestClassifier(tree.DecisionTreeClassifier(max_depth=3, random_state=SEED)), options=zipmap)
fixture("ovr_gb", "iris", lambda: multiclass.OneVsRestClassifier(ensemble.GradientBoostingClassifier(**trees(4, 2))), options=zipmap)
fixture("ovr_logreg", "iris_text", lambda: pipe(scale(), multiclass.OneVsRestClassifier(linear_model.LogisticRegression())))
fixture("scaled_forest", "wine", lambda: pipe(preprocessing.MinMaxScaler(), ensemble.RandomForestClassifier(**trees())), options=zipmap)
fixture("stacking_linear", "diabetes", lambda: ensemble.StackingRegressor([("a", linear_model.Ridge()), ("b", linear_model.Lasso(alpha=0.1))], final_estimator=linear_model.Ridge()), versions=old)

fixture("stacking_trees", "wine", lambda: ensemble.StackingClassifier([("a", tree.DecisionTreeClassifier(max_depth=3, random_state=1)), ("b", ensemble.RandomForestClassifier(**trees(3)))], cv=3), options=zipmap, versions=new)

# naive Bayes
fixture("multinomial_nb", "counts", lambda: naive_bayes.MultinomialNB(), options=zipmap)
fixture("complement_nb", "counts", lambda: naive_bayes.ComplementNB(), options=zipmap)
fixture("bernoulli_nb", "counts", lambda: naive_bayes.BernoulliNB(binarize=0.5), options=zipmap)
fixture("gaussian_nb", "iris", lambda: naive_bayes.GaussianNB(), options=zipmap)
fixture("multi_linear", "diabetes", lambda: linear_model.MultiTaskLasso(alpha=0.1), versions=new, target=two)
fixture("multi_output_gb", "diabetes", lambda: multioutput.MultiOutputRegressor(ensemble.GradientBoostingRegressor(**trees(3))), target=two, versions=new)
fixture("svr_nu", "diabetes", lambda: pipe(scale(), svm.NuSVR(kernel="linear", nu=0.1)), versions=new)
fixture("pca_forest", "wine", lambda: pipe(scale(), decomposition.PCA(3), ensemble.RandomForestClassifier(**trees())), options=zipmap, versions=new)
fixture("categorical_nb", "counts", lambda: naive_bayes.CategoricalNB(min_categories=40), options=zipmap)

# preprocessing in the clear
fixture("normalizer_l2", "iris", lambda: pipe(preprocessing.Normalizer(), linear_model.LogisticRegression(C=50)), options=zipmap)
fixture("normalizer_l1_forest", "iris", lambda: pipe(preprocessing.Normalizer("l1"), ensemble.RandomForestClassifier(**trees())), options=zipmap, versions=old)
fixture("normalizer_max", "iris", lambda: pipe(preprocessing.Normalizer("max"), linear_model.LogisticRegression(C=50)), options=zipmap, versions=new)
fixture("imputer_logreg", "breast_cancer_missing", lambda: pipe(impute.SimpleImputer(), scale(), linear_model.LogisticRegression()), options=zipmap)
fixture("imputer_tree", "breast_cancer_missing", lambda: pipe(impute.SimpleImputer(strategy="median"), tree.DecisionTreeClassifier(max_depth=4, random_state=SEED)), options=zipmap, versions=new)
fixture("binarizer", "wine", lambda: pipe(scale(), preprocessing.Binarizer(threshold=0.2), linear_model.LogisticRegression()), options=zipmap)
fixture("kbins_onehot", "wine", lambda: pipe(preprocessing.KBinsDiscretizer(4, strategy="quantile", encode="onehot-dense"), linear_model.LogisticRegression()), options=zipmap)
fixture("kbins_ordinal", "wine", lambda: pipe(preprocessing.KBinsDiscretizer(5, encode="ordinal"), tree.DecisionTreeClassifier(max_depth=3, random_state=SEED)), options=zipmap, versions=old)
fixture("minmax_clip", "diabetes", lambda: pipe(preprocessing.MinMaxScaler(clip=True), linear_model.Ridge()))
fixture("polynomial", "diabetes", lambda: pipe(feature_selection.SelectKBest(feature_selection.f_regression, k=3), preprocessing.PolynomialFeatures(2), linear_model.Ridge(alpha=0.1)))
fixture("select_tree", "wine", lambda: pipe(feature_selection.SelectKBest(k=3), tree.DecisionTreeClassifier(max_depth=3, random_state=SEED)), options=zipmap, versions=new)


def mixed(encoder, number, model):
    """A ColumnTransformer over the passengers: one input per column, two of them texts."""
    return pipe(compose.ColumnTransformer([("n", number, ["age", "fare"]), ("c", "passthrough", ["cabin"]),
                                           ("t", encoder, ["sex", "port"])]), model)


fixture("columns_onehot", "passengers", lambda: mixed(preprocessing.OneHotEncoder(), pipe(impute.SimpleImputer(), scale()), linear_model.LogisticRegression()))
fixture("columns_onehot_ignore", "passengers", lambda: mixed(preprocessing.OneHotEncoder(handle_unknown="ignore"), impute.SimpleImputer(), ensemble.GradientBoostingClassifier(**trees(4))), options=zipmap)
fixture("columns_ordinal", "passengers", lambda: mixed(preprocessing.OrdinalEncoder(), impute.SimpleImputer(strategy="median"), ensemble.RandomForestClassifier(**trees())), options=zipmap)
fixture("columns_mlp", "passengers", lambda: mixed(preprocessing.OneHotEncoder(drop="if_binary"), pipe(impute.SimpleImputer(), scale()), neural_network.MLPClassifier((6,), random_state=SEED, max_iter=800)), options=zipmap)
fixture("onehot_numbers", "counts", lambda: pipe(compose.ColumnTransformer([("o", preprocessing.OneHotEncoder(handle_unknown="ignore"), [0, 1]), ("p", "passthrough", [2, 3])]), linear_model.LogisticRegression()), options=zipmap)

# ------------------------------------------------------------------------------------- boosters


def booster(name, data, convert, note, versions=("1.5",)):
    """Registers a model of another library: convert(data) returns the file, the producer and the library's answers."""

    def build(full):
        d = table(data)
        exported, producer, native = convert(d)
        record(full, d, exported, producer, note, native=native)

    if VERSION in versions:
        FIXTURES.append((name + SUFFIX, build))


def xgb(make):
    def convert(d):
        from onnxmltools.convert import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType as Floats

        model = make(__import__("xgboost"))
        model.fit(d.x, d.y)
        exported = convert_xgboost(model, target_opset=15, initial_types=[("X", Floats([None, d.x.shape[1]]))])
        exported.graph.name = "xgboost"
        return exported, "xgboost 3.2.0, onnxmltools 1.16.0", model.predict(d.x_test)

    return convert


def lgbm(make, **fit):
    def convert(d):
        from onnxmltools.convert import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType as Floats

        model = make(__import__("lightgbm"))
        model.fit(d.x, d.y, **fit)
        exported = convert_lightgbm(model, name="lightgbm", target_opset=15, initial_types=[("X", Floats([None, d.x.shape[1]]))])
        return exported, "lightgbm 4.5.0, onnxmltools 1.16.0", model.predict(d.x_test)

    return convert


def cat(make):
    def convert(d):
        import tempfile

        model = make(__import__("catboost"))
        with tempfile.TemporaryDirectory() as folder:
            model.set_params(train_dir=folder, allow_writing_files=False)
            model.fit(d.x, d.y)
            path = pathlib.Path(folder) / "model.onnx"
            model.save_model(str(path), format="onnx")
            exported = onnx.load(path)
        del exported.metadata_props[:]  # a date and the training parameters
        return exported, "catboost 1.2.7", np.ravel(model.predict(d.x_test))

    return convert


quick = dict(n_jobs=1, random_state=SEED)
booster("xgb_poisson", "diabetes", xgb(lambda m: m.XGBRegressor(n_estimators=6, max_depth=3, objective="count:poisson", **quick)),
        "Exp behind the trees.")
booster("xgb_forest", "breast_cancer", xgb(lambda m: m.XGBRFClassifier(n_estimators=6, max_depth=3, **quick)), "A random forest of XGBoost.")
booster("xgb_text", "wine", xgb(lambda m: m.XGBClassifier(n_estimators=4, max_depth=2, base_score=0.5, **quick)), "Three classes.")
booster("lgbm_multi", "wine", lgbm(lambda m: m.LGBMClassifier(n_estimators=4, num_leaves=5, min_child_samples=5, deterministic=True, force_row_wise=True, verbose=-1, **quick)), "Softmax.")
booster("lgbm_regressor", "diabetes_missing", lgbm(lambda m: m.LGBMRegressor(n_estimators=6, num_leaves=7, deterministic=True, force_row_wise=True, verbose=-1, **quick)), "Missing values.")
booster("lgbm_categories", "counts", lgbm(lambda m: m.LGBMClassifier(n_estimators=3, num_leaves=6, min_child_samples=5, deterministic=True, force_row_wise=True, verbose=-1, **quick), categorical_feature=[0, 1, 2]),
        "Categorical splits: chains of BRANCH_EQ whose nodes share a child.")
booster("catboost", "breast_cancer", cat(lambda m: m.CatBoostClassifier(iterations=6, depth=3, learning_rate=0.4, random_seed=SEED, thread_count=1, verbose=False)), "Oblivious trees, BRANCH_GT.")
booster("catboost_multi", "iris", cat(lambda m: m.CatBoostClassifier(iterations=4, depth=2, learning_rate=0.4, random_seed=SEED, thread_count=1, verbose=False)), "Oblivious trees, three classes.")
booster("catboost_text", "iris_text", cat(lambda m: m.CatBoostClassifier(iterations=4, depth=2, learning_rate=0.4, random_seed=SEED, thread_count=1, verbose=False)), "Text labels.")
booster("catboost_regressor", "diabetes", cat(lambda m: m.CatBoostRegressor(iterations=6, depth=3, learning_rate=0.4, random_seed=SEED, thread_count=1, verbose=False)), "Oblivious trees.")


# ------------------------------------------------------------------------------------ handmade


def operator(name, data, op, note, versions, opset=3, outputs=1, labels=False, **attributes):
    """Registers a file of one operator of ai.onnx.ml that no converter writes in this form."""
    from onnx import TensorProto, helper

    def build(full):
        d = table(data)
        names = (["label"] if labels else []) + ["scores"]
        node = helper.make_node(op, ["X"], names, name="the_" + name, domain="ai.onnx.ml", **attributes)
        graph = helper.make_graph(
            [node], name, [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, d.x.shape[1]])],
            ([helper.make_tensor_value_info("label", TensorProto.INT64, [None])] if labels else [])
            + [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, outputs])])
        model = helper.make_model(graph, ir_version=10, producer_name="make_classical",
                                  opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", opset)])
        record(full, d, model, "made by hand, onnx " + onnx.__version__, note)

    if VERSION in versions:
        FIXTURES.append((name + SUFFIX, build))


def trees5(**change):
    """Three trees on wine: one of every comparison, with a set; one of a single leaf; one with a shared child."""
    from onnx import TensorProto, helper

    def floats(name, values):
        return helper.make_tensor(name, TensorProto.FLOAT, [len(values)], values)

    a = dict(
        n_targets=2, tree_roots=[0, 7, 8],
        nodes_featureids=[0, 1, 2, 3, 4, 3, 5, 0, 0, 1, 2],
        nodes_modes=helper.make_tensor("modes", TensorProto.UINT8, [11], [0, 1, 2, 3, 4, 6, 5, 0, 0, 1, 3]),
        nodes_splits=floats("splits", [13.05, 1.7, 2.3, 17.0, 100.0, 0.0, 2.53, 0.0, 13.0, 2.0, 2.4]),
        nodes_truenodeids=[1, 3, 5, 0, 1, 2, 3, 7, 9, 10, 1],
        nodes_trueleafs=[0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1],
        nodes_falsenodeids=[2, 4, 6, 4, 5, 6, 7, 7, 10, 2, 5],
        nodes_falseleafs=[0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1],
        leaf_targetids=[0, 1, 0, 1, 0, 1, 0, 1, 0, 1], leaf_weights=floats("weights", [0.5, -1.25, 2.0, 0.75, -0.5, 1.5, 3.0, -2.0, 0.25, 0.125]),
        membership_values=floats("members", [15.0, 16.0, 18.5, 20.0, 25.0, float("nan")]))
    a.update(change)
    return a


def wide(name, rows):
    return [float(v) for row in rows for v in row]


iris_rows = wide("iris", [[0.02, 0.05, -0.03, 0.01], [0.01, -0.02, 0.06, 0.04], [0.03, 0.01, 0.02, 0.05]])
for transform in ("LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"):
    operator("linear_" + transform.lower(), "iris", "LinearClassifier", "Three rows of weights, transform " + transform + ".", both, outputs=3,
             labels=True, coefficients=iris_rows, intercepts=[0.1, 0.15, 0.05], classlabels_ints=[0, 1, 2], post_transform=transform)
operator("regressor_two_probit", "diabetes", "LinearRegressor", "Two targets, transform PROBIT.", both, outputs=2,
         coefficients=[0.5] * 10 + [-0.5] * 10, intercepts=[0.4, 0.6], targets=2, post_transform="PROBIT")
operator("tree_ensemble_5", "wine_targets", "TreeEnsemble", "All comparisons, a set, a single leaf, a shared child.", new, opset=5, outputs=2, **trees5())
operator("tree_ensemble_5_average", "wine_targets", "TreeEnsemble", "Average.", new, opset=5, outputs=2, **trees5(aggregate_function=0))


# -------------------------------------------------------------------------------------- refused


def refused():
    """Valid files that cannot be evaluated on encrypted rows; refused/NAME.onnx."""
    from onnx import TensorProto, helper
    from sklearn import cluster, gaussian_process

    folder = HERE / "refused"
    folder.mkdir(exist_ok=True)
    iris, diabetes = table("iris"), table("diabetes")
    x, y = iris.x[:30], iris.y[:30]
    xr, yr = diabetes.x[:30], diabetes.y[:30]
    models = {
        "svc_rbf": svm.SVC(gamma=0.1).fit(x, y),
        "svr_poly": svm.SVR(kernel="poly").fit(xr, yr),
        "svc_probabilities": svm.SVC(kernel="linear", probability=True).fit(x, y),
        "one_class": svm.OneClassSVM(kernel="linear").fit(x),
        "knn": neighbors.KNeighborsRegressor(2).fit(xr, yr),
        "gaussian_process": gaussian_process.GaussianProcessRegressor().fit(xr[:8], yr[:8]),
        "kmeans": cluster.KMeans(3, n_init=1).fit(x),
        "qda": discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1).fit(x, y),
        "voting_hard": ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=2))], flatten_transform=False).fit(x, y),
        "voting_soft_linear": ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=2))], voting="soft", flatten_transform=False).fit(x, y),
        "bagging_logreg": ensemble.BaggingClassifier(linear_model.LogisticRegression(), n_estimators=2).fit(x, y),
        "calibrated": calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2).fit(x, y),
        "isolation_forest": ensemble.IsolationForest(n_estimators=2, max_samples=8, random_state=SEED).fit(x),
    }
    for name, model in models.items():
        converted = to_onnx(model, initial_types=[("X", FloatTensorType([None, model.n_features_in_]))], target_opset=OPSET)
        converted.graph.name = name
        for node in converted.graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    attribute.g.name = "body"  # skl2onnx puts a random identifier here
        (folder / f"{name}.onnx").write_bytes(converted.SerializeToString())

    def handmade(name, nodes, initializers=(), kind=TensorProto.FLOAT, functions=()):
        graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info("X", kind, [None, 2])],
                                  [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)], list(initializers))
        model = helper.make_model(graph, ir_version=8, producer_name="make_classical", functions=list(functions),
                                  opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("local", 1)])
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())

    node = helper.make_node
    branch = helper.make_graph([node("Identity", ["X"], ["Z"])], "branch", [], [helper.make_tensor_value_info("Z", TensorProto.FLOAT, None)])
    handmade("if", [node("If", ["c"], ["Y"], name="choose", then_branch=branch, else_branch=branch)],
             [helper.make_tensor("c", TensorProto.BOOL, [], [True])])
    handmade("gru", [node("Unsqueeze", ["X", "axes"], ["S"], name="sequence"), node("GRU", ["S", "W", "R"], ["", "Y"], name="the_gru", hidden_size=1)],
             [helper.make_tensor("axes", TensorProto.INT64, [1], [0]), helper.make_tensor("W", TensorProto.FLOAT, [1, 3, 2], [0.5] * 6),
              helper.make_tensor("R", TensorProto.FLOAT, [1, 3, 1], [0.5] * 3)])
    handmade("local_function", [node("Twice", ["X"], ["Y"], name="twice", domain="local")],
             functions=[helper.make_function("local", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)])])
    handmade("texts_unencoded", [node("LinearRegressor", ["X"], ["Y"], name="linear", domain="ai.onnx.ml", coefficients=[1.0, 2.0], intercepts=[0.0])],
             kind=TensorProto.STRING)
    handmade("tfidf", [node("TfIdfVectorizer", ["X"], ["Y"], name="words", mode="TF", min_gram_length=1, max_gram_length=1, max_skip_count=0,
                            ngram_counts=[0], ngram_indexes=[0], pool_strings=["a"])], kind=TensorProto.STRING)
    handmade("tree_max", [node("TreeEnsembleRegressor", ["X"], ["Y"], name="trees", domain="ai.onnx.ml", aggregate_function="MAX", n_targets=1,
                               nodes_treeids=[0], nodes_nodeids=[0], nodes_featureids=[0], nodes_modes=["LEAF"], nodes_values=[0.0],
                               nodes_truenodeids=[0], nodes_falsenodeids=[0], target_treeids=[0], target_nodeids=[0], target_ids=[0], target_weights=[1.0])])
    print("refused", len(list(folder.glob("*.onnx"))), "files")


def main(arguments):
    if VERSION == "1.5" and (not arguments or "refused" in arguments):
        refused()
    for name, build in FIXTURES:
        base = name.removesuffix("_19")
        if arguments and base not in arguments and name not in arguments:
            continue
        try:
            build(name)
        except Exception as e:
            print(f"{name:34s} FAILED {type(e).__name__}: {str(e)[:300]}")


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    main(sys.argv[1:])
