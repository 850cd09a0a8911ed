"""The tiers: which checks run, on which devices, in which order."""

from __future__ import annotations

from collections.abc import Callable

from ..checkpoints import WeightsEntry
from . import devices, goldens, metrics, stored, training
from .decoders import check_decoders
from .rows import CheckRow, Report

TIERS = {
    "seconds": "under a minute, offline",
    "minutes": "some minutes, offline",
    "weights": "as long as the weights that are here take",
}
"""The tiers by name, each with all checks of those before it, and about how long it takes."""


def run(
    tier: str,
    *,
    download: Callable[[WeightsEntry], bool] = lambda entry: False,
    on_row: Callable[[CheckRow], None] = lambda row: None,
) -> Report:
    """Run the checks of a tier and of those before it. `on_row` is told each row; `download`: see `check_weights`."""
    report = Report(tier, on_row=on_row)
    here = devices.devices(devices.check_environment(report))
    level = list(TIERS).index(tier)
    for device in here:
        devices.check_device(report, device)
    check_decoders(report)
    specs = list(goldens.approved())
    quick = [spec for spec in specs if spec.partition(":")[0] not in metrics.SLOW]
    for device in here:
        metrics.check_scores(report, device, specs if device == "cpu" or level else quick)
    if level >= 1:
        for device in here:
            metrics.check_bfloat16(report, device, specs)
            metrics.check_invariance(report, device, specs)
            training.check_training(report, device)
            metrics.check_speed(report, device, specs)
    if level >= 2:
        stored.check_weights(report, here[-1], download)
        stored.check_backbones(report, here[-1])
    if here == ["cpu"]:
        rehearse(report, specs if level else quick, level)
    return report


def rehearse(report: Report, specs: list[str], level: int) -> None:
    """Add the rows of the rehearsal device, which stands for the GPU that this machine does not have; comes last."""
    from ..testing import rehearsal

    report.skip("scores", "all metrics", "this machine has no GPU that torch can use", "cuda")
    if reason := rehearsal.why_unavailable():
        report.skip("scores", "all metrics", reason, rehearsal.NAME)
        return
    rehearsal.install()
    metrics.check_scores(report, rehearsal.NAME, specs)
    if level >= 1:
        metrics.check_invariance(report, rehearsal.NAME, specs)
        report.skip("training", "lmm4lmm", "the trainer places models on devices that it knows", rehearsal.NAME)
