"""The result of an evaluation: a line for each number, the joined arrays behind it, and the files that keep them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files.overwrite import check_json, check_table
from ..files.rows import require_writable
from ..files.tabular import Tabular
from ..files.text import arrow
from ..files.writing import write_text
from .measure import AgreementError

if TYPE_CHECKING:
    import polars

    from .logistic import LogisticFit
    from .significance import Comparison

ALL = "all"
"""The group of the lines over all items."""

SYSTEM_LEVEL = "system level"
"""The group of the lines over the means of each system."""

SHOWN = 3
"""How many numbers `repr` of an agreement has."""

AGREEMENT_SUFFIXES = (".json", ".csv")


def average_over(column: str) -> str:
    """Return the group of the lines that average a measure over the groups of `column`."""
    return f"average over {column}"


@dataclass(frozen=True)
class Line:
    """One number: how well `score` agrees with `rating` by `measure` in `group`.

    - `group`: "all", "COLUMN=VALUE", "average over COLUMN" or "system level".
    - `value`: in the measure's unit, with the sign that the numbers give; None where it is undefined, and `note` says
      why.
    - `low`, `high`: the ends of the bootstrap interval; None where there is none.
    - `n`: the rated items that it was computed of. `excluded`: those of its group that were left out. Their sum is the
      number of rated items of the group.
    - `groups`: how many groups an average holds, or how many systems a system level; None for the others.
    """

    score: str
    rating: str
    group: str
    measure: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    excluded: int
    groups: int | None = None
    note: str | None = None


@dataclass(frozen=True, eq=False)
class Pair:
    """One score column and its rating column, joined: arrays over the n items that have both.

    - `scores`, `ratings`: (n,) float; labels are 1 for positive and 0 for negative.
    - `rows`: (n,) the row of the ratings' table of each item.
    - `ids`, `systems`, `sources`: (n,) text; the last two are None when there is no such column.
    - `groups`: (n,) text for each grouping column.
    - `clusters`: (n,) integers; items with the same one are resampled together.
    - `excluded`: the reasons for which rows of the ratings' table were left out, with their number.
    - `higher_is_better`: the direction of the score; `direction_known` is False where it was assumed.
    - `fit`: the logistic curve from scores to ratings; None for labels, and when there is none (`fit_problem` says
      why).
    - `labels`: whether the ratings are labels; `threshold` then turns scores into labels, and `threshold_given` says
      whether it was given or chosen on these very items.
    - `tie_threshold`: scores that differ by no more than this are tied, in pairwise accuracy.
    """

    score: str
    rating: str
    rows: np.ndarray
    ids: np.ndarray
    scores: np.ndarray
    ratings: np.ndarray
    systems: np.ndarray | None
    sources: np.ndarray | None
    groups: Mapping[str, np.ndarray]
    clusters: np.ndarray
    excluded: Mapping[str, int]
    higher_is_better: bool = True
    direction_known: bool = False
    fit: LogisticFit | None = None
    fit_problem: str | None = None
    labels: bool = False
    threshold: float | None = None
    threshold_given: bool = False
    tie_threshold: float | None = None

    @property
    def arrow(self) -> str:
        return arrow(self.higher_is_better)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Tabular):
    """The result of `evaluate`: `lines` are written to files, `pairs` are drawn in plots.

    A loop goes through the lines, `agreement[0]` is the first of them, and `agreement["psnr"]` lists those of a score.

    - `comparisons`: paired tests of each score against one.
    - `notes`: remarks for the reader: how rows were joined, what was left out, what was assumed.
    - `requested`: the groups whose numbers were requested: all items, the averages over groups, a named system level.
    - `unanswered`: requests without a line: measures that suit no rating, undefined tests.
    - `settings`: replicates, seed, level and cluster column of the intervals, and so on.
    """

    lines: Sequence[Line]
    pairs: Sequence[Pair]
    comparisons: Sequence[Comparison] = ()
    notes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    requested: Sequence[str] = (ALL,)
    unanswered: Sequence[str] = ()

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, key: str | int | slice) -> Any:
        if not isinstance(key, str):
            return self.lines[key]
        if lines := [line for line in self.lines if line.score == key]:
            return lines
        raise KeyError(f"{key!r}; the scores are {', '.join(dict.fromkeys(line.score for line in self.lines))}")

    def __repr__(self) -> str:
        over_all = [line for line in self.lines if line.group == ALL]
        shown = [
            f"{line.measure} of {line.score} with {line.rating} "
            + ("undefined" if line.value is None else f"{line.value:.4g}")
            for line in over_all[:SHOWN]
        ]
        more = len(self.lines) - len(shown)
        return f"Agreement({', '.join([*shown, *([f'{more} more'] if more else [])])})"

    @property
    def without_value(self) -> list[Line]:
        """The lines without a value in the requested groups."""
        return [line for line in self.lines if line.value is None and line.group in self.requested]

    @property
    def complete(self) -> bool:
        """Whether every requested number has a value."""
        return not self.without_value and not self.unanswered

    def line(self, score: str, measure: str, rating: str | None = None, group: str = ALL) -> Line:
        """Return the line of a score and a measure; `rating` may be left out when the score has only one."""
        lines = [
            line
            for line in self.lines
            if (line.score, line.measure, line.group) == (score, measure, group) and rating in (None, line.rating)
        ]
        if len(lines) != 1:
            raise AgreementError(
                f"{len(lines)} lines have score {score!r}, measure {measure!r}, group {group!r}"
                + (f" and rating {rating!r}" if rating else "")
                + f"; the groups are {', '.join(dict.fromkeys(line.group for line in self.lines))}"
            )
        return lines[0]

    def value(self, score: str, measure: str, rating: str | None = None, group: str = ALL) -> float:
        """Return the number of a line. Raises `AgreementError` with the reason when it has none."""
        line = self.line(score, measure, rating, group)
        if line.value is None:
            raise AgreementError(f"{measure} of {score} has no value ({group}): {line.note}")
        return line.value

    def overview(self) -> polars.DataFrame:
        """Return the lines over all items, without what stands beside them."""
        columns = ["score", "rating", "measure", "value", "low", "high", "n"]
        return self.table().filter(group=ALL).select(columns)

    def table(self) -> polars.DataFrame:
        """Return the lines, and those of the paired tests, as a polars table."""
        import polars

        types = {"str": polars.String, "int": polars.Int64, "float": polars.Float64}
        schema = {f.name: types[str(f.type).split(" ")[0]] for f in fields(Line)}
        return polars.DataFrame(self._rows(), schema=schema)

    def write(self, path: str | Path) -> None:
        """Write the table as .json (a flat list of objects) or .csv, in full precision. Raises `AgreementError`."""
        path = Path(path)
        check_output(path, overwrite=True)
        rows = self._rows()
        if path.suffix.lower() == ".json":
            write_text(path, json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
            return
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [f.name for f in fields(Line)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(path, text.getvalue())

    def _rows(self) -> list[dict[str, Any]]:
        return [asdict(line) for line in [*self.lines, *map(_test_line, self.comparisons)]]


def _test_line(test: Comparison) -> Line:
    return Line(
        test.score,
        test.rating,
        ALL,
        f"{test.measure} minus that of {test.against}",
        test.difference,
        test.low,
        test.high,
        test.n,
        test.excluded,
        note=f"p = {test.p:.4g}; differences from {test.minimum_detectable:.4g} are detectable",
    )


def check_output(path: Path, overwrite: bool = False) -> None:
    """Raise `DataError` unless an agreement can be written to `path`.

    That takes a known suffix, an existing folder, and no other file in its place, unless `overwrite`.
    """
    require_writable(path, AGREEMENT_SUFFIXES, "an agreement")
    check = check_json if path.suffix.lower() == ".json" else check_table
    check(path, ("score", "rating", "group", "measure", "value"), overwrite)
