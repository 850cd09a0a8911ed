"""`editmetrics ratings`: raw ratings to MOS, and manifests to training, validation and test parts."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ..command_line import SectionedCommand, file_option, folder_option, map_option, name_value_pairs, overwrite_option
from ..wording import expected_one_of, first_few
from .ratings_rank import rank_votes

if TYPE_CHECKING:
    from ..agreement.ratings import Ratings


@click.group()
def ratings() -> None:
    """Turn people's raw ratings into MOS, votes into scores, and split rated data by source.

    \b
    editmetrics ratings mos raw.csv -o mos.csv             z-scored, 0 to 100
    editmetrics ratings mos raw.csv -o mos.csv --screen bt500
    editmetrics ratings rank votes.csv -o ranked.csv       pairs or rankings, Elo
    editmetrics ratings split manifest.csv --ratio 4:1:1   manifest.train.csv, ...
    """


ratings.add_command(rank_votes)


@ratings.command("mos", cls=SectionedCommand)
@click.argument("raw", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@file_option("-o", "--output", text="Write the MOS to this file, one row per item.")
@click.option(
    "--rating",
    "rating_columns",
    multiple=True,
    metavar="COLUMN",
    show_default="value, rating, score, ..., or the only other column",
    help="Rating column. Repeatable.",
)
@click.option(
    "--subject",
    metavar="COLUMN",
    show_default="subject, or rater, annotator, ...",
    help="Column that identifies the rater.",
)
@click.option(
    "--item",
    metavar="COLUMN[,COLUMN]",
    show_default="item, or id, image, file_name, ...",
    help="Column that identifies the rated item, or several, such as system,image.",
)
@click.option(
    "--raters",
    multiple=True,
    metavar="COLUMN,...",
    show_default="columns such as rater_1, rater_2",
    help="Columns that hold the ratings of one rater each, or patterns such as 'r*'. Repeatable.",
)
@map_option
@click.option(
    "--method",
    type=click.Choice(["zscore", "mean"]),
    default="zscore",
    help="Average each subject's z-scores, rescaled to 0-100 (LMM4LMM 3.3), or the raw ratings.",
)
@click.option(
    "--screen",
    type=click.Choice(["none", "bt500", "iqr"]),
    default="none",
    help="Exclude observers by ITU-R BT.500, or single ratings by the interquartile range (EPAIQA 3.1).",
)
@click.option(
    "--whisker",
    type=click.FloatRange(min=0),
    default=1.5,
    help="With --screen iqr: number of interquartile ranges beyond the quartiles.",
)
@click.option("--scale", type=float, nargs=2, metavar="LOW HIGH", help="Exclude ratings outside this range.")
@click.option(
    "--repeats",
    type=click.Choice(["refuse", "mean"]),
    default="refuse",
    help="Reject or average repeated ratings of an item by one subject.",
)
@click.option(
    "--vote",
    "voted",
    multiple=True,
    metavar="COLUMN[:RATING]",
    help="Label column, decided by majority; with :RATING, only among subjects whose RATING was kept. Repeatable.",
)
@file_option(
    "--subjects",
    "subjects_output",
    text="Write one row per subject to this file: number of ratings, and agreement with the other subjects.",
)
@overwrite_option()
def mos(
    raw: Path,
    output: Path | None,
    rating_columns: tuple[str, ...],
    subject: str | None,
    item: str | None,
    raters: tuple[str, ...],
    columns: tuple[str, ...],
    method: Literal["zscore", "mean"],
    screen: Literal["none", "bt500", "iqr"],
    whisker: float,
    scale: tuple[float, float] | None,
    repeats: Literal["refuse", "mean"],
    voted: tuple[str, ...],
    subjects_output: Path | None,
    overwrite: bool,
) -> None:
    """Turn RAW, a table of several people's ratings, into one mean opinion score per item.

    RAW has one row per subject and item, with the columns 'subject', 'item' and 'value', or one column per rater, or
    one per item; common headings are understood, and you can name others. OUTPUT has 'id' and, for each rating
    column, its MOS, with .count, .sd, .low and .high (95 % interval); the MOS of the column 'value' is called 'mos'.
    'editmetrics evaluate scores.csv OUTPUT' reads it.

    Exit codes: 0 every item has a MOS; 2 usage error; 3 some items have none.
    """
    from ..agreement.ratings import rating_column
    from ..files.headings import RATINGS
    from ..files.overwrite import check_table
    from ..files.rows import require_writable, write_rows

    for path, known_by in ((output, ["id"]), (subjects_output, ["rating", "subject", "kept"])):
        if path is not None:
            require_writable(path)
            check_table(path, known_by, overwrite)
    mapped = name_value_pairs("--map", columns, "NAME=COLUMN")
    if unknown := [name for name in mapped if name not in RATINGS]:
        raise click.UsageError(f"--map {unknown[0]}=...: {expected_one_of(unknown[0], RATINGS)}")
    names = {"subject": subject or mapped.get("subject", "subject"), "item": item or mapped.get("item", "item")}
    opinions = _Opinions(raw, {**names, "raters": raters, "repeats": repeats})
    if not rating_columns and "value" in mapped:
        rating_columns = (mapped["value"],)
    elif not rating_columns and not voted:
        rating_columns = (rating_column(raw, **names, raters=raters),)
    for column in rating_columns:
        opinions.rate(column, method, screen, whisker, scale or None)
    for spec in voted:
        opinions.vote(spec)
    for file, rows in ((output, [*opinions.table.values()]), (subjects_output, opinions.raters)):
        if file is not None:
            write_rows(rows, file)
            click.echo(f"wrote {file}")
    if output is None:
        click.echo("Nothing was written; add -o mos.csv to write one row per item.")
    sys.exit(0 if opinions.complete else 3)


@dataclass
class _Opinions:
    """The tables that `mos` collects from the columns of `raw`, and shows on the way."""

    raw: Path
    layout: dict[str, Any]
    table: dict[str, dict[str, Any]] = field(default_factory=dict)
    raters: list[dict[str, Any]] = field(default_factory=list)
    kept: dict[str, Ratings] = field(default_factory=dict)
    complete: bool = True

    def rate(self, column: str, method: str, screen: str, whisker: float, scale: tuple[float, float] | None) -> None:
        """Add the mean opinion scores of a rating column."""
        from ..agreement import mos, screening
        from ..agreement.ratings import read_ratings
        from ..tables.ratings import opinion_score_blocks
        from ..tables.table import show

        raw_ratings = read_ratings(self.raw, column, scale=scale, **self.layout)
        reliability = mos.reliability(raw_ratings)
        if screen == "bt500":
            raw_ratings = screening.without_rejected_observers(raw_ratings)
        elif screen == "iqr":
            raw_ratings = screening.without_outliers(raw_ratings, whisker)
        self.kept[column] = raw_ratings
        final = mos.z_scores(raw_ratings) if method == "zscore" else raw_ratings
        scores, name = mos.opinion_scores(final), "mos" if column == "value" else column
        for score in scores:
            cells = {"": score.mos, ".count": score.count, ".sd": score.sd, ".low": score.low, ".high": score.high}
            self._add(score.item, name, cells)
        counts = Counter(final.subjects[index] for index in final.subject.tolist())
        self.raters += [{"rating": name, **vars(rater), "kept": counts[rater.subject]} for rater in reliability]
        show(opinion_score_blocks(name, final, scores, reliability, method))
        self.complete = self.complete and all(score.mos is not None for score in scores)

    def vote(self, spec: str) -> None:
        """Add the majority label of COLUMN or COLUMN:RATING."""
        from ..agreement import mos
        from ..agreement.ratings import read_ratings
        from ..tables.ratings import vote_blocks
        from ..tables.table import show

        column, _, rating = spec.partition(":")
        labels = read_ratings(self.raw, column, labels=True, **self.layout)
        if rating:
            if rating not in self.kept:
                raise click.UsageError(f"--vote {spec}: {rating!r} is not among the ratings; add --rating {rating}")
            labels = labels.kept_in(self.kept[rating], f"the {rating} rating beside it was excluded")
        verdicts = mos.votes(labels)
        for vote in verdicts:
            self._add(vote.item, column, {"": vote.label, ".count": vote.count, ".share": vote.share})
        show(vote_blocks(column, labels, verdicts))
        self.complete = self.complete and all(vote.label is not None for vote in verdicts)

    def _add(self, item: str, name: str, cells: dict[str, Any]) -> None:
        self.table.setdefault(item, {"id": item}).update({name + ending: cell for ending, cell in cells.items()})


@ratings.command("split")
@click.argument("manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--ratio", metavar="4:1:1", show_default="4:1:1", help="Sizes of the parts: train:test or train:val:test."
)
@click.option("--folds", type=click.IntRange(min=2), help="Number of folds for cross-validation, in place of --ratio.")
@click.option(
    "--group", default="source", metavar="COLUMN", help="Keep rows with equal values in this column together."
)
@click.option("--seed", type=int, default=0, help="Random seed for the split.")
@folder_option("-o", "--output", show_default="beside MANIFEST", text="Write the parts to this folder.")
@overwrite_option("Replace existing parts.")
def split(
    manifest: Path,
    ratio: str | None,
    folds: int | None,
    group: str,
    seed: int,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Split the rows of MANIFEST, a table, so that no source is in two parts.

    Writes MANIFEST.train.csv, MANIFEST.val.csv and MANIFEST.test.csv with the same columns, or, with --folds 5,
    MANIFEST.fold1.train.csv and so on. The same seed gives the same parts on every machine, in any order of the rows.
    Sizes are as close to the ratio as the groups allow.
    """
    from ..agreement.splits import SplitError, parts_of
    from ..files.rows import TABLE_SUFFIXES, table_suffix, write_rows
    from ..tables.ratings import split_blocks
    from ..tables.table import show

    if ratio and folds:
        raise click.UsageError("--ratio and --folds exclude each other; give one of them")
    shares = (1.0,) * folds if folds else _shares(ratio or "4:1:1")
    rows, part = parts_of(manifest, group, shares, seed)
    folder = manifest.parent if output is None else output
    names = _part_names(part, len(shares), folds)
    suffix = table_suffix(manifest) or manifest.suffix
    stem = manifest.name[: manifest.name.lower().rindex(suffix)]
    ending = suffix if suffix in TABLE_SUFFIXES else ".csv"
    paths = {name: folder / f"{stem}.{name}{ending}" for name in names}
    existing = [str(path) for path in paths.values() if path.exists()]
    if existing and not overwrite:
        raise SplitError(f"already exists: {first_few(existing, 1)}; --overwrite replaces existing parts")
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in paths.items():
        write_rows([row for row, inside in zip(rows, names[name], strict=True) if inside], path)
    show(split_blocks(names, paths, [str(row[group]) for row in rows], group))
    if folder.resolve() != manifest.parent.resolve():
        click.echo(
            f"note: paths in the parts are relative to {manifest.parent}; read them with --root {manifest.parent}"
        )


def _part_names(part: Any, count: int, folds: int | None) -> dict[str, Any]:
    """Return which rows are in each file, as masks by its name."""
    if folds:
        masks: dict[str, Any] = {}
        for index in range(folds):
            masks |= {f"fold{index + 1}.train": part != index, f"fold{index + 1}.test": part == index}
        return masks
    known: dict[int, Sequence[str]] = {2: ("train", "test"), 3: ("train", "val", "test")}
    kinds = known.get(count) or [f"part{number}" for number in range(1, count + 1)]
    return {kind: part == index for index, kind in enumerate(kinds)}


def _shares(ratio: str) -> tuple[float, ...]:
    try:
        return tuple(float(share) for share in ratio.split(":"))
    except ValueError:
        raise click.UsageError(f"--ratio {ratio}: expected numbers separated by colons, such as 4:1:1") from None
