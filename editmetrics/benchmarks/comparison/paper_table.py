"""The comparison tables that papers print: methods in their order, under their headings, and how to compute each.

`benchmarks/NAME/tables.toml` has the tables of a data set, `published.csv` their numbers:

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

A method is `metric`, scored as it is; `train`, trained on the data set's own training part; or has the `reason` why it
is not computed. `differs` says what of ours is not as in the paper. A table over several data sets has `columns`, and
its numbers in `cross.csv`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from ...files.toml import line_of, parse_toml
from ...wording import expected_one_of
from ..benchmark import BenchmarkError
from ..catalogue import FOLDERS, published_in

Kind = Literal["classic", "deep", "mllm"]
KINDS: tuple[Kind, ...] = get_args(Kind)

KEYS = {"paper", "table", "title", "own", "decimals", "groups", "columns", "notes"}
METHOD_KEYS = {"name", "metric", "train", "settings", "trained_on", "reason", "differs"}
TABLE_FOLDERS = {**FOLDERS, "q-bench-portrait": "qbench"}
"""From the name of a data set with comparison tables to its folder; of the last one, questions are asked."""

YOURS = "yours"
"""The heading of methods that the paper does not have."""


@dataclass(frozen=True)
class TableMethod:
    """A row: a method under its heading.

    - `metric`: what scores it. `train`: what is trained for it, with `settings` of `fit`. `reason`: why it is neither.
    - `trained_on`: the data set that it is trained on, where that is not the table's own.
    - `differs`: what of ours is not as in the paper.
    """

    name: str
    heading: str
    kind: Kind
    metric: str | None = None
    train: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    trained_on: str | None = None
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
        return self.metric or (f"{self.train}, trained" if self.train else "published only")


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
    - `values`: what the paper prints, by the method's name and the column; `doubts` on some of them.
    - `titles`: what the paper calls a data set, where the columns are of several.
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


@cache
def paper_tables(name: str) -> Sequence[PaperTable]:
    """Return the comparison tables of papers on the data set `name`, in the order of print; none without a file.

    Raises `BenchmarkError` for a file that is not as it should be, with the line.

    >>> [(table.table, len(table.methods)) for table in paper_tables("evalmi-50k")][0]
    ('Table 2', 35)
    """
    path = Path(__file__).parents[1] / TABLE_FOLDERS[name] / "tables.toml"
    if not path.is_file():
        return ()
    text = path.read_text(encoding="utf-8")
    try:
        content = parse_toml(text)
        return tuple(_read(name, entry, content.get("reasons", {})) for entry in content["tables"])
    except _WrongEntryError as error:
        raise BenchmarkError(f"{path}, line {line_of(text, error.key)}: {error}") from error


class _WrongEntryError(ValueError):
    def __init__(self, message: str, *key: str | int) -> None:
        super().__init__(message)
        self.key = key


def _read(name: str, entry: Mapping[str, Any], reasons: Mapping[str, str]) -> PaperTable:
    title = str(entry.get("table"))
    for key in entry.keys() - KEYS:
        raise _WrongEntryError(f"{title} has the unknown key {key!r}; {expected_one_of(key, KEYS)}")
    values, doubts, titles = _crossed(name, entry) if "columns" in entry else _printed(name, entry)
    methods = [method for group in entry["groups"] for method in _methods(group, reasons)]
    in_table = dict.fromkeys(method.name for method in methods)
    in_print = dict.fromkeys(method for method, _ in values)
    if len(in_table) != len(methods) or in_table.keys() != in_print.keys():
        odd = in_table.keys() ^ in_print.keys()
        raise _WrongEntryError(f"{title}: its methods are not those with printed numbers, once each: {sorted(odd)}")
    return PaperTable(
        data=name,
        paper=entry["paper"],
        table=title,
        title=entry["title"],
        own=entry.get("own"),
        methods=methods,
        columns=list(dict.fromkeys(column for _, column in values)),
        values=values,
        doubts=doubts,
        decimals=entry.get("decimals", {}),
        titles=titles,
        notes=entry.get("notes", ()),
    )


def _methods(group: Mapping[str, Any], reasons: Mapping[str, str]) -> Iterator[TableMethod]:
    if group["kind"] not in KINDS:
        raise _WrongEntryError(f"the kind is {group['kind']!r}; expected one of {', '.join(KINDS)}")
    for method in group["methods"]:
        name = method.get("name")
        for key in method.keys() - METHOD_KEYS:
            raise _WrongEntryError(f"{name} has the unknown key {key!r}; {expected_one_of(key, METHOD_KEYS)}")
        if sum(key in method for key in ("metric", "train", "reason")) != 1:
            raise _WrongEntryError(f"{name} requires one of metric, train and reason")
        reason = method.get("reason")
        own = {**method, "reason": reasons.get(reason, reason)}
        yield TableMethod(heading=group["heading"], kind=group["kind"], **own)


Printed = tuple[dict[tuple[str, PaperColumn], float], dict[tuple[str, PaperColumn], str], dict[str, str]]


def _printed(name: str, entry: Mapping[str, Any]) -> Printed:
    """The numbers of one table of `published.csv`, and doubts on them."""
    rows = [
        row for row in published_in(TABLE_FOLDERS[name]) if (row.paper, row.table) == (entry["paper"], entry["table"])
    ]
    keys = [(row.method, PaperColumn(name, row.rating, row.group, row.measure)) for row in rows]
    values = {key: row.value for key, row in zip(keys, rows, strict=True)}
    return values, {key: row.note for key, row in zip(keys, rows, strict=True) if row.note}, {}


def _crossed(name: str, entry: Mapping[str, Any]) -> Printed:
    """The numbers of a table over several data sets, from `cross.csv`; and the paper's names of the sets."""
    ratings = {column["data"]: column["rating"] for column in entry["columns"]}
    values: dict[tuple[str, PaperColumn], float] = {}
    doubts: dict[tuple[str, PaperColumn], str] = {}
    path = Path(__file__).parents[1] / TABLE_FOLDERS[name] / "cross.csv"
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["table"] == entry["table"]:
                key = row["method"], PaperColumn(row["data"], ratings[row["data"]], "all", row["measure"])
                values[key] = float(row["value"])
                if row["note"]:
                    doubts[key] = row["note"]
    return values, doubts, {column["data"]: column["title"] for column in entry["columns"]}
