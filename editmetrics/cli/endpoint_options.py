"""Options of every command that asks an endpoint: how long it is waited for, how often, and with what parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def endpoint_options(prefix: str = "", whose: str = "the model's endpoint") -> Callable[[F], F]:
    """Add `--timeout`, `--retries` and `--extra` to a command, each with `prefix` before its name."""

    def add(command: F) -> F:
        for option in reversed(
            (
                click.option(
                    f"--{prefix}timeout",
                    type=click.FloatRange(min=0, min_open=True),
                    metavar="SECONDS",
                    help=f"How long an answer of {whose} may take. [default: 300]",
                ),
                click.option(
                    f"--{prefix}retries",
                    type=click.IntRange(min=0),
                    help=f"How often a question is asked again that {whose} did not answer. [default: 6]",
                ),
                click.option(
                    f"--{prefix}extra",
                    multiple=True,
                    metavar="NAME=JSON",
                    help=f"A parameter more for {whose}, such as reasoning_effort=low; as often as wanted.",
                ),
            )
        ):
            command = option(command)
        return command

    return add


def given_options(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """What the command was given of `endpoint_options`, as `open_judge` takes it."""
    given = {name: options[f"{prefix}{name}"] for name in ("timeout", "retries")}
    given["extra"] = extra_parameters(options[f"{prefix}extra"], f"--{prefix.replace('_', '-')}extra") or None
    return {name: value for name, value in given.items() if value is not None}


def extra_parameters(texts: Sequence[str], option: str = "--extra") -> dict[str, Any]:
    """NAME=JSON texts as a dict; a value that is no JSON is a text.

    >>> extra_parameters(["reasoning_effort=low", "top_k=20", 'chat_template_kwargs={"enable_thinking": false}'])
    {'reasoning_effort': 'low', 'top_k': 20, 'chat_template_kwargs': {'enable_thinking': False}}
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise click.UsageError(f"{option} {text!r}: expected NAME=JSON, such as reasoning_effort=low")
        if name.strip() in found:
            raise click.UsageError(f"{option} {name.strip()} is given twice")
        try:
            found[name.strip()] = json.loads(value)
        except (ValueError, RecursionError):
            if value.lstrip()[:1] in "[{":
                raise click.UsageError(f"{option} {text!r} is no JSON after the =") from None
            found[name.strip()] = value
    return found
