"""Completions for a shell: names of metrics and their options, suites, weights, tasks. Imports no torch.

Functions for click's `shell_complete`: from the context, the parameter and the beginning of a word to its completions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import get_args

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

VARIABLE = "_EDITMETRICS_COMPLETE"
"""The variable by which the shell's script asks for completions."""


def metric_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a metric: its name; after a colon its options, and their values where these are known.

    >>> [item.value for item in metric_names(None, None, "ms")]
    ['ms_ssim', 'mse']
    >>> [item.value for item in metric_names(None, None, "psnr:region=")]
    ['psnr:region=whole', 'psnr:region=inside', 'psnr:region=outside']
    """
    name, colon, rest = incomplete.partition(":")
    if not colon:
        from ..registry import BRIDGES, known_names

        return _beginning(incomplete, [*known_names(), *(f"{library}/" for library in BRIDGES)])
    written, comma, last = rest.rpartition(",")
    start = f"{name}:{written}{comma}"
    return _beginning(incomplete, (start + choice for choice in _option_choices(name, last)))


def _option_choices(metric: str, text: str) -> Iterator[str]:
    """Yield `option=` for each option of a metric, or `option=value` for each value of the one that `text` names."""
    from ..registry import metric_class
    from ..sample import EditMetricsError

    try:
        options = {option.name: option for option in metric_class(metric).option_list()}
    except EditMetricsError:
        return
    name, equals, _ = text.partition("=")
    if not equals:
        yield from (f"{option}=" for option in options)
    elif name == "weights":
        from ..checkpoints import registered

        start = f"{metric}."
        yield from (f"weights={entry.removeprefix(start)}" for entry in registered() if entry.startswith(start))
    elif name in options:
        hint = options[name].hint
        yield from (f"{name}={str(choice).lower()}" for choice in ((True, False) if hint is bool else get_args(hint))
                    if isinstance(choice, (str, bool, int)))  # fmt: skip


def metric_and_suite_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a metric or of a suite."""
    return [*metric_names(ctx, parameter, incomplete), *suite_names(ctx, parameter, incomplete)]


def suite_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a suite."""
    from ..suites import SUITES

    return _beginning(incomplete, SUITES)


def learned_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a metric that can be trained."""
    from ..learned_metric import LearnedMetric
    from ..registry import BUILTIN, metric_class

    return _beginning(incomplete, (name for name in BUILTIN if issubclass(metric_class(name), LearnedMetric)))


def weights_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of an entry of the weights registry."""
    from ..checkpoints import registered

    return _beginning(incomplete, registered())


def task_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a task."""
    from ..choosing import TASKS

    return [CompletionItem(task.name, help=task.question) for task in TASKS if task.name.startswith(incomplete)]


def field_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the last of several fields between commas."""
    from ..sample import FIELDS

    written, comma, _ = incomplete.rpartition(",")
    return _beginning(incomplete, (f"{written}{comma}{field}" for field in FIELDS))


def _beginning(incomplete: str, choices: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(choice) for choice in choices if choice.startswith(incomplete)]


class ColonsInWords(BashComplete):
    """Completion for bash, which breaks words at ":" and "="; a metric with options is one word for us."""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        words: list[str] = []
        for word in [*args, incomplete]:
            if words and (word[:1] in (":", "=") or (word and words[-1][-1:] in (":", "="))):
                words[-1] += word
            else:
                words.append(word)
        if not incomplete and words[-2:][0][-1:] in (":", "=") and len(words) > 1:
            words.pop()
        self.shown = 1 + max(words[-1].rfind(":"), words[-1].rfind("="))
        return words[:-1], words[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """Leave out what stands before the break: bash replaces the part behind it alone."""
        return f"{item.type},{item.value[self.shown :]}"


def answer_the_shell() -> None:
    """Take care of bash's breaks, where a shell asks for completions."""
    if VARIABLE in os.environ:
        add_completion_class(ColonsInWords)
