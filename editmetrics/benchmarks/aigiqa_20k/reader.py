"""AIGIQA-20K: 20,000 images by 15 text-to-image models, rated from 0 to 5.

A table and a folder of images for each split (AIGCQA-30K-Image of ModelScope, as readers of others take it):

    info_train.csv, info_val.csv, info_test.csv     name,prompt,mos
    train/DALLE2_0001.png ...                       or all images in images/

The name holds the model. Other columns are allowed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect, missing_rows
from ..checks import CopyChecks
from ..table_layout import Layout, rows_of, samples_of

SPLITS = {"train": 14000, "val": 2000, "test": 4000}
RATINGS = {"quality": RatedAspect("quality and alignment in one (mos)", 0, 5)}
SUFFIXES = (".csv", ".xlsx")


def _layout(split: str) -> Layout:
    return Layout(
        table=f"info_{split}",
        identifier=None,
        images={"edited": "name"},
        columns={},
        ratings={"quality": "mos"},
        folders=(split, "images", "."),
        rated=True,
    )


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    samples: list[Sample] = []
    for split in SPLITS:
        layout = _layout(split)
        path = next((path for suffix in SUFFIXES if (path := folder / f"{layout.table}{suffix}").is_file()), None)
        if path is None:
            continue
        rows = rows_of(path, checks)
        others = dict.fromkeys(name for row in rows for name in row.cells if name not in ("name", "prompt", "mos"))
        read = samples_of(rows, path.name, folder, replace(layout, ignored=tuple(others)), RATINGS, checks)
        samples += [_named(sample, split, checks) for sample in read]
    if not samples and not checks.problems:
        checks.add("file", str(folder), "has no info_train.csv, info_val.csv or info_test.csv (or .xlsx)")
    checks.once([(sample.id, f"info_{sample.meta['split']}") for sample in samples], "image")
    return samples


def _named(sample: Sample, split: str, checks: CopyChecks) -> Sample:
    """The sample with its split, and the model in its name."""
    system, _, number = sample.id.rpartition("_")
    if not system or not number.isdigit():
        checks.add("value", sample.id, "is not named MODEL_NNNN.png", sample.id)
    return replace(sample, meta={"system": system, "split": split, **sample.meta})


BENCHMARK = Benchmark(
    name="aigiqa-20k",
    title="AIGIQA-20K",
    paper="Li et al., AIGIQA-20K, CVPR Workshops 2024 (arXiv 2404.03407)",
    ratings=RATINGS,
    protocol="aigiqa-20k",
    read=_read,
    size=sum(SPLITS.values()),
    unit="images",
    missing=partial(missing_rows, column="split", expected=SPLITS, unit="images"),
    pairing={"perception": "quality"},
    obtain="images are AIGCQA-30K-Image of lcysyzxdxc on ModelScope, tables with mos are strawhat/aigciqa-20k on the "
    "Hugging Face hub.",
    terms="Apache-2.0, as both pages state.",
    public=True,
    split="split",
    evaluated="test",
    shown=("system", "split"),
    also_called=("agiqa-20k", "aigciqa-20k"),
)
