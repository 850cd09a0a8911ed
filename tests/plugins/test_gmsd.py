"""GMSD against its authors' algorithm, written out here with scipy's convolution as MATLAB's conv2 computes it."""

from __future__ import annotations

import numpy as np
import piq
import pytest
import torch
from scipy.signal import convolve2d

from editmetrics import SampleError, create_metric
from editmetrics.plugins.gmsd import gmsd
from tests.plugins.photographs import EDITS, pairs, tensors


def authors_similarity(source, edited):
    """The map of gradient magnitude similarity of two luma planes in [0, 255], in float64."""
    prewitt = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1]]) / 3
    magnitudes = []
    for image in (source, edited):
        # conv2's "same" starts at the second row and column of the full convolution, scipy's at the first
        small = convolve2d(image, np.full((2, 2), 0.25), mode="full")[1:, 1:][::2, ::2]
        horizontal, vertical = (convolve2d(small, kernel, mode="same") for kernel in (prewitt, prewitt.T))
        magnitudes.append(np.hypot(horizontal, vertical))
    return (2 * magnitudes[0] * magnitudes[1] + 170) / (magnitudes[0] ** 2 + magnitudes[1] ** 2 + 170)


def luma(image):
    return image @ np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize("edit", EDITS)
def test_equals_the_authors_algorithm(edit):
    source, edited = pairs()[edit]  # an odd size leaves half a block at the end
    expected = authors_similarity(luma(source), luma(edited)).std(ddof=1)
    assert float(create_metric("gmsd", device="cpu")(source, edited)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("size", [(3, 3), (4, 7), (64, 64), (65, 64), (63, 65)])
def test_every_size_has_the_authors_borders(size):
    rng = np.random.default_rng(0)
    source, edited = rng.uniform(0, 255, (2, *size))
    ours = gmsd(*(torch.from_numpy(image / 255)[None, None] for image in (source, edited))).item()
    assert ours == pytest.approx(authors_similarity(source, edited).std(ddof=1), abs=1e-9)  # both in float64


@pytest.mark.parametrize("edit", ["noise", "shift"])
def test_at_even_sizes_piq_differs_by_the_population_deviation_alone(edit):
    x, y = tensors(edit)
    blocks = x.shape[2] * x.shape[3] / 4
    assert gmsd(x, y).item() == pytest.approx(piq.gmsd(x, y).item() * (blocks / (blocks - 1)) ** 0.5, rel=1e-5)


def test_a_mask_takes_the_deviation_of_its_blocks():
    source, edited = pairs()["jpeg"]
    mask = np.zeros(source.shape[:2], bool)
    mask[51:, 80:201] = True  # odd ends: blocks that lie half inside count, at the image's end too
    similarity = authors_similarity(luma(source), luma(edited))
    inside = create_metric("gmsd:region=inside", device="cpu")(source, edited, mask=mask)
    blocks = np.pad(mask.astype(float), ((0, 1), (0, 1)), constant_values=np.nan).reshape(101, 2, 126, 2)
    covered = np.nanmean(blocks, axis=(1, 3)) >= 0.5
    assert float(inside) == pytest.approx(similarity[covered].std(ddof=1), abs=1e-6)


def test_identical_images_are_exactly_zero():
    for edit in EDITS:
        x, _ = tensors(edit)
        assert gmsd(x, x).item() == 0


def test_too_small_an_image_or_a_region():
    image = np.zeros((2, 9, 3), np.uint8)
    with pytest.raises(SampleError, match=r"gmsd needs images of at least 3 x 3 pixels .*; these are 9 x 2"):
        create_metric("gmsd", device="cpu")(image, image)
    image, mask = np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool)
    mask[2:4, 2:4] = True
    with pytest.raises(SampleError, match="less than two blocks") as caught:
        create_metric("gmsd:region=inside", device="cpu")(image, image, mask=mask)
    assert caught.value.status == "skipped"
