"""ImageRewardDB, its test split: images of 466 prompts, four to nine each, ranked by people, as pairs.

As the repository has it:

    test.json      a list of {"id", "prompt", "generations": [...], "ranking": [...]}, 1 is best; also in data/
    test_images/   the images, beside it

or as the data set on the Hugging Face hub has it, unpacked:

    images/test/test_1/test_1.json   a list of {"prompt_id", "prompt", "image_path", "rank", ...}, an image each
    images/test/test_1/*.webp        the images, found by the last part of image_path
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...pairs.choices import rank_in
from ...sample import Sample
from ..benchmark import Benchmark
from ..checks import CopyChecks
from ..pair_layout import PREFERENCE, RATINGS, PairsOfCopy, RankedImages, RankedSets
from ..table_layout import rows_of

SETS = RankedSets(images="generations", ranks="ranking", identifier="id")
COLUMNS = ("prompt_id", "prompt", "image_path", "rank")


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    for below in (folder, folder / "data"):
        if (below / "test.json").is_file():
            pairs = PairsOfCopy(checks, below / "test_images")
            for ranked in SETS.read(below / "test.json", checks):
                ranked.add_to(pairs)
            return pairs.samples()
    pairs = PairsOfCopy(checks)
    files = sorted(folder.glob("images/test/*/*.json"))
    if not files:
        checks.add("file", str(folder), "has neither test.json nor images/test/test_1/test_1.json")
    for path in files:
        for ranked in _sets_of_images(path, folder, checks):
            ranked.add_to(pairs)
    return pairs.samples()


def _sets_of_images(path: Path, folder: Path, checks: CopyChecks) -> list[RankedImages]:
    """The sets of a file with a row for each image."""
    rows = rows_of(path, checks, kind=".json")
    if not rows or not checks.columns(path.name, rows[0].cells, COLUMNS, rows[0].cells):
        return []
    sets: dict[str, list[tuple[str, float]]] = {}
    firsts: dict[str, tuple[str, Any]] = {}
    for row in rows:
        location = f"{path.name}, {row.location}"
        name, image, rank = (row.cells.get(column) for column in ("prompt_id", "image_path", "rank"))
        number = rank_in(rank)
        if not name or not isinstance(image, str) or number is None:
            checks.add("rating", location, "prompt_id, image_path or rank is empty or invalid", str(name or location))
            continue
        inside = (path.parent / Path(image).name).relative_to(folder).as_posix()
        sets.setdefault(str(name), []).append((inside, number))
        firsts.setdefault(str(name), (location, row.cells.get("prompt")))
    return [
        RankedImages(
            name, firsts[name][0], ("prompt", firsts[name][1]), ("image_path", [i for i, _ in one]), [r for _, r in one]
        )
        for name, one in sets.items()
    ]


def _missing(samples: Sequence[Sample]) -> list[str]:
    count, size = len(samples), BENCHMARK.size
    return [] if count == size else [f"{count:,} of {size:,} pairs"]


BENCHMARK = Benchmark(
    name="imagereward-db",
    title="ImageRewardDB, test split",
    paper="Xu et al., ImageReward, NeurIPS 2023 (arXiv 2304.05977)",
    ratings=RATINGS,
    protocol="imagereward-db",
    read=_read,
    size=7230,
    unit="pairs",
    missing=_missing,
    pairing={"overall": PREFERENCE},
    obtain="data/test.json of github.com/THUDM/ImageReward with its test_images.zip, or the test split of "
    "THUDM/ImageRewardDB of the Hugging Face hub, unpacked.",
    terms="Apache licence 2.0, of the code and of the data set; the images are of DiffusionDB.",
    public=True,
    shown=(),
    methods=("ImageReward",),
    pairs=True,
    also_called=("imagerewarddb",),
)
