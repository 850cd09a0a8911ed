"""The command line's page: docs/cli.md, and after it every command with its options. A hook of mkdocs.

Options are lists rather than the text of `--help`, so that they fit a page of any width.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

import click
from markup import prose

from editmetrics.cli import CORE, METHODS, cli


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Add the commands to the page of the command line."""
    return f"{markdown}\n{commands()}" if page.file.src_uri == "cli.md" else markdown


def commands() -> str:
    """Every command: what it does, how it is called, its options."""
    root = click.Context(cli, info_name="editmetrics", show_default=True)
    lines = ["## All commands\n", "`editmetrics COMMAND --help` shows the same in a terminal.\n"]
    for name in [*CORE, *METHODS]:
        command = cli.get_command(root, name)
        if command is None:
            raise RuntimeError(f"the command {name} is in the table and does not exist")
        lines += one_command(command, click.Context(command, info_name=name, parent=root), 3)
    return "\n".join(lines)


def one_command(command: click.Command, context: click.Context, depth: int) -> list[str]:
    """The heading, the call, the description and the options of a command, and then its own commands."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"{'#' * depth} {context.command_path}\n", f"```text\n{usage}\n```\n", described(command.help or "")]
    lines += ["", *(line for option in command.params for line in one_option(option, context))]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                lines += one_command(inner, click.Context(inner, info_name=name, parent=context), depth + 1)
    return lines


def described(text: str) -> str:
    r"""A command's help as Markdown. What follows `\b` keeps its lines, as in a terminal."""
    parts = re.split(r"\n[ \t]*\n", text.replace("\f", "").strip())
    return "\n\n".join(
        f"```text\n{textwrap.dedent(part[2:]).strip()}\n```" if part.startswith("\b\n") else prose(part)
        for part in (textwrap.dedent(part) for part in parts)
    )


def one_option(option: click.Parameter, context: click.Context) -> list[str]:
    """An option as an entry of a list: its names, its value, what it does, its default."""
    record = option.get_help_record(context)
    if record is None or "--help" in option.opts:
        return []
    names, text = record
    return [f"`{names}`", f":   {prose(re.sub(r'  +', ' ', text))}\n"]
