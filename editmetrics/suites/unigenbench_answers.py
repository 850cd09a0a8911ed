"""UniGenBench's test points, and the reading of an answer that judges all of a prompt."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from ..sample import SampleError

POINTS = {
    "关系-比较关系": "Relationship - Comparison",
    "关系-构成关系": "Relationship - Composition",
    "关系-包含关系": "Relationship - Inclusion",
    "关系-相似关系": "Relationship - Similarity",
    "复合考点-想象力": "Compound - Imagination",
    "复合考点-不同实体特征匹配": "Compound - Feature Matching",
    "属性-大小": "Attribute - Size",
    "属性-表情": "Attribute - Expression",
    "属性-数量": "Attribute - Quantity",
    "属性-材质": "Attribute - Material",
    "属性-颜色": "Attribute - Color",
    "属性-形状": "Attribute - Shape",
    "实体布局-二维空间": "Entity Layout - Two-Dimensional Space",
    "实体布局-三维空间": "Entity Layout - Three-Dimensional Space",
    "动作-人物/拟人全身动作": "Action - Full-body (Character/Anthropomorphic)",
    "动作-人物/拟人手部动作": "Action - Hand (Character/Anthropomorphic)",
    "动作-动物动作": "Action - Animal",
    "动作-实体间有接触互动": "Action - Contact Interaction",
    "动作-实体间无接触互动": "Action - Non-contact Interaction",
    "动作-状态": "Action - State",
    "语法-否定": "Grammar - Negation",
    "语法-代词指代": "Grammar - Pronoun Reference",
    "语法-统一性": "Grammar - Consistency",
    "世界知识": "World Knowledge",
    "风格": "Style",
    "文本生成": "Text Generation",
    "逻辑推理": "Logical Reasoning",
}
"""The name of each test point in the Chinese data, and in the English."""


def dimension_of(point: str) -> str:
    """Return the dimension of a test point, which stands before its first hyphen.

    >>> dimension_of("Action - Full-body (Character/Anthropomorphic)"), dimension_of("Style")
    ('Action', 'Style')
    """
    return point.split("-", 1)[0].strip()


DIMENSIONS = {
    dimension: tuple(point for point in POINTS.values() if dimension_of(point) == dimension)
    for dimension in dict.fromkeys(map(dimension_of, POINTS.values()))
}
"""The test points of each dimension."""


def lists_in(answer: str) -> tuple[Any, Any]:
    """Return what the tags analysis and score of an answer hold, as Python reads it. Raises `SampleError`.

    >>> lists_in("<analysis>['red', 'two']</analysis> <score>[1, 0]</score>")
    (['red', 'two'], [1, 0])
    """
    held = []
    for tag in ("analysis", "score"):
        match = re.search(f"<{tag}>(.*?)</{tag}>", answer, re.DOTALL)
        if match is None:
            raise SampleError(f"the answer has no <{tag}>; expected a list of it in tags", "unparseable")
        try:
            held.append(ast.literal_eval(match.group(1).strip()))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise SampleError(f"<{tag}> of the answer cannot be read: {type(error).__name__}", "unparseable") from error
    return held[0], held[1]


def scores_of(answer: str, count: int) -> tuple[list[Any], list[int]]:
    """Return the analyses and the scores of `count` test points, each 0 or 1. Raises `SampleError` otherwise.

    >>> scores_of("<analysis>['red']</analysis> <score>[1]</score>", 1)
    (['red'], [1])
    """
    held = lists_in(answer)
    for tag, values in zip(("analysis", "score"), held, strict=True):
        if not isinstance(values, (list, tuple)) or len(values) != count:
            raise SampleError(f"<{tag}> of the answer is {values!r:.80}; expected a list of {count}", "unparseable")
    if strange := [score for score in held[1] if type(score) is not int or score not in (0, 1)]:
        raise SampleError(f"the answer has the score {strange[0]!r:.40}; expected 0 or 1", "unparseable")
    return list(held[0]), list(held[1])


def script_scores(answer: str, count: int) -> list[Any] | None:
    """Return the scores as the published script reads them, of which all but 1 count as 0; None where it reads none.

    Its results go through JSON, and are read from there as Python: True, False and None are lost with their row.

    >>> script_scores("<analysis>['red']</analysis> <score>[0.5]</score>", 1)
    [0.5]
    """
    try:
        analysis, scores = lists_in(answer)
        if len(analysis) != count or len(scores) != count:
            return None
        kept = ast.literal_eval(json.dumps({"analysis": analysis, "score": scores}))["score"]
    except (SampleError, TypeError, ValueError, SyntaxError):
        return None
    return kept if isinstance(kept, list) else None
