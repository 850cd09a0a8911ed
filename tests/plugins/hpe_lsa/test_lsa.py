"""Equations 2 to 4 against closed forms and a second pass; what layer-sensitivity analysis chooses and refuses."""

import csv
import itertools

import numpy as np
import pytest
import torch

from editmetrics.plugins.hpe_lsa.analysis import draw
from editmetrics.plugins.hpe_lsa.criterion import ChanceDivergence, Criterion, LSAError, Sensitivity
from editmetrics.plugins.hpe_lsa.lsa import LayerStatistics
from editmetrics.plugins.hpe_lsa.resampling import KeptStates, resampled_numbers


def profile_of(real, edited, **more):
    """Of states (images, layers, size)."""
    statistics = LayerStatistics(*np.shape(real)[1:], Criterion(**{"resamples": 0, **more}))
    statistics.add(real, edited=False)
    statistics.add(edited, edited=True)
    return statistics.profile()


def column(values):
    """One layer of one dimension."""
    return np.asarray(values, float)[:, None, None]


def test_of_discrete_activations_divergence_and_entropy_are_exact():
    p, q = np.array([8, 4, 2, 1, 1]) / 16, np.array([1, 1, 2, 4, 8]) / 16
    real, edited = (np.repeat(np.arange(5), (16 * of).astype(int)) for of in (p, q))
    found = profile_of(column(real), column(edited), smoothing=1e-12, divergence="paper")
    both = (p + q) / 2
    assert found.kl[0] == pytest.approx((p * np.log(p / q)).sum(), abs=1e-9)
    assert found.entropy[0] == pytest.approx(-(both * np.log(both)).sum(), abs=1e-9)


def test_smoothing_is_added_to_each_bins_probability():
    """Two bins of which edited images fill one: P = (1/2, 1/2), Q = (1, 0), each plus s and normalised."""
    smoothing = 0.01
    found = profile_of(column([0, 1]), column([0, 0]), bins=2, smoothing=smoothing, divergence="paper")
    q = np.array([1 + smoothing, smoothing]) / (1 + 2 * smoothing)
    assert found.kl[0] == pytest.approx((0.5 * np.log(0.5 / q)).sum())


@pytest.fixture(scope="module")
def gaussians():
    random = np.random.default_rng(3)
    return random.normal(0.0, 1.0, 200_000), random.normal(0.7, 1.5, 200_000)


def closed_form(p, q):
    return float(torch.distributions.kl_divergence(torch.distributions.Normal(*p), torch.distributions.Normal(*q)))


@pytest.mark.parametrize("divergence", ["gaussian", "debiased", "paper"])
def test_of_gaussians_divergence_is_the_closed_form(gaussians, divergence):
    real, edited = gaussians
    found = profile_of(column(real), column(edited), divergence=divergence, bins=256)
    # 200,000 draws estimate it to half a percent; bins of a tenth of a deviation lose one percent
    assert found.kl[0] == pytest.approx(closed_form((0.0, 1.0), (0.7, 1.5)), rel=0.02)


def test_of_gaussians_separability_and_entropy_are_the_closed_forms(gaussians):
    real, edited = gaussians
    found = profile_of(column(real), column(edited), bins=256)
    assert found.ldr[0] == pytest.approx(0.7**2 / (1.0 + 1.5**2), rel=0.02)
    # both classes the same: the entropy of one Gaussian, less the logarithm of the bins' width
    same = profile_of(column(real), column(real), entropy_bins=256)
    width, differential = np.ptp(real) / 256, 0.5 * np.log(2 * np.pi * np.e)
    # bins of four to eight fine ones are not quite of one width, which costs a few thousandths of a nat
    assert same.entropy[0] == pytest.approx(differential - np.log(width), rel=3e-3)


@pytest.mark.parametrize("divergence", ["gaussian", "debiased", "paper"])
def test_the_symmetric_divergence_is_the_mean_of_both_directions(gaussians, divergence):
    real, edited = (column(values[:2000]) for values in gaussians)
    of, other = (profile_of(*pair, divergence=divergence).kl[0] for pair in ((real, edited), (edited, real)))
    assert of != pytest.approx(other, rel=0.1)
    both = profile_of(real, edited, divergence=divergence, symmetric=True)
    assert both.kl[0] == pytest.approx((of + other) / 2, rel=1e-9)


