"""Rewards: what they are made of, samples without one, and what the log and the trackers get of each step."""

import logging
import math
import statistics
import threading

import numpy as np
import pytest

from editmetrics import Sample, score
from editmetrics.rewards import NoRewardError, RewardError, Term, as_reward
from editmetrics.sample import UnavailableError

from .conftest import image

CAT = {"source": "docs/examples/source/cat.jpg", "prompt": "paint it"}
STARS = {"source": "docs/examples/source/stars.jpg", "prompt": "more stars"}


def of_levels(*levels, prompts=None):
    prompts = prompts or ["a"] * len(levels)
    pairs = zip(levels, prompts, strict=True)
    return [Sample(str(i), edited=image(level), prompt=prompt) for i, (level, prompt) in enumerate(pairs)]


def test_a_reward_is_the_weighted_sum_of_what_score_gives():
    samples = [
        Sample("cat", edited="docs/examples/edited/cat.jpg", **CAT),
        Sample("stars", edited="docs/examples/edited/stars.jpg", **STARS),
    ]
    expected = score(samples, ["ssim", "mae"])
    reward = as_reward({"ssim": 2.0, "mae": 0.5}, device="cpu")
    by_hand = [2 * float(s["ssim"]) - 0.5 * float(s["mae"]) for _, s in expected]  # mae is better when lower
    assert reward.rewards(samples) == pytest.approx(by_hand, rel=1e-12)
    assert reward.last.terms == {name: [float(s) for s in expected[name]] for name in ("ssim", "mae")}


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ({}, 100.0),
        ({"dimension": "dark"}, -155.0),
        ({"transform": "unit"}, 100 / 255),
        ({"dimension": "dark", "transform": "unit"}, 100 / 255),
        ({"dimension": "odd", "transform": lambda value: 1 - value}, 1.0),
        ({"transform": math.sqrt, "weight": 3.0}, 30.0),
        ({"transform": math.sqrt, "clip": (0, 9.5)}, 9.5),
        ({"dimension": "dark", "clip": (-100, 0), "weight": 0.1}, -10.0),
    ],
)
def test_a_term_is_its_weight_times_the_clipped_transform(level, term, expected):
    assert as_reward(Term(level, **term)).rewards(of_levels(100)) == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"metrics": "psnr", "transform": "unit"}, "the range of psnr is 0 to inf"),
        ({"metrics": "nosuch"}, "no metric is named 'nosuch'"),
        ({"metrics": []}, "requires a metric"),
        ({"metrics": "psnr", "transform": "log"}, "unknown transform 'log'"),
        ({"metrics": "psnr", "clip": (1, 0)}, "the lower one first"),
        ({"metrics": "psnr", "on_failure": "zero"}, "unknown on_failure 'zero'"),
        ({"metrics": "psnr", "on_failure": math.nan}, "unknown on_failure nan"),
        ({"metrics": "psnr", "normalise": "all"}, "unknown normalise 'all'"),
        ({"metrics": "psnr", "columns": {"image": "x"}}, "columns names the field 'image'"),
        ({"metrics": {"psnr": math.inf}}, "finite"),
        ({"metrics": Term("ssim", dimension="colour")}, "ssim has no dimension 'colour'"),
        ({"metrics": ["psnr", Term("psnr")]}, "two terms of a reward are of one number"),
        ({"metrics": "fid"}, "a number of a set of images"),
    ],
)
def test_a_reward_that_cannot_be_is_refused_when_it_is_made(wrong, said):
    with pytest.raises(Exception, match=said):
        as_reward(wrong.pop("metrics"), **wrong)


def test_a_number_without_a_direction_needs_a_transform(level):
    with pytest.raises(RewardError, match=r"no direction of level\.odd is known"):
        as_reward(Term(level, dimension="odd"))


def test_infinite_numbers_reach_no_trainer():
    same = [Sample("cat", edited=CAT["source"], **CAT)]
    reward = as_reward("psnr", device="cpu")
    assert reward.rewards(same) == [None]
    assert "psnr is inf" in reward.last.reasons[0]
    assert as_reward("psnr", clip=(0, 60), device="cpu").rewards(same) == [60.0]


def test_a_sample_without_one_term_has_no_reward_at_all(level):
    reward = as_reward({level: 1.0, "ssim": 1.0}, device="cpu")  # the second has no source
    samples = [Sample("a", edited=image(50, 16), source=image(50, 16)), Sample("b", edited=image(60, 16))]
    assert reward.rewards(samples) == [51.0, None]
    assert reward.last.terms["level"] == [50.0, 60.0]
    assert reward.last.reasons[1].startswith("ssim skipped")


@pytest.mark.parametrize("failing", [lambda value: 1 / 0, lambda value: math.nan, lambda value: None])
def test_a_transform_that_fails_costs_its_sample(level, failing):
    reward = as_reward(level, transform=lambda value: failing(value) if value > 100 else value)
    assert reward.rewards(of_levels(50, 200)) == [50.0, None]


