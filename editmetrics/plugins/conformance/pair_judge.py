"""Stand-in for a chat model that compares two edits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...judge import Judge
from ...testing.judges import ScriptedJudge

if TYPE_CHECKING:
    from ...bases.pair_judge import PairJudgeMetric
    from ...judge import Question


def brighter(question: Question) -> str:
    """Choose the brighter edit, and the one shown first where both are equal."""
    *_, first, second = (float(image.pixels().mean()) for image in question.images())
    return json.dumps({"why": "scripted", "winner": "A" if first >= second else "B"})


def setup(metric: PairJudgeMetric) -> None:
    metric.use(Judge(ScriptedJudge(brighter)))
