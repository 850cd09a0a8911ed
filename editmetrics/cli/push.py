"""`editmetrics push`: a run, a checkpoint or a page to the Hugging Face hub, after a look at every file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import click

from ..command_line import SectionedCommand, quiet_option
from ..wording import in_words, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..publishing import UploadPlan
    from ..tables.table import Block


@click.command(cls=SectionedCommand)
@click.argument("what", nargs=-1, required=True)
@click.option(
    "--repo", required=True, metavar="OWNER/NAME", help="Repository on the hub; created if it does not exist."
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["record", "checkpoint", "space"]),
    show_default="by what WHAT is",
    help="Publish a run, a checkpoint, or a page that scores.",
)
@click.option("--private/--public", default=True, help="Who may see a repository that is created.")
@click.option("--dry-run", is_flag=True, help="Show every file that would leave this machine, and send nothing.")
@click.option("--yes", is_flag=True, help="Send without asking.")
@click.option("--include-images", "images", is_flag=True, help="Put thumbnails of the run's images into its page.")
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="NAME",
    help="Let this name of your user or machine leave, since it says nothing. Repeatable.",
)
@click.option("--overwrite", is_flag=True, help="Also replace files of a repository that holds something else.")
@quiet_option
def push(
    what: tuple[str, ...],
    repo: str,
    kind: Any,
    private: bool,
    dry_run: bool,
    yes: bool,
    images: bool,
    allowed: tuple[str, ...],
    overwrite: bool,
    quiet: bool,
) -> None:
    """Publish on the Hugging Face hub, after showing every file that would leave this machine.

    \b
    WHAT   a table of scores with its record, the folder of a checkpoint,
           or metrics for a Space (the page of 'editmetrics demo')

    \b
    editmetrics push scores.csv --repo ada/my-edits --dry-run
    editmetrics push runs/mine --repo ada/my-assessor
    editmetrics push psnr ssim ds_ieqa:weights=hub:ada/my-assessor --repo ada/judge

    Absolute paths are shortened, and no image leaves without --include-images. Nothing is sent if a name of this user
    or machine, or a secret, is in a text. Log in by 'hf auth login' or HF_TOKEN. docs/publishing.md has the details.

    Exit codes: 0 success; 1 aborted; 2 usage error, or something must not leave; 4 no login, or the hub cannot be
    reached.
    """
    from ..publishing import is_private, plan_push, upload
    from ..tables.table import show

    plan = plan_push(what, repo, kind=kind, private=private, images=images, allowed=allowed)
    show(plan_blocks(plan, _who_sees(plan, "unknown" if dry_run or private else is_private(plan))))
    if dry_run:
        click.echo("Dry run: nothing was sent.")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nothing was sent: confirm with --yes, or look with --dry-run")
        click.confirm(f"Send {plural(len(plan.files), 'file')} to {plan.address}?", abort=True, err=True)
    address = upload(plan, overwrite=overwrite, progress=not quiet and sys.stderr.isatty())
    click.echo(f"sent {plural(len(plan.files), 'file')} to {address}")


def _who_sees(plan: UploadPlan, private: bool | Literal["unknown"] | None) -> str:
    """Return who will see an upload to a repository that is `private`; None where it does not exist.

    A private upload is never sent to a public repository, so that the hub need not be asked.
    """
    if plan.private:
        return "private"
    if private == "unknown":
        return "public if the repository does not exist; one that is private stays so"
    return (
        "private: the repository exists, and --public does not change it" if private else "public: everybody can see it"
    )


def plan_blocks(plan: UploadPlan, who_sees: str) -> Iterator[Block]:
    """Yield the table of the files of an upload, where they go and who sees them, and notes."""
    from rich.markup import escape

    from ..tables.table import DataTable, numbers, text

    rows = [[file.path, in_words(file.size / 1e6)] for file in plan.files]
    yield DataTable([*text("file"), *numbers("size")], rows)
    yield ""
    yield escape(f"{plural(len(plan.files), 'file')}, {in_words(plan.size / 1e6)}, to {plan.address} ({who_sees})")
    yield from (escape(f"- {note}") for note in plan.notes)
