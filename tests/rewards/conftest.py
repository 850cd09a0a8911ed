"""Metrics whose numbers a test knows, without torch and without weights."""

import numpy as np
import pytest

from editmetrics.metric import Metric
from editmetrics.sample import Dimension, SampleError, Score, UnavailableError


class Level(Metric):
    """Mean level of the edited image, in levels; an image darker than 10 cannot be scored."""

    name, version = "level", 1
    needs = frozenset({"edited"})
    dimensions = (
        Dimension("level", low=0, high=255, primary=True),
        Dimension("dark", low=0, high=255, higher_is_better=False),
        Dimension("odd", higher_is_better=None),
    )

    def prepare(self, sample):
        from editmetrics.images import read_image

        level = float(read_image(sample.edited).mean())
        if level < 10:
            raise SampleError("too dark to see")
        return level

    def score_batch(self, batch):
        return [Score({"level": level, "dark": 255 - level, "odd": level % 2}) for level in batch]


class Down(Metric):
    """A metric whose endpoint is down."""

    name, version = "down", 1
    needs = frozenset({"edited"})
    dimensions = (Dimension("down", low=0, high=1, primary=True),)

    def prepare(self, sample):
        raise UnavailableError("the endpoint cannot be reached")

    def score_batch(self, batch):
        return []


def image(level, size=8):
    return np.full((size, size, 3), level, np.uint8)


@pytest.fixture
def level():
    return Level()


@pytest.fixture
def down():
    return Down()
