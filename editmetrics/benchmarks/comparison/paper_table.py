"""The comparison tables that papers print: methods in their order, under their headings, and how to compute each.

`benchmarks/NAME/tables.toml` has the tables of a data set, `published.csv` their numbers:

    name = "tables"

    [[tables]]
    paper = "LMM4LMM (arXiv 2504.08358)"         as in published.csv
    table = "Table 2"                            as in published.csv
    title = "quality assessors on EvalMi-50K"
    own = "LMM4LMM"                              the paper's own method
    decimals = { "*" = 4, accuracy = "1%" }      digits in print; "1%": times 100, with one

    [[tables.groups]]
    heading = "handcrafted IQA models"
    kind = "classic"                             or deep, mllm
    methods = [
        { name = "NIQE", metric = "niqe" },
        { name = "QAC", reason = "matlab" },
    ]

    [reasons]
    matlab = "released as MATLAB code only"

A method is `metric`, scored as it is; `train`, trained on the data set's own training part; `combine`, a regressor of
other methods' scores; or has the `reason` why it is not computed. `differs` says what of ours is not as in the paper. A
table over several data sets has `columns`, and its numbers in `cross.csv`; it is a table of each of them, too.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, get_args

from ...files.toml import Key
from ...files.typed_toml import read_typed_toml
from ..benchmark import BenchmarkError
from ..catalogue import FOLDERS, published_in

Kind = Literal["classic", "deep", "mllm"]
KINDS: tuple[Kind, ...] = get_args(Kind)

TABLE_FOLDERS = {**FOLDERS, "q-bench-portrait": "qbench"}
"""From the name of a data set with comparison tables to its folder; of the last one, questions are asked."""

YOURS = "yours"
"""The heading of methods that the paper does not have."""


@dataclass(frozen=True)
class ScoreOf:
    """The score that a method of the same data set gives for one rating."""

    method: str
    rating: str


@dataclass(frozen=True)
class CombinedScores:
    """A `regressor` of `editmetrics combine` that predicts `rating` from the `scores` of other methods."""

    regressor: str
    rating: str
    scores: tuple[ScoreOf, ...]


@dataclass(frozen=True)
class TableMethod:
    """A row: a method under its heading.

    - `metric`: what scores it. `train`: what is trained for it, with `settings` of `fit`. `combine`: what is fitted to
      scores of other methods. `reason`: why it is none of them.
    - `trained_on`: the data set that it is trained on, where that is not the table's own.
    - `targets`: from a dimension to the rating that it is trained on, where that is not as in the rest of the file.
    - `differs`: what of ours is not as in the paper.
    """

    name: str
    heading: str
    kind: Kind
    metric: str | None = None
    train: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    trained_on: str | None = None
    targets: Mapping[str, str] = field(default_factory=dict)
    combine: CombinedScores | None = None
    reason: str | None = None
    differs: str | None = None

    @property
    def how(self) -> str:
        """The way to its scores, in a few words.

        >>> TableMethod("NIQE", "handcrafted", "classic", metric="niqe").how
        'niqe'
        >>> TableMethod("QAC", "handcrafted", "classic", reason="MATLAB only").how
        'published only'
        """
        trained = f"{self.train} {self.settings.get('preset', '')}".rstrip()
        if self.combine is not None:
            names = dict.fromkeys(score.method for score in self.combine.scores)
            return f"{self.combine.regressor} of {' and '.join(names)}"
        return self.metric or (f"{trained}, trained" if self.train else "published only")

    def not_computed(self, reason: str) -> TableMethod:
        """Return the method with a reason in place of what would compute it."""
        return replace(self, metric=None, train=None, combine=None, reason=reason)


@dataclass(frozen=True)
class PaperColumn:
    """A column of numbers: a measure of a rating in a group of a data set, as the protocol names them."""

    data: str
    rating: str
    group: str
    measure: str


@dataclass(frozen=True)
class PaperTable:
    """One table in print.

    - `data`: the data set. `own`: the paper's own method, which others are tested against.
    - `home`: the data set that the paper is about, where that is another.
    - `values`: what the paper prints, by the method's name and the column; `doubts` on some of them.
    - `titles`: what the paper calls a data set, where the columns are of several.
    - `targets`: what each dimension of a regressor of any rating is trained on.
    """

    data: str
    paper: str
    table: str
    title: str
    own: str | None
    methods: Sequence[TableMethod]
    columns: Sequence[PaperColumn]
    values: Mapping[tuple[str, PaperColumn], float]
    doubts: Mapping[tuple[str, PaperColumn], str]
    decimals: Mapping[str, int | str]
    titles: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    targets: Mapping[str, str] = field(default_factory=dict)
    home: str | None = None

    @property
    def crossed(self) -> bool:
        """Whether the columns are of several data sets."""
        return bool(self.titles)

    def text(self, measure: str, value: float | None) -> str:
        """Return a number as this paper prints that measure; a dash for None.

        >>> table = paper_tables("evalmi-50k")[0]
        >>> table.text("srcc", 0.387), table.text("srcc", None)
        ('0.3870', '-')
        """
        if value is None:
            return "-"
        digits = str(self.decimals.get(measure, self.decimals.get("*", 4)))
        share = digits.endswith("%")
        return f"{100 * value if share else value:.{int(digits.rstrip('%'))}f}"


@dataclass(frozen=True)
class MethodEntry:
    """A method in `tables.toml`; see `TableMethod`."""

    name: str
    metric: str | None = None
    train: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    trained_on: str | None = None
    targets: dict[str, str] = field(default_factory=dict)
    combine: CombinedScores | None = None
    reason: str | None = None
    differs: str | None = None


@dataclass(frozen=True)
class GroupEntry:
    """Methods under one heading."""

    heading: str
    kind: Kind
    methods: tuple[MethodEntry, ...]


@dataclass(frozen=True)
class ColumnsEntry:
    """A data set of a table over several: its name here and in print, and the rating that scores are compared with."""

    data: str
    title: str
    rating: str


@dataclass(frozen=True)
class TableEntry:
    """A table in `tables.toml`; see `PaperTable`."""

    paper: str
    table: str
    title: str
    groups: tuple[GroupEntry, ...]
    own: str | None = None
    decimals: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    columns: tuple[ColumnsEntry, ...] = ()


@dataclass(frozen=True)
class TablesFile:
    """The content of `tables.toml`.

    `reasons` are those that several methods share, by a key. `targets`: from a dimension to a rating, for learned
    metrics with all of these dimensions, which are trained once for each rating.
    """

    name: str
    tables: tuple[TableEntry, ...]
    reasons: dict[str, str] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)


@cache
def paper_tables(name: str) -> Sequence[PaperTable]:
    """Return the comparison tables of papers on the data set `name`, in the order of print.

    Tables of other data sets' papers that have columns for it follow. Raises `BenchmarkError` for a file that is not as
    it should be, with the line.

    >>> [(table.table, len(table.methods)) for table in paper_tables("evalmi-50k")][0]
    ('Table 2', 35)
    """
    elsewhere = [_seen_from(name, table) for other in TABLE_FOLDERS if other != name for table in _own_tables(other)]
    return (*_own_tables(name), *(table for table in elsewhere if table is not None))


@cache
def _own_tables(name: str) -> Sequence[PaperTable]:
    path = Path(__file__).parents[1] / TABLE_FOLDERS[name] / "tables.toml"
    if not path.is_file():
        return ()
    file = read_typed_toml(path, TablesFile, BenchmarkError, partial(_problems, name))
    return tuple(_table(name, entry, file) for entry in file.tables)


def _seen_from(name: str, table: PaperTable) -> PaperTable | None:
    """A table over several data sets as one of the data set `name`; what it trains is trained on the paper's."""
    if name not in table.titles:
        return None
    home = table.data
    methods = [replace(m, trained_on=m.trained_on or home) if m.train else m for m in table.methods]
    return replace(table, data=name, home=home, methods=methods)


