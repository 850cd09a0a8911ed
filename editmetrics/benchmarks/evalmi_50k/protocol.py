"""EvalMi-50K (LMM4LMM): correlations of images, per task and over folds; ranking of models; accuracy of answers."""

from __future__ import annotations

from collections.abc import Iterator

from ...agreement.correlation import krcc, plcc, srcc
from ...agreement.protocols.figures import answer_lines, average, system_lines
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import Line, average_over

SCORED = ("perception", "correspondence")
ANSWERED = "answer"


def _figures(joined: Joined) -> Iterator[Line]:
    tasks = joined.groups("task") if joined.has("task") else {}
    folds = joined.groups("fold") if joined.has("fold") else {}
    for dimension in SCORED:
        if not joined.has_dimension(dimension):
            continue
        yield from joined.correlations(dimension, (srcc, plcc, krcc))
        by_fold = [
            joined.correlations(dimension, (srcc, plcc, krcc), rows, f"fold={fold}") for fold, rows in folds.items()
        ]
        for lines in by_fold:
            yield from lines
        for of_measure in zip(*by_fold, strict=True):
            yield average(joined, of_measure, average_over("fold"))
        for task, rows in tasks.items():
            yield from joined.correlations(dimension, (srcc,), rows, f"task={task}")
        if joined.has("system"):
            yield from system_lines(joined, dimension)
    if joined.has_dimension(ANSWERED):
        yield from answer_lines(joined, ANSWERED, tasks)


PROTOCOL = Protocol(
    name="evalmi-50k",
    about="EvalMi-50K: SRCC, PLCC, KRCC of images; SRCC and RMSE of models; accuracy of yes/no answers",
    source="LMM4LMM, section 5, Tables 2, 3 and 4",
    dimensions={
        "perception": "perceptual quality",
        "correspondence": "text-image correspondence",
        "answer": "the answer to the question about the image, yes or no",
    },
    columns={
        "system": "the model that made the image; gives the ranking of models",
        "task": "the kind of prompt; gives the figures of each task",
        "fold": "the fold whose test part the image is in; gives the average over folds that the paper prints",
    },
    required=frozenset(),
    figures=_figures,
)
