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
import sys
from pathlib import Path
from typing import Any

from editmetrics import create_metric, list_metrics
from editmetrics.learned_metric import LearnedMetric
from editmetrics.registry import BUILTIN, metric_class
from editmetrics.selftest.goldens import approved, differences, measure
from editmetrics.weights import registered

ROOT = Path(__file__).parents[1]
FILE = Path(__file__).with_suffix(".json")


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


def origin(measured: dict[str, Any]) -> tuple[Any, ...]:
    """All that may change a number: the version of the formula, and the checksum of the weights."""
    return measured["version"], measured["weights"]


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