def _problems(name: str, file: TablesFile) -> Iterator[tuple[Key, str]]:
    """Yield what does not belong together: ways to compute a method, and methods without printed numbers."""
    every = {method.name for entry in file.tables for group in entry.groups for method in group.methods}
    for number, entry in enumerate(file.tables):
        for position, group in enumerate(entry.groups):
            for row, method in enumerate(group.methods):
                key = ("tables", number, "groups", position, "methods", row)
                if [method.metric, method.train, method.combine, method.reason].count(None) != 3:
                    yield key, f"{method.name} requires one of metric, train, combine and reason"
                if method.combine is not None:
                    names = {score.method for score in method.combine.scores} - every
                    if names or not method.combine.scores:
                        yield key, f"{method.name} combines {sorted(names) or 'nothing'}; expected methods of this file"
        listed = [method.name for group in entry.groups for method in group.methods]
        printed = {method for method, _ in _printed(name, entry)[0]}
        if len(set(listed)) != len(listed) or set(listed) != printed:
            odd = sorted(set(listed) ^ printed) or "one is listed twice"
            yield ("tables", number), f"{entry.table}: methods are not those with printed numbers, once each: {odd}"


def _table(name: str, entry: TableEntry, file: TablesFile) -> PaperTable:
    values, doubts = _printed(name, entry)
    methods = [
        TableMethod(
            heading=group.heading, kind=group.kind, **{**vars(m), "reason": file.reasons.get(str(m.reason), m.reason)}
        )
        for group in entry.groups
        for m in group.methods
    ]
    return PaperTable(
        data=name,
        paper=entry.paper,
        table=entry.table,
        title=entry.title,
        own=entry.own,
        methods=methods,
        columns=_in_order(values),
        values=values,
        doubts=doubts,
        decimals=entry.decimals,
        titles={column.data: column.title for column in entry.columns},
        notes=entry.notes,
        targets=file.targets,
    )


