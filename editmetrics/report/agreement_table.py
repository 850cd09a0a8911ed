"""The agreement of scores with ratings as tables for a terminal: measures in columns, intervals under their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from ..agreement.lines import BIASED
from ..agreement.result import ALL, SYSTEM_LEVEL, Line, average_over
from .terminal import standard_output

if TYPE_CHECKING:
    from rich.console import Console

    from ..agreement.result import Agreement

ABREAST = 6
"""So many columns of numbers fit beside each other in 80 characters."""

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
    "auc": "AUC",
    "accuracy": "accu-\nracy",
    "balanced_accuracy": "bal.\nacc.",
    "precision": "preci-\nsion",
    "recall": "recall",
    "specificity": "speci-\nficity",
    "f1": "F1",
    "f1_positive": "F1\npos.",
}


def show_agreement(agreement: Agreement, output: Path | None = None, console: Console | None = None) -> None:
    """A table for each rating, one for each grouping column, the paired tests, and the notes."""
    console = console or standard_output()
    for rating in dict.fromkeys(line.rating for line in agreement.lines):
        lines = [line for line in agreement.lines if line.rating == rating]
        overall = [line for line in lines if "=" not in line.group]
        for measures in _abreast(dict.fromkeys(line.measure for line in lines)):
            console.print(f"[bold]{escape(rating)}[/]")
            console.print(_overall(agreement, [line for line in overall if line.measure in measures], measures), "")
        single = [line for line in lines if "=" in line.group and line.measure == lines[0].measure]
        for column in dict.fromkeys(line.group.partition("=")[0] for line in single):
            found = [line for line in single if line.group.partition("=")[0] == column]
            for scores in _abreast(dict.fromkeys(line.score for line in found)):
                console.print(f"[bold]{escape(rating)}[/]: {_plain(lines[0].measure)} in each {escape(column)}")
                console.print(_groups(agreement, [line for line in found if line.score in scores], scores), "")
    if agreement.comparisons:
        console.print(_comparisons(agreement))
        console.print("[dim]p is of each test alone; with several tests, ask for smaller ones.[/]", "")
    for said in [*_undefined(agreement.lines), *_biased(agreement.lines), *agreement.notes]:
        console.print(escape(said))
    if output is not None:
        console.print(f"wrote {escape(str(output))}")
    else:
        console.print("[dim]-o agreement.json keeps every number, its interval and its notes.[/]")


def _overall(agreement: Agreement, lines: Sequence[Line], measures: Sequence[str]) -> Table:
    level = f"{agreement.settings.get('level', 0.95):.0%}"
    table = _table("score", "over", *(HEADINGS[name] for name in measures), "n", "left\nout")
    for score in dict.fromkeys(line.score for line in lines):
        name = _named(agreement, score)
        of_score = [line for line in lines if line.score == score]
        for group in dict.fromkeys(line.group for line in of_score):
            found = {line.measure: line for line in of_score if line.group == group}
            row = [found[measure] for measure in measures]
            table.add_row(
                name, _over(row[0]), *(_number(line.value, line) for line in row), str(row[0].n), str(row[0].excluded)
            )
            name = ""
            if any(line.low is not None for line in row):
                table.add_row("", f"  {level} from", *(_number(line.low, line) for line in row), style="dim")
                table.add_row("", "  to", *(_number(line.high, line) for line in row), style="dim")
    return table


def _groups(agreement: Agreement, lines: Sequence[Line], scores: Sequence[str]) -> Table:
    table = _table("group", *(_named(agreement, score) for score in scores), "n")
    for group in dict.fromkeys(line.group for line in lines):
        found = {line.score: line for line in lines if line.group == group}
        fewest, most = (end(line.n for line in found.values()) for end in (min, max))
        table.add_row(
            escape(group.partition("=")[2]),
            *(_number(found[score].value, found[score]) for score in scores),
            str(most) if fewest == most else f"{fewest}-{most}",
        )
    return table


def _comparisons(agreement: Agreement) -> Table:
    table = _table("better by", "measure", "difference", "from", "to", "p", "detectable", "n")
    for test in agreement.comparisons:
        numbers = [f"{value:.3f}" for value in (test.difference, test.low, test.high)]
        table.add_row(
            escape(f"{test.score} than {test.against} ({test.rating})"),
            test.measure,
            *numbers,
            f"{test.p:.3f}",
            f"{test.minimum_detectable:.3f}",
            str(test.n),
        )
    return table


def _undefined(lines: Iterable[Line]) -> Iterator[str]:
    """A line for each reason why a measure over all items, an average or a system level has no value."""
    reasons: dict[tuple[str, str | None], list[str]] = {}
    for line in lines:
        if line.value is None and "=" not in line.group:
            reasons.setdefault((f"{line.score} with {line.rating}, {line.group}", line.note), []).append(line.measure)
    for (where, note), measures in reasons.items():
        yield f"no value: {', '.join(measures)} ({where}): {note}"


def _biased(lines: Iterable[Line]) -> Iterator[str]:
    """One line for all intervals, outside of single groups, that are shifted aside of their values."""
    found = [line for line in lines if BIASED in (line.note or "") and "=" not in line.group]
    where = dict.fromkeys(f"{line.score} ({_over(line)})" for line in found)
    if found:
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


def _named(agreement: Agreement, score: str) -> str:
    pair = next(pair for pair in agreement.pairs if pair.score == score)
    return f"{escape(score)} {pair.arrow}"


def _plain(measure: str) -> str:
    return HEADINGS[measure].replace("-\n", "").replace("\n", " ")


def _number(value: float | None, line: Line) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if line.measure.startswith(("rmse", "mae")) else f"{value:.3f}"


def _abreast(names: Iterable[str]) -> Iterator[list[str]]:
    listed = list(names)
    for start in range(0, len(listed), ABREAST):
        yield listed[start : start + ABREAST]


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for index, heading in enumerate(headings):
        text = heading in ("score", "over", "group", "better by", "measure")
        table.add_column(
            heading,
            justify="left" if text else "right",
            no_wrap=index > 0,
            overflow="fold",
            vertical="top",
        )
    return table
