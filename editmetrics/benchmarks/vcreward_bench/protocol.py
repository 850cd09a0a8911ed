"""VCReward-Bench: the share of pairs of which the better edit is chosen, overall and by task."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...agreement.protocols.pair_figures import COLUMNS, choices, correct, share_lines
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import Line
from ..pair_layout import PREFERENCE


def _figures(joined: Joined) -> Iterator[Line]:
    _, people = joined.dimension(PREFERENCE)
    right = correct(choices(joined, PREFERENCE), people)
    yield from share_lines(joined, PREFERENCE, "accuracy", right, ~np.isnan(people), "task")


PROTOCOL = Protocol(
    name="vcreward-bench",
    about="VCReward-Bench: accuracy of pairs over all pairs and in each of 21 tasks",
    source="GEditBench v2, arXiv 2603.28547; calculate_statistics.py of ZhangqiJiang07/GEditBench_v2 at 82bc00e; a "
    "pair without a score is left out and counted; both orders are asked, and intervals are ours",
    dimensions={PREFERENCE: "which edit keeps better what the instruction does not name"},
    columns={"task": "the kind of edit", **COLUMNS},
    required=frozenset(),
    figures=_figures,
)
