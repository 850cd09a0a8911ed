"""ImageRewardDB's test split: the share of pairs of different rank that the scores order alike."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...agreement.protocols.pair_figures import COLUMNS, choices, correct, item_names, means_by_item, share_line
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import ALL, Line
from ..pair_layout import PREFERENCE

ACCURACY, BY_PROMPT = "accuracy", "accuracy_by_prompt"


def _figures(joined: Joined) -> Iterator[Line]:
    _, people = joined.dimension(PREFERENCE)
    decided = ~np.isnan(people) & (people != 0)
    right, items = correct(choices(joined, PREFERENCE), people)[decided], item_names(joined)[decided]
    yield share_line(joined, PREFERENCE, ACCURACY, ALL, right, items)
    yield share_line(joined, PREFERENCE, BY_PROMPT, ALL, *means_by_item(right, items))


PROTOCOL = Protocol(
    name="imagereward-db",
    about="ImageRewardDB: accuracy of pairs of different rank, over all pairs and as mean of prompts",
    source="ImageReward, arXiv 2304.05977; test.py of THUDM/ImageReward at c1392c6 (all pairs) and calc_ImageReward of "
    "tgxs002/HPSv2 at 866735e (mean of prompts): equal scores are wrong; intervals are ours",
    dimensions={PREFERENCE: "which of two images people rank higher; 0 for equal ranks"},
    columns=COLUMNS,
    required=frozenset({"item"}),
    figures=_figures,
)
