"""What every full-reference metric promises of a region, whatever its shape.

An untouched region is perfect, nothing that an edit changed outside it has a say, and any damage inside it is seen.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from editmetrics import Dimension, create_metric
from editmetrics.bases.full_reference import FullReference
from editmetrics.plugins.gmsd import gmsd
from editmetrics.plugins.mae import mae
from editmetrics.plugins.ms_ssim import ms_ssim
from editmetrics.plugins.psnr import mse, psnr
from editmetrics.plugins.ssim import ssim
from editmetrics.plugins.vif import vif
from editmetrics.testing import offline_weights
from tests.plugins.photographs import as_tensor, pairs
from tests.plugins.region_masks import SHAPES, mask_of

SPECS = (
    "psnr",
    "mse",
    "mae",
    "ssim",
    "ssim:channels=rgb,window=uniform",
    "ssim:padding=reflect",
    "ms_ssim",
    "ms_ssim:convention=torchmetrics,channels=rgb",
    "ms_ssim:convention=piq",
    "gmsd",
    "vif",
    "fsim",
    "fsim:chromatic=true,convention=piq",
    "haarpsi",
    "mdsi",
    "vsi",
    "nlpd",
    "cw_ssim",
    "vif_wavelet",
    "ssimulacra2",
    "lpips",
    "dists",
    "structure_distance",
)
NETWORKS = ("lpips", "dists", "structure_distance")
FEW_SHAPES = (*NETWORKS, "vsi", "nlpd", "cw_ssim", "vif_wavelet", "ssimulacra2")
"""What is tried on two shapes alone."""

ROUNDING = {"vif": 1e-6, "fsim": 1e-6, "dists": 1e-6, "haarpsi": 5e-6, "cw_ssim": 1e-6}
"""How far from its best an untouched region may be; the others are there exactly."""

WINDOWED = {"psnr": psnr, "mse": mse, "mae": mae, "ssim": ssim, "ms_ssim": ms_ssim, "gmsd": gmsd, "vif": vif}
"""What looks at nothing but the region, in either image."""

CASES = [(spec, shape) for spec in SPECS for shape in (SHAPES if spec not in FEW_SHAPES else ("disc", "lines"))]


@pytest.fixture(scope="module")
def metrics():
    """A metric by its spec and region, loaded once."""
    made = {}
    with offline_weights(["lpips-alexnet", "lpips-vgg16", "dists", "dino-vit-b-8"]):

        def metric(spec: str, region: str):
            key = spec, region
            if key not in made:
                made[key] = create_metric(f"{spec}{',' if ':' in spec else ':'}region={region}", device="cpu")
                made[key].load()
            return made[key]

        yield metric


def photograph(spec: str) -> np.ndarray:
    """A photograph of odd sides, as small as the metric takes it."""
    height, width = (181, 191) if "ms_ssim" in spec else (65, 67) if spec in NETWORKS else (97, 103)
    return pairs()["jpeg"][0][:height, :width]


def noisy(image: np.ndarray, deviation: float, where: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, deviation, image.shape)
    return np.where(where[..., None], np.clip(np.rint(image + noise), 0, 255), image).astype(np.uint8)


def worse(metric, score: float, other: float) -> bool:
    return score < other if metric.primary().higher_is_better else score > other


@pytest.mark.parametrize(("spec", "shape"), CASES)
def test_an_untouched_region_is_perfect_and_damage_to_it_is_seen(metrics, spec, shape):
    source = photograph(spec)
    mask = mask_of(shape, *source.shape[:2])
    for region, inside in (("inside", mask), ("outside", ~mask)):
        metric = metrics(spec, region)
        others = noisy(255 - source, 60, ~inside)
        untouched = float(metric(source, np.where(inside[..., None], source, others), mask=mask))
        best = 1 if metric.name.startswith("vif") else metric.primary().best
        assert untouched == pytest.approx(best, abs=ROUNDING.get(metric.name, 0)), region
        damaged = [float(metric(source, noisy(source, deviation, inside), mask=mask)) for deviation in (10, 40)]
        assert worse(metric, damaged[0], untouched), region
        assert worse(metric, damaged[1], damaged[0]), region


@pytest.mark.parametrize(("spec", "shape"), CASES)
def test_nothing_that_an_edit_changed_outside_a_region_has_a_say(metrics, spec, shape):
    source = photograph(spec)
    mask = mask_of(shape, *source.shape[:2])
    everywhere = np.ones_like(mask)
    for region, inside in (("inside", mask), ("outside", ~mask)):
        metric = metrics(spec, region)
        edited = noisy(source, 30, everywhere)
        others = [noisy(edited, 80, ~inside, seed=1), np.where(inside[..., None], edited, 0).astype(np.uint8)]
        score = float(metric(source, edited, mask=mask))
        assert [float(metric(source, other, mask=mask)) for other in others] == [score, score]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", WINDOWED)
def test_no_window_sees_across_the_border_in_either_image(name, shape):
    source = photograph(name)
    inside = mask_of(shape, *source.shape[:2])
    edited = noisy(source, 30, np.ones_like(inside))
    x, y = as_tensor(source), as_tensor(edited)
    region = torch.from_numpy(inside)[None, None]
    score = WINDOWED[name](x, y, region)
    changed = [torch.where(region, image, torch.rand_like(image)) for image in (x, y)]
    assert WINDOWED[name](*changed, region).equal(score)


@pytest.mark.parametrize("shape", ["lines", "border", "hair"])
@pytest.mark.parametrize("name", WINDOWED)
def test_each_pixel_of_a_region_is_seen(name, shape):
    if name == "gmsd" and shape == "hair":
        shape = "disc"  # a gradient needs pixels beside one another
    source = as_tensor(photograph(name))
    inside = mask_of(shape, *source.shape[2:])
    region = torch.from_numpy(inside)[None, None]
    untouched = WINDOWED[name](source, source, region)
    points = np.argwhere(inside)
    for row, column in points[np.random.default_rng(0).choice(len(points), 12, replace=False)]:
        edited = source.clone()
        edited[..., row, column] = 1 - edited[..., row, column].round()
        assert not WINDOWED[name](source, edited, region).equal(untouched), (row, column)


@pytest.mark.parametrize("name", WINDOWED)
def test_a_batch_keeps_to_the_regions_of_its_pairs(name):
    source = photograph(name)
    masks = [torch.from_numpy(mask_of(shape, *source.shape[:2]))[None, None] for shape in SHAPES]
    x = as_tensor(source).repeat(len(masks), 1, 1, 1)
    y = as_tensor(noisy(source, 30, np.ones(source.shape[:2], bool))).repeat(len(masks), 1, 1, 1)
    alone = [WINDOWED[name](x[:1], y[:1], mask).item() for mask in masks]
    assert WINDOWED[name](x, y, torch.cat(masks)).tolist() == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", WINDOWED)
def test_gradients_stay_inside_a_region_and_are_finite(name, shape):
    source = as_tensor(photograph(name))
    region = torch.from_numpy(mask_of(shape, *source.shape[2:]))[None, None]
    options = {"eps": 1e-8} if name == "psnr" else {}
    for edited in (source.clone(), as_tensor(noisy(photograph(name), 30, np.ones(source.shape[2:], bool)))):
        edited.requires_grad_()
        WINDOWED[name](source, edited, region, **options).sum().backward()
        assert edited.grad.isfinite().all()
        assert not edited.grad[~region.expand_as(edited)].any()
    assert edited.grad.any()


@pytest.mark.parametrize("spec", SPECS)
def test_an_edit_that_left_the_background_alone_beats_one_that_did_not(metrics, spec):
    """A inverts the masked object and nothing else; B leaves it, and adds noise of 3 levels, hardly seen, all over."""
    source = photograph(spec)
    metric = metrics(spec, "outside")
    for shape in ("blob", "lines") if spec not in FEW_SHAPES else ("blob",):
        mask = mask_of(shape, *source.shape[:2])
        only_there = np.where(mask[..., None], 255 - source, source)
        all_over = noisy(source, 3, np.ones_like(mask))
        kept, spoilt = (float(metric(source, edited, mask=mask)) for edited in (only_there, all_over))
        assert worse(metric, spoilt, kept), shape


class BlurredError(FullReference):
    """A plugin's metric that minds no mask: the mean difference of means over 9 x 9 pixels."""

    name, version = "blurred_error", 1
    dimensions = (Dimension("blurred_error", low=0, high=1, higher_is_better=False, primary=True),)

    def compare(self, source, edited, mask):
        return (torch.nn.functional.avg_pool2d(source - edited, 9, 1).abs()).mean((1, 2, 3))


def test_a_plugins_metric_keeps_to_its_region_without_its_doing():
    source = photograph("ssim")
    mask = mask_of("disc", *source.shape[:2])
    metric = BlurredError(region="outside").to("cpu")
    assert float(metric(source, np.where(mask[..., None], 255 - source, source), mask=mask)) == 0
    both = noisy(source, 30, np.ones_like(mask))
    assert float(metric(source, np.where(mask[..., None], 0, both).astype(np.uint8), mask=mask)) == float(
        metric(source, both, mask=mask)
    )
