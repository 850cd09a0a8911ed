"""Numbers that an answer states in lines of their own, "Prompt Compliance: 4"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .answers import unreadable, whole_text

if TYPE_CHECKING:
    from .chat import Answer

NUMBER = r"-?\d+(?:\.\d+)?"
AROUND = " \t\r\n*_`\"'"
"""Marks around a number that mean nothing."""

_NAME = r"(?m)^[\s*_#-]*(?:\d+[.)]\s*)?[*_]*[^\W\d][^:：\n]{0,60}[:：][\s*_]*"
_LINE = re.compile(rf"{_NAME}({NUMBER})[\s*_.]*$", re.ASCII)
_ALIKE = re.compile(rf"{_NAME}(?:-?\d|(?:[^\s]+[^\S\n]*){{1,3}}$)")
"""A name with a number behind it, or with one to three words in the place of one."""


def plain_number(text: str) -> float | None:
    """Return the number that a text is, apart from emphasis, brackets and a full stop around it; None for any other.

    >>> plain_number("**[4.5]**."), plain_number("4 of 5")
    (4.5, None)
    """
    bare = text.strip(AROUND + "[]").rstrip(".").strip(AROUND + "[]")
    return float(bare) if re.fullmatch(NUMBER, bare, re.ASCII) else None


def text_without_stray_numbers(answer: Answer | str) -> str:
    """Return the words of an answer; refuse one in which a number has a line of its own, and may correct another."""
    text = whole_text(answer)
    if stray := re.search(rf"(?m)^[\s*_]*({NUMBER})[\s*_.]*$", text):
        unreadable(answer, f"the number {stray[1]} stands on a line of its own")
    return text


def refuse_numbers(answer: Answer | str, behind: str, name: str) -> None:
    """Refuse an answer in which digits of any script follow its number, `name` in the reason: they may correct it."""
    if re.search(r"\d", behind):
        unreadable(answer, f"numbers follow {name}, which may correct it")


def read_rated_lines(answer: Answer | str, count: int) -> tuple[list[float], str]:
    """Return the numbers of the `count` lines "any words: number", and the other lines, which are reasons.

    Raises `SampleError` where there are more or fewer such lines, or where a line behind the first looks like a rating
    and is none ("Detail: 3 to 4", "Detail: N/A"): one that counts something ("Hats: 2") would else stand in for it.
    Numbers behind the last of them are refused, too.

    >>> read_rated_lines("Fine work.\\nPrompt Compliance: 5\\nVisual Naturalness: 4", 2)
    ([5.0, 4.0], 'Fine work.')
    """
    text = text_without_stray_numbers(answer)
    lines = list(_LINE.finditer(text))
    numbers = [float(line[1]) for line in lines]
    alike = _ALIKE.findall(text[lines[0].start() :]) if lines else []
    if not len(numbers) == len(alike) == count:
        unreadable(answer, f"expected {count} lines 'Name: number', got {max(len(numbers), len(alike))}")
    refuse_numbers(answer, text[lines[-1].end() :], "its last line 'Name: number'")
    return numbers, " ".join(_LINE.sub("", text).split())
