"""Protocols of data sets of rated images, which differ in names alone: correlations, per group, and of systems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..correlation import krcc, plcc, srcc
from ..measure import Measure
from ..pairwise import calibrated_tie_threshold, pairwise_accuracy
from ..result import ALL, Line
from .figures import system_lines
from .protocol import Joined, Protocol

MEASURES = (srcc, krcc, plcc)
TAGS = "; "
"""What parts the values of a cell that has several, such as an image's skills."""


def rated_images(
    *,
    name: str,
    about: str,
    source: str,
    dimensions: Mapping[str, str],
    groups: Mapping[str, str],
    measures: Sequence[Measure] = MEASURES,
    with_ties: bool = False,
) -> Protocol:
    """Return a protocol: `measures` of each dimension over all images and in each of `groups`, and means of systems.

    - `groups`: columns and their contents; of each that a copy has, every value is measured by itself. A cell may
      hold several values, parted by `TAGS`. The column `system` also gives the ranking of systems.
    - `with_ties`: whether pairwise accuracy with calibrated ties is measured, too.
    """

    def figures(joined: Joined) -> Iterator[Line]:
        grouped = {column: _groups(joined, column) for column in groups if joined.has(column)}
        for dimension in dimensions:
            if not joined.has_dimension(dimension):
                continue
            yield from joined.correlations(dimension, measures)
            if with_ties:
                yield _pairwise(joined, dimension)
            for column, values in grouped.items():
                for value, rows in values.items():
                    yield from joined.correlations(dimension, measures, rows, f"{column}={value}")
            if "system" in grouped:
                yield from system_lines(joined, dimension)

    return Protocol(
        name=name, about=about, source=source, dimensions=dimensions, columns=groups, required=frozenset(),
        figures=figures,
    )  # fmt: skip


def _groups(joined: Joined, column: str) -> dict[str, np.ndarray]:
    """A mask of the rows with each value of a column, or with it among several."""
    cells = [set() if cell is None else set(cell.split(TAGS)) for cell in joined.texts(column)]
    values = dict.fromkeys(value for cell in joined.texts(column) if cell is not None for value in cell.split(TAGS))
    return {value: np.array([value in cell for cell in cells], bool) for value in values}


def _pairwise(joined: Joined, dimension: str) -> Line:
    """Pairwise accuracy with the tie threshold that is best on these images."""
    scores, ratings = joined.dimension(dimension)
    rated = ~np.isnan(ratings)
    used = rated & ~np.isnan(scores)
    x, y = scores[used], ratings[used]

    def accuracy() -> float:
        return pairwise_accuracy(x, y, tie_threshold=calibrated_tie_threshold(x, y))

    return joined.line(
        dimension, ALL, pairwise_accuracy.__name__, accuracy, int(used.sum()), int((rated & ~used).sum())
    )
