"""From the cells of a row to the fields of a question, or what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from ...files.text import parse_json
from .answer_parser import normal
from .items import LETTERS, TYPES, Type

NO_OPTION = ("", "n/a", "none", "null")
"""What stands where a question has fewer options than there are columns."""


class FieldError(ValueError):
    """What is wrong with a field of a question, in words that follow its place."""


def text_of(value: Any, name: str) -> str:
    """A text that is not empty.

    >>> text_of(" Is it sharp? ", "question")
    'Is it sharp?'
    """
    if not isinstance(value, str) or not value.strip():
        raise FieldError(f"its {name} is {value!r}; expected a text" if value is not None else f"has no {name}")
    return value.strip()


def type_of(value: Any, default: Type | None) -> Type:
    """One of SC, MC, TF and OE, by its name or in words.

    >>> type_of("true/false", None), type_of(None, "SC")
    ('TF', 'SC')
    """
    if value in (None, "") and default is not None:
        return default
    words = re.sub(r"[^a-z]+", " ", str(value or "").casefold()).strip()
    for name, meaning in TYPES.items():
        if words in (name.casefold(), meaning.replace("-", " "), meaning.replace(" or ", " ").replace("-", " ")):
            return cast("Type", name)
    said = f"its type is {value!r}" if value not in (None, "") else "has no type"
    raise FieldError(f"{said}; expected one of {', '.join(TYPES)}")


def options_of(value: Any, kind: Type | None) -> tuple[str, ...]:
    """The options: a list, a list as JSON, or a text with one a line; letters in front of all of them are taken off.

    >>> options_of("A) High\\nB) Low", "SC"), options_of(["sharp", "blurred", "N/A"], "SC")
    (('High', 'Low'), ('sharp', 'blurred'))
    """
    if isinstance(value, str):
        try:
            value = parse_json(value) if value.lstrip().startswith("[") else value.strip().split("\n")
        except ValueError as error:
            raise FieldError(f"its options are no list: {error}") from error
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
        if twice := [text for place, text in enumerate(texts) if normal(text) in map(normal, texts[:place])]:
            raise FieldError(f"has the option {twice[0]!r} twice")
        return tuple(texts)
    if kind == "TF" and texts and {normal(text) for text in texts} != {"true", "false"}:
        raise FieldError(f"is true or false and has the options {', '.join(texts)}; expected True and False, or none")
    if kind == "OE" and texts:
        raise FieldError(f"is open-ended and has {len(texts)} options; expected none")
    return ()


def answer_of(value: Any, kind: Type | None, options: Sequence[str] | None, unanswered: bool) -> Any:
    """What is right: a set of places for SC and MC, a truth value for TF, a text for OE; None where there is none.

    Options are named by their letters or their texts.

    >>> answer_of("blurred", "SC", ("sharp", "blurred"), False), answer_of("A, B", "MC", ("sharp", "blurred"), False)
    (frozenset({1}), frozenset({0, 1}))
    """
    if value is None or value == "" or value == []:
        if unanswered:
            return None
        raise FieldError("has no answer (--unanswered asks such questions all the same)")
    if kind == "TF":
        said = normal(str(value))
        if said not in ("true", "false", "t", "f"):
            raise FieldError(f"its answer is {value!r}; expected True or False")
        return said[0] == "t"
    if kind == "OE":
        return text_of(value, "answer")
    if options is None or kind is None:
        return None  # what is wrong has been said of the options or the type
    named = _named(value, options, several=kind == "MC")
    places = [_place(one, options) for one in named]
    if len(set(places)) < len(places):
        raise FieldError(f"its answer {value!r} names an option twice")
    return frozenset(places)


def _named(value: Any, options: Sequence[str], several: bool) -> list[str]:
    """The options that an answer names, one each."""
    if isinstance(value, str) and several and value.lstrip().startswith("["):
        try:
            value = parse_json(value)
        except ValueError as error:
            raise FieldError(f"its answer is no list: {error}") from error
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


def _place(named: str, options: Sequence[str]) -> int:
    texts = [place for place, option in enumerate(options) if normal(option) == normal(named)]
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
        place = LETTERS.index(labelled.group(1))
        if place < len(options) and normal(options[place]) == normal(labelled.group("text")):
            return place
    raise FieldError(f"its answer {named!r} is not among the options {', '.join(map(repr, options))}")
