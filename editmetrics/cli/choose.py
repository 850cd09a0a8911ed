"""`editmetrics choose`: from a task, or from what one has, to a few metrics and the command to run."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..command_line import completed_by, fields_named, json_option
from ..sample import FIELDS
from ..wording import command_in_lines, expected_one_of

if TYPE_CHECKING:
    from ..choosing import Task

WIDTH = 80


@click.command()
@click.argument("task", nargs=-1, shell_complete=completed_by("task_names"))
@click.option(
    "--have",
    multiple=True,
    metavar="FIELD,...",
    shell_complete=completed_by("field_names"),
    help="Show the tasks that need no more than these fields. Repeatable.",
)
@json_option
def choose(task: tuple[str, ...], have: tuple[str, ...], as_json: bool) -> None:
    """Choose metrics by the task, in words of your own, or by what you have.

    \b
    editmetrics choose                            all tasks, a line each
    editmetrics choose background                 the metrics for one, and the command to run
    editmetrics choose did it follow the prompt   the tasks that fit these words
    editmetrics choose --have source,edited,mask  the tasks that need no more than that

    Fields are those of a sample, and ratings: a table of what people said.
    """
    from ..choosing import RATINGS, TASKS, tasks_for, tasks_with

    chosen = list(TASKS)
    if have:
        chosen = tasks_with(fields_named("--have", have, (*FIELDS, RATINGS)))
        if not chosen:
            raise click.UsageError(f"no task needs only {', '.join(have)}; 'editmetrics choose' shows all tasks")
    if task:
        fitting = [one.name for one in tasks_for(task)]
        chosen = [one for one in chosen if one.name in fitting]
        if not chosen:
            names = [one.name for one in TASKS]
            raise click.UsageError(f"no task fits {' '.join(task)!r}; {expected_one_of(' '.join(task), names)}")
    if as_json:
        listed = [{**asdict(one), "command": one.command_line()} for one in chosen]
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    for line in _in_full(chosen) if task or len(chosen) == 1 else _in_lines(chosen):
        click.echo(line)


def _in_lines(tasks: Sequence[Task]) -> Iterator[str]:
    for task in tasks:
        yield f"  {task.name:<12}  {task.question}"
    yield "\n'editmetrics choose TASK' shows its metrics and the command to run."


def _in_full(tasks: Sequence[Task]) -> Iterator[str]:
    for index, task in enumerate(tasks):
        yield ("\n" if index else "") + f"{task.name}: {task.question}"
        yield f"  needs {', '.join(task.has)}\n"
        for pick in task.picks:
            yield f"  {pick.spec:<28}  {_cost(pick.spec)}"
            yield from textwrap.wrap(pick.tells, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
        yield (
            ("\n" if task.picks else "")
            + "\n".join(f"  {line}" for line in command_in_lines(task.command_line()))
            + "\n"
        )
        yield from textwrap.wrap(task.advice, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _cost(spec: str) -> str:
    """Say in a few words what a metric downloads or asks."""
    from ..listing import listed

    name = spec.partition(":")[0]
    if "/" in name:
        return f"of the library {name.partition('/')[0]}"
    metric = listed(name)
    words = {"-": "nothing to download", "judge": f"asks {metric.judge}", "training": "train it first"}
    return words.get(metric.cost, f"downloads {metric.cost}")
