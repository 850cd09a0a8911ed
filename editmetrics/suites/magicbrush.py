"""The suite of MagicBrush."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .benchmark_folders import BenchmarkFolders
from .definition import ProtocolDifference, RowBlock, RowField, Suite, SuiteColumn, SuiteSource, TableLayout

if TYPE_CHECKING:
    from ..data import SampleSet

TURNS = ("yes", "no", "unstated")


def _read(data: Path, outputs: Sequence[Path], prompts: Path | None) -> SampleSet | None:
    from .magicbrush_folders import read_folders

    return read_folders(data, outputs, prompts)


SUITE = Suite(
    "magicbrush",
    "MagicBrush's table, against the ground-truth target: the reference is the target image, the prompt its caption "
    "(not the instruction). Single-turn: each turn, edited from the ground truth of the turn before; multi-turn: the "
    "last turn, edited from the model's own outputs. Captions are those of local_captions.json, beside the folder or "
    "by --prompts.",
    SuiteSource(
        "Zhang et al., MagicBrush, NeurIPS 2023, arXiv:2306.10012",
        "OSU-NLP-Group/MagicBrush",
        "fcfc8921396b5e2b047c388028b7c995f5e0ee19",
        code_licence="CC BY 4.0",
        data_licence="CC BY 4.0, no redistribution of the test set",
        read_on="2026-11-30",
    ),
    (
        TableLayout(
            "",
            (
                SuiteColumn("L1", "mae:against=reference,resize=edited", digits=4),
                SuiteColumn("L2", "mse:against=reference,resize=edited", digits=4),
                SuiteColumn("CLIP-I", "clip_image:variant=magicbrush", digits=4),
                SuiteColumn("DINO", "dino_image:variant=magicbrush", digits=4),
                SuiteColumn("CLIP-T", "clip_text:variant=magicbrush", digits=4),
            ),
            (
                RowBlock("Single-turn", {"single_turn": ("yes",)}, 1053),
                RowBlock("Multi-turn", {"multi_turn": ("yes",)}, 535),
                RowBlock("turns unstated", {"single_turn": ("unstated",), "multi_turn": ("unstated",)}),
            ),
        ),
    ),
    fields=tuple(
        RowField(name, (name,), TURNS, needed=False, default="unstated") for name in ("single_turn", "multi_turn")
    ),
    differences=(
        ProtocolDifference(
            "a session or turn without an output",
            "stops the script",
            "is named; means are over the others, whose number is printed",
            "none where all are there",
        ),
        ProtocolDifference("a caption of more than 77 tokens", "stops the script", "is cut off, with a note", "none"),
        ProtocolDifference(
            "CLIP-T Oracle", "the ground truth against its caption, the same for all models", "not computed", "none"
        ),
        ProtocolDifference("precision of CLIP on a GPU", "float16", "float32", "rounding"),
    ),
    unchecked="the test set, which is behind a password",
    prompt="caption",
    headings={"source": ("source_img",), "reference": ("target_img",), "mask": ("mask_img",)},
    folders=BenchmarkFolders(
        "a folder for each session, with ID-output1.png and so on",
        "ID/ID_1.png, ID/ID_inde_2.png, ID/ID_iter_2.png",
        _read,
    ),
)
