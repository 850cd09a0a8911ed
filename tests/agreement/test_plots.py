"""Pictures of agreement: what is drawn is what was measured, and nothing hides anything else."""

from __future__ import annotations

import csv
import importlib.util
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from editmetrics.agreement import evaluate
from editmetrics.agreement.measure import AgreementError
from editmetrics.files.text import DataError
from editmetrics.report import agreement_plots
from editmetrics.report.agreement_plots import draw, plot_agreement

RATED = Path(__file__).parent / "data" / "lmm4edit.csv"
MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def rated(rows=slice(None), systems=True, rename=str, **options):
    """Real ratings of quality, met by a made-up score that follows them with noise."""
    with open(RATED, newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))[rows]
    quality = np.array([float(row["quality"]) for row in found])
    ids = [f"{row['system']}/{row['source']}" for row in found]
    noise = np.random.default_rng(0).normal(0, 0.12, len(found))
    ratings = {"id": ids, "quality": quality, "answer": [row["answer"] for row in found]}
    if systems:
        ratings["system"] = [rename(row["system"]) for row in found]
    scores = {"id": ids, "follows": 1 / (1 + np.exp((50 - quality) / 8)) + noise, "error": np.exp((50 - quality) / 8)}
    options.setdefault("pairs", {"follows": "quality"})
    return evaluate(scores, ratings, lower_is_better=["error"] if "error" in options["pairs"] else (), **options)


@pytest.mark.parametrize("suffix", MAGIC)
def test_equal_numbers_give_an_equal_file(tmp_path, suffix):
    found = rated(slice(0, 800, 5))
    for name in ("a", "b"):
        plot_agreement(found, tmp_path / f"{name}{suffix}")
    written = (tmp_path / f"a{suffix}").read_bytes()
    assert written.startswith(MAGIC[suffix])
    assert len(written) > 10_000
    assert written == (tmp_path / f"b{suffix}").read_bytes()


def laid_out(found):
    """The figure, drawn, so that everything has its place."""
    import matplotlib as mpl

    with mpl.rc_context(agreement_plots.STYLE):
        figure = draw(found.pairs)
        figure.draw_without_rendering()
    return figure


LONG = {
    "plain": str,
    "long names": lambda name: f"A very long name of a model, version {name}",
    "wide letters": lambda name: "W" * 22 + name,
    "no formula": lambda name: f"$\\{name}$",
}


@pytest.mark.parametrize("rename", LONG.values(), ids=LONG)
def test_no_text_hides_another_or_leaves_the_picture(rename):
    figure = laid_out(rated(slice(0, None, 9), rename=rename))
    items, ranking = figure.axes
    texts = [text for text in ranking.texts if text.get_text()]
    assert len(texts) == 17 * 3 * 2 + 2
    boxes = [text.get_window_extent() for text in texts]
    assert not [(a, b) for a, b in combinations(boxes, 2) if a.overlaps(b)]
    left = items.get_tightbbox()
    for box in [*boxes, left]:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
    assert not [box for box in boxes if box.overlaps(left)]
    assert not items.get_legend().get_window_extent().overlaps(items.get_window_extent())


def test_systems_stand_where_their_means_rank():
    found = rated(slice(0, None, 9), pairs={"error": "quality"})
    (pair,) = found.pairs
    _, ranking = laid_out(found).axes
    names = sorted(set(pair.systems))
    quality = [pair.ratings[pair.systems == name].mean() for name in names]
    error = [pair.scores[pair.systems == name].mean() for name in names]
    assert len(ranking.lines) == len(names) == 17
    by_people, by_score = zip(*(line.get_ydata() for line in ranking.lines), strict=True)
    assert list(by_people) == [1 + sum(other > own for other in quality) for own in quality]
    assert list(by_score) == [1 + sum(other < own for other in error) for own in error]  # lower is better


def test_the_curve_is_the_fit_of_the_pair():
    found = rated(slice(0, None, 20))
    items, _ = laid_out(found).axes
    (pair,) = found.pairs
    curve = items.lines[-1]
    assert "logistic" in curve.get_label()
    np.testing.assert_allclose(curve.get_ydata(), pair.fit(curve.get_xdata()))
    np.testing.assert_allclose(curve.get_xdata()[[0, -1]], [pair.scores.min(), pair.scores.max()])


