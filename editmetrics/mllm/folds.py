"""Cross-validation: rated samples in parts, each of which is once what the others are tested on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..sample import Sample
from .checkpoint import METRIC, CheckpointError


class Fold(NamedTuple):
    """Training and test samples of one training in a cross-validation, and those in conflict with its test samples."""

    train: list[Sample]
    test: list[Sample]
    left_out: Sequence[Sample] = ()


TABLE = "folds.csv"
"""The measures of all folds, in the folder of a cross-validation: written last."""


def fold_checkpoints(name: str) -> list[str]:
    """The checkpoint of each fold if `name` is the folder of a cross-validation (`fit --folds`); else `name` itself.

    Raises `CheckpointError` for a cross-validation that has not been finished, or of which a fold is missing.

    >>> fold_checkpoints("toy")
    ['toy']
    """
    folder = Path(name).expanduser()
    if not os.path.isdir(folder):  # unlike Path.is_dir, false for a name that is too long for a path
        return [name]
    numbers = sorted(int(path.name[5:]) for path in folder.glob("fold_*") if path.is_dir() and path.name[5:].isdigit())
    if not numbers or (folder / METRIC).is_file():
        return [name]
    if not (folder / TABLE).is_file():
        raise CheckpointError(
            f"{folder} is a cross-validation without {TABLE}: it has not been finished; run the same command again"
        )
    from ..files.rows import read_rows

    count = max(int(row.cells["fold"]) for row in read_rows(folder / TABLE))
    if missing := [f"fold_{k}" for k in range(1, count + 1) if not (folder / f"fold_{k}" / METRIC).is_file()]:
        raise CheckpointError(f"{folder} is a cross-validation of {count} folds without {missing[0]}; copy all of them")
    return [f"{name}/fold_{number}" for number in range(1, count + 1)]


def folds(samples: Sequence[Sample], count: int, *, group: str | None, seed: int = 0) -> list[Fold]:
    """`count` folds: each sample is in the test part of one and in the training part of the others.

    - `group`: what training and test may not share: a column, or a field of `Sample`; images are compared by content.
      None: samples are split one by one. Several columns, separated by commas: the values of each are in `count` parts;
      fold k tests the samples whose values all are in the parts k, and trains on those of which none is. The others are
      in conflict, and left out of the fold; a sample whose values are in different parts is tested by no fold.
    - `seed`: another seed, other folds. The same seed and groups give the same folds, whatever the order of samples.

    Raises `SplitError` for fewer groups than folds, and `TargetError` for samples without a group.

    >>> samples = [Sample(str(n), edited=b"", prompt=f"prompt {n // 2}") for n in range(8)]
    >>> [(len(fold.train), len(fold.test)) for fold in folds(samples, 4, group="prompt")]
    [(6, 2), (6, 2), (6, 2), (6, 2)]
    """
    from ..agreement.splits import SplitError
    from .groups import keys_by_column, parts_of_samples

    parts = parts_of_samples(keys_by_column(samples, group), len(samples), (1.0,) * count, seed)
    made = [
        Fold(
            [sample for sample, part in zip(samples, parts, strict=True) if number not in part],
            [sample for sample, part in zip(samples, parts, strict=True) if part == {number}],
            [sample for sample, part in zip(samples, parts, strict=True) if number in part and len(part) > 1],
        )
        for number in range(count)
    ]
    if empty := [number for number, fold in enumerate(made, 1) if not (fold.train and fold.test)]:
        raise SplitError(f"fold {empty[0]} of {count} by {group} has no rows to train or to test; make fewer folds")
    return made
