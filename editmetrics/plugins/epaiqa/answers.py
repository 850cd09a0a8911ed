"""The explained answer of stage 3, in the form of the paper's supplement (section E.3): made, and read back.

    The prompt completion is Full Completion. WHY. The harmony: WHY. The local naturalness: WHY. Therefore, the overall
    editing quality level of the image is good

Where the instruction is not followed, or in part only, the answer goes from the first WHY to the level.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...mllm.levels import LEVELS
from .levels import COMPLETIONS

COMPLETION_START = "The prompt completion is"
LEVEL_START = "Therefore, the overall editing quality level of the image is"
HARMONY_START, NATURALNESS_START = "The harmony:", "The local naturalness:"


@dataclass(frozen=True)
class Pieces:
    """The parts of a chain of thought; without full completion, only the first is there."""

    prompt_completion: str
    harmony: str | None = None
    naturalness: str | None = None


@dataclass(frozen=True)
class Explained:
    """Parts of an explained answer; None for missing ones."""

    completion: int | None
    pieces: Pieces
    level: str | None


def explained_answer(completion: int, pieces: Pieces, level: str) -> str:
    """The whole answer; of a completion below 3, without harmony and naturalness.

    >>> explained_answer(1, Pieces("The dog is still there"), "bad")
    'The prompt completion is Non-Completion. The dog is still there. Therefore, the overall editing quality level of \
the image is bad'
    """
    sentences = [f"{COMPLETION_START} {COMPLETIONS[completion - 1]}.", sentence(pieces.prompt_completion)]
    if completion == 3:
        if pieces.harmony is None or pieces.naturalness is None:
            raise ValueError("a full completion is explained with harmony and naturalness")
        sentences += [
            f"{HARMONY_START} {sentence(pieces.harmony)}",
            f"{NATURALNESS_START} {sentence(pieces.naturalness)}",
        ]
    return " ".join([*sentences, f"{LEVEL_START} {level}"])


def read_explained(text: str) -> Explained:
    """Read the parts of an explained answer, as far as it keeps to the form; nothing is guessed.

    >>> read_explained(explained_answer(3, Pieces("Done.", "It fits.", "Sharp."), "good"))
    Explained(completion=3, pieces=Pieces(prompt_completion='Done.', harmony='It fits.', naturalness='Sharp.'), \
level='good')
    """
    text = " ".join(text.split())
    body, phrase, after = text.rpartition(LEVEL_START)
    if not phrase:
        body, after = text, ""
    word = re.match(rf"\s*:?\s*({'|'.join(LEVELS)})\b", after)
    level = word[1] if word else None
    body, _, naturalness = body.partition(NATURALNESS_START)
    body, _, harmony = body.partition(HARMONY_START)
    completion = None
    if match := re.match(rf"\s*{COMPLETION_START} ({'|'.join(COMPLETIONS)})\b\.?", body):
        completion = COMPLETIONS.index(match[1]) + 1
        body = body[match.end() :]
    return Explained(completion, Pieces(body.strip(), harmony.strip() or None, naturalness.strip() or None), level)


def up_to_level(text: str) -> tuple[str, bool]:
    """A generated answer up to where its level word comes, and whether it came there by itself.

    Without the phrase the answer is its whole text with the phrase after it.

    >>> up_to_level("It fits. Therefore, the overall editing quality level of the image is good, I think.")
    ('It fits. Therefore, the overall editing quality level of the image is', True)
    >>> up_to_level("It fits.")
    ('It fits. Therefore, the overall editing quality level of the image is', False)
    """
    before, phrase, _ = text.rpartition(LEVEL_START)
    if phrase:
        return before + phrase, True
    return f"{text.rstrip()} {LEVEL_START}".lstrip(), False


def sentence(text: str) -> str:
    """A piece on one line, with a full stop at its end.

    >>> sentence(" It fits\\nwell ")
    'It fits well.'
    """
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
