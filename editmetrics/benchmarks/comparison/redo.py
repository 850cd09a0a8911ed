"""The tables of papers on a data set, redone on a copy: what is computed, shown and written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...evaluation.directions import directions
from ...files.rows import write_rows
from ...files.writing import make_folder, write_text
from ...tables.latex import latex
from ...tables.markdown import markdown
from ...tables.page import page
from ...tables.table import DataTable
from ...wording import expected_one_of, first_few, plural
from ..benchmark import BenchmarkError
from ..evaluation import pair_columns, read_scores, require_scores, samples_named
from ..load import Copy, EvaluatedPart
from .compute import Computation, ComputeOptions
from .layout import comparison_tables
from .method_scores import MeasuredMethod, MethodScores, RatedPart, read_scores_of
from .paper_table import KINDS, YOURS, Kind, PaperColumn, PaperTable, TableMethod, paper_tables
from .result import ComparisonResult, compare, only

FILES = ("tables.md", "tables.tex", "tables.html", "numbers.csv")
"""The files of a redone table, beside its scores."""


@dataclass(frozen=True)
class TableRequest:
    """The tables and rows that are asked for.

    - `only`: kinds of methods, all if empty. `rows`: from a method's name to the metric that computes it instead.
    - `metrics`: further ones, under a heading of their own. `scores`: a file with scores, instead of computing any.
    - `tables`: some of the tables, by their names in print, all if empty.
    """

    only: Collection[Kind] = ()
    rows: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    scores: Path | None = None
    tables: Collection[str] = ()

    def chosen(self, name: str) -> list[PaperTable]:
        """Return the tables of the data set `name` with the rows that are asked for. Raises `BenchmarkError`."""
        known = paper_tables(name)
        if not known:
            raise BenchmarkError(
                f"no paper's comparison table on {name} is known here; 'editmetrics benchmark {name} PATH -m METRIC' "
                f"evaluates metrics, and '--table --also {name}=PATH' adds it to the table of another data set"
            )
        for title in self.tables:
            if title not in (names := [table.table for table in known]):
                raise BenchmarkError(f"{name} has no {title!r}; {expected_one_of(title, names)}")
        tables = [table for table in known if not self.tables or table.table in self.tables]
        methods = {method.name for table in tables for method in table.methods}
        for method in self.rows:
            if method not in methods:
                raise BenchmarkError(f"no table of {name} has a method {method!r}; {expected_one_of(method, methods)}")
        kept = [table for each in tables if (table := only(each, self.only or KINDS))]
        if not kept:
            raise BenchmarkError(f"no table of {name} has a method that is {' or '.join(self.only)}")
        return [self._with_rows(table) for table in kept]

    def methods(self, name: str) -> dict[str, TableMethod]:
        """Return every method of the data set's tables, for rows that combine scores of others."""
        return {method.name: method for table in paper_tables(name) for method in self._with_rows(table).methods}

    def _with_rows(self, table: PaperTable) -> PaperTable:
        rows = self.rows
        methods = [
            replace(m, metric=rows[m.name], train=None, combine=None, settings={}, reason=None,
                    differs=f"computed by {rows[m.name]}")
            if m.name in rows
            else m
            for m in table.methods
        ]  # fmt: skip
        return replace(table, methods=[*methods, *(TableMethod(spec, YOURS, "classic", spec) for spec in self.metrics)])


def redo(
    name: str,
    copies: Mapping[str, Copy],
    parts: Mapping[str, EvaluatedPart],
    request: TableRequest,
    options: ComputeOptions,
    starting: Callable[[str], None] = lambda text: None,
) -> list[ComparisonResult]:
    """Compute the tables of the data set `name` on local copies of it and of others, and write them to a folder.

    A table over several data sets has the columns of those that there are copies of, and of those in print. Raises
    `BenchmarkError` for what is asked for and unknown; a method that cannot be computed costs its own row.
    """
    tables = [narrowed(beyond_print(table, parts), parts) for table in request.chosen(name)]
    if len(parts) == 1:
        tables = [table for table in tables if table.home or not table.crossed] or tables
    elif not any(table.crossed for table in tables):
        tables.append(beyond_print(cross_table(tables[0], parts), parts))
    known: dict[str, dict[str, MethodScores]] = {}
    methods = request.methods(name)
    if request.scores is not None:
        known, tables = _known(request.scores, parts[name], tables, methods)
        methods = {name: method.not_computed(f"not in {request.scores}") for name, method in methods.items()}
    computation = Computation(copies, parts, options, tables[0].targets, methods, known)
    results = [compare(table, computation, starting=starting) for table in tables]
    write(results, options.folder)
    return results


def in_print(name: str, request: TableRequest) -> list[ComparisonResult]:
    """Return the tables of the data set `name` as they are printed, with what would compute each method."""
    return [compare(narrowed(table, [name]), None) for table in request.chosen(name)]


