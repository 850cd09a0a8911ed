"""VIF in the pixel domain against piq on photographs, and what it says of images without information."""

from __future__ import annotations

import numpy as np
import piq
import pytest
import torch

from editmetrics import SampleError, create_metric
from editmetrics.plugins.vif import vif
from tests.plugins.photographs import EDITS, pairs, tensors
from tests.plugins.region_masks import SHAPES, gaussian, mask_of, moments, windows


@pytest.mark.parametrize("edit", EDITS)
def test_equals_piq(edit):
    source, edited = tensors(edit)
    expected = float(piq.vif_p(edited.double(), source.double(), data_range=1.0, reduction="none"))
    # float32 against float64; piq adds 1e-8 to both sums
    assert float(create_metric("vif", device="cpu")(*pairs()[edit])) == pytest.approx(expected, rel=1e-4)


def test_contrast_that_is_enhanced_gives_more_than_1():
    source = pairs()["jpeg"][0]
    stronger = np.clip(128 + 1.3 * (source.astype(float) - 128), 0, 255).astype(np.uint8)
    assert float(create_metric("vif", device="cpu")(source, stronger)) > 1.03


def test_a_flat_source_has_no_score():
    flat, picture = np.full((64, 64, 3), 90, np.uint8), pairs()["jpeg"][0][:64, :64]
    metric = create_metric("vif", device="cpu")
    with pytest.raises(SampleError, match="holds no information"):
        metric(flat, picture)
    assert float(metric(picture, flat)) == pytest.approx(0, abs=1e-6)


def test_a_mask_of_all_is_the_whole_and_the_edit_counts_where_it_is():
    source, _ = pairs()["noise"]
    edited = source.copy()
    edited[:, :100] = 255 - edited[:, :100]
    mask = np.zeros(source.shape[:2], bool)
    mask[:, :100] = True
    everything = create_metric("vif:region=inside", device="cpu")(source, edited, mask=np.ones_like(mask))
    assert float(everything) == pytest.approx(float(create_metric("vif", device="cpu")(source, edited)), rel=1e-5)
    inside, outside = (
        create_metric(f"vif:region={r}", device="cpu")(source, edited, mask=mask) for r in ("inside", "outside")
    )
    assert float(inside) < 0.2 < 0.9 < float(outside)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mask_leaves_windows_and_scales_their_own_pixels(shape):
    rng = np.random.default_rng(0)
    x = rng.random((64, 66))
    y = (0.8 * x + rng.normal(0, 0.1, x.shape)).clip(0, 1)
    mask = mask_of(shape, 64, 66).astype(float)
    ours = vif(*(torch.from_numpy(plane)[None, None] for plane in (x, y, mask)))
    x, y = 255 * x, 255 * y
    kept = held = 0.0
    for size in (17, 9, 5, 3):
        window = gaussian(size, size / 5)
        if size < 17:
            side = tuple(length - size + 1 for length in x.shape)
            covered = (windows(mask, size) @ window).reshape(side)
            sums = [(windows(plane * mask, size) @ window).reshape(side) for plane in (x, y)]
            x, y = (np.divide(s, covered, out=np.zeros(side), where=covered > 0)[::2, ::2] for s in sums)
            mask = covered[::2, ::2]
        _, _, variance_x, variance_y, covariance, share, _ = moments(x, y, mask, window)
        some = (variance_x > 1e-8) & (variance_y > 1e-8) & (covariance > 0)
        gain = np.where(some, covariance / np.where(some, variance_x, 1), 0)
        added = np.maximum(np.where(variance_y > 1e-8, variance_y - gain * covariance, 0), 1e-8)
        variance_x = np.where(variance_x > 1e-8, variance_x, 0)
        kept += (share * np.log2(1 + gain**2 * variance_x / (added + 2))).sum()
        held += (share * np.log2(1 + variance_x / 2)).sum()
    # both in float64; the authors' code adds 1e-8 to the variance below the gain
    assert ours.item() == pytest.approx(kept / held, abs=1e-7)


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_are_exact(masked):
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(1, 1, 41, 41, generator=rng, dtype=torch.float64, requires_grad=True)
    y = (x.detach() + 0.1 * torch.randn(x.shape, generator=rng, dtype=torch.float64)).requires_grad_()
    mask = torch.from_numpy(mask_of("disc", 41, 41))[None, None] if masked else None
    assert torch.autograd.gradcheck(lambda a, b: vif(a, b, mask), (x, y), fast_mode=True)


def test_the_least_size_is_41():
    image = torch.rand(1, 1, 41, 41, generator=torch.Generator().manual_seed(0))
    assert vif(image, image).item() == pytest.approx(1, abs=1e-5)
    with pytest.raises(SampleError, match="at least 41 x 41"):
        vif(image[..., 1:], image[..., 1:])
