"""EditReward-Bench of TIGER-Lab: pairs with and without ties, and rankings of two to four edits that are right as a
whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...agreement.measure import Floats
from ...agreement.protocols.pair_figures import (
    COLUMNS,
    choices,
    item_names,
    lines_with_and_without_ties,
    share_line,
    tie_threshold,
)
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import ALL, Line

RATING = "preference"
RANKING, RANKING_TIES_WRONG = "ranking_accuracy", "ranking_accuracy_ties_wrong"


def _figures(joined: Joined) -> Iterator[Line]:
    _, people = joined.dimension(RATING)
    rated = ~np.isnan(people)
    names = item_names(joined)
    groups = {ALL: rated} | {f"k={k}": rows for k, rows in joined.groups("k", rated).items()}
    for group, rows in groups.items():
        yield from lines_with_and_without_ties(joined, RATING, group, rows)
        for measure in (RANKING, RANKING_TIES_WRONG):
            right, items = _whole_rankings(joined, rows, names, ties_wrong=measure != RANKING)
            yield share_line(joined, RATING, measure, group, right, items)


def _whole_rankings(joined: Joined, rows: np.ndarray, names: np.ndarray, ties_wrong: bool) -> tuple[Floats, np.ndarray]:
    """For each ranked set, 1 if all its pairs are right, 0 if not, NaN if one has no score or is missing; and its name.

    A pair of two that people tie is right if its scores differ by no more than the tie threshold of such sets. Of two
    equal scores, the published script ranks the edit listed later first; with `ties_wrong` such a ranking is wrong.
    """
    _, people = joined.dimension(RATING)
    sizes = joined.numbers("k")
    chosen, tied = choices(joined, RATING), choices(joined, RATING, tie_threshold(joined, RATING, rows & (sizes == 2)))
    judged = np.array([text is not None for text in joined.texts("verdict")]) if joined.has("verdict") else False
    if not ties_wrong:
        chosen = np.where((chosen == 0) & ~np.asarray(judged), -1.0, chosen)
    predicted = np.where(people == 0, tied, chosen)
    correct = np.where(np.isnan(predicted), np.nan, (predicted == people).astype(float))
    items = list(dict.fromkeys(names[rows].tolist()))
    right = []
    for item in items:
        pairs = np.flatnonzero(rows & (names == item))
        size = sizes[pairs[0]]
        whole = len(pairs) == size * (size - 1) / 2
        right.append(float(correct[pairs].min()) if whole else np.nan)
    return np.array(right), np.array(items)


PROTOCOL = Protocol(
    name="editreward-bench-tiger",
    about="EditReward-Bench of TIGER-Lab: accuracy of pairs with and without ties; whole rankings of 2, 3 and 4 edits",
    source="EditReward, arXiv 2509.26346; evaluate_edit_reward_bench of TIGER-AI-Lab/EditReward at edb027e; a set with "
    "a pair without a score is left out and counted; intervals and ranking_accuracy_ties_wrong are ours",
    dimensions={RATING: "which of two edits people prefer"},
    columns={"k": "how many edits of the instruction people ranked: 2, 3 or 4", **COLUMNS},
    required=frozenset({"k", "item"}),
    figures=_figures,
)