def test_separability_and_the_gaussian_form_use_the_variance_that_divides_by_n():
    real, edited = np.array([1.0, 2.0, 4.0]), np.array([3.0, 7.0])
    found = profile_of(column(real), column(edited), epsilon=0.5, divergence="gaussian")
    between, within = (real.mean() - edited.mean()) ** 2, real.var() + edited.var()
    share = 0.5 * np.concatenate([real, edited]).var()
    assert found.ldr[0] == pytest.approx(between / (within + share))
    deviations = np.sqrt(real.var() + share), np.sqrt(edited.var() + share)
    wanted = closed_form((real.mean(), deviations[0]), (edited.mean(), deviations[1]))
    assert found.kl[0] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_streaming_is_the_two_pass_result_in_any_order(batch):
    """The second pass: edges of the fine bins first, then numpy's histograms, means and variances on them."""
    random = np.random.default_rng(1)
    scale = np.array([1e-3, 1.0, 1e4])
    real, edited = (random.standard_t(2, (60, 2, 3)) * scale + shift * scale for shift in (0, 0.5))
    real[-1] *= 30  # an outlier that comes last makes all bins wider
    statistics = LayerStatistics(2, 3, Criterion("paper", bins=16, entropy_bins=6, resamples=0))
    rows = [(row, False) for row in real] + [(row, True) for row in edited]
    order = random.permutation(len(rows)) if batch > 1 else range(len(rows))
    waiting = {False: [], True: []}
    for index in order:
        row, kind = rows[index]
        waiting[kind].append(row)
        if len(waiting[kind]) == batch:
            statistics.add(np.stack(waiting[kind]), edited=kind)
            waiting[kind] = []
    for kind, rest in waiting.items():
        if rest:
            statistics.add(np.stack(rest), edited=kind)
    found = statistics.profile()
    kl, entropy = np.zeros((2, 3)), np.zeros((2, 3))
    for layer, size in np.ndindex(2, 3):
        p, q = real[:, layer, size], edited[:, layer, size]
        both = np.concatenate([p, q])
        low, high = both.min(), both.max()
        width = next(w for w in 2.0 ** np.arange(-99, 99) if np.floor(high / w) - np.floor(low / w) < 8 * 16)
        centres = [(np.floor(values / width) + 0.5) * width for values in (p, q)]
        counts, coarse = (
            [np.histogram(np.clip(of, low, high), np.linspace(low, high, bins + 1))[0] for of in centres]
            for bins in (16, 6)
        )
        assert sum(map(sum, counts)) == sum(map(sum, coarse)) == 120
        smooth = [(count / 60 + 1e-6) / (1 + 16e-6) for count in counts]
        kl[layer, size] = (smooth[0] * np.log(smooth[0] / smooth[1])).sum()
        share = sum(coarse)[sum(coarse) > 0] / 120
        entropy[layer, size] = -(share * np.log(share)).sum()
    np.testing.assert_allclose(found.kl, kl.mean(1), rtol=1e-12)
    np.testing.assert_allclose(found.entropy, entropy.mean(1), rtol=1e-12)
    overall = np.concatenate([real, edited]).var(0)
    ldr = (real.mean(0) - edited.mean(0)) ** 2 / (real.var(0) + edited.var(0) + 1e-6 * overall)
    np.testing.assert_allclose(found.ldr, ldr.mean(1), rtol=1e-9)


@pytest.fixture(scope="module")
def scaled():
    """Nine layers with the same activations, each in other units: from once to twice as large."""
    random = np.random.default_rng(0)
    real, edited = random.normal(size=(300, 1, 64)), random.normal(0.5, 1, size=(300, 1, 64))
    units = 2.0 ** np.linspace(0, 1, 9)[:, None]
    return real * units, edited * units


