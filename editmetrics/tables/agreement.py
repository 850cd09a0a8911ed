"""The agreement of scores with ratings: measures in columns, intervals under their values; a protocol's figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from ..agreement.lines import BIASED
from ..agreement.result import ALL, SYSTEM_LEVEL, Line, average_over
from ..wording import first_few
from .table import Block, Cell, DataTable, TableCell, number, numbers, text

if TYPE_CHECKING:
    from ..agreement.result import Agreement

ABREAST = 6
"""Columns of numbers that fit side by side in 80 characters."""

MOST_REASONS = 5
"""At most this number of reasons for figures without a value are shown."""

HEADINGS = {
    "srcc": "SRCC",
    "krcc": "KRCC",
    "plcc": "PLCC",
    "rmse": "RMSE",
    "mae": "MAE",
    "plcc_fitted": "PLCC\nfitted",
    "rmse_fitted": "RMSE\nfitted",
    "mae_fitted": "MAE\nfitted",
    "pairwise_accuracy": "pairs\nright",
    "pairs_without_ties": "without\nties",
    "pairs_with_ties": "with\nties",
    "auc": "AUC",
    "accuracy": "accu-\nracy",
    "balanced_accuracy": "bal.\nacc.",
    "precision": "preci-\nsion",
    "recall": "recall",
    "specificity": "speci-\nficity",
    "f1": "F1",
    "f1_positive": "F1\npos.",
}


def agreement_blocks(agreement: Agreement, written: bool = False) -> Iterator[Block]:
    """A table for each rating, one for each grouping column, the paired tests, and the notes."""
    for rating in dict.fromkeys(line.rating for line in agreement.lines):
        lines = [line for line in agreement.lines if line.rating == rating]
        overall = [line for line in lines if "=" not in line.group]
        for measures in _abreast(line.measure for line in lines):
            yield f"[bold]{escape(rating)}[/]"
            yield from (_overall(agreement, [line for line in overall if line.measure in measures], measures), "")
        single = [line for line in lines if "=" in line.group and line.measure == lines[0].measure]
        for column in dict.fromkeys(line.group.partition("=")[0] for line in single):
            grouped = [line for line in single if line.group.partition("=")[0] == column]
            heading = HEADINGS[lines[0].measure].replace("-\n", "").replace("\n", " ")
            for scores in _abreast(line.score for line in grouped):
                yield f"[bold]{escape(rating)}[/]: {heading} in each {escape(column)}"
                yield from (_groups(agreement, [line for line in grouped if line.score in scores], scores), "")
    if agreement.comparisons:
        yield _comparisons(agreement)
        yield from ("[dim]p is of each test alone; with several tests, ask for smaller ones.[/]", "")
    yield from map(escape, [*_undefined(agreement.lines), *_biased(agreement.lines), *agreement.notes])
    if not written:
        yield "[dim]-o agreement.json keeps every number, its interval and its notes.[/]"


def protocol_blocks(agreement: Agreement) -> Iterator[Block]:
    """The figures of a paper's protocol: for each metric and dimension a row a group and a column a measure."""
    yield f"[bold]{escape(agreement.settings['protocol'])}[/] ({escape(agreement.settings['source'])})\n"
    for score, rating in dict.fromkeys((line.score, line.rating) for line in agreement.lines):
        lines = [line for line in agreement.lines if (line.score, line.rating) == (score, rating)]
        measures = list(dict.fromkeys(line.measure for line in lines))
        rows: list[Sequence[Cell]] = []
        for group in dict.fromkeys(line.group for line in lines):
            by_measure = {line.measure: line for line in lines if line.group == group}
            first = next(iter(by_measure.values()))
            over = "over all items" if group == ALL else group if first.groups is None else f"{group} ({first.groups})"
            cells = [by_measure[name].value if name in by_measure else "" for name in measures]
            rows.append([over, *cells, first.n, first.excluded])
        headings = [name.replace("_", " ") for name in measures]
        yield f"[bold]{escape(score)}[/]: {escape(rating)}"
        yield from (DataTable([*text("over"), *numbers(*headings, "n", "left out", wrap="fold")], rows), "")
    yield from map(escape, [*reasons_without_value(agreement.lines), *agreement.notes])


def reasons_without_value(lines: Iterable[Line]) -> list[str]:
    """One line for each reason why figures have no value: their number and the first of them."""
    by_reason: dict[str, list[Line]] = {}
    for line in lines:
        if line.value is None:
            by_reason.setdefault(line.note or "", []).append(line)
    reasons = [
        f"{len(alike)} without a value, such as {alike[0].measure} of {alike[0].score}, {alike[0].rating} "
        f"({alike[0].group}): {reason}"
        for reason, alike in by_reason.items()
    ]
    more = len(reasons) - MOST_REASONS
    return reasons[:MOST_REASONS] + ([f"... and {more} more reasons"] if more > 0 else [])


