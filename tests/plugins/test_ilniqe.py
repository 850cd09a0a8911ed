"""IL-NIQE against pyiqa, with a random model of photographs; its parts against scipy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from scipy.signal import convolve2d
from scipy.stats import weibull_min

from editmetrics import Sample, SampleError, create_metric, weights
from editmetrics.bases.no_reference import ParametersError
from editmetrics.plugins.conformance.ilniqe import write_template
from editmetrics.plugins.matlab import resized, resized_in_eight_bits
from editmetrics.plugins.natural_scenes import rich_features as module
from editmetrics.plugins.natural_scenes.rich_features import log_gabor_filters, rich_features
from editmetrics.plugins.natural_scenes.weibull import fit_weibull

ELSEWHERE = {"gravel": 17.5555945, "stars": 3.9444947}
"""pyiqa 0.1.16's `ilniqe` of the first 252 x 252 pixels, not resized, with the model that the kit's stand-in writes."""


@pytest.fixture
def model(tmp_path):
    """Use the kit's model in place of the authors', and return the folder that holds it."""
    write_template(tmp_path)
    with weights.substitute("ilniqe-template", tmp_path):
        yield tmp_path


def example(name):
    return np.array(Image.open(f"docs/examples/edited/{name}.jpg"))[:252, :252]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_equals_pyiqa(name, model):
    metric = create_metric("ilniqe", resize="none")
    # its square root has 1e-8 added, where ours has the authors' eps outside
    assert float(metric(example(name))) == pytest.approx(ELSEWHERE[name], rel=1e-6)


def test_weibull_is_scipys_likeliest():
    samples = np.random.default_rng(0).weibull([[0.7], [1.0], [2.5]], (3, 400)) * [[0.2], [5.0], [40.0]]
    ours = fit_weibull(samples)
    for sample, (scale, shape) in zip(samples, ours, strict=True):
        expected_shape, _, expected_scale = weibull_min.fit(sample, floc=0)
        assert (scale, shape) == pytest.approx((expected_scale, expected_shape), rel=1e-3)  # scipy's search stops there
        likelihood = weibull_min.logpdf(sample, shape, scale=scale).sum()
        assert likelihood >= weibull_min.logpdf(sample, expected_shape, scale=expected_scale).sum()
    assert np.isnan(fit_weibull(np.ones((1, 9)))).all()


def test_derivatives_are_convolutions_with_zeros_beyond():
    image = np.random.default_rng(0).uniform(0, 255, (30, 25))
    deviation = module.DERIVATIVE / 2**module.DERIVATIVE_FACTOR
    half = math.ceil(3 * deviation)
    x, y = np.meshgrid(np.arange(-half, half + 1), np.arange(-half, half + 1))
    kernel = x * np.exp(-(x**2 + y**2) / (2 * deviation**2))
    horizontal, vertical = module._derivatives(image, deviation)
    np.testing.assert_allclose(-horizontal, convolve2d(image, kernel, mode="same"), atol=1e-9)
    np.testing.assert_allclose(-vertical, convolve2d(image, kernel.T, mode="same"), atol=1e-9)


def test_a_filter_passes_its_own_wave():
    """The gain at the middle frequency is 1 along the filter's orientation, and less half an orientation away."""
    filters = log_gabor_filters(64, 64, 4.0)
    wave = 64 // 4
    assert filters[0][0, wave] == pytest.approx(1)  # orientation 0: along the rows
    assert filters[2][-wave, 0] == pytest.approx(1)  # a quarter turn: along the columns, upwards
    spread = math.pi / 4 / module.ANGULAR
    assert filters[0][-wave, 0] == pytest.approx(math.exp(-((math.pi / 2) ** 2) / (2 * spread**2)))
    octave = filters[0][0, 2 * wave - 1] / math.exp(-(math.log(31 / 16) ** 2) / (2 * math.log(0.55) ** 2))
    assert octave == pytest.approx(1)
    assert len(filters) == 12


def test_the_order_of_the_features():
    """A grey image has multiples of one plane in its three opponent colours: shapes agree, and scales are in ratio."""
    image = np.repeat(np.random.default_rng(3).integers(0, 256, (84, 168, 1)), 3, 2).astype(float)
    features, sharpness = rich_features(image)
    gray = np.array(module.OPPONENT).sum(1)  # -0.01, -0.09, 0.96
    scale, shape = features[:, 18:24:2], features[:, 19:24:2]
    np.testing.assert_allclose(shape, shape[:, :1].repeat(3, 1), rtol=1e-6)
    np.testing.assert_allclose(scale / scale[:, 2:], np.abs(gray / gray[2])[None].repeat(2, 0), rtol=1e-6)
    means = features[:, 24:30:2]
    np.testing.assert_allclose(means[:, 1:], 0, atol=1e-12)  # grey has no chroma
    assert means[:, 0].sum() == pytest.approx(0, abs=1e-12)
    intensity = math.sqrt(3) * np.log(image[:, :84, 0] + 1e-5)
    assert features[0, 25] == pytest.approx(intensity.var(ddof=1), rel=1e-12)
    slopes = features[:, 30:42:2].reshape(2, 3, 2)  # shapes of the derivatives, horizontal and vertical
    np.testing.assert_allclose(slopes, slopes[:, :1].repeat(3, 1), atol=1e-9)
    assert (sharpness > 20).all()


def test_eight_bits_are_rounded_after_each_direction():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(float)
    wide = resized(image, (20, 33))  # grows by 1.1; the height, by 1.65, comes second
    rounded = np.floor(wide + 0.5).clip(0, 255)
    expected = np.floor(resized(rounded, (33, 33)) + 0.5).clip(0, 255)
    assert (resized_in_eight_bits(image, (33, 33)) == expected).all()
    prepared = create_metric("ilniqe").prepare(Sample("a", edited=image.repeat(2, 0).repeat(2, 1).astype(np.uint8)))
    assert prepared["edited"].shape == (524, 524, 3)


def test_what_cannot_be_scored(model):
    metric = create_metric("ilniqe", resize="none")
    with pytest.raises(SampleError, match="two blocks of 84 x 84 pixels; this image is 167 x 100"):
        metric(np.zeros((100, 167, 3), np.uint8))
    with pytest.raises(SampleError, match="not flat"):
        metric(np.full((84, 168, 3), 9, np.uint8))
    for write in (
        lambda file: savemat(file, {"model": np.zeros(3)}),
        lambda file: file.write_text("no file of MATLAB"),
    ):
        write(model / "templateModel.mat")
        with pytest.raises(ParametersError, match=r"templateModel\.mat: expected parameters as their authors"):
            create_metric("ilniqe").load()