def test_normalised_over_the_group_as_numpy_does(level):
    levels, prompts = [20, 40, 90, 5, 70, 80], ["a", "a", "a", "a", "b", "b"]
    rewards = as_reward(level, normalise="group").rewards(of_levels(*levels, prompts=prompts))
    of_a, of_b = np.array([20, 40, 90.0]), np.array([70, 80.0])
    expected = [*(of_a - of_a.mean()) / of_a.std(ddof=1), None, *(of_b - of_b.mean()) / of_b.std(ddof=1)]
    assert rewards == [value if value is None else pytest.approx(value) for value in expected]
    rewards = as_reward(level, normalise="batch", transform=lambda value: 1e3 + value).rewards(of_levels(20, 40, 90))
    assert rewards == pytest.approx((of_a - of_a.mean()) / of_a.std(ddof=1))


def test_weights_act_after_normalising(level):
    terms = [Term(level, weight=2.0), Term(level, weight=-1.0, dimension="dark")]
    rewards = as_reward(terms, normalise="group").rewards(of_levels(20, 40, 60))
    assert rewards == pytest.approx([-1.0, 0.0, 1.0])  # both terms are -1, 0, 1 after normalising


def test_a_sample_without_a_reward_does_not_move_the_normalised_rewards_of_others(level):
    terms = [Term(level), Term(level, dimension="dark", transform=lambda value: math.sqrt(230 - value))]
    reward = as_reward(terms, normalise="batch")
    assert reward.rewards(of_levels(20, 40, 90)) == [None, *reward.rewards(of_levels(40, 90))]


def test_groups_of_one_cannot_be_normalised(level):
    with pytest.raises(RewardError, match="every group has one sample"):
        as_reward(level, normalise="group").rewards(of_levels(20, 40, prompts=["a", "b"]))
    with pytest.raises(RewardError, match="every batch has one sample"):
        as_reward(level, normalise="batch").rewards(of_levels(20))
    assert as_reward(level, normalise="group").rewards(of_levels(20, 40), ["x", "x"]) != [0.0, 0.0]


def test_groups_are_equal_prompts_and_equal_sources(level):
    reward = as_reward(level)
    same, other = image(7), image(9)
    samples = [
        Sample(str(i), edited=image(50), source=source, prompt=prompt)
        for i, (source, prompt) in enumerate([(same, "a"), (same.copy(), "a"), (other, "a"), (same, "b"), (None, "a")])
    ]
    groups = reward.step(samples).groups
    assert [groups.index(group) for group in groups] == [0, 0, 2, 3, 4]


FAILED = [("none", [40.0, None, 60.0]), ("neutral", [40.0, 50.0, 60.0]), (-1, [40.0, -1.0, 60.0])]


@pytest.mark.parametrize(("on_failure", "expected"), FAILED)
def test_what_a_sample_without_a_reward_is_handed_over_as(level, on_failure, expected, caplog):
    reward = as_reward(level, on_failure=on_failure)
    assert reward.rewards(of_levels(40, 3, 60)) == expected
    assert reward.stats["reward/failed"] == 1
    assert reward.stats["reward/substituted"] == (expected[1] is not None)
    assert reward.stats["reward/mean"] == 50.0, "a substitute is in no mean"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "over 2 of 3 samples" in record.message
    assert "1: level failed: too dark to see" in record.message


def test_nan_and_an_error_are_handed_over_when_asked_for(level):
    assert math.isnan(as_reward(level, on_failure="nan").rewards(of_levels(40, 3))[1])
    with pytest.raises(NoRewardError, match=r"1 sample of 2 without a reward \(1: level failed: too dark"):
        as_reward(level, on_failure="raise").rewards(of_levels(40, 3))


def test_neutral_is_the_mean_of_the_group_then_of_its_past_then_of_the_step_then_of_all(level):
    reward = as_reward(level, on_failure="neutral")
    with pytest.raises(NoRewardError, match="no reward is known yet"):
        reward.rewards(of_levels(3))
    assert reward.rewards(of_levels(20, 40, 3, 90, prompts=["a", "a", "a", "b"])) == [20, 40, 30, 90]
    assert reward.rewards(of_levels(3, 100, prompts=["a", "c"])) == [30, 100]
    assert reward.rewards(of_levels(3, 60, 80, prompts=["new", "d", "e"])) == [70, 60, 80]
    assert reward.rewards(of_levels(3, prompts=["newer"])) == [statistics.fmean([20, 40, 90, 100, 60, 80])]


def test_an_advantage_in_a_group_is_zero_for_a_neutral_reward(level):
    """As flow_grpo and DanceGRPO compute it: (reward - mean of the group) / (its standard deviation + a little)."""
    rewards = np.array(as_reward(level, on_failure="neutral").rewards(of_levels(20, 3, 40, 90)))
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    assert abs(advantages[1]) < 1e-12
    assert np.sign(advantages).tolist() == [-1, 0, -1, 1]