def _overall(agreement: Agreement, lines: Sequence[Line], measures: Sequence[str]) -> DataTable:
    level = f"{agreement.settings.get('level', 0.95):.0%}"
    rows: list[Sequence[Cell]] = []
    for score in dict.fromkeys(line.score for line in lines):
        name = _with_arrow(agreement, score)
        of_score = [line for line in lines if line.score == score]
        for group in dict.fromkeys(line.group for line in of_score):
            by_measure = {line.measure: line for line in of_score if line.group == group}
            row = [by_measure[measure] for measure in measures]
            ends = any(line.low is not None for line in row)
            cells = [
                TableCell(
                    _figure(line.value, line), [_figure(line.low, line), _figure(line.high, line)] if ends else []
                )
                for line in row
            ]
            over = TableCell(_over(row[0]), [f"  {level} from", "  to"] if ends else [])
            rows.append([name, over, *cells, row[0].n, row[0].excluded])
            name = ""
    headings = [*(HEADINGS[measure] for measure in measures), "n", "left\nout"]
    return DataTable([*text("score"), *text("over", wrap="never"), *numbers(*headings)], rows, gap=1)


def _groups(agreement: Agreement, lines: Sequence[Line], scores: Sequence[str]) -> DataTable:
    rows: list[Sequence[Cell]] = []
    for group in dict.fromkeys(line.group for line in lines):
        by_score = {line.score: line for line in lines if line.group == group}
        fewest, most = (end(line.n for line in by_score.values()) for end in (min, max))
        figures = [_figure(by_score[score].value, by_score[score]) for score in scores]
        rows.append([group.partition("=")[2], *figures, str(most) if fewest == most else f"{fewest}-{most}"])
    return DataTable([*text("group"), *numbers(*(_with_arrow(agreement, s) for s in scores), "n")], rows, gap=1)


def _comparisons(agreement: Agreement) -> DataTable:
    rows: list[Sequence[Cell]] = []
    for test in agreement.comparisons:
        values = (test.difference, test.low, test.high, test.p, test.minimum_detectable)
        name = f"{test.score} than {test.against} ({test.rating})"
        rows.append([name, test.measure, *(f"{value:.3f}" for value in values), test.n])
    columns = [*text("better by"), *text("measure", wrap="never")]
    return DataTable([*columns, *numbers("difference", "from", "to", "p", "detectable", "n")], rows, gap=1)


def _undefined(lines: Sequence[Line]) -> Iterator[str]:
    """A line for each reason why measures over all items, averages or a system level have no value, and for whom."""
    reasons: dict[tuple[str, str, str], list[Line]] = {}
    one_rating = len({line.rating for line in lines}) == 1
    for line in lines:
        if line.value is None and "=" not in line.group:
            note = (line.note or "").replace(f"{line.measure.removesuffix('_fitted')} requires", "it requires")
            reasons.setdefault(
                (line.score if one_rating else f"{line.score} with {line.rating}", line.group, note), []
            ).append(line)
    alike: dict[tuple[str, str, str], list[str]] = {}
    for (scores, group, note), without in reasons.items():
        measures = ", ".join(line.measure for line in without)
        reason = note if len(without) > 1 else without[0].note or ""
        alike.setdefault((measures, group, reason), []).append(scores)
    for (measures, group, reason), names in alike.items():
        yield f"no value: {measures} ({first_few(names)}; {group}): {reason}"


def _biased(lines: Iterable[Line]) -> Iterator[str]:
    """One line for all biased intervals outside of single groups."""
    biased = [line for line in lines if BIASED in (line.note or "") and "=" not in line.group]
    where = dict.fromkeys(f"{line.score} ({_over(line)})" for line in biased)
    if biased:
        yield (
            f"intervals of {', '.join(where)} are shifted, as resampling adds noise of its own; "
            "the notes of the -o file say by how much"
        )


def _over(line: Line) -> str:
    if line.group == ALL:
        return "all"
    if line.group == SYSTEM_LEVEL:
        return f"{line.groups} systems"
    return f"mean of {line.groups}" if line.group.startswith(average_over("")) else line.group


def _with_arrow(agreement: Agreement, score: str) -> str:
    return f"{score} {next(pair.arrow for pair in agreement.pairs if pair.score == score)}"


def _figure(value: float | None, line: Line) -> str:
    if value is None or line.measure.startswith(("rmse", "mae")):
        return number(value)
    return f"{value:.3f}"


def _abreast(names: Iterable[str]) -> Iterator[list[str]]:
    distinct = list(dict.fromkeys(names))
    for start in range(0, len(distinct), ABREAST):
        yield distinct[start : start + ABREAST]
