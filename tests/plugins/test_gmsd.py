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
from tests.plugins.region_masks import SHAPES, mask_of


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


def gmsd_of_region(source, edited, mask):
    """GMSD of a region of luma planes in [0, 255], block after block: nothing outside the region is looked at."""
    height, width = source.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2

    def blocks(image):
        """Each block's mean over the region, and its share of the block; zeros stand for pixels beyond the image."""
        means, shares = np.zeros((rows, columns)), np.zeros((rows, columns))
        for i in range(rows):
            for j in range(columns):
                block, inside = image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2], mask[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                if inside.any():
                    means[i, j] = block[inside].mean() * inside.size / 4
                    shares[i, j] = inside.mean()
        return np.pad(means, 1), np.pad(shares, 1, constant_values=1)

    def slope(means, shares):
        """Right less left of a 3 x 3 window, each the mean of its column by shares; the middle's for an empty side."""
        sides = [means[:, j] @ shares[:, j] / shares[:, j].sum() if shares[:, j].any() else None for j in range(3)]
        left, right = (sides[1] if side is None else side for side in (sides[0], sides[2]))
        return right - left

    magnitudes = []
    for image in (source, edited):
        means, shares = blocks(image)
        magnitudes.append(
            [
                np.hypot(slope(*window), slope(window[0].T, window[1].T))
                for i in range(rows)
                for j in range(columns)
                for window in [(means[i : i + 3, j : j + 3], shares[i : i + 3, j : j + 3])]
                if shares[i + 1, j + 1]
            ]
        )
    x, y = np.array(magnitudes)
    weights = shares[1:-1, 1:-1][shares[1:-1, 1:-1] > 0]
    similarity = (2 * x * y + 170) / (x**2 + y**2 + 170)
    mean = np.average(similarity, weights=weights)
    # numpy's own: for weights of reliability, the sum of weights less the sum of their squares by it
    variance = np.cov(similarity, aweights=weights)
    assert variance == pytest.approx(
        (weights * (similarity - mean) ** 2).sum() / (weights.sum() - (weights**2).sum() / weights.sum())
    )
    return variance**0.5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [(48, 50), (49, 51)])
def test_a_mask_leaves_blocks_and_gradients_their_own_pixels(shape, size):
    rng = np.random.default_rng(0)
    source, edited = rng.uniform(0, 255, (2, *size))
    mask = mask_of(shape, *size)
    planes = (torch.from_numpy(image)[None, None] for image in (source / 255, edited / 255, mask))
    assert gmsd(*planes).item() == pytest.approx(gmsd_of_region(source, edited, mask), abs=1e-9)  # both in float64


def test_nan_is_not_the_best_score():
    x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    for mask in (None, torch.ones(1, 1, 16, 16, dtype=torch.bool)):
        assert gmsd(x, torch.full_like(x, torch.nan), mask).isnan().all()


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
