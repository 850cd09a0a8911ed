"""Pictures that are kept: the same as prepared anew, within their memory, never those of another image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.features import picture_key
from editmetrics.mllm.pictures import PreparedPictures


@pytest.fixture
def images(tmp_path):
    """Four files of equal size."""
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return sorted(tmp_path.glob("*.png"))


def test_the_least_recently_used_picture_goes_first(folders, images, monkeypatch):
    backbone = Backbone.load(folders["llava_onevision"], device="cpu")
    seen = []
    see = Backbone.see
    monkeypatch.setattr(Backbone, "see", lambda self, image, among=1: seen.append(among) or see(self, image, among))
    size = sum(t.nbytes for t in PreparedPictures(backbone)(images[0], 2).pixels.values())
    seen.clear()
    pictures = PreparedPictures(backbone, memory=2 * size)
    first = [pictures(image, 2) for image in images[:2]]
    assert pictures(images[0], 2) is first[0]
    pictures(str(images[2]), 2)  # in place of 1, which was used before 0
    assert pictures(images[0], 2) is first[0]
    assert len(seen) == 3
    again = pictures(images[1], 2)
    assert len(seen) == 4
    assert again is not first[1]
    assert torch.equal(again.pixels["pixel_values"], first[1].pixels["pixel_values"])
    assert pictures._held == 2 * size
    assert pictures(images[0], 1).among == 1  # alone it is cut into tiles
    assert PreparedPictures(backbone, memory=0)(images[0], 2).tokens == first[0].tokens


def test_arrays_are_known_by_identity(folders):
    backbone = Backbone.load(folders["internvl"], device="cpu")
    pictures = PreparedPictures(backbone)
    keys = {picture_key(pictures(np.full((32, 32, 3), value, np.uint8))) for value in range(5)}
    assert len(keys) == 5


def test_the_key_of_a_picture_is_computed_once(folders, monkeypatch):
    import hashlib

    picture = Backbone.load(folders["internvl"], device="cpu").see(np.zeros((32, 32, 3), np.uint8))
    key = picture_key(picture)
    monkeypatch.setattr(hashlib, "sha256", None)
    assert picture_key(picture) == key
