"""What a data set is: its ratings and their scales, its reader, its protocol, its terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..sample import EditMetricsError, Sample

if TYPE_CHECKING:
    from .findings import Findings


class BenchmarkError(EditMetricsError, ValueError):
    """A copy of a data set, or scores of it, cannot be used; the message lists everything that is wrong."""


@dataclass(frozen=True)
class Rating:
    """What people said in one respect: a number from `low` to `high`, or one of `labels`.

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

    - `name`, `title`, `paper`: what it is called here and in print, and where it is described.
    - `ratings`: what is rated, by the name that its samples' `meta` and its protocol have for it.
    - `protocol`: the paper's evaluation, a name of `editmetrics.agreement.protocols`.
    - `read`: the samples of a folder, with ratings and other columns in `meta`; what is wrong goes to `Findings`.
    - `size`, `what`: how many of what a complete copy has; 0 where that is not stated.
    - `missing`: what a complete copy has beside these samples, a line each.
    - `pairing`: from the dimension of a metric to the rating that it meets, where the names differ.
    - `obtain`, `terms`: where it is to be had, and on which terms. `public`: whether it can be had at all.
    - `split`: the column whose values `--split` chooses from, `evaluated` the value that is evaluated by default.
    - `shown`: the columns whose values are counted in a description.
    - `protocol_columns`: from a column of the protocol to the column here, where the names differ.
    - `methods`: the paper's own methods, whose published numbers stand beside ours in each group.
    - `headline`: for the group of a published number, the groups of ours that are shown beside it, best first.
    """

    name: str
    title: str
    paper: str
    ratings: Mapping[str, Rating]
    protocol: str
    read: Callable[[Path, Findings], list[Sample]]
    size: int
    what: str
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

    @property
    def page(self) -> str:
        """Its page in the documentation."""
        return f"docs/benchmarks/{self.name}.md"


def missing_rows(samples: Sequence[Sample], column: str, expected: Mapping[str, int], what: str = "rows") -> list[str]:
    """A line for each value of `column` of which there are fewer samples, or more, than `expected`.

    >>> found = [Sample("a", "a.png", meta={"system": "x"})]
    >>> missing_rows(found, "system", {"x": 2, "y": 2})
    ['system x: 1 of 2 rows', 'system y: 0 of 2 rows']
    """
    counts: dict[str, int] = {}
    for sample in samples:
        value = str(sample.meta.get(column))
        counts[value] = counts.get(value, 0) + 1
    return [
        f"{column} {value}: {counts.get(value, 0):,} of {count:,} {what}"
        for value, count in expected.items()
        if counts.get(value, 0) != count
    ]
