"""Suites: the metrics that a benchmark reports, by its name, in the variants of its published script."""

from __future__ import annotations

from dataclasses import dataclass

from .sample import EditMetricsError
from .wording import expected_one_of


class UnknownSuiteError(EditMetricsError, LookupError):
    """No suite has this name."""


@dataclass(frozen=True)
class Reported:
    """One column of a benchmark's table: its `heading` there, the `spec` of the metric, and how it is printed.

    `times` is what the published tables multiply the number by; ours are printed as they are.
    """

    heading: str
    spec: str
    times: float = 1


@dataclass(frozen=True)
class Suite:
    """A benchmark's set of metrics. `about` says what its table holds, and what must be in the samples."""

    name: str
    about: str
    source: str
    columns: tuple[Reported, ...]

    @property
    def specs(self) -> tuple[str, ...]:
        return tuple(column.spec for column in self.columns)


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
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
        ),
        Suite(
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
        ),
        Suite(
            "gedit",
            "GEdit-Bench's G_SC, G_PQ and G_O: VIEScore by GPT-4.1. The prompt is the instruction. A judge's number "
            "belongs to the model that gave it, and to its date.",
            "Liu et al., Step1X-Edit, 2025, arXiv:2504.17761; github.com/stepfun-ai/Step1X-Edit",
            (Reported("G_SC, G_PQ, G_O", "vie_score:variant=gedit"),),
        ),
    )
}
"""By name."""


def suite(name: str) -> Suite:
    """The suite `name`; `UnknownSuiteError` with the nearest ones when there is none.

    >>> suite("magicbrush").specs[0]
    'mae:against=reference,resize=edited'
    """
    if name not in SUITES:
        raise UnknownSuiteError(f"no suite is named {name!r}; {expected_one_of(name, SUITES)}")
    return SUITES[name]
