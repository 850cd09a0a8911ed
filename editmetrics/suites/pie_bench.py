"""The suite of PIE-Bench."""

from __future__ import annotations

from .definition import Reported, Suite

SUITE = Suite(
    "pie-bench",
    "PIE-Bench's table: structure, preservation of the background, fit to the target prompt. Images of 512 x "
    "512 pixels, the prompt describes the target, the mask marks the edited region.",
    "Ju et al., PnP Inversion, ICLR 2024, arXiv:2310.01506; github.com/cure-lab/PnPInversion",
    (
        Reported("Structure distance", "structure_distance:variant=pie-bench", 1e3),
        Reported("PSNR, background", "psnr:variant=pie-bench,region=outside"),
        Reported("LPIPS, background", "lpips:variant=pie-bench,region=outside", 1e3),
        Reported("MSE, background", "mse:variant=pie-bench,region=outside", 1e4),
        Reported("SSIM, background", "ssim:variant=pie-bench,region=outside", 1e2),
        Reported("CLIP similarity, whole", "clip_text:variant=pie-bench"),
        Reported("CLIP similarity, edited", "clip_text:variant=pie-bench,region=inside"),
    ),
)
