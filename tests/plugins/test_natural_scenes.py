"""NIQE, BRISQUE and PIQE against other libraries, their algorithms written out, and closed forms."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file
from scipy.signal import convolve2d
from scipy.stats import gennorm

from editmetrics import Sample, SampleError, create_metric, weights
from editmetrics.bases.no_reference import ParametersError
from editmetrics.plugins.brisque import brisque_features
from editmetrics.plugins.conformance.natural_scenes import random_regression
from editmetrics.plugins.matlab import halved, resized, to_gray
from editmetrics.plugins.natural_scenes.statistics import (
    asymmetric_gaussian,
    blocks,
    neighbour_products,
    normalised_luminance,
)
from editmetrics.plugins.niqe import niqe_features
from editmetrics.testing import offline_weights
from tests.plugins.photographs import pairs

EXAMPLES = Path("docs/examples/edited")

ELSEWHERE = {
    "niqe": {"cat": 2.582577, "gravel": 4.422119},  # pyiqa 0.1.16, with the authors' parameters
    "niqe:convention=basicsr": {"cat": 2.641061, "gravel": 4.327226},  # BasicSR 1.4.2
    "brisque": {"cat": 5.31973, "gravel": 21.81050, "astronaut": 2.81467},  # pyiqa, with the authors' parameters
    "brisque:convention=opencv": {"gravel": 24.15520, "brick": 76.87590, "cat": 0.0},  # OpenCV 5.0.0
    "piqe": {"cat": 24.91601, "coins": 59.29487, "brick": 100.0},  # pypiqe 1.2
}
"""What other libraries give for the example edits, where these have few pixels that rounding noise decides on."""


@pytest.fixture
def made():
    """Use parameters that the kit makes in place of the published ones."""
    with offline_weights(["niqe-live", "brisque-live", "brisque-opencv"]):
        yield


@pytest.mark.parametrize("spec", ELSEWHERE)
def test_equal_other_libraries(spec):
    metric = create_metric(spec)
    if absent := [name for name in metric.checkpoints() if weights.find(name) is None]:
        pytest.skip(f"the published parameters {absent[0]} are not on this machine")
    for name, value in ELSEWHERE[spec].items():
        # pyiqa and OpenCV compute BRISQUE in float32, and do not round features as the authors' text files do
        tolerance = 2e-3 if "brisque" in spec else 2e-4 if spec == "piqe" else 5e-6
        assert float(metric(EXAMPLES / f"{name}.jpg")) == pytest.approx(value, abs=tolerance)


def photograph():
    """252 x 200 pixels, grey levels with noise: no window of it is flat."""
    return to_gray(pairs()["noise"][1].astype(float))


def authors_shape(ratio):
    tried = np.arange(0.2, 10.0005, 0.001)
    moments = [math.gamma(2 / shape) ** 2 / (math.gamma(1 / shape) * math.gamma(3 / shape)) for shape in tried]
    return tried[np.argmin((np.array(moments) - ratio) ** 2)]


def authors_block(block):
    """The 18 features of a block, as in Mittal's `computefeature`."""

    def fitted(values):
        left, right = (math.sqrt((values[side] ** 2).mean()) for side in (values < 0, values > 0))
        ratio = left / right
        moments = np.abs(values).mean() ** 2 / (values**2).mean()
        shape = authors_shape(moments * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2)
        scale = math.sqrt(math.gamma(1 / shape) / math.gamma(3 / shape))
        return shape, left * scale, right * scale

    shape, left, right = fitted(block)
    features = [shape, (left + right) / 2]
    for rows, columns in ((0, 1), (1, 0), (1, 1), (1, -1)):
        shape, left, right = fitted(block * np.roll(np.roll(block, rows, 0), columns, 1))
        features += [shape, (right - left) * math.gamma(2 / shape) / math.gamma(1 / shape), left, right]
    return features


def test_niqe_features_are_the_authors():
    gray = photograph()[:96, :192]
    window = np.exp(-(np.add.outer(np.arange(-3, 4) ** 2, np.arange(-3, 4) ** 2)) / (2 * (7 / 6) ** 2))
    window /= window.sum()

    def filtered(image):
        return convolve2d(np.pad(image, 3, mode="edge"), window, mode="valid")

    mean = filtered(gray)
    deviation = np.sqrt(np.abs(filtered(gray**2) - mean**2))
    coefficients = (gray - mean) / (deviation + 1)
    features, sharpness = niqe_features(gray)
    np.testing.assert_allclose(features[1, :18], authors_block(coefficients[:, 96:]), atol=1e-9)
    np.testing.assert_allclose(sharpness, [deviation[:, :96].mean(), deviation[:, 96:].mean()], rtol=1e-12)
    # the second scale is the first of the halved image, in blocks of half the size
    assert features[0, 18] == pytest.approx(authors_block(normalised_luminance(halved(gray))[0][:, :48])[0], abs=1e-9)


