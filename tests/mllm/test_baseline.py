"""The baseline row and the confounds: against scipy, dense linear algebra, and data whose confounds were planted."""

import numpy as np
import pytest
from scipy import ndimage, stats

from editmetrics.images.statistics import STATISTICS, image_statistics, pair_statistics
from editmetrics.mllm.baseline import PENALTIES, agreement_of, comparisons, measured_baseline, ridge
from editmetrics.mllm.confounds import confounds, confounds_of
from editmetrics.mllm.survey import survey
from editmetrics.mllm.targets import Example
from editmetrics.sample import Sample
from tests.worlds.edits import edits


def measured(samples):
    return dict(zip(map(id, samples), survey(samples), strict=True))


def test_statistics_are_those_of_scipy_and_the_papers():
    random = np.random.default_rng(0)
    image = (np.linspace(0, 120, 96)[None, :, None] + random.integers(0, 90, (64, 96, 3))).astype(np.uint8)
    numbers = dict(zip(STATISTICS, image_statistics(image), strict=True))
    levels = image.astype(float)
    grey = levels.mean(axis=2)
    for index, name in enumerate(("red", "green", "blue")):
        assert numbers[f"mean of {name}"] == pytest.approx(levels[..., index].mean())
        assert numbers[f"deviation of {name}"] == pytest.approx(levels[..., index].std())
        assert numbers[f"skew of {name}"] == pytest.approx(stats.skew(levels[..., index], axis=None))
    histogram = np.bincount(grey.astype(int).ravel())
    assert numbers["entropy of brightness"] == pytest.approx(stats.entropy(histogram, base=2))
    laplacian = ndimage.laplace(grey, mode="nearest")
    assert numbers["variance of the Laplacian"] == pytest.approx(np.log1p(laplacian.var()))
    red, green, blue = np.moveaxis(levels, 2, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    colourful = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    assert numbers["colourfulness"] == pytest.approx(colourful)
    assert (numbers["pixels"], numbers["aspect ratio"]) == pytest.approx((np.log(64 * 96), np.log(1.5)))


def test_noise_blocks_and_frequencies_are_those_that_were_put_in():
    random = np.random.default_rng(1)
    noisy = np.repeat(random.normal(128, 6, (256, 256, 1)), 3, axis=2).round().astype(np.uint8)
    assert dict(zip(STATISTICS, image_statistics(noisy), strict=True))["noise"] == pytest.approx(6, rel=0.05)
    blocks = np.kron(random.integers(60, 190, (12, 12)), np.ones((8, 8))).astype(np.uint8)
    pictures = [np.repeat(each[..., None], 3, axis=2) for each in (blocks, np.roll(blocks, 3, axis=(0, 1)))]
    aligned, rolled = (dict(zip(STATISTICS, image_statistics(each), strict=True))["blockiness"] for each in pictures)
    assert aligned > 20 > 0 > rolled
    for cycles, band in ((0.03, 0), (0.1, 1), (0.2, 2), (0.4, 3)):
        wave = 128 + 60 * np.cos(2 * np.pi * round(cycles * 200) / 200 * np.arange(200))
        picture = np.broadcast_to(wave[None, :, None].round().astype(np.uint8), (64, 200, 3))
        energies = image_statistics(picture)[-7:-2]
        assert np.argmax(energies) == band


def test_pair_statistics_see_a_change_and_take_other_sizes():
    source = np.full((64, 64, 3), 100, np.uint8)
    edited = source.copy()
    edited[:16] += 40
    assert pair_statistics(source, edited)[:3] == pytest.approx([10, 40 * np.sqrt(0.25 * 0.75), 0.25])
    assert pair_statistics(source[:32, :32], edited)[:3] == pytest.approx([10, 40 * np.sqrt(0.25 * 0.75), 0.25])


@pytest.mark.parametrize(("rows", "columns"), [(60, 5), (30, 60)])
def test_the_ridge_is_the_closed_form_at_the_penalty_of_least_gcv(rows, columns):
    random = np.random.default_rng(rows)
    x = random.normal(size=(rows, 1)) + random.normal(size=(rows, columns))  # correlated, as statistics are
    x = x * random.uniform(0.1, 50, columns) + random.normal(size=columns)
    y = 40 + x @ random.normal(size=columns) / x.std() + random.normal(size=rows) * 2
    fitted = ridge(x, y)
    z = np.clip((x - x.mean(0)) / x.std(0), -5, 5)
    assert np.abs(z).max() < 5  # so that z has mean 0, and the hat matrix below is the whole one

    def hat(penalty):
        return 1 / rows + z @ np.linalg.solve(z.T @ z + penalty * np.eye(columns), z.T)

    def gcv(penalty):
        h = hat(penalty)
        return rows * np.square(y - h @ y).sum() / (rows - np.trace(h)) ** 2

    errors = [gcv(rows * penalty) for penalty in PENALTIES]
    assert fitted.penalty == pytest.approx(rows * PENALTIES[int(np.argmin(errors))])
    assert fitted.predict(x) == pytest.approx(hat(fitted.penalty) @ y)
    assert 0 < np.argmin(errors) < len(PENALTIES) - 1


def test_a_constant_column_and_an_outlier_do_no_harm():
    x = np.column_stack([np.full(40, 1e6 / 3), np.arange(40.0)])
    fitted = ridge(x, x[:, 1])
    assert np.isfinite(fitted.predict(x)).all()
    assert fitted.predict(np.array([[7.0, 1e9]]))[0] < 200  # 5 deviations from the mean, and no farther


@pytest.fixture(scope="module")
def toys():
    made = [*edits(160, per_source=4, seed=5)]
    sources = {id(each.source): each.source for each in made}
    assert len(sources) == 40
    return [Example(Sample(str(n), edited=each.edited, source=each.source, prompt=each.prompt), each.scores)
            for n, each in enumerate(made)]  # fmt: skip


def test_statistics_predict_blur_and_not_what_was_asked_for(toys):
    parts = {"train": toys[:120], "validation": toys[120:]}
    baseline = measured_baseline(parts, measured([example.sample for example in toys]))
    assert baseline["visual_quality"]["srcc"] > 0.8
    assert abs(baseline["editing_fidelity"]["srcc"]) < 0.6  # the colour that was asked for is not in any statistic
    assert baseline["visual_quality"]["n"] == 40
    bare = [Example(Sample(e.id, edited=e.sample.edited), e.targets) for e in toys]
    alone = measured_baseline({"train": bare[:120], "validation": bare[120:]}, measured([e.sample for e in bare]))
    assert alone["content_preservation"]["srcc"] < baseline["content_preservation"]["srcc"] - 0.1
    mixed = [*bare[:1], *toys[1:]]  # one row without a source: no row's source is used
    of_mixed = measured_baseline({"train": mixed[:120], "validation": mixed[120:]}, measured([e.sample for e in mixed]))
    assert of_mixed == alone


def test_labels_have_auc_and_the_threshold_of_the_training_part():
    predicted, labels = np.array([0.1, 0.2, 0.3, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])
    learned = np.array([0.0, 0.25, 0.5, 1.0]), np.array([0.0, 0.0, 0.0, 1.0])
    assert agreement_of(predicted, labels, learned) == {"auc": 1.0, "balanced_accuracy": 0.75, "n": 4}


def test_a_bad_image_costs_its_row(toys, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    bad = Example(Sample("bad", edited=tmp_path / "bad.png"), {"visual_quality": 3.0})
    parts = {"train": [*toys[:20], bad], "validation": toys[20:40]}
    surveyed = measured([e.sample for part in parts.values() for e in part])
    assert surveyed[id(bad.sample)] is None
    good = measured_baseline({"train": toys[:20], "validation": toys[20:40]}, surveyed)
    assert measured_baseline(parts, surveyed)["visual_quality"] == good["visual_quality"]


@pytest.mark.parametrize(
    ("metric", "baseline", "beaten"),
    [
        ({"srcc": 0.8}, {"srcc": 0.7}, True),
        ({"srcc": 0.7}, {"srcc": 0.7}, False),
        ({"srcc": None}, {"srcc": 0.1}, False),
        ({"srcc": 0.9, "test srcc": 0.5}, {"srcc": 0.8, "test srcc": 0.6}, False),
        ({"auc": 0.9}, {"auc": 0.8}, True),
    ],
)
def test_a_metric_beats_its_baseline_only_where_it_is_better_on_the_data_that_chose_nothing(metric, baseline, beaten):
    (one,) = comparisons({"quality": metric}, {"quality": baseline})
    assert one.beaten is beaten


def test_nothing_is_compared_without_a_number_of_both():
    assert comparisons({"quality": {"mean_iou": 0.5}}, {"quality": {"srcc": 0.5}}) == []
    assert comparisons({"quality": {"srcc": 0.5}}, {"quality": {"srcc": None}}) == []


def test_planted_confounds_are_named_and_their_formats_too(tmp_path):
    from PIL import Image

    examples = []
    for number in range(60):
        picture = Image.fromarray(np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8))
        file = tmp_path / f"{number}.{'jpg' if number % 2 else 'png'}"
        picture.save(file)
        examples.append(
            Example(Sample(str(number), edited=file), {"authentic": float(number % 2), "mos": float(number)})
        )
    samples = [example.sample for example in examples]
    tokens = {id(sample): 100 + number for number, sample in enumerate(samples)}
    named = confounds_of(examples, measured(samples), tokens)
    assert {one.column for one in named["authentic"]} == {"file format JPEG", "file format PNG"}
    assert [(one.column, one.measure, one.value) for one in named["mos"]] == [("image tokens", "SRCC", 1.0)]


def test_confounds_are_strong_and_rarely_chance():
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(100):
        sizes = {name: random.choice([256.0, 512.0, 1024.0], 40) for name in "abcdefgh"}
        alarms += bool(confounds(sizes, random.normal(size=40).tolist(), range(40)))
        alarms += bool(confounds(sizes, random.integers(0, 2, 40).astype(float).tolist(), range(40)))
    assert alarms <= 2  # 200 trials at 0.001: 3 or more have a probability of 0.1 %
    labels = np.repeat([0.0, 1.0], 200)
    weak = labels * 0.4 + random.normal(size=400)  # an AUC of some 0.61: certain, and too little to matter
    assert confounds({"width": weak}, labels.tolist(), range(400)) == []
    assert confounds({"width": labels * 2 + weak}, labels.tolist(), range(400))
    assert confounds({"width": labels * 2 + weak}, labels.tolist(), [row % 10 for row in range(400)]) == []
    assert confounds({"width": labels * -2 + weak}, labels.tolist(), range(400))[0].value > 0.8
