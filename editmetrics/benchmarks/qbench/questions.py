"""A question on an image, its right answer and its groups; and the words in which questions are asked.

The words belong to the identity of a score. The supplement of Q-Bench-Portrait with its prompts is not published:
choices are asked as A-Bench asks them (the same group's benchmark), several choices in the same words with the plural,
and open answers are judged with the prompt of Q-Bench-Video, with "image" for "video". `read_prompts` takes others.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Literal

from ...files.decoding import read_text
from ...files.text import parse_json
from ..benchmark import BenchmarkError

LETTERS = ascii_uppercase
"""The labels of options, in their order."""

TYPES = {"SC": "single choice", "MC": "multiple choice", "TF": "true or false", "OE": "open-ended"}
"""The types of questions and their names."""

Type = Literal["SC", "MC", "TF", "OE"]


@dataclass(frozen=True)
class Item:
    """One question.

    - `id`: its name, unique in the benchmark.
    - `options`: the texts to choose from, for SC and MC; empty for the others.
    - `answer`: the right answer: indices of `options` (SC: one), a truth value (TF), a reference text (OE); None if the
      file does not state it.
    - `image`: the file; `image_sha256`: the checksum of its bytes.
    - `groups`: where the question is counted: from "source", "dimension", ... to its value.

    >>> Item("7", "SC", "Which is worst?", ("noise", "blur"), frozenset({1}), Path("7.png"), "00").letters()
    'B'
    """

    id: str
    type: Type
    question: str
    options: tuple[str, ...]
    answer: frozenset[int] | bool | str | None
    image: Path
    image_sha256: str
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def chance(self) -> float | None:
        """The expected score of blind guessing; None for MC and OE, for which papers state none."""
        if self.type == "SC":
            return 1 / len(self.options)
        return 0.5 if self.type == "TF" else None

    def letters(self) -> str | None:
        """Return the right answer as files have it: letters, True or False, or the reference text."""
        return written(self.answer)


def written(answer: Any) -> str | None:
    """Return an answer as text: `frozenset({0, 2})` is "A, C".

    >>> written(frozenset({2, 0})), written(True), written(None)
    ('A, C', 'True', None)
    """
    if isinstance(answer, (frozenset, set)):
        return ", ".join(LETTERS[index] for index in sorted(answer))
    return None if answer is None else str(answer)


HOLES = {
    "SC": {"question", "options"},
    "MC": {"question", "options"},
    "TF": {"question"},
    "OE": {"question"},
    "label": {"letter"},
    "judge_system": set(),
    "judge": {"question", "response", "answer"},
}
"""The placeholders that each prompt must have in braces."""


@dataclass(frozen=True)
class Prompts:
    """The prompt of each type, the label of an option, and the judge's prompt for open answers.

    >>> Prompts().label.format(letter="B")
    'B.'
    """

    SC: str = "{question}\n{options}\nAnswer with the option's letter from the given choices directly."
    MC: str = (
        "{question}\n{options}\nThere may be more than one correct option. "
        "Answer with the letters of all correct options from the given choices directly, separated by commas."
    )
    TF: str = "{question}\nIs this statement about the image true or false? Answer with True or False directly."
    OE: str = "{question}"
    label: str = "{letter}."
    judge_system: str = (
        "You are a helpful assistant that grades answers related to image quality. There are a lot of special terms or "
        "keywords related to image processing and photography. You will pay attention to the context of `quality "
        "evaluation' when grading."
    )
    judge: str = (
        "Given the question [{question}], evaluate whether the response [{response}] completely matches the correct "
        "answer [{answer}]. \n"
        "First, check the response and please rate score 0 if the response is not a valid answer.\n"
        "Please rate score 2 if the response completely or almost completely matches the correct answer on "
        "completeness, accuracy, and relevance. \n"
        "Please rate score 1 if the response partly matches the correct answer on completeness, accuracy, and "
        "relevance.\n"
        "Please rate score 0 if the response doesn't match the correct answer on completeness, accuracy, and relevance "
        "at all.\n"
        "Please only provide the result in the following format: Score:"
    )

    def __post_init__(self) -> None:
        for name, holes in HOLES.items():
            try:
                actual = {hole for _, hole, _, _ in string.Formatter().parse(getattr(self, name)) if hole is not None}
            except ValueError as error:
                raise BenchmarkError(f"the prompt {name} is invalid: {error}; write {{{{ for a brace") from error
            if actual != holes:
                expected = ", ".join(f"{{{hole}}}" for hole in sorted(holes)) or "nothing"
                raise BenchmarkError(f"the prompt {name} must have {expected} in braces, and has {sorted(actual)}")

    def ask(self, item: Item, order: tuple[int, ...]) -> str:
        """Return the words of a question, its options in `order` (indices of `item.options`)."""
        shown = "\n".join(
            f"{self.label.format(letter=letter)} {item.options[index]}"
            for letter, index in zip(LETTERS, order, strict=False)
        )
        values = {"question": item.question} | ({"options": shown} if item.type in ("SC", "MC") else {})
        prompt: str = getattr(self, item.type)
        return prompt.format(**values)

    def judgement(self, item: Item, response: str) -> str:
        """Return the words in which the judge is asked about an open answer."""
        return self.judge.format(question=item.question, response=response, answer=item.answer)

    def identity(self) -> dict[str, Any]:
        """Return all prompts, as part of a run's description."""
        return asdict(self)


def read_prompts(path: Path, base: Prompts) -> Prompts:
    """Return the prompts of a JSON file, those that it lacks from `base`: SC, MC, TF, OE, label, judge_system, judge.

    Raises `BenchmarkError` for another name, and for a prompt that lacks a placeholder such as {question}.
    """
    try:
        texts = parse_json(read_text(path))
    except ValueError as error:
        raise BenchmarkError(f"{path} is not JSON: {error}") from error
    known = [prompt.name for prompt in fields(Prompts)]
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise BenchmarkError(f'{path}: expected an object of texts, such as {{"MC": "..."}}')
    if unknown := sorted(texts.keys() - set(known)):
        raise BenchmarkError(f"{path}: unknown prompt {', '.join(unknown)}; expected {', '.join(known)}")
    return Prompts(**{**asdict(base), **texts})
