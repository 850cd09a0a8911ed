"""Cross-validation: rated samples in parts, each of which is once what the others are tested on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..agreement.splits import split
from ..sample import Sample
from .targets import groups_of


class Fold(NamedTuple):
    """Training and test samples of one training in a cross-validation."""

    train: list[Sample]
    test: list[Sample]


def folds(samples: Sequence[Sample], count: int, *, group: str | None, seed: int = 0) -> list[Fold]:
    """`count` folds: each sample is in the test part of one and in the training part of the others.

    - `group`: what training and test may not share: a column, or a field of `Sample`; images are compared by content.
      None: samples are split one by one.
    - `seed`: another seed, other folds. The same seed and groups give the same folds, whatever the order of samples.

    Raises `SplitError` for fewer groups than folds, and `TargetError` for samples without a group.

    >>> samples = [Sample(str(n), b"", prompt=f"prompt {n // 2}") for n in range(8)]
    >>> [(len(fold.train), len(fold.test)) for fold in folds(samples, 4, group="prompt")]
    [(6, 2), (6, 2), (6, 2), (6, 2)]
    """
    part = split(groups_of(samples, group), (1.0,) * count, seed)
    return [
        Fold(
            [sample for sample, index in zip(samples, part, strict=True) if index != number],
            [sample for sample, index in zip(samples, part, strict=True) if index == number],
        )
        for number in range(count)
    ]
