"""Write the report of a table of scores: HTML that opens offline, its tables as Markdown or LaTeX, or JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..agreement.bootstrap import Resampling
from ..agreement.columns import Table, own_columns, read_table
from ..data.do_nothing import DO_NOTHING
from ..files.escaping import escape_markdown
from ..files.overwrite import check_text
from ..files.writing import make_folder, replacing
from ..runs.read_scores import read_scores
from ..runs.scored_table import ScoredTable
from ..sample import EditMetricsError
from ..tables.latex import latex
from ..tables.markdown import markdown
from ..wording import either, plural
from .content import ReportContent, report_content
from .content_tables import content_tables
from .leaderboard_json import KIND, SuiteTables, leaderboard_json
from .standing import shown_rows

if TYPE_CHECKING:
    from ..agreement.pairing import Pairs
    from ..tables.table import DataTable

FORMATS = {"html": (".html", ".htm"), "md": (".md", ".markdown"), "latex": (".tex",), "json": (".json",)}
"""The suffixes of each format."""

MARKS = {
    "html": ('<script type="application/json" id="report">',),
    "md": ("\n## Mean scores\n", "\n## Leaderboard\n", "\n## Sets of images\n"),
    "latex": ("% Tables of editmetrics.",),
    "json": (f'"kind": "{KIND}"',),
}
"""Text in every report of a format, and in few other files."""

LARGER = 512
"""Pixels of a larger picture."""


class ReportError(EditMetricsError):
    """A report that cannot be written, and why."""


@dataclass(frozen=True)
class ReportOptions:
    """Options of a report.

    - format: `html`, `md`, `latex` or `json`; by default from the suffix. title: by default the systems and number of
      samples.
    - metrics, lower_is_better, higher_is_better: as in `read_scores`. columns: headings to read as other columns, in
      the table of scores or of ratings, whichever has them.
    - ratings, pairs, group_by: as in `report_content`. replicates, level, seed: of the bootstrap.
    - roots: folders of images, besides the current one and the table's. trusted: image files, as the table names them,
      that may be anywhere.
    - thumbnail: pixels of the longer side. max_pairs: pairs in the gallery. larger_pairs: the number of pairs with
      larger pictures. first: tables that stand before all others, in Markdown and LaTeX.
    - suite_tables: those of benchmarks, for JSON; None where they are not at hand.
    """

    format: str | None = None
    title: str | None = None
    ratings: str | Path | None = None
    columns: Mapping[str, str] | None = None
    pairs: Pairs = None
    metrics: Collection[str] = ()
    lower_is_better: Collection[str] = ()
    higher_is_better: Collection[str] = ()
    group_by: Sequence[str] = ()
    roots: Sequence[Path] = ()
    trusted: Collection[str] = ()
    thumbnail: int = 160
    max_pairs: int = 3000
    larger_pairs: int = 48
    replicates: int = 1000
    level: float = 0.95
    seed: int = 0
    workers: int | None = None
    first: Sequence[DataTable] = ()
    suite_tables: SuiteTables | None = None


@dataclass(frozen=True)
class WrittenReport:
    """A report: its size and that of its pictures, in bytes; the number of pairs in it, and its content.

    `missing`: the number of pictures that could not be shown, and the `reason` of the first. `outside`: folders whose
    images were left out because they are elsewhere.
    """

    path: Path
    size: int
    pictures: int
    pairs: int
    content: ReportContent
    missing: int = 0
    reason: str | None = None
    outside: Sequence[str] = ()


def report_format(path: Path, chosen: str | None = None) -> str:
    """The chosen format, or that of the suffix. Raises `ReportError`, and `DataError` if the folder does not exist."""
    make_folder(path)
    if path.is_dir():
        raise ReportError(f"{path} is a folder; name a file in it, such as {path / 'report.html'}")
    if chosen is not None:
        if chosen not in FORMATS:
            raise ReportError(f"unknown format {chosen!r}; expected {either(FORMATS)}")
        return chosen
    for name, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return name
    known = either(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise ReportError(f"{path}: expected the suffix {known}, or a format (--format)")


def check_replaceable(path: Path, chosen: str | None = None, overwrite: bool = False) -> None:
    """Raise `DataError` when `path` holds anything but a report of the same format, unless `overwrite`."""
    format = report_format(path, chosen)
    check_text(path, MARKS[format], f"report of editmetrics as {format}", overwrite)


def write_report(
    scores: str | Path | ScoredTable,
    path: str | Path,
    options: ReportOptions | None = None,
    on_pairs: Callable[[int, int], None] | None = None,
) -> WrittenReport:
    """Write the report of a table of scores to `path`, atomically.

    - scores: csv, jsonl or parquet with the record beside it, or the result of `read_scores`.
    - on_pairs: is called with the number of pairs whose pictures are ready, and of all pairs.

    Raises `ReportError`, and the errors of reading the files.
    """
    path, options = Path(path), options or ReportOptions()
    format = report_format(path, options.format)
    ratings: str | Path | Table | None = options.ratings
    if not isinstance(scores, ScoredTable):
        columns, ratings = _columns(scores, options)
        scores = read_scores(
            scores,
            columns=columns,
            metrics=options.metrics,
            lower_is_better=options.lower_is_better,
            higher_is_better=options.higher_is_better,
        )
    if path.resolve() == scores.path.resolve():
        raise ReportError(f"{path} is the table itself; choose another output")
    if scores.of_sets and (format == "html" or ratings is not None):
        asked = "the HTML page" if format == "html" else "agreement with ratings"
        raise ReportError(
            f"{scores.path} holds numbers of sets of images, and {asked} is of single ones; give a report.md, "
            "report.tex or leaderboard.json, without ratings"
        )
    content = report_content(
        scores,
        ratings=ratings,
        pairs=options.pairs,
        group_by=options.group_by,
        resampling=Resampling(options.replicates, options.level, options.seed),
    )
    title = options.title or task_title(scores)
    if format == "html":
        return _write_html(content, path, title, options, on_pairs)
    if format == "json":
        return WrittenReport(
            path, _write(path, [leaderboard_json(content, title, options.suite_tables)]), 0, len(scores), content
        )
    tables = [*options.first, *content_tables(content)]
    if format == "md":
        notes = [f"> {escape_markdown(note)}\n" for note in content.notes]
        text = "\n".join([f"# {escape_markdown(title)}\n", *notes, markdown(tables)])
    else:
        text = latex(tables, [title, *content.notes])
    return WrittenReport(path, _write(path, [text]), 0, len(scores), content)


def _columns(scores: str | Path, options: ReportOptions) -> tuple[Mapping[str, str], str | Path | Table | None]:
    """The `columns` of the table of scores, and the ratings with theirs."""
    if not options.columns:
        return {}, options.ratings
    tables = [read_table(path, str(path)) for path in (scores, options.ratings) if path is not None]
    of_scores, *of_ratings = own_columns(options.columns, *tables)
    return of_scores, tables[1].named(of_ratings[0]) if of_ratings else None


def _write_html(
    content: ReportContent,
    path: Path,
    title: str,
    options: ReportOptions,
    on_pairs: Callable[[int, int], None] | None,
) -> WrittenReport:
    from ..scoring.run import available_processors
    from .html.page import page
    from .pictures import ImagePlaces, relative_links, take_pictures

    table = content.table
    rows = shown_rows(content.standing, content.unscored, options.max_pairs)
    enlarged = _with_others(shown_rows(content.standing, content.unscored, options.larger_pairs), table)
    places = ImagePlaces(table.path, options.roots, options.trusted)
    done = 0

    def on_row(count: int) -> None:
        nonlocal done
        done += count
        if on_pairs is not None:
            on_pairs(done, len(rows))

    pictures = take_pictures(
        table,
        rows,
        places,
        thumbnail=options.thumbnail,
        larger=LARGER,
        enlarged=enlarged if options.larger_pairs else set(),
        workers=options.workers or available_processors(),
        on_row=on_row,
    )
    links = relative_links(table, rows, places, path.resolve().parent)
    size = _write(path, page(content, rows, pictures, links, title))
    wanted = ("source", "edited") if any(table.sources) else ("edited",)
    absent = [reason for (_, kind), reason in pictures.reasons.items() if kind in wanted]
    return WrittenReport(
        path,
        size,
        pictures.size,
        len(rows),
        content,
        len(absent),
        absent[0] if absent else None,
        sorted(places.outside),
    )


def _with_others(rows: Iterable[int], table: ScoredTable) -> set[int]:
    """The rows, and those of other systems with the same task."""
    tasks = {table.items[row] for row in rows if table.items[row] is not None}
    return {*rows, *(row for row, task in enumerate(table.items) if task is not None and task in tasks)}


def task_title(table: ScoredTable) -> str:
    """The systems and the number of samples of a table: the title of its report."""
    if table.of_sets:
        return f"Sets of images: {' and '.join(table.ids)}" if len(table) <= 2 else f"{len(table)} sets of images"
    names = [name for name in table.system_names if name not in (None, DO_NOTHING)]
    sources = {task for task in table.items if task is not None}
    samples = plural(len(sources) if names and sources else len(table), "edit" if any(table.sources) else "image")
    if not names:
        return f"Scores of {samples}"
    each = " each" if len(names) > 1 else ""
    systems = " and ".join(map(str, names)) if len(names) <= 2 else plural(len(names), "system")
    return f"{systems}, {samples}{each}"


def _write(path: Path, parts: Iterable[str]) -> int:
    """Write the parts one after the other; return their size in bytes."""
    size = 0
    with replacing(path) as temporary, temporary.open("wb") as file:
        for part in parts:
            size += file.write(part.encode("utf-8", "backslashreplace"))
    return size
