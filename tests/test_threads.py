"""Pairs side by side: one thread of torch each, in their order, and the caller's threads as before."""

import threading

import numpy as np
import pytest
import torch

from editmetrics import Dimension
from editmetrics.bases.full_reference import FullReference
from editmetrics.machine import one_thread, side_by_side


@pytest.fixture(autouse=True)
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Watched(FullReference):
    """The mean difference of two images, and a note of the threads that computed it."""

    name, version = "watched", 1
    dimensions = (Dimension("watched", low=0, high=1, higher_is_better=False, primary=True),)

    def compare(self, source, edited, mask):
        self.seen.add((threading.get_ident(), torch.get_num_threads(), torch.is_inference_mode_enabled()))
        return (source - edited).abs().mean((1, 2, 3))


@pytest.fixture
def images():
    return [np.full((8, 8, 3), value, np.uint8) for value in range(0, 240, 30)]


@pytest.mark.parametrize("count", [1, 8])
def test_a_pair_is_compared_with_one_thread_and_the_pairs_of_a_batch_side_by_side(count, images):
    from editmetrics.sample import Sample

    metric = Watched().to("cpu")
    metric.seen = set()
    samples = [Sample(str(n), edited=image, source=images[0]) for n, image in enumerate(images[:count])]
    scores = [float(score) for score in metric.score(samples, count)]
    assert scores == pytest.approx([30 * n / 255 for n in range(count)], abs=1e-6)
    assert {(threads, inference) for _, threads, inference in metric.seen} == {(1, True)}
    assert (threading.get_ident() in {thread for thread, _, _ in metric.seen}) == (count == 1)
    assert torch.get_num_threads() == 4


def test_results_are_in_order_and_the_first_error_in_order_is_raised():
    wait = threading.Barrier(4)

    def slowest_first(number):
        wait.wait(timeout=60)
        if number > 1:
            raise ValueError(str(number))
        return number

    assert side_by_side(lambda number: number * number, range(40)) == [number * number for number in range(40)]
    with pytest.raises(ValueError, match=r"^2$"):
        side_by_side(slowest_first, range(4))


def test_an_error_gives_the_threads_back():
    with pytest.raises(ValueError, match="inside"), one_thread():
        raise ValueError("inside")
    assert torch.get_num_threads() == 4