def test_the_statistics_are_numpys(level):
    steps = []
    reward = as_reward([Term(level, weight=0.1), Term(level, dimension="dark")], on_step=steps.append)
    reward.rewards(of_levels(20, 60, 3, 60, 60, 60, prompts=["a", "a", "a", "b", "b", "one alone"]))
    values = np.array([0.1 * 20 - 235, *[0.1 * 60 - 195] * 4])
    numbers = np.array([20, 60, 60, 60.0, 60])
    (stats,) = steps
    assert stats.pop("reward/seconds") > 0
    assert stats == {
        "reward/mean": pytest.approx(values.mean()), "reward/std": pytest.approx(values.std(ddof=1)),
        "reward/min": pytest.approx(-233), "reward/max": pytest.approx(-189),
        "reward/samples": 6, "reward/failed": 1, "reward/substituted": 0, "reward/clamped": 0,
        "reward/flat_groups": 0.5,
        "reward/level/mean": pytest.approx(numbers.mean()), "reward/level/std": pytest.approx(numbers.std(ddof=1)),
        "reward/level/failed": 1,
        "reward/level.dark/mean": pytest.approx(203.0), "reward/level.dark/std": pytest.approx(numbers.std(ddof=1)),
        "reward/level.dark/failed": 1,
    }  # fmt: skip


def test_a_step_without_any_reward_has_no_mean_and_says_so(level, caplog):
    reward = as_reward(level)
    assert reward.rewards(of_levels(3, 3)) == [None, None]
    assert not {"reward/mean", "reward/std", "reward/level/mean"} & reward.stats.keys()
    assert "no mean over 0 of 2 samples" in caplog.text
    assert reward.rewards([]) == []


def test_steps_are_numbered_and_single_samples_logged_together(level):
    steps = []
    reward = as_reward(level, on_step=steps.append)
    reward.rewards(of_levels(20, 40))
    for index in range(66):
        reward.verl(solution_image=image(20 + index % 2 * 40), ground_truth="a")
    assert [stats["reward/samples"] for stats in steps] == [2, 64]
    assert steps[1]["reward/mean"] == 40.0
    reward.flush()
    assert steps[2]["reward/samples"] == 2
    assert reward.last.number == 3
    reward.flush()
    assert len(steps) == 3


def test_what_this_machine_cannot_do_stops_a_training_and_no_single_failure_does(level, down):
    reward = as_reward(down, on_failure="none")
    assert reward.rewards(of_levels(20, 40)) == [None, None]
    with pytest.raises(UnavailableError, match="no reward for 3 samples in a row: down unavailable: the endpoint"):
        reward.rewards(of_levels(20))
    both = as_reward([level, down], on_failure="none")
    both.rewards(of_levels(20, 40))
    assert both.rewards(of_levels(3)) == [None]


def test_callers_in_many_threads_are_scored_together_and_get_their_own(level):
    """Nine callers of one to nine samples come while the first is scored: one of them scores for all."""
    begun, go, batches = threading.Event(), threading.Event(), []
    whole = level.prepare

    def prepare(sample):
        begun.set()
        assert go.wait(30)
        return whole(sample)

    level.prepare = prepare
    reward = as_reward(level, workers=1)
    scored = reward.scorer._score
    reward.scorer._score = lambda together: batches.append(len(together)) or scored(together)
    results = {}

    def call(count):
        results[count] = reward.rewards(of_levels(*range(20 * count, 20 * count + count)))

    threads = [threading.Thread(target=call, args=(count,)) for count in range(1, 11)]
    threads[0].start()
    assert begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    while len(reward.scorer._waiting) < 9:
        pass
    go.set()
    for thread in threads:
        thread.join()
    assert results == {count: list(range(20 * count, 20 * count + count)) for count in range(1, 11)}
    assert batches == [1, 9]


def test_an_error_of_loading_reaches_every_caller(level):
    level.load = lambda: (_ for _ in ()).throw(UnavailableError("no weights here"))
    reward = as_reward(level)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="no weights here"):
            reward.rewards(of_levels(20))


def test_the_key_is_of_all_that_produces_a_reward():
    def key(metrics="mae", **options):
        return as_reward(metrics, device="cpu", **options).key

    assert key() == key()
    changed = [
        key("mse"), key({"mae": 2.0}), key(transform=math.exp), key(clip=(-1, 0)), key(normalise="group"),
        key(on_failure=-1), key(tolerance=0), key(Term("mae", transform="unit")),
    ]  # fmt: skip
    assert len({key(), *changed}) == 1 + len(changed)
    assert as_reward("mae", device="cpu").identity["metrics"]["mae"]["metric"] == "mae"
