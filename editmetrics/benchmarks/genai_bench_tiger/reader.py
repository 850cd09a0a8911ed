"""GenAI-Bench (TIGER-Lab): votes of an arena on pairs of generated images, and on pairs of edits.

Parquet files with a row for each vote, as inference.py reads them (split test_v1):

    image_edition/test_v1-*.parquet      source_image, left_output_image, right_output_image, instruct_prompt
    image_generation/test_v1-*.parquet   left_image, right_image, prompt
    vote_type                            leftvote, rightvote, tievote or bothbad_vote
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ...sample import Sample
from ..benchmark import Benchmark, missing_rows
from ..checks import CopyChecks
from ..pair_layout import PREFERENCE, RATINGS, PairTable, read_tables

VOTES = {"leftvote": 1.0, "rightvote": -1.0, "tievote": 0.0, "bothbad_vote": 0.0}
SIZES = {"image_edition": 919, "image_generation": 1735}
SHOWN = {
    "image_edition": (
        {"source": "source_image", "edited": "left_output_image", "rival": "right_output_image"},
        "instruct_prompt",
    ),
    "image_generation": ({"edited": "left_image", "rival": "right_image"}, "prompt"),
}
"""Of each task the columns of its images and its prompt."""

TABLES = tuple(
    PairTable(
        images=images,
        prompt=prompt,
        answer="vote_type",
        answers=VOTES,
        columns={"vote": "vote_type"},
        constants={"task": task},
        files=f"{task}/test_v1-*.parquet",
        named=task,
    )
    for task, (images, prompt) in SHOWN.items()
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    return read_tables(folder, checks, *TABLES)


BENCHMARK = Benchmark(
    name="genai-bench-tiger",
    title="GenAI-Bench (TIGER-Lab)",
    paper="Jiang et al., GenAI Arena, arXiv 2406.04485",
    ratings=RATINGS,
    protocol="genai-bench-tiger",
    read=_read,
    size=sum(SIZES.values()),
    unit="pairs",
    missing=partial(missing_rows, column="task", expected=SIZES, unit="pairs"),
    pairing={"overall": PREFERENCE},
    obtain="TIGER-Lab/GenAI-Bench of the Hugging Face hub, linked in github.com/TIGER-AI-Lab/GenAI-Bench.",
    terms="the code is under the MIT licence; its repository states none for the data: see the data set's page.",
    public=True,
    shown=("task", "vote"),
    headline={f"task={task}": (f"task={task}",) for task in SIZES},
    pairs=True,
    also_called=("genai-bench",),
)
