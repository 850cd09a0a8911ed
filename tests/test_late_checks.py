"""Checks of values are put off on a device, and nowhere else; results are read in one transfer."""

from __future__ import annotations

import pytest
import torch

from editmetrics.late_checks import checked_late, read_results, require
from editmetrics.testing import rehearsal

needs_device = pytest.mark.skipif(rehearsal.why_unavailable() is not None, reason=str(rehearsal.why_unavailable()))


class TooDark(Exception):
    pass


def check(values):
    require(values > 0, lambda: TooDark(f"{int((values <= 0).sum())} dark"))


def test_on_a_cpu_a_check_is_made_at_once():
    @checked_late
    def score(values):
        check(values)
        raise AssertionError("reached")

    with pytest.raises(TooDark, match="1 dark"):
        score(torch.tensor([1.0, 0.0]))


@needs_device
@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, 0.0]])
def test_on_a_device_results_and_checks_are_one_transfer(values):
    rehearsal.install()
    x = torch.tensor(values).to(rehearsal.NAME)

    @checked_late
    def score():
        check(x)
        check(x + 1)
        shapes, counts = read_results(x.reshape(2, 1), (x * 3).long())
        return shapes.tolist(), counts.tolist()

    with rehearsal.watch() as seen:
        if values[1]:
            assert score() == ([[1], [2]], [3, 6])
        else:
            with pytest.raises(TooDark, match="1 dark"):
                score()
    assert [event.kind for event in seen.reads] == ["download"] + ["item"] * (not values[1])  # the error counts


@needs_device
def test_what_nobody_reads_is_checked_at_the_end_even_after_another_error():
    rehearsal.install()
    x = torch.tensor([0.0]).to(rehearsal.NAME)

    @checked_late
    def score(fails):
        check(x)
        if fails:
            raise ValueError("a consequence of the dark")

    for fails in (False, True):
        with pytest.raises(TooDark):
            score(fails)
    with pytest.raises(TooDark):  # outside of a batch at once
        check(x)
    assert checked_late(lambda: 1)() == 1


def test_tensors_of_the_cpu_come_back_as_they_are():
    wide = torch.tensor([1 / 3], dtype=torch.float64, requires_grad=True)
    (back,) = read_results(wide)
    assert back.dtype == torch.float64
    assert back.tolist() == [1 / 3]
    assert not back.requires_grad
