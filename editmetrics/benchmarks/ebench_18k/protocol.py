"""EBench-18K (LMM4Edit): correlations of edits, per task; ranking of editing models; accuracy of yes/no answers."""

from __future__ import annotations

from collections.abc import Iterator

from ...agreement.correlation import krcc, plcc, rmse, srcc
from ...agreement.protocols.figures import answer_lines, system_lines
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import Line

SCORED = ("visual_quality", "editing_alignment", "attribute_preservation")
ANSWERED = "answer"


def _figures(joined: Joined) -> Iterator[Line]:
    tasks = joined.groups("task") if joined.has("task") else {}
    for dimension in SCORED:
        if not joined.has_dimension(dimension):
            continue
        measures = (srcc, krcc, plcc, rmse) if joined.higher_is_better else (srcc, krcc, plcc)
        yield from joined.correlations(dimension, measures)
        for task, rows in tasks.items():
            yield from joined.correlations(dimension, (srcc,), rows, f"task={task}")
        if joined.has("system"):
            yield from system_lines(joined, dimension)
    if joined.has_dimension(ANSWERED):
        yield from answer_lines(joined, ANSWERED, tasks)


PROTOCOL = Protocol(
    name="ebench-18k",
    about="EBench-18K: SRCC, KRCC, PLCC, RMSE of edits; SRCC per task; SRCC and RMSE of models; accuracy of answers",
    source="LMM4Edit, arXiv 2507.16193: PLCC, SRCC and RMSE as in its code; KRCC, tasks and models are ours",
    dimensions={
        "visual_quality": "visual quality",
        "editing_alignment": "editing correspondence: whether the edit is what was asked for",
        "attribute_preservation": "attribute preservation: whether the rest was left as it was",
        "answer": "whether the edit meets the expectations, yes or no",
    },
    columns={
        "system": "the editing model; gives the ranking of models",
        "task": "the kind of edit; gives the figures of each task",
    },
    required=frozenset(),
    figures=_figures,
)
