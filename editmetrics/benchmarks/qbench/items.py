"""One question of a benchmark: what is asked about an image, what is right, and where it is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Literal

from ...sample import EditMetricsError

LETTERS = ascii_uppercase
"""What options are called, in their order."""

TYPES = {"SC": "single choice", "MC": "multiple choice", "TF": "true or false", "OE": "open-ended"}
"""The types of questions and what they are."""

Type = Literal["SC", "MC", "TF", "OE"]


class BenchmarkError(EditMetricsError, ValueError):
    """A benchmark cannot be run: its data, or a folder of results, is not what it should be."""


@dataclass(frozen=True)
class Item:
    """One question.

    - `id`: its name, unique in the benchmark.
    - `options`: the texts to choose from, of SC and MC; empty for the others.
    - `answer`: what is right: places in `options` (SC: one), a truth value (TF), a reference text (OE); None where the
      file does not say.
    - `image`: the file; `image_sha256`: of its bytes.
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
        """The score that blind guessing expects; None for MC and OE, where papers give none."""
        if self.type == "SC":
            return 1 / len(self.options)
        return 0.5 if self.type == "TF" else None

    def letters(self) -> str | None:
        """What is right, as it is written into files: letters, True or False, or the reference text."""
        return written(self.answer)


def written(answer: Any) -> str | None:
    """An answer as text: `frozenset({0, 2})` is "A, C".

    >>> written(frozenset({2, 0})), written(True), written(None)
    ('A, C', 'True', None)
    """
    if isinstance(answer, (frozenset, set)):
        return ", ".join(LETTERS[place] for place in sorted(answer))
    return None if answer is None else str(answer)
