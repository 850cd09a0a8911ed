"""HPD v2's test set: the mean over prompts of the share of pairs that are not turned around."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...agreement.protocols.pair_figures import COLUMNS, choices, correct, item_names, means_by_item, share_line
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import ALL, Line
from ..pair_layout import PREFERENCE


def _figures(joined: Joined) -> Iterator[Line]:
    _, people = joined.dimension(PREFERENCE)
    rated = ~np.isnan(people)
    chosen = choices(joined, PREFERENCE)
    tied = np.where(np.isnan(chosen), np.nan, 1.0)
    right = np.where(people == 0, tied, correct(chosen, people))
    means, prompts = means_by_item(right[rated], item_names(joined)[rated])
    yield share_line(joined, PREFERENCE, "accuracy", ALL, means, prompts)


PROTOCOL = Protocol(
    name="hpd-v2",
    about="HPD v2: accuracy of the pairs of each prompt's ranking, as mean of prompts",
    source="HPS v2, arXiv 2306.09341; inversion_score of tgxs002/HPSv2 at 866735e: a pair that people tie is right; "
    "equal scores, which it puts into any order, are wrong here; a prompt with a pair without a score is left out and "
    "counted; intervals are ours",
    dimensions={PREFERENCE: "which of two images people rank higher; 0 for equal ranks"},
    columns=COLUMNS,
    required=frozenset({"item"}),
    figures=_figures,
)
