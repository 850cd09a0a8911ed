"""Which metrics a run computes, under which column names and identities, and whether its samples can serve them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import metadata
from typing import Any, Literal

from ..images import decoder
from ..metric import Metric
from ..registry import create_metric, providers_of
from ..sample import FIELDS, EditMetricsError, Sample, plain
from ..weights import checksums

WHERE = {
    "source": "a folder or an image of sources before the edited one, or a column source",
    "edited": "a column edited",
    "reference": "--references FOLDER, or a column reference",
    "mask": "--masks FOLDER, or a column mask",
    "prompt": "--prompts FILE, or a column prompt",
    "source_prompt": "a manifest with a column source_prompt, what the source shows",
    "questions": "a manifest with a column questions",
}
"""Where people put what is missing."""


class PlanError(EditMetricsError, ValueError):
    """A run that cannot be started as it was asked for."""


class EngineError(EditMetricsError):
    """Samples cannot be scored over a cluster; the message says why and what to do."""


@dataclass(frozen=True)
class Column:
    """One metric of a run: under its `label` in the table, under its `key` in the record.

    `told` is the identity where another machine has loaded the metric and told it.
    """

    metric: Metric
    told: dict[str, Any] | None = field(default=None, compare=False)
    profile: Literal["ignore", "convert"] = "ignore"
    """How colour profiles of images are handled."""

    @property
    def label(self) -> str:
        return self.metric.label

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields of a sample that its score may depend on."""
        wanted = self.metric.fields()
        return tuple(name for name in FIELDS if name in wanted)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that produces its numbers: what the metric declares, and what the engine adds (the checksums of
        its weights, the version of a plugin's package, how images are read)."""
        if self.told is not None:
            return self.told
        return {
            **self.metric.identity(),
            "checkpoints": checksums(names) if (names := self.metric.checkpoints()) else {},
            "packages": packages_of(self.metric),
            "images": decoder(self.profile),
        }

    @cached_property
    def key(self) -> str:
        """The first 16 hex digits of the SHA-256 of `identity`, as canonical JSON."""
        try:
            text = json.dumps(self.identity, sort_keys=True, default=plain, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise PlanError(f"the identity of {self.label} is not JSON ({error}); tell its author") from error
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def names(self) -> dict[str, str]:
        """From dimension to the column of the table: a metric with one dimension is named alone."""
        dimensions = self.metric.dimensions
        return {d.name: self.label if len(dimensions) == 1 else f"{self.label}.{d.name}" for d in dimensions}


def packages_of(metric: Metric) -> dict[str, str]:
    """The installed package that a third party's metric comes from, and its version; empty for our own.

    >>> packages_of(create_metric("psnr"))
    {}
    """
    package = type(metric).__module__.partition(".")[0]
    return {} if package == "editmetrics" else providers_of(metric.name) or _distributions_of(package)


@cache
def _distributions_of(package: str) -> dict[str, str]:
    names = metadata.packages_distributions().get(package, [])
    return {name: metadata.version(name) for name in sorted(set(names))}


def plan(
    samples: Sequence[Sample],
    metrics: str | Metric | Iterable[str | Metric],
    device: str | None = None,
    profile: Literal["ignore", "convert"] = "ignore",
) -> list[Column]:
    """A column for each metric, in order; a metric named twice is computed once.

    Raises `PlanError` when two samples share an id, two metrics a label, or no sample has a field that a metric needs.
    """
    if isinstance(metrics, (str, Metric)):
        metrics = [metrics]
    columns: dict[str, Column] = {}
    for spec in metrics:
        metric = spec if isinstance(spec, Metric) else create_metric(spec, device=device)
        column = Column(metric, profile=profile)
        if column.label in columns and column.metric.options != columns[column.label].metric.options:
            raise PlanError(f"two metrics are labelled {column.label}; score them in two runs")
        columns.setdefault(column.label, column)
    if not columns:
        raise PlanError("no metric to score with; name one, for instance psnr")
    if twice := [name for name, count in Counter(sample.id for sample in samples).items() if count > 1]:
        raise PlanError(f"{len(twice)} ids stand for more than one sample, {twice[0]!r} among them; ids must be unique")
    for column in columns.values():
        absent = [name for name in FIELDS if name in column.metric.required() and not any(s.has(name) for s in samples)]
        if absent and samples:
            raise PlanError(
                f"{column.label} requires {' and '.join(absent)}, which no sample has: "
                f"give {' and '.join(WHERE[name] for name in absent)}"
            )
    return list(columns.values())


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
