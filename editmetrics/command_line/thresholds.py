"""Thresholds for the means of a run, as a test in continuous integration has: `--fail-under ssim=0.9`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.markup import escape

from ..sample import Dimension
from ..wording import expected_one_of

if TYPE_CHECKING:
    from ..metric import Metric
    from ..scoring import Results


@dataclass(frozen=True)
class Threshold:
    """The least mean of a column (`under`), or the largest."""

    column: str
    value: float
    under: bool

    def __str__(self) -> str:
        return f"--fail-{'under' if self.under else 'over'} {self.column}={self.value:g}"

    def met_by(self, mean: float | None) -> bool:
        """Whether a mean meets it; no mean, and NaN, never do.

        >>> Threshold("ssim", 0.9, under=True).met_by(0.9), Threshold("ssim", 0.9, under=True).met_by(None)
        (True, False)
        """
        if mean is None or math.isnan(mean):
            return False
        return mean >= self.value if self.under else mean <= self.value


@dataclass(frozen=True)
class CheckedMean:
    """A threshold, the mean that one system (or the run) has, and whether it is met."""

    threshold: Threshold
    system: str | None
    mean: float | None
    met: bool

    @property
    def line(self) -> str:
        """The outcome in a line with rich's markup."""
        whose = "" if self.system is None else f" of {self.system}"
        mean = "no score" if self.mean is None else f"the mean{whose} is {self.mean:.6g}"
        return escape(f"{self.threshold}: {'met' if self.met else 'not met'}; {mean}")

    def as_json(self) -> dict[str, Any]:
        """The outcome as `score --json` shows it."""
        kind = "fail_under" if self.threshold.under else "fail_over"
        return {
            "column": self.threshold.column,
            kind: self.threshold.value,
            "system": self.system,
            "mean": self.mean,
            "met": self.met,
        }


def parse_thresholds(under: Iterable[str], over: Iterable[str]) -> list[Threshold]:
    """Parse the texts COLUMN=NUMBER of `--fail-under` and `--fail-over`; `UsageError` for any other text."""
    thresholds = []
    for option, texts in (("--fail-under", under), ("--fail-over", over)):
        for text in texts:
            column, _, number = text.rpartition("=")  # a column may hold "=", as in psnr:region=inside
            try:
                value = float(number)
            except ValueError:
                value = math.nan
            if not column.strip() or math.isnan(value):
                raise click.UsageError(f"{option} {text!r}: expected COLUMN=NUMBER, such as {option} ssim=0.9")
            thresholds.append(Threshold(column.strip(), value, option == "--fail-under"))
    return thresholds


def on_columns(thresholds: Iterable[Threshold], metrics: Sequence[Metric]) -> list[Threshold]:
    """The thresholds with the full names of their columns; a metric's name stands for its primary dimension.

    Raises `UsageError` for a column that the run does not have, and for a threshold against a metric's direction.
    """
    from dataclasses import replace

    from ..scoring.results import Column

    columns: dict[str, tuple[str, Dimension]] = {}
    for metric in metrics:
        names = Column(metric).names
        columns |= {names[dimension.name]: (names[dimension.name], dimension) for dimension in metric.dimensions}
        columns.setdefault(metric.label, (names[metric.primary().name], metric.primary()))
    resolved = []
    for threshold in thresholds:
        if threshold.column not in columns:
            raise click.UsageError(f"{threshold}: unknown column; {expected_one_of(threshold.column, columns)}")
        name, dimension = columns[threshold.column]
        if dimension.higher_is_better is not None and dimension.higher_is_better != threshold.under:
            better, option = ("higher", "under") if dimension.higher_is_better else ("lower", "over")
            raise click.UsageError(
                f"{threshold}: {better} is better for {name}; use --fail-{option} {name}={threshold.value:g}"
            )
        resolved.append(replace(threshold, column=name))
    return resolved


def checked_means(thresholds: Iterable[Threshold], results: Results) -> list[CheckedMean]:
    """Each threshold with the mean of each system: over finite scores, or infinite if all are infinite alike."""
    means: dict[str, list[tuple[str | None, float | None]]] = {}
    for line in results.summary():
        mean = line.mean
        if mean is None and line.n and line.median is not None and not np.isnan(line.median):
            mean = line.median  # all are infinite, of one sign, or NaN
        means.setdefault(line.column, []).append((line.system, mean))
    return [
        CheckedMean(threshold, system, mean, threshold.met_by(mean))
        for threshold in thresholds
        for system, mean in means[threshold.column]
    ]