def test_bins_are_those_of_equal_width_over_the_range(scaled):
    """Edges lie on the grid of the fine bins, an eighth of a bin away at most: that moves a few images in 300."""
    real, edited = (states[:, 0] for states in scaled)
    found = profile_of(*scaled, divergence="paper")
    kl, entropy = np.zeros((2, 64))
    for size in range(64):
        both = np.concatenate([real[:, size], edited[:, size]])
        p, q = (np.histogram(of[:, size], 32, (both.min(), both.max()))[0] / 300 + 1e-6 for of in (real, edited))
        kl[size] = (p * np.log(p / q)).sum()
        share = np.histogram(both, 10)[0] / 600
        entropy[size] = -(share[share > 0] * np.log(share[share > 0])).sum()
    np.testing.assert_allclose(found.entropy, entropy.mean(), rtol=2e-3)
    np.testing.assert_allclose(found.kl, kl.mean(), rtol=0.05)


@pytest.mark.parametrize("scale", [2.0**-20, 1e-6, 1e-3, 1e3, 1e6])
def test_separability_is_free_of_units_from_a_millionth_to_a_million(scale):
    real, edited = planted(layers=3, sensitive=2)
    before, after = profile_of(real, edited), profile_of(real * scale, edited * scale)
    np.testing.assert_allclose(after.ldr, before.ldr, rtol=1e-9)
    np.testing.assert_allclose(after.entropy, before.entropy, rtol=1e-2)  # bins begin elsewhere
    gaussian = [profile_of(real * by, edited * by, divergence="gaussian").kl for by in (1, scale)]
    np.testing.assert_allclose(*gaussian, rtol=1e-9)
    assert after.chosen == 2


@pytest.mark.parametrize("divergence", ["gaussian", "debiased", "paper"])
def test_the_units_of_a_layer_do_not_matter(scaled, divergence):
    """Layers differ by orders of magnitude in the size of their states; that must not choose one of them.

    Tolerances are a fraction of what another draw of 300 images changes (1 % and 7 % of 0.24).
    """
    found = profile_of(*scaled, divergence=divergence)
    np.testing.assert_allclose(found.entropy, found.entropy[0], rtol=1e-3)
    np.testing.assert_allclose(found.kl, found.kl[0], atol=0.012)
    np.testing.assert_allclose(found.ldr, found.ldr[0], rtol=1e-5)


def test_memory_does_not_grow_with_the_data():
    statistics = LayerStatistics(2, 3)
    size = sum(value.nbytes for value in vars(statistics).values() if isinstance(value, np.ndarray))
    for _ in range(20):
        statistics.add(np.random.default_rng(0).normal(size=(50, 2, 3)), edited=False)
    assert sum(v.nbytes for v in vars(statistics).values() if isinstance(v, np.ndarray)) == size


def planted(layers=6, sensitive=4, size=8, images=400):
    random = np.random.default_rng(0)
    real, edited = random.normal(size=(2, images, layers, size))
    edited[:, sensitive - 1] += 1.5
    return real, edited


@pytest.mark.parametrize("sensitive", [1, 4, 6])
@pytest.mark.parametrize("divergence", ["gaussian", "debiased", "paper"])
def test_the_planted_layer_is_chosen(sensitive, divergence):
    found = profile_of(*planted(sensitive=sensitive), divergence=divergence)
    assert found.chosen == sensitive
    assert found.kl.argmax() == found.ldr.argmax() == sensitive - 1
    assert found.normalised.min() == 0
    assert found.normalised.max() == 1


def test_the_scale_of_a_layer_is_no_reason_to_choose_it():
    """Residual streams grow with depth, and a final norm shrinks them: only shapes of distributions may count."""
    real, edited = planted()
    scale = np.array([1e-2, 1.0, 10.0, 1.0, 100.0, 1e3])[:, None]
    # bins start at multiples of a power of two, so shapes are the same to a bin
    assert profile_of(real * scale, edited * scale).chosen == profile_of(real, edited).chosen == 4
    one, other = profile_of(real, edited), profile_of(real * 1024, edited * 1024)
    np.testing.assert_allclose(one.kl, other.kl)
    np.testing.assert_allclose(one.entropy, other.entropy)


