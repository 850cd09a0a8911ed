"""Parse the words of a model into a value: strictly, else repaired and flagged, else `unparseable`; never guessed.

A repair changes punctuation only: the words and numbers of what is read, and their order, are those of the answer.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar

from ..files.text import parse_json
from ..sample import SampleError
from .chat import Answer, JudgeError
from .schema import model_of

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")

QUOTED = 200
"""Number of characters of an unreadable answer that the reason quotes."""

DEEPEST = 50
"""Deepest nesting of brackets that is read; Python's own parsers fail at some thousands."""


@dataclass(frozen=True)
class Parsed(Generic[T]):
    """A parsed value, and how it was parsed: "strict", as it stood, or "repaired"."""

    value: T
    parsed: Literal["strict", "repaired"]


def read_json(answer: Answer | str, schema: Any) -> Parsed[Any]:
    """Parse a JSON object that fits `schema` (see `model_of`): a pydantic model for a model, a dict for a dict.

    Strict: the answer is the object, alone or in one code fence, after a `<think>` block if there is one; each value is
    of its type and in its range. Repaired: the object stands in other text, its syntax needed json-repair, or a number
    stands in quotation marks.

    Raises `SampleError`, `unparseable`: anything else; two objects; a field doubled, missing, or out of its range; an
    object that is not closed or was cut off, since the number at its end may be half of one; an object that more numbers
    follow, since it may be an example. `refused`: the model declined. Raises `JudgeError` when json-repair is needed and not installed.

    >>> read_json('{"score": 7, "why": "sharp"}', {"score": range(0, 11), "why": str})
    Parsed(value={'score': 7, 'why': 'sharp'}, parsed='strict')
    >>> read_json("I say {'score': 7,}", {"score": range(0, 11)})
    Parsed(value={'score': 7}, parsed='repaired')
    >>> read_json('{"score": 70}', {"score": range(0, 11)})
    Traceback (most recent call last):
    editmetrics.sample.SampleError: the answer cannot be read: score: Input should be less than or equal to 10. It was: {"score": 70}
    """  # noqa: E501
    text = _text(answer)
    model = model_of(schema)
    if _nested(text) > DEEPEST:
        unreadable(answer, f"it is nested deeper than {DEEPEST} levels")
    parsed: Literal["strict", "repaired"] = "strict"
    try:
        value = _validated(model, parse_json(_unfenced(text)), strict=True)
    except ValueError as error:
        if isinstance(answer, Answer) and answer.cut_off:
            unreadable(answer, "the model was cut off; a larger max_tokens gives it room")
        parsed = "repaired"
        try:
            value = _validated(model, _repaired(text), strict=False)
        except ValueError as again:
            unreadable(answer, _words(error if isinstance(again, _NothingToRepair) else again))
    return Parsed(value if model is schema else value.model_dump(), parsed)


def read_number(answer: Answer | str, low: float, high: float) -> Parsed[float]:
    """Parse an answer that is a number from `low` to `high` and nothing else.

    Strict: nothing but the number. Repaired: a label with a colon before it, emphasis, quotation marks or a full stop
    around it. Raises `SampleError`: `unparseable` for anything else (two numbers, "7/10", "7 or 8"), or `refused`.

    >>> read_number("4.25", 1, 5), read_number("**Score: 4**.", 1, 5)
    (Parsed(value=4.25, parsed='strict'), Parsed(value=4.0, parsed='repaired'))
    """
    text = whole_text(answer)
    for candidate, parsed in _bare(text):
        if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", candidate):
            value = float(candidate)
            if not low <= value <= high:
                unreadable(answer, f"{candidate} is not from {low:g} to {high:g}")
            return Parsed(value, parsed)
    unreadable(answer, f"expected a number from {low:g} to {high:g} and nothing else")


def read_choice(answer: Answer | str, choices: Sequence[str]) -> Parsed[str]:
    """Parse an answer that is one of `choices` in upper or lower case; the result is spelled as in `choices`.

    Strict: nothing but the choice. Repaired: a label with a colon before it, emphasis, quotation marks or a full stop
    around it. Raises `SampleError`: `unparseable` for anything else, or `refused`.

    >>> read_choice("Yes", ["yes", "no"]), read_choice("Answer: no.", ["yes", "no"])
    (Parsed(value='yes', parsed='strict'), Parsed(value='no', parsed='repaired'))
    """
    known = {choice.casefold(): choice for choice in choices}
    if len(known) < len(choices):
        raise ValueError(f"the choices {', '.join(choices)} do not differ in more than the case of their letters")
    text = whole_text(answer)
    for candidate, parsed in _bare(text):
        if candidate.casefold() in known:
            return Parsed(known[candidate.casefold()], parsed)
    unreadable(answer, f"expected one of {', '.join(choices)} and nothing else")


def is_refusal(text: str) -> bool:
    """Tell whether a text without an answer says that the model declines.

    >>> is_refusal("I'm sorry, but I can't assist with that."), is_refusal("Sorry for the blur: I see a cat.")
    (True, False)
    """
    return _REFUSAL.match(text.replace("’", "'")) is not None


def whole_text(answer: Answer | str) -> str:
    """Return the words of an answer, without the thoughts that some models put before it; for other parsers.

    Raises `SampleError`: `unparseable` where the model was cut off or is still thinking, and the answer's own status
    where there is none.

    >>> whole_text("<think>It is dark.</think> B")
    'B'
    """
    text = _text(answer)
    if isinstance(answer, Answer) and answer.cut_off:
        unreadable(answer, "the model was cut off; a larger max_tokens gives it room")
    return text


