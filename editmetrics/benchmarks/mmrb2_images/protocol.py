"""MMRB2: the share of right answers, both orders of a pair counted one by one, in each task."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...agreement.measure import Floats
from ...agreement.protocols.pair_figures import COLUMNS, choices, correct, share_lines
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import Line
from ...pairs.reading import orders_in
from ..pair_layout import PREFERENCE


def _figures(joined: Joined) -> Iterator[Line]:
    _, people = joined.dimension(PREFERENCE)
    rated = ~np.isnan(people)
    both = correct(choices(joined, PREFERENCE), people)
    answers = _of_answers(joined, both, people)
    for measure, right in (("accuracy", answers), ("accuracy_both_orders", both)):
        yield from share_lines(joined, PREFERENCE, measure, right, rated, "task")


def _of_answers(joined: Joined, both: Floats, people: Floats) -> Floats:
    """The share of right answers of each pair (rows,): of a judge's two, where they are known; of scores 0 or 1."""
    if not joined.has("orders"):
        return both
    right = both.copy()
    for row, cell in enumerate(joined.texts("orders")):
        if (orders := orders_in(cell)) is not None:
            right[row] = np.mean([answer == people[row] for answer in orders])
    return right


PROTOCOL = Protocol(
    name="mmrb2-images",
    about="MMRB2: accuracy of a judge's answers, both orders one by one, in each task; and of pairs right in both",
    source="MMRB2, arXiv 2512.16899; compute_accuracy.py of facebookresearch/MMRB2 at 7ff0552; equal scores are wrong; "
    "accuracy_both_orders and intervals are ours",
    dimensions={PREFERENCE: "which of two responses experts prefer"},
    columns={
        "task": "t2i or edit",
        "orders": "a judge's answers in both orders, '1, -1': 1 for the first image; other metrics have none",
        **COLUMNS,
    },
    required=frozenset(),
    figures=_figures,
)
