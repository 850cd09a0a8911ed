"""The suite of MagicBrush."""

from __future__ import annotations

from .definition import Suite, SuiteColumn, SuiteSource, TableLayout

SUITE = Suite(
    "magicbrush",
    "MagicBrush's table, against the ground-truth target: the reference is the target image, the prompt its "
    "caption (not the instruction). Of a session's turns, the final one or each.",
    SuiteSource(
        "Zhang et al., MagicBrush, NeurIPS 2023, arXiv:2306.10012",
        "OSU-NLP-Group/MagicBrush",
        "fcfc892",
        code_licence="CC BY 4.0",
        data_licence="CC BY 4.0, no redistribution of the test set",
        read_on="2026-11-30",
    ),
    (
        TableLayout(
            "",
            (
                SuiteColumn("L1", "mae:against=reference,resize=edited"),
                SuiteColumn("L2", "mse:against=reference,resize=edited"),
                SuiteColumn("CLIP-I", "clip_image:variant=magicbrush"),
                SuiteColumn("DINO", "dino_image:variant=magicbrush"),
                SuiteColumn("CLIP-T", "clip_text:variant=magicbrush"),
            ),
        ),
    ),
)
