"""The simulated ratings of docs/examples are what their script makes, and say what they were made to say."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from tools.example_ratings import (
    EXAMPLES,
    QUALITY,
    RATERS,
    SQUARE_NOISE,
    SQUARE_RATERS,
    battles,
    ratings,
    small_edits,
)
from tools.shown import output_of


def rows(name):
    with (EXAMPLES / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_ratings_are_those_of_the_script():
    assert rows("ratings.csv") == [{name: str(value) for name, value in row.items()} for row in ratings()]


def test_battles_are_those_of_the_ratings():
    held = rows("battles.csv")
    assert held == battles(ratings())
    assert len(held) == RATERS * len(QUALITY["edited"])
    preferred = [row["system_a"] if row["winner"] == "a" else row["system_b"] for row in held if row["winner"] != "tie"]
    values = {row["item"] + row["subject"]: row["value"] for row in ratings()}
    better = [
        value > values[item.replace("edited/", "edited_b/")] for item, value in values.items() if "_b/" not in item
    ]
    assert preferred.count("edited") == sum(better)


def test_raters_follow_the_quality_behind_their_ratings():
    table = {(row["subject"], row["item"]): float(row["value"]) for row in rows("ratings.csv")}
    raters = sorted({rater for rater, _ in table})
    quality = {f"{system}/{name}": value for system, known in QUALITY.items() for name, value in known.items()}
    given = np.array([[table[rater, item] for item in quality] for rater in raters])
    assert given.shape == (RATERS, 18)
    assert spearmanr(given.mean(axis=0), [*quality.values()]).statistic > 0.9
    assert min(spearmanr(row, [*quality.values()]).statistic for row in given) > 0.8


@pytest.mark.parametrize("part", ["train", "test"])
def test_small_edits_are_those_of_the_script(part):
    made = small_edits(part)
    held = {row["id"]: row for row in rows("squares/train.csv" if part == "train" else "squares/test_ratings.csv")}
    assert held.keys() == {one.row["id"] for one in made}
    for one in made:
        row = held[one.row["id"]]
        assert {name: float(row[name]) for name in one.ratings} == one.ratings
        for name, quality in one.edit.scores.items():
            assert abs(one.ratings[name] - quality) < 4.5 * SQUARE_NOISE / np.sqrt(SQUARE_RATERS)
        pixels = np.asarray(Image.open(EXAMPLES / "squares" / one.row["edited"]), float)
        assert np.abs(pixels - one.edit.edited).mean() < 6, "an image of the committed set is not of this edit"
    if part == "test":
        assert rows("squares/test.csv") == [one.row for one in made]


def test_the_mean_opinion_scores_are_those_of_the_ratings(tmp_path):
    output_of(["editmetrics", "ratings", "mos", str(EXAMPLES / "ratings.csv"), "-o", str(tmp_path / "mos.csv")])
    with (tmp_path / "mos.csv").open(newline="", encoding="utf-8") as file:
        made = {row["id"]: float(row["mos"]) for row in csv.DictReader(file)}
    assert {row["id"]: float(row["mos"]) for row in rows("mos.csv")} == pytest.approx(made)
