"""The command line: one file a command, imported when it is called, so that `editmetrics --help` is quick.

Exit codes: 0 all is well; 1 stopped, or the machine failed (a full disk); 2 usage error; 3 finished, but some samples
have no score or a number that was asked for has no value; 4 this machine could not (no GPU, no network, endpoint down).
"""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from typing import Any

import click

from .. import __version__
from ..sample import EditMetricsError, UnavailableError
from .faults import explained
from .streams import plain_streams

COMMANDS = {
    "score": ("score:score", "Score edited images: two folders, two files, or a manifest."),
    "report": ("report:report", "Make a page of a table of scores that opens offline."),
    "compare": ("compare:compare", "Say what moved between two runs, beyond noise."),
    "merge": ("merge:merge", "Join the parts that 'score --shard' wrote."),
    "evaluate": ("evaluate:evaluate", "Measure how well scores agree with human ratings."),
    "ratings": ("ratings:ratings", "Turn people's raw ratings into MOS; split rated data by source."),
    "benchmark": ("benchmark:benchmark", "Check a paper's data set, and judge metrics on it by its protocol."),
    "fit": ("fit:fit", "Train a learned metric on rated samples."),
    "annotate": ("annotate:annotate", "Have chat models write and check explanations to train on."),
    "explanations": ("explanations:explanations", "Have a chat model compare explanations with reference answers."),
    "lsa": ("lsa:lsa", "Find the layer of a backbone that tells real from edited images."),
    "serve": ("serve:serve", "Score over HTTP: a reward for training, a service for others."),
    "list": ("list_:list_", "List every metric, its inputs, dimensions and range."),
    "info": ("info:info", "Show one metric in full: formula, paper, options, licence."),
    "weights": ("weights:weights", "List, download and verify the weights of metrics."),
    "qbench": ("qbench:qbench", "Ask a model questions on images and score its answers: Q-Bench-Portrait, A-Bench."),
    "plugin": ("plugin:plugin", "Begin a metric of your own, and check it."),
    "doctor": ("doctor:doctor", "Show what is installed, what is broken and why, and what is missing."),
    "judge": ("judge:judge", "Ask a chat model, and look after its cache of answers."),
}
"""From a command to where it is defined, and what `--help` says of it without importing it."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f".{module}", __name__), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            from ..wording import expected_one_of

            ctx.fail(f"unknown command {args[0]!r}; {expected_one_of(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="editmetrics", message="%(prog)s %(version)s")
def cli() -> None:
    """How good is an edited or generated image?

    \b
    editmetrics score sources/ edits/                 every pair, by name
    editmetrics score sources/ a/ b/ -m ssim -o s.csv two models, one metric, a table
    editmetrics report s.csv -o report.html           look at what the numbers hide
    editmetrics evaluate s.csv ratings.csv            do the scores agree with people?
    editmetrics list                                  what there is
    """


def main() -> None:
    """The program `editmetrics`."""
    with plain_streams():
        sys.exit(_run())


def _run() -> int:
    """Run the command that was typed; its exit code, however it ends."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger(__name__.partition(".")[0]).setLevel(logging.INFO)
    try:
        code = cli(prog_name="editmetrics", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
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
        sys.stderr.close()  # the reader of a pipe has gone; nobody is left to be told
        code = 1
    except (OSError, MemoryError) as error:  # a full disk, a folder that may not be written
        click.echo(f"aborted: {explained(error)}", err=True)
        code = 1
    except Exception:  # a defect: its traceback passes through the same filter as everything else
        traceback.print_exc()
        code = 1
    return code if isinstance(code, int) else 0
