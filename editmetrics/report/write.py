"""A table of scores in, a report out: HTML that opens offline, or the tables of it as Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..files.atomic import replacing, require_folder
from ..files.overwrite import check_text
from .findings import Findings, findings
from .read_scores import read_scores
from .scored import ReportError, ScoredTable
from .standing import shown_rows

if TYPE_CHECKING:
    from ..agreement.pairing import Pairs

FORMATS = {"html": (".html", ".htm"), "md": (".md", ".markdown"), "latex": (".tex",)}
"""From a format to the suffixes that ask for it."""

THUMBNAIL, MAX_PAIRS, LARGER, LARGER_PAIRS = 160, 3000, 512, 48
"""Pixels of a thumbnail; pairs in the gallery; pixels of a larger picture; pairs that have one."""


@dataclass(frozen=True)
class Written:
    """A report: its size and that of the pictures in it, in bytes; how many pairs it shows, and what was found.

    `missing`: how many pictures are not there, and the reason of the first. `outside`: folders of images that were left
    out because they lie elsewhere.
    """

    path: Path
    size: int
    pictures: int
    pairs: int
    found: Findings
    missing: int = 0
    reason: str | None = None
    outside: Sequence[str] = ()


def report_format(path: Path, asked: str | None = None) -> str:
    """`html`, `md` or `latex`: as asked, or by the suffix. Raises `ReportError` or, without a folder, `DataError`."""
    require_folder(path)
    if path.is_dir():
        raise ReportError(f"{path} is a folder; name a file in it, such as {path / 'report.html'}")
    if asked is not None:
        if asked not in FORMATS:
            raise ReportError(f"there is no format {asked!r}; there are {', '.join(FORMATS)}")
        return asked
    for name, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return name
    known = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise ReportError(f"{path}: reports are written as {known}, by the suffix; or say which with --format")


MARKS = {
    "html": ('<script type="application/json" id="report">',),
    "md": ("\n## Mean scores\n", "\n## Leaderboard\n"),
    "latex": ("% Tables of editmetrics.",),
}
"""What stands in a report of each format, and in few other files."""


def check_replaceable(path: Path, asked: str | None = None, overwrite: bool = False) -> None:
    """Raise `DataError` when `path` holds anything but a report of the format to come, unless `overwrite`."""
    chosen = report_format(path, asked)
    check_text(path, MARKS[chosen], f"report of editmetrics as {chosen}", overwrite)


def write_report(
    scores: str | Path | ScoredTable,
    path: str | Path,
    *,
    format: str | None = None,
    title: str | None = None,
    ratings: str | Path | None = None,
    pairs: Pairs = None,
    metrics: Collection[str] = (),
    lower_is_better: Collection[str] = (),
    higher_is_better: Collection[str] = (),
    group_by: Sequence[str] = (),
    roots: Sequence[Path] = (),
    trusted: Collection[str] = (),
    thumbnail: int = THUMBNAIL,
    max_pairs: int = MAX_PAIRS,
    larger_pairs: int = LARGER_PAIRS,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    workers: int | None = None,
    on_pairs: Callable[[int, int], None] | None = None,
) -> Written:
    """Write the report of a table of scores to `path`, in one stroke.

    - scores: csv, jsonl or parquet with the record beside it, or what `read_scores` made of it.
    - format: `html`, `md` or `latex`; by default by the suffix.
    - ratings, pairs, metrics, lower_is_better, higher_is_better, group_by, replicates, level, seed: as in `read_scores`
      and `findings`.
    - roots: folders that images may lie in, besides the current one and the table's. trusted: image files, as the table
      names them, that may lie anywhere.
    - thumbnail: pixels of the longer side. max_pairs: pairs in the gallery. larger_pairs: how many of them have larger
      pictures inside.
    - on_pairs: is called with how many pairs have their pictures, of how many.

    Raises `ReportError`, and what reading the files raises.
    """
    path = Path(path)
    chosen = report_format(path, format)
    if not isinstance(scores, ScoredTable):
        scores = read_scores(
            scores, metrics=metrics, lower_is_better=lower_is_better, higher_is_better=higher_is_better
        )
    if path.resolve() == scores.path.resolve():
        raise ReportError(f"{path} is the table itself; give another -o")
    found = findings(
        scores, ratings=ratings, pairs=pairs, group_by=group_by, replicates=replicates, level=level, seed=seed
    )
    title = title or scores.path.stem
    if chosen == "html":
        how = _Pictures(roots, trusted, thumbnail, max_pairs, larger_pairs, workers, on_pairs)
        return _write_html(found, path, title, how)
    if chosen == "md":
        from .markdown import markdown as tables
    else:
        from .latex import latex as tables
    return Written(path, _write(path, [tables(found, title)]), 0, len(scores), found)


@dataclass(frozen=True)
class _Pictures:
    """What `write_report` was told of pictures."""

    roots: Sequence[Path]
    trusted: Collection[str]
    thumbnail: int
    max_pairs: int
    larger_pairs: int
    workers: int | None
    on_pairs: Callable[[int, int], None] | None


def _write_html(found: Findings, path: Path, title: str, how: _Pictures) -> Written:
    from ..scoring.run import available_processors
    from .html.page import page
    from .pictures import Places, relative_links, take_pictures

    table = found.table
    rows = shown_rows(found.standing, found.unscored, how.max_pairs)
    enlarged = shown_rows(found.standing, found.unscored, how.larger_pairs) if how.larger_pairs else []
    places = Places(table.path, how.roots, how.trusted)
    done = 0

    def on_row(count: int) -> None:
        nonlocal done
        done += count
        if how.on_pairs is not None:
            how.on_pairs(done, len(rows))

    pictures = take_pictures(
        table,
        rows,
        places,
        thumbnail=how.thumbnail,
        larger=LARGER,
        enlarged=set(enlarged),
        workers=how.workers or available_processors(),
        on_row=on_row,
    )
    links = relative_links(table, rows, places, path.resolve().parent)
    size = _write(path, page(found, rows, pictures, links, title))
    wanted = ("source", "edited") if any(table.sources) else ("edited",)
    absent = [why for (row, kind), why in pictures.why.items() if kind in wanted]
    return Written(
        path, size, pictures.size, len(rows), found, len(absent), absent[0] if absent else None, sorted(places.outside)
    )


def _write(path: Path, parts: Iterable[str]) -> int:
    """Write the parts one after the other, and give their size in bytes."""
    size = 0
    with replacing(path) as temporary, temporary.open("wb") as file:
        for part in parts:
            size += file.write(part.encode("utf-8", "backslashreplace"))
    return size
