"""The command line: one module per command, imported when it is called, so that `editmetrics --help` is quick.

The program's own commands are the table `CORE`. Commands that belong to one method are in `METHODS`, and other packages
add theirs as entry points in the group `editmetrics.commands`; both are loaded by the same code. A plugin cannot
replace a built-in command, and one that cannot be loaded affects no other.

Exit codes: 0 success; 1 interrupted, or the machine failed (a full disk); 2 usage error; 3 finished, but some samples
have no score or a requested number has no value; 4 this machine could not compute (no GPU, no network, endpoint down).
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..command_line.output import plain_streams
from ..command_line.sections import FittedContext
from ..sample import EditMetricsError, UnavailableError
from ..wording import expected_one_of

if TYPE_CHECKING:
    import importlib.metadata

    from click.shell_completion import CompletionItem

GROUP = "editmetrics.commands"

CORE = {
    "score": ("editmetrics.cli.score:score", "Score edited images: two folders, two files, or a manifest."),
    "report": ("editmetrics.cli.report:report", "Write a report on scores, as a page that opens offline."),
    "compare": ("editmetrics.cli.compare:compare", "Compare two runs and show what changed beyond noise."),
    "arena": ("editmetrics.cli.arena:arena", "Rank systems by battles of two edits of one source."),
    "merge": ("editmetrics.cli.merge:merge", "Join the parts that 'score --shard' wrote."),
    "serve": ("editmetrics.cli.serve:serve", "Score over HTTP: a reward for training, a service."),
    "push": ("editmetrics.cli.push:push", "Publish a run, a checkpoint or a page on the hub."),
    "demo": ("editmetrics.cli.demo:demo", "Score two images on a page of this machine."),
    "choose": ("editmetrics.cli.choose:choose", "Choose metrics by your task or by what you have."),
    "list": ("editmetrics.cli.list_:list_", "List all metrics, grouped by what they need."),
    "info": ("editmetrics.cli.info:info", "Show one metric in full: formula, paper, options, licence."),
    "suite": ("editmetrics.cli.suite:suite", "Explain a benchmark: questions, judge, averages, cost."),
    "data": ("editmetrics.cli.data:data", "Lay out a benchmark's inputs from the hub, with a manifest."),
    "weights": ("editmetrics.cli.weights:weights", "List, download and verify the weights of metrics."),
    "rate": ("editmetrics.cli.rate:rate", "Collect people's votes on a page of this machine."),
    "evaluate": ("editmetrics.cli.evaluate:evaluate", "Measure how well scores agree with human ratings."),
    "combine": ("editmetrics.cli.combine:combine", "Find which metrics, together, predict your raters."),
    "ratings": ("editmetrics.cli.ratings:ratings", "Turn raw ratings into MOS, and split rated data by source."),
    "fit": ("editmetrics.cli.fit:fit", "Train a learned metric on rated samples."),
    "benchmark": ("editmetrics.cli.benchmark:benchmark", "Check a paper's data set and evaluate metrics on it."),
    "judge": ("editmetrics.cli.judge:judge", "Ask a chat model, and manage its cache of answers."),
    "qbench": ("editmetrics.cli.qbench:qbench", "Ask a model questions about images and score its answers."),
    "export": ("editmetrics.cli.export:export", "Write an assessor's models for a vLLM or SGLang server."),
    "plugin": ("editmetrics.cli.plugin:plugin", "Create a metric of your own, and check it."),
    "doctor": ("editmetrics.cli.doctor:doctor", "Show what is installed, what is broken and why."),
    "selftest": ("editmetrics.cli.selftest:selftest", "Check that this installation computes what it should."),
    "completion": ("editmetrics.cli.completion:completion", "Print the script that completes words in a shell."),
    "help": ("editmetrics.cli.help_:help_", "Show the help of a command, or what a metric is."),
}
"""Module and attribute of each command of the program, and its line in `editmetrics --help`."""

SECTIONS = {
    "Score images": ("score", "report", "compare", "arena", "merge", "serve", "demo", "push"),
    "Find a metric": ("choose", "list", "info", "suite", "data", "weights"),
    "Work with human ratings": ("rate", "evaluate", "combine", "ratings", "fit", "benchmark"),
    "Ask models": ("judge", "qbench", "export"),
    "Extend and check this installation": ("plugin", "doctor", "selftest", "completion", "help"),
}
"""The commands of the program under the headings of `editmetrics --help`."""

METHODS = {
    "annotate": ("editmetrics.plugins.epaiqa.command:annotate", "epaiqa: have chat models write explanations."),
    "explanations": (
        "editmetrics.plugins.epaiqa.command:explanations",
        "epaiqa: compare explanations with answers.",
    ),
    "pristine": (
        "editmetrics.plugins.natural_scenes.command:pristine",
        "niqe, ilniqe: fit their model of natural photographs to yours.",
    ),
    "lsa": ("editmetrics.plugins.hpe_lsa.command:lsa", "hpe_lsa: find the layer that separates real from edited."),
}
"""The same for the commands of single built-in methods, which live in the folder of their plugin."""


class CommandError(EditMetricsError):
    """A plugin's command is registered and cannot be used."""


