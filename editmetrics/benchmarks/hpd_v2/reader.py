"""HPD v2, its test set: images of one prompt by several models, ranked by people, as pairs.

test.json   a list of {"prompt", "image_path": [...], "rank": [...], "raw_annotations": ...}, 1 is best
test/       the images
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...sample import Sample
from ..benchmark import Benchmark
from ..checks import CopyChecks
from ..pair_layout import PREFERENCE, RATINGS, PairsOfCopy, RankedSets

SETS = RankedSets(images="image_path", ranks="rank")


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    path = folder / "test.json"
    if not path.is_file():
        checks.add("file", str(folder), "has no test.json, beside the folder test with the images")
        return []
    pairs = PairsOfCopy(checks, folder / "test")
    for ranked in SETS.read(path, checks):
        ranked.add_to(pairs)
    return pairs.samples()


def _missing(samples: Sequence[Sample]) -> list[str]:
    return []


BENCHMARK = Benchmark(
    name="hpd-v2",
    title="HPD v2, test set",
    paper="Wu et al., Human Preference Score v2, arXiv 2306.09341",
    ratings=RATINGS,
    protocol="hpd-v2",
    read=_read,
    size=0,
    unit="pairs",
    missing=_missing,
    pairing={"overall": PREFERENCE},
    obtain="test.json and the folder test of ymhao/HPDv2 of the Hugging Face hub, linked in github.com/tgxs002/HPSv2.",
    terms="the code is under the Apache licence 2.0; its repository states none for the data: see the data set's page.",
    public=True,
    shown=(),
    methods=("HPS v2.1",),
    pairs=True,
    also_called=("hpdv2", "hpd"),
)
