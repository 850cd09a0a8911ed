"""Metrics against the numbers of their authors' own MATLAB code, run in GNU Octave 7.3 on the same photographs.

Octave's imresize does not normalise the weights of a shrinking kernel as MATLAB's does; it was divided by what it makes
of ones. Luma, where it is not rounded, was passed as 0.299 R + 0.587 G + 0.114 B in float64.
"""

from __future__ import annotations

import math

import numpy as np
import piq
import pytest
import torch

from editmetrics import SampleError, create_metric
from editmetrics.plugins.cw_ssim import cw_ssim
from editmetrics.plugins.mad import mad
from editmetrics.plugins.nlpd import nlpd
from editmetrics.plugins.ssimulacra2 import WEIGHTS, ssimulacra2
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
    "mad": (64.912212, 70.899057, 49.681102, 89.907058, 71.423688, 169.064290, 0.000000),
}
"""What the authors' code gives for the photographs' edits, in their order."""

CORES = {
    "vsi": vsi,
    "nlpd": nlpd,
    "cw_ssim": cw_ssim,
    "vif_wavelet": vif_wavelet,
    "mad": mad,
    "ssimulacra2": ssimulacra2,
}
BEST = {"vsi": 1.0, "nlpd": 0.0, "cw_ssim": 1.0, "vif_wavelet": 1.0, "mad": 0.0, "ssimulacra2": 100.0}

LIGHT = ("noise", "jpeg", "pasted", "brighter")
"""Of even and of odd sides, one with a strong edit, and one that mad does not see."""


@pytest.mark.parametrize("spec", AUTHORS)
def test_equal_the_authors_code(spec):
    edits = (
        (*LIGHT, *(["shift"] if spec == "vsi" else [])) if ":" not in spec else ("recolour",)
    )  # scaled down; where rounding the luma shows
    metric = create_metric(spec, device="cpu")
    found = [float(metric(*pairs()[edit])) for edit in edits]
    # float32 against float64: they were at most 2e-6 apart; rgb2gray's weights have more digits, and round otherwise
    expected = [AUTHORS[spec][EDITS.index(edit)] for edit in edits]
    assert found == pytest.approx(expected, rel=1e-6, abs=4e-6 if ":" not in spec else 3e-4)


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


def test_mad_of_a_region_does_not_see_the_rest():
    """It does not see light damage either, as its authors' has it, so that it is not among those of test_regions."""
    x, y = (image[..., :97, :103] for image in tensors("pasted"))
    left = torch.zeros(1, 1, 97, 103, dtype=torch.bool)
    left[..., :80] = True
    y = y.roll(-40, 2)
    assert mad(x, y, torch.ones_like(left)).item() == pytest.approx(mad(x, y).item(), rel=1e-5)
    inside = mad(x, y, left).item()
    assert inside > 0 == mad(x, torch.where(left, x, y), left).item()
    assert mad(x, torch.where(left, y, 1 - y), left).item() == inside


def recursive_gaussian(plane):
    """JPEG XL's recursive Gaussian (gauss_blur.cc), run as it is written: three filters of two poles, zeros outside."""
    radius, sigma = 5, 1.5
    omega = np.array([1, 3, 5]) * np.pi / (2 * radius)
    p = np.array([1, -1, 1]) / np.tan(omega / 2)
    r = np.array([1, -1, 1]) * p * p / np.sin(omega)
    rho = np.exp(-0.5 * sigma**2 * omega**2) / radius
    d13, d35, d51 = p[0] * r[1] - r[0] * p[1], p[1] * r[2] - r[1] * p[2], p[2] * r[0] - r[2] * p[0]
    zeta = np.array([d35 / d13, d51 / d13, 1])
    beta = np.linalg.inv(np.array([p, r, zeta])) @ [1, radius**2 - sigma**2, zeta @ rho]
    n2, d1 = -beta * np.cos(omega * (radius + 1)), -2 * np.cos(omega)

    def rows(image):
        length = len(image)
        padded = np.vstack([np.zeros((2 * radius, *image.shape[1:])), image, np.zeros((2 * radius, *image.shape[1:]))])
        out, before, twice = np.zeros_like(image), np.zeros((3, *image.shape[1:])), np.zeros((3, *image.shape[1:]))
        for n in range(1 - radius, length):
            both = padded[n - radius - 1 + 2 * radius] + padded[n + radius - 1 + 2 * radius]
            now = n2[:, None] * both - d1[:, None] * before - twice
            before, twice = now, before
            if n >= 0:
                out[n] = now.sum(0)
        return out

    return rows(rows(plane).T).T


def authors_ssimulacra2(source, edited):
    """SSIMULACRA 2 (ssimulacra2.cc) of two images (H, W, 3) in [0, 255], in float64."""
    weights = np.concatenate([np.array(row) for row in WEIGHTS])
    matrix = np.array([[0.3, 0.622, 0.078], [0.23, 0.692, 0.078], [0.24342268924547819, 0.20476744424496821, 0]])
    matrix[2, 2] = 1 - matrix[2].sum()
    bias = 0.0037930732552754493

    def light(image):
        image = image / 255
        return np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)

    def xyb(image):
        mixed = np.cbrt(image @ matrix.T + bias) - np.cbrt(bias)
        x, y, b = (mixed[..., 0] - mixed[..., 1]) / 2, (mixed[..., 0] + mixed[..., 1]) / 2, mixed[..., 2]
        return [14 * x + 0.42, y + 0.01, b - y + 0.55]

    def halved(image):
        image = np.pad(image, [(0, side % 2) for side in image.shape[:2]] + [(0, 0)], mode="edge")
        return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4

    one, two = light(source), light(edited)
    scales = []
    for scale in range(6):
        if min(one.shape[:2]) < 8:
            break
        if scale:
            one, two = halved(one), halved(two)
        parts = []
        for a, b in zip(xyb(one), xyb(two), strict=True):
            m1, m2, s11, s22, s12 = (recursive_gaussian(plane) for plane in (a, b, a * a, b * b, a * b))
            d = 1 - (1 - (m1 - m2) ** 2) * (2 * (s12 - m1 * m2) + 0.0009) / (s11 - m1**2 + s22 - m2**2 + 0.0009)
            e = (1 + np.abs(b - m2)) / (1 + np.abs(a - m1)) - 1
            maps = [np.maximum(each, 0) for each in (d, e, -e)]
            parts.append([each.mean() for each in maps] + [(each**4).mean() ** 0.25 for each in maps])
        scales.append(parts)
    ordered = [part for channel in range(3) for parts in scales for part in parts[channel]]
    total = 0.9562382616834844 * (weights[: len(ordered)] @ ordered)
    total = 2.326765642916932 * total - 0.020884521182843837 * total**2 + 6.248496625763138e-05 * total**3
    return 100 - 10 * max(total, 0) ** 0.6276336467831387


@pytest.mark.parametrize(("edit", "size"), [("noise", 100), ("jpeg", 251)])
def test_ssimulacra2_is_the_authors_algorithm(edit, size):
    """With five scales, whose weights the authors' code takes from the front, and with six and odd sides."""
    source, edited = (image[:size, :size] for image in pairs()[edit])
    found = float(create_metric("ssimulacra2", device="cpu")(source, edited))
    # variances are differences of float32, as in the authors' code: 0.002 for a score of 28
    assert found == pytest.approx(authors_ssimulacra2(source, edited), abs=5e-3)
    assert sum(map(sum, WEIGHTS)) == pytest.approx(888.3148365876135)  # those of the package ssimulacra2 0.3.0
