"""Sample, Score, Dimension and what `Metric` does for every metric: calls, fields, contract checks, halving."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from editmetrics import Dimension, Metric, Sample, SampleError, Score
from editmetrics.sample import STATUSES, EditMetricsError, NotScoredError

# ---------------------------------------------------------------------- Sample


@pytest.mark.parametrize(
    ("field", "value", "has"),
    [
        ("prompt", "make it red", True),
        ("prompt", "", False),
        ("prompt", None, False),
        ("questions", (), False),
        ("questions", ("is it red?",), True),
        ("source", None, False),
        ("source", "a.png", True),
        ("source", np.zeros((2, 2, 3), np.uint8), True),  # an array has no truth value, and is there all the same
        ("mask", np.zeros((2, 2), bool), True),
    ],
)
def test_a_sample_has_a_field_that_can_be_used(field, value, has):
    assert Sample("a", edited="edited.png", **{field: value}).has(field) is has


def test_a_sample_cannot_be_changed():
    with pytest.raises(AttributeError):
        Sample("a", edited="edited.png").prompt = "another"


# ---------------------------------------------------------------------- Score


def test_a_score_is_a_mapping_whose_number_is_the_first_dimension():
    score = Score({"quality": 3, "fidelity": 0.5})
    assert (dict(score), list(score), len(score)) == ({"quality": 3.0, "fidelity": 0.5}, ["quality", "fidelity"], 2)
    assert float(score) == score["quality"] == 3.0
    assert isinstance(score["quality"], float)
    assert "fidelity" in score
    with pytest.raises(KeyError):
        score["no_such"]


def test_numpy_and_torch_numbers_become_floats():
    import torch

    score = Score({"a": np.float32(0.5), "b": torch.tensor(0.25)})
    assert {type(value) for value in score.values()} == {float}


@pytest.mark.parametrize("value", [math.nan, np.float32("nan")])
@pytest.mark.parametrize("status", ["ok", "failed"])
def test_nan_is_no_score(value, status):
    with pytest.raises(ValueError, match="quality is NaN"):
        Score({"quality": value}, status, None if status == "ok" else "why")


def test_infinity_is_a_score():
    assert float(Score({"psnr": math.inf})) == math.inf


@pytest.mark.parametrize(
    ("values", "status", "reason", "said"),
    [
        ({}, "ok", None, "needs a value"),
        ({"a": 1}, "ok", "because", "a reason goes with every status but 'ok'"),
        ({}, "failed", None, "a reason goes with"),
        ({}, "failed", "", "a reason goes with"),
        ({}, "unknown", "because", "ok, refused, unparseable, failed, skipped"),
    ],
)
def test_a_score_that_contradicts_itself_is_refused(values, status, reason, said):
    with pytest.raises(ValueError, match=said):
        Score(values, status, reason)


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "ok"])
def test_an_unscored_score_has_no_number(status):
    score = Score.unscored(status, "the model declined", explanation="I would rather not")
    assert (score.ok, dict(score), score.explanation) == (False, {}, "I would rather not")
    with pytest.raises(NotScoredError, match=f"{status}: the model declined"):
        float(score)
    assert issubclass(NotScoredError, EditMetricsError)


def test_a_partial_score_keeps_its_dimensions_and_gives_no_number():
    score = Score({"quality": 3.0}, "unparseable", "no second number")
    assert score["quality"] == 3.0
    with pytest.raises(NotScoredError):
        float(score)


def test_scores_are_true_equal_by_content_and_survive_pickling():
    score = Score({"a": 1.0}, uncertainty={"a": 0.1}, details={"region": [0, 1]}, explanation="sharp")
    assert bool(Score.unscored("failed", "why"))
    assert pickle.loads(pickle.dumps(score)) == score
    assert score != Score({"a": 1.0})
    assert Score({"a": 1.0}) == Score({"a": 1.0})
    with pytest.raises(TypeError, match="unhashable"):
        hash(score)


def test_the_repr_shows_values_or_why_not():
    assert repr(Score({"a": 0.123456789, "b": 2})) == "Score(a=0.123457, b=2)"
    assert repr(Score({"a": 1}, "failed", "why")) == "Score(a=1, failed: why)"


def test_a_sample_error_survives_pickling_with_its_status():
    error = pickle.loads(pickle.dumps(SampleError("no prompt", "skipped")))
    assert (str(error), error.status) == ("no prompt", "skipped")


# ---------------------------------------------------------------------- Dimension


@pytest.mark.parametrize(
    ("dimension", "direction", "best"),
    [
        (Dimension("psnr", low=0), "higher is better", math.inf),
        (Dimension("lpips", low=0, higher_is_better=False), "lower is better", 0),
        (Dimension("ssim", low=-1, high=1), "higher is better", 1),
        (Dimension("total_variation", low=0, higher_is_better=None), "no direction known", None),
    ],
)
def test_the_best_of_a_dimension_is_an_end_of_its_range(dimension, direction, best):
    assert (dimension.direction, dimension.best) == (direction, best)


@pytest.mark.parametrize(
    ("low", "high", "value", "inside"),
    [
        (0, 1, 0.5, True),
        (0, 1, 1 + 1e-6, True),  # float32 rounding
        (0, 1, 1.001, False),
        (0, 1, -0.001, False),
        (0, 100, 100.005, True),
        (0, math.inf, math.inf, True),
        (0, 1, math.inf, False),
        (-math.inf, math.inf, -1e30, True),
    ],
)
def test_a_range_contains_its_values_up_to_rounding(low, high, value, inside):
    assert Dimension("a", low=low, high=high).contains(value) is inside


# ---------------------------------------------------------------------- calling a metric


class Sum(Metric):
    """Adds the numbers that stand for images: 100 source + 10 edited + reference, unless told to fail."""

    name, version = "sum", 1
    needs = frozenset({"source", "edited"})
    uses = frozenset({"reference"})
    dimensions = (Dimension("sum", low=0, high=1000, primary=True), Dimension("count", low=0, description="of samples"))

    def __init__(self, *, most: int = 1000) -> None:
        self.most = most
        self.batches: list[list[int]] = []
        self.loaded = 0

    def load(self) -> None:
        self.loaded += 1

    def prepare(self, sample: Sample) -> int:
        if isinstance(sample.edited, str):
            raise SampleError(f"{sample.edited} is no number")
        return 100 * sample.source + 10 * sample.edited + (sample.reference or 0)

    def score_batch(self, batch: list[int]) -> list[Score]:
        self.batches.append(list(batch))
        if len(batch) > self.most:
            raise MemoryError(f"{len(batch)} samples do not fit")
        if 666 in batch:
            raise ZeroDivisionError("the poison item")
        return [Score({"sum": value, "count": 1}) for value in batch]


class EditedOnly(Sum):
    needs = frozenset({"edited"})

    def prepare(self, sample: Sample) -> int:
        return sample.edited


@pytest.mark.parametrize(
    "call",
    [
        lambda metric: metric(1, 2),
        lambda metric: metric(1, edited=2),
        lambda metric: metric(2, source=1),
        lambda metric: metric(source=1, edited=2),
        lambda metric: metric(Sample("a", edited=2, source=1)),
        lambda metric: metric(Sample("a", edited=7), source=1, edited=2),
        lambda metric: metric(1, 2, prompt="unused", id="a"),
    ],
)
def test_images_go_source_edited_in_order_or_by_name(call):
    assert float(call(Sum())) == 120


def test_a_metric_of_one_image_takes_it_alone():
    assert float(EditedOnly()(7)) == 7
    assert float(EditedOnly()(1, 7)) == 7


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Sum()(1), r"sum compares two images: sum\(source, edited\)"),
        (lambda: Sum()(1, 2, 3), "takes two images in order; the others go by keyword"),
        (lambda: Sum()(1, 2, edited=3), "edited both by position and by keyword"),
        (
            lambda: Sum()(1, 2, propmt="red"),
            "propmt; a sample has source, edited, reference, mask, rival, prompt, source_prompt, questions",
        ),
    ],
)
def test_a_wrong_call_says_how_it_is_called(call, said):
    with pytest.raises(TypeError, match=said):
        call()


def test_a_call_raises_what_is_wrong_with_the_sample():
    with pytest.raises(SampleError, match="sum requires source, which this sample does not have") as caught:
        Sum()(edited=1)
    assert caught.value.status == "skipped"
    with pytest.raises(SampleError, match=r"b\.png is no number"):
        Sum()(1, "b.png")
    with pytest.raises(ZeroDivisionError):
        Sum()(6, 6, reference=6)


# ---------------------------------------------------------------------- many samples


def test_scores_come_in_the_order_of_the_samples_and_failures_in_their_place():
    samples = [
        Sample("a", edited=1, source=1),
        Sample("b", edited="b.png", source=1),
        Sample("c", edited=3),
        Sample("d", edited=4, source=1),
    ]
    scores = Sum().score(iter(samples))
    assert [score.status for score in scores] == ["ok", "failed", "skipped", "ok"]
    assert [float(score) for score in scores if score.ok] == [110, 140]
    assert scores[1].reason == "b.png is no number"


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_batches_are_no_larger_than_asked(batch_size):
    metric = Sum()
    assert [
        float(score) for score in metric.score([Sample(str(i), edited=i, source=0) for i in range(7)], batch_size)
    ] == [10 * i for i in range(7)]
    assert max(map(len, metric.batches)) == min(batch_size, 7)


def test_only_samples_of_equal_shapes_share_a_batch():
    class Shapes(EditedOnly):
        def score_batch(self, batch):
            assert len({item.shape for item in batch}) == 1
            return [Score({"sum": item.shape[0], "count": len(batch)}) for item in batch]

    arrays = [np.zeros((size, 2)) for size in (1, 2, 1, 2, 3)]
    scores = Shapes().score([Sample(str(i), edited=array) for i, array in enumerate(arrays)])
    assert [(score["sum"], score["count"]) for score in scores] == [(1, 2), (2, 2), (1, 2), (2, 2), (3, 1)]


def test_a_poisoned_batch_is_halved_down_to_its_poison():
    metric = Sum()
    scores = metric.score_or_why_not([1, 2, 3, 4, 5, 666, 7, 8])
    assert [score.ok for score in scores] == [True] * 5 + [False] + [True] * 2
    assert [float(score) for score in scores if score.ok] == [1, 2, 3, 4, 5, 7, 8]
    assert scores[5].reason == "ZeroDivisionError: the poison item"
    assert metric.batches == [[1, 2, 3, 4, 5, 666, 7, 8], [1, 2, 3, 4], [5, 666, 7, 8], [5, 666], [5], [666], [7, 8]]


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_a_batch_that_does_not_fit_in_memory_is_halved_until_it_does(most):
    metric = Sum(most=most)
    assert [float(score) for score in metric.score_or_why_not(list(range(8)))] == list(range(8))


def test_an_item_that_does_not_fit_alone_is_unavailable_alone():
    class Greedy(Sum):
        def score_batch(self, batch):
            if max(batch) > 100:
                raise MemoryError("201 GB")
            return super().score_batch(batch)

    scores = Greedy().score_or_why_not([1, 201, 3])
    assert [score.status for score in scores] == ["ok", "unavailable", "ok"]
    assert scores[1].reason == "out of memory: 201 GB"


def test_an_interruption_is_no_failure_of_a_sample():
    class Interrupted(Sum):
        def score_batch(self, batch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Interrupted().score_or_why_not([1, 2])


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (Score({"sum": 1, "count": 1, "more": 1}), "more, which it does not declare"),
        (Score({"sum": 1}), "returned no count"),
        (Score({"count": 1, "sum": 1}), "count first, where the primary sum belongs"),
        (Score({"sum": 1001, "count": 1}), "sum = 1001, outside its declared range 0 to 1000"),
        (Score({"sum": -1}, "failed", "why"), "outside its declared range"),
    ],
)
def test_what_breaks_the_contract_is_unscored_with_the_reason(score, said):
    good = Score({"sum": 1, "count": 1})
    found = Sum().checked([good, score], 2)
    assert found[0] == good
    assert (found[1].status, dict(found[1])) == ("failed", {})
    assert said in found[1].reason


@pytest.mark.parametrize(
    "score", [Score.unscored("refused", "declined"), Score({"count": 1}, "unparseable", "half of it")]
)
def test_an_unscored_score_may_be_partial(score):
    assert Sum().checked([score], 1) == [score]


def test_as_many_scores_as_samples():
    with pytest.raises(RuntimeError, match=r"sum\.score_batch returned 1 score for 2 samples"):
        Sum().checked([Score({"sum": 1, "count": 1})], 2)
