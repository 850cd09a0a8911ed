"""`RowJudge`: the metric of a suite whose rows, in the official repository, say what is asked and what is right."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..bases.judge import Verdict
from ..sample import Sample, Score
from .definition import SuiteError
from .judged import SuiteMetric
from .prompt_files import file_of

if TYPE_CHECKING:
    from ..judge import Answer, Question


class RowQuestions(dict[str, "Question"]):
    """The questions about a sample, with the row of the benchmark that it belongs to."""

    def __init__(self, questions: Mapping[str, Question], row: Any) -> None:
        super().__init__(questions)
        self.row = row

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self), self.row)


class RowJudge(SuiteMetric):
    """A judge that is asked what the benchmark's rows say, which are read from the user's copy of the repository.

    A subclass gives `read_rows`, `asked` and `scored`. Each question is asked once.

    Source: the suite's, as 'editmetrics suite NAME' shows it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.rounds != 1:
            raise SuiteError(f"the suite {self.suite} asks each question once; rounds={self.rounds} is not supported")
        self._rows: Any = None

    @abstractmethod
    def read_rows(self, files: Mapping[str, bytes]) -> Any:
        """Return the benchmark's rows from the content of the suite's `data` files."""

    @abstractmethod
    def asked(self, sample: Sample, rows: Any) -> RowQuestions:
        """Return the questions about a sample with its row, out of what `read_rows` made."""

    @abstractmethod
    def scored(self, row: Any, answers: Mapping[str, Answer]) -> Score:
        """Return the score of a sample of a row from the answers to its questions, of which some may have failed."""

    def rows(self) -> Any:
        """Return the benchmark's rows, as `read_rows` made them. Raises `SuiteError` where a file is another."""
        if self._rows is None:
            suite = self.definition
            self._rows = self.read_rows({file: file_of(suite, file, self.repository) for file in suite.data})
        return self._rows

    def load(self) -> None:
        """Read the rows, and open the judge. Raises `SuiteError` and as `JudgeMetric.load` does."""
        self.rows()
        super().load()

    def questions(self, sample: Sample) -> RowQuestions:
        return self.asked(sample, self.rows())

    def read(self, name: str, answer: Answer) -> Verdict:
        """Check that an answer can be read; its numbers are made in `scored`, with the row."""
        answer.required()
        return Verdict({})

    def prepare(self, sample: Sample) -> RowQuestions:
        """Return the questions with their row, images decoded."""
        questions = self.questions(sample)
        return RowQuestions({name: one.decoded() for name, one in questions.items()}, questions.row)

    def _score(self, asked: Mapping[str, Question], answers: Sequence[Answer]) -> Score:
        if not isinstance(asked, RowQuestions):
            raise TypeError(f"the questions of {self.suite} come from prepare(); got {type(asked).__name__}")
        score = self.scored(asked.row, dict(zip(asked, answers, strict=True)))
        details = {"answers": [answer.provenance() for answer in answers], **score.details}
        return Score(dict(score), score.status, score.reason, score.explanation, details=details)


def key_of(sample: Sample, columns: Sequence[str]) -> str:
    """Return the key of a sample's row: one of the columns, else the name of its edited file, else its id.

    >>> key_of(Sample("x", edited="out/17_2.png"), ("prompt_id",))
    '17_2'
    """
    for column in columns:
        if (cell := sample.meta.get(column)) is not None:
            return str(cell).strip()
    path = sample.edited
    name = os.fsdecode(path) if isinstance(path, (str, os.PathLike)) else sample.id
    return os.path.splitext(os.path.basename(name))[0]
