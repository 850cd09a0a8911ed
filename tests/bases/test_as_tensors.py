"""Metrics as losses: the numbers of `score`, and gradients that finite differences confirm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from editmetrics import Sample, create_metric
from editmetrics.sample import EditMetricsError, SampleError
from editmetrics.testing import offline_weights

SPECS = (
    "mae", "mse:channels=y", "psnr", "psnr:crop_border=5", "psnr:region=outside", "ssim",
    "ssim:channels=rgb,region=inside", "ms_ssim",
    "fsim", "gmsd", "vif", "lpips", "lpips:net=squeeze,region=inside", "dists", "structure_distance",
)  # fmt: skip
SIDE = 176
"""The smallest that ms_ssim takes."""


@pytest.fixture(scope="module", params=SPECS)
def metric(request):
    made = create_metric(request.param, device="cpu")
    with offline_weights(made.checkpoints()):
        made.load()
        yield made


def images(seed=0, count=2):
    """A smooth source with some noise, and an edited image that is further off, (N, 3, SIDE, SIDE), float32."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 12, 12, generator=random)
    source = torch.nn.functional.interpolate(coarse, size=SIDE, mode="bicubic").clamp(0.1, 0.9)
    return source, (source + 0.1 * torch.randn(source.shape, generator=random)).clamp(0, 1)


def mask_of(metric):
    mask = torch.zeros(2, 1, SIDE, SIDE, dtype=torch.bool)
    mask[:, :, 20:150, 30:160] = True
    return None if metric.region == "whole" else mask


def test_values_are_those_of_score(metric):
    source, edited = images()
    mask = mask_of(metric)
    marked = [None] * 2 if mask is None else [Image.fromarray(np.uint8(255 * one[0].numpy())) for one in mask]
    samples = [Sample(str(n), edited=edited[n], source=source[n], mask=marked[n]) for n in range(2)]
    values = metric.tensors(source, edited, mask)
    assert values.shape == (2,)
    # sums in another order, of a pair alone and of two together
    np.testing.assert_allclose(values.numpy(), np.array(metric.score(samples)), rtol=1e-4, atol=1e-6)


def test_the_gradient_is_the_slope_along_a_direction(metric):
    if metric.name == "fsim":
        pytest.skip("its curve bends within 1e-5 where an orientation has no energy; its own tests check the gradient")
    source, edited = images(1, count=1)
    mask = mask_of(metric)
    mask = None if mask is None else mask[:1]
    edited.requires_grad_()
    (value,) = metric.tensors(source, edited, mask)
    value.backward()
    assert torch.isfinite(edited.grad).all()
    direction = edited.grad / edited.grad.norm()
    step = 0.05
    with torch.no_grad():
        ahead, behind = (metric.tensors(source, edited + sign * step * direction, mask).item() for sign in (1, -1))
    # of float32 numbers, and of a curve that is not straight
    assert (ahead - behind) / (2 * step) == pytest.approx(edited.grad.norm().item(), rel=0.1)


def test_autocast_of_a_training_changes_nothing():
    source, edited = images()
    metric = create_metric("ssim", device="cpu")
    plain = metric.tensors(source, edited)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(metric.tensors(source, edited), plain)
    assert metric.tensors(source.half(), edited.half()).dtype == torch.float32


def test_one_channel_counts_as_three_equal_ones():
    source, edited = (image[:, :1] for image in images())
    metric = create_metric("psnr", device="cpu")
    torch.testing.assert_close(
        metric.tensors(source, edited), metric.tensors(*(i.expand(-1, 3, -1, -1) for i in (source, edited)))
    )


@pytest.mark.parametrize(
    ("spec", "arguments", "message"),
    [
        ("psnr", (torch.zeros(1, 3, 8, 8, dtype=torch.uint8),) * 2, "divide uint8 images by 255"),
        ("psnr", (torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9)), "both must be of one shape"),
        ("psnr", (torch.zeros(3, 8, 8),) * 2, "both must be of one shape"),
        ("psnr", (torch.zeros(1, 4, 8, 8),) * 2, "4 channels; expected 1 or 3"),
        ("psnr", (torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8, device="meta")), "on cpu and .* on meta"),
        ("psnr", (*(torch.zeros(1, 3, 8, 8),) * 2, torch.ones(1, 1, 8, 8)), "takes no mask: its region is 'whole'"),
        ("psnr:region=inside", (torch.zeros(1, 3, 8, 8),) * 2, r"takes a mask \(N, 1, H, W\)"),
        ("psnr:region=inside", (*(torch.zeros(1, 3, 8, 8),) * 2, torch.ones(1, 8, 8)), "the mask has the shape"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(spec, arguments, message):
    with pytest.raises((EditMetricsError, SampleError), match=message):
        create_metric(spec, device="cpu").tensors(*arguments)


def test_a_score_names_the_form_that_has_a_gradient():
    with pytest.raises(EditMetricsError, match=r"metric.tensors\(source, edited\)"):
        create_metric("mae", device="cpu")(*(np.zeros((8, 8, 3), np.uint8),) * 2).backward()


def test_a_gradient_is_not_cut_off_silently():
    image = torch.zeros(3, 8, 8)
    metric = create_metric("mae", device="cpu")
    with pytest.warns(UserWarning, match=r"requires a gradient, and a score has none: metric.tensors"):
        assert metric(image, image.clone().requires_grad_()) == 0.0
    batch = torch.zeros(2, 3, 8, 8)
    with pytest.warns(UserWarning, match=r"requires a gradient, and a score has none: metric.tensors"):
        assert metric(batch, batch.clone().requires_grad_()) == [0.0, 0.0]


def test_a_border_that_leaves_nothing_is_refused():
    with pytest.raises(SampleError, match="crop_border=8 leaves nothing of an image of 20 x 16 pixels"):
        create_metric("psnr:crop_border=8").tensors(torch.zeros(1, 3, 16, 20), torch.zeros(1, 3, 16, 20))
