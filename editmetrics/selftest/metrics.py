"""Metrics that need no download: scores against the shipped ones, on devices, in bfloat16; batches; speed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..metric import Metric
from ..registry import create_metric
from ..sample import Sample, Score, UnavailableError
from . import goldens
from .rows import CheckFailed, Report

SLOW = ("ds_ieqa", "epaiqa")
"""Metrics that the first tier scores on the CPU alone."""

BFLOAT16 = 0.05
"""How much of a dimension's range a learned metric's score may move in bfloat16, whose mantissa has 8 bits."""

QUESTIONS = ("Is it a photograph?",)

CLOSE = 1e-3
"""How far a score alone and in a batch may be apart, of its range: sums in another order, in the metric's own dtype."""

SPEED_SIDE, SPEED_ROUNDS = 512, 3


def check_scores(report: Report, device: str, specs: list[str]) -> None:
    """Add a row for each metric: its scores of the example photographs on a device, against the shipped ones."""
    approved = goldens.approved()
    for spec in specs:
        report.attempt("scores", spec, _scores(spec, device, approved[spec]), device, "float32")


def _scores(spec: str, device: str, before: dict) -> Callable[[], Mapping[str, float]]:
    def compare() -> Mapping[str, float]:
        now = goldens.measure(spec, device)
        for key, name in (("version", "version"), ("weights", "checksum of the weights")):
            if now[key] != before[key]:
                raise CheckFailed(f"the {name} is {now[key]}, and the shipped scores are of {before[key]}")
        if different := goldens.differences(spec, before, now):
            raise CheckFailed(f"{'; '.join(different)} (tolerance {goldens.tolerance_of(spec):g}, relative)")
        return {"largest relative difference": goldens.largest_difference(before, now)}

    return compare


def check_bfloat16(report: Report, device: str, specs: list[str]) -> None:
    """Add a row for each learned metric: its scores in bfloat16 against the shipped ones, which are of float32."""
    approved = goldens.approved()
    for spec in specs:
        if goldens.takes_dtype(spec):
            report.attempt("scores", spec, _in_bfloat16(spec, device, approved[spec]), device, "bfloat16")


def _in_bfloat16(spec: str, device: str, before: dict) -> Callable[[], Mapping[str, float]]:
    def compare() -> Mapping[str, float]:
        metric = create_metric(spec, device=device, dtype="bfloat16")
        ranges = {dimension.name: (dimension.high - dimension.low) for dimension in metric.dimensions}
        worst = 0.0
        for sample in goldens.examples():
            score = metric(sample)
            for dimension, was in before["scores"][sample.id].items():
                moved = abs(score[dimension] - was) / ranges[dimension]
                if not moved <= BFLOAT16:
                    raise CheckFailed(
                        f"{dimension} of {sample.id} is {score[dimension]:.4g} in bfloat16 and {was:.4g} in float32: "
                        f"more than {BFLOAT16:g} of its range apart"
                    )
                worst = max(worst, moved)
        return {"largest difference, of the range": worst}

    return compare


def own_dtype(spec: str, device: str) -> str:
    """The dtype in which a metric computes on a device where none is asked for."""
    return "bfloat16" if device.startswith("cuda") and goldens.takes_dtype(spec) else "float32"


def check_invariance(report: Report, device: str, specs: list[str]) -> None:
    """Add a row for each metric: a score is the same alone, in a batch, in another order, among larger images."""
    for spec in specs:
        report.attempt("batch invariance", spec, _invariant(spec, device), device, own_dtype(spec, device))


def _invariant(spec: str, device: str) -> Callable[[], None]:
    def check() -> None:
        from ..testing.conformance import Candidate
        from ..testing.subject import NotApplicable

        try:
            problems = Candidate(spec, None, None, device).problems("batch_invariance")
        except NotApplicable:  # weights that do not score toy pictures score the photographs
            alone_and_together(spec, device)
            return
        if problems:
            raise CheckFailed("; ".join(problems))

    return check


def alone_and_together(spec: str, device: str) -> Mapping[str, float]:
    """Score the example photographs in one call and each alone; `CheckFailed` where a score differs, or fails."""
    metric = create_metric(spec, device=device)
    metric.load()
    samples = [replace(sample, questions=QUESTIONS) for sample in goldens.examples()]
    together = metric.score(samples)
    alone = [metric.score([sample])[0] for sample in samples]
    apart = [_apart(metric, *scored) for scored in zip(samples, together, alone, strict=True)]
    return {"largest difference, of the range": max(apart)}


def require_no_fault(name: str, score: Score) -> None:
    """Raise where a sample has no score through a fault of this machine or of the metric."""
    if score.status == "unavailable":
        raise UnavailableError(score.reason or "no reason was given")
    if score.status in ("failed", "skipped"):
        raise CheckFailed(f"{name} is not scored: {score.reason}")


def _apart(metric: Metric, sample: Sample, batched: Score, alone: Score) -> float:
    """The largest difference of two scores of one sample, of the dimensions' ranges; of the score where one is open."""
    for score in (batched, alone):
        require_no_fault(sample.id, score)
    if batched.status != alone.status:
        raise CheckFailed(f"{sample.id} is {batched.status} in a batch and {alone.status} alone")
    worst = 0.0
    for dimension in metric.dimensions if batched.status == "ok" else ():
        one, other = batched[dimension.name], alone[dimension.name]
        scale = dimension.high - dimension.low
        scale = scale if math.isfinite(scale) else max(abs(other), 1.0)
        difference = 0.0 if one == other else abs(one - other) / scale
        if not difference <= CLOSE:
            raise CheckFailed(f"{dimension.name} of {sample.id} is {one!r} in a batch and {other!r} alone")
        worst = max(worst, difference)
    return worst


def check_speed(report: Report, device: str, specs: list[str]) -> None:
    """Add a row for each metric: milliseconds for a pair of toy pictures of 512 x 512, which hold whatever they are."""
    for spec in specs:
        report.attempt("speed", spec, _speed(spec, device), device, own_dtype(spec, device))


def _speed(spec: str, device: str) -> Callable[[], Mapping[str, float]]:
    def measure() -> Mapping[str, float]:
        from ..testing import toys

        metric = create_metric(spec, device=device)
        metric.load()
        samples = toys.samples(2, SPEED_SIDE, SPEED_SIDE)
        metric.score(samples)  # what is made once
        times = []
        for _ in range(SPEED_ROUNDS):
            start = time.perf_counter()
            scores = metric.score(samples)
            times.append(time.perf_counter() - start)
            for score in scores:
                require_no_fault("a toy picture", score)
        return {"milliseconds per pair": round(min(times) / len(samples) * 1000, 3)}

    return measure
