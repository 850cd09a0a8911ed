from __future__ import annotations

import pytest

from editmetrics.data import from_manifest
from tests.worlds.images import toy_images


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """The manifest of 24 images of 6 scenes."""
    return toy_images(tmp_path_factory.mktemp("images"), 24, seed=12)


@pytest.fixture(scope="session")
def samples(images):
    return list(from_manifest(images))
