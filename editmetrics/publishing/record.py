"""A run as a data set of the hub: its table, its record, its leaderboard and its page."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files.escaping import escape_markdown
from ..files.rows import read_rows, write_rows
from ..files.writing import complete_lines, json_line
from ..scoring.record import record_path
from ..wording import plural
from .plan import PublishingError, UploadFile
from .scrub import Scrubber

if TYPE_CHECKING:
    from ..report.content import ReportContent
    from ..report.pictures import ReportPictures
    from ..runs.scored_table import ScoredTable

TABLE, RECORD, LEADERBOARD, PAGE, CARD = (
    "scores.csv",
    "scores.record.jsonl",
    "leaderboard.json",
    "report.html",
    "README.md",
)

NOT_PUBLISHED = "images are not published"


def record_files(scores: Path, *, images: bool) -> tuple[list[UploadFile], list[str]]:
    """Return the files of a run whose table is `scores`, and notes on what was replaced.

    The table becomes csv. Leaderboard and page are made from the table and record that are published; with `images`,
    the page holds the thumbnails of the run's images. Raises `PublishingError` for a table without a record.
    """
    from ..report.content import report_content
    from ..report.leaderboard_json import leaderboard_json
    from ..report.write import task_title
    from ..runs.read_scores import read_scores

    if not record_path(scores).is_file():
        raise PublishingError(
            f"{scores} has no record beside it ({record_path(scores).name}), which would tell what produced its "
            "numbers; score again with -o"
        )
    scrubber = Scrubber([scores.resolve().parent, Path.cwd()], images)
    rows, record = _rows(scores, scrubber), _record(record_path(scores), scrubber)
    with tempfile.TemporaryDirectory() as folder:
        published = Path(folder) / TABLE
        write_rows(rows, published)
        record_path(published).write_bytes(record)
        table, read = published.read_bytes(), read_scores(published)
    content, title = report_content(read), task_title(read)
    card, leaderboard = _card(content, title), leaderboard_json(content, title)
    texts = {CARD: card.encode(), TABLE: table, RECORD: record, LEADERBOARD: leaderboard.encode()}
    notes = scrubber.notes()
    if not read.of_sets:
        pictures, more = _pictures(content, read_scores(scores) if images else None, scrubber)
        texts[PAGE] = _page(content, pictures, title)
        notes += more
    notes.append("prompts, ids, explanations and the command line of the run leave as they are")
    return [UploadFile(name, text) for name, text in texts.items()], notes


def _rows(path: Path, scrubber: Scrubber) -> list[dict[str, Any]]:
    """The rows of the table, scrubbed. Raises `PublishingError` for one that cannot be read."""
    rows: list[dict[str, Any]] = []
    for row in read_rows(path):
        if row.problem is not None:
            raise PublishingError(f"{path}, {row.location}: {row.problem}; repair it, or score again")
        rows.append({scrubber.text(name): scrubber.value(value) for name, value in row.cells.items()})
    return rows


def _record(path: Path, scrubber: Scrubber) -> bytes:
    """The record, scrubbed, line by line. Raises `PublishingError`, naming the line, for invalid JSON."""
    lines = []
    for number, line in enumerate(complete_lines(path), 1):
        try:
            entry = json.loads(line)
            lines.append(json_line(scrubber.value(entry)))
        except (ValueError, AttributeError) as error:
            raise PublishingError(f"{path}, line {number}: not a line of a record ({error}); remove it") from error
    return b"".join(lines)


def _pictures(
    content: ReportContent, original: ScoredTable | None, scrubber: Scrubber
) -> tuple[ReportPictures, list[str]]:
    """The pictures of the page, taken by the paths in `original`, or none without it; and notes on them."""
    from ..report.pictures import ImagePlaces, ReportPictures, take_pictures
    from ..report.write import LARGER, ReportOptions

    rows = _shown(content)
    if original is None:
        reasons = {(row, kind): NOT_PUBLISHED for row in rows for kind in ("source", "edited", "difference")}
        note = f"no image leaves; --include-images would put thumbnails into {PAGE}"
        return ReportPictures(reasons=reasons, shared={row: row for row in rows}), [note]
    taken = take_pictures(
        original, rows, ImagePlaces(original.path), thumbnail=ReportOptions().thumbnail, larger=LARGER, enlarged=(),
        workers=1,
    )  # fmt: skip
    notes = [f"{PAGE} holds {plural(len(taken.small), 'thumbnail')}; texts keep their images (--include-images)"]
    lacking = [reason for (_, kind), reason in taken.reasons.items() if kind != "difference"]
    if lacking:
        notes.append(f"{plural(len(lacking), 'picture')} cannot be shown; the first: {lacking[0]}")
    return replace(taken, reasons={key: scrubber.text(reason) for key, reason in taken.reasons.items()}), notes


def _page(content: ReportContent, pictures: ReportPictures, title: str) -> bytes:
    from ..report.html.page import page

    return "".join(page(content, _shown(content), pictures, {}, title)).encode("utf-8", "backslashreplace")


def _shown(content: ReportContent) -> list[int]:
    """The samples in the gallery of the page."""
    from ..report.standing import shown_rows
    from ..report.write import ReportOptions

    return list(shown_rows(content.standing, content.unscored, ReportOptions().max_pairs))


def _card(content: ReportContent, title: str) -> str:
    from ..report.content_tables import content_tables
    from ..tables.markdown import markdown

    head = "---\ntags:\n- editmetrics\nconfigs:\n- config_name: default\n  data_files: scores.csv\n---\n"
    first, *others = content_tables(content)
    board = [
        first,
        *(table for table in others if table.title.startswith(f"{first.title}, ")),
    ]  # wide ones are in parts
    about = (
        f"\nScored by editmetrics. `{TABLE}` has a row per sample, `{RECORD}` "
        f"what produced each number, `{LEADERBOARD}` the means for other programs, `{PAGE}` opens in a browser.\n\n"
        f"    editmetrics report {TABLE} -o {PAGE}\n"
    )
    return f"{head}\n# {escape_markdown(title)}\n\n{markdown(board)}{about}"
