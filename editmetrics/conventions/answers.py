"""Read the numbers that an answer states, in the form that a question asked for; nothing is guessed.

Each form takes the answer as it was asked for, with the repairs of `editmetrics.judge.read_json`: punctuation, never
words or numbers. What the authors' own parsers make of other answers is in `docs/assessors.md`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from ..judge.answers import unreadable, whole_text
from ..judge.lines import AROUND, plain_number, read_rated_lines, refuse_numbers, text_without_stray_numbers
from .schema import AnswerForm

if TYPE_CHECKING:
    from ..bases.judge import Verdict
    from ..judge import Answer

NOT_APPLICABLE = "N/A"


def read_answer(form: AnswerForm, answer: Answer) -> Verdict:
    """Return the values of `form` in an answer, on the scale of the values, with its reasons.

    Raises `SampleError`: `unparseable` for a number that is missing, doubled, outside its scale, or not plainly one
    number ("7/10", "7 or 8"), and for an answer that was cut off; `refused` where the model declines.

    >>> from editmetrics.judge import Answer
    >>> form = AnswerForm("json", ("success", "overediting"), 0, 25, times=0.4)
    >>> read_answer(form, Answer('{"reasoning": "fine", "score": [20, 25]}')).values
    {'success': 8.0, 'overediting': 10.0}
    >>> read_answer(AnswerForm("tag", ("quality",), 1, 5, key="answer"), Answer("<answer> 3.25 </answer>")).values
    {'quality': 3.25}
    """
    from ..bases.judge import Verdict

    numbers, reasons, repaired = _READERS[form.form](form, answer)
    shown = f"[{', '.join(NOT_APPLICABLE if number is None else f'{number:g}' for number in numbers)}]"
    for name, number in zip(form.values, numbers, strict=True):
        _check(form, name, number, answer)
    values = {
        name: form.times * number + form.plus
        for name, number in zip(form.values, numbers, strict=True)
        if number is not None
    }
    return Verdict(values, reasons, shown, repaired)


Reading = tuple["Sequence[float | None]", str, bool]
"""The numbers in their order, the reasons, and whether punctuation was repaired."""


def _check(form: AnswerForm, name: str, number: float | None, answer: Answer) -> None:
    if number is None:
        if name not in form.optional:
            unreadable(answer, f"{name} is {NOT_APPLICABLE}; expected a number")
        return
    if not form.low <= number <= form.high:
        unreadable(answer, f"{name} is {number:g}, which is not from {form.low:g} to {form.high:g}")
    if form.whole and not float(number).is_integer():
        unreadable(answer, f"{name} is {number:g}; expected a whole number")


def _of_json(form: AnswerForm, answer: Answer) -> Reading:
    from ..judge import read_json

    parsed = read_json(answer, _schema(form.key, len(form.values)))
    score = getattr(parsed.value, "score")  # noqa: B009 - a field of a model made below
    numbers = [float(number) for number in (score if isinstance(score, list) else [score])]
    return numbers, str(parsed.value.reasoning), parsed.parsed == "repaired"


def _of_tagged_json(form: AnswerForm, answer: Answer) -> Reading:
    from ..judge import Answer as JudgeAnswer

    inside, reasons = _tagged(answer, "answer")
    numbers, more, repaired = _of_json(form, JudgeAnswer(inside))
    return numbers, reasons or more, repaired


def _of_tag(form: AnswerForm, answer: Answer) -> Reading:
    inside, reasons = _tagged(answer, form.key)
    return [_number(inside, form, form.values[0], answer)], reasons, False


def _of_label(form: AnswerForm, answer: Answer) -> Reading:
    """A number that fills the rest of the line behind its label, which stands once; or the number alone."""
    if (alone := plain_number(whole_text(answer))) is not None:
        return [alone], "", False
    text = text_without_stray_numbers(answer)
    lines = list(re.finditer(rf"(?i)\b{re.escape(form.key)}\b[\s*_]*(?:is\b|[:：=])[:：]?([^\n]*)", text))
    if len(lines) != 1:
        unreadable(answer, f"expected one number behind '{form.key}:', got {len(lines)}")
    refuse_numbers(answer, text[lines[0].end() :], f"the line '{form.key}: number'")
    return [_number(lines[0][1], form, form.values[0], answer)], text, False


def _of_boxed(form: AnswerForm, answer: Answer) -> Reading:
    """The number in the only \\boxed{}, and behind the key wherever that stands; nothing with a digit follows it."""
    text = text_without_stray_numbers(answer)
    boxes = list(re.finditer(r"\\boxed\{+([^{}]*)\}+", text))
    if len(boxes) != 1:
        unreadable(answer, f"expected one \\boxed{{number}}, got {len(boxes)}")
    number = _number(boxes[0][1], form, form.values[0], answer)
    stated = re.findall(rf"(?i)\b{re.escape(form.key)}[\s*_]*[:：]([^\n]*)", text[: boxes[0].start()])
    if any(plain_number(piece) != number for piece in stated):
        unreadable(answer, f"it states another number behind '{form.key}:' than in its box")
    refuse_numbers(answer, text[boxes[0].end() :], "its box")
    return [number], text[: boxes[0].start()].strip(), False


def _of_level(form: AnswerForm, answer: Answer) -> Reading:
    """A word for a level, alone or behind "level is", as often as it is the same; its number counts from `low`."""
    text = whole_text(answer)
    words = "|".join(map(re.escape, form.words))
    one = rf"({words})\b(?!-\w|\s*\?)(?!(?:[^\w.]+\w+){{0,2}}[^\w.]+(?:{words})\b)"  # not "fair or rather good"
    pattern = rf"(?i)\b{re.escape(form.key)}\b[^.?\n]*?\bis\b[\s:：\"'*_\[]*{one}"
    levels = [text] if text.strip(AROUND + ".[]").casefold() in form.words else re.findall(pattern, text)
    stated = {level.strip(AROUND + ".[]").casefold() for level in levels}
    if len(stated) != 1:
        unreadable(answer, f"expected one of {', '.join(form.words)} behind '{form.key} is', got {len(stated)}")
    return [form.low + form.words.index(stated.pop())], text, False


def _of_lines(form: AnswerForm, answer: Answer) -> Reading:
    """A line "Title: number" for each value; other lines are reasons."""
    text = text_without_stray_numbers(answer)
    numbers: list[float | None] = []
    reasons, last = text, 0
    for name, title in zip(form.values, form.titles or form.values, strict=True):
        lines = list(re.finditer(rf"(?im)^[\W_]*{re.escape(title)}[\s*_]*[:：]([^\n]*)$", text))
        if len(lines) != 1:
            unreadable(answer, f"expected one line '{title}: number', got {len(lines)}")
        numbers.append(_number(lines[0][1], form, name, answer))
        last = max(last, lines[0].end())
        reasons = re.sub(rf"(?im)^[\W_]*{re.escape(title)}[\s*_]*[:：][^\n]*$", "", reasons)
    refuse_numbers(answer, text[last:], "its last line 'Title: number'")
    return numbers, " ".join(reasons.split()), False


def _of_ratings(form: AnswerForm, answer: Answer) -> Reading:
    """So many lines "any words: number" as there are values, in their order; other lines are reasons."""
    numbers, reasons = read_rated_lines(answer, len(form.values))
    return numbers, reasons, False


def _of_sections(form: AnswerForm, answer: Answer) -> Reading:
    """A section under each title, with one number behind the key in it; it ends at the next heading of any kind."""
    text = text_without_stray_numbers(answer)
    titles = form.titles or form.values
    headings = [rf"(?im)^[\W\d_]*{re.escape(title)}[\s*_]*[:：]" for title in titles]
    starts = [[match.end() for match in re.finditer(heading, text)] for heading in headings]
    for title, positions in zip(titles, starts, strict=True):
        if len(positions) != 1:
            unreadable(answer, f"expected one section '{title}:', got {len(positions)}")
    ends = [*(ends[0] for ends in starts[1:]), len(text)]
    if any(start[0] > end for start, end in zip(starts, ends, strict=True)):
        unreadable(answer, "its sections are not in the order in which they were asked for")
    numbers: list[float | None] = []
    for name, title, start, end in zip(form.values, titles, starts, ends, strict=True):
        pieces = _behind_key(text[start[0] : end], form.key)
        if len(pieces) != 1:
            unreadable(answer, f"expected one '{form.key}:' in the section '{title}', got {len(pieces)}")
        numbers.append(_number(pieces[0], form, name, answer))
    return numbers, text, False


_NEXT_SECTION = re.compile(r"#\s|[\W_]*\d+[.)][^\n:：]*[:：][\s*_]*$")
"""A heading that no section of the form holds: the answer's own ("# Summary"), or another aspect's ("5. Style:")."""
_HEADING = re.compile(r"(?:#{2,}\s*|\*\*|__)[^\n:：]*[:：]")


def _behind_key(section: str, key: str) -> list[str]:
    """Return what stands behind the key in the lines of a section, up to a heading that is not the section's.

    Beside the key a section has one heading, that of its reasons; a second one begins an aspect that was not asked for.
    """
    pieces: list[str] = []
    headings = 0
    for line in map(str.strip, section.splitlines()):
        if match := re.match(rf"(?i)[\W_]*{re.escape(key)}[\s*_]*[:：](.*)", line):
            pieces.append(match[1])
            continue
        headings += _HEADING.match(line) is not None
        if headings > 1 or _NEXT_SECTION.match(line):
            break
    return pieces


_READERS: dict[str, Any] = {
    "json": _of_json,
    "tagged_json": _of_tagged_json,
    "tag": _of_tag,
    "label": _of_label,
    "boxed": _of_boxed,
    "level": _of_level,
    "lines": _of_lines,
    "ratings": _of_ratings,
    "sections": _of_sections,
}


def _tagged(answer: Answer, tag: str) -> tuple[str, str]:
    """Return what stands in the only pair of tags, and what stands before it."""
    text = whole_text(answer)
    pieces = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL | re.IGNORECASE)
    begun = len(re.findall(rf"<{tag}>", text, re.IGNORECASE))
    if not len(pieces) == begun == 1:
        unreadable(answer, f"expected one <{tag}> ... </{tag}>, got {max(len(pieces), begun)}")
    before, _, rest = re.split(rf"(<{tag}>)", text, maxsplit=1, flags=re.IGNORECASE)
    refuse_numbers(answer, re.split(rf"(?i)</{tag}>", rest, maxsplit=1)[1], f"</{tag}>")
    return pieces[0].strip(), before.strip()


def _number(text: str, form: AnswerForm, name: str, answer: Answer) -> float | None:
    """Return the number that a piece of an answer is, None for "N/A"."""
    bare = text.strip(AROUND + ".[]").strip()
    if bare.upper() == NOT_APPLICABLE and name in form.optional:
        return None
    number = plain_number(text)
    if number is None:
        unreadable(answer, f"{name} is {text.strip()[:40]!r}; expected one number from {form.low:g} to {form.high:g}")
    return number


@cache
def _schema(key: str, count: int) -> Any:
    """{key: number, or a list of `count` numbers, "reasoning": text}; a list of one may stand without its brackets."""
    from pydantic import Field, create_model

    number = Annotated[float, Field(allow_inf_nan=False)]
    numbers = Annotated[list[number], Field(min_length=count, max_length=count)]
    kind: Any = number | numbers if count == 1 else numbers
    return create_model("ConventionAnswer", score=(kind, Field(alias=key)), reasoning=(str, ""))
