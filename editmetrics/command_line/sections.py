"""The help of commands: options in sections, and lines that fit the terminal."""

from __future__ import annotations

import re
import textwrap

import click

from ..wording import command_in_lines

SECTIONS = {
    "Samples": (
        "--images", "--prompts", "--prompt", "--masks", "--references", "--root", "--pair-by", "--strict",
        "--limit", "--shard", "--with-source-as-system", "--split", "--partial",
    ),
    "Metrics": ("--metric", "--suite", "--dimension", "--resize", "--profile"),
    "Rows and columns": (
        "--map", "--pair", "--on", "--group-by", "--group", "--system", "--cluster", "--rating", "--raters",
        "--subject", "--item", "--ratings", "--fold-column",
        "--lower-is-better", "--higher-is-better", "--target", "--label-scale", "--columns", "--column",
        "--reference-column", "--scores",
    ),
    "": (),
    "Statistics": ("--bootstrap", "--level", "--seed", "--resamples"),
    "Model at an endpoint": ("--endpoint", "--key-variable", "--timeout", "--retries", "--extra"),
    "Judge at an endpoint": (
        "--judge-endpoint", "--judge-key-variable", "--judge-timeout", "--judge-retries", "--judge-extra",
        "--judge-temperature",
    ),
    "Output": (
        "--output", "--report", "--format", "--title", "--plot", "--figures", "--manifest", "--problems", "--json",
        "--overwrite", "--fail-under", "--fail-over", "--fail-on-worse",
    ),
    "Running": (
        "--device", "--dtype", "--workers", "--batch-pixels", "--batch-size", "--batch", "--engine", "--ray-address",
        "--parallel", "--retry", "--refresh", "--dry-run", "--estimate", "--config", "--quiet",
    ),
    "Help": ("--help",),
}  # fmt: skip
"""The options of each section, by their long names; the section without a name has all others."""

OTHERS = "Options"
"""The heading of options that no section names: those that only one command has."""


class SectionedCommand(click.Command):
    """A command whose help shows its options in the sections of `SECTIONS`.

    >>> section_of("--masks"), section_of("--measure")
    ('Samples', 'Options')
    """

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows: dict[str, list[tuple[str, str]]] = {name or OTHERS: [] for name in SECTIONS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                rows[section_of(max(parameter.opts, key=len))].append(record)
        for heading, records in rows.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def section_of(option: str) -> str:
    """The heading under which an option stands."""
    return next((heading for heading, names in SECTIONS.items() if option in names), OTHERS)


class FittedHelp(click.HelpFormatter):
    """Help whose lines that keep their breaks (after a backspace) are wrapped where they are longer than the terminal.

    The second column of a line continues below its beginning; a command continues after a backslash.
    """

    def write_text(self, text: str) -> None:
        width = max(self.width - self.current_indent, 40)
        super().write_text("\n\n".join(fitted(paragraph, width) for paragraph in text.split("\n\n")))


class FittedContext(click.Context):
    """The context of a command whose help is a `FittedHelp`."""

    formatter_class = FittedHelp


def fitted(paragraph: str, width: int) -> str:
    r"""Wrap the lines of a paragraph that keeps its breaks; any other paragraph is wrapped by click.

    >>> print(fitted("\b\nA  a line with a second column", 24).replace("\b", "keep"))
    keep
    A  a line with a second
       column
    """
    first, *lines = paragraph.split("\n")
    if first.strip() != "\b":
        return paragraph
    return "\n".join([first, *(part for line in lines for part in _fitted_line(line, width))])


def _fitted_line(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    column = re.match(r"\s*\S.*?\s{2,}", line)
    if column is None and line.lstrip().startswith("editmetrics "):
        return command_in_lines(line, width)
    indent = " " * (column.end() if column and column.end() < width - 20 else len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
