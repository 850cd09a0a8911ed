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
from tests.plugins.region_masks import gaussian, halved, mask_of, ssim_factors

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


@pytest.mark.parametrize("shape", ["blob", "lines", "border"])
def test_a_mask_leaves_windows_and_scales_their_own_pixels(shape):
    rng = np.random.default_rng(0)
    x = rng.random((176, 176))
    y = (x + rng.normal(0, 0.2, x.shape)).clip(0, 1)
    mask = mask_of(shape, 176, 176).astype(float)
    ours = ms_ssim(*(torch.from_numpy(plane)[None, None] for plane in (x, y, mask)))
    expected = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        if scale:
            (x, _), (y, mask) = halved(x, mask), halved(y, mask)
        luminance, structure, share = ssim_factors(x, y, mask, gaussian(11, 1.5))
        values = structure * luminance if scale == 4 else structure
        expected *= ((values * share).sum() / share.sum()) ** weight
    assert ours.item() == pytest.approx(expected, abs=1e-9)  # both in float64


def test_a_region_at_the_border_is_seen_at_all_scales():
    source = pairs()["jpeg"][0]
    edited = source.copy()
    edited[:6] = np.random.default_rng(0).integers(0, 256, edited[:6].shape)
    mask = np.zeros(source.shape[:2], bool)
    mask[:6] = True
    inside, outside = (create_metric(f"ms_ssim:region={region}", device="cpu") for region in ("inside", "outside"))
    assert float(inside(source, edited, mask=mask)) < 0.6
    assert float(outside(source, edited, mask=mask)) == 1


def test_nan_is_not_the_worst_score():
    x = torch.rand(1, 1, 176, 176, generator=torch.Generator().manual_seed(0))
    assert ms_ssim(x, torch.full_like(x, torch.nan)).isnan().all()
    assert ms_ssim(x, 1 - x).item() == 0
