"""RichHF-18K: scores in four respects of 17,760 images of Pick-a-Pic v1.

The records of the public repository, and the images, which are not in it:

    train.tfrecord, dev.tfrecord, test.tfrecord     filename, aesthetics_score, artifact_score, misalignment_score,
                                                    overall_score, artifact_map, misalignment_map,
                                                    prompt_misalignment_label
    images/FILENAME                                 the image of Pick-a-Pic v1 with the UID that the name ends in
    prompts.csv                                     filename,prompt: in our layout, as the records have no prompts

Higher is better in all four, also where the name says otherwise: that is the paper's definition of plausibility and
alignment, and text-image metrics correlate positively with both in print. Maps and labels of words are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...files.rows import Row
from ...files.text import DataError
from ...files.tfrecord import read_examples
from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect, missing_rows
from ..checks import CopyChecks
from ..table_layout import SUFFIXES, Layout, LayoutColumn, find_table, rows_of, samples_of

SPLITS = {"train": 15810, "dev": 995, "test": 955}

RATINGS = {
    "plausibility": RatedAspect("plausibility, free of artefacts (artifact_score)", 0, 5),
    "alignment": RatedAspect("text-image alignment (misalignment_score)", 0, 5),
    "aesthetics": RatedAspect("aesthetics (aesthetics_score)", 0, 5),
    "overall": RatedAspect("overall (overall_score)", 0, 5),
}
"""The scale is not stated beside the files: 0 to 5 takes 0 to 1 and 1 to 5, and correlations do not see it."""

FEATURES = {
    "plausibility": "artifact_score", "alignment": "misalignment_score", "aesthetics": "aesthetics_score",
    "overall": "overall_score",
}  # fmt: skip

LAYOUT = Layout(
    table="test",
    identifier="filename",
    images={"edited": "filename"},
    prompt_filled=False,
    columns={"split": LayoutColumn(choices=tuple(SPLITS))},
    ratings=FEATURES,
    folders=("images", "."),
    rated=True,
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    prompts = _prompts(folder, checks)
    rows = []
    for split in SPLITS:
        path = folder / f"{split}.tfrecord"
        if path.is_file():
            rows += [Row(row.location, {**row.cells, "prompt": prompts.get(str(row.cells["filename"]))})
                     for row in _rows(path, split, checks)]  # fmt: skip
    if not rows and not checks.problems:
        checks.add("file", str(folder), "has no train.tfrecord, dev.tfrecord or test.tfrecord")
    return samples_of(rows, "RichHF-18K", folder, LAYOUT, RATINGS, checks)


def _rows(path: Path, split: str, checks: CopyChecks) -> Iterator[Row]:
    try:
        for number, features in enumerate(read_examples(path), 1):
            location = f"{path.name}, record {number}"
            names = [
                value.decode("utf-8", "replace") for value in features.get("filename", []) if isinstance(value, bytes)
            ]
            scores = {name: next(iter(features.get(name, [])), None) for name in FEATURES.values()}
            yield Row(location, {"filename": next(iter(names), None), "split": split, **scores})
    except DataError as error:
        checks.add("file", path.name, str(error))


def _prompts(folder: Path, checks: CopyChecks) -> dict[str, str]:
    """The prompts by file name, where somebody has put them beside the records."""
    if not any((folder / f"prompts{suffix}").is_file() for suffix in SUFFIXES):
        return {}
    path = find_table(folder, "prompts", checks)
    rows = rows_of(path, checks) if path else []
    if not rows or not checks.columns(str(path and path.name), rows[0].cells, ("filename", "prompt"), ()):
        return {}
    return {str(row.cells["filename"]): str(row.cells["prompt"]) for row in rows if row.cells.get("prompt")}


def _missing(samples: Sequence[Sample]) -> list[str]:
    lines = missing_rows(samples, "split", SPLITS, "images")
    if samples and not any(sample.prompt for sample in samples):
        lines.append("prompts: prompts.csv does not exist, so no metric that needs the prompt can score")
    return lines


BENCHMARK = Benchmark(
    name="richhf-18k",
    title="RichHF-18K",
    paper="Liang et al., Rich Human Feedback for Text-to-Image Generation, CVPR 2024 (arXiv 2312.10240)",
    ratings=RATINGS,
    protocol="richhf-18k",
    read=_read,
    size=sum(SPLITS.values()),
    unit="images",
    missing=_missing,
    pairing={"perception": "plausibility", "correspondence": "alignment", "quality": "overall"},
    obtain="the records are in github.com/google-research-datasets/richhf-18k (Git LFS); images and prompts are those "
    "of Pick-a-Pic v1, yuvalkirstain/pickapic_v1 on the Hugging Face hub, by the UID in the file name.",
    terms="look at the repository; the images' terms are Pick-a-Pic's.",
    public=True,
    split="split",
    evaluated="test",
    shown=("split",),
    methods=("LMM4LMM",),
)
