"""Yes-or-no questions that depend on each other, asked about each tile of an image: `QuestionGraph`, `GraphJudge`."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..bases.judge import Verdict
from ..sample import Sample, SampleError, Score, Status
from .definition import SuiteError
from .row_judge import RowJudge, RowQuestions

if TYPE_CHECKING:
    import numpy as np

    from ..judge import Answer, EncodedImage


@dataclass(frozen=True)
class QuestionGraph:
    """The questions of one prompt by number, and the numbers of those that each depends on; 0 stands for none."""

    questions: Mapping[int, str]
    parents: Mapping[int, tuple[int, ...]]

    def direct(self, answers: Mapping[int, float]) -> dict[int, float]:
        """Return the answers (1 yes, 0 no), with 0 for each question one of whose parents was answered with no.

        >>> graph = QuestionGraph({1: "a cat?", 2: "a hat?", 3: "a red hat?"}, {1: (0,), 2: (1,), 3: (2,)})
        >>> graph.direct({1: 0, 2: 1, 3: 1})
        {1: 0, 2: 0, 3: 1}
        """
        return {number: 0 if self._any_no(number, answers) else answers[number] for number in self.questions}

    def chained(self, answers: Mapping[int, float]) -> dict[int, float]:
        """Return the answers as `direct`, but for parents that became 0 count as no: in the order of the questions.

        >>> graph = QuestionGraph({1: "a cat?", 2: "a hat?", 3: "a red hat?"}, {1: (0,), 2: (1,), 3: (2,)})
        >>> graph.chained({1: 0, 2: 1, 3: 1})
        {1: 0, 2: 0, 3: 0}
        """
        known = dict(answers)
        for number in self.questions:
            if self._any_no(number, known):
                known[number] = 0
        return known

    def _any_no(self, number: int, answers: Mapping[int, float]) -> bool:
        return any(parent and answers[parent] == 0 for parent in self.parents[number])


Tiles = Sequence[Mapping[int, float]]
"""The answers to the questions of a row, 1 for yes and 0 for no, by tile."""


class GraphJudge(RowJudge):
    """A judge that is asked each question of a row about each tile of its image.

    A subclass gives `read_rows`, `asked` (by `questions_about`), `yes` and `of_tiles`.

    Source: the suite's, as 'editmetrics suite NAME' shows it.
    """

    @abstractmethod
    def yes(self, text: str) -> bool:
        """Tell whether an answer is a yes; raise `SampleError` where it is neither a yes nor a no."""

    @abstractmethod
    def of_tiles(self, row: Any, tiles: Tiles) -> Score:
        """Return the score of a sample from the answers about its tiles."""

    def yes_by_script(self, text: str) -> bool:
        """Tell whether the published script takes an answer for a yes; by default, the word itself only."""
        return text == "Yes"

    def read(self, name: str, answer: Answer) -> Verdict:
        self.yes(answer.required())
        return Verdict({})

    def questions_about(self, row: QuestionGraph, tiles: Iterable[EncodedImage], template: str) -> RowQuestions:
        """Return each question of a row about each tile; `template` has {question} in it."""
        from ..judge import Image, Message, Question

        asked = {}
        for number, tile in enumerate(tiles, 1):
            image = Image(tile)
            for key, question in row.questions.items():
                text = template.replace("{question}", question)
                asked[f"{number}.{key}"] = Question((Message("user", (image, text)),))
        return RowQuestions(asked, row)

    def scored(self, row: Any, answers: Mapping[str, Answer]) -> Score:
        """Return the score of the tiles. A sample with an answer that is missing or unclear has no number."""
        tiles: dict[str, dict[int, float]] = {}
        by_script: dict[str, dict[int, float]] = {}
        problems: list[tuple[Status, str]] = []
        for name, answer in answers.items():
            tile, _, key = name.partition(".")
            by_script.setdefault(tile, {})[int(key)] = float(self.yes_by_script(answer.text or ""))
            try:
                tiles.setdefault(tile, {})[int(key)] = float(self.yes(answer.required()))
            except SampleError as error:
                problems.append((error.status, f"tile {tile}, question {key}: {error}"))
        if not problems:
            score = self.of_tiles(row, list(tiles.values()))
            details = {"read": dict(score), **score.details}
            return Score(dict(score), score.status, score.reason, details=details)
        (ask,) = self.protocol.asks
        worst: Status = "unavailable" if any(status == "unavailable" for status, _ in problems) else problems[0][0]
        details = {"unread": {ask.name: worst}}
        if worst != "unavailable":
            details["script_reads"] = dict(self.of_tiles(row, list(by_script.values())))
        others = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        return Score.unscored(worst, f"{problems[0][1]}{others}", details=details)


def grid_of(text: str) -> tuple[int, int]:
    """Return the columns and rows that a grid's text names, as in 2x2. Raises `SuiteError` for another text."""
    if not re.fullmatch(r"[1-9]\d?x[1-9]\d?", text):
        raise SuiteError(f"grid is {text!r}; expected columns and rows of tiles, such as 2x2")
    columns, rows = text.split("x")
    return int(columns), int(rows)


def tiles_of(sample: Sample, columns: int, rows: int) -> list[np.ndarray]:
    """Return the tiles of a sample's edited image, row by row, (H, W, 3) uint8; a remainder of pixels is left out.

    Raises `ImageError`, and `SampleError` for an image of fewer pixels than tiles.
    """
    from ..images import eight_bits, read_image

    pixels = eight_bits(read_image(sample.edited))
    height, width = pixels.shape[0] // rows, pixels.shape[1] // columns
    if not height or not width:
        raise SampleError(
            f"its image has {pixels.shape[1]}x{pixels.shape[0]} pixels, fewer than {columns}x{rows} tiles"
        )
    return [
        pixels[y * height : (y + 1) * height, x * width : (x + 1) * width] for y in range(rows) for x in range(columns)
    ]
