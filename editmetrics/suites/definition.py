"""A suite: the metrics that a benchmark reports, in the variants of its published script."""

from __future__ import annotations

from dataclasses import dataclass

from ..sample import EditMetricsError


class UnknownSuiteError(EditMetricsError, LookupError):
    """No suite has this name."""


@dataclass(frozen=True)
class Reported:
    """One column of a benchmark's table: its `heading` there, the `spec` of the metric, and how it is printed.

    `times` is what the published tables multiply the number by; ours are printed as they are.
    """

    heading: str
    spec: str
    times: float = 1


@dataclass(frozen=True)
class Suite:
    """A benchmark's set of metrics. `about` says what its table holds, and what must be in the samples."""

    name: str
    about: str
    source: str
    columns: tuple[Reported, ...]

    @property
    def specs(self) -> tuple[str, ...]:
        return tuple(column.spec for column in self.columns)
