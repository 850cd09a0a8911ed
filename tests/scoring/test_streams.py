"""Metrics that wait for another machine are scored as samples come: no batch ends, and a fault costs its own sample."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from editmetrics import Dimension, Metric, Sample, Score, score
from editmetrics.scoring import Interrupted

LIMIT = 10.0
"""Seconds after which a test that waits gives up."""


class Waiting(Metric):
    """The number in a sample's id, four samples at once; the sample `bad` cannot be scored."""

    name, version = "waiting", 1
    dimensions = (Dimension("waiting", primary=True),)
    streams = True
    bad = ""

    def __init__(self):
        self.rounds, self.most = 0, 0

    def prepare(self, sample):
        return sample.id

    def score_batch(self, batch):
        if self.bad in batch:
            raise ValueError(f"{self.bad} is bad")
        return [Score({"waiting": float(name)}) for name in batch]

    def score_each(self, prepared):
        self.rounds += 1
        under_way = {}
        for number, item in enumerate(prepared):
            under_way[number] = item
            self.most = max(self.most, len(under_way))
            while len(under_way) == 4:
                yield self._one(under_way)
        while under_way:
            yield self._one(under_way)

    def interrupt(self):
        pass

    def _one(self, under_way):
        number = next(iter(under_way))
        return number, self.score_batch([under_way.pop(number)])[0]


def samples(count):
    return [Sample(str(number), edited=np.zeros((2, 2, 3), np.uint8)) for number in range(count)]


def test_samples_are_taken_as_they_come_whatever_a_batch_holds():
    metric = Waiting()
    results = score(samples(30), metrics=[metric], batch_pixels=1)
    assert [float(one) for one in results["waiting"]] == [*range(30)]
    assert (metric.most, metric.rounds) == (4, 1)


@pytest.mark.parametrize("bad", ["0", "17", "29"])
def test_a_sample_that_fails_costs_no_other(bad):
    metric = Waiting()
    metric.bad = bad
    scores = score(samples(30), metrics=[metric])["waiting"]
    assert [one.status for one in scores] == ["failed" if str(number) == bad else "ok" for number in range(30)]
    assert f"{bad} is bad" in scores[int(bad)].reason


def test_a_run_that_is_stopped_waits_for_nothing_and_keeps_what_was_scored(tmp_path):
    class Stuck(Waiting):
        reached, let_go = threading.Event(), threading.Event()

        def prepare(self, sample):
            if sample.id == "9":
                assert self.reached.wait(LIMIT)
                raise KeyboardInterrupt
            return sample.id

        def score_each(self, prepared):
            for number, item in enumerate(prepared):
                if number < 3:
                    yield number, self.score_batch([item])[0]
                else:
                    self.reached.set()
                    in_time.append(self.let_go.wait(LIMIT))
                    yield number, Score.unscored("unavailable", "the run was stopped")

        def interrupt(self):
            self.let_go.set()

    in_time = []
    with pytest.raises(Interrupted, match="resumes from here"):
        score(samples(20), metrics=[Stuck()], output=tmp_path / "scores.csv")
    assert in_time == [True]
    results = score(samples(20), metrics=[Waiting()], output=tmp_path / "scores.csv")
    assert results.reused == 3
    assert results.all_scored
