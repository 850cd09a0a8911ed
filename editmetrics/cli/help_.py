"""`editmetrics help`: the help of a command; of a metric or suite, what `info` says."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def _topics(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from ..command_line.completion import metric_and_suite_names
    from . import CORE, METHODS

    commands = [CompletionItem(name) for name in [*CORE, *METHODS] if name.startswith(incomplete)]
    return [*commands, *metric_and_suite_names(ctx, parameter, incomplete)]


@click.command("help")
@click.argument("topic", nargs=-1, shell_complete=_topics)
@click.pass_context
def help_(ctx: click.Context, topic: tuple[str, ...]) -> None:
    """Show the help of a command, or what a metric is.

    \b
    editmetrics help                all commands
    editmetrics help weights pull   one command
    editmetrics help psnr           a metric, as 'editmetrics info psnr'
    """
    from ..registry import known_names
    from ..suites import SUITES
    from ..wording import expected_one_of
    from . import cli
    from .info import info

    root = ctx.find_root()
    command: click.Command = cli
    context = root
    for number, word in enumerate(topic):
        inner = command.get_command(context, word) if isinstance(command, click.Group) else None
        if inner is None and number == 0 and (word.partition(":")[0] in known_names() or word in SUITES or "/" in word):
            ctx.invoke(info, name=word, as_json=False)
            return
        if inner is None:
            names = command.list_commands(context) if isinstance(command, click.Group) else []
            raise click.UsageError(f"no command {' '.join(topic)!r}; {expected_one_of(word, names)}")
        context = inner.context_class(inner, info_name=word, parent=context)
        command = inner
    click.echo(command.get_help(context))
