"""Read the fields of a question from the cells of a row, or say what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from ...files.text import parse_json
from .answer_parser import normal
from .questions import LETTERS, TYPES, Type

NO_OPTION = ("", "n/a", "none", "null")
"""Cells of unused option columns."""


class FieldError(ValueError):
    """A field of a question is invalid; the message follows the name of its row."""


def text_of(value: Any, name: str) -> str:
    """Return a text that is not empty.

    >>> text_of(" Is it sharp? ", "question")
    'Is it sharp?'
    """
    if not isinstance(value, str) or not value.strip():
        raise FieldError(f"its {name} is {value!r}; expected a text" if value is not None else f"has no {name}")
    return value.strip()


def type_of(value: Any, default: Type | None) -> Type:
    """Return SC, MC, TF or OE, written as such or in words.

    >>> type_of("true/false", None), type_of(None, "SC")
    ('TF', 'SC')
    """
    if value in (None, "") and default is not None:
        return default
    words = re.sub(r"[^a-z]+", " ", str(value or "").casefold()).strip()
    for name, meaning in TYPES.items():
        if words in (name.casefold(), meaning.replace("-", " "), meaning.replace(" or ", " ").replace("-", " ")):
            return cast("Type", name)
    problem = f"its type is {value!r}" if value not in (None, "") else "has no type"
    raise FieldError(f"{problem}; expected one of {', '.join(TYPES)}")


def options_of(value: Any, kind: Type | None) -> tuple[str, ...]:
    """Return the options of a list, of a list as JSON, or of the lines of a text; leading letters are removed.

    >>> options_of("A) High\\nB) Low", "SC"), options_of(["sharp", "blurred", "N/A"], "SC")
    (('High', 'Low'), ('sharp', 'blurred'))
    """
    if isinstance(value, str):
        try:
            value = parse_json(value) if value.lstrip().startswith("[") else value.strip().split("\n")
        except ValueError as error:
            raise FieldError(f"its options are not a list: {error}") from error
    if not isinstance(value, (list, tuple)) and value is not None:
        raise FieldError(f"its options are {value!r}; expected a list of texts")
    texts = [str(text).strip() if text is not None else "" for text in value or ()]
    texts = [text for text in texts if text.casefold() not in NO_OPTION]
    labelled = [re.match(rf"\(?{letter}[.):]\s*(?=\S)", text) for letter, text in zip(LETTERS, texts, strict=False)]
    if texts and all(labelled):
        texts = [text[label.end() :] for text, label in zip(texts, labelled, strict=True) if label]
    if kind in ("SC", "MC"):
        if not 2 <= len(texts) <= len(LETTERS):
            raise FieldError(f"has {len(texts)} options; expected 2 to {len(LETTERS)}")
        if repeated := [text for index, text in enumerate(texts) if normal(text) in map(normal, texts[:index])]:
            raise FieldError(f"has the option {repeated[0]!r} twice")
        return tuple(texts)
    if kind == "TF" and texts and {normal(text) for text in texts} != {"true", "false"}:
        raise FieldError(f"is true or false and has the options {', '.join(texts)}; expected True and False, or none")
    if kind == "OE" and texts:
        raise FieldError(f"is open-ended and has {len(texts)} options; expected none")
    return ()


def answer_of(value: Any, kind: Type | None, options: Sequence[str] | None, unanswered: bool) -> Any:
    """Return the right answer: a set of indices for SC and MC, a truth value for TF, a text for OE; None if unknown.

    A file names options by their letters or their texts.

    >>> answer_of("blurred", "SC", ("sharp", "blurred"), False), answer_of("A, B", "MC", ("sharp", "blurred"), False)
    (frozenset({1}), frozenset({0, 1}))
    """
    if value is None or value == "" or value == []:
        if unanswered:
            return None
        raise FieldError("has no answer (--unanswered asks such questions too)")
    if kind == "TF":
        truth = normal(str(value))
        if truth not in ("true", "false", "t", "f"):
            raise FieldError(f"its answer is {value!r}; expected True or False")
        return truth[0] == "t"
    if kind == "OE":
        return text_of(value, "answer")
    if options is None or kind is None:
        return None  # the problem is reported for the options or the type
    indices = [_index(name, options) for name in _named(value, options, several=kind == "MC")]
    if len(set(indices)) < len(indices):
        raise FieldError(f"its answer {value!r} names an option twice")
    return frozenset(indices)


def _named(value: Any, options: Sequence[str], several: bool) -> list[str]:
    """The names of options in an answer."""
    if isinstance(value, str) and several and value.lstrip().startswith("["):
        try:
            value = parse_json(value)
        except ValueError as error:
            raise FieldError(f"its answer is not a list: {error}") from error
    if isinstance(value, (list, tuple)):
        named = [str(one).strip() for one in value]
        if not several and len(named) != 1:
            raise FieldError(f"its answer names {len(named)} options; a single choice has one")
        return named
    text = str(value).strip()
    if several and normal(text) not in map(normal, options):
        if re.fullmatch(r"[A-Z]+", text):
            return list(text)
        return [
            one.strip() for one in re.split(r"[,;\s]+" if re.fullmatch(r"[A-Z]([,;\s]+[A-Z])*", text) else ";", text)
        ]
    return [text]


def _index(named: str, options: Sequence[str]) -> int:
    """The index of the option with this letter or text."""
    texts = [index for index, option in enumerate(options) if normal(option) == normal(named)]
    letter = re.fullmatch(r"\(?([A-Za-z])[.):]?", named)
    lettered = LETTERS.index(letter.group(1).upper()) if letter else len(options)
    if texts and lettered < len(options) and texts[0] != lettered:
        raise FieldError(f"its answer {named!r} is the text of one option and the letter of another")
    if texts:
        return texts[0]
    if lettered < len(options):
        return lettered
    labelled = re.match(r"\(?([A-Z])[.):]\s*(?P<text>\S.*)", named)
    if labelled:
        index = LETTERS.index(labelled.group(1))
        if index < len(options) and normal(options[index]) == normal(labelled.group("text")):
            return index
    raise FieldError(f"its answer {named!r} is not among the options {', '.join(map(repr, options))}")
