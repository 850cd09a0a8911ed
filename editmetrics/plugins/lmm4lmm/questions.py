"""Yes/no questions: from a file, for every sample or by image or prompt; and their known answers in a column."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...files.decoding import read_text
from ...files.rows import read_rows
from ...files.text import lines_of, parse_json
from ...mllm.targets import TargetError
from ...sample import EditMetricsError, Sample, Score
from ...wording import plural
from .prompts import ANSWERS

_COLUMN = re.compile(r"questions?(_\d+)?")


class QuestionsError(EditMetricsError, ValueError):
    """A file of questions cannot be used; the message names it and says what was expected."""


@dataclass(frozen=True)
class Questions:
    """Questions for samples that have none of their own.

    - `of_all`: of every sample. `by_id`, `by_prompt`: of the sample with this id, or with this prompt.
    """

    of_all: tuple[str, ...] = ()
    by_id: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_prompt: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, sample: Sample) -> tuple[str, ...]:
        """The questions of a sample: its own, else those of the file; none where neither has any.

        >>> asked = Questions(by_prompt={"a red cat": ("Is the cat red?",)})
        >>> asked.of(Sample("x", edited=b"", prompt="a red cat"))
        ('Is the cat red?',)
        >>> asked.of(Sample("x", edited=b"", questions=("Is it day?",)))
        ('Is it day?',)
        """
        if sample.questions:
            return tuple(sample.questions)
        return self.of_all or self.by_id.get(sample.id) or self.by_prompt.get(sample.prompt or "") or ()

    def identity(self) -> Any:
        """All of it, as JSON."""
        return list(self.of_all) if self.of_all else {name: texts for name, texts in asdict(self).items() if texts}


def read_questions(file: str) -> Questions:
    """The questions of a file.

    A .txt file has a question a line, asked of every sample. A table (csv, jsonl or parquet) says by `id` or by
    `prompt` whose they are, and has them in a column `questions` (a list, in a csv as JSON, or one text) or in columns
    `question_1`, `question_2`, ...; several rows of one sample add up. Raises `QuestionsError` or `DataError`.
    """
    path = Path(file)
    if path.suffix.lower() == ".txt":
        questions = Questions(of_all=tuple(line.strip() for line in lines_of(read_text(path)) if line.strip()))
    else:
        questions = _of_table(path)
    if not (questions.of_all or questions.by_id or questions.by_prompt):
        raise QuestionsError(f"{file} has no questions; expected one a line, or a table with columns id and questions")
    return questions


def _of_table(path: Path) -> Questions:
    by: dict[str, dict[str, tuple[str, ...]]] = {"id": {}, "prompt": {}}
    for row in read_rows(path):
        if row.problem:
            raise QuestionsError(f"{path}, {row.location}: {row.problem}; correct or remove the row")
        key = next((name for name in by if row.cells.get(name) is not None), None)
        if key is None:
            raise QuestionsError(f"{path}, {row.location}: neither id nor prompt says whose questions these are")
        questions = by[key].get(str(row.cells[key]), ())
        for name, value in row.cells.items():
            if _COLUMN.fullmatch(name) and value is not None:
                questions += _texts(value, f"{path}, {row.location}")
        if questions:
            by[key][str(row.cells[key])] = questions
    return Questions(by_id=by["id"], by_prompt=by["prompt"])


def _texts(value: Any, origin: str) -> tuple[str, ...]:
    if isinstance(value, str):
        try:
            value = parse_json(value) if value.lstrip().startswith("[") else [value]
        except ValueError as error:
            raise QuestionsError(f"{origin}: {error}") from error
    if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
        raise QuestionsError(f"{origin}: {value!r} are not questions; expected a list of texts")
    return tuple(text.strip() for text in value)


def answered(sample: Sample, column: str) -> list[tuple[str, str]]:
    """The questions of a sample, each with "yes" or "no"; none where it has no questions or no answers.

    The column holds a list, or its text as JSON, or one answer alone. Raises `TargetError` for anything but yes and no,
    and for another number of answers than of questions.

    >>> answered(Sample("a", edited="a.png", questions=("Is it red?",), meta={"gold": "Yes."}), "gold")
    [('Is it red?', 'yes')]
    """
    questions, cell = sample.questions or (), sample.meta.get(column)
    if not questions or cell is None or cell == "":
        return []
    answers = [str(each).strip().rstrip(".").lower() for each in _listed(cell)]
    if wrong := [each for each in answers if each not in ANSWERS]:
        raise TargetError(f"{sample.id}: an answer in {column} is {wrong[0]!r}; expected yes or no")
    if len(answers) != len(questions):
        raise TargetError(
            f"{sample.id}: {plural(len(answers), 'answer')} in {column} for {plural(len(questions), 'question')}"
        )
    return list(zip(questions, answers, strict=True))


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
    answers = score.details.get("answers", [])
    return (
        [each["answer"] == answer for each, (_, answer) in zip(answers, known, strict=True)]
        if answers and known
        else []
    )


def _listed(cell: Any) -> list[Any]:
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
        except ValueError as error:
            raise TargetError(f"{cell!r} is not a list of answers: {error}") from error
    return list(cell) if isinstance(cell, (list, tuple)) else [cell]
