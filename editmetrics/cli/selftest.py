"""`editmetrics selftest`: whether this installation computes what it should, on this machine."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command_line import file_option
from ..command_line.output import echo_row
from ..wording import plural

if TYPE_CHECKING:
    from ..checkpoints import WeightsEntry
    from ..selftest import CheckRow


@click.command()
@click.option(
    "--tier", type=click.Choice(["seconds", "minutes", "weights"]), default="seconds", help="How much to check."
)
@file_option(
    "-o", "--output", default="editmetrics-selftest.json", text="Write the report to this file, for a bug report."
)
@click.option("--download", is_flag=True, help="With --tier weights, download registered weights that are missing.")
@click.option("--yes", is_flag=True, help="Download without asking for confirmation.")
def selftest(tier: str, output: Path, download: bool, yes: bool) -> None:
    """Check that this installation computes what it should, on this machine.

    \b
    seconds   environment, devices, decoders, and the scores of every metric that needs no download; offline
    minutes   also bfloat16, batch invariance, a training, speed, on every device
    weights   also every registered checkpoint that is here, or with --download all of them

    Without a GPU, a rehearsal device stands for one. The report holds no path, token, user or host name.

    Exit codes: 0 all checks that ran held; 1 a check failed.
    """
    from ..files.writing import make_folder, write_text
    from ..selftest import TIERS, run

    make_folder(output)
    logging.getLogger("editmetrics").setLevel(logging.WARNING)  # each check has its own line
    click.echo(f"tier {tier}: {TIERS[tier]}")

    def may_download(entry: WeightsEntry) -> bool:
        if not download:
            return False
        click.echo(f"{entry.name}: {entry.size}; licence: {entry.licence}")
        return yes or click.confirm("Download it?", default=False)

    report = run(tier, download=may_download, on_row=_show)
    write_text(output, json.dumps(report.as_json(), indent=1, ensure_ascii=False) + "\n")
    counts = ", ".join(f"{report.count(state)} {state}" for state in ("held", "failed", "not run"))
    click.echo(f"{plural(len(report.rows), 'check')}: {counts}")
    later = list(TIERS)[list(TIERS).index(tier) + 1 :]
    if later:
        click.echo(f"not part of this tier: --tier {' and --tier '.join(later)}")
    click.echo(f"wrote {output}")
    sys.exit(0 if report.held else 1)


def _show(row: CheckRow) -> None:
    details = [row.detail] if row.detail else []
    if row.check == "speed":
        details += [f"{value:g} {name}" for name, value in row.figures.items()]
    echo_row(row.name, row.state, details)
