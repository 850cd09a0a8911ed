"""The same noise scores the same whatever the area of the mask, for every metric that has regions."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from editmetrics import create_metric, list_metrics
from editmetrics.registry import metric_class
from editmetrics.testing import offline_weights

SIDE = 352
WIDTHS = (48, 176, 320)
"""Bands of these widths down the middle: 14, 50 and 91 % of the image."""

OF_WHOLE_IMAGES = {"clip_image", "clip_text", "dino_image", "dreamsim"}
"""Embeddings of an image: a region is all that they see, and no mean is taken over it. Their docstrings say so."""


@pytest.fixture(scope="module", autouse=True)
def _random_weights():
    with offline_weights(["lpips-alexnet", "lpips-vgg16", "dists", "dino-vit-b-8", "pieapp"]):
        yield


def normalised():
    with_region = [
        name
        for name in list_metrics()
        for option in metric_class(name).option_list()
        if option.name == "region" and "inside" in get_args(option.hint)
    ]
    return [name for name in with_region if name not in OF_WHOLE_IMAGES]


def test_the_list_holds_every_full_reference_metric():
    expected = "dists fsim gmsd lpips mae ms_ssim mse psnr ssim structure_distance vif"
    assert [name for name in normalised() if "/" not in name and name in expected.split()] == expected.split()


@pytest.fixture(scope="module")
def noisy():
    """A texture that is alike everywhere, and the same with noise: each part of it has the statistics of the whole."""
    rng = np.random.default_rng(0)
    source = rng.integers(60, 196, (SIDE, SIDE, 3)).astype(np.uint8)
    edited = np.clip(np.rint(source + rng.normal(0, 12.35, source.shape)), 0, 255).astype(np.uint8)
    return source, edited


def band(width: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, (SIDE - width) // 2 : (SIDE + width) // 2] = True
    return mask


@pytest.mark.parametrize("name", normalised())
def test_the_same_noise_scores_the_same_in_masks_of_any_area(name, noisy):
    source, edited = noisy
    metric, other = (create_metric(f"{name}:region={region}", device="cpu") for region in ("inside", "outside"))
    inside = [float(metric(source, edited, mask=band(width))) for width in WIDTHS]
    outside = [float(other(source, edited, mask=~band(width))) for width in WIDTHS]
    assert outside == inside
    # By chance alone: the least band holds 17,000 pixels, but only 300 of DINO's patches, and 66 cells of VGG's last
    # stage, over which DISTS takes correlations. AlexNet's last layers see 195 pixels, four times the least band: what
    # surrounds it is the same in both images. Not divided by the area, the numbers would differ by a factor of 6.
    # PieAPP looks at patches of 64 pixels, more than the least band, and ssimulacra2's sixth scale halves it to 1.5.
    tolerance = {"dists": 0.25, "lpips": 0.25, "pieapp": 0.35, "ssimulacra2": 0.2}.get(name, 0.1)
    assert inside == pytest.approx([inside[-1]] * 3, rel=tolerance), inside


def test_pie_benchs_psnr_rises_as_the_mask_grows(noisy):
    """The script's numbers for noise of 26.3 dB: 26.7, 29.3 and 36.3 dB where 90, 50 and 10 % are unedited."""
    source, edited = noisy
    correct, theirs = (create_metric(f"psnr:region=outside{more}", device="cpu") for more in ("", ",variant=pie-bench"))
    for share, expected in ((0.9, 26.7), (0.5, 29.3), (0.1, 36.3)):
        mask = np.ones((SIDE, SIDE), bool)
        mask[1 : 1 + round(share * SIDE), 1:-1] = False
        assert float(correct(source, edited, mask=mask)) == pytest.approx(26.3, abs=0.05)
        assert float(theirs(source, edited, mask=mask)) == pytest.approx(expected, abs=0.1)
