"""`editmetrics rate`: a page on this machine that asks people about edits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..command_line import SectionedCommand, file_option, map_option, name_value_pairs, seed_option
from ..wording import plural


@click.command(cls=SectionedCommand)
@click.argument("manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@file_option(
    "-o",
    "--output",
    show_default="MANIFEST.votes.jsonl",
    text="Append each vote to this file (.jsonl). The same command resumes.",
)
@click.option(
    "--mode",
    type=click.Choice(["pairs", "single"]),
    show_default="pairs, if there are any",
    help="Ask which of two edits is better, or for one of five grades of each edit.",
)
@click.option("--question", metavar="TEXT", show_default="Which edit is better?", help="Question above the images.")
@click.option("--rater", "raters", multiple=True, metavar="NAME", help="Accept this rater only. Repeatable.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    show_default="the folder of MANIFEST",
    help="Folder that the paths of images are relative to.",
)
@map_option
@seed_option("Random seed, with the rater's name, for the order of trials and for the sides.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one.")
def rate(
    manifest: Path,
    output: Path | None,
    mode: Any,
    question: str | None,
    raters: tuple[str, ...],
    root: Path | None,
    columns: tuple[str, ...],
    seed: int,
    port: int,
) -> None:
    """Serve a page on this machine that collects people's votes on the edits of MANIFEST, until interrupted.

    \b
    editmetrics rate manifest.csv -o votes.jsonl
    editmetrics arena --battles votes.jsonl               votes on pairs: rank systems
    editmetrics ratings rank votes.jsonl -o ranked.csv    votes on pairs: rank images
    editmetrics ratings mos votes.jsonl -o mos.csv        grades of single edits: MOS

    Pairs are 'edited' and 'rival' of a row, or the edits of several systems of one source and prompt; keys A, B and T
    (tie). Single edits get a grade from 1 (bad) to 5 (excellent). The page does not tell systems. Each rater has an
    order of their own, and several may vote at once. A vote is final.

    Exit codes: 0 interrupted by Ctrl-C; 1 a vote could not be written; 2 usage error.
    """
    from ..data import from_manifest
    from ..rating import RatingServer, RatingSession, trials_of

    path = manifest.with_name(f"{manifest.stem}.votes.jsonl") if output is None else output
    if path.suffix.lower() != ".jsonl":
        raise click.UsageError(f"-o {path}: expected a file name that ends in .jsonl")
    samples = from_manifest(manifest, root, name_value_pairs("--map", columns, "NAME=COLUMN") or None)
    trials = trials_of(samples, mode, manifest.parent if root is None else root)
    usable = []
    for trial in trials:
        if (problem := trial.problem()) is None:
            usable.append(trial)
        else:
            _report(f"{trial.key} is not shown: {problem}")
    with RatingSession(usable, path, seed=seed, raters=raters, on_problem=_report) as session:
        with RatingServer(session, port, question) as server:
            kind = "pair" if session.mode == "pairs" else "single edit"
            click.echo(f"{plural(len(usable), kind)}, {plural(session.votes, 'vote')} in {path}", err=True)
            click.echo(f"open {server.url}  (Ctrl-C stops)", err=True)
            try:
                server.serve_forever(poll_interval=0.1)
            except KeyboardInterrupt:
                click.echo("", err=True)
        command = "arena --battles" if session.mode == "pairs" else "ratings mos"
        click.echo(f"{plural(session.votes, 'vote')} in {path}; next: editmetrics {command} {path}", err=True)
    if server.failure is not None:
        raise server.failure


def _report(problem: str) -> None:
    click.echo(f"note: {problem}", err=True)
