"""FSIM and FSIMc against piq on photographs; the authors' downsampling against scipy's convolution."""

from __future__ import annotations

import math

import numpy as np
import piq
import pytest
import scipy.signal
import skimage.data
import torch
from piq.fsim import _construct_filters, _phase_congruency
from piq.functional import gradient_map, scharr_filter, similarity_map

from editmetrics import SampleError, create_metric
from editmetrics.plugins.fsim import fsim, log_gabor_filters, phase_congruency
from tests.plugins.photographs import EDITS, as_tensor, pairs, tensors

TOLERANCE = 1e-4
"""Both compute in float32; the noise threshold and the zeros of the gradients are where they differ."""


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("chromatic", [False, True])
def test_convention_equals_piq(edit, chromatic):
    source, edited = pairs()[edit]
    x, y = tensors(edit)
    ours = create_metric("fsim:convention=piq", chromatic=chromatic, device="cpu")
    assert float(ours(source, edited)) == pytest.approx(piq.fsim(x, y, chromatic=chromatic).item(), abs=TOLERANCE)


@pytest.mark.parametrize(("edit", "chromatic"), [(edit, False) for edit in EDITS] + [("jpeg", True)])
def test_the_authors_code_equals_piq_where_blocks_are_of_one_or_two_pixels(edit, chromatic):
    source, edited = pairs()[edit]
    x, y = tensors(edit)
    ours = create_metric("fsim", chromatic=chromatic, device="cpu")
    assert float(ours(source, edited)) == pytest.approx(piq.fsim(x, y, chromatic=chromatic).item(), abs=TOLERANCE)


@pytest.mark.parametrize(("size", "factor"), [((640, 700), 3), ((641, 777), 3), ((900, 1000), 4), ((433, 500), 2)])
def test_downsampling_is_that_of_conv2_same(size, factor):
    # 640 / 256 = 2.5, which MATLAB rounds to 3 and Python to 2
    grey = np.kron(skimage.data.camera() / 255, np.ones((2, 2)))[: size[0], : size[1]]
    pair = [grey, np.roll(grey, 2, axis=1)]
    kernel = np.full((factor, factor), 1 / factor**2)
    start = factor // 2  # where conv2's "same" starts in the full convolution
    small = [scipy.signal.convolve2d(image, kernel)[start::factor, start::factor] for image in pair]
    small = [image[: -(-size[0] // factor), : -(-size[1] // factor)].clip(0, 1) for image in small]
    ours = fsim(*(torch.from_numpy(image)[None, None] for image in pair)).item()
    expected = piq.fsim(*(torch.from_numpy(image)[None, None] for image in small), chromatic=False).item()
    assert ours == pytest.approx(expected, abs=TOLERANCE)
    other = fsim(*(torch.from_numpy(image)[None, None] for image in pair), convention="piq").item()
    assert factor == 2 or abs(ours - other) > 3 * TOLERANCE  # so that other blocks would have been seen


def test_the_authors_code_takes_the_real_part_for_opposite_chroma():
    # I or Q of opposite sign: their similarity is negative, and its power's real part cos(0.03 pi) of its magnitude
    x, y = tensors("recolour")
    authors, piqs = (fsim(x, y, chromatic=True, convention=name).item() for name in ("authors", "piq"))
    assert piqs * math.cos(0.03 * math.pi) < authors < piqs - 1e-4


# At even sizes piq treats the highest frequency in another way: its filters point the other way round, which is the
# same for all frequencies that have a negative.
@pytest.mark.parametrize(("size", "tolerance"), [((65, 97), 1e-6), ((129, 201), 1e-6), ((64, 96), 2e-3)])
def test_phase_congruency_equals_piq(size, tolerance):
    image = torch.from_numpy(skimage.data.camera()[: size[0], : size[1]] / 255)[None, None]
    expected = _phase_congruency(image, _construct_filters(image))
    torch.testing.assert_close(phase_congruency(image), expected, atol=tolerance, rtol=0)


def test_a_mask_weighs_the_pooling_and_the_source_surrounds_it():
    source, edited = pairs()["pasted"]  # of odd size, at which both have the same congruency
    mask = np.zeros(source.shape[:2], bool)
    mask[40:130, 80:200] = True
    grey = [as_tensor(image).double()[:, :1] for image in (source, edited)]
    region = torch.from_numpy(mask)[None, None]
    ours = fsim(*grey, region).item()
    grey[1] = grey[1] * region + grey[0] * ~region  # the surroundings of both are the source's
    congruency = [_phase_congruency(image, _construct_filters(image)) for image in grey]
    scharr = scharr_filter(dtype=torch.float64)
    gradients = [gradient_map(image, torch.stack([scharr, scharr.transpose(-1, -2)])) for image in grey]
    similarity = similarity_map(*congruency, 0.85) * similarity_map(*gradients, 160 / 255**2)
    weights = torch.maximum(*congruency) * torch.from_numpy(mask)
    expected = ((similarity * weights).sum() / weights.sum()).item()
    assert ours == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.3, 0.9, 1.0])
def test_flat_images_are_scored(level):
    flat = torch.full((1, 3, 63, 64), level)
    assert fsim(flat, flat, chromatic=True).item() == pytest.approx(1, abs=1e-6)
    assert fsim(flat, flat * 0.99).isfinite().all()


def test_gradients_work_after_scoring_with_the_same_filters():
    # scoring runs in inference mode; a filter bank that was cached there could not be used for training
    log_gabor_filters.cache_clear()
    source = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    create_metric("fsim", device="cpu")(source, source[::-1])
    x = as_tensor(source).requires_grad_()
    fsim(x, as_tensor(source[::-1].copy())).sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().max() > 0


def test_channels_that_are_no_colours_are_refused():
    grey, four = torch.zeros(1, 1, 16, 16), torch.zeros(1, 4, 16, 16)
    with pytest.raises(SampleError, match="FSIMc compares colours; the images have 1 channels"):
        fsim(grey, grey, chromatic=True)
    with pytest.raises(SampleError, match="the images have 4 channels; expected 3"):
        fsim(four, four)
