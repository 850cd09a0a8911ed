"""HaarPSI and MDSI against their authors' algorithms, written out with scipy's convolution, and against piq."""

from __future__ import annotations

import math

import numpy as np
import piq
import pytest
import torch
from scipy.signal import convolve2d

from editmetrics import SampleError, create_metric
from editmetrics.plugins import haarpsi as module
from editmetrics.plugins.haarpsi import haarpsi
from editmetrics.plugins.mdsi import mdsi
from tests.plugins.photographs import EDITS, pairs, tensors


def same(image, kernel):
    """MATLAB's conv2 with "same": the full convolution from its middle, which begins at half the kernel's size."""
    rows, columns = (side // 2 for side in kernel.shape)
    full = convolve2d(image, kernel, mode="full")
    return full[rows : rows + image.shape[0], columns : columns + image.shape[1]]


def halved(image, factor=2):
    return same(image, np.full((factor, factor), factor**-2.0))[::factor, ::factor]


def authors_haarpsi(source, edited):
    """HaarPSI of two images (H, W, 3) in [0, 255], in float64."""
    matrix = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    both = [[halved(image.astype(float) @ row) for row in matrix] for image in (source, edited)]

    def coefficients(plane, scale, flip):
        kernel = np.full((2**scale, 2**scale), 2.0**-scale)
        kernel[: 2 ** (scale - 1)] *= -1
        return np.abs(same(plane, kernel.T if flip else kernel))

    def likeness(x, y):
        return (2 * x * y + 30) / (x**2 + y**2 + 30)

    similarities, weights = [], []
    for flip in (False, True):
        pairs_of = [[coefficients(image[0], scale, flip) for image in both] for scale in (1, 2, 3)]
        similarities.append((likeness(*pairs_of[0]) + likeness(*pairs_of[1])) / 2)
        weights.append(np.maximum(*pairs_of[2]))
    chroma = [[np.abs(same(image[channel], np.full((2, 2), 0.25))) for image in both] for channel in (1, 2)]
    similarities.append((likeness(*chroma[0]) + likeness(*chroma[1])) / 2)
    weights.append((weights[0] + weights[1]) / 2)
    squashed = sum((w / (1 + np.exp(-4.2 * s))).sum() for s, w in zip(similarities, weights, strict=True))
    mean = squashed / sum(w.sum() for w in weights)
    return (math.log(mean / (1 - mean)) / 4.2) ** 2


def authors_mdsi(source, edited):
    """MDSI of two images (H, W, 3) in [0, 255], in float64 and complex numbers."""
    factor = max(1, math.floor(min(source.shape[:2]) / 256 + 0.5))
    both = [np.stack([halved(image[..., c].astype(float), factor) for c in range(3)], -1) for image in (source, edited)]
    matrix = np.array([[0.2989, 0.5870, 0.1140], [0.30, 0.04, -0.35], [0.34, -0.60, 0.17]])
    (l1, h1, m1), (l2, h2, m2) = ([image @ row for row in matrix] for image in both)
    prewitt = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1]]) / 3

    def gradient(plane):
        return np.hypot(same(plane, prewitt), same(plane, prewitt.T))

    g1, g2, mean = gradient(l1), gradient(l2), gradient((l1 + l2) / 2)
    gs = (2 * g1 * g2 + 140) / (g1**2 + g2**2 + 140)
    gs += (2 * g1 * mean + 55) / (g1**2 + mean**2 + 55) - (2 * g2 * mean + 55) / (g2**2 + mean**2 + 55)
    cs = (2 * (h1 * h2 + m1 * m2) + 550) / (h1**2 + h2**2 + m1**2 + m2**2 + 550)
    root = (0.6 * gs + 0.4 * cs).astype(complex) ** 0.25
    return np.abs(root - root.mean()).mean() ** 0.25


@pytest.mark.parametrize("edit", EDITS)
def test_equal_the_authors_algorithms(edit):
    source, edited = pairs()[edit]  # one pair has odd sides; one is large enough to be scaled down
    assert float(create_metric("haarpsi", device="cpu")(source, edited)) == pytest.approx(
        authors_haarpsi(source, edited), abs=1e-5
    )
    assert float(create_metric("mdsi", device="cpu")(source, edited)) == pytest.approx(
        authors_mdsi(source, edited), abs=2e-5
    )


def test_the_sizes_at_which_images_are_scaled_down():
    source = np.random.default_rng(0).integers(0, 256, (390, 391, 3), dtype=np.uint8)
    edited = np.roll(source, 1, 0)
    for height in (383, 384, 390):  # 384 / 256 = 1.5 is rounded up
        ours = float(create_metric("mdsi", device="cpu")(source[:height], edited[:height]))
        assert ours == pytest.approx(authors_mdsi(source[:height], edited[:height]), abs=2e-5)


@pytest.mark.parametrize("edit", ["noise", "shift", "recolour"])
def test_equal_piq_at_even_sizes(edit, monkeypatch):
    x, y = tensors(edit)
    monkeypatch.setattr(module, "CHROMA", ((0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)))  # a fourth digit
    assert haarpsi(x, y).item() == pytest.approx(piq.haarpsi(x, y).item(), abs=2e-6)
    small = [image[..., :200, :200] for image in (x, y)]  # piq rounds half a block otherwise
    assert mdsi(*small).item() == pytest.approx(piq.mdsi(*small).item(), abs=2e-5)


@pytest.mark.parametrize("core", [haarpsi, mdsi])
def test_they_are_losses_with_finite_gradients(core):
    source = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for edited in (source, source.roll(2, 3), 1 - source, torch.zeros_like(source)):
        changed = edited.clone().requires_grad_()
        core(source, changed).sum().backward()
        assert changed.grad.isfinite().all()


@pytest.mark.parametrize("core", [haarpsi, mdsi])
def test_flat_images_have_a_value_and_identical_ones_the_best(core):
    grey = torch.full((1, 3, 32, 32), 0.5)
    best = 1.0 if core is haarpsi else 0.0
    assert core(grey, grey).item() == pytest.approx(best, abs=1e-5)
    assert math.isfinite(core(grey, grey / 2).item())
    with pytest.raises(SampleError, match="at least"):
        core(grey[..., :2, :2], grey[..., :2, :2])