def test_where_all_layers_are_alike_the_lowest_is_chosen():
    random = np.random.default_rng(0)
    real, edited = (np.repeat(random.normal(size=(20, 1, 2)), 3, axis=1) for _ in range(2))
    found = profile_of(real, edited)
    assert found.chosen == 1
    assert not found.total.any()


def test_a_constant_layer_is_named():
    real, edited = planted()
    real[:, 2], edited[:, 2] = 5.0, 5.0 * (1 + 1e-6)
    with pytest.raises(LSAError, match="layer 3 gives all images the same state"):
        profile_of(real, edited)


@pytest.mark.parametrize(("real", "edited", "said"), [(10, 0, "edited images: 0;"), (1, 10, "real images: 1;")])
def test_one_class_is_not_enough(real, edited, said):
    values = np.random.default_rng(0).normal(size=(10, 2, 3))
    statistics = LayerStatistics(2, 3)
    statistics.add(values[:real], edited=False)
    statistics.add(values[:edited], edited=True)
    with pytest.raises(LSAError, match=said):
        statistics.profile()


def test_what_is_no_number_or_has_another_shape_is_refused():
    statistics = LayerStatistics(2, 3)
    values = np.zeros((4, 2, 3))
    values[1, 1, 2] = np.nan
    with pytest.raises(LSAError, match="layer 2 gives activations that are not finite"):
        statistics.add(values, edited=False)
    with pytest.raises(LSAError, match=r"expected \(images, 2, 3\)"):
        statistics.add(np.zeros((4, 3, 2)), edited=False)
    with pytest.raises(LSAError, match="1 and 10 bins"):
        Criterion(bins=1)


def test_the_profile_is_written_and_drawn(tmp_path):
    profile = profile_of(*planted())
    profile.write(tmp_path / "profile.csv")
    rows = list(csv.DictReader((tmp_path / "profile.csv").open()))
    assert [int(row["layer"]) for row in rows if row["chosen"] == "1"] == [4]
    assert [float(row["kl"]) for row in rows] == profile.kl.tolist()
    assert [float(row["sum"]) for row in rows] == pytest.approx(profile.total.tolist())
    svg = draw(profile, tmp_path / "profile.svg").read_text()
    assert svg == draw(profile, tmp_path / "again.svg").read_text()
    assert "<svg" in svg


def test_what_is_subtracted_is_the_mean_over_all_ways_to_deal_out_the_labels():
    """All 56 of them, each by equation 2 as it is written."""
    values = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0])
    dealt = [np.isin(np.arange(8), chosen) for chosen in itertools.combinations(range(8), 3)]
    assert len(dealt) == 56
    counts = np.array([2, 3, 1, 2])
    assert ChanceDivergence(3, 5, 1e-6)(counts) == pytest.approx(_mean_by_hand(values, dealt), rel=1e-9)
    one = profile_of(column(values[:3]), column(values[3:]), bins=4)
    written = profile_of(column(values[:3]), column(values[3:]), bins=4, divergence="paper")
    assert one.kl[0] == pytest.approx(written.kl[0] - _mean_by_hand(values, dealt), rel=1e-9)


def _mean_by_hand(values, dealt):
    divergences = []
    for is_real in dealt:
        p, q = (np.bincount(values[kind].astype(int), minlength=4) / kind.sum() + 1e-6 for kind in (is_real, ~is_real))
        divergences.append((p / p.sum() * np.log((p / p.sum()) / (q / q.sum()))).sum())
    return np.mean(divergences)


def test_without_a_difference_the_divergence_is_zero_on_average_and_shapes_do_not_win():
    """67 real and 1,133 edited images, as in a training part of HPE-Bench, of 300 dimensions.

    As written, equation 2 gives a uniform layer in which classes are equal more than a normal one with a difference.
    """
    random = np.random.default_rng(5)
    equal, uniform = (draw((1200, 300)) for draw in (random.standard_normal, random.random))
    shifted = random.standard_normal((1200, 300))
    shifted[:67] += 0.1
    states = np.stack([equal, uniform, shifted], 1)
    debiased, written = (profile_of(states[:67], states[67:], divergence=how) for how in ("debiased", "paper"))
    assert (written.kl > 0.15).all()
    assert written.kl.argmax() == 1
    # one dimension deviates by 0.06, the mean of 300 by 0.0035
    np.testing.assert_allclose(debiased.kl[:2], 0, atol=0.012)
    assert debiased.kl[2] > 0
    assert written.kl[0] - debiased.kl[0] > 0.15


