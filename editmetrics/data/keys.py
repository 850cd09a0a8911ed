"""A manifest whose rows have keys and no edited images, and folders of images that are called after the keys.

So a benchmark's inputs, which are laid out once, meet the outputs of any number of systems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..files.headings import KEYS, by_last_parts, read_as, renamed
from ..files.notes import note_once
from ..files.rows import Row
from ..files.text import DataError, mended
from ..images import image_name
from ..sample import Sample
from ..wording import first_few, plural
from .manifest import ManifestTable, problems_of, require_unique_rows, sample_of
from .name_advice import name_advice, shared_value
from .pairing import Fields, PairBy
from .sample_set import Listing, SampleSet, examples, images_in, system_names


@dataclass(frozen=True)
class KeyedRow:
    """A row of a manifest, the name that its images have, and its id."""

    row: Row
    name: str
    id: str


@dataclass(frozen=True)
class Match:
    """The name of an image in its folder, the row that it belongs to, and other fields that its name has."""

    image: str
    row: KeyedRow
    fields: Fields


def from_keys(
    table: ManifestTable,
    folders: Sequence[Path],
    columns: Mapping[str, str] | None = None,
    pair_by: str | None = None,
) -> SampleSet:
    """A sample for each row of `table` and image of `folders` that has its name; each folder is a system of its own.

    A row's name is its cell `save_as`, or else `edited`, or else `id` (or `key`, `idx`, ...), without the suffix; the
    path of an image in its folder is compared with it letter by letter. Where no name of a folder matches so, the last
    parts of names do: `dog/en/0a1b` is `0a1b`, where this tells one row.

    `pair_by` is another pattern of the images' names, whose fields are columns, as in "{task}/{key}"; with fields
    that are not columns, `{id}` stands for the row's name, as in "{id}_{seed}".

    Rows without an image and images without a row are listed in `unmatched`, with advice on usual mistakes in a note.
    Raises `DataError` where nothing matches, and for a table without names.
    """
    rows, headings = _headed(table, columns)
    damaged = [mended(f"{table.name}, {row.location}: {row.problem}") for row in rows if row.problem]
    keyed, pattern = _keyed(table, [row for row in rows if not row.problem], pair_by)
    unmatched: dict[str, list[str]] = {
        "ambiguous": [],
        "keys": [],
        "keyless": [],
        "unusable": [],
        "unreadable": damaged,
    }
    samples: list[Sample] = []
    for folder, system in zip(folders, system_names(folders), strict=True):
        edits = images_in(folder, folders)
        unmatched["ambiguous"] += edits.shared()
        unmatched["unusable"] += edits.unusable
        matches, ambiguous = _matches(edits, keyed, pattern)
        unmatched["ambiguous"] += ambiguous.values()
        if not matches:
            raise DataError(_nothing_matched(table, edits, keyed))
        _note_unmatched(unmatched, keyed, edits, {match.image for match in matches} | ambiguous.keys(), matches, system)
        samples += (_sample(table, match, edits, system) for match in matches)
    unmatched["unreadable"] = damaged + list(filter(None, (problems_of(sample, table.name) for sample in samples)))
    return SampleSet(samples, {kind: names for kind, names in unmatched.items() if names}, headings, table.name)


def _headed(table: ManifestTable, columns: Mapping[str, str] | None) -> tuple[list[Row], Mapping[str, str]]:
    names = dict.fromkeys(mended(column) for row in table.rows for column in row.cells)
    cells = {name: [row.cells.get(name) for row in table.rows] for name in names}
    headings = read_as(table.name, cells, KEYS, columns)
    rows = [replace(row, cells=renamed(row.cells, headings)) for row in table.rows] if headings else table.rows
    return rows, headings


def _keyed(table: ManifestTable, rows: list[Row], pair_by: str | None) -> tuple[list[KeyedRow], PairBy | None]:
    """The rows with their names, and the pattern of images' names where it has more than columns."""
    columns = dict.fromkeys(name for row in rows for name in row.cells)
    fields = re.findall(r"\{([^{}]*)\}", pair_by or "")
    if pair_by and fields and all(field in columns for field in fields):
        names = [image_name(_filled(pair_by, row)) for row in rows]
        pattern = None
    else:
        pattern = None if pair_by is None else PairBy.parse(pair_by)
        named = next((column for column in ("save_as", "edited", "id") if column in columns), None)
        if named is None:
            first = next(iter(columns))
            raise DataError(
                f"{table.name} has no column 'edited' or 'id' to tell which image belongs to which row; its columns "
                f"are {', '.join(columns)}. Say how the images are called, --pair-by '{{{first}}}', or which column "
                f"names them, --map id={first}"
            )
        names = [image_name(_text(row.cells.get(named))) for row in rows]
    keyed = [KeyedRow(row, name, _text(row.cells.get("id")) or name) for row, name in zip(rows, names, strict=True)]
    if lacking := [one.row.location for one in keyed if one.name in ("", ".")]:
        raise DataError(f"{table.name}: rows without a name for their image: {first_few(lacking)}")
    require_unique_rows(table.name, [one.id for one in keyed], rows)
    return keyed, pattern


