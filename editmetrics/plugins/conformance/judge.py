"""Stand-in for a chat model that rates images on a scale of 0 to 10."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...judge import Judge
from ...testing.judges import ScriptedJudge

if TYPE_CHECKING:
    from ...bases.judge import JudgeMetric
    from ...judge import Question


def rating(question: Question) -> str:
    """Rate how close the brightness of the first and the last image is, and how bright the last one is."""
    levels = [image.pixels().astype(float).mean() for image in question.images()]
    scores = [round(10 * (1 - abs(levels[0] - levels[-1]) / 255), 1), round(levels[-1] / 25.5, 1)]
    return json.dumps({"score": scores, "reasoning": "scripted"})


def setup(metric: JudgeMetric) -> None:
    metric.use(Judge(ScriptedJudge(rating)))
