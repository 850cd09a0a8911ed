"""What a model is asked, word for word; all of it belongs to the identity of a score.

The supplement of Q-Bench-Portrait, which has its prompts, is not published. Choices are asked as A-Bench asks them (the
same group's benchmark), several choices in the same words with the plural, and open answers are judged with the prompt
of Q-Bench-Video, in which "video" is "image". `read_prompts` takes others.
"""

from __future__ import annotations

import string
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ...files.rows import read_text
from ...files.text import parse_json
from .items import LETTERS, BenchmarkError, Item

HOLES = {
    "SC": {"question", "options"},
    "MC": {"question", "options"},
    "TF": {"question"},
    "OE": {"question"},
    "label": {"letter"},
    "judge_system": set(),
    "judge": {"question", "response", "answer"},
}
"""What each prompt must have in braces."""


@dataclass(frozen=True)
class Prompts:
    """The prompts of each type, how an option is labelled, and what the judge of open answers is told.

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
                found = {hole for _, hole, _, _ in string.Formatter().parse(getattr(self, name)) if hole is not None}
            except ValueError as error:
                raise BenchmarkError(f"the prompt {name} is broken: {error}; write {{{{ for a brace") from error
            if found != holes:
                wanted = ", ".join(f"{{{hole}}}" for hole in sorted(holes)) or "nothing"
                raise BenchmarkError(f"the prompt {name} must have {wanted} in braces, and has {sorted(found)}")

    def ask(self, item: Item, order: tuple[int, ...]) -> str:
        """The words of a question, its options in `order` (places in `item.options`)."""
        shown = "\n".join(
            f"{self.label.format(letter=letter)} {item.options[place]}"
            for letter, place in zip(LETTERS, order, strict=False)
        )
        given = {"question": item.question} | ({"options": shown} if item.type in ("SC", "MC") else {})
        prompt: str = getattr(self, item.type)
        return prompt.format(**given)

    def judgement(self, item: Item, response: str) -> str:
        """What the judge is asked of an open answer."""
        return self.judge.format(question=item.question, response=response, answer=item.answer)

    def identity(self) -> dict[str, Any]:
        return asdict(self)


def read_prompts(path: Path, base: Prompts) -> Prompts:
    """The prompts of a json file over those of `base`: any of SC, MC, TF, OE, label, judge_system, judge.

    Raises `BenchmarkError` for another name, and for a prompt without its places such as {question}.
    """
    try:
        given = parse_json(read_text(path))
    except ValueError as error:
        raise BenchmarkError(f"{path} is no JSON: {error}") from error
    known = {field.name for field in fields(Prompts)}
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        raise BenchmarkError(f'{path}: expected an object of texts, such as {{"MC": "..."}}')
    if unknown := given.keys() - known:
        raise BenchmarkError(f"{path}: there is no prompt {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return Prompts(**{**asdict(base), **given})
