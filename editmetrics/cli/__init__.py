"""The command line: one module per command, imported when it is called, so that `editmetrics --help` is quick.

Exit codes: 0 success; 1 interrupted, or the machine failed (a full disk); 2 usage error; 3 finished, but some samples
have no score or a requested number has no value; 4 this machine could not compute (no GPU, no network, endpoint down).
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from typing import Any

import click

from .. import __version__
from ..command_line.output import plain_streams
from ..commands import CORE, built_in, load, method_commands
from ..sample import EditMetricsError, UnavailableError
from ..wording import expected_one_of


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*CORE, *method_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(cmd_name) if built_in(cmd_name) or cmd_name in method_commands() else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in CORE.items()])
        with formatter.section("Commands of single methods"):
            formatter.write_dl([*method_commands().items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not built_in(args[0]) and args[0] not in method_commands():
            ctx.fail(f"unknown command {args[0]!r}; {expected_one_of(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, "--version", prog_name="editmetrics", message="%(prog)s %(version)s")
def cli() -> None:
    """Score edited and generated images.

    \b
    editmetrics score sources/ edits/                 score every pair of images, matched by name
    editmetrics score sources/ a/ b/ -m ssim -o s.csv compare two models by one metric and write a table
    editmetrics report s.csv -o report.html           look at the images behind the numbers
    editmetrics evaluate s.csv ratings.csv            measure agreement with human ratings
    editmetrics list                                  list all metrics
    """


def main() -> None:
    """Run the program `editmetrics`."""
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