def unreadable(answer: Answer | str, problem: str) -> NoReturn:
    """Raise `SampleError` for an answer that cannot be read: `refused` where the model declines, else `unparseable`."""
    text = answer if isinstance(answer, str) else answer.text or ""
    shown = " ".join(text.split())
    shown = shown if len(shown) <= QUOTED else f"{shown[:QUOTED]}..."
    if is_refusal(text):
        raise SampleError(f"the model declined: {shown}", "refused")
    raise SampleError(f"the answer cannot be read: {problem}. It was: {shown}", "unparseable")


_THOUGHTS = re.compile(r"\A(?:\s*<think>.*?</think>|(?:(?!<think>).)*?</think>)", re.DOTALL)
"""The second is of chat templates that open the block themselves, so that the answer holds its end alone."""
_SORRY = (
    r"((i'm|i am) (very |really |so )?(sorry|afraid)|sorry|i apologi[sz]e|unfortunately|as an ai( language)?( model)?)"
)
_DECLINES = (
    r"(can't|cannot|can not|won't|'m (unable|not able) to|am (unable|not able) to|must decline|decline to"
    r"|(do not|don't) have the ability to)"
)
_REFUSAL = re.compile(
    rf"\s*{_SORRY}?[,.;:]?\s*(but )?\s*i ?{_DECLINES}\b"
    r"|\s*((很|非常)?抱歉|对不起)?[,.，。\s]*我(无法|不能|没有办法)",
    re.IGNORECASE,
)


class _NothingToRepair(ValueError):
    pass


def _text(answer: Answer | str) -> str:
    text = answer if isinstance(answer, str) else answer.required()
    text, thoughts = _THOUGHTS.subn("", text)
    if not thoughts and text.lstrip().startswith("<think>"):
        unreadable(answer, "the model did not finish its thoughts")
    return text.strip()


def _bare(text: str) -> Iterator[tuple[str, Literal["strict", "repaired"]]]:
    """Yield a short answer as it stands, then without the label and the marks around it."""
    yield text, "strict"
    around = " \t\n*_`\"'“”()[]"
    yield re.sub(r"\A[^:\n\d]{1,40}:", "", text.strip(around)).strip(around).rstrip(".").strip(around), "repaired"


def _unfenced(text: str) -> str:
    fenced = re.fullmatch(r"```\w*\n(.*)\n?```", text, re.DOTALL)
    return fenced.group(1) if fenced and "```" not in fenced.group(1) else text


def _nested(text: str) -> int:
    """Count how many brackets are open at once, outside of quoted texts."""
    deepest = depth = 0
    for mark in re.findall(r"[\[\]{}]", re.sub(r'"(?:[^"\\\n]|\\.)*"', "", text)):
        depth = depth + 1 if mark in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _validated(model: type[BaseModel], data: Any, strict: bool) -> BaseModel:
    """Return `data` as an instance of the model; raise `ValueError` if it does not fit.

    Without `strict`, pydantic also reads numbers in quotation marks. It reads true as 1, too, which would be a guess.
    """
    value = model.model_validate_json(json.dumps(data), strict=strict)
    read = value.model_dump(mode="json", by_alias=True)
    if any(isinstance(was, bool) != isinstance(now, bool) for was, now in _pairs(data, read)):
        raise ValueError("expected a number in place of true or false, or the reverse")
    if any(isinstance(now, float) and not math.isfinite(now) for now in _leaves(value.model_dump())):
        raise ValueError("a number is not finite")
    return value


def _repaired(text: str) -> Any:
    """Return the only object in the text, repaired; raise `ValueError` where that takes more than punctuation."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise _NothingToRepair("there is no JSON object")
    if re.search(r"\d", text[end:]):
        raise ValueError("numbers follow the JSON object, which may be no more than an example")
    try:
        import json_repair
    except ImportError as error:
        raise JudgeError(
            "an answer is not valid JSON, and repairing it requires json-repair: pip install 'editmetrics[judge]'"
        ) from error
    candidate = text[start : end + 1]
    repaired = json_repair.loads(candidate, skip_json_loads=True)
    if _tokens_of(repaired) != _tokens_in(candidate):
        raise ValueError("it is not a JSON object, and making it one would change its words")
    return repaired


def _tokens_in(text: str) -> list[str]:
    """List the words and numbers of a text that should be JSON, in order, without punctuation."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match.group(1), 16)), text)
    text = re.sub(r'\\["\\/bfnrt]', " ", text)
    return [_token(word) for word in re.findall(r"[^\s\[\]{}:,\"'“”`\\]+", text)]


def _tokens_of(data: Any) -> list[str]:
    if isinstance(data, dict):
        return [token for name, held in data.items() for token in _tokens_in(name) + _tokens_of(held)]
    if isinstance(data, list):
        return [token for held in data for token in _tokens_of(held)]
    return _tokens_in(data if isinstance(data, str) else json.dumps(data))


def _token(word: str) -> str:
    """Normalise a token: words in lower case, 7.50 as 7.5, Python's None as null."""
    try:
        return repr(float(word))
    except ValueError:
        return {"none": "null"}.get(word.casefold(), word.casefold())


def _pairs(was: Any, now: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the leaves that two structures have in common, side by side."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in was.keys() & now.keys():
            yield from _pairs(was[name], now[name])
    elif isinstance(was, list) and isinstance(now, list):
        for left, right in zip(was, now, strict=False):
            yield from _pairs(left, right)
    else:
        yield was, now


def _leaves(data: Any) -> Iterator[Any]:
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, (list, tuple)):
        for held in data:
            yield from _leaves(held)
    else:
        yield data


def _words(error: ValueError) -> str:
    """Describe an error in one line; pydantic's by field."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'the object'}: {one['msg']}" for one in error.errors(include_url=False)
        )
    if isinstance(error, json.JSONDecodeError):
        return "it is not a JSON object"
    return str(error)