def write(results: Sequence[ComparisonResult], folder: Path) -> None:
    """Write the tables as Markdown, LaTeX, one HTML page, and every number as a row of `numbers.csv`."""
    make_folder(folder / FILES[0])
    tables = list(_all_tables(results))
    first = results[0].table
    title = f"{first.paper}: comparison tables"
    caveats = list(dict.fromkeys(caveat for result in results for caveat in result.caveats))
    write_text(folder / "tables.md", markdown(tables))
    write_text(folder / "tables.tex", latex(tables, [title, *caveats]))
    write_text(folder / "tables.html", page(tables, title))
    write_rows([row for result in results for row in result.rows()], folder / "numbers.csv")


def _all_tables(results: Sequence[ComparisonResult]) -> Iterator[DataTable]:
    for result in results:
        yield from comparison_tables(result)


def narrowed(table: PaperTable, names: Collection[str]) -> PaperTable:
    """Return a table of another data set's paper with the columns of the data sets `names` alone."""
    if table.home is None:
        return table
    columns = [column for column in table.columns if column.data in names]
    doubts = {key: doubt for key, doubt in table.doubts.items() if key[1] in columns}
    titles = {name: title for name, title in table.titles.items() if name in names}
    return replace(table, columns=columns, doubts=doubts, titles=titles)


def beyond_print(table: PaperTable, parts: Mapping[str, EvaluatedPart]) -> PaperTable:
    """Return a table over several data sets with columns for those in `parts` that the paper does not have."""
    printed = {column.data for column in table.columns}
    if not table.crossed:
        return table
    more = [name for name in parts if name not in printed]
    columns = [column for name in more for column in _columns_of(parts[name])]
    titles = {**table.titles, **{name: parts[name].benchmark.title for name in more}}
    return replace(table, columns=[*table.columns, *columns], titles=titles)


def _columns_of(part: EvaluatedPart) -> Iterator[PaperColumn]:
    """SRCC and PLCC of each rating of quality; of pairs, the shares of right choices that their protocol has."""
    bench = part.benchmark
    ratings = [rating for rating, aspect in bench.ratings.items() if aspect.quality]
    if not bench.pairs:
        yield from (PaperColumn(bench.name, rating, "all", name) for rating in ratings for name in ("srcc", "plcc"))
        return
    right = {rating: {s.id: s.meta[rating] for s in part.samples if rating in s.meta} for rating in ratings}
    scores = MethodScores({name: cells for name, cells in right.items() if cells})
    measured = MeasuredMethod(RatedPart(part), "people", scores)
    whole = [key for key in measured.lines if "=" not in key[1]]
    yield from (PaperColumn(bench.name, *key) for key in whole)


def cross_table(table: PaperTable, parts: Mapping[str, EvaluatedPart]) -> PaperTable:
    """Return a table of the same methods over the data sets in `parts`, of which no paper prints one."""
    own = table.data
    columns = [
        PaperColumn(own, rating, "all", measure)
        for rating in dict.fromkeys(column.rating for column in table.columns)
        for measure in ("srcc", "plcc")
        if rating in parts[own].benchmark.ratings
    ]
    return replace(
        table,
        table="Across data sets",
        title=f"trained on {parts[own].benchmark.title}",
        columns=columns,
        values={},
        doubts={},
        decimals={"*": 4},
        titles={own: parts[own].benchmark.title},
        notes=("no paper prints this table",),
    )


def _known(
    path: Path, part: EvaluatedPart, tables: Sequence[PaperTable], methods: Mapping[str, TableMethod]
) -> tuple[dict[str, dict[str, MethodScores]], list[PaperTable]]:
    """The scores in a file, by the method that a column is named after or computed by; others get rows of their own."""
    table = read_scores(path)
    require_scores(table, part)
    pairing, _ = pair_columns(table, part)
    better = directions(path, [column for columns in pairing.values() for column in columns.values()])
    known: dict[str, dict[str, MethodScores]] = {}
    rows: list[TableMethod] = []
    by_metric = {method.metric: method.name for method in methods.values() if method.metric}
    for metric, columns in pairing.items():
        higher = all(better.get(column, True) for column in columns.values())
        name = metric if metric in methods else by_metric.get(metric, metric)
        if name not in methods:
            rows.append(TableMethod(name, YOURS, "classic", reason=f"{path} has no scores of it"))
        known[name] = {part.benchmark.name: read_scores_of(part, table, columns, higher, f"{path.name}: {metric}")}
    samples = samples_named(part)
    unmatched = [name for name in map(str, table.texts("id")) if name not in samples]
    notes = [f"of no evaluated sample: {plural(len(unmatched), 'row')} of {path}: {first_few(unmatched)}"]
    return known, [
        replace(each, methods=[*(_from_file(method, known, path) for method in each.methods), *rows],
                notes=[*each.notes, *(notes if unmatched else [])])
        for each in tables
    ]  # fmt: skip


def _from_file(method: TableMethod, known: Mapping[str, Mapping[str, MethodScores]], path: Path) -> TableMethod:
    """A method that only a file of scores can give a number: by a column of its own, or by those that it combines."""
    if method.name in known:
        return replace(method, differs=None)  # how the file's scores were computed is the user's to tell
    return method if method.reason or method.combine else method.not_computed(f"not in {path}")
