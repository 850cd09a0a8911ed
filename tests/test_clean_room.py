"""What other code in the process has set changes no number and no refusal of any metric."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import torch
from PIL import ImageFile

from editmetrics import Dimension, Metric, Score, create_metric, score
from editmetrics.clean_room import clean_room
from editmetrics.testing import toys


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def matmul_precision(name):
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


@contextmanager
def truncated_images():
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


SURROUNDINGS = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float64 by default": lambda: default_dtype(torch.float64),
    "bfloat16 by default": lambda: default_dtype(torch.bfloat16),
    "another device by default": lambda: torch.device("meta"),
    "short matrix products": lambda: matmul_precision("medium"),
    "numpy raises": lambda: np.errstate(all="raise"),
    "truncated images": truncated_images,
}


class Sensitive(Metric):
    """A number that shows each of torch's settings: a matrix product of what is not exact in short formats."""

    name, version = "sensitive", 1
    needs = frozenset({"edited"})
    dimensions = (Dimension("sensitive", primary=True),)
    concurrent = True

    def load(self):
        self.matrix = torch.full((64, 64), 1 + 2**-10)

    def prepare(self, sample):
        return torch.full((64, 64), 1 - 2**-11), np.float32(1e-30) * np.float32(1e-30)

    def score_batch(self, batch):
        return [Score({"sensitive": float((self.matrix @ item).mean()) + float(zero)}) for item, zero in batch]


@pytest.mark.parametrize("surroundings", SURROUNDINGS.values(), ids=SURROUNDINGS)
@pytest.mark.parametrize("spec", ["sensitive", "vif", "ssim", "ms_ssim"])
def test_the_callers_settings_change_no_number(spec, surroundings):
    def make():
        return Sensitive() if spec == "sensitive" else create_metric(spec, device="cpu")

    sample = toys.sample(0)
    expected = float(make()(sample))
    with surroundings():
        metric = make()
        assert float(metric(sample)) == expected
        assert [float(one) for one in metric.score([sample])] == [expected]
        (scored,) = score([sample], make(), workers=2)[metric.label]
    # The engine adds up with one thread, a call with all: the same float32 sums in another order. bfloat16 moves vif by
    # 6e-3, ssim by 1e-3.
    assert float(scored) == pytest.approx(expected, rel=1e-5)


def test_load_called_by_hand_is_in_a_clean_room_too():
    metric = Sensitive()
    with default_dtype(torch.bfloat16):
        metric.load()
    assert metric.matrix.dtype == torch.float32


def test_the_settings_are_set_back():
    with ExitStack() as stack:
        for surroundings in SURROUNDINGS.values():
            stack.enter_context(surroundings())
        before = _settings()
        with clean_room():
            assert _settings() == (False, torch.float32, "cpu", "ieee", False, "warn")
            with clean_room(), torch.autocast("cpu", dtype=torch.bfloat16):
                assert torch.is_autocast_enabled("cpu")  # a metric's own autocast holds inside
        assert _settings() == before
        with pytest.raises(ZeroDivisionError), clean_room():
            _ = 1 / 0
        assert _settings() == before


def test_a_thread_that_leaves_first_leaves_the_room_clean_for_the_others():
    inside, leave, seen = threading.Event(), threading.Event(), []

    def stay():
        with clean_room():
            inside.set()
            leave.wait(30)
            seen.append(torch.get_default_dtype())

    with default_dtype(torch.float64):
        thread = threading.Thread(target=stay)
        thread.start()
        assert inside.wait(30)
        with clean_room():
            assert torch.get_default_dtype() == torch.float32
        leave.set()
        thread.join(30)
        assert seen == [torch.float32]
        assert torch.get_default_dtype() == torch.float64


def _settings():
    return (
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        torch.get_default_device().type,
        torch.backends.mkldnn.matmul.fp32_precision,
        ImageFile.LOAD_TRUNCATED_IMAGES,
        np.geterr()["invalid"],
    )
