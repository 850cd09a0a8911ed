"""Fields of samples that a run requires, and where people put them."""

from __future__ import annotations

from collections.abc import Sequence

from ..metric import Metric
from ..sample import FIELDS, EditMetricsError, Sample
from .results import PlanError

WHERE = {
    "source": "a folder or an image of sources before the edited one, or a column source (--map source=COLUMN)",
    "edited": "a column edited (--map edited=COLUMN)",
    "reference": "--references FOLDER, or a column reference",
    "rival": "a manifest with a column rival, a second edit of the same source",
    "mask": "--masks FOLDER, or a column mask",
    "prompt": "--prompts FILE, or a column prompt (--map prompt=COLUMN)",
    "source_prompt": "a manifest with a column source_prompt, what the source shows",
    "questions": "a manifest with a column questions",
}
"""Where people put what is missing."""

OF_SETS = "a folder of reference images before the others, --references FOLDER, or a column reference or source"
"""Where people put the reference images of a metric of sets."""


def require_some(metric: Metric, absent: Sequence[str], samples: Sequence[Sample]) -> None:
    """Raise `PlanError`, before anything is loaded, for the fields `absent` that the metric needs and no sample has.

    So it does where no system has enough images for a metric of sets, with the reason of the first.
    """
    if absent:
        where = {**WHERE, "reference": OF_SETS} if metric.of_sets else WHERE
        names, places = " and ".join(absent), " and ".join(where[name] for name in absent)
        raise PlanError(f"{metric.label} requires {names}, which no sample has: give {places}")
    refused: list[str] = []
    for sample in samples if metric.of_sets else ():
        try:
            metric.check_fields(sample)
        except EditMetricsError as error:
            refused.append(str(error))
    if refused and len(refused) == len(samples):
        raise PlanError(refused[0])


def require_fields(suite: str, metrics: Sequence[Metric], samples: Sequence[Sample]) -> None:
    """Raise `PlanError`, before anything is loaded, naming each field that a metric needs and no sample has."""
    lacking: dict[str, list[str]] = {}
    for name in FIELDS:
        if any(sample.has(name) for sample in samples):
            continue
        if needing := [metric.label for metric in metrics if name in metric.required()]:
            lacking[name] = needing
    if lacking:
        lines = "\n".join(f"  {name}: give {WHERE[name]}; for {', '.join(by)}" for name, by in lacking.items())
        raise PlanError(f"the suite {suite} requires fields that no sample has:\n{lines}")
