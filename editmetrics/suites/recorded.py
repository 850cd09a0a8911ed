"""Answers that an official script wrote to a file, in the place of a judge."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..judge.chat import Answer, ChatModel, Message, Question
from ..sample import SampleError
from ..wording import plural

LINE = re.compile(r"(?P<path>.*?), (?P<tile>\(\d+, \d+, \d+, \d+\)), (?P<rest>.*)")


class RecordedAnswers(ChatModel):
    """The answers in a file of lines "path, (left, top, right, bottom), question, answer", by the image's name.

    >>> recorded = RecordedAnswers("out/7.png, (0, 0, 8, 8), Is it red, or not?, yes")
    >>> [answer.text for answer in recorded.ask_all(recorded.about("7", {1: "Is it red, or not?"}).values())]
    ['yes']
    """

    def __init__(self, text: str, model: str = "unknown") -> None:
        self.model = model
        self.checksum = hashlib.sha256(text.encode()).hexdigest()
        self.lines: dict[str, dict[str, list[str]]] = {}
        for line in text.splitlines():
            if match := LINE.fullmatch(line):
                key = os.path.basename(match["path"]).split(".")[0]
                self.lines.setdefault(key, {}).setdefault(match["tile"], []).append(match["rest"])

    def identity(self) -> dict[str, Any]:
        return {"judge": "recorded answers", "sha256": self.checksum}

    def ask_all(
        self,
        questions: Iterable[Question],
        *,
        parallel: int | None = None,
        progress: Callable[[Answer], object] | None = None,
    ) -> Iterator[Answer]:
        """Yield the answer to each question that `about` made."""
        for question in questions:
            key, tile, number, text = str(question.messages[-1].parts[0]).split("\n", 3)
            answer = Answer(self.lines[key][tile][int(number)].removeprefix(f"{text}, "), served=self.model)
            if progress:
                progress(answer)
            yield answer

    def about(self, key: str, questions: Mapping[int, str]) -> dict[str, Question]:
        """Return the questions about an image, by tile and number, "1.3". Raises `SampleError` where one is missing."""
        tiles = self.lines.get(key)
        if tiles is None:
            raise SampleError(f"the file of answers has none about {key}", "skipped")
        asked = {}
        for tile, (box, lines) in enumerate(tiles.items(), 1):
            if len(lines) != len(questions):
                raise SampleError(
                    f"the file has {plural(len(lines), 'answer')} about tile {tile} of {key}; expected {len(questions)}"
                )
            for index, (line, (number, text)) in enumerate(zip(lines, questions.items(), strict=True)):
                if not line.startswith(f"{text}, "):
                    raise SampleError(f"the file has the answer {line!r} about {key}; expected one to {text!r}")
                asked[f"{tile}.{number}"] = Question((Message("user", (f"{key}\n{box}\n{index}\n{text}",)),))
        return asked
