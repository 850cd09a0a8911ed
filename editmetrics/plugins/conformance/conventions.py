"""Stand-in for the checkpoint of a metric that a file of conventions makes: a judge that answers in the form asked for.

Its numbers are the brightness of the images, on the scale of each question.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ...judge import Judge
from ...testing.judges import ScriptedJudge

if TYPE_CHECKING:
    from ...conventions.schema import AnswerForm, QuestionRule
    from ...conventions.text import TextAssessor
    from ...judge import Question


def written(form: AnswerForm, numbers: list[float]) -> str:
    """Return an answer that states `numbers` in the form that is asked for."""
    titles = form.titles or (form.values if form.form != "ratings" else [f"Aspect of {name}" for name in form.values])
    if form.form in ("json", "tagged_json"):
        score: Any = numbers if len(numbers) > 1 else numbers[0]
        answer = json.dumps({"reasoning": "scripted", form.key: score})
        return f"<answer>{answer}</answer>" if form.form == "tagged_json" else answer
    if form.form == "tag":
        return f"<{form.key}>{numbers[0]}</{form.key}>"
    if form.form == "label":
        return f"{form.key}: {numbers[0]}"
    if form.form == "boxed":
        return f"**{form.key}: {numbers[0]}**\n\\boxed{{{numbers[0]}}}"
    if form.form == "level":
        return f"The {form.key} is: {form.words[round(numbers[0] - form.low)]}"
    behind = "" if form.form in ("lines", "ratings") else f"\n## {form.key}:"
    return "\n".join(f"{title}:{behind} {number}" for title, number in zip(titles, numbers, strict=True))


def setup(metric: TextAssessor) -> None:
    """Let a scripted judge answer the questions of the conventions; texts that are not shipped have stand-ins."""
    questions = metric.conventions.questions
    metric.use_texts(
        {
            name: f"A stand-in for the text {name}: {' '.join([*prompt.slots, *marks])}"
            for name, prompt in metric.conventions.prompts.items()
            if prompt.text is None
            for marks in [[rule.mark] * len(rule.images) for rule in questions if rule.texts[:1] == (name,)] or [[]]
        }
    )

    def reply(question: Question) -> str:
        texts = " ".join(part for message in question.messages for part in message.parts if isinstance(part, str))
        asked = max(questions, key=lambda rule: _matching(metric, rule, texts))
        form = asked.answer
        if form is None:
            raise ValueError(f"{metric.name}: the question {asked.name} is not answered in words")
        levels = [image.pixels().astype(float).mean() / 255 for image in question.images()]
        closeness = [1 - abs(levels[0] - levels[-1]), levels[-1]]
        numbers = [form.low + (form.high - form.low) * closeness[row % 2] for row in range(len(form.values))]
        return written(form, [float(round(number)) if form.whole else round(number, 2) for number in numbers])

    metric.use(Judge(ScriptedJudge(reply)))


def _matching(metric: TextAssessor, rule: QuestionRule, texts: str) -> int:
    """Count the characters of a question's text, apart from its slots and images, that stand in what was asked."""
    matching = 0
    for name in rule.texts or metric.conventions.prompts:
        marks = [rule.mark, *metric.conventions.prompts[name].slots]
        pieces = re.split("|".join(map(re.escape, marks)), metric.text(name))
        matching += sum(len(piece) for piece in pieces if piece in texts)
    return matching