def built_in(name: str) -> bool:
    """Whether `name` is a command of this package."""
    return name in CORE or name in METHODS


def plugin_commands() -> list[str]:
    """Names of the commands that other packages register, unusable ones included; imports none of them."""
    return sorted(_registered())


def method_commands() -> Mapping[str, str]:
    """Commands of single methods and of plugins, each with its line in `--help`; imports none of them."""
    lines = {name: line for name, (_, line) in METHODS.items()}
    for name, points in sorted(_registered().items()):
        if not built_in(name):
            lines[name] = f"{package_of(name)}: {_summary(points[0])}"
    return lines


def package_of(name: str) -> str:
    """The packages that register a plugin's command, with their versions.

    >>> package_of("not-registered")
    ''
    """
    distributions = (point.dist for point in _registered().get(name, ()))
    return ", ".join(f"{dist.name} {dist.version}" if dist else "?" for dist in distributions)


def refusal(name: str) -> str | None:
    """Why a plugin's command may not be used whatever it does, or None; imports nothing."""
    points = _registered()[name]
    if built_in(name):
        return "its name is that of a built-in command, which a plugin cannot replace; rename it in the entry point"
    if len(points) > 1:
        return f"the packages {package_of(name)} all register this command; uninstall all but one"
    return None


def load(name: str) -> click.Command:
    """Import the command `name`; `CommandError` for a plugin's that cannot be used, `LookupError` for unknown names."""
    if built_in(name):
        return _fit_help(_attribute({**CORE, **METHODS}[name][0]))
    value, reason = _registered()[name][0].value, refusal(name)
    if reason is None:
        try:
            command = _attribute(value)
        except (Exception, SystemExit) as error:  # a module that exits must not end the program
            reason = f"{value} cannot be imported: {type(error).__name__}: {error}"
        else:
            if isinstance(command, click.Command):
                return _fit_help(command)
            reason = f"{value} is a {type(command).__name__}; expected a click command"
    raise CommandError(f"the command {name} of {package_of(name)} cannot be used: {reason}")


def _fit_help(command: click.Command) -> click.Command:
    """Give a command, and the commands inside it, help that fits the terminal."""
    command.context_class = FittedContext
    for inner in getattr(command, "commands", {}).values():
        _fit_help(inner)
    return command


def _attribute(value: str) -> Any:
    """Import what "package.module:attribute" names."""
    module, _, attribute = value.partition("[")[0].strip().partition(":")
    return getattr(importlib.import_module(module), attribute)


@cache
def _registered() -> dict[str, list[importlib.metadata.EntryPoint]]:
    registered: dict[str, list[importlib.metadata.EntryPoint]] = {}
    if any(map(_mentions_group, sys.path)):
        from importlib.metadata import entry_points  # slower to import than the whole of `editmetrics --help`

        for point in entry_points(group=GROUP):
            registered.setdefault(point.name, []).append(point)
    return registered