def _filled(pattern: str, row: Row) -> str:
    return re.sub(r"\{([^{}]*)\}", lambda field: _text(row.cells.get(field[1])), pattern)


def _text(cell: object) -> str:
    return "" if cell is None else mended(str(cell).strip())


def _matches(edits: Listing, rows: Sequence[KeyedRow], pattern: PairBy | None) -> tuple[list[Match], dict[str, str]]:
    """The matches in the order of the rows, and the images that could belong to several rows, with these.

    Images whose name several files have match nothing.
    """
    ambiguous: dict[str, str] = {}
    by_name: dict[str, list[KeyedRow]] = {}
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    images = edits.alone()
    if pattern is not None:
        read = {image: list(_readings(pattern, image, by_name)) for image in images}
        ways = {
            image: {(match.row.name, *match.fields.items()) for match in readings} for image, readings in read.items()
        }
        ambiguous = {
            image: f"{image} (row {' or '.join(sorted({str(name) for name, *_ in readings}))})"
            for image, readings in ways.items()
            if len(readings) > 1
        }
        matches = [match for image, readings in read.items() if image not in ambiguous for match in readings]
    else:
        names = {image: image for image in images if image in by_name} or _by_last_parts(edits, images, by_name)
        matches = [Match(image, row, {}) for image, name in names.items() for row in by_name[name]]
    order = {row.id: number for number, row in enumerate(rows)}
    return sorted(matches, key=lambda match: (order[match.row.id], match.image)), ambiguous


def _readings(pattern: PairBy, image: str, by_name: Mapping[str, Sequence[KeyedRow]]) -> Iterator[Match]:
    """Each way to read the name of an image whose row exists, and whose fields agree with the columns of that row."""
    for fields in pattern.edited.readings(image):
        others = {name: text for name, text in fields.items() if name != "id"}
        for row in by_name.get(fields["id"], ()):
            if all(_text(row.row.cells[name]) == text for name, text in others.items() if name in row.row.cells):
                yield Match(image, row, {name: text for name, text in others.items() if name not in row.row.cells})


def _by_last_parts(edits: Listing, images: Mapping[str, Path], by_name: Mapping[str, object]) -> dict[str, str]:
    """From the names of images to those of rows, of which one ends with the other."""
    if matched := by_last_parts(images, by_name):  # all/dog/0a1b.png for dog/0a1b
        names = dict(matched)
    else:
        names = {image: name for name, image in (by_last_parts(by_name, images) or {}).items()}
    if names:
        image, name = next(iter(names.items()))
        note_once(f"the images in {edits.folder} are matched by the last parts of their names: {image!r} is {name!r}")
    return names


def _sample(table: ManifestTable, match: Match, edits: Listing, system: str | None) -> Sample:
    row = match.row
    sample = sample_of(row.row, f"{table.name}, {row.row.location}", table.folder, ())
    meta = {**sample.meta, **match.fields} | ({} if system is None else {"system": system})
    identifier = "_".join([row.id, *(text for name, text in match.fields.items() if name != "system")])
    system = system or match.fields.get("system")
    identifier = f"{system}/{identifier}" if system else identifier
    return replace(sample, id=identifier, edited=edits.images[match.image][0], meta=meta)


def _note_unmatched(
    unmatched: dict[str, list[str]],
    rows: Sequence[KeyedRow],
    edits: Listing,
    used: set[str],
    matches: Sequence[Match],
    system: str | None,
) -> None:
    """Add the rows without an image and the images that are not `used`, and note what may be the reason."""
    prefix = f"{system}/" if system else ""
    with_image = {match.row.id for match in matches}
    lacking = [row for row in rows if row.id not in with_image]
    strange = [image for image in edits.alone() if image not in used]
    unmatched["keys"] += [f"{prefix}{row.id}{edits.why_none(row.name)}" for row in lacking]
    unmatched["keyless"] += [f"{prefix}{image}" for image in strange]
    for advice in name_advice([row.name for row in lacking], strange):
        note_once(f"{edits.folder}: {advice}")
    shared = shared_value([row.row.cells for row in rows], [row.id not in with_image for row in rows])
    if shared is not None:
        column, values = shared
        note_once(
            f"{edits.folder} has no image for any row with {column} {first_few(values)} ({plural(len(lacking), 'row')})"
        )


def _nothing_matched(table: ManifestTable, edits: Listing, rows: Sequence[KeyedRow]) -> str:
    names, images = [row.name for row in rows], list(edits.images)
    advice = "; ".join(name_advice(names, images)) or "name the pattern: --pair-by '{id}_edited', or of columns"
    return (
        f"no image in {edits.folder} belongs to a row of {table.name}: the rows are called {examples(names)}, the "
        f"images {examples(images)}; {advice}"
    )
