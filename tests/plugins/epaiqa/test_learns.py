"""A training on a few rated edits, and its checkpoint on edits that it has not seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from editmetrics import create_metric
from editmetrics.data import from_manifest
from editmetrics.plugins.epaiqa.metric import EPAIQA
from tests.plugins import plain
from tests.worlds.regions import toy_region_edits

LOOKS = ("harmony", "local_naturalness")
FRESH = 60
CHANCE = 3 / (FRESH - 1) ** 0.5
"""Three deviations of the rank correlation of independent numbers: 0.39."""


def reversed_ratings(manifest):
    """Edits of which the worst is rated best."""
    samples = list(from_manifest(manifest))
    turned = [{name: f"{6 - float(sample.meta[name]):.3f}" for name in LOOKS} for sample in samples]
    return [replace(sample, meta={**sample.meta, **more}) for sample, more in zip(samples, turned, strict=True)]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Fresh edits, and their scores by the toy's weights after 40 updates.

    The toy knows these edits, and learns to say the opposite: so it sees from the beginning what it is asked about, as
    a large backbone does, and is wrong about all of it.
    """
    folder = tmp_path_factory.mktemp("learns")
    train, val, fresh = (
        reversed_ratings(toy_region_edits(folder / str(seed), count, seed=seed))
        for seed, count in ((181, 96), (182, 16), (183, FRESH))
    )
    EPAIQA(weights="toy").to("cpu").fit(
        train, val, targets={name: name for name in LOOKS}, label_scale=(1, 5), output_dir=folder / "run",
        preset="toy", stages=("quantitative",), quantitative_steps=40, evaluate_every=40, learning_rate=5e-4,
    )  # fmt: skip
    metric = create_metric("epaiqa", weights=str(folder / "run"), explain=False, device="cpu")
    return fresh, metric.score(fresh)


@pytest.mark.parametrize("name", LOOKS)
def test_looks_are_learned_from_the_ratings(scored, name):
    """Ranks are far from chance (the toy's are about -0.9 before), and errors less than those of the middle level.

    Statistics of all pixels do better here: only the painted region has any colour.
    """
    fresh, scores = scored
    rated = [score[name] for score in scores]
    assert plain.srcc(rated, fresh, name) > CHANCE
    assert plain.mean_error(rated, fresh, name) < plain.mean_error([3.0] * FRESH, fresh, name)
