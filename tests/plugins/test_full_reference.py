"""What the metrics that compare two images share: regions, sizes, colours, batches, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.color
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from editmetrics import Dimension, Sample, SampleError, create_metric
from editmetrics.bases import pixels
from editmetrics.bases.full_reference import FullReference
from editmetrics.bases.pixels import convert_channels
from editmetrics.plugins.fsim import fsim
from editmetrics.plugins.gmsd import gmsd
from editmetrics.plugins.mae import mae
from editmetrics.plugins.ms_ssim import ms_ssim
from editmetrics.plugins.psnr import mse, psnr
from editmetrics.plugins.ssim import ssim
from editmetrics.testing.invariance import batch_invariance
from editmetrics.testing.subject import Subject
from tests.plugins.photographs import as_tensor, pairs, tensors

CLASSIC = ("fsim", "gmsd", "mae", "ms_ssim", "mse", "psnr", "ssim")
FUNCTIONS = {"fsim": fsim, "gmsd": gmsd, "mae": mae, "ms_ssim": ms_ssim, "mse": mse, "psnr": psnr, "ssim": ssim}


@pytest.mark.parametrize("name", CLASSIC)
def test_a_mask_of_all_is_the_whole(name):
    source, edited = pairs()["jpeg"]
    everything = np.ones(source.shape[:2], bool)
    whole = float(create_metric(name, device="cpu")(source, edited))
    inside = create_metric(f"{name}:region=inside", device="cpu")(source, edited, mask=everything)
    outside = create_metric(f"{name}:region=outside", device="cpu")(source, edited, mask=~everything)
    # float32 sums in another order; GMSD squares what is left of 1, FSIM weighs the pooled mask
    assert float(inside) == pytest.approx(whole, rel=1e-5)
    assert float(outside) == float(inside)


@pytest.mark.parametrize("name", CLASSIC)
def test_far_from_an_edit_nothing_changed(name):
    source, _ = pairs()["noise"]
    edited = source.copy()
    edited[:, :100] = 255 - edited[:, :100]
    mask = np.zeros(source.shape[:2], bool)
    mask[:, :100] = True
    metric = create_metric(f"{name}:region=inside", device="cpu")
    other = create_metric(f"{name}:region=outside", device="cpu")
    primary = metric.primary()
    inside, outside = (float(each(source, edited, mask=mask)) for each in (metric, other))
    assert (inside < outside) if primary.higher_is_better else (inside > outside)
    if name in ("mse", "mae", "psnr"):
        assert outside == primary.best


def test_the_regions_add_up():
    source, edited = pairs()["jpeg"]
    mask = np.zeros(source.shape[:2], bool)
    mask[30:170, 50:200] = True
    whole, inside, outside = (
        float(create_metric(f"mse:region={region}", device="cpu")(source, edited, mask=mask))
        for region in ("whole", "inside", "outside")
    )
    assert mask.mean() * inside + (1 - mask.mean()) * outside == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("name", CLASSIC)
def test_a_region_needs_a_mask_that_holds_something(name):
    image = np.zeros((180, 190, 3), np.uint8)
    metric = create_metric(f"{name}:region=inside", device="cpu")
    assert metric.required() == {"source", "edited", "mask"}
    with pytest.raises(SampleError, match="requires mask") as caught:
        metric(image, image)
    assert caught.value.status == "skipped"
    with pytest.raises(SampleError, match="no pixel lies inside the mask") as caught:
        metric(image, image, mask=np.zeros((180, 190), bool))
    assert caught.value.status == "skipped"
    with pytest.raises(SampleError, match="the mask is 190 x 20 pixels, the images 190 x 180"):
        metric(image, image, mask=np.ones((20, 190), bool))


@pytest.mark.parametrize("name", CLASSIC)
def test_a_batch_gives_each_pair_its_own_score(name):
    (a, b), (c, d), (e, f) = (pairs()[edit] for edit in ("jpeg", "pasted", "brighter"))
    samples = [
        Sample("1", source=a, edited=b),
        Sample("2", source=c, edited=d),
        Sample("3", source=(a / 255).astype(np.float32), edited=b),  # as a 16-bit file is read: another dtype
        Sample("4", source=a[:180, :190], edited=b[:180, :190]),
        Sample("5", source=e, edited=f),
    ]
    metric = create_metric(name, device="cpu")
    alone = [float(metric(sample)) for sample in samples]
    assert [float(score) for score in metric.score(samples)] == pytest.approx(alone, rel=1e-6)
    assert [float(score) for score in metric.score(samples[::-1])] == pytest.approx(alone[::-1], rel=1e-6)
    stacked = [torch.cat([as_tensor(image) for image in images]) for images in ((a, c, e), (b, d, f))]
    function = FUNCTIONS[name](*(convert_channels(images, metric.channels) for images in stacked))
    assert function.tolist() == pytest.approx([alone[0], alone[1], alone[4]], rel=1e-6)


@pytest.mark.parametrize("resize", ["edited", "source"])
def test_resize_scales_one_image_as_pillow_does(resize):
    source, edited = pairs()["jpeg"]
    small = np.array(Image.fromarray(edited).resize((125, 100), Image.Resampling.BOX))
    if resize == "edited":
        expected = source, np.array(Image.fromarray(small).resize((251, 201), Image.Resampling.BICUBIC))
    else:
        expected = np.array(Image.fromarray(source).resize((125, 100), Image.Resampling.BICUBIC)), small
    metric = create_metric("psnr", resize=resize, device="cpu")
    assert float(metric(source, small)) == pytest.approx(peak_signal_noise_ratio(*expected), abs=1e-4)
    as_floats = metric(*((image / 255).astype(np.float32) for image in (source, small)))
    assert float(as_floats) == pytest.approx(peak_signal_noise_ratio(*expected), abs=0.05)  # not rounded to 8 bits


@pytest.mark.parametrize("resize", ["edited", "source"])
@pytest.mark.parametrize("size", [(40, 60), (20, 30)])
def test_resize_scales_a_mask_of_either_size(resize, size):
    source, edited = np.zeros((40, 60, 3), np.uint8), np.zeros((20, 30, 3), np.uint8)
    source[:20], edited[:10] = 200, 150  # the upper half differs
    mask = np.zeros(size, bool)
    mask[size[0] * 5 // 8 :] = True
    assert float(create_metric("mse:region=inside", resize=resize, device="cpu")(source, edited, mask=mask)) == 0


def test_other_sizes_are_refused_with_the_way_out():
    message = "the source is 60 x 40 pixels, the edited image 30 x 20; --resize edited"
    with pytest.raises(SampleError, match=message):
        create_metric("mse", device="cpu")(np.zeros((40, 60, 3), np.uint8), np.zeros((20, 30, 3), np.uint8))


def test_crop_border_cuts_images_and_mask():
    rng = np.random.default_rng(0)
    source, edited = rng.integers(0, 256, (2, 30, 40, 3), dtype=np.uint8)
    cropped = create_metric("psnr:crop_border=7", device="cpu")
    expected = peak_signal_noise_ratio(source[7:-7, 7:-7], edited[7:-7, 7:-7])
    assert float(cropped(source, edited)) == pytest.approx(expected, abs=1e-4)
    mask = np.zeros((30, 40), bool)
    mask[:, :20] = True
    inside = create_metric("psnr:crop_border=7,region=inside", device="cpu")(source, edited, mask=mask)
    expected = peak_signal_noise_ratio(source[7:-7, 7:20], edited[7:-7, 7:20])
    assert float(inside) == pytest.approx(expected, abs=1e-4)
    with pytest.raises(SampleError, match="crop_border=15 leaves nothing of an image of 40 x 30 pixels"):
        create_metric("psnr:crop_border=15", device="cpu")(source, edited)


def test_luma_equals_skimage():
    image = pairs()["jpeg"][0]
    tensor = as_tensor(image)
    assert convert_channels(tensor, "rgb") is tensor
    full = convert_channels(tensor, "y")[0, 0].numpy()
    np.testing.assert_allclose(full, skimage.color.rgb2yiq(image)[..., 0], atol=1e-6)
    rounded = convert_channels(tensor, "y8")[0, 0].numpy() * 255
    np.testing.assert_allclose(rounded, np.floor(255.0 * skimage.color.rgb2yiq(image)[..., 0] + 0.5), atol=1e-4)
    studio = convert_channels(tensor, "y_bt601")[0, 0].numpy() * 255
    np.testing.assert_allclose(studio, skimage.color.rgb2ycbcr(image)[..., 0], atol=1e-4)


@pytest.mark.parametrize("name", CLASSIC)
@pytest.mark.parametrize("level", [0, 200, 255])
def test_identical_flat_images_have_the_best_score(name, level):
    image = np.full((170, 180, 3), level, np.uint8)
    metric = create_metric(name, device="cpu")
    assert float(metric(image, image)) == metric.primary().best


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CLASSIC)
def test_gradients_are_exact(name, masked):
    side = 161 if name == "ms_ssim" else 16
    rng = torch.Generator().manual_seed(0)
    channels = 1 if name == "ms_ssim" else 3
    x = torch.rand(1, channels, side, side, generator=rng, dtype=torch.float64, requires_grad=True)
    y = (x.detach() + 0.1 * torch.randn(x.shape, generator=rng, dtype=torch.float64)).requires_grad_()
    mask = (torch.rand(1, 1, side, side, generator=rng) < 0.7) if masked else None
    options = {"chromatic": True} if name == "fsim" else {}
    assert torch.autograd.gradcheck(lambda a, b: FUNCTIONS[name](a, b, mask, **options), (x, y), fast_mode=True)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CLASSIC)
def test_the_gradient_at_identical_images_is_finite(name, masked):
    x, _ = tensors("noise")
    x = x[..., :176, :176].clone()
    x[..., :90, :90] = 0.5  # a flat part, where gradient magnitudes are 0
    mask = torch.ones(1, 1, 176, 176, dtype=torch.bool) if masked else None
    y = x.clone().requires_grad_()
    options = {"eps": 1e-8} if name == "psnr" else {}
    FUNCTIONS[name](x, y, mask, **options).sum().backward()
    assert y.grad.isfinite().all()


@pytest.mark.parametrize("name", CLASSIC)
def test_shapes_that_do_not_fit_are_refused(name):
    x = torch.zeros(2, 3, 180, 180)
    with pytest.raises(SampleError, match="both must be of one shape"):
        FUNCTIONS[name](x, x[..., :1])
    with pytest.raises(SampleError, match="both must be of one shape"):
        FUNCTIONS[name](x, x[:1])
    with pytest.raises(SampleError, match="the mask has the shape"):
        FUNCTIONS[name](x, x, torch.ones(2, 1, 180, 1, dtype=torch.bool))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", ["mae", "ms_ssim", "mse", "psnr", "ssim"])
def test_strips_add_up_to_the_image(name, masked, monkeypatch):
    x, y = tensors("jpeg")
    mask = (torch.rand(1, 1, *x.shape[2:], generator=torch.Generator().manual_seed(0)) < 0.7) if masked else None
    at_once = FUNCTIONS[name](x, y, mask).item()
    monkeypatch.setattr(pixels, "STRIP_PIXELS", 1)  # the least there are: 64 rows or a little more
    assert FUNCTIONS[name](x, y, mask).item() == pytest.approx(at_once, rel=1e-5)


def test_a_large_image_equals_skimage():
    small = pairs()["shift"]
    source, edited = (np.array(Image.fromarray(image).resize((1100, 901), Image.Resampling.BICUBIC)) for image in small)
    assert float(create_metric("psnr", device="cpu")(source, edited)) == pytest.approx(
        peak_signal_noise_ratio(source, edited), abs=1e-4
    )
    luma = [skimage.color.rgb2yiq(image)[..., 0] for image in (source, edited)]
    expected = structural_similarity(
        *luma, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert float(create_metric("ssim", device="cpu")(source, edited)) == pytest.approx(expected, abs=5e-6)


class Histogram(FullReference):
    """The distance of two histograms of levels; what subclasses do wrong, they do over a batch.

    >>> Histogram()(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8))
    Score(histogram=0)
    """

    name, version = "histogram", 1
    dimensions = (Dimension("histogram", low=0, high=2, higher_is_better=False, primary=True),)
    paper, licence = "A definition.", "Apache-2.0"

    def compare(self, source, edited, mask):
        weights = torch.ones_like(source[:, :1]) if mask is None else mask.to(source.dtype)
        counts = [
            torch.stack([((8 * x).floor().clamp(max=7) == level) * weights for level in range(8)], 1).sum((2, 3, 4))
            for x in (source, edited)
        ]
        return (counts[0] - counts[1]).abs().sum(1) / (weights.sum((1, 2, 3)) * source.shape[1])


class AveragesOverTheBatch(Histogram):
    def compare(self, source, edited, mask):
        return super().compare(source, edited, mask).mean().expand(len(source))


class ScalesByTheBatch(Histogram):
    def compare(self, source, edited, mask):
        return super().compare(source, edited, mask) * edited.mean()


class TurnsTheBatchRound(Histogram):
    def compare(self, source, edited, mask):
        return super().compare(source, edited, mask).flip(0)


class TakesTheFirstMask(Histogram):
    def compare(self, source, edited, mask):
        return super().compare(source, edited, None if mask is None else mask[:1].expand_as(mask))


class DropsAPair(Histogram):
    def compare(self, source, edited, mask):
        return super().compare(source, edited, mask)[: max(1, len(source) - 1)]


def test_the_kit_passes_a_compare_that_takes_each_pair_by_itself():
    assert [*batch_invariance(Subject(Histogram))] == []


@pytest.mark.parametrize(
    "broken", [AveragesOverTheBatch, ScalesByTheBatch, TurnsTheBatchRound, TakesTheFirstMask, DropsAPair]
)
def test_the_kit_sees_on_a_cpu_what_a_compare_does_with_a_batch(broken):
    problems = [*batch_invariance(Subject(broken))]
    assert problems
    assert all("in one batch as on a GPU" in problem for problem in problems)
    metric = Subject(broken).metric
    assert metric.cut_on_cpu  # set back


def test_a_metric_looks_at_the_fields_that_its_options_ask_for():
    fields = {
        "psnr": {"source", "edited"},
        "psnr:against=reference": {"reference", "edited"},
        "ssim:region=outside": {"source", "edited", "mask"},
        "gmsd:region=inside,against=reference": {"reference", "edited", "mask"},
        "lpips": {"source", "edited"},
        "structure_distance:variant=pie-bench,region=outside": {"source", "edited", "mask"},
    }
    for spec, expected in fields.items():
        metric = create_metric(spec)
        assert metric.fields() == expected, spec
        assert metric.uses == {"source", "reference", "mask"}  # what its options may ask for


def test_fields_that_a_subclass_adds_are_looked_at():
    class WithPrompt(Histogram):
        uses = Histogram.uses | {"prompt"}

    assert WithPrompt().fields() == {"source", "edited", "prompt"}
