from __future__ import annotations

import pytest

from editmetrics.data import from_manifest
from editmetrics.weights import registered
from tests.worlds.edits import toy_edits

TARGETS = {
    "perceptual_quality": "visual_quality",
    "editing_alignment": "editing_fidelity",
    "attribute_preservation": "content_preservation",
    "authenticity": "authenticity",
}
"""From the metric's dimensions to the columns of the toy edits, whose sources are the real images."""

needs_toy = pytest.mark.skipif("hpe_lsa.toy" not in registered(), reason="the toy weights are not in the package yet")


@pytest.fixture(scope="session")
def edits(tmp_path_factory):
    """The manifest of 48 edits of 24 photographs' crops."""
    return toy_edits(tmp_path_factory.mktemp("edits"), 48, per_source=2, seed=11)


@pytest.fixture(scope="session")
def samples(edits):
    return list(from_manifest(edits))
