"""Statistics of sets of images against closed forms, scipy, plain loops and the numbers of other packages."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from editmetrics import create_metric
from editmetrics.plugins.fd_dinov2 import scaled_positions
from editmetrics.plugins.frechet import frechet_distance, frechet_estimate
from editmetrics.plugins.inception import resized
from editmetrics.plugins.inception_network import inception
from editmetrics.plugins.inception_score import inception_scores
from editmetrics.plugins.kernel_distance import cubic, discrepancy, gaussian
from editmetrics.plugins.precision_recall import PrecisionRecall, covered


def points(count, size, seed=0, shift=0.0, scale=1.0):
    return (np.random.default_rng(seed).normal(size=(count, size)) * scale + shift).astype(np.float32)


def exactly(mean, deviations, count=400, seed=0):
    """Points whose sample mean and covariance are just these (a diagonal one)."""
    raw = np.random.default_rng(seed).normal(size=(count, len(mean)))
    raw -= raw.mean(0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T))).T
    return white * np.array(deviations) + np.array(mean)


def test_fid_of_gaussians_is_the_closed_form():
    first, second = exactly([0, 0, 0], [1, 2, 3]), exactly([1, -2, 0.5], [2, 2, 1], seed=1)
    expected = (1 + 4 + 0.25) + (1 + 0 + 4)  # squares of the means' and of the deviations' differences
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("count", "others"), [(300, 200), (300, 20), (20, 300), (20, 30)])
def test_fid_is_that_of_scipys_matrix_root_also_below_full_rank(count, others):
    first, second = points(count, 40), points(others, 40, 1, shift=0.3, scale=1.5)
    covariances = [np.cov(features.astype(float).T) for features in (first, second)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    means = first.mean(0, dtype=float) - second.mean(0, dtype=float)
    expected = means @ means + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=2e-6)


def test_a_set_has_no_distance_to_itself():
    assert frechet_distance(points(60, 30), points(60, 30)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("statistic", ["fid", "kid"])
def test_the_interval_has_the_spread_of_other_sets(statistic):
    reference = points(300, 3, 1000)

    def estimate(seed):
        features = points(80, 3, seed, shift=0.5)
        if statistic == "fid":
            return frechet_estimate("fid", features, reference)
        return discrepancy("kid", cubic, (features, reference))

    estimates = [estimate(seed) for seed in range(100)]
    values = [one.values[statistic] for one in estimates]
    errors = [one.deviation[statistic] for one in estimates]
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)  # a deviation of 100 is known to 7 %
    inside = [low <= np.mean(values) <= high for one in estimates for low, high in one.interval.values()]
    assert 0.85 <= np.mean(inside) <= 1


def test_fid_of_few_images_says_how_biased_it_is():
    few = frechet_estimate("fid", points(60, 20, 2), points(4000, 20))
    (note,) = few.notes
    assert "60" in note
    bias = float(note.partition("about ")[2].partition(";")[0])
    assert bias == pytest.approx(few.values["fid"], rel=0.5)  # both are samples of one distribution: all of it is bias
    assert not frechet_estimate("fid", points(4000, 20, 2, shift=3), points(4000, 20)).notes


def plain_discrepancy(kernel, first, second, unbiased):
    inside = [np.mean([kernel(a, b) for i, a in enumerate(one) for j, b in enumerate(one) if i != j or not unbiased])
              for one in (first, second)]  # fmt: skip
    return sum(inside) - 2 * np.mean([kernel(a, b) for a in first for b in second])


def test_kid_is_a_plain_loop_over_pairs_of_different_images():
    first, second = points(12, 5), points(9, 5, 1, shift=0.4)
    expected = plain_discrepancy(lambda a, b: (a @ b / 5 + 1) ** 3, first.astype(float), second.astype(float), True)
    assert discrepancy("kid", cubic, (first, second)).values["kid"] == pytest.approx(expected, rel=1e-9)


def test_kid_of_one_distribution_is_zero_in_the_mean_whatever_the_sizes():
    values = [discrepancy("kid", cubic, (points(n, 4, n), points(15, 4, 900 + n))).values["kid"] for n in range(10, 90)]
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(len(values))


def test_blocks_change_nothing(monkeypatch):
    from editmetrics.plugins import kernel_distance

    sets = points(50, 6), points(40, 6, 1)
    whole = [discrepancy("d", cubic, sets), discrepancy("d", gaussian, sets, unbiased=False)]
    monkeypatch.setattr(kernel_distance, "BLOCK", 7)
    parts = [discrepancy("d", cubic, sets), discrepancy("d", gaussian, sets, unbiased=False)]
    for one, other in zip(whole, parts, strict=True):
        assert other.values == pytest.approx(one.values)
        assert other.deviation == pytest.approx(one.deviation)


def test_cmmd_is_a_plain_loop_over_all_pairs():
    first, second = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (points(11, 5), points(8, 5, 1)))

    def kernel(a, b):
        return math.exp(-((a - b) ** 2).sum() / 200)

    expected = 1000 * plain_discrepancy(kernel, first.astype(float), second.astype(float), False)
    found = discrepancy("cmmd", gaussian, (first, second), unbiased=False, scale=1000)
    assert found.values["cmmd"] == pytest.approx(expected, rel=1e-9)


def test_inception_score_of_sure_classes_is_their_number():
    sure = np.where(np.eye(5, dtype=bool), 60.0, 0.0)
    assert inception_scores(np.repeat(sure, 10, 0), 10) == pytest.approx(np.full(10, 5), rel=1e-9)
    assert inception_scores(np.zeros((20, 5)), 4) == pytest.approx(np.ones(4))
    logits = points(30, 7).astype(float)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    divergence = (p * np.log(p / p.mean(0))).sum(1)
    assert inception_scores(logits, 1)[0] == pytest.approx(np.exp(divergence.mean()))


def test_precision_and_recall_are_plain_loops():
    first, second = points(30, 5), points(25, 5, 1, shift=0.9)

    def plainly(these, centres, k):
        radii = [sorted(np.linalg.norm(centres - centre, axis=1))[k] for centre in centres]
        return [any(np.linalg.norm(one - c) <= r for c, r in zip(centres, radii, strict=True)) for one in these]

    metric = PrecisionRecall()
    estimate = metric.reduce(first, second)
    assert estimate.values["precision"] == np.mean(plainly(first, second, 3))
    assert estimate.values["recall"] == np.mean(plainly(second, first, 3))
    assert 0 < estimate.values["precision"] < 1
    assert all(low < estimate.values[name] < high for name, (low, high) in estimate.interval.items())
    assert covered(first, second, 5).sum() > covered(first, second, 1).sum()


def test_inception_gives_the_features_of_pytorch_fid_and_torch_fidelity():
    """Features that pytorch-fid 0.3.0 (2) and torch-fidelity 0.4.0 (3) gave with these weights on this image."""
    network = inception().eval()
    network.load_state_dict({name: wave(name, tensor) for name, tensor in network.state_dict().items()})
    y, x, c = np.mgrid[:70, :90, :3]
    image = ((y * 7 + x * 3 + c * 50 + (y * x) // 9) % 256).astype(np.uint8)
    image[20:40, 30:60] = 200
    with torch.inference_mode():
        theirs, tensorflow = network(
            torch.stack([resized(image, "legacy_pytorch"), resized(image, "legacy_tensorflow")])
        )
    at = [0, 500, 1000]
    assert theirs[at].tolist() == pytest.approx([3.754199743, 0.116661951, 0.022123303], rel=1e-5)
    assert float(theirs.mean()) == pytest.approx(0.347132653, rel=1e-5)
    assert tensorflow[at].tolist() == pytest.approx([3.754205227, 0.116661705, 0.0221234], rel=1e-5)


def wave(name, tensor):
    """Weights that need no random generator, at which features neither fade nor explode."""
    if tensor.dtype != torch.float32:
        return tensor
    steps = torch.arange(tensor.numel(), dtype=torch.float64)
    values = torch.sin(steps * 12.9898 + len(name) * 3.7).float().reshape(tensor.shape)
    if name.endswith("running_var"):
        return values.abs() * 0.5 + 0.75
    if name.endswith("bn.weight"):
        return 1 + 0.2 * values
    return 0.1 * values if tensor.ndim == 1 else values * math.sqrt(4 / tensor[0].numel())


@pytest.mark.parametrize(("width", "mode"), [(60, "legacy_pytorch"), (60, "legacy_tensorflow"), (500, "clean")])
def test_a_ramp_is_resized_as_each_convention_says(width, mode):
    ramp = np.broadcast_to((np.arange(width) / 2).astype(np.float32)[None, :, None] / 255, (20, width, 3)).copy()
    at = np.arange(299) * width / 299
    if mode != "legacy_tensorflow":
        at = (np.arange(299) + 0.5) * width / 299 - 0.5
    expected = at.clip(0, width - 1) / 2
    row = resized(ramp, mode)[1, 150].numpy()
    pixels = (row + 1) * 127.5 if mode == "legacy_pytorch" else row * 128 + 128
    inner = slice(3, -3) if mode == "clean" else slice(None)  # a wide filter sees the border
    assert np.abs(pixels - expected)[inner].max() < 0.02  # Pillow keeps 22 bits of its weights


@pytest.mark.parametrize("name", ["fid", "fid:mode=legacy_pytorch", "kid", "cmmd", "fd_dinov2", "precision_recall"])
def test_one_grey_is_one_grey_whatever_the_shape_of_the_image(name):
    metric = create_metric(name, device="cpu")
    square, *strips = (
        metric.see(np.full((*size, 3), 90, np.uint8)) for size in ((9, 9), (1, 1), (1, 20_000), (20_000, 1))
    )
    for strip in strips:
        torch.testing.assert_close(strip, square, rtol=0, atol=1e-5)


def test_positions_at_the_trained_size_are_as_they_are_and_a_ramp_stays_one():
    grid = torch.arange(37.0).expand(37, 37).reshape(1, 37 * 37, 1)
    positions = torch.cat([torch.full((1, 1, 1), -5.0), grid], 1)
    assert scaled_positions(positions, 37) is positions
    scaled = scaled_positions(positions, 16)
    assert scaled[0, 0, 0] == -5
    inner = scaled[0, 1:, 0].reshape(16, 16)[8, 2:-2]
    at = (torch.arange(2, 14) + 0.5) * 37 / 16.1 - 0.5  # by 16.1 / 37, and not by 16 / 37
    assert inner.tolist() == pytest.approx(
        at.tolist(), abs=0.06
    )  # half of what 16 / 37 is off; torch's bicubic bends ramps
