"""MS-SSIM against piq and torchmetrics on photographs, and against the authors' odd sizes written out in numpy."""

from __future__ import annotations

import numpy as np
import piq
import pytest
import scipy.ndimage
import torch
import torchmetrics.functional.image as torchmetrics_image

from editmetrics import SampleError, create_metric
from editmetrics.plugins.ms_ssim import ms_ssim
from tests.plugins.photographs import EDITS, pairs, tensors

TOLERANCE = 1e-4
"""The others compute in float32 without centring."""


@pytest.mark.parametrize("edit", EDITS)
def test_conventions_equal_piq_and_torchmetrics(edit):
    source, edited = pairs()[edit]  # 201 x 251 is odd at three of the scales
    x, y = tensors(edit)
    piqs = create_metric("ms_ssim:channels=rgb,convention=piq", device="cpu")
    assert float(piqs(source, edited)) == pytest.approx(piq.multi_scale_ssim(x, y).item(), abs=TOLERANCE)
    torchmetrics = create_metric("ms_ssim:channels=rgb,convention=torchmetrics", device="cpu")
    expected = torchmetrics_image.multiscale_structural_similarity_index_measure(y, x, data_range=1.0).item()
    assert float(torchmetrics(source, edited)) == pytest.approx(expected, abs=TOLERANCE)


def authors_ms_ssim(x, y):
    """The published algorithm on a plane in [0, 1], in float64: windows inside, imfilter's symmetric border."""

    def window_mean(image):
        smooth = scipy.ndimage.gaussian_filter(image, 1.5, radius=5)
        return smooth[5:-5, 5:-5]

    def halved(image):
        padded = np.pad(image, ((0, 1), (0, 1)), mode="symmetric")
        means = (padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]) / 4
        return means[::2, ::2]

    value = 1.0
    for scale, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
        if scale > 0:
            x, y = halved(x), halved(y)
        mean_x, mean_y = window_mean(x), window_mean(y)
        covariance = window_mean(x * y) - mean_x * mean_y
        variances = window_mean(x * x) - mean_x**2 + window_mean(y * y) - mean_y**2
        similarity = (2 * covariance + 9e-4) / (variances + 9e-4)
        if scale == 4:
            similarity = similarity * (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
        value *= similarity.mean() ** weight
    return value


@pytest.mark.parametrize("edit", ["noise", "jpeg", "brighter", "shift"])
def test_default_is_the_authors_on_luma(edit):
    source, edited = pairs()[edit]
    expected = authors_ms_ssim(*(image @ np.array([0.299, 0.587, 0.114]) / 255 for image in (source, edited)))
    assert float(create_metric("ms_ssim", device="cpu")(source, edited)) == pytest.approx(expected, abs=5e-6)


def test_identical_images_are_exactly_one():
    x, _ = tensors("noise")
    for image in (x, torch.zeros_like(x), torch.ones_like(x)):
        assert ms_ssim(image, image).item() == 1


def test_anticorrelated_images_are_zero_and_pass_no_nan_to_the_gradient():
    x = torch.rand(1, 1, 176, 176, generator=torch.Generator().manual_seed(0))
    y = (1 - x).requires_grad_()
    value = ms_ssim(x, y)
    value.sum().backward()
    assert value.item() == 0
    assert y.grad.isfinite().all()


@pytest.mark.parametrize(("convention", "smallest"), [("authors", 161), ("piq", 161), ("torchmetrics", 176)])
def test_the_smallest_size(convention, smallest):
    metric = create_metric(f"ms_ssim:convention={convention}", device="cpu")
    image = np.zeros((smallest, smallest, 3), np.uint8)
    assert float(metric(image, image)) == 1
    with pytest.raises(SampleError, match=f"at least {smallest} x {smallest} pixels .*these are 300 x {smallest - 1}"):
        metric(np.zeros((smallest - 1, 300, 3), np.uint8), np.zeros((smallest - 1, 300, 3), np.uint8))


def test_a_mask_is_pooled_with_the_images():
    # Left of column 256 the edit has another noise than right of it: each half's value is that of the half alone, but
    # for windows and blocks that see across, which a margin between the mask and the border of the halves keeps out.
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(1, 1, 256, 640, generator=rng)
    noise = torch.randn(x.shape, generator=rng)
    y = torch.cat([x[..., :320] + 0.02 * noise[..., :320], x[..., 320:] + 0.3 * noise[..., 320:]], -1)
    left = torch.zeros(x.shape, dtype=torch.bool)
    left[..., :240] = True
    alone = torch.cat([y[..., :320], x[..., 320:] + 0.02 * noise[..., 320:]], -1)
    assert ms_ssim(x, y, left).item() == pytest.approx(ms_ssim(x, alone, left).item(), abs=1e-6)
    assert ms_ssim(x, y).item() < ms_ssim(x, y, left).item() - 0.1


def test_a_region_at_the_border_holds_no_window_at_the_coarsest_scale():
    image = np.zeros((200, 200, 3), np.uint8)
    mask = np.zeros((200, 200), bool)
    mask[:60] = True
    with pytest.raises(SampleError, match="too near the border") as caught:
        create_metric("ms_ssim:region=inside", device="cpu")(image, image, mask=mask)
    assert caught.value.status == "skipped"