def test_brisque_features_are_those_of_piq():
    theirs = importlib.import_module("piq.brisque")
    gray = photograph()
    expected = theirs._natural_scene_statistics(torch.from_numpy(gray)[None, None])[0].numpy()
    np.testing.assert_allclose(brisque_features(gray)[:18], expected, rtol=1e-6)
    smaller = theirs._natural_scene_statistics(torch.from_numpy(halved(gray))[None, None])[0].numpy()
    np.testing.assert_allclose(brisque_features(gray)[18:], smaller, rtol=1e-6)


def test_brisque_hands_features_on_as_text(made):
    """The authors' script prints features by %f for svm-scale, which prints them by %g for svm-predict."""
    image, model = pairs()["noise"][1], create_and_load("brisque")
    printed = [float(f"{value:f}") for value in brisque_features(to_gray(image.astype(float)))]
    ranges = zip(printed, model["low"], model["high"], strict=True)
    scaled = np.array([float(f"{-1 + 2 * (value - low) / (high - low):g}") for value, low, high in ranges])
    kernel = np.exp(-0.05 * ((model["vectors"] - scaled) ** 2).sum(1))
    expected = (model["coefficients"] * kernel).sum() + 50  # the gamma and rho that the kit writes
    assert float(create_metric("brisque")(image)) == pytest.approx(expected, abs=1e-9)


def piqe_in_loops(gray):
    """PIQE block by block, of an image whose sides are multiples of 16."""
    coefficients, _ = normalised_luminance(np.floor(gray * 255 / gray.max() + 0.5))
    total = active = 0
    for block in blocks(coefficients, 16):
        variance = np.var(block, ddof=1)
        if variance <= 0.1:
            continue
        active += 1
        edges = (block[0], block[15], block[:, 0], block[:, 15])
        impaired = any(np.std(edge[start : start + 6], ddof=1) < 0.1 for edge in edges for start in range(11))
        surround = [column for column in range(16) if column not in (7, 9)]  # as MATLAB's deletes them, one by one
        ratio = np.std(block[:, 7:9], ddof=1) / np.std(block[:, surround], ddof=1)
        sigma = math.sqrt(variance)
        noisy = sigma > 2 * abs(sigma - ratio) / max(sigma, ratio)
        total += impaired * (1 - variance) + noisy * variance
    return 100 * (total + 1) / (active + 1)


@pytest.mark.parametrize("edit", ["noise", "blur", "jpeg"])
def test_piqe_is_the_sum_over_blocks(edit):
    image = pairs()[edit][1][:192, :240]
    assert float(create_metric("piqe")(image)) == pytest.approx(piqe_in_loops(to_gray(image.astype(float))), abs=1e-9)


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0])
def test_shapes_of_known_distributions(shape):
    drawn = gennorm.rvs(shape, size=200_000, random_state=0)
    fitted, left, right = asymmetric_gaussian(drawn)
    assert fitted == pytest.approx(shape, rel=0.02)  # the standard error is about 0.5 %
    assert left == pytest.approx(gennorm.std(shape), rel=0.02)
    assert right == pytest.approx(gennorm.std(shape), rel=0.02)


