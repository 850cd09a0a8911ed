"""Tables of outcomes: Tables 3 to 6 of Q-Bench-Portrait, or a table for each group of another benchmark.

Each cell is the unweighted mean over all its questions, with half the score of open ones, as in the paper (its overall
score is not a mean of columns). The row of random guesses is over single choices and truth values only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...agreement.shares import wilson_interval
from ...tables.scores import MeanScore, ScoreTable, count_table, score_column
from ...tables.table import DataTable, TableColumn
from ...wording import plural
from .outcomes import NO_JUDGE, Outcome
from .portrait import DIMENSIONS, SCOPES, SOURCE_DIMENSIONS, SOURCES, SUBDIMENSIONS
from .questions import TYPES

GUESS = "Random guess"
OVERALL = score_column("", "Overall")
NOTE = "An open answer scores half of the judge's points; random guesses are of SC and TF alone"
Cell = Mapping[str, str]
"""The questions of a column, as values of "type" and groups."""

GROUPS = {
    "source": "Image sources",
    "dimension": "Quality dimensions",
    "subdimension": "Sub-dimensions",
    "scope": "Scopes",
}


def score_tables(
    models: Mapping[str, Sequence[Outcome]], format: str, groups: Sequence[str], level: float = 0.95
) -> list[ScoreTable]:
    """The tables over the outcomes of each model, by its name; shuffled rounds are not counted."""
    first = {name: [outcome for outcome in outcomes if outcome.round == 0] for name, outcomes in models.items()}
    laid_out = _portrait() if format == "portrait" else _by_group(next(iter(first.values())), groups)
    notes = [NOTE, *_notes(first)]
    return [
        ScoreTable(
            name,
            title,
            list(columns),
            {model: [_value(outcomes, cell, level) for cell in columns.values()] for model, outcomes in first.items()},
            {GUESS: [_guess(next(iter(first.values())), cell) for cell in columns.values()]},
            notes,
            level,
        )
        for name, title, columns in laid_out
    ]


def status_table(models: Mapping[str, Sequence[Outcome]]) -> DataTable:
    """How answers were read, with counts of unreadable ones and of missing scores.

    A single model has a row for each type, several have one row each.
    """
    rows = []
    for model, outcomes in models.items():
        for kind in [*TYPES, ""] if len(models) == 1 else [""]:
            of_kind = [outcome for outcome in outcomes if outcome.round == 0 and kind in ("", outcome.type)]
            if of_kind:
                rows.append([model, kind or "all", *map(str, _statuses(of_kind))])
    headings = ["model", "type", "asked", "strict", "repaired", "unparseable", "refused", "not asked", "not scored"]
    notes = [
        "Unparseable and refused answers count as wrong. Questions that could not be asked, because the endpoint "
        "failed, or not be scored, without a judge or a known answer, are left out of every mean."
    ]
    return count_table("status", "How the answers were read", headings, rows, notes)


def _statuses(outcomes: Sequence[Outcome]) -> list[int]:
    read = [
        sum(outcome.status == "ok" and outcome.how == parse for outcome in outcomes) for parse in ("strict", "repaired")
    ]
    bad = [sum(outcome.status == status for outcome in outcomes) for status in ("unparseable", "refused")]
    failed = sum(outcome.status in ("failed", "skipped", "unavailable") for outcome in outcomes)
    return [
        len(outcomes),
        *read,
        *bad,
        failed,
        sum(outcome.status == "ok" and outcome.score is None for outcome in outcomes),
    ]


def _portrait() -> list[tuple[str, str, dict[TableColumn, Cell]]]:
    """The columns of the paper's Tables 3 to 6, in their order."""
    sources = {score_column("Image sources", name): {"source": name} for name in SOURCES}
    dimensions = {score_column("Quality dimensions", _short(name)): {"dimension": name} for name in DIMENSIONS}
    types = {score_column("Question types", name): {"type": name} for name in TYPES}
    subdimensions = {
        score_column(DIMENSIONS[dimension], name): {"subdimension": name}
        for dimension, names in SUBDIMENSIONS.items()
        for name in names
    }
    crossed: dict[TableColumn, Cell] = {}
    for source in SOURCES:
        held = [dimension for dimension in DIMENSIONS if (source, dimension) in SOURCE_DIMENSIONS]
        crossed |= {score_column(source, _short(name)): {"source": source, "dimension": name} for name in held}
        crossed |= {score_column(source, "Overall"): {"source": source}} if len(held) > 1 else {}
    scopes: dict[TableColumn, Cell] = {
        score_column(kind, scope): {"type": kind, "scope": scope} for kind in TYPES for scope in SCOPES
    }
    return [
        ("table3", "Q-Bench-Portrait", {**sources, **dimensions, **types, OVERALL: {}}),
        ("table4", "Q-Bench-Portrait across fine-grained quality dimensions", dict(subdimensions)),
        ("table5", "Q-Bench-Portrait across quality dimensions of each image source", crossed),
        ("table6", "Q-Bench-Portrait across global and local questions of each type", scopes),
    ]


def _by_group(outcomes: Sequence[Outcome], groups: Sequence[str]) -> list[tuple[str, str, dict[TableColumn, Cell]]]:
    """The types and the overall score, and a table for each group that any question is in."""
    kinds = [kind for kind in TYPES if any(outcome.type == kind for outcome in outcomes)]
    types: dict[TableColumn, Cell] = {score_column("Question types", kind): {"type": kind} for kind in kinds}
    laid_out = [("overall", "All questions", {**types, OVERALL: {}})]
    for group in groups:
        values = list(dict.fromkeys(outcome.groups[group] for outcome in outcomes if group in outcome.groups))
        heading = GROUPS.get(group, group)
        if values:
            columns: dict[TableColumn, Cell] = {
                score_column(heading, value): {group: value} for value in sorted(values)
            }
            laid_out.append((group, f"By {heading.lower()}", columns))
    return laid_out


def _short(dimension: str) -> str:
    return {"Tech": "Tech.", "Aes": "Aes."}.get(dimension, dimension)


def in_cell(outcome: Outcome, cell: Cell) -> bool:
    """True if a question belongs to a column."""
    return all((outcome.type if name == "type" else outcome.groups.get(name)) == value for name, value in cell.items())


def _value(outcomes: Iterable[Outcome], cell: Cell, level: float) -> MeanScore:
    inside = [outcome for outcome in outcomes if in_cell(outcome, cell) and outcome.score is not None]
    if not inside:
        return MeanScore(None)
    scores = [outcome.score for outcome in inside if outcome.score is not None]
    low, high = wilson_interval(scores, [outcome.image_sha256 for outcome in inside], level)
    return MeanScore(100 * sum(scores) / len(scores), 100 * low, 100 * high, len(scores))


def _guess(outcomes: Iterable[Outcome], cell: Cell) -> MeanScore:
    chances = [outcome.chance for outcome in outcomes if in_cell(outcome, cell) and outcome.chance is not None]
    return MeanScore(100 * sum(chances) / len(chances), n=len(chances)) if chances else MeanScore(None)


def _notes(models: Mapping[str, Sequence[Outcome]]) -> list[str]:
    notes = []
    for name, outcomes in models.items():
        without = [outcome for outcome in outcomes if outcome.score is None]
        unjudged = sum(outcome.reason == NO_JUDGE for outcome in without)
        if unjudged:
            notes.append(f"{plural(unjudged, 'open-ended question')} left out, without a judge ({name})")
        if len(without) > unjudged:
            notes.append(f"{plural(len(without) - unjudged, 'question')} left out, without a score ({name})")
    return notes
