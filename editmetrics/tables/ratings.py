"""Summaries of raw ratings, and the parts of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

from rich.markup import escape

from ..wording import first_few, plural
from .table import Block, Cell, DataTable, TableCell, number, numbers, text

if TYPE_CHECKING:
    import numpy as np

    from ..agreement.mos import OpinionScore, Reliability, Vote
    from ..agreement.ratings import Ratings

FEW = 10
"""At most this number of subjects are listed, those who agree least with the others first."""

UNITS = {"zscore": "z-scores rescaled to 0-100", "mean": "the ratings' own scale"}


def opinion_score_blocks(
    name: str, ratings: Ratings, scores: Sequence[OpinionScore], raters: Sequence[Reliability], method: str
) -> Iterator[Block]:
    """One rating column: the number of ratings, those left out and why, the MOS, and the subjects who agree least."""
    known = [score for score in scores if score.mos is not None]
    subjects = plural(len(set(ratings.subject.tolist())), "subject")
    yield (
        f"[bold]{escape(name)}[/]: {plural(len(ratings), 'rating')} of {plural(len(known), 'item')} by {subjects}; "
        f"MOS in {UNITS[method]}"
    )
    yield from _exclusions(ratings)
    if known:
        headings = ("mean MOS", "lowest", "highest", "ratings an item", "their sd, mean", "95 % interval, mean")
        means, counts = [score.mos for score in known if score.mos is not None], [score.count for score in known]
        sds = [score.sd for score in known if score.sd is not None]
        halves = [(s.high - s.low) / 2 for s in known if s.high is not None and s.low is not None]
        row: list[Cell] = [fmean(means), min(means), max(means), f"{min(counts)} to {max(counts)}"]
        row += [fmean(sds) if sds else None, f"± {number(fmean(halves))}" if halves else None]
        yield DataTable(numbers(*headings, wrap="fold"), [row])
    if missing := [score.item for score in scores if score.mos is None]:
        yield f"[yellow]{plural(len(missing), 'item')} without a MOS[/] [dim]({escape(first_few(missing))})[/]"
    if raters:
        yield _reliability(raters, ratings)
    yield ""


def vote_blocks(name: str, ratings: Ratings, verdicts: Sequence[Vote]) -> Iterator[Block]:
    """One column of labels: the items of each label, and those whose first place is tied."""
    decided = Counter(str(vote.label) for vote in verdicts if vote.label is not None)
    yield f"[bold]{escape(name)}[/]: {plural(len(ratings), 'vote')} on {plural(len(verdicts), 'item')}"
    yield from _exclusions(ratings)
    rows: list[Sequence[Cell]] = []
    for label, count in decided.most_common():
        shares = [vote.share for vote in verdicts if str(vote.label) == label and vote.share is not None]
        rows.append([label, count, fmean(shares)])
    yield DataTable([*text("label"), *numbers("items", "share of votes, mean", wrap="fold")], rows)
    if undecided := [vote.item for vote in verdicts if vote.label is None]:
        yield (
            f"[yellow]{plural(len(undecided), 'item')} without a label[/]: the first place is tied, or no vote is left "
            f"[dim]({escape(first_few(undecided))})[/]"
        )
    yield ""


def split_blocks(
    parts: Mapping[str, np.ndarray], paths: Mapping[str, Path], groups: Sequence[str], column: str
) -> Iterator[Block]:
    """The parts of a split: their rows, their share, their groups, their files."""
    rows: list[Sequence[Cell]] = []
    for name, inside in parts.items():
        held = {group for group, member in zip(groups, inside, strict=True) if member}
        count = int(inside.sum())
        rows.append([name, count, f"{count / len(groups):.1%}", len(held), str(paths[name])])
    yield DataTable([*text("part"), *numbers("rows", "share", f"groups ({column})", wrap="fold"), *text("file")], rows)
    if len(set(groups)) == len(groups):
        yield (
            f"[yellow]no two rows share a value of {escape(column)}[/], so nothing was kept together; "
            "if one picture goes by several names, name a column that tells pictures apart (--group)"
        )


def _exclusions(ratings: Ratings) -> Iterator[str]:
    for exclusion in ratings.excluded:
        yield (
            f"[yellow]left out {plural(exclusion.ratings, 'rating')}[/]: {escape(exclusion.reason)} "
            f"[dim]({escape(first_few(exclusion.names))})[/]"
        )


def _reliability(raters: Sequence[Reliability], ratings: Ratings) -> DataTable:
    """The subjects by agreement with the others, worst first, before any of their ratings were left out."""
    kept = Counter(ratings.subjects[index] for index in ratings.subject.tolist())
    known = [rater.srcc for rater in raters if rater.srcc is not None]
    ordered = sorted(raters, key=lambda rater: -2.0 if rater.srcc is None else rater.srcc)
    middle = f"median {number(median(known))}" if known else "none"
    rows: list[Sequence[Cell]] = []
    for rater in ordered[:FEW]:
        srcc = TableCell(rater.reason or "", mark="dim") if rater.srcc is None else rater.srcc
        rows.append([rater.subject, rater.count, kept.get(rater.subject, 0), rater.mean, srcc])
    if len(ordered) > FEW:
        rows.append([TableCell(f"and {len(ordered) - FEW} who agree better", mark="dim")])
    headings = ("ratings", "kept", "mean", f"SRCC with the others ({middle})")
    return DataTable([*text("subject"), *numbers(*headings, wrap="fold")], rows)
