"""Samples from rows in memory: a data frame, a data set of Hugging Face or torch, or a list of dictionaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..files.headings import SAMPLE, read_as, renamed
from ..files.text import DataError
from ..images import image_name
from ..images.stand_ins import file_or_pixels
from ..sample import FIELDS, IMAGE_FIELDS, Sample
from .data_sets import rows_of_data_set
from .sample_set import SampleSet


def from_rows(rows: Any, columns: Mapping[str, str] | None = None) -> list[Sample]:
    """Return a sample for each row of a data frame (pandas, polars) or of other mappings; `Sample`s stay as they are.

    Columns are named as the fields of `Sample`; all others are kept in `meta`. Images are whatever `Sample` takes: a
    path, relative to the current folder, a PIL image, an array, a tensor. Without an `id`, the path of the edited file
    without its suffix is the row's id; where it is no path or paths are not unique, the row's number from 0. Other
    names of columns are understood as in `from_manifest`, with a note; `columns` chooses, as in `{"prompt": "task"}`.

    Raises `DataError` for a row that is no mapping, without a column `edited`, and for two rows with one id.

    >>> from_rows([{"edited": "edits/cat.png", "prompt": "a dog", "mos": 3.5}])[0].id
    'edits/cat'
    """
    return list(set_of_rows(rows, columns))


def set_of_rows(rows: Any, columns: Mapping[str, str] | None = None) -> SampleSet:
    """`from_rows`, with the headings that were read."""
    if isinstance(rows, SampleSet):
        return rows
    listed = list(_mappings(rows))
    if all(isinstance(row, Sample) for row in listed):
        if columns:
            raise DataError("columns are named for a table or rows; samples have their fields already")
        return SampleSet(listed)
    for number, row in enumerate(listed):
        if not isinstance(row, Mapping):
            raise DataError(f"row {number} is of type {type(row).__name__}; expected a Sample or a mapping of columns")
    names = dict.fromkeys(column for row in listed for column in row if isinstance(column, str))
    headings = read_as("the rows", {name: [row.get(name) for row in listed] for name in names}, SAMPLE, columns)
    if "edited" not in {*names, *headings}:
        raise DataError(
            f"the rows have no column 'edited'; their columns are {', '.join(names) or 'none'}; say which one holds "
            f"the edited image: columns={{'edited': {next(iter(names), 'COLUMN')!r}}}"
        )
    if headings:
        listed = [renamed(row, headings) for row in listed]
    samples = [_sample(row, identifier) for row, identifier in zip(listed, _ids(listed), strict=True)]
    if twice := [name for name, count in Counter(sample.id for sample in samples).items() if count > 1]:
        raise DataError(f"{len(twice)} ids stand for more than one row, {twice[0]!r} among them; ids must be unique")
    return SampleSet(samples, headings=headings)


def _mappings(rows: Any) -> Iterable[Any]:
    if hasattr(rows, "to_dicts"):  # polars
        frame: Iterable[Any] = rows.to_dicts()
        return frame
    if hasattr(rows, "iterrows"):  # pandas
        records: Iterable[Any] = rows.to_dict("records")
        return records
    if isinstance(rows, Mapping):
        raise DataError(f"a mapping of {', '.join(map(repr, rows))} is not a list of rows; choose one of them")
    if hasattr(rows, "__getitem__") and hasattr(rows, "__len__") and not isinstance(rows, Sequence):
        return rows_of_data_set(rows)
    return rows


def _sample(row: Mapping[str, Any], identifier: str) -> Sample:
    fields = {"edited": None} | {name: row[name] for name in FIELDS if name in row}
    fields |= {name: file_or_pixels(fields[name]) for name in IMAGE_FIELDS if name in fields}
    if isinstance(fields.get("questions"), list):
        fields["questions"] = tuple(fields["questions"])
    return Sample(identifier, meta={k: v for k, v in row.items() if k not in FIELDS and k != "id"}, **fields)


def _ids(rows: list[Mapping[str, Any]]) -> list[str]:
    if any("id" in row for row in rows):
        named = [row.get("id") for row in rows]
        return [str(n) if one in (None, "") or one != one else str(one) for n, one in enumerate(named)]  # NaN
    names = [image_name(row["edited"]) if isinstance(row.get("edited"), str) else "" for row in rows]
    unique = all(names) and len(set(names)) == len(names)
    return names if unique else [str(number) for number in range(len(rows))]
