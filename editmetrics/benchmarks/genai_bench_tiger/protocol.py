"""GenAI-Bench of TIGER-Lab: the share of votes that are foretold, with people's ties and without, in each task."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...agreement.protocols.pair_figures import COLUMNS, lines_with_and_without_ties
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import ALL, Line
from ..pair_layout import PREFERENCE


def _figures(joined: Joined) -> Iterator[Line]:
    _, people = joined.dimension(PREFERENCE)
    rated = ~np.isnan(people)
    tasks = joined.groups("task", rated) if joined.has("task") else {}
    groups = {f"task={task}": rows for task, rows in tasks.items()}
    for group, rows in (groups or {ALL: rated}).items():
        yield from lines_with_and_without_ties(joined, PREFERENCE, group, rows)


PROTOCOL = Protocol(
    name="genai-bench-tiger",
    about="GenAI-Bench of TIGER-Lab: accuracy of votes with and without ties, in each task",
    source="GenAI Arena, arXiv 2406.04485, whose judges name the kind of tie, too; for scores, EditReward, arXiv "
    "2509.26346, calc_accuracy_with_ties of TIGER-AI-Lab/EditReward at edb027e; intervals are ours",
    dimensions={PREFERENCE: "which of two images people voted for; 0 for a tie, both good or both bad"},
    columns={"task": "image_edition or image_generation", **COLUMNS},
    required=frozenset(),
    figures=_figures,
)