def test_few_items_are_dots_and_many_are_a_density():
    few, _ = laid_out(rated(slice(0, None, 4))).axes
    many, _ = laid_out(rated()).axes
    dots = sum(len(group.get_offsets()) for group in few.collections if group.get_alpha() == 0.5)
    assert dots == 918
    assert sum(1 for group in many.collections if group.get_array() is not None) == 1
    assert float(many.collections[0].get_array().sum()) == 3672


@pytest.mark.parametrize(("rows", "systems"), [(slice(0, 40), True), (slice(0, 40), False)])
def test_without_three_systems_there_is_one_picture(rows, systems):
    (items,) = laid_out(rated(rows, systems)).axes
    assert items.get_ylabel() == "quality (people)"


def test_skewed_scores_have_a_logarithmic_axis():
    items, _ = laid_out(rated(slice(0, None, 9), pairs={"error": "quality"})).axes
    assert items.get_xscale() == "log"
    assert "lower is better" in items.get_xlabel()
    assert not [label for label in items.get_xticklabels() if "$" in label.get_text()]


def test_several_pairs_are_small_with_one_legend_and_every_doubt_is_drawn():
    """Three in a row, no ranking of two systems; a step's curve is thin and says so; intervals stay in the axes."""
    random = np.random.default_rng(0)
    mos = random.permutation(np.r_[np.linspace(1, 2, 20), np.linspace(4, 5, 20)])
    ids, half = [str(k) for k in range(40)], np.arange(40) < 20
    scores = {
        "id": ids,
        "step": np.where(mos > 3, 1, -1) * random.uniform(0, 1, 40),
        "good": mos + random.normal(0, 0.6, 40),
    }
    few = {"id": ids, "few": [s if inside else None for s, inside in zip(scores["good"], half, strict=True)]}
    ratings = {"id": ids, "mos": mos, "system": ["a", "b"] * 20}
    pairs = {"step": "mos", "good": "mos", "few": "mos"}
    figure = laid_out(evaluate(scores | few, ratings, pairs=pairs))
    assert len(figure.axes) == 3
    assert len({round(axes.get_position().y0, 3) for axes in figure.axes}) == 1
    assert [axes.get_legend() for axes in figure.axes] == [None] * 3
    (legend,) = figure.subfigs[0].legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert len(labels) == len(set(labels)) == 5  # the mean, two kinds of curve, two systems
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes][1:] == [[], []]
    assert figure.axes[0].texts[0].get_text() == "the fit is a step"
    curves = [[line for line in axes.lines if "logistic" in line.get_label()] for axes in figure.axes]
    step, good, few_items = (curve.get_linewidth() for (curve,) in curves)
    assert step == few_items < good
    for axes in figure.axes:
        (band,) = [group for group in axes.collections if type(group).__name__.startswith("FillBetween")]
        heights, (bottom, top) = band.get_paths()[0].vertices[:, 1], axes.get_ylim()
        assert bottom <= heights.min() <= heights.max() <= top
    for box in [*(axes.get_tightbbox() for axes in figure.axes), legend.get_window_extent()]:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1


def test_labels_and_numbers_in_one_file(tmp_path):
    found = rated(slice(0, None, 9), pairs={"follows": "answer", "error": "quality"})
    figure = laid_out(found)
    assert len(figure.axes) == 4
    assert "AUC" in figure.axes[0].get_title(loc="left")
    plot_agreement(found, tmp_path / "both.png")


@pytest.mark.parametrize(
    ("name", "said"),
    [("x.jpeg", "expected .pdf, .png or .svg"), ("x", "cannot write a plot")],
)
def test_where_nothing_can_be_written(tmp_path, name, said):
    with pytest.raises(DataError, match=said):
        plot_agreement(rated(slice(0, 60)), tmp_path / name)


def test_without_matplotlib_the_pip_line_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AgreementError, match=r"pip install 'editmetrics\[plot\]'"):
        plot_agreement(rated(slice(0, 60)), tmp_path / "x.png")
