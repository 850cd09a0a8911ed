"""The environment, and the devices of this machine: a product and a convolution on each, against float64."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..clean_room import clean_room
from ..diagnosis import diagnose
from .anonymous import anonymous
from .rows import CheckFailed, Report

if TYPE_CHECKING:
    from ..diagnosis import Diagnosis

SIDE = 256
CLOSE = {"float32": 1e-5, "bfloat16": 2e-2}
"""The largest difference from float64, relative to the largest number: rounding of 24 and of 8 bits, with room."""


def check_environment(report: Report) -> Diagnosis:
    """Add a row for each problem of the installation, or one if there are none; note versions and devices."""
    diagnosis = diagnose()
    report.environment = {
        "versions": diagnosis.versions,
        "devices": diagnosis.devices,
        "missing extras": {one["extra"]: one["missing"] for one in diagnosis.extras if one["missing"]},
        "plugins": sorted(plugin["package"] for plugin in diagnosis.plugins),
        "variables": sorted(diagnosis.environment),
        "weights": sorted(diagnosis.weights.get("here", ())),
        "free gigabytes": round(diagnosis.disk.get("free", 0) / 2**30, 1),
    }
    report.environment = _without_private(report.environment)
    for number, problem in enumerate(diagnosis.problems, 1):
        report.attempt("environment", f"problem {number}", _raising(problem))
    if not diagnosis.problems:
        report.attempt("environment", "editmetrics doctor", lambda: None)
    return diagnosis


def _raising(problem: str) -> Callable[[], None]:
    def fail() -> None:
        raise CheckFailed(problem)

    return fail


def _without_private(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_private(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_private(inner) for inner in value]
    return anonymous(value) if isinstance(value, str) else value


def devices(diagnosis: Diagnosis) -> list[str]:
    """The devices that torch can compute on here: cpu, each GPU."""
    gpus = [f"cuda:{number}" for number in range(len(diagnosis.devices.get("gpus", ())))]
    return ["cpu", *gpus, *(["mps"] if diagnosis.devices.get("mps") else [])]


def check_device(report: Report, device: str) -> None:
    """Add rows for a matrix product and a convolution in float32 and bfloat16 on a device."""
    for dtype in CLOSE:
        report.attempt("arithmetic", "product and convolution", _arithmetic(device, dtype), device, dtype)


def _arithmetic(device: str, dtype: str) -> Callable[[], Mapping[str, float]]:
    def compute() -> Mapping[str, float]:
        import torch

        generator = torch.Generator().manual_seed(0)
        a, b = (torch.randn(SIDE, SIDE, generator=generator, dtype=torch.float64) for _ in range(2))
        kernel = torch.randn(4, 1, 5, 5, generator=generator, dtype=torch.float64)
        worst = 0.0
        with clean_room():
            for name, of_two in (
                ("the product", lambda x, y, k: x @ y),
                ("the convolution", lambda x, y, k: torch.nn.functional.conv2d(x[None, None], k)),
            ):
                moved = [tensor.to(getattr(torch, dtype)).to(device) for tensor in (a, b, kernel)]
                start = time.perf_counter()
                result = of_two(*moved).cpu().double()
                seconds = time.perf_counter() - start
                exact = of_two(*(tensor.to(getattr(torch, dtype)).double() for tensor in (a, b, kernel)))
                error = float((result - exact).abs().max() / exact.abs().max())
                if not error <= CLOSE[dtype]:
                    raise CheckFailed(f"{name} is {error:.2g} off, relative; expected at most {CLOSE[dtype]:g}")
                worst = max(worst, error)
        return {"largest error, relative": worst, "milliseconds of the convolution": round(seconds * 1000, 3)}

    return compute
