"""Position bias: does a model choose by where an option stands? From rounds in which the options were shuffled.

In the shuffled rounds each option of a question stands in each place once (over as many rounds as it has options), so
places are compared on the same questions, and a model without a bias is equally often right wherever the right one is.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...tables.model import DataTable, percent
from ...tables.scores import MeanScore, count_table
from .intervals import wilson_interval
from .items import LETTERS
from .outcomes import Outcome


def position_tables(outcomes: Sequence[Outcome], level: float = 0.95) -> list[DataTable]:
    """How often the model is right and what it chooses, by place; and whether it holds on to its choice.

    Nothing where no round was shuffled.
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


def _single(found: Sequence[Outcome], level: float) -> DataTable:
    rows, means = [], []
    for place in range(max(len(outcome.order) for outcome in found)):
        there = [outcome for outcome in found if len(outcome.order) > place]
        right = [outcome for outcome in there if outcome.order[place] == outcome.correct]
        chosen = sum(outcome.order[place] == outcome.parsed for outcome in there)
        if not right:
            continue
        scores = [outcome.score for outcome in right if outcome.score is not None]
        low, high = wilson_interval(scores, [outcome.image_sha256 for outcome in right], level)
        value = MeanScore(100 * sum(scores) / len(scores), 100 * low, 100 * high, len(scores))
        means.append(value.mean or 0.0)
        share, fair = 100 * chosen / len(there), 100 * len(right) / len(there)
        rows.append([LETTERS[place], str(value.n), percent(value.mean), value.interval, percent(share), percent(fair)])
    headings = ["place", "right one here", "accuracy, %", f"{level:.0%} interval", "chosen, %", "right, %"]
    spread = f"Spread of the accuracy over places: {max(means) - min(means):.2f} points."
    return count_table("positions_sc", "Single choices by the place of the right option", headings, rows, [spread])


def _several(found: Sequence[Outcome]) -> DataTable:
    rows = []
    for place in range(max(len(outcome.order) for outcome in found)):
        there = [outcome for outcome in found if len(outcome.order) > place]
        chosen = {
            kind: [_has(o.parsed, o.order[place]) for o in there if _has(o.correct, o.order[place]) == kind]
            for kind in (True, False)
        }
        shares = [percent(100 * sum(marks) / len(marks)) if marks else "-" for marks in chosen.values()]
        rows.append([LETTERS[place], str(len(there)), *shares])
    headings = ["place", "options here", "chosen where right, %", "chosen where wrong, %"]
    return count_table("positions_mc", "Multiple choices by place", headings, rows)


def _consistency(outcomes: Sequence[Outcome], rounds: int) -> DataTable:
    """Over all orders, the file's among them: is the same option chosen, and is it right, every time?"""
    rows = []
    for kind in ("SC", "MC"):
        by_question: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            if outcome.type == kind and outcome.score is not None:
                by_question.setdefault(outcome.id, []).append(outcome)
        whole = [found for found in by_question.values() if len(found) == rounds + 1]
        if not whole:
            continue
        same = sum(len({outcome.parsed for outcome in found}) == 1 and found[0].parsed is not None for found in whole)
        always = sum(all(outcome.score == 1 for outcome in found) for found in whole)
        by_round = [sum(found[number].score or 0 for found in whole) / len(whole) for number in range(rounds + 1)]
        cells = [same / len(whole), always / len(whole), sum(by_round) / len(by_round), min(by_round), max(by_round)]
        rows.append([kind, str(len(whole)), *(percent(100 * cell) for cell in cells)])
    headings = ["type", "questions", "same choice, %", "always right, %", "mean, %", "lowest round", "highest round"]
    title = f"Consistency over {rounds + 1} orders of the options"
    return count_table("consistency", title, headings, rows, ["An answer that cannot be read is no choice."])


def _has(letters: str | None, letter: str) -> bool:
    return letter in (letters or "").split(", ")
