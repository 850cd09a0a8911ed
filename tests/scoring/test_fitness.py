"""Whatever a metric returns or does costs its row: it never ends a run, nor every resume of it."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest

from editmetrics import Score, score
from editmetrics.scoring import PlanError

from .toys import Brightness, samples_of, write_images

CIRCLE: dict = {}
CIRCLE["itself"] = CIRCLE
DEEP: list = []
for _ in range(100_000):
    DEEP = [DEEP]

UNFIT = {
    "NaN in details": {"details": {"mass": math.nan}},
    "infinity deep in details": {"details": {"levels": [0.5, [math.inf]]}},
    "numpy's NaN in details": {"details": {"mass": np.float32("nan")}},
    "an array with NaN in details": {"details": {"map": np.array([1.0, math.nan])}},
    "a tuple as a key": {"details": {(1, 2): "a region"}},
    "details that hold themselves": {"details": CIRCLE},
    "details without an end": {"details": {"deep": DEEP}},
    "a number as explanation": {"explanation": 5},
    "bytes as explanation": {"explanation": b"sharp"},
    "half a character": {"explanation": "sharp \udcff"},
    "NaN as uncertainty": {"uncertainty": {"brightness": math.nan}},
    "infinity as uncertainty": {"uncertainty": {"brightness": math.inf}},
    "the uncertainty of another dimension": {"uncertainty": {"contrast": 0.5}},
}


@pytest.fixture
def paths(tmp_path):
    return write_images(tmp_path / "images", 3)


class Odd(Brightness):
    """Brightness that does something odd with the second image (grey level 10)."""

    def odd(self, item):
        raise NotImplementedError

    def score_batch(self, batch):
        return [self.odd(item) if item.mean() == 10 else Score({"brightness": item.mean()}) for item in batch]


@pytest.mark.parametrize("beside", UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_what_travels_beside_a_number_costs_its_row_when_it_is_unfit(paths, tmp_path, beside, suffix):
    class Unfit(Odd):
        def odd(self, item):
            return Score({"brightness": item.mean()}, **beside)

    for _ in range(2):  # and it is no obstacle to the same call again
        results = score(samples_of(paths), Unfit(), output=tmp_path / f"scores{suffix}")
        assert [s.status for s in results["brightness"]] == ["ok", "failed", "ok"]
        assert "brightness returned" in results["brightness"][1].reason
    assert results.reused == 3


@pytest.mark.parametrize("where", ["prepare", "batch_key", "score_batch"])
@pytest.mark.parametrize("error", [SystemExit(0), SystemExit("done"), RecursionError("deep"), AssertionError()])
def test_an_odd_error_costs_its_row(paths, where, error):
    class Raises(Brightness):
        def prepare(self, sample):
            return self.step("prepare", super().prepare(sample))

        def batch_key(self, prepared):
            self.step("batch_key", prepared)
            return super().batch_key(prepared)

        def score_batch(self, batch):
            for item in batch:
                self.step("score_batch", item)
            return super().score_batch(batch)

        def step(self, name, item):
            if name == where and item.mean() == 10:
                raise error
            return item

    results = score(samples_of(paths), Raises())
    assert [s.status for s in results["brightness"]] == ["ok", "failed", "ok"]


def test_a_batch_key_that_cannot_be_hashed_costs_its_row(paths):
    class Unhashable(Brightness):
        def batch_key(self, prepared):
            return [] if prepared.mean() == 10 else 0

    results = score(samples_of(paths), Unhashable())
    assert [s.status for s in results["brightness"]] == ["ok", "failed", "ok"]


@pytest.mark.parametrize("returned", [None, 5, {"brightness": 0.5}, "bright"])
def test_what_is_no_score_costs_its_row(paths, returned):
    class NoScore(Odd):
        def odd(self, item):
            return returned

    results = score(samples_of(paths), NoScore())
    assert [s.status for s in results["brightness"]] == ["ok", "failed", "ok"]
    assert type(returned).__name__ in results["brightness"][1].reason


def test_numpy_in_details_is_kept_as_numbers(paths, tmp_path):
    class Numpy(Odd):
        def odd(self, item):
            return Score({"brightness": 10}, details={"mass": np.float32(0.5), "box": np.array([1, 2])})

    score(samples_of(paths), Numpy(), output=tmp_path / "scores.csv")
    lines = [json.loads(line) for line in (tmp_path / "scores.record.jsonl").read_text().splitlines()]
    assert [line["details"] for line in lines if "details" in line] == [{"mass": 0.5, "box": [1, 2]}]


def test_a_message_of_megabytes_is_cut(paths):
    class Talkative(Odd):
        def odd(self, item):
            raise ValueError("x" * 10**7)

    assert len(score(samples_of(paths), Talkative())["brightness"][1].reason) < 3000


@pytest.mark.parametrize("value", [math.nan, CIRCLE, {(1, 2): 3}], ids=["NaN", "circle", "tuple key"])
def test_an_identity_that_is_no_json_is_told_before_anything_is_scored(paths, tmp_path, value):
    class NoIdentity(Brightness):
        def identity(self):
            return {**super().identity(), "odd": value}

    with pytest.raises(PlanError, match="the identity of brightness is not JSON"):
        score(samples_of(paths), NoIdentity(), output=tmp_path / "scores.csv")


def test_a_name_that_is_no_text_costs_no_table(tmp_path):
    if sys.platform == "darwin":
        pytest.skip("file names are text there")
    (path,) = write_images(tmp_path / "images", 1)
    broken = path.with_name("bad\udcff.png")
    broken.write_bytes(b"broken")
    samples = samples_of([path, broken], prompt="caf\udce9", meta={"system": "\udcff", "label": "\udcfe"})
    for suffix in (".csv", ".jsonl", ".parquet"):
        table = score(samples, Brightness(), output=tmp_path / f"scores{suffix}").table()
        assert "bad\\udcff.png" in table["problems"][1]
        assert table["id"][1] == "bad\\udcff"
        assert (tmp_path / f"scores{suffix}").exists()


def test_a_column_named_like_a_metric_is_kept_beside_it(paths):
    samples = samples_of(paths, meta={"brightness": "high", "problems": "none", "manifest.problems": "really"})
    table = score(samples, Brightness()).table()
    assert table["brightness"].to_list() == [0, 10, 20]
    assert table["manifest.brightness"].to_list() == ["high"] * 3
    assert table["manifest.problems"].to_list() == ["none"] * 3
    assert table["manifest.manifest.problems"].to_list() == ["really"] * 3
