"""MSE, MAE and PSNR against scikit-image, torchmetrics and piq, and against closed forms."""

from __future__ import annotations

import math

import numpy as np
import piq
import pytest
import skimage.color
import skimage.metrics
import torch
import torchmetrics.functional.image as torchmetrics_image
from torchmetrics.functional import mean_absolute_error

from editmetrics import create_metric
from editmetrics.plugins.psnr import psnr
from tests.plugins.photographs import EDITS, pairs, tensors

TOLERANCE = 1e-4
"""In dB: float32 keeps the mean squared error to about 1e-6 of itself, which is 4e-6 dB."""


@pytest.mark.parametrize("edit", EDITS)
def test_mean_errors_equal_the_other_libraries(edit):
    source, edited = pairs()[edit]
    mse, mae = create_metric("mse", device="cpu"), create_metric("mae", device="cpu")
    assert float(mse(source, edited)) == pytest.approx(
        skimage.metrics.mean_squared_error(source / 255, edited / 255), rel=1e-5
    )
    assert float(mae(source, edited)) == pytest.approx(mean_absolute_error(*tensors(edit)).item(), rel=1e-5)


@pytest.mark.parametrize("edit", EDITS)
def test_psnr_equals_the_other_libraries(edit):
    source, edited = pairs()[edit]
    x, y = tensors(edit)
    ours = float(create_metric("psnr", device="cpu")(source, edited))
    assert ours == pytest.approx(skimage.metrics.peak_signal_noise_ratio(source, edited), abs=TOLERANCE)
    assert ours == pytest.approx(torchmetrics_image.peak_signal_noise_ratio(y, x, data_range=1.0).item(), abs=TOLERANCE)
    capped = float(create_metric("psnr:eps=1e-8", device="cpu")(source, edited))
    assert capped == pytest.approx(piq.psnr(y, x, data_range=1.0).item(), abs=TOLERANCE)
    grey = float(create_metric("psnr:channels=y,eps=1e-8", device="cpu")(source, edited))
    assert grey == pytest.approx(piq.psnr(y, x, data_range=1.0, convert_to_greyscale=True).item(), abs=TOLERANCE)


def test_super_resolution_convention():
    source, edited = pairs()["jpeg"]
    luma = [skimage.color.rgb2ycbcr(image)[4:-4, 4:-4, 0] for image in (source, edited)]
    ours = create_metric("psnr:channels=y_bt601,crop_border=4", device="cpu")(source, edited)
    assert float(ours) == pytest.approx(skimage.metrics.peak_signal_noise_ratio(*luma, data_range=255), abs=TOLERANCE)


def test_a_small_data_range_has_scores_below_zero():
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    assert float(create_metric("psnr:data_range=0.5", device="cpu")(black, white)) == pytest.approx(
        -6.0206, abs=TOLERANCE
    )


def test_data_range_is_the_peak():
    source, edited = pairs()["noise"]
    ours = create_metric("psnr:data_range=0.9", device="cpu")(source, edited)
    expected = skimage.metrics.peak_signal_noise_ratio(source / 255, edited / 255, data_range=0.9)
    assert float(ours) == pytest.approx(expected, abs=TOLERANCE)


def test_sixteen_bit_images_keep_their_bits():
    rng = np.random.default_rng(0)
    source = rng.integers(0, 65000, (32, 48, 3)).astype(np.uint16)
    edited = source + rng.integers(1, 50, source.shape).astype(np.uint16)  # a fifth of an 8-bit level
    ours = create_metric("psnr", device="cpu")(source, edited)
    expected = skimage.metrics.peak_signal_noise_ratio(source, edited, data_range=65535)
    assert float(ours) == pytest.approx(expected, abs=1e-3)  # float32 holds a 16-bit level to 1/256 of itself


@pytest.mark.parametrize("level", [0, 128, 255])
def test_identical_images_are_infinitely_close_or_capped(level):
    image = np.full((16, 16, 3), level, np.uint8)
    score = create_metric("psnr", device="cpu")(image, image)
    assert score.ok
    assert score["psnr"] == math.inf
    assert create_metric("psnr:eps=1e-8", device="cpu")(image, image)["psnr"] == pytest.approx(80, abs=1e-3)


def test_each_pair_of_a_batch_has_its_own_mean():
    # torchmetrics pools the mean squared error over the batch unless it is told not to
    x = torch.zeros(2, 3, 8, 8)
    y = torch.stack([torch.full((3, 8, 8), 0.1), torch.full((3, 8, 8), 0.01)])
    assert psnr(x, y).tolist() == pytest.approx([20, 40], abs=1e-4)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
@pytest.mark.parametrize("name", ["mse", "mae", "psnr"])
def test_the_same_error_inside_any_mask_gives_the_same_number(name, share):
    rng = np.random.default_rng(1)
    source = np.full((40, 50, 3), 100, np.uint8)
    mask = rng.permutation(2000).reshape(40, 50) < 2000 * share
    edited = np.where(mask[..., None], source + rng.choice([-51, 51], source.shape), source).astype(np.uint8)
    inside = create_metric(f"{name}:region=inside", device="cpu")(source, edited, mask=mask)
    outside = create_metric(f"{name}:region=outside", device="cpu")(source, edited, mask=mask)
    assert float(inside) == pytest.approx({"mse": 0.04, "mae": 0.2, "psnr": 10 * math.log10(25)}[name], rel=1e-5)
    assert float(outside) == {"mse": 0, "mae": 0, "psnr": math.inf}[name]
