"""The toy edits: what their scores say is what their pixels show, by measures that do not know how they were made."""

import csv

import numpy as np
import pytest
from scipy.stats import spearmanr

from editmetrics.sample import EditMetricsError
from tests.worlds.edits import COLOURS, DIMENSIONS, HELD_OUT, TRAINING, edits, toy_edits


@pytest.fixture(scope="module")
def made():
    return list(edits(120, seed=3))


def test_the_same_seed_makes_the_same_pixels_and_another_seed_others():
    one, again, other = (list(edits(6, seed=seed)) for seed in (1, 1, 2))
    assert all((a.edited == b.edited).all() and a.scores == b.scores for a, b in zip(one, again, strict=True))
    assert all((a.edited != b.edited).any() for a, b in zip(one, other, strict=True))


def test_the_scores_are_independent_of_each_other(made):
    scores = np.array([[edit.scores[name] for name in DIMENSIONS] for edit in made])
    correlations = spearmanr(scores)[0]
    assert np.abs(correlations[np.triu_indices(3, 1)]).max() < 0.25  # 120 independent draws: deviation 0.09


def test_visual_quality_is_sharpness(made):
    """The energy of differences between neighbours, in the edit against the source, outside the square."""

    def sharpness(image):
        rows = image[:16].astype(float)
        return np.log(np.square(np.diff(rows, axis=0)).mean() + 1)

    lost = [sharpness(edit.edited) - sharpness(edit.source) for edit in made]
    assert spearmanr(lost, [edit.scores["visual_quality"] for edit in made])[0] > 0.6  # a ghost adds edges


def test_editing_fidelity_is_the_tint_of_the_square_and_0_for_another_colour(made):
    for edit in made:
        asked = edit.prompt.split()[-1]
        assert (edit.scores["editing_fidelity"] == 0) == (edit.colour != asked)
    right = [edit for edit in made if edit.scores["editing_fidelity"] > 0]
    assert 0.7 < len(right) / len(made) < 0.9
    middle = [edit.edited[24:40, 24:40].reshape(-1, 3).mean(0) for edit in right]
    before = [edit.source[24:40, 24:40].reshape(-1, 3).mean(0) for edit in right]
    target = [np.array(COLOURS[edit.colour]) for edit in right]
    way = [
        1 - np.linalg.norm(m - t) / np.linalg.norm(b - t) for m, b, t in zip(middle, before, target, strict=True)
    ]  # how far the mean colour went to the wanted one
    assert spearmanr(way, [edit.scores["editing_fidelity"] for edit in right])[0] > 0.9


def test_content_preservation_is_what_stayed_outside_the_square():
    """Of pairs with little blur: the mean change of broad regions outside the square."""
    sharp = [edit for edit in edits(400, seed=4) if edit.scores["visual_quality"] > 70]
    change = [np.abs(edit.edited[:16].astype(float) - edit.source[:16]).mean() for edit in sharp]
    assert spearmanr(change, [edit.scores["content_preservation"] for edit in sharp])[0] < -0.7


def test_the_manifest_lists_what_is_there(tmp_path):
    manifest = toy_edits(tmp_path, 6, per_source=3, photographs=HELD_OUT, side=32)
    rows = list(csv.DictReader(manifest.open()))
    assert list(rows[0]) == ["id", "edited", "source", "prompt", *DIMENSIONS]
    assert len(rows) == 6
    assert {row["source"] for row in rows} == {"source/0000.png", "source/0001.png"}
    assert all((tmp_path / row[name]).is_file() for row in rows for name in ("edited", "source"))
    assert all(0 <= float(row[name]) <= 100 for row in rows for name in DIMENSIONS)


def test_photographs_of_ones_own_and_what_is_refused():
    noise = np.random.default_rng(0).integers(0, 256, (200, 220, 3), dtype=np.uint8)
    (edit,) = edits(1, photographs={"mine": noise})
    assert edit.source.shape == (64, 64, 3)
    with pytest.raises(EditMetricsError, match="100 x 100 pixels is too small for crops of 128"):
        next(edits(1, photographs={"small": noise[:100, :100]}))
    with pytest.raises(EditMetricsError, match="no photograph nowhere"):
        next(edits(1, photographs=("nowhere",)))
    assert not set(TRAINING) & set(HELD_OUT)
