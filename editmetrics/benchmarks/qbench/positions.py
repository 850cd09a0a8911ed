"""Position bias, from rounds with shuffled options: does a model choose by the place of an option?

In the shuffled rounds each option of a question stands in each place once (over as many rounds as it has options), so
places are compared on the same questions, and a model without a bias is equally often right wherever the right one is.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...agreement.shares import wilson_interval
from ...tables.scores import MeanScore, count_table
from ...tables.table import DataTable, percent
from .outcomes import Outcome
from .questions import LETTERS


def position_tables(outcomes: Sequence[Outcome], level: float = 0.95) -> list[DataTable]:
    """Return tables of accuracy and choices by place, and of the consistency of choices.

    Empty if no round was shuffled.
    """
    rounds = max((outcome.round for outcome in outcomes), default=0)
    if not rounds:
        return []
    tables = []
    single = [o for o in outcomes if o.round and o.type == "SC" and o.score is not None and o.correct]
    if single:
        tables.append(_single(single, level))
    several = [o for o in outcomes if o.round and o.type == "MC" and o.parsed and o.correct]
    if several:
        tables.append(_several(several))
    return [*tables, _consistency(outcomes, rounds)]


def _single(outcomes: Sequence[Outcome], level: float) -> DataTable:
    rows, means = [], []
    for index in range(max(len(outcome.order) for outcome in outcomes)):
        shown = [outcome for outcome in outcomes if len(outcome.order) > index]
        right = [outcome for outcome in shown if outcome.order[index] == outcome.correct]
        chosen = sum(outcome.order[index] == outcome.parsed for outcome in shown)
        if not right:
            continue
        scores = [outcome.score for outcome in right if outcome.score is not None]
        low, high = wilson_interval(scores, [outcome.image_sha256 for outcome in right], level)
        value = MeanScore(100 * sum(scores) / len(scores), 100 * low, 100 * high, len(scores))
        means.append(value.mean or 0.0)
        share, fair = 100 * chosen / len(shown), 100 * len(right) / len(shown)
        rows.append([LETTERS[index], str(value.n), percent(value.mean), value.interval, percent(share), percent(fair)])
    headings = ["place", "right one here", "accuracy, %", f"{level:.0%} interval", "chosen, %", "right, %"]
    spread = f"Spread of the accuracy over places: {max(means) - min(means):.2f} points."
    return count_table("positions_sc", "Single choices by the place of the right option", headings, rows, [spread])


def _several(outcomes: Sequence[Outcome]) -> DataTable:
    rows = []
    for index in range(max(len(outcome.order) for outcome in outcomes)):
        shown = [outcome for outcome in outcomes if len(outcome.order) > index]
        chosen = {
            kind: [_has(o.parsed, o.order[index]) for o in shown if _has(o.correct, o.order[index]) == kind]
            for kind in (True, False)
        }
        shares = [percent(100 * sum(marks) / len(marks)) if marks else "-" for marks in chosen.values()]
        rows.append([LETTERS[index], str(len(shown)), *shares])
    headings = ["place", "options here", "chosen where right, %", "chosen where wrong, %"]
    return count_table("positions_mc", "Multiple choices by place", headings, rows)


def _consistency(outcomes: Sequence[Outcome], rounds: int) -> DataTable:
    """Over all orders including the file's: how often the same option is chosen, and the right one."""
    rows = []
    for kind in ("SC", "MC"):
        by_question: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            if outcome.type == kind and outcome.score is not None:
                by_question.setdefault(outcome.id, []).append(outcome)
        whole = [answers for answers in by_question.values() if len(answers) == rounds + 1]
        if not whole:
            continue
        same = sum(len({o.parsed for o in answers}) == 1 and answers[0].parsed is not None for answers in whole)
        always = sum(all(outcome.score == 1 for outcome in answers) for answers in whole)
        by_round = [sum(answers[number].score or 0 for answers in whole) / len(whole) for number in range(rounds + 1)]
        cells = [same / len(whole), always / len(whole), sum(by_round) / len(by_round), min(by_round), max(by_round)]
        rows.append([kind, str(len(whole)), *(percent(100 * cell) for cell in cells)])
    headings = ["type", "questions", "same choice, %", "always right, %", "mean, %", "lowest round", "highest round"]
    title = f"Consistency over {rounds + 1} orders of the options"
    return count_table("consistency", title, headings, rows, ["An unreadable answer is not a choice."])


def _has(letters: str | None, letter: str) -> bool:
    return letter in (letters or "").split(", ")
