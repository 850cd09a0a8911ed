"""A data set: its ratings and their scales, its reader, its protocol, its terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..sample import EditMetricsError, Sample

if TYPE_CHECKING:
    from .checks import CopyChecks


class BenchmarkError(EditMetricsError, ValueError):
    """A copy of a data set, its scores, or a folder of results cannot be used; the message lists all problems."""


@dataclass(frozen=True)
class RatedAspect:
    """An aspect that people rated: a number from `low` to `high`, or one of `labels`.

    - `quality`: whether a metric with a single number may be compared with it.
    """

    about: str
    low: float = 0.0
    high: float = 100.0
    labels: tuple[str, ...] = ()
    quality: bool = True


@dataclass(frozen=True)
class Benchmark:
    """One data set.

    - `name`, `title`, `paper`: its name here and in print, and the paper that describes it.
    - `ratings`: the rated aspects, by their names in the samples' `meta` and in the protocol.
    - `protocol`: the paper's evaluation, a name of `editmetrics.agreement.protocols`.
    - `read`: the samples of a folder, with ratings and other columns in `meta`; problems go to `CopyChecks`.
    - `size`, `unit`: the number of samples of a complete copy, 0 if it is not stated; and a word for them.
    - `missing`: lists what a complete copy has besides these samples.
    - `pairing`: from the dimension of a metric to the rating that it is compared with, where the names differ.
    - `obtain`, `terms`: how to get it, and under which terms. `public`: whether all of it is available.
    - `split`: the column from which `--split` chooses, `evaluated` its default value.
    - `shown`: columns whose values a description counts.
    - `protocol_columns`: from a column of the protocol to the column here, where the names differ.
    - `methods`: the paper's own methods, whose published numbers stand beside ours in each group.
    - `pairs`: whether a sample is a pair, `edited` and `rival`, and its rating the preference, 1 for `edited`, -1 for
      `rival`, 0 for a tie. `meta` then has the names of both edits, `edit` and `rival_edit`.
    - `also_called`: names under which others know it, and perhaps another data set.
    - `headline`: for the group of a published number, the groups of computed ones shown beside it, best first.
    """

    name: str
    title: str
    paper: str
    ratings: Mapping[str, RatedAspect]
    protocol: str
    read: Callable[[Path, CopyChecks], list[Sample]]
    size: int
    unit: str
    missing: Callable[[Sequence[Sample]], list[str]]
    obtain: str
    terms: str
    public: bool
    pairing: Mapping[str, str] = field(default_factory=dict)
    split: str | None = None
    evaluated: str | None = None
    shown: tuple[str, ...] = ("system",)
    protocol_columns: Mapping[str, str] = field(default_factory=dict)
    headline: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    methods: tuple[str, ...] = ()
    pairs: bool = False
    also_called: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        """Its page in the documentation."""
        return f"docs/benchmarks/{self.name}.md"


def missing_rows(samples: Sequence[Sample], column: str, expected: Mapping[str, int], unit: str = "rows") -> list[str]:
    """Return a line for each value of `column` that has fewer or more samples than `expected`.

    >>> samples = [Sample("a", edited="a.png", meta={"system": "x"})]
    >>> missing_rows(samples, "system", {"x": 2, "y": 2})
    ['system x: 1 of 2 rows', 'system y: 0 of 2 rows']
    """
    counts: dict[str, int] = {}
    for sample in samples:
        value = str(sample.meta.get(column))
        counts[value] = counts.get(value, 0) + 1
    return [
        f"{column} {value}: {counts.get(value, 0):,} of {count:,} {unit}"
        for value, count in expected.items()
        if counts.get(value, 0) != count
    ]
