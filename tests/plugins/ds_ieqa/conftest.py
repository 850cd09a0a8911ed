from __future__ import annotations

import pytest

from editmetrics.data import from_manifest
from editmetrics.testing import tiny_backbone
from tests.worlds.edits import toy_edits

FAMILIES = ("internvl", "qwen2_5_vl", "qwen3_vl", "llava_onevision")


@pytest.fixture(scope="session")
def edits(tmp_path_factory):
    """The manifest of 24 edits of 6 photographs' crops."""
    return toy_edits(tmp_path_factory.mktemp("edits"), 24, seed=11)


@pytest.fixture(scope="session")
def samples(edits):
    return list(from_manifest(edits))


@pytest.fixture(scope="session")
def backbones(tmp_path_factory):
    """A random tiny backbone of each family, by name."""
    folder = tmp_path_factory.mktemp("backbones")
    return {family: tiny_backbone(family, folder / family) for family in FAMILIES}
