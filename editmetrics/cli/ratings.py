"""`editmetrics ratings`: raw ratings to MOS, and manifests to training, validation and test parts."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..agreement.ratings import Ratings


@click.group()
def ratings() -> None:
    """Turn people's raw ratings into MOS, and split rated data by source.

    \b
    editmetrics ratings mos raw.csv -o mos.csv             z-scored, 0 to 100
    editmetrics ratings mos raw.csv -o mos.csv --screen bt500
    editmetrics ratings split manifest.csv --ratio 4:1:1   manifest.train.csv, ...
    """


@ratings.command("mos")
@click.argument("raw", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write a row an item here.")
@click.option(
    "--rating",
    "columns",
    multiple=True,
    metavar="COLUMN",
    help="Column with ratings; as often as wanted. Default: 'value', or the only other column.",
)
@click.option("--subject", default="subject", show_default=True, metavar="COLUMN", help="Column that names who rated.")
@click.option("--item", default="item", show_default=True, metavar="COLUMN", help="Column that names what was rated.")
@click.option(
    "--method",
    type=click.Choice(["zscore", "mean"]),
    default="zscore",
    show_default=True,
    help="Mean of each subject's z-scores, rescaled to 0-100 (LMM4LMM 3.3), or of the ratings as they are.",
)
@click.option(
    "--screen",
    type=click.Choice(["none", "bt500", "iqr"]),
    default="none",
    show_default=True,
    help="Leave out observers by ITU-R BT.500, or single ratings by the interquartile range (EPAIQA 3.1).",
)
@click.option(
    "--whisker",
    type=click.FloatRange(min=0),
    default=1.5,
    show_default=True,
    help="With --screen iqr: so many interquartile ranges beyond the quartiles.",
)
@click.option("--scale", type=float, nargs=2, metavar="LOW HIGH", help="Leave out ratings outside of this scale.")
@click.option(
    "--repeats",
    type=click.Choice(["refuse", "mean"]),
    default="refuse",
    show_default=True,
    help="When somebody rated an item twice: refuse, or take the mean.",
)
@click.option(
    "--vote",
    "voted",
    multiple=True,
    metavar="COLUMN[:RATING]",
    help="Column of labels, decided by most votes; with :RATING, only by those whose RATING was kept.",
)
@click.option(
    "--subjects",
    "subjects_output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a row a subject here: how many ratings, how well they agree with the others'.",
)
@click.option("--overwrite", is_flag=True, help="Replace what stands under these names, whatever it is.")
def mos(raw: Path, output: Path | None, voted: tuple[str, ...], subjects_output: Path | None, **options: Any) -> None:
    """Turn RAW, a row for each subject and item (csv, jsonl or parquet), into a mean opinion score an item.

    RAW has the columns 'subject', 'item' and 'value', or others that you name. OUTPUT has 'id' and, for each rating
    column, its MOS, with .count, .sd, .low and .high (95 % interval); MOS of the column 'value' is called 'mos'.
    'editmetrics evaluate scores.csv OUTPUT' reads it.

    \b
    Exit codes: 0 every item has a MOS; 3 some have none; 2 called wrongly.
    """
    from ..agreement import mos as opinions
    from ..agreement import ratings as raw_ratings
    from ..agreement import screening
    from ..files.overwrite import check_table
    from ..files.rows import require_writable, write_rows
    from ..tables.ratings import opinion_score_blocks, vote_blocks
    from ..tables.terminal import show

    for path, known_by in ((output, ["id"]), (subjects_output, ["rating", "subject", "kept"])):
        if path is not None:
            require_writable(path)
            check_table(path, known_by, options["overwrite"])
    columns = options["columns"] or (
        () if voted else (raw_ratings.rating_column(raw, options["subject"], options["item"]),)
    )
    where = {"subject": options["subject"], "item": options["item"], "repeats": options["repeats"]}
    table: dict[str, dict[str, Any]] = {}
    raters: list[dict[str, Any]] = []
    kept: dict[str, Ratings] = {}
    complete = True
    for column in columns:
        read = raw_ratings.read_ratings(raw, column, scale=options["scale"] or None, **where)
        reliability = opinions.reliability(read)
        if options["screen"] == "bt500":
            read = screening.without_rejected_observers(read)
        elif options["screen"] == "iqr":
            read = screening.without_outliers(read, options["whisker"])
        kept[column] = read
        final = opinions.z_scores(read) if options["method"] == "zscore" else read
        scores, name = opinions.opinion_scores(final), "mos" if column == "value" else column
        for score in scores:
            cells = {"": score.mos, ".count": score.count, ".sd": score.sd, ".low": score.low, ".high": score.high}
            table.setdefault(score.item, {"id": score.item}).update({name + end: cell for end, cell in cells.items()})
        left = Counter(final.subjects[index] for index in final.subject.tolist())
        raters += [{"rating": name, **vars(rater), "kept": left[rater.subject]} for rater in reliability]
        show(opinion_score_blocks(name, final, scores, reliability, options["method"]))
        complete = complete and all(score.mos is not None for score in scores)
    for spec in voted:
        column, _, beside = spec.partition(":")
        read = raw_ratings.read_ratings(raw, column, labels=True, **where)
        if beside:
            if beside not in kept:
                raise click.UsageError(f"--vote {spec}: {beside!r} is not among the ratings; add --rating {beside}")
            read = read.kept_in(kept[beside], f"the {beside} rating given beside it was left out")
        verdicts = opinions.votes(read)
        for vote in verdicts:
            said: dict[str, Any] = {"": vote.label, ".count": vote.count, ".share": vote.share}
            table.setdefault(vote.item, {"id": vote.item}).update({column + end: cell for end, cell in said.items()})
        show(vote_blocks(column, read, verdicts))
        complete = complete and all(vote.label is not None for vote in verdicts)
    for file, rows in ((output, list(table.values())), (subjects_output, raters)):
        if file is not None:
            write_rows(rows, file)
            click.echo(f"wrote {file}")
    if output is None:
        click.echo("Nothing was written; -o mos.csv keeps a row an item.")
    sys.exit(0 if complete else 3)


@ratings.command("split")
@click.argument("manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--ratio", metavar="4:1:1", help="Sizes of the parts: train:test or train:val:test. Default: 4:1:1.")
@click.option("--folds", type=click.IntRange(min=2), help="Cross-validation instead: a train and a test part each.")
@click.option(
    "--group", default="source", show_default=True, metavar="COLUMN", help="Rows that share this are never parted."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, another split.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder. Default: beside MANIFEST."
)
@click.option("--overwrite", is_flag=True, help="Replace parts that are there already.")
def split(manifest: Path, ratio: str | None, folds: int | None, output: Path | None, **options: Any) -> None:
    """Split the rows of MANIFEST (csv, jsonl or parquet) so that no source stands in two parts.

    Writes MANIFEST.train.csv, MANIFEST.val.csv and MANIFEST.test.csv with the same columns, or, with --folds 5,
    MANIFEST.fold1.train.csv and so on. The same seed gives the same parts on every machine, whatever the order of the
    rows. Sizes are as near to the ratio as the groups allow.
    """
    from ..agreement.splits import SplitError, parts_of
    from ..files.rows import write_rows
    from ..tables.ratings import split_blocks
    from ..tables.terminal import show

    if ratio and folds:
        raise click.UsageError("--ratio and --folds are two ways to split; give one of them")
    shares = _shares(ratio or "4:1:1") if not folds else (1.0,) * folds
    rows, part = parts_of(manifest, options["group"], shares, options["seed"])
    folder = manifest.parent if output is None else output
    names: dict[str, Any] = {}
    if folds:
        for fold in range(folds):
            names |= {f"fold{fold + 1}.train": part != fold, f"fold{fold + 1}.test": part == fold}
    else:
        kinds = {2: ("train", "test"), 3: ("train", "val", "test")}
        for index, kind in enumerate(kinds.get(len(shares)) or [f"part{n}" for n in range(1, len(shares) + 1)]):
            names[kind] = part == index
    paths = {name: folder / f"{manifest.stem}.{name}{manifest.suffix}" for name in names}
    there = [str(path) for path in paths.values() if path.exists()]
    if there and not options["overwrite"]:
        raise SplitError(f"{there[0]} is there already{_and_more(there)}; --overwrite replaces what is there")
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in paths.items():
        write_rows([row for row, inside in zip(rows, names[name], strict=True) if inside], path)
    groups = [str(row[options["group"]]) for row in rows]
    show(split_blocks(names, paths, groups, options["group"]))
    if folder.resolve() != manifest.parent.resolve():
        click.echo(
            f"note: paths in the parts are still relative to {manifest.parent}; read them with --root {manifest.parent}"
        )


def _shares(ratio: str) -> tuple[float, ...]:
    try:
        return tuple(float(share) for share in ratio.split(":"))
    except ValueError:
        raise click.UsageError(f"--ratio {ratio}: expected numbers with colons between, as in 4:1:1") from None


def _and_more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
