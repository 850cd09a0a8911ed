"""EditReward-Bench of EditScore: the share of pairs whose better edit has the higher score, as means of tasks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...agreement.protocols.figures import average
from ...agreement.protocols.pair_figures import (
    COLUMNS,
    choices,
    correct,
    item_names,
    share_line,
    with_interval_of_mean,
)
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import ALL, Line, average_over

ACCURACY = "accuracy"


def _figures(joined: Joined) -> Iterator[Line]:
    names = item_names(joined)
    for dimension in (name for name in PROTOCOL.dimensions if joined.has_dimension(name)):
        _, people = joined.dimension(dimension)
        right = correct(choices(joined, dimension), people)
        rated = ~np.isnan(people)
        groups = {ALL: rated} | {f"task={task}": rows for task, rows in joined.groups("task", rated).items()}
        total, *tasks = (
            share_line(joined, dimension, ACCURACY, group, right[rows], names[rows]) for group, rows in groups.items()
        )
        yield total
        kinds = joined.texts("task")
        mean = average(joined, tasks, average_over("task"))
        yield with_interval_of_mean(mean, right[rated], kinds[rated], names[rated])
        if joined.has("category"):
            for category, rows in joined.groups("category", rated).items():
                inside = {f"task={task}" for task in joined.groups("task", rows)}
                mean = average(joined, [line for line in tasks if line.group in inside], f"category={category}")
                yield with_interval_of_mean(mean, right[rows], kinds[rows], names[rows])
        yield from tasks


PROTOCOL = Protocol(
    name="editreward-bench-editscore",
    about="EditReward-Bench of EditScore: accuracy of pairs by dimension, mean of 13 tasks, and of each category",
    source="EditScore, arXiv 2509.23909; calculate_statistics.py of VectorSpaceLab/EditScore at 6e0f1b9: equal "
    "scores are wrong; edits keep their size, which its evaluation.py resizes to the source's; intervals and the "
    "accuracy over all pairs are ours",
    dimensions={
        "prompt_following": "which edit follows the instruction better",
        "consistency": "which edit keeps the rest of the source better",
        "overall": "which edit is better",
    },
    columns={
        "task": "the kind of edit; the mean of tasks is the benchmark's number",
        "category": "the group of tasks: object, appearance, scene or advanced",
        **COLUMNS,
    },
    required=frozenset({"task"}),
    figures=_figures,
)
