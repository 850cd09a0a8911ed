"""EvalMuse-40K: images by 20 text-to-image models, rated for alignment from 1 to 5; 30,000 of them with public ratings.

`train_list.json` of the public data set beside the images of `images.zip`:

    [{"prompt_id": "...", "prompt": "...", "type": "real", "img_path": "SDXL-Turbo/00001.png",
      "total_score": [4, 5, 3], "element_score": "...", "promt_meaningless": [0, 0, 0], "split_confidence": [...],
      "attribute_confidence": [...], "fidelity_label": [...]}, ...]

The fields are those of the data set's card. The ratings of the test part, which papers evaluate, are not public.
Scores of single elements are not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...files.rows import Row
from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect
from ..checks import CopyChecks
from ..table_layout import Layout, LayoutColumn, mean_of, rows_of, samples_of

SIZE = 30000
TYPES = ("real", "synthetic")
FILE = "train_list.json"

RATINGS = {"alignment": RatedAspect("text-image alignment: the mean of the annotators (total_score)", 1, 5)}

LAYOUT = Layout(
    table="train_list",
    identifier="name",
    images={"edited": "img_path"},
    columns={
        "system": LayoutColumn(),
        "type": LayoutColumn(),
        "prompt_id": LayoutColumn(),
        "meaningless": LayoutColumn(low=0, high=1, filled=False),
    },
    ratings={"alignment": "total_score"},
    ignored=("element_score", "promt_meaningless", "split_confidence", "attribute_confidence", "fidelity_label"),
    folders=("images", "."),
    rated=True,
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    path = next((path for path in (folder / FILE, folder / "dataset" / FILE) if path.is_file()), None)
    if path is None:
        checks.add("file", str(folder), f"has no {FILE}")
        return []
    rows = [Row(row.location, _cells(row, checks)) for row in rows_of(path, checks)]
    return samples_of(rows, path.name, folder, LAYOUT, RATINGS, checks)


def _cells(row: Row, checks: CopyChecks) -> dict[str, Any]:
    """The cells of an image, with means of what several annotators said, its model and a name."""
    path, ratings = str(row.cells.get("img_path") or ""), row.cells.get("total_score")
    for rating in ratings if isinstance(ratings, list) else ():
        checks.number(row.location, path, "total_score", rating, 1, 5)
    means = {"total_score": mean_of(ratings), "meaningless": mean_of(row.cells.get("promt_meaningless"))}
    return {**row.cells, **means, "system": path.partition("/")[0], "name": path.rpartition(".")[0] or path}


def _missing(samples: Sequence[Sample]) -> list[str]:
    return [] if len(samples) >= SIZE else [f"{len(samples):,} of about {SIZE:,} images"]


BENCHMARK = Benchmark(
    name="evalmuse-40k",
    title="EvalMuse-40K",
    paper="Han et al., EvalMuse-40K (arXiv 2412.18150)",
    ratings=RATINGS,
    protocol="evalmuse-40k",
    read=_read,
    size=SIZE,
    unit="images of the training part",
    missing=_missing,
    pairing={"correspondence": "alignment"},
    obtain="the data set DY-Evalab/EvalMuse on the Hugging Face hub: train_list.json, and images.zip in parts. "
    "The test part has no public ratings.",
    terms="BSD-3-Clause, as the data set's card states.",
    public=True,
    shown=("system", "type"),
    methods=("LMM4LMM",),
)
