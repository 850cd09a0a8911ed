"""The outcome of one question: the words of the model, the answer in them, the score, and its provenance.

A closed question scores 1 or 0: a single choice, a truth value, or the exact set of a multiple choice. An answer that
cannot be read, or a refusal, scores 0 and is counted apart. An open answer scores half of what the judge gave it. A
question that could not be asked, whose answer is unknown, or that the judge did not rate, has no score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ...judge import Answer
from ...judge.answers import whole_text
from ...sample import SampleError
from ..benchmark import BenchmarkError
from .answer_parser import read_choice_of, read_choices_of, read_judgement, read_truth
from .questions import Item, written

NO_JUDGE = "no judge was named; repeat the command with --judge to score it"


@dataclass(frozen=True)
class Outcome:
    """A line of `answers.jsonl`.

    - `correct`, `parsed`: letters in the order of the file, True or False; for an open question its two texts.
    - `how`: "strict" or "repaired"; `status`: the answer's; `reason`: the reason for a missing score.
    - `score`: 0, 0.5 or 1; None if it is missing.
    - `order`: how the options were shown, as letters of the file's order; `round`: 0 is the file's order.
    - `provenance`: the model's. `judge`: the judge's own words, score (0, 1, 2), status and provenance.
    """

    id: str
    type: str
    score: float | None
    status: str
    reason: str | None
    raw: str | None
    parsed: str | None
    how: str | None
    correct: str | None
    question: str
    options: list[str]
    image: str
    image_sha256: str
    groups: dict[str, str]
    chance: float | None
    provenance: dict[str, Any]
    judge: dict[str, Any] | None = None
    round: int = 0
    order: str = ""

    def json(self) -> dict[str, Any]:
        """Return the line as an object."""
        return asdict(self)

    @classmethod
    def of_json(cls, line: Mapping[str, Any]) -> Outcome:
        """Return the outcome of a line of `answers.jsonl`. Raises `BenchmarkError` for other fields."""
        names = {field.name for field in fields(cls)}
        if set(line) != names:
            raise BenchmarkError(f"a line has the fields {', '.join(line)}; expected {', '.join(sorted(names))}")
        return cls(**line)


def outcome_of(
    item: Item,
    answer: Answer,
    judgement: Answer | None = None,
    *,
    round: int = 0,
    order: tuple[int, ...] = (),
    image: str = "",
) -> Outcome:
    """Return the outcome of `item`, asked with its options in `order`; `judgement` is the judge's of an open answer."""
    parsed: Any = None
    how = score = judged = None
    status, reason = answer.status, answer.reason
    try:
        parsed, how = _read(item, answer, order)
    except SampleError as error:
        status, reason = error.status, str(error)
    if status in ("unparseable", "refused") and item.answer is not None:
        score = 0.0
    elif status == "ok" and item.answer is None:
        reason = "the file has no answer"
    elif status == "ok" and item.type != "OE":
        score = float(parsed == item.answer)
    elif status == "ok":
        judged, reason = (None, NO_JUDGE) if judgement is None else _judged(judgement)
        score = None if judged is None or judged["score"] is None else judged["score"] / 2
    return Outcome(
        id=item.id,
        type=item.type,
        score=score,
        status=status,
        reason=reason,
        raw=answer.text,
        parsed=written(parsed),
        how=how,
        correct=item.letters(),
        question=item.question,
        options=list(item.options),
        image=image or str(item.image),
        image_sha256=item.image_sha256,
        groups=dict(item.groups),
        chance=item.chance,
        provenance=answer.provenance(),
        judge=judged,
        round=round,
        order="".join((written({index}) or "") for index in order),
    )


def _read(item: Item, answer: Answer, order: tuple[int, ...]) -> tuple[Any, str]:
    """The answer that was read, its indices those of the file's order. Raises `SampleError` if it is unreadable."""
    answer.required()
    if item.type == "OE":
        return whole_text(answer), "strict"
    if item.type == "TF":
        truth = read_truth(answer)
        return truth.value, truth.parsed
    shown = [item.options[index] for index in order]
    chosen = (read_choice_of if item.type == "SC" else read_choices_of)(answer, shown)
    return frozenset(order[index] for index in chosen.value), chosen.parsed


def _judged(judgement: Answer) -> tuple[dict[str, Any], str | None]:
    """The judge's score with its provenance, and the reason for a missing one."""
    score = how = None
    status, reason = judgement.status, judgement.reason
    try:
        judgement.required()
        read = read_judgement(judgement)
        score, how = read.value, read.parsed
    except SampleError as error:
        status, reason = error.status, str(error)
    rating = {"score": score, "raw": judgement.text, "how": how, "status": status, "reason": reason}
    return {**rating, "provenance": judgement.provenance()}, None if score is not None else f"not judged: {reason}"
