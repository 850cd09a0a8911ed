"""The scores of the example photographs that this project has approved, and the command that approves new ones.

    python -m tests.goldens              # what differs from tests/goldens.json
    python -m tests.goldens --approve    # write what the code gives now

A number that has changed under an unchanged version of its metric and unchanged weights is refused: raise the version
first, and say in CHANGELOG.md, under Numbers, what changed and why. `--approve` also adds new metrics and drops removed
ones. It writes only what changed: an entry whose scores are as approved stays as it is, to the byte, on every machine.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from editmetrics import Sample, create_metric, list_metrics
from editmetrics.learned_metric import LearnedMetric
from editmetrics.registry import BUILTIN, metric_class
from editmetrics.weights import registered

ROOT = Path(__file__).parents[1]
FILE = Path(__file__).with_suffix(".json")
NAMES = ("cat", "coffee", "stars")
PROMPT = "make the square red"

DIGITS = 7
"""Significant digits that are kept and compared: float32 holds no more."""

TOLERANCE = {"classic": 1e-5, "learned": 2e-3}
"""Relative: float32 sums in another order move the fifth digit; a model's products on another processor, more."""


def specs() -> list[str]:
    """The built-in metrics that score without a download: the classic ones, and the toy weights of the learned ones."""
    names = []
    for name in sorted(set(list_metrics()) & BUILTIN.keys()):
        if f"{name}.toy" in registered():
            read = {option.name for option in metric_class(name).option_list()} & {"read"}
            names.append(
                f"{name}:weights=toy" + (",read=expected" if read else "")
            )  # written digits jump, means do not
        elif not (issubclass(metric_class(name), LearnedMetric) or create_metric(name).checkpoints() or asks(name)):
            names.append(name)
    return names


def asks(name: str) -> bool:
    """Whether a metric asks a model that somebody must name: it has no number of its own."""
    options = {option.name for option in metric_class(name).option_list()}
    return bool(options & {"backbone", "endpoint", "model"})


def measure(spec: str) -> dict[str, Any]:
    """The origin of a metric's numbers, and its scores of the examples: `{"version": 1, "weights": null, "scores":
    {"cat": {"psnr": 28.3}}}`."""
    metric = create_metric(spec, device="cpu")
    examples = ROOT / "docs" / "examples"
    scores = {
        name: {
            dimension: rounded(value)
            for dimension, value in metric(
                Sample(name, examples / "edited" / f"{name}.jpg", examples / "source" / f"{name}.jpg", prompt=PROMPT)
            ).items()
        }
        for name in NAMES
    }
    return {"version": metric.version, "weights": metric.identity().get("weights"), "scores": scores}


def rounded(value: float) -> float:
    """A number to the digits that are compared."""
    return float(f"{value:.{DIGITS}g}")


def origin(measured: dict[str, Any]) -> tuple[Any, ...]:
    """All that may change a number: the version of the formula, and the checksum of the weights."""
    return measured["version"], measured["weights"]


def approved() -> dict[str, Any]:
    """The approved entries, by spec."""
    entries: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return entries


def differences(spec: str, before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The scores of two measurements that differ, in words."""
    tolerance = TOLERANCE["learned" if ":weights" in spec else "classic"]
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


def merged(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The entries to write: those of `now`, but the approved one wherever nothing in it changed."""
    return {
        spec: before[spec]
        if spec in before and origin(before[spec]) == origin(measured) and not differences(spec, before[spec], measured)
        else measured
        for spec, measured in now.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--approve", action="store_true")
    arguments = parser.parse_args()
    before = approved() if FILE.exists() else {}
    now = {spec: measure(spec) for spec in specs()}
    refused = False
    for spec, measured in now.items():
        if spec not in before:
            print(f"{spec} is new")
            continue
        different = differences(spec, before[spec], measured)
        print("\n".join(different) or f"{spec} is as approved")
        if different and origin(before[spec]) == origin(measured):
            print(f"  and {spec} still has version {measured['version']} and the same weights: raise the version")
            refused = True
    print("\n".join(f"{spec} is gone" for spec in before.keys() - now.keys()))
    if refused:
        sys.exit(1)
    if arguments.approve:
        FILE.write_text(json.dumps(merged(before, now), indent=1) + "\n", encoding="utf-8")
        print(f"wrote {FILE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
