"""SSIM against scikit-image, torchmetrics and piq on photographs, and against closed forms."""

from __future__ import annotations

import numpy as np
import piq
import pytest
import torch
import torchmetrics.functional.image as torchmetrics_image
from skimage.metrics import structural_similarity

from editmetrics import SampleError, create_metric
from editmetrics.plugins.ssim import ssim
from tests.plugins.photographs import EDITS, pairs, tensors
from tests.plugins.region_masks import SHAPES, gaussian, halved, mask_of, ssim_factors

TOLERANCE = 1e-4
"""The others compute in float32 without centring, which costs them up to 2e-5; against float64 see below."""
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
"""scikit-image's options for the paper's window."""


def skimage_ssim(source, edited, **options):
    return structural_similarity(source / 255, edited / 255, channel_axis=2, **options)


@pytest.mark.parametrize("edit", EDITS)
def test_rgb_equals_skimage_and_piq(edit):
    source, edited = pairs()[edit]
    x, y = tensors(edit)
    ours = ssim(x, y).item()
    assert ours == pytest.approx(skimage_ssim(source, edited, **GAUSSIAN), abs=5e-6)  # it computes in float64
    assert ours == pytest.approx(piq.ssim(x, y, downsample=False).item(), abs=TOLERANCE)
    assert float(create_metric("ssim:channels=rgb", device="cpu")(source, edited)) == pytest.approx(ours, abs=1e-6)


@pytest.mark.parametrize("edit", EDITS)
def test_default_is_the_papers_on_luma(edit):
    source, edited = pairs()[edit]
    luma = [image @ np.array([0.299, 0.587, 0.114]) / 255 for image in (source, edited)]
    expected = structural_similarity(*luma, **GAUSSIAN)
    assert float(create_metric("ssim", device="cpu")(source, edited)) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize("edit", EDITS)
def test_options_reproduce_the_other_libraries_defaults(edit):
    source, edited = pairs()[edit]
    x, y = tensors(edit)
    piqs = create_metric("ssim:channels=rgb,downsample=blocks", device="cpu")
    assert float(piqs(source, edited)) == pytest.approx(piq.ssim(x, y).item(), abs=TOLERANCE)
    torchmetrics = create_metric("ssim:channels=rgb,padding=reflect", device="cpu")
    expected = torchmetrics_image.structural_similarity_index_measure(y, x, data_range=1.0).item()
    assert float(torchmetrics(source, edited)) == pytest.approx(expected, abs=TOLERANCE)
    skimages = create_metric("ssim:channels=rgb,window=uniform", device="cpu")
    assert float(skimages(source, edited)) == pytest.approx(skimage_ssim(source, edited, data_range=1.0), abs=5e-6)


@pytest.mark.parametrize("level", [0.02, 0.5, 0.98])
def test_nearly_flat_images_lose_no_digits(level):
    rng = np.random.default_rng(0)
    source = (level + rng.normal(0, 0.002, (64, 64))).clip(0, 1).astype(np.float32)
    edited = (source + rng.normal(0, 0.002, (64, 64))).clip(0, 1).astype(np.float32)
    expected = structural_similarity(source.astype(float), edited.astype(float), **GAUSSIAN)
    ours = ssim(*(torch.from_numpy(image)[None, None] for image in (source, edited))).item()
    assert ours == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.0), (0.0, 0.4), (0.9, 1.0), (0.0, 1.0)])
def test_constant_images_have_a_closed_form(a, b):
    x, y = torch.full((1, 3, 16, 16), a), torch.full((1, 3, 16, 16), b)
    assert ssim(x, y).item() == pytest.approx((2 * a * b + 1e-4) / (a * a + b * b + 1e-4), abs=1e-6)


def test_an_inverted_image_is_anticorrelated():
    x = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert ssim(x, 1 - x).item() < -0.9


def test_identical_images_are_exactly_one():
    for edit in EDITS:
        x, _ = tensors(edit)
        assert ssim(x, x).item() == 1


@pytest.mark.parametrize("padding", ["valid", "reflect"])
@pytest.mark.parametrize("window", ["gaussian", "uniform"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_mask_leaves_each_window_its_own_pixels(shape, window, padding):
    x, y = (image[:, :1, 20:68, 60:110].double() for image in tensors("pasted"))
    mask = mask_of(shape, 48, 50)
    size, weights = (11, gaussian(11, 1.5)) if window == "gaussian" else (7, np.full(49, 1 / 49))
    planes = [x[0, 0].numpy(), y[0, 0].numpy(), mask]
    if padding == "reflect":
        planes = [np.pad(plane, size // 2, mode="reflect") for plane in planes]
    luminance, structure, share = ssim_factors(*planes, weights, sample=window == "uniform")
    expected = (luminance * structure * share).sum() / share.sum()
    ours = ssim(x, y, torch.from_numpy(mask)[None, None], window=window, padding=padding)
    assert ours.item() == pytest.approx(expected, abs=1e-9)  # both in float64


def test_a_mask_leaves_each_block_its_own_pixels():
    x, y = (torch.rand(1, 1, 520, 522, generator=torch.Generator().manual_seed(seed)).double() for seed in (0, 1))
    mask = torch.from_numpy(mask_of("lines", 520, 522))[None, None]
    small = [halved(image[0, 0].numpy(), mask[0, 0].numpy()) for image in (x, y)]
    blocks = [torch.from_numpy(image)[None, None] for image, _ in small]
    expected = ssim(*blocks, torch.from_numpy(small[0][1])[None, None]).item()
    assert ssim(x, y, mask, downsample="blocks").item() == pytest.approx(expected, abs=1e-9)


def test_each_pixel_of_a_region_counts_alike():
    """The windows' shares of a pixel add up to 1, so that two regions weigh as their areas do; away from borders."""
    x, y = (image[:, :1].double() for image in tensors("jpeg"))
    far = torch.zeros(1, 1, *x.shape[2:], dtype=torch.bool)
    left, right = far.clone(), far.clone()
    left[..., 40:90, 30:60], right[..., 100:140, 150:210] = True, True
    apart = [(ssim(x, y, mask).item(), mask.sum().item()) for mask in (left, right)]
    expected = sum(value * area for value, area in apart) / sum(area for _, area in apart)
    assert ssim(x, y, left | right).item() == pytest.approx(expected, abs=1e-9)


def test_images_smaller_than_the_window_are_refused():
    metric = create_metric("ssim", device="cpu")
    with pytest.raises(SampleError, match=r"ssim needs images of at least 11 x 11 pixels .*; these are 30 x 10"):
        metric(np.zeros((10, 30, 3), np.uint8), np.zeros((10, 30, 3), np.uint8))
    smallest = np.zeros((11, 11, 3), np.uint8)
    assert float(metric(smallest, smallest)) == 1


def test_a_region_at_the_border_is_seen_by_the_windows_that_reach_it():
    rng = np.random.default_rng(0)
    source, edited = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    edited[4:] = source[4:]
    mask = np.zeros((32, 32), bool)
    mask[:4] = True
    inside, outside = (create_metric(f"ssim:region={region}", device="cpu") for region in ("inside", "outside"))
    assert float(inside(source, edited, mask=mask)) < 0.5
    assert float(outside(source, edited, mask=mask)) == 1
