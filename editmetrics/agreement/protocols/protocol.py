"""What a protocol is: a published way to compare scores with ratings, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..measure import AgreementError
from ..result import Line
from .joined import Joined

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True)
class Protocol:
    """A paper's evaluation, from a joined table to its figures.

    - `about`: one line; `source`: the paper and its section.
    - `dimensions`: what is rated; the table has `rating.D` and `score.D` for each D, or for those that it is about.
    - `columns`: the other columns that it reads, and what they hold; `required`: those that it cannot do without.
    - `figures`: the lines of a checked table.
    """

    name: str
    about: str
    source: str
    dimensions: Mapping[str, str]
    columns: Mapping[str, str]
    required: frozenset[str]
    figures: Callable[[Joined], Iterator[Line]]
    all_dimensions: bool = False
    """Whether the figures are defined only when every dimension is there."""

    def run(
        self,
        table: Mapping[str, Sequence[Any]] | polars.DataFrame,
        score: str = "score",
        higher_is_better: bool = True,
    ) -> list[Line]:
        """The figures of `table`, which has one row an item; `score` is the name of what is evaluated.

        - Columns: `rating.D` and `score.D` for each dimension D, and those of `columns`.
        - `higher_is_better`: False negates the scores, so that a positive correlation is agreement, as papers print it.

        A row with a rating and no score is left out of its figures and counted in their `excluded`; a row without a
        rating is no part of them. A figure that is undefined has no value and a note. Raises `AgreementError` for
        missing columns, texts where numbers belong, and columns of different lengths.
        """
        joined = Joined(table, score, higher_is_better)
        for column in sorted(self.required):
            if not joined.has(column):
                raise AgreementError(f"protocol {self.name} needs the column {column!r}: {self.columns[column]}")
        there = [name for name in self.dimensions if joined.has_dimension(name)]
        if not there or (self.all_dimensions and len(there) < len(self.dimensions)):
            missing = [name for name in self.dimensions if name not in there]
            raise AgreementError(
                f"protocol {self.name} needs the columns score.D and rating.D for "
                f"{'each' if self.all_dimensions else 'one or more'} D of {', '.join(self.dimensions)}; "
                f"there is none for {', '.join(missing)}"
            )
        return list(self.figures(joined))