def _in_order(values: Iterable[tuple[str, PaperColumn]]) -> list[PaperColumn]:
    """The columns as the method that has most of them has them, then those of others alone."""
    of_method: dict[str, list[PaperColumn]] = {}
    for method, column in values:
        of_method.setdefault(method, []).append(column)
    return list(dict.fromkeys([*max(of_method.values(), key=len), *(column for _, column in values)]))


Printed = tuple[dict[tuple[str, PaperColumn], float], dict[tuple[str, PaperColumn], str]]


def _printed(name: str, entry: TableEntry) -> Printed:
    """The numbers of one table, and doubts on them: from `published.csv`, or `cross.csv` if it is over several sets."""
    if entry.columns:
        return _crossed(name, entry)
    wanted = entry.paper, entry.table
    rows = [row for row in published_in(TABLE_FOLDERS[name]) if (row.paper, row.table) == wanted]
    keys = [(row.method, PaperColumn(name, row.rating, row.group, row.measure)) for row in rows]
    values = {key: row.value for key, row in zip(keys, rows, strict=True)}
    return values, {key: row.note for key, row in zip(keys, rows, strict=True) if row.note}


def _crossed(name: str, entry: TableEntry) -> Printed:
    ratings = {column.data: column.rating for column in entry.columns}
    values: dict[tuple[str, PaperColumn], float] = {}
    doubts: dict[tuple[str, PaperColumn], str] = {}
    path = Path(__file__).parents[1] / TABLE_FOLDERS[name] / "cross.csv"
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["table"] == entry.table:
                key = row["method"], PaperColumn(row["data"], ratings[row["data"]], "all", row["measure"])
                values[key] = float(row["value"])
                if row["note"]:
                    doubts[key] = row["note"]
    return values, doubts
