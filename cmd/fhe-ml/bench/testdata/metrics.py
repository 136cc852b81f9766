import json, numpy as np
from sklearn import metrics as m, __version__
r = np.random.default_rng(7)
cases = []
for n, k in ((30, 2), (57, 3), (40, 2)):
    t = r.integers(0, k, n); t[:k] = range(k)
    s = r.dirichlet(np.ones(k), n).round(2 if k == 2 else 9)
    if k == 2: s[:, 0] = 1 - s[:, 1]
    s[np.arange(n), t] += 0.2
    s /= s.sum(1, keepdims=True)
    if k == 2: s = s.round(2); s[:, 0] = (1 - s[:, 1]).round(2)
    p = s.argmax(1)
    auc = m.roc_auc_score(t, s[:, 1]) if k == 2 else m.roc_auc_score(t, s, multi_class="ovr", average="macro")
    cases.append(dict(classes=k, truth=t.tolist(), scores=s.tolist(), predicted=p.tolist(), accuracy=m.accuracy_score(t, p),
        f1=m.f1_score(t, p, average="binary" if k == 2 else "macro"), auc=auc, confusion=m.confusion_matrix(t, p, labels=range(k)).tolist()))
regs = []
for n in (25, 60):
    y = r.normal(100, 20, n); p = y + r.normal(0, 9, n)
    regs.append(dict(y=y.tolist(), predicted=p.tolist(), r2=m.r2_score(y, p), mae=m.mean_absolute_error(y, p)))
# Wilson's score interval, from scipy
from scipy.stats import binomtest
w = []
for a, n in ((0, 10), (39, 40), (40, 40), (500, 1000)):
    c = binomtest(a, n).proportion_ci(0.95, method="wilson"); w.append(dict(right=a, n=n, low=c.low, high=c.high))
q = r.normal(size=11)
json.dump(dict(sklearn=__version__, classification=cases, regression=regs, wilson=w, quantiles=dict(values=sorted(q.tolist()), q=[.025,.5,.95,.975], want=np.quantile(q,[.025,.5,.95,.975]).tolist())), open("metrics.json", "w"))
