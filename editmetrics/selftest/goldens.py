"""The scores of the example photographs that this project has approved, and how a score is compared with them.

`tests/goldens.json` and `docs/examples` of a source checkout are inside the installed package.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..registry import create_metric, metric_class
from ..sample import Sample, Score

NAMES = ("cat", "coffee", "stars")
PROMPT = "make the square red"

DIGITS = 7
"""Significant digits that are kept and compared: float32 holds no more."""

TOLERANCE = {"classic": 1e-5, "learned": 2e-3}
"""Relative: float32 sums in another order move the fifth digit; a model's products on another processor, more."""


def shipped(path: str, source: str) -> Path:
    """A file that comes with the package: inside it at `path`, or in a source checkout at `source`."""
    package = Path(__file__).parent
    installed = package / path
    return installed if installed.exists() else package.parents[1] / source


def approved() -> dict[str, Any]:
    """The approved entries, by spec: `{"psnr": {"version": 1, "weights": null, "scores": {"cat": {"psnr": 28.3}}}}`."""
    entries: dict[str, Any] = json.loads(shipped("goldens.json", "tests/goldens.json").read_text(encoding="utf-8"))
    return entries


def examples() -> list[Sample]:
    """The example edits, with their sources and one prompt."""
    folder = shipped("examples", "docs/examples")
    return [
        Sample(name, edited=folder / "edited" / f"{name}.jpg", source=folder / "source" / f"{name}.jpg", prompt=PROMPT)
        for name in NAMES
    ]


def measure(spec: str, device: str = "cpu") -> dict[str, Any]:
    """The origin of a metric's numbers, and its scores of the examples, as `approved` has them: in float32."""
    metric = create_metric(spec, device=device, **({"dtype": "float32"} if takes_dtype(spec) else {}))
    scores = {sample.id: rounded_scores(metric(sample)) for sample in examples()}
    return {"version": metric.version, "weights": metric.identity().get("weights"), "scores": scores}


def takes_dtype(spec: str) -> bool:
    """True for a metric whose dtype can be chosen: on a GPU, its own is bfloat16."""
    return any(option.name == "dtype" for option in metric_class(spec.partition(":")[0]).option_list())


def rounded_scores(score: Score) -> dict[str, float]:
    """The numbers of a score, to the digits that are compared."""
    return {dimension: rounded(value) for dimension, value in score.items()}


def rounded(value: float) -> float:
    """A number to the digits that are compared."""
    return float(f"{value:.{DIGITS}g}")


def tolerance_of(spec: str) -> float:
    """The relative tolerance of a metric's scores."""
    return TOLERANCE["learned" if ":weights" in spec else "classic"]


def differences(spec: str, before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The scores of two measurements that differ, in words."""
    tolerance = tolerance_of(spec)
    return [
        f"{spec} of {name}: {dimension} was {was!r} and is {now['scores'][name].get(dimension)!r}"
        for name, values in before["scores"].items()
        for dimension, was in values.items()
        if not math.isclose(was, now["scores"][name].get(dimension, math.nan), rel_tol=tolerance, abs_tol=1e-9)
    ] + [
        f"{spec} of {name}: {dimension} was not scored and is {value!r}"
        for name, values in now["scores"].items()
        for dimension, value in values.items()
        if dimension not in before["scores"].get(name, {})
    ]


def largest_difference(before: dict[str, Any], now: dict[str, Any]) -> float:
    """The largest relative difference of scores that both have."""
    pairs = [(was, now["scores"][name][dimension]) for name, values in before["scores"].items()
             for dimension, was in values.items() if dimension in now["scores"].get(name, {})]  # fmt: skip
    return max((abs(value - was) / max(abs(was), 1e-9) for was, value in pairs), default=0.0)
