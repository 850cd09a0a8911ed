"""Data sets in memory, whose ratings are made up, and tables of scores for them."""

import csv
from pathlib import Path

from editmetrics.benchmarks.catalogue import benchmark
from editmetrics.benchmarks.comparison.compute import ComputeOptions
from editmetrics.benchmarks.comparison.redo import TableRequest, redo
from editmetrics.benchmarks.load import Copy
from editmetrics.sample import Sample


def copy_of(name, rows, edits=4, **fields):
    """A complete copy, a sample for each row of `meta`; fields have {n}, its number, or {group}, of so many `edits`."""
    samples = [
        Sample(
            f"i{n}",
            edited="x.png",
            **{key: text.format(n=n, group=n // edits) for key, text in fields.items()},
            meta=meta,
        )
        for n, meta in enumerate(rows)
    ]
    return Copy(benchmark(name), Path(), samples, [], [], False)


def written(path, table):
    """A csv of columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([table, *zip(*table.values(), strict=True)])
    return path


def redone(copy, folder, path, *tables, **others):
    """The tables of a data set, of the scores in the file `path`."""
    name = copy.benchmark.name
    copies = {name: copy, **others}
    parts = {each: one.chosen() for each, one in copies.items()}
    return redo(name, copies, parts, TableRequest(scores=path, tables=tables), ComputeOptions(folder))
