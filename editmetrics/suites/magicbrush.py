"""The suite of MagicBrush."""

from __future__ import annotations

from .definition import Reported, Suite

SUITE = Suite(
    "magicbrush",
    "MagicBrush's table, against the ground-truth target: the reference is the target image, the prompt its "
    "caption (not the instruction). Of a session's turns, the final one or each.",
    "Zhang et al., MagicBrush, NeurIPS 2023, arXiv:2306.10012; github.com/OSU-NLP-Group/MagicBrush",
    (
        Reported("L1", "mae:against=reference,resize=edited"),
        Reported("L2", "mse:against=reference,resize=edited"),
        Reported("CLIP-I", "clip_image:variant=magicbrush"),
        Reported("DINO", "dino_image:variant=magicbrush"),
        Reported("CLIP-T", "clip_text:variant=magicbrush"),
    ),
)