def test_imresize_is_pillows_inside_and_interpolate_is_opencvs():
    image = np.random.default_rng(0).uniform(0, 255, (40, 52))
    pillow = np.array(Image.fromarray(image.astype(np.float32)).resize((26, 20), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(halved(image)[4:-4, 4:-4], pillow[4:-4, 4:-4], atol=1e-3)  # Pillow cuts at the border
    cubic = torch.nn.functional.interpolate(torch.from_numpy(image[:39])[None, None], (19, 26), mode="bicubic")
    ours = resized(image[:39], (19, 26), antialias=False, sharpness=-0.75, border="replicate")
    np.testing.assert_allclose(ours, cubic[0, 0].numpy(), atol=1e-10)


def test_imresize_mirrors_at_the_border_and_rounds_odd_sides_up():
    image = np.random.default_rng(1).uniform(0, 255, (11, 8))
    beyond = halved(np.pad(image, 8, mode="symmetric"))
    np.testing.assert_allclose(halved(image), beyond[4:10, 4:8], atol=1e-10)


def test_rounding_noise_counts_as_zero():
    ramp = np.add.outer(np.arange(40.0) * 3, np.arange(50.0)) + 17
    assert (normalised_luminance(ramp)[0][3:-3, 3:-3] == 0).all()  # each pixel is the mean of its window
    assert (normalised_luminance(np.full((9, 9), 201.0))[0] == 0).all()


def test_neighbours():
    numbers = np.arange(6.0).reshape(2, 3)
    assert neighbour_products(numbers, (1, -1)).tolist() == [[0 * 4, 1 * 5, 2 * 3], [3 * 1, 4 * 2, 5 * 0]]
    assert neighbour_products(numbers, (1, -1), "zeros").tolist() == [[0, 0, 0], [3 * 1, 4 * 2, 0]]


def test_conventions_of_grey():
    colours = np.random.default_rng(0).integers(0, 256, (50, 50, 3)).astype(float)
    gray = to_gray(colours)
    assert (gray == np.floor(gray)).all()
    luma = colours @ [0.299, 0.587, 0.114]
    assert np.abs(gray - luma).max() <= 0.52
    np.testing.assert_allclose(to_gray(colours, "rgb2ycbcr"), 16 + luma * 219 / 255, atol=0.52)
    assert np.abs(to_gray(colours, "opencv") - luma).max() <= 0.51


@pytest.mark.parametrize("name", ["niqe", "brisque", "piqe"])
def test_images_without_texture(name, made):
    metric = create_metric(name)
    black, white = (np.full((192, 192, 3), level, np.uint8) for level in (0, 255))
    scores = metric.score([Sample("black", edited=black), Sample("white", edited=white)])
    if name == "piqe":
        assert not scores[0].ok
        assert "black" in scores[0].reason
        assert float(scores[1]) == 100  # no block is active
    else:
        assert [score.status for score in scores] == ["failed", "failed"]
        assert "flat" in scores[0].reason


def test_small_images_and_borders(made):
    image = pairs()["noise"][1]
    with pytest.raises(SampleError, match="two blocks of 96 x 96 pixels; this image is 190 x 190"):
        create_metric("niqe")(image[:190, :190])
    with pytest.raises(SampleError, match="at least 96 x 96 pixels once 4 are cut off each side; this"):
        create_metric("niqe:crop_border=4")(image[:100])
    with pytest.raises(SampleError, match="at least 16 x 16"):
        create_metric("brisque")(image[:15])
    cut = float(create_metric("brisque:crop_border=3")(image))
    assert cut == float(create_metric("brisque")(image[3:-3, 3:-3]))


def test_sixteen_bits_are_rounded_to_eight():
    image = pairs()["noise"][1]
    exact = torch.from_numpy(image).permute(2, 0, 1) / 255
    between = Sample("between", edited=(exact + 0.4 / 255).clamp(0, 1))
    levels = create_metric("brisque").prepare(between)["edited"]
    assert levels.dtype == np.float64
    assert (levels == image).all()


def test_parameters_of_ones_own(tmp_path, made):
    shifted = {**create_and_load("niqe")}
    shifted["mean"] = shifted["mean"] + 1
    save_file(shifted, tmp_path / "own.safetensors")
    own = create_metric("niqe", parameters=str(tmp_path / "own.safetensors"))
    image = pairs()["noise"][1]
    assert float(own(image)) != float(create_metric("niqe")(image))
    assert own.checkpoints() == ()
    before = own.identity()["parameters"]
    save_file(create_and_load("niqe"), tmp_path / "own.safetensors")
    assert own.identity()["parameters"] != before
    assert float(create_metric("niqe", parameters=own.parameters)(image)) == float(create_metric("niqe")(image))


def create_and_load(spec):
    metric = create_metric(spec)
    metric.load()
    return metric.arrays


def test_files_that_hold_other_parameters(tmp_path, made):
    with pytest.raises(ParametersError, match="does not exist"):
        create_metric("niqe", parameters=str(tmp_path / "missing.safetensors")).load()
    save_file({"mean": np.zeros(36)}, tmp_path / "half.safetensors")
    for name in ("niqe", "brisque"):
        with pytest.raises(ParametersError, match="expected"):
            create_metric(name, parameters=str(tmp_path / "half.safetensors")).load()
    (tmp_path / "text.safetensors").write_text("mean = 0")
    with pytest.raises(ParametersError, match="cannot be read"):
        create_metric("niqe", parameters=str(tmp_path / "text.safetensors")).load()
    nan = {**create_and_load("niqe"), "mean": np.full(36, np.nan)}
    save_file(nan, tmp_path / "nan.safetensors")
    with pytest.raises(ParametersError, match="mean holds NaN"):
        create_metric("niqe", parameters=str(tmp_path / "nan.safetensors")).load()


def test_published_formats_are_read():
    """The kit writes one regression in LIBSVM's text and in OpenCV's YAML, and it is read back from both."""
    expected = random_regression()
    with offline_weights(["niqe-live", "brisque-live", "brisque-opencv"]):
        for spec in ("brisque", "brisque:convention=opencv"):
            arrays = create_and_load(spec)
            assert arrays.keys() == expected.keys()
            for name, array in expected.items():
                np.testing.assert_allclose(arrays[name], array, rtol=1e-7)
        assert create_and_load("niqe")["covariance"].shape == (36, 36)


def test_damaged_published_files_are_named(tmp_path):
    for name, files in {"niqe-live": ["modelparameters.mat"], "brisque-live": ["allmodel", "allrange"]}.items():
        for file in files:
            (tmp_path / file).write_text("damaged")
        with weights.substitute(name, tmp_path), pytest.raises(ParametersError, match=files[0]):
            create_metric(weights.checkpoint(name).metric).load()
