"""The suite of PIE-Bench."""

from __future__ import annotations

from .definition import Suite, SuiteColumn, SuiteSource, TableLayout

SUITE = Suite(
    "pie-bench",
    "PIE-Bench's table: structure, preservation of the background, fit to the target prompt. Images of 512 x "
    "512 pixels, the prompt describes the target, the mask marks the edited region.",
    SuiteSource(
        "Ju et al., PnP Inversion, ICLR 2024, arXiv:2310.01506",
        "cure-lab/PnPInversion",
        "07f97f4",
        code_licence="none",
        data_licence="by form",
        read_on="2026-11-30",
    ),
    (
        TableLayout(
            "",
            (
                SuiteColumn("Structure distance", "structure_distance:variant=pie-bench", times=1e3),
                SuiteColumn("PSNR, background", "psnr:variant=pie-bench,region=outside"),
                SuiteColumn("LPIPS, background", "lpips:variant=pie-bench,region=outside", times=1e3),
                SuiteColumn("MSE, background", "mse:variant=pie-bench,region=outside", times=1e4),
                SuiteColumn("SSIM, background", "ssim:variant=pie-bench,region=outside", times=1e2),
                SuiteColumn("CLIP similarity, whole", "clip_text:variant=pie-bench"),
                SuiteColumn("CLIP similarity, edited", "clip_text:variant=pie-bench,region=inside"),
            ),
        ),
    ),
)
