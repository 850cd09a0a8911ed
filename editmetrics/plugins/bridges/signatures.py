"""Read options, summary and paper from the signature and docstring of a library's function or class."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Collection
from typing import Any, Literal

from ...metric import Metric
from ...options import Option

PLAIN = (bool, int, float, str)
"""Types of options that can be written on a command line."""


def options_of(function: Callable[..., Any], documentation: str, without: Collection[str]) -> tuple[Option, ...]:
    """Return the keywords of `function` that are plain numbers, words or choices, with their descriptions.

    Left out are those in `without`, those of any other type (tensors, lists), and those that are named as something
    that every `Metric` has.

    >>> def blur(x, size: int = 11, sigma: float = 1, kernel=None, reduction: str = "mean"): ...
    >>> [(option.name, option.default) for option in options_of(blur, "", {"reduction"})]
    [('size', 11), ('sigma', 1.0)]
    """
    hints = typing.get_type_hints(function)
    described = _described(documentation)
    options = []
    for parameter in inspect.signature(function).parameters.values():
        name, default = parameter.name, parameter.default
        if default is parameter.empty or name in without or hasattr(Metric, name):
            continue
        hint = _plain(hints.get(name, Any), default)
        if hint is not None:
            value = float(default) if hint is float else default
            options.append(Option(name, hint, value, described.get(name, f"As the library's argument {name}.")))
    return tuple(options)


def summary_of(documentation: str) -> str:
    """Return the first sentence of a docstring, on one line, without markup.

    >>> summary_of("Compute :math:`x` between `two` images.\\nMore of it.")
    'Compute x between two images.'
    """
    lines = inspect.cleandoc(documentation).partition("\n\n")[0].splitlines()
    text = " ".join(" ".join(line for line in lines if not line.startswith("Inputs ")).split())
    text = re.sub(r"`([^`<]*?) ?(<[^>]*>)?`_?", r"\1", re.sub(r":\w+:`", "`", text).replace("**", ""))
    text = re.sub(r"(?<=\w)_(?=[^\w]|$)", "", text)
    sentence = re.match(r".+?[.](?= [A-Z]|$)", text)
    summary = sentence.group() if sentence else text
    return summary if summary.endswith(".") or not summary else f"{summary}."


def paper_of(documentation: str) -> str:
    """Return the text under "References:" in a docstring, with its links; empty without one.

    >>> paper_of("Text.\\n\\nReferences:\\n    Wang et al. (2004).\\n    SSIM, doi:10\\n\\nNote:\\n    No.")
    'Wang et al. (2004). SSIM, doi:10'
    """
    section = re.search(r"^References?:\n((?:[ ]+.*\n?|\n(?=[ ]))+)", inspect.cleandoc(documentation), re.MULTILINE)
    return " ".join(section.group(1).split()) if section else ""


def _plain(hint: Any, default: Any) -> Any:
    """Return the type of an option, or None for one that is not plain."""
    choices = [hint, *typing.get_args(hint)]
    for choice in choices:
        if typing.get_origin(choice) is Literal and default in typing.get_args(choice):
            return choice
    if type(default) not in PLAIN:
        return None
    return float if type(default) is int and float in choices and int not in choices else type(default)


def _described(documentation: str) -> dict[str, str]:
    """Read the `Args:` section of a docstring in Google style: text by argument."""
    section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n(?=[ ]))+)", inspect.cleandoc(documentation), re.MULTILINE)
    if not section:
        return {}
    entries = re.findall(r"^[ ]{4}(\w+)[^:\n]*: *(.*(?:\n[ ]{5,}.*)*)", section.group(1), re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text).strip() for name, text in entries if text.strip()}
