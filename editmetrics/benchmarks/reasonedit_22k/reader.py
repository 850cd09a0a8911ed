"""ReasonEdit-22K: edits rated in three respects; the layout of its test table, as the authors' program reads it.

    test.csv        source,edited,instruction, and three columns of ratings, named in one of three ways
    (images)        by the paths in the table, from the folder of the copy

The program (core/inference.py of github.com/IntMeGroup/ReasonEdit, commit 7cedead) takes the columns v_score, e_score,
p_score; or visual_quality, editing_alignment, content_preservation; or logicality_score, accuracy_score,
usefulness_score. Neither their scale nor the layout of the whole data set is documented.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect
from ..checks import CopyChecks
from ..table_layout import Layout, find_table, rows_of, samples_of

RATINGS = {
    "visual_quality": RatedAspect("visual quality"),
    "editing_alignment": RatedAspect("editing alignment"),
    "content_preservation": RatedAspect("content preservation"),
}
"""The scale is not documented: 0 to 100 takes 0 to 1 and 1 to 5, too, and correlations do not see it."""

HEADINGS = (
    ("v_score", "e_score", "p_score"),
    tuple(RATINGS),
    ("logicality_score", "accuracy_score", "usefulness_score"),
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    path = find_table(folder, "test", checks)
    rows = rows_of(path, checks) if path else []
    names = dict.fromkeys(name for row in rows for name in row.cells)
    headings = next((three for three in HEADINGS if set(three) <= names.keys()), HEADINGS[0])
    known = {"source", "edited", "instruction", *headings}
    layout = Layout(
        table="test",
        identifier=None,
        images={"source": "source", "edited": "edited"},
        prompt="instruction",
        columns={},
        ratings=dict(zip(RATINGS, headings, strict=True)),
        ignored=tuple(name for name in names if name not in known),
        rated=True,
    )
    return samples_of(rows, str(path and path.name), folder, layout, RATINGS, checks)


def _missing(samples: Sequence[Sample]) -> list[str]:
    """The number of rows is not documented."""
    return []


BENCHMARK = Benchmark(
    name="reasonedit-22k",
    title="ReasonEdit-22K",
    paper="ReasonEdit: Towards Interpretable Image Editing Evaluation via Reinforcement Learning (arXiv 2605.07477)",
    ratings=RATINGS,
    protocol="reasonedit-22k",
    read=_read,
    size=0,
    unit="edits",
    missing=_missing,
    pairing={
        "perceptual_quality": "visual_quality",
        "editing_fidelity": "editing_alignment",
        "attribute_preservation": "content_preservation",
    },
    obtain="github.com/IntMeGroup/ReasonEdit names a test table that is not in it "
    "(test_samples/official_noleak_test/test.csv); ask its authors.",
    terms="the repository states no licence, so all rights are the authors'.",
    public=False,
    shown=(),
)
