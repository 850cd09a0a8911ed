"""How far raters disagree on each sample, from a column of the training data; and the weights that follow from it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from statistics import median

from ..sample import Sample
from ..wording import expected_one_of, first_few
from .targets import Example, TargetError

Spreads = Mapping[str, Mapping[int, float]]
"""By dimension and id(sample)."""


def rater_spreads(examples: Sequence[Example], targets: Mapping[str, str], suffix: str) -> Spreads:
    """Return the standard deviation of each sample's raters, by dimension and `id(sample)`, in points of the scale.

    It stands in the rating's column with `suffix` after its name: with ".sd" the ratings `mos_v` have their spreads in
    `mos_v.sd`, as `editmetrics ratings mos` writes them. Raises `TargetError` where a column does not exist, or where a
    sample has no finite number of 0 or more in it.

    >>> examples = [Example(Sample("a", edited=b"", meta={"mos": 3.0, "mos.sd": "0.5"}), {"quality": 3.0})]
    >>> list(rater_spreads(examples, {"quality": "mos"}, ".sd")["quality"].values())
    [0.5]
    """
    spreads = {}
    for dimension, column in targets.items():
        values = {id(example.sample): _spread(example.sample, f"{column}{suffix}") for example in examples}
        if wrong := [example.id for example in examples if math.isnan(values[id(example.sample)])]:
            columns = dict.fromkeys(name for example in examples for name in example.sample.meta)
            problem = f"has no number of 0 or more for {len(wrong)} of {len(examples)} samples: {first_few(wrong)}"
            if f"{column}{suffix}" not in columns:
                problem = f"does not exist; {expected_one_of(column + suffix, columns)}"
            raise TargetError(
                f"the column {column + suffix!r}, in which the standard deviation of the raters of {column} is "
                f"expected, {problem}"
            )
        spreads[dimension] = values
    return spreads


def weights(spreads: Sequence[float]) -> list[float]:
    """Return a weight for each of several ratings from its raters' standard deviation; their mean is 1.

    w_i = 1 / (s_i^2 + m^2), normalised, with m the median of all s: the inverse variance of a rating of which the
    raters' mean is not the whole error, so that the surest sample weighs at most twice as much as one in the middle.
    Equal spreads, all 0 included, weigh 1.

    Source: inverse-variance weighting, Cochran, Supplement to JRSS 1937, with a constant second component.

    >>> [round(weight, 2) for weight in weights([1.0, 1.0, 2.0])]
    [1.25, 1.25, 0.5]
    """
    floor = median(spreads) ** 2 or max(spreads) ** 2 or 1.0
    inverse = [1.0 / (spread**2 + floor) for spread in spreads]
    return [weight * len(inverse) / sum(inverse) for weight in inverse]


def digest(spreads: Spreads, examples: Sequence[Example]) -> str:
    """Return a checksum of the spreads of `examples`, in their order: part of what decides a training."""
    text = "".join(f"{dimension} {example.id} {values[id(example.sample)]!r}\n" for dimension, values in spreads.items()
                   for example in examples)  # fmt: skip
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _spread(sample: Sample, column: str) -> float:
    """The number of a column, NaN for anything that is not a standard deviation."""
    try:
        value = float(sample.meta[column])
    except (KeyError, TypeError, ValueError):
        return math.nan
    return value if 0 <= value < math.inf else math.nan
