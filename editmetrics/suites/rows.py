"""The fields of a benchmark's rows, read from a manifest's columns or from the folders that an image lies in."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..sample import Sample
from ..wording import first_few, plural
from .definition import RowField, Suite, SuiteError


def fields_of(suite: Suite, sample: Sample) -> dict[str, str]:
    """Return the fields of a sample's row; one that is missing, or that the benchmark does not have, is left out.

    >>> from editmetrics.suites import SUITES
    >>> cat = Sample("cat", edited="out/fullset/color_alter/en/cat.png", meta={"Intersection_exist": True})
    >>> fields_of(SUITES["gedit"], cat)
    {'task': 'color_alter', 'language': 'en', 'intersection': 'yes'}
    """
    fields = {field.name: _value(field, sample) for field in suite.fields}
    return {name: value for name, value in fields.items() if value is not None}


def check_rows(suite: Suite, samples: Sequence[Sample]) -> None:
    """Raise `SuiteError`, before anything is asked, for samples that do not fit the benchmark.

    A sample without a needed field, with a value that the benchmark does not have, or with a file that is a usual
    mistake (`Suite.advise`).
    """
    mistakes = [advice for sample in samples if (advice := suite.advise(path_of(sample.edited)))]
    if mistakes:
        more = f" (so do {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        raise SuiteError(f"the suite {suite.name}: {mistakes[0]}{more}")
    for field in suite.fields:
        without = [sample.id for sample in samples if field.needed and _value(field, sample) is None]
        if not without:
            continue
        known = f", one of {', '.join(field.values)}" if field.values else ""
        folders = ", or put the image in a folder of that name" if field.values and not field.numbered else ""
        if field.numbered:
            ends = [number for pair in field.numbered.values() for number in pair]
            known = f", a number from {min(ends)} to {max(ends)}; a file of that name will do as well"
        has = {str(sample.meta[name]) for sample in samples for name in field.columns if name in sample.meta}
        strange = f"; the column has {first_few(sorted(has - {*field.values}))}" if has - {*field.values} else ""
        raise SuiteError(
            f"the suite {suite.name} requires the {field.name} of each row, and {plural(len(without), 'sample')} of "
            f"{len(samples):,} {'has' if len(without) == 1 else 'have'} none: {first_few(without)}{strange}. Give it "
            f"as the column {field.columns[0]} of a manifest{known}{folders}"
        )
    for sample in samples:
        ratings_of(suite, sample)


def ratings_of(suite: Suite, sample: Sample) -> dict[str, float]:
    """Return the numbers that people gave a sample, by the names of the suite's values; empty where there are none.

    Raises `SuiteError` for ratings that cannot be read.
    """
    cells = [sample.meta.get(column) for column in suite.people.columns] if suite.people else []
    if suite.people is None or all(_empty(cell) for cell in cells):
        return {}
    try:
        return dict(suite.people.read([str(cell) for cell in cells if not _empty(cell)]))
    except ValueError as error:
        raise SuiteError(
            f"the suite {suite.name}: the ratings of {sample.id} cannot be read: {error}; they are the columns "
            f"{', '.join(suite.people.columns)}"
        ) from error


def notes_on_rows(suite: Suite, samples: Sequence[Sample]) -> Iterator[str]:
    """Yield what a reader of the table should know of its rows: images that several rows share, and missing fields."""
    counts = Counter((sample.meta.get("system"), path) for sample in samples if (path := path_of(sample.edited)))
    if shared := sorted(path for (_, path), count in counts.items() if count > 1):
        yield (
            f"{plural(len(shared), 'edited image')} judged for more than one row, which share a file name: "
            f"{first_few(shared)}"
        )
    shown = {name for table in suite.tables for block in table.blocks for name in block.where}
    for field in suite.fields:
        if field.needed or field.name not in shown or field.compute is not None or field.default is not None:
            continue
        if not any(_value(field, sample) is not None for sample in samples):
            yield f"no sample has the column {field.columns[0]}, so that its rows of the table are left out"


def notes_on_sizes(suite: Suite, samples: Sequence[Sample]) -> Iterator[str]:
    """Yield which rows of the benchmark the samples of each system are, by their number."""
    for system, count in Counter(sample.meta.get("system") for sample in samples).items() if suite.sizes else ():
        name = "" if system is None else f"{system}: "
        known = " or ".join(f"{size:,} ({title})" for size, title in suite.sizes.items())
        yield f"{name}{count:,} rows; " + (suite.sizes.get(count) or f"the benchmark has {known}")


def notes_on_left_out(suite: Suite, rows: Mapping[str | None, Sequence[Mapping[str, str]]]) -> Iterator[str]:
    """Yield how many rows, by system, are in no line of the benchmark's first table, and the fields they have."""
    blocks = suite.tables[0].blocks if suite.tables else ()
    names = dict.fromkeys(name for block in blocks for name in block.where)
    for system, fields in rows.items():
        outside = [own for own in fields if not any(selected(own, block.where) for block in blocks)]
        kinds = Counter(", ".join(f"{name} {own.get(name, 'missing')}" for name in names) for own in outside)
        if outside:
            counts = "; ".join(f"{kind}: {count:,}" for kind, count in kinds.most_common(3))
            who = "" if system is None else f"{system}: "
            yield f"{who}{plural(len(outside), 'sample')} of {len(fields):,} in no row of the table ({counts})"


def _value(field: RowField, sample: Sample) -> str | None:
    if field.compute is not None:
        return field.compute(sample)
    if field.presence:
        return "yes" if any(_has(sample, column) for column in field.columns) else "no"
    for column in field.columns:
        if (cell := sample.meta.get(column)) is not None:
            value = _text(cell)
            value = _of_number(field, value) or field.renamed.get(value, value)
            return value if not field.values or value in field.values else None
    if field.default is not None:
        return field.default
    folders = [re.split(r"[/\\]", text) for text in (sample.id, path_of(sample.edited))]
    if field.numbered:
        names = (os.path.splitext(part)[0] for parts in folders[::-1] for part in parts[::-1])
        return next(filter(None, (_of_number(field, name) for name in names)), None)
    parts = [part for parts in folders for part in parts[:-1]]
    spelled = {value: value for value in field.values} | dict(field.renamed)
    return next((spelled[part] for part in parts if part in spelled and not part.isdigit()), None)


def _of_number(field: RowField, text: str) -> str | None:
    if not re.fullmatch(r"\d+(\.0+)?", text):
        return None
    number = int(float(text))
    return next((value for value, (first, last) in field.numbered.items() if first <= number <= last), None)


def _has(sample: Sample, column: str) -> bool:
    cell = sample.meta.get(column)
    if cell is None:
        return hasattr(sample, column) and sample.has(column)
    return not _empty(cell)


def _empty(cell: Any) -> bool:
    return cell is None or str(cell).strip().lower() in ("", "nan")


def _text(cell: Any) -> str:
    """Return a cell as text; true and false, however they are written, as yes and no."""
    if isinstance(cell, str) and cell.strip().lower() in ("true", "false"):
        cell = cell.strip().lower() == "true"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return str(cell).strip()


def path_of(image: Any) -> str:
    """Return the path of an image's file; empty for an image in memory."""
    return os.fsdecode(image) if isinstance(image, (str, os.PathLike)) else getattr(image, "path", "")


def selected(fields: Mapping[str, str], where: Mapping[str, tuple[str, ...]]) -> bool:
    """Tell whether a row with these fields is one of those that `where` names."""
    return all(fields.get(name) in values for name, values in where.items())