def test_a_clear_choice_is_that_of_all_resamples_and_a_toss_up_is_not():
    """Against a second opinion: the same analysis of 10 other draws of images."""
    clear = profile_of(*planted(sensitive=4), resamples=50)
    assert clear.shares.tolist() == [0, 0, 0, 1, 0, 0]
    assert not clear.notes()

    def drawn(seed):
        random = np.random.default_rng(seed)
        real, edited = random.normal(size=(2, 120, 3, 140))
        edited[:, 1:] += 0.4  # two layers alike
        return real, edited

    unsure = [profile_of(*drawn(seed), resamples=50).shares for seed in range(4)]
    np.testing.assert_allclose(np.sum(unsure, 1), 1)
    others = np.bincount([profile_of(*drawn(seed)).chosen - 1 for seed in range(10, 20)], minlength=3) / 10
    assert others[0] == 0
    assert 0.1 < others[1] < 0.9
    assert np.max(unsure, 1).min() < 0.8, unsure
    assert np.mean(unsure, 0)[0] < 0.05
    assert 0.2 < np.mean(unsure, 0)[1] < 0.8, unsure


def test_resamples_know_what_numpy_would_compute_of_each():
    """The spread of D_KL, LDR and entropy over resamples, as from analysing each resample on its own."""
    random = np.random.default_rng(2)
    real, edited = random.normal(size=(80, 1, 5)), random.normal(0.8, 1, size=(90, 1, 5))
    criterion = Criterion("gaussian", resamples=400)
    kept = KeptStates(1, 5)
    kept.add(real, 0)
    kept.add(edited, 1)
    low, high = (np.concatenate([real, edited])[:, 0].min(0), np.concatenate([real, edited])[:, 0].max(0))
    weights = [np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), 400).astype(float) for n in (80, 90)]
    found = resampled_numbers(
        [kept.values(0, kind) for kind in (0, 1)], weights, low, high, Sensitivity(criterion, 80, 90)
    )
    for number in (0, 7):
        again = [np.repeat(of[:, 0], weight[number].astype(int), axis=0)
                 for of, weight in zip((real, edited), weights, strict=True)]  # fmt: skip
        one = profile_of(again[0][:, None], again[1][:, None], divergence="gaussian")
        assert found[0, number] == pytest.approx(one.kl[0], rel=1e-3)
        assert found[1, number] == pytest.approx(one.ldr[0], rel=1e-3)
        counts = np.array([np.histogram(np.concatenate(again)[:, size], 10, (low[size], high[size]))[0]
                           for size in range(5)]) / 170  # fmt: skip
        wanted = -(counts * np.log(np.where(counts > 0, counts, 1))).sum(1).mean()
        assert found[2, number] == pytest.approx(wanted, rel=1e-3)


def test_few_images_and_a_coarse_precision_are_noted():
    random = np.random.default_rng(0)
    real, edited = random.normal(size=(2, 110, 2, 4))
    real[:, 1], edited[:, 1] = real[:, 1] + 300, edited[:, 1] + 300.4
    rounded = [torch.tensor(of).bfloat16().double().numpy() for of in (real, edited)]
    statistics = LayerStatistics(2, 4, Criterion(resamples=0), rounding=torch.finfo(torch.bfloat16).eps)
    statistics.add(rounded[0], edited=False)
    statistics.add(rounded[1], edited=True)
    (note,) = statistics.profile().notes()
    assert "layer 2," in note
    assert "float32" in note
    assert not profile_of(real, edited).notes()
    (note,) = profile_of(real[:99], edited).notes()
    assert "99 real" in note