def _mentions_group(folder: str) -> bool:
    """Whether a package installed in `folder` registers a command; reads names and files only."""
    try:
        names = [name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return False
    for name in names:
        try:
            with open(os.path.join(folder, name, "entry_points.txt"), "rb") as file:
                if GROUP.encode() in file.read():
                    return True
        except OSError:
            continue
    return False


def _summary(point: importlib.metadata.EntryPoint) -> str:
    """Return the description that the command's package has, since asking the command would import it."""
    known = point.dist is not None and "Summary" in point.dist.metadata
    return point.dist.metadata["Summary"] if known and point.dist else point.value


class _Commands(click.Group):
    context_class = FittedContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*CORE, *method_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(cmd_name) if built_in(cmd_name) or cmd_name in method_commands() else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, CORE[name][1]) for name in names])
        with formatter.section("Commands of single methods"):
            formatter.write_dl([*method_commands().items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands with their lines, and import none of them."""
        from click.shell_completion import CompletionItem

        lines = {**{name: line for name, (_, line) in CORE.items()}, **method_commands()}
        commands = [CompletionItem(name, help=line) for name, line in lines.items() if name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not built_in(args[0]) and args[0] not in method_commands():
            ctx.fail(f"unknown command {args[0]!r}; {expected_one_of(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, "--version", prog_name="editmetrics", message="%(prog)s %(version)s")
def cli() -> None:
    """Score edited and generated images.

    \b
    editmetrics score sources/ edits/          score every pair, matched by name
    editmetrics score sources/ a/ b/ -o s.csv  compare two models, write a table
    editmetrics report s.csv -o report.html    look behind the numbers
    editmetrics evaluate s.csv ratings.csv     measure agreement with people
    editmetrics choose                         find the metrics for a task
    """


def main() -> None:
    """Run the program `editmetrics`; or answer a shell that asks for completions, in bytes of its own form."""
    if "_EDITMETRICS_COMPLETE" in os.environ:
        from ..command_line.completion import answer_the_shell

        answer_the_shell()
        sys.exit(_run())
    with plain_streams():
        sys.exit(_run())


def _run() -> int:
    """Run the command that was typed and return its exit code, however it ends."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger(__name__.partition(".")[0]).setLevel(logging.INFO)
    try:
        code = cli(prog_name="editmetrics", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        code = 1
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except UnavailableError as error:
        click.echo(f"unavailable: {error}", err=True)
        code = 4
    except EditMetricsError as error:
        click.echo(f"error: {error}", err=True)
        code = 2
    except SystemExit as exit:
        code = exit.code
        if isinstance(code, str):
            click.echo(code, err=True)
            code = 1
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the pipe has exited
        code = 1
    except (OSError, MemoryError) as error:  # a full disk, a folder without write permission
        click.echo(f"aborted: {explained(error)}", err=True)
        code = 1
    except Exception:  # a bug: its traceback passes through the same filter as all other output
        traceback.print_exc()
        code = 1
    return code if isinstance(code, int) else 0


ADVICE = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EFBIG: "the file size limit is reached (ulimit -f, or the file system's); raise it",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EACCES: "permission denied; choose another folder or change its permissions",
    errno.EPERM: "permission denied; choose another folder or change its permissions",
    errno.EMFILE: "too many open files (ulimit -n); raise the limit or use fewer --workers",
    errno.ENFILE: "too many open files on this machine; close other programs",
    errno.ENOMEM: "not enough memory; use fewer --workers or smaller images",
}
"""Cause and remedy of a system error, by its number."""


def explained(error: OSError | MemoryError) -> str:
    """Describe a failure of the machine in one line: the file, the cause and the remedy."""
    if isinstance(error, MemoryError):
        return f"{ADVICE[errno.ENOMEM]}, then run the same command again"
    name = error.filename2 or error.filename
    reason = error.strerror or str(error)
    path = "" if name is None else f"{os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else name}: "
    advice = ADVICE.get(error.errno or 0)
    return f"{path}{reason}" if advice is None else f"{path}{reason}; {advice}, then run the same command again"
