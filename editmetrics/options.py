"""The options of a metric: read from its `__init__` and docstring, checked, described, and fixed by variants."""

from __future__ import annotations

import ast
import inspect
import json
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

from .sample import EditMetricsError
from .wording import expected_one_of

if typing.TYPE_CHECKING:
    from .metric import Metric


Variants = Mapping[str, Mapping[str, Any]]
"""From the name of a variant (the arithmetic of a published script) to the options that it fixes."""


class OptionError(EditMetricsError, ValueError):
    """A metric has no such option, or the option cannot have that value."""


@dataclass(frozen=True)
class Option:
    """One option of a metric: a keyword of its `__init__`, its type, its default, and what the docstring says of it."""

    name: str
    hint: Any
    default: Any
    description: str


def options_of(cls: type[Metric]) -> tuple[Option, ...]:
    """The options of a class, from the keywords of `__init__` and the docstrings; see `Metric.option_list`."""
    unused: frozenset[str] = getattr(cls, "unused_options", frozenset())  # of a base that does not need all of them
    described: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        described |= _described_options(inspect.cleandoc(base.__doc__ or ""))
    options: dict[str, Option] = {}
    for init in (base.__dict__["__init__"] for base in cls.__mro__ if "__init__" in base.__dict__):
        hints = get_type_hints(init, include_extras=True)
        parameters = inspect.signature(init).parameters.values()
        for p in parameters:
            if p.kind is p.KEYWORD_ONLY and p.name not in options and p.name not in unused:
                options[p.name] = Option(p.name, hints.get(p.name, Any), p.default, described.get(p.name, ""))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return tuple(options.values())


def checked_options(cls: type[Metric], values: dict[str, Any]) -> dict[str, Any]:
    """The options of `cls` as the types that it declares, also from text; `OptionError` for what does not fit."""
    known = {option.name: option for option in cls.option_list()}
    for key in values.keys() - known.keys():
        raise OptionError(f"{cls.name} has no option {key!r}; {expected_one_of(key, known)}")
    return {key: checked_value(cls, known[key], value) for key, value in values.items()}


def described_type(hint: Any) -> str:
    """An option's type for people: "rgb | y", "int, at least 0", "float".

    >>> described_type(Literal["rgb", "y"] | None)
    'rgb | y | none'
    """
    if typing.get_origin(hint) is typing.Annotated:
        base, *limits = typing.get_args(hint)
        words = {"ge": "at least", "gt": "over", "le": "at most", "lt": "under", "multiple_of": "a multiple of"}
        texts = [f"{words[key]} {getattr(limit, key)}" for limit in limits for key in words if hasattr(limit, key)]
        return ", ".join([described_type(base), *texts])
    if typing.get_origin(hint) is Literal:
        return " | ".join(str(choice) for choice in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        *items, last = typing.get_args(hint)
        more = "..." if last is Ellipsis else described_type(last)
        return f"[{', '.join([*map(described_type, items), more])}]"
    if typing.get_args(hint):
        return " | ".join(dict.fromkeys(described_type(choice) for choice in typing.get_args(hint)))
    return "none" if hint is type(None) else getattr(hint, "__name__", str(hint))


def checked_value(cls: type[Metric], option: Option, value: Any) -> Any:
    """`value`, also from text, as the type that `option` of `cls` declares; `OptionError` for what does not fit."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        adapter = TypeAdapter(option.hint, config=ConfigDict(arbitrary_types_allowed=True))
        if isinstance(value, str):  # from a spec: the text "none" is None, and "4" the integer of a Literal[2, 4]
            if value.lower() == "none" and type(None) in typing.get_args(option.hint):
                return None
            try:
                return adapter.validate_python(value)
            except ValidationError:
                return adapter.validate_python(_literal(value))
        return adapter.validate_python(value)
    except ValidationError as error:
        expected, shown = described_type(option.hint), repr(value)
        shown = shown if len(shown) <= 200 else f"{shown[:200]} ..."
        raise OptionError(f"{cls.name}: option {option.name} is {shown}; expected {expected}") from error


def with_variant(metric: Metric, variants: Variants) -> dict[str, Any]:
    """The value of each option of `metric`, with those that its `variant` fixes; all options are set already.

    Raises `EditMetricsError` for an option that was given another value than the variant has.

    >>> from editmetrics import create_metric
    >>> create_metric("ssim:variant=pie-bench,channels=y8")
    Traceback (most recent call last):
    editmetrics.sample.EditMetricsError: ssim: variant=pie-bench has channels=rgb; channels=y8 contradicts it
    """
    values = metric.options
    fixed = variants.get(values["variant"], {})
    for option in metric.option_list():
        value = values[option.name]
        if option.name in fixed and value not in (option.default, fixed[option.name]):
            raise EditMetricsError(
                f"{metric.name}: variant={values['variant']} has {option.name}={fixed[option.name]}; "
                f"{option.name}={value} contradicts it"
            )
    return {**values, **fixed}


def spec_text(value: Any) -> str:
    """An option's value as a spec has it; in double quotes, as in JSON, when it could be misread without."""
    text = str(value)
    plain = text and not re.search(r'[,"=]|^\s|\s$', text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two for text that is nested deep
        pass
    if text[:1] + text[-1:] in ("[]", "()"):  # words without quotes, as in stages=[grounding,explained]
        return [word.strip() for word in text[1:-1].split(",")]
    return text


def _described_options(docstring: str) -> dict[str, str]:
    section = re.search(r"^Options:\n((?:[ ]+.*\n?|\n)+)", docstring, re.MULTILINE)
    if not section:
        return {}
    entries = re.findall(r"^[ ]{4}(\w+): (.*(?:\n[ ]{5,}.*)*)", section.group(1), re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text).strip() for name, text in entries}
