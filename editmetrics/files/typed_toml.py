"""TOML files as dataclasses: every key is known and of its type, and an error names the line.

Written without pydantic, which takes longer to import than all of `editmetrics list`.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..sample import EditMetricsError
from ..wording import either, expected_one_of
from .toml import Key, line_of, parse_toml

T = TypeVar("T")
Problem = tuple[Key, str]


def read_typed_toml(
    file: str | Path,
    kind: type[T],
    error: type[EditMetricsError],
    problems: Callable[[T], Iterator[Problem]],
) -> T:
    """Read a file as the dataclass `kind`, whose `name` is that of the file, and check what belongs together.

    `problems` yields the key and the words of what is wrong with content whose types are right. Raises `error`, which
    names file, line and key.
    """
    file = Path(file)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{file} cannot be read: {problem}") from problem
    try:
        content = parse_toml(text)
    except ValueError as problem:
        raise error(f"{file} is not TOML: {problem}") from problem

    def refuse(key: Key, problem: str) -> typing.NoReturn:
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).lstrip(".")
        raise error(f"{file}, line {line_of(text, key)}: {where or 'the file'}: {problem}")

    made = _made(kind, content, (), refuse)
    if made.name != file.stem:
        refuse(("name",), f"it is {made.name!r}; expected the name of the file, {file.stem!r}")
    for key, words in problems(made):
        refuse(key, words)
    return made


def _made(hint: Any, value: Any, key: Key, refuse: Callable[[Key, str], Any]) -> Any:
    """Return `value` as the type `hint`, which is one of those that the schema uses."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return _table(hint, value, key, refuse)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _made(inner, value, key, refuse)
    if origin is Literal:
        return value if value in arguments else refuse(key, f"it is {value!r}; expected {either(arguments)}")
    if origin is tuple:
        if not isinstance(value, list):
            refuse(key, f"it is {value!r}; expected a list")
        return tuple(_made(arguments[0], each, (*key, row), refuse) for row, each in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            refuse(key, f"it is {value!r}; expected a table")
        return {name: _made(arguments[1], each, (*key, name), refuse) for name, each in value.items()}
    if hint is Any:
        return value
    if hint is float and type(value) is int:
        return float(value)
    expected = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[hint]
    return value if type(value) is hint else refuse(key, f"it is {value!r}; expected {expected}")


def _table(cls: Any, value: Any, key: Key, refuse: Callable[[Key, str], Any]) -> Any:
    if not isinstance(value, dict):
        refuse(key, f"it is {value!r}; expected a table")
    hints = _hints(cls)
    for name in value:
        if name not in hints:
            refuse((*key, name), f"unknown key; {expected_one_of(name, hints)}")
    for each in fields(cls):
        if each.name not in value and each.default is MISSING and each.default_factory is MISSING:
            refuse((*key, each.name), "it is missing")
    return cls(**{name: _made(hints[name], each, (*key, name), refuse) for name, each in value.items()})


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)
