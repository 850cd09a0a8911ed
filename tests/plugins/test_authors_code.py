"""Metrics against the numbers of their authors' own MATLAB code, run in GNU Octave 7.3 on the same photographs.

Octave's imresize does not normalise the weights of a shrinking kernel as MATLAB's does; it was divided by what it makes
of ones. Luma, where it is not rounded, was passed as 0.299 R + 0.587 G + 0.114 B in float64.
"""

from __future__ import annotations

import math

import piq
import pytest
import torch

from editmetrics import SampleError, create_metric
from editmetrics.plugins.cw_ssim import cw_ssim
from editmetrics.plugins.nlpd import nlpd
from editmetrics.plugins.vif_wavelet import vif_wavelet
from editmetrics.plugins.vsi import vsi
from tests.plugins.photographs import EDITS, pairs, tensors

AUTHORS = {
    "vsi": (0.9101553, 0.9522420, 0.9572357, 0.9477447, 0.9668877, 0.8868524, 0.9988028),
    "nlpd": (0.3133874, 0.2163068, 0.2896013, 0.7076763, 0.1392914, 0.7256093, 0.0747198),
    "nlpd:channels=y8": (0.3136070, 0.2168330, 0.2898651, 0.7077567, 0.1413656, 0.7255522, 0.0767864),
    "cw_ssim": (0.9984329, 0.9958524, 0.9860256, 0.9879486, 0.9860768, 0.4889656, 0.9954830),
    "vif_wavelet": (0.4422003, 0.3060343, 0.2822905, 0.1274048, 0.8510819, 0.5966521, 1.0568288),
    "vif_wavelet:channels=y8": (0.4414079, 0.3045852, 0.2821577, 0.1273447, 0.8475103, 0.5965934, 1.0547018),
}
"""What the authors' code gives for the photographs' edits, in their order."""

CORES = {"vsi": vsi, "nlpd": nlpd, "cw_ssim": cw_ssim, "vif_wavelet": vif_wavelet}
BEST = {"vsi": 1.0, "nlpd": 0.0, "cw_ssim": 1.0, "vif_wavelet": 1.0}

LIGHT = ("noise", "jpeg", "pasted")
"""Of an even and of odd sides, and one with a strong edit."""


@pytest.mark.parametrize("spec", AUTHORS)
def test_equal_the_authors_code(spec):
    edits = (*LIGHT, "shift") if ":" not in spec else ("recolour",)  # scaled down; where rounding the luma shows
    metric = create_metric(spec, device="cpu")
    found = [float(metric(*pairs()[edit])) for edit in edits]
    # float32 against float64: they were at most 2e-6 apart; rgb2gray's weights have more digits, and round otherwise
    expected = [AUTHORS[spec][EDITS.index(edit)] for edit in edits]
    assert found == pytest.approx(expected, abs=4e-6 if ":" not in spec else 3e-4)


def test_vsi_equals_piq_under_its_convention():
    for edit in ("noise", "shift"):
        x, y = tensors(edit)
        assert vsi(x, y, convention="piq").item() == pytest.approx(piq.vsi(x, y).item(), abs=2e-6)
        assert abs(vsi(x, y).item() - piq.vsi(x, y).item()) > 1e-5  # which differ


def test_without_its_fifth_neighbour_nlpd_is_the_one_of_others():
    x, y = tensors("jpeg")
    theirs = 0.2902519  # of pyiqa 0.1.16
    assert nlpd(x, y, convention="pyiqa").item() == pytest.approx(theirs, abs=1e-6)
    assert abs(nlpd(x, y).item() - theirs) > 1e-4


def test_cw_ssim_of_a_shift_and_of_a_brighter_image():
    """Its point: phases turn alike under a small shift, and bands do not see the mean."""
    x, _ = tensors("shift")
    moved = x.roll(1, 3)
    assert cw_ssim(x, moved).item() > 0.98 > piq.ssim(x, moved, downsample=False).item()
    assert cw_ssim(x, 0.8 * x + 0.1).item() > 0.97
    assert cw_ssim(x, x.flip(3)).item() < 0.6


def test_twice_the_contrast_carries_more_information():
    x, _ = tensors("noise")
    middle = 0.25 + x / 2
    assert vif_wavelet(middle, x).item() > 1.05
    assert vif_wavelet(x, middle).item() < 0.95


@pytest.mark.parametrize("name", CORES)
def test_they_are_losses_with_finite_gradients(name):
    source = torch.rand(2, 3, 80, 72, generator=torch.Generator().manual_seed(0))
    for edited in (source, source.roll(2, 3), torch.zeros_like(source)):
        changed = edited.clone().requires_grad_()
        CORES[name](source, changed).sum().backward()
        assert changed.grad.isfinite().all()
    assert CORES[name](source, source).tolist() == pytest.approx([BEST[name]] * 2, abs=1e-6)


@pytest.mark.parametrize("name", CORES)
def test_flat_images_have_a_value_or_a_reason_and_small_ones_a_reason(name):
    grey = torch.full((1, 3, 80, 80), 0.5)
    if name == "vif_wavelet":
        with pytest.raises(SampleError, match="flat"):
            vif_wavelet(grey, grey)
    else:
        assert CORES[name](grey, grey).item() == pytest.approx(BEST[name], abs=1e-6)
        assert math.isfinite(CORES[name](grey, grey / 2).item())
    with pytest.raises(SampleError, match="at least"):
        CORES[name](grey[..., :2, :2], grey[..., :2, :2])
