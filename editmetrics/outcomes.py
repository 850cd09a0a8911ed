"""What a sample gets when it cannot be scored, and what a score must be to be kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from .machine import machine_fault
from .sample import Dimension, SampleError, Score

LONGEST_REASON = 2000
"""How many characters of an error's message become a reason; some hold the arguments of a whole call."""


def why_not(error: BaseException) -> Score:
    """The unscored `Score` of a sample that `error` has cost: `unavailable` where this machine is at fault.

    >>> why_not(SampleError("no prompt", "skipped")), why_not(MemoryError())
    (Score(skipped: no prompt), Score(unavailable: out of memory))
    """
    if reason := machine_fault(error):
        return Score.unscored("unavailable", _shortened(reason))
    if isinstance(error, SampleError):
        return Score.unscored(error.status, _shortened(str(error)) or "no reason was given")
    if isinstance(error, SystemExit):
        return Score.unscored("failed", f"the metric tried to end the program (sys.exit({error.code!r}))")
    return Score.unscored("failed", _shortened(f"{type(error).__name__}: {error}"))


def problem_of(score: Any, metric: str, dimensions: Sequence[Dimension]) -> str | None:
    """How a score that `metric` returned breaks its contract, in words; None where it keeps it.

    A score keeps it with every declared dimension, the primary one first, inside its range; an uncertainty that is
    finite; an explanation that is text; and details that JSON can hold.

    >>> problem_of(Score({"psnr": -1}), "psnr", [Dimension("psnr", low=0, primary=True)])
    'psnr returned psnr = -1, outside its declared range 0 to inf'
    """
    if not isinstance(score, Score):
        return f"{metric} returned {type(score).__name__} instead of a Score"
    declared = {dimension.name: dimension for dimension in dimensions}
    primary = next(dimension.name for dimension in dimensions if dimension.primary)
    if unknown := [name for name in score if name not in declared]:
        return f"{metric} returned {', '.join(unknown)}, which is no dimension that it declares"
    if score.ok and (missing := [name for name in declared if name not in score]):
        return f"{metric} returned no {', '.join(missing)}"
    if score.ok and next(iter(score)) != primary:
        return f"{metric} returned {next(iter(score))} first, where the primary {primary} belongs"
    for name, value in score.items():
        if not declared[name].contains(value):
            low, high = declared[name].low, declared[name].high
            return f"{metric} returned {name} = {value:.6g}, outside its declared range {low:g} to {high:g}"
    return _problem_beside(score, metric, declared)


def plain(value: Any) -> Any:
    """`value` as JSON has it: numpy's and torch's numbers and arrays as numbers and lists, anything else as text.

    >>> import numpy as np
    >>> json.dumps({"region": np.array([1, 2]), "share": np.float32(0.5)}, default=plain)
    '{"region": [1, 2], "share": 0.5}'
    """
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _problem_beside(score: Score, metric: str, declared: Mapping[str, Dimension]) -> str | None:
    """What is unfit of all that travels beside the numbers."""
    for name, value in (score.uncertainty or {}).items():
        if name not in declared or not math.isfinite(value):
            return f"{metric} returned the uncertainty {value} of {name}; expected a finite number for each dimension"
    if not isinstance(score.explanation, (str, type(None))):
        return f"{metric} returned an explanation of type {type(score.explanation).__name__}; expected text"
    if score.explanation and not _encodable(score.explanation):
        return f"{metric} returned an explanation with half a character (a lone surrogate); expected text"
    try:
        json.dumps(score.details, allow_nan=False, default=plain)
    except (TypeError, ValueError, RecursionError) as error:
        return f"{metric} returned details that JSON cannot hold ({error}); expected finite numbers and text"
    return None


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
