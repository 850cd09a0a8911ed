"""The suite of GEdit-Bench."""

from __future__ import annotations

from .definition import Reported, Suite

SUITE = Suite(
    "gedit",
    "GEdit-Bench's G_SC, G_PQ and G_O: VIEScore by GPT-4.1. The prompt is the instruction. A judge's number "
    "belongs to the model that gave it, and to its date.",
    "Liu et al., Step1X-Edit, 2025, arXiv:2504.17761; github.com/stepfun-ai/Step1X-Edit",
    (Reported("G_SC, G_PQ, G_O", "vie_score:variant=gedit"),),
)
