"""Tables for a terminal: what raw ratings came to, and what the parts of a split hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..wording import first_few
from .terminal import number, standard_output

if TYPE_CHECKING:
    import numpy as np

    from ..agreement.mos import OpinionScore, Reliability, Vote
    from ..agreement.ratings import Ratings

FEW = 10
"""So many subjects are listed, those who agree least with the others first."""

UNITS = {"zscore": "z-scores rescaled to 0-100", "mean": "the ratings' own scale"}


def show_opinion_scores(
    name: str,
    ratings: Ratings,
    scores: Sequence[OpinionScore],
    raters: Sequence[Reliability],
    method: str,
    console: Console | None = None,
) -> None:
    """One rating column: how many ratings, what was left out and why, the MOS, and the subjects who agree least."""
    console = console or standard_output()
    known = [score for score in scores if score.mos is not None]
    subjects = len(set(ratings.subject.tolist()))
    console.print(
        f"[bold]{escape(name)}[/]: {_ratings(len(ratings))} of {len(known)} items by {subjects} subjects; "
        f"MOS in {UNITS[method]}"
    )
    for line in _exclusions(ratings):
        console.print(line)
    if known:
        facts = _table("mean MOS", "lowest", "highest", "ratings an item", "their sd, mean", "95 % interval, mean")
        means, counts = [score.mos for score in known if score.mos is not None], [score.count for score in known]
        sds = [score.sd for score in known if score.sd is not None]
        halves = [(s.high - s.low) / 2 for s in known if s.high is not None and s.low is not None]
        facts.add_row(
            *(number(value) for value in (fmean(means), min(means), max(means))),
            f"{min(counts)} to {max(counts)}",
            number(fmean(sds)) if sds else "-",
            f"± {number(fmean(halves))}" if halves else "-",
        )
        console.print(facts)
    if missing := [score.item for score in scores if score.mos is None]:
        console.print(f"[yellow]{len(missing)} items have no MOS[/] [dim]({escape(first_few(missing))})[/]")
    if raters:
        console.print(_agreement(raters, ratings))
    console.print()


def show_votes(name: str, ratings: Ratings, verdicts: Sequence[Vote], console: Console | None = None) -> None:
    """One column of labels: how many items got which, and where the first place was tied."""
    console = console or standard_output()
    decided = Counter(str(vote.label) for vote in verdicts if vote.label is not None)
    console.print(f"[bold]{escape(name)}[/]: {len(ratings)} votes on {len(verdicts)} items")
    for line in _exclusions(ratings):
        console.print(line)
    table = _table("label", "items", "share of votes, mean")
    for label, count in decided.most_common():
        shares = [vote.share for vote in verdicts if str(vote.label) == label and vote.share is not None]
        table.add_row(escape(label), str(count), number(fmean(shares)))
    console.print(table)
    if open_items := [vote.item for vote in verdicts if vote.label is None]:
        console.print(
            f"[yellow]{len(open_items)} items have no label[/]: the first place is tied, or no vote is left "
            f"[dim]({escape(first_few(open_items))})[/]"
        )
    console.print()


def show_split(
    parts: Mapping[str, np.ndarray],
    paths: Mapping[str, Path],
    groups: Sequence[str],
    column: str,
    console: Console | None = None,
) -> None:
    """The parts of a split: their rows, their share, their groups, their files."""
    console = console or standard_output()
    table = _table("part", "rows", "share", f"groups ({column})", "file")
    for name, inside in parts.items():
        held = {group for group, here in zip(groups, inside, strict=True) if here}
        rows = int(inside.sum())
        table.add_row(name, str(rows), f"{rows / len(groups):.1%}", str(len(held)), escape(str(paths[name])))
    console.print(table)
    if len(set(groups)) == len(groups):
        console.print(
            f"[yellow]every row has a {escape(column)} of its own[/], so nothing was kept together; "
            "if one picture goes by several names, name a column that tells pictures apart (--group)"
        )


def _exclusions(ratings: Ratings) -> Iterator[str]:
    for exclusion in ratings.excluded:
        yield (
            f"[yellow]left out {_ratings(exclusion.ratings)}[/]: {escape(exclusion.reason)} "
            f"[dim]({escape(first_few(exclusion.names))})[/]"
        )


def _agreement(raters: Sequence[Reliability], ratings: Ratings) -> Table:
    """The subjects by how they agree with the others, worst first, before anything of theirs was left out."""
    kept = Counter(ratings.subjects[index] for index in ratings.subject.tolist())
    known = [rater.srcc for rater in raters if rater.srcc is not None]
    ordered = sorted(raters, key=lambda rater: -2.0 if rater.srcc is None else rater.srcc)
    middle = f"median {number(median(known))}" if known else "none"
    table = _table("subject", "ratings", "kept", "mean", f"SRCC with the others ({middle})")
    for rater in ordered[:FEW]:
        agreement = f"[dim]{escape(rater.reason or '')}[/]" if rater.srcc is None else number(rater.srcc)
        left = str(kept.get(rater.subject, 0))
        table.add_row(escape(rater.subject), str(rater.count), left, number(rater.mean), agreement)
    if len(ordered) > FEW:
        table.add_row(f"[dim]and {len(ordered) - FEW} who agree better[/]")
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        text = heading in ("part", "subject", "label", "file")
        table.add_column(escape(heading), justify="left" if text else "right", overflow="fold")
    return table


def _ratings(count: int) -> str:
    return f"{count} rating" if count == 1 else f"{count} ratings"
