"""Questions with known answers, as `fit` takes them: the sample's questions, and a column with an answer for each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ...mllm.targets import TargetError
from ...sample import Sample, Score
from .prompts import ANSWERS


def answered(sample: Sample, column: str) -> list[tuple[str, str]]:
    """The questions of a sample, each with "yes" or "no"; none where it has no questions or no answers.

    The column holds a list, or its text as JSON, or one answer alone. Raises `TargetError` for anything but yes and no,
    and for another number of answers than of questions.

    >>> answered(Sample("a", edited="a.png", questions=("Is it red?",), meta={"gold": "Yes."}), "gold")
    [('Is it red?', 'yes')]
    """
    questions, given = sample.questions or (), sample.meta.get(column)
    if not questions or given is None or given == "":
        return []
    said = [str(each).strip().rstrip(".").lower() for each in _listed(given)]
    if wrong := [each for each in said if each not in ANSWERS]:
        raise TargetError(f"{sample.id}: an answer in {column} is {wrong[0]!r}; expected yes or no")
    if len(said) != len(questions):
        raise TargetError(f"{sample.id}: {len(said)} answers in {column} for {len(questions)} questions")
    return list(zip(questions, said, strict=True))


def require_answers(samples: Iterable[Sample], column: str) -> None:
    """Raise `TargetError` where no sample has a question with an answer in `column`."""
    if not any(answered(sample, column) for sample in samples):
        raise TargetError(
            f"no training sample has questions with answers in {column!r}; expected a column 'questions' with a list "
            "of texts, and one with as many answers of yes or no"
        )


def answered_right(sample: Sample, score: Score, column: str) -> list[bool]:
    """For each of a sample's questions with a known answer in `column`, whether the score has it; else nothing.

    Without a score, as of an image that cannot be read, nothing was answered. Where the model was about to say neither
    yes nor no, its answer is None, which is wrong.
    """
    known = answered(sample, column)
    said = score.details.get("answers", [])
    return [each["answer"] == answer for each, (_, answer) in zip(said, known, strict=True)] if said and known else []


def _listed(given: Any) -> list[Any]:
    if isinstance(given, str) and given.lstrip().startswith("["):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise TargetError(f"{given!r} is no list of answers: {error}") from error
    return list(given) if isinstance(given, (list, tuple)) else [given]
