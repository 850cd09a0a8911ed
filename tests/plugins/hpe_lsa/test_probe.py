"""Linear probes of layers: ridge regression against numpy, held-out groups, and the picture."""

import numpy as np
import pytest

from editmetrics.plugins.hpe_lsa import probe
from editmetrics.plugins.hpe_lsa.analysis import draw
from editmetrics.plugins.hpe_lsa.profile import LayerProfile


def solved(x, y, others, penalty):
    """Ridge regression by the normal equations, on states of mean 0 and deviation 1."""
    mean, deviation = x.mean(0), x.std(0)
    z, w = (x - mean) / deviation, (others - mean) / deviation
    weights = np.linalg.solve(z.T @ z + penalty * len(x) * np.eye(x.shape[1]), z.T @ (y - y.mean(0)))
    return w @ weights + y.mean(0)


@pytest.mark.parametrize("size", [4, 60])
def test_ridge_is_that_of_the_normal_equations_with_the_penalty_that_errs_least_on_left_out_groups(size):
    random = np.random.default_rng(size)
    x, others = random.normal(3, 2, size=(30, size)), random.normal(3, 2, size=(7, size))
    y = x[:, :1] * 2 + random.normal(size=(30, 1)) * 3
    groups, z = np.arange(30) // 3, (x - x.mean(0)) / x.std(0)
    errors = []
    for penalty in probe.PENALTIES:
        error = 0.0
        for group in range(10):  # fitted again without it; units, and the penalty's unit, are those of all
            a, b = (np.concatenate([z, np.ones((30, 1))], 1)[mask] for mask in (groups != group, groups == group))
            weights = np.linalg.solve(a.T @ a + np.diag([penalty * 30] * size + [0.0]), a.T @ y[groups != group])
            error += ((b @ weights - y[groups == group]) ** 2).sum()
        errors.append(error)
    best = probe.PENALTIES[int(np.argmin(errors))]
    assert len(set(np.round(errors, 9))) == len(errors)
    np.testing.assert_allclose(probe.ridge(x, y, others, groups), solved(x, y, others, best), rtol=1e-6)


def test_what_only_groups_give_away_is_not_counted_as_knowledge_of_the_layer():
    """Each group has one label, and a mark of its own in the states: a split that ignored groups would have AUC 1."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(24), 4)
    labels = (groups % 2).astype(float)[:, None]
    marks = random.normal(size=(24, 24))[groups] + random.normal(size=(96, 24)) * 0.01
    knows = np.concatenate([marks, labels + random.normal(size=(96, 1)) * 0.1], 1)
    measured = probe.Probe()
    states = np.stack([np.pad(marks, ((0, 0), (0, 1))), knows], 1)
    for start in range(0, 96, 10):
        part = slice(start, start + 10)
        measured.add(states[part], labels[part], [str(group) for group in groups[part]])
    auc = measured.auc()
    assert auc[0] < 0.7
    assert auc[1] > 0.9
    assert measured.srcc()[1] > 0.7


def test_wide_states_are_projected_and_still_read(monkeypatch):
    random = np.random.default_rng(1)
    states = random.normal(size=(150, 1, 700))
    ratings = states[:, 0, :20].sum(1, keepdims=True)
    monkeypatch.setattr(probe, "SHOWN", 300)
    wide = probe.Probe()
    wide.add(states, ratings, [str(n) for n in range(150)])
    assert 0.1 < wide.srcc()[0] < 0.9


def test_too_few_groups_or_one_class_are_not_measured():
    one = probe.Probe()
    one.add(np.ones((4, 1, 2)), np.ones((4, 1)), ["a"] * 4)
    assert not len(one.auc())
    for group in "bc":
        one.add(np.random.default_rng(0).normal(size=(4, 1, 2)), np.ones((4, 1)), [group] * 4)
    assert not len(one.auc())


def test_probes_and_shares_are_in_the_picture_and_in_the_table(tmp_path):
    values = np.linspace(0.1, 0.9, 5)
    profile = LayerProfile(values, values**2, values[::-1], 200, 200, np.eye(5)[4], values * 0, values, values / 2)
    assert LayerProfile.of_json(profile.as_json()).probe.tolist() == values.tolist()
    assert "linear probe" not in draw(LayerProfile(values, values, values, 9, 9), tmp_path / "none.svg").read_text()
    profile.write(tmp_path / "layers.csv")
    assert (tmp_path / "layers.csv").read_text().splitlines()[0].endswith("sum,share,probe_auc,probe_srcc,chosen")
    assert draw(profile, tmp_path / "all.svg").stat().st_size > draw(
        LayerProfile(values, values, values, 9, 9), tmp_path / "none.svg"
    ).stat().st_size  # fmt: skip
