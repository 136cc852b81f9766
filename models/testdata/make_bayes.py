"""Writes bayes.json: scikit-learn's naive Bayes classifiers as plain parameters, with labels and scores that scikit-learn gives.

Run with Python 3 and scikit-learn 1.5: python make_bayes.py
Every even row of a data set trains, every odd row is held out. Data: scikit-learn's copies of iris, wine, breast cancer and digits
(UCI, CC BY 4.0), which package datasets embeds with the same rows.
"""
import json

import numpy as np
from sklearn import datasets
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB


def short(a):
    return [short(b) for b in a] if np.ndim(a) else float("%.13g" % a)


def fixture(name, data, model, transform=lambda x: x):
    d = getattr(datasets, "load_" + data)()
    x, y = transform(d.data), d.target
    model.fit(x[::2], y[::2])
    test = x[1::2]
    out = {"name": name, "dataset": data, "labels": model.predict(test).tolist(),
           # Joint log-likelihoods of the first rows.
           "joint": [[float("%.10g" % v) for v in row] for row in model._joint_log_likelihood(model._check_X(test[:10]))]}
    for attribute in ("class_prior_", "theta_", "var_", "class_log_prior_"):
        if hasattr(model, attribute):
            out[attribute] = short(getattr(model, attribute))
    if hasattr(model, "feature_log_prob_"):
        p = model.feature_log_prob_
        out["feature_log_prob_"] = [short(q) for q in p]
    if hasattr(model, "binarize"):
        out["binarize"] = model.binarize
    return out


fixtures = [
    fixture("gaussian_iris", "iris", GaussianNB()),
    fixture("gaussian_wine", "wine", GaussianNB()),
    fixture("gaussian_breast_cancer", "breast_cancer", GaussianNB()),
    fixture("gaussian_digits", "digits", GaussianNB()),
    fixture("bernoulli_digits", "digits", BernoulliNB(binarize=7.5)),
    fixture("multinomial_digits", "digits", MultinomialNB()),
    fixture("complement_digits", "digits", ComplementNB()),
    # Categories 0..8, of two grey levels each, of the rows 2..4 of pixels.
    fixture("categorical_digits", "digits", CategoricalNB(min_categories=9), lambda x: x[:, 16:40].astype(int) // 2),
]
with open("bayes.json", "w") as f:
    json.dump(fixtures, f, separators=(",", ":"))
