"""Pick-a-Pic v1: pairs of generated images, and which one the user who wrote the prompt preferred.

Of the data set's parquet files, the two splits of the evaluation script, one pair for each prompt:

    test_unique-*.parquet, validation_unique-*.parquet   on the latter, the tie threshold is chosen
    caption, jpg_0, jpg_1, image_0_uid, image_1_uid
    ranking_id                                           the pair's name
    label_0                                              1 if image 0 is better, 0 if image 1 is, 0.5 for a tie
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ...sample import Sample
from ..benchmark import Benchmark, missing_rows
from ..checks import CopyChecks
from ..pair_layout import PREFERENCE, RATINGS, PairTable, read_tables

SIZES = {"test_unique": 500, "validation_unique": 500}
TABLES = tuple(
    PairTable(
        images={"edited": "jpg_0", "rival": "jpg_1"},
        prompt="caption",
        answer="label_0",
        answers={"1": 1.0, "0": -1.0, "0.5": 0.0},
        identifier="ranking_id",
        edits=("image_0_uid", "image_1_uid"),
        constants={"split": split},
        files=f"{split}-*.parquet",
        named=split,
    )
    for split in SIZES
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    return read_tables(folder, checks, *TABLES)


BENCHMARK = Benchmark(
    name="pickapic-v1",
    title="Pick-a-Pic v1",
    paper="Kirstain et al., Pick-a-Pic, NeurIPS 2023 (arXiv 2305.01569)",
    ratings=RATINGS,
    protocol="pickapic-v1",
    read=_read,
    size=sum(SIZES.values()),
    unit="pairs",
    missing=partial(missing_rows, column="split", expected=SIZES, unit="pairs"),
    pairing={"overall": PREFERENCE},
    obtain="two files of yuvalkirstain/pickapic_v1 of the Hugging Face hub: data/test_unique-*.parquet and "
    "data/validation_unique-*.parquet, linked in github.com/yuvalkirstain/PickScore.",
    terms="the code is under the MIT licence; its repository states none for the data: see the data set's page.",
    public=True,
    shown=("split",),
    methods=("PickScore",),
    pairs=True,
    also_called=("pickapic", "pick-a-pic"),
)
