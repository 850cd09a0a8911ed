"""Toy edits of a region: what the manifest says is what the pixels hold."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from editmetrics.images import read_image
from editmetrics.plugins.epaiqa.answers import read_explained
from editmetrics.plugins.epaiqa.levels import level_of
from tests.worlds.regions import COLOURS, MOST_SPECKS, overall, region_edits, toy_region_edits


@pytest.fixture(scope="module")
def edits():
    return list(region_edits(60, seed=3))


def inside(edit):
    x, y, w, h = (part * 64 for part in edit.region)
    return slice(round(y - h / 2), round(y + h / 2)), slice(round(x - w / 2), round(x + w / 2))


def test_nothing_but_the_region_is_changed(edits):
    for edit in edits:
        outside = np.ones((64, 64), bool)
        outside[inside(edit)] = False
        assert (edit.source == edit.edited)[outside].all()
        assert (edit.source != edit.edited).any(-1)[inside(edit)].mean() > 0.5


def test_all_colour_is_paint_and_its_strength_is_the_harmony(edits):
    """Of unspecked pixels the largest channel less the least is 200 times the share of paint, and 0 elsewhere."""
    for edit in edits:
        assert (np.ptp(edit.source, axis=-1) == 0).all()
        colour = np.ptp(edit.edited[inside(edit)].astype(int), axis=-1)
        share = 1 - 0.8 * (edit.scores["harmony"] - 1) / 4
        assert np.abs(colour[colour > 0] - 200 * share).max() <= 1


def test_specks_cover_what_the_naturalness_says(edits):
    for edit in edits:
        white = (edit.edited[inside(edit)] == 255).all(-1).mean()
        assert white == pytest.approx(MOST_SPECKS * (5 - edit.scores["local_naturalness"]) / 4, abs=0.06)


def test_paint_covers_what_the_harmony_says_and_is_of_the_colour_that_was_asked_for(edits):
    for edit in edits:
        rows, columns = inside(edit)
        asked = np.array(COLOURS[edit.prompt.rpartition(" ")[2]], float)
        for half, follows in ((slice(rows.start, (rows.start + rows.stop) // 2), edit.scores["prompt_completion"] > 1),
                              (slice((rows.start + rows.stop) // 2 + 1, rows.stop), edit.scores["prompt_completion"] > 2)):  # fmt: skip  # noqa: E501
            source, edited = (image[half, columns].reshape(-1, 3).astype(float) for image in (edit.source, edit.edited))
            plain = ~(edited == 255).all(-1)
            source, edited = source[plain], edited[plain]
            share = 1 - 0.8 * (edit.scores["harmony"] - 1) / 4
            painted = np.abs(edited - (source * (1 - share) + asked * share)).max() <= 0.51
            assert painted == follows


def test_overall_quality_follows_the_papers_rule():
    for looks in (1, 3, 5):
        assert level_of(overall(looks, looks, 1)) == "bad"
        assert level_of(overall(looks, looks, 2)) == "poor"
    assert overall(4, 4, 3) == 4


def test_the_manifest_and_its_explanations(tmp_path):
    rows = list(csv.DictReader(toy_region_edits(tmp_path, 10, seed=3).open()))
    assert len(rows) == 10
    for row, edit in zip(rows, region_edits(10, seed=3), strict=True):
        assert (read_image(tmp_path / row["edited"]) == edit.edited).all()
        said = read_explained(row["explanation"])
        assert said.completion == float(row["prompt_completion"])
        assert said.level == level_of(float(row["overall_quality"]))
        assert row["prompt"].rpartition(" ")[2] in said.pieces.prompt_completion.partition(".")[0]
        if said.completion == 3:
            assert said.pieces.harmony == f"It is {level_of(float(row['harmony']))}."
            assert said.pieces.naturalness == f"It is {level_of(float(row['local_naturalness']))}."
        assert [float(part) for part in row["region"].split(",")] == pytest.approx(edit.region, abs=1e-6)
