"""Several trainings of a learned metric, compared: the folds of a cross-validation, the ablations of a method."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .learned_metric import LearnedMetric
    from .mllm.folds import Fold
    from .scoring.results import Results

logger = logging.getLogger(__name__)


LABEL_MEASURES = ("auc", "balanced_accuracy")
"""Measures of a dimension that is a label, in a cross-validation."""


@dataclass(frozen=True)
class Training:
    """One training of a study: the metric to train, its samples, its checkpoint's folder and its settings."""

    metric: LearnedMetric
    train: Any
    folder: Path
    settings: Mapping[str, Any]


def ablation_trainings(
    metric: LearnedMetric, train: Any, output: Path, settings: Mapping[str, Any]
) -> dict[str, Training]:
    """Plan a training for each ablation that `metric` declares, by name, beside the other `settings`.

    One that changes none of them is left out, with a warning: it would train the full method a second time.
    """
    full = metric.effective_settings(settings)
    trainings = {}
    for name, changes in metric.ablations.items():
        if changes and all(setting in full and full[setting] == value for setting, value in changes.items()):
            text = ", ".join(f"{setting}={str(value).lower()}" for setting, value in changes.items())
            logger.warning("the ablation %r is left out, because the full method has %s already", name, text)
            continue
        trainings[name] = Training(metric, train, ablation_folder(output, name), changes)
    return trainings


def ablation_folder(output: Path, name: str) -> Path:
    """Return the checkpoint folder of an ablation: its name inside `output`, with underscores between words."""
    return output / "".join(letter if letter.isalnum() else "_" for letter in name)


def ablation_rows(trainings: Mapping[str, Training]) -> list[dict[str, Any]]:
    """Read the measures of each finished ablation, one column per dimension and measure.

    They are those on the test data where the training set some aside.
    """
    from .mllm.checkpoint import read_checkpoint

    measured: dict[str, dict[str, float | None]] = {}
    for name, training in trainings.items():
        row = measured.setdefault(name, {})
        for dimension, measures in read_checkpoint(training.folder).validation.items():
            tested = {key.removeprefix("test "): value for key, value in measures.items() if key.startswith("test ")}
            row |= {f"{dimension} {key}": value for key, value in (tested or measures).items()}
    columns = list(dict.fromkeys(column for row in measured.values() for column in row))
    return [{"ablation": name, **{key: row.get(key) for key in columns}} for name, row in measured.items()]


def cross_validation_folds(
    metric: LearnedMetric, manifest: Any, count: int, settings: Mapping[str, Any], targets: Mapping[str, str]
) -> list[Fold]:
    """Divide a manifest, or its samples, into folds by `settings["group"]` (else the metric's own) and the seed."""
    from .data import from_manifest
    from .mllm.folds import folds

    group = settings.get("group", metric.group_by)
    listed = list(from_manifest(manifest) if isinstance(manifest, (str, os.PathLike)) else manifest)
    samples = metric.samples_for_folds(listed, targets)
    return folds(samples, count, group=group, seed=int(settings.get("seed", 0)))


def fold_trainings(
    metric: LearnedMetric, folds: Sequence[Fold], output: Path, settings: Mapping[str, Any]
) -> list[Training]:
    """Plan a training for each fold, in the folders `fold_1`, `fold_2`, ... of `output`.

    Of several columns in `settings["group"]`, which test and training do not share, the first alone keeps validation
    data apart: they choose weights, and are not what is reported.
    """
    from .mllm.groups import columns_of

    columns = columns_of(settings.get("group"))
    own = {"group": columns[0]} if len(columns) > 1 else {}
    return [Training(metric, fold.train, output / f"fold_{number}", own) for number, fold in enumerate(folds, 1)]


def fold_rows(
    number: int, results: Results, metric: LearnedMetric, targets: Mapping[str, str], settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Measure the agreement of a fold's scores with its ratings: a row for each dimension and measure.

    Dimensions that are labels (`metric.label_dimensions`) are measured by AUC, and by balanced accuracy from 0.5 on.
    """
    from .evaluation import evaluate

    (column,) = results.columns
    names = {dimension.name: column.names[dimension.name] for dimension in metric.dimensions}
    dimension_of = {names[dimension]: dimension for dimension in targets if dimension in names}
    ratings: dict[str, list[Any]] = {"id": [sample.id for sample in results.samples]}
    ratings |= {name: [sample.meta.get(name) for sample in results.samples] for name in targets.values()}
    rows: list[dict[str, Any]] = []
    for_labels: dict[str, Any] = {"measures": LABEL_MEASURES, "threshold": 0.5}
    for is_label, options in ((False, {}), (True, for_labels)):
        pairs = [
            (score, targets[dimension])
            for score, dimension in dimension_of.items()
            if (dimension in metric.label_dimensions) == is_label
        ]
        agreement = (
            evaluate(
                results.table(),
                ratings,
                pairs=pairs,
                on=["id"],
                known_directions={names[d.name]: d.higher_is_better for d in metric.dimensions},
                **options,
            ).lines
            if pairs
            else []
        )
        rows += [
            {"dimension": dimension_of[line.score], "measure": line.measure, "value": line.value, "n": line.n,
             "excluded": line.excluded, "note": line.note}
            for line in agreement if line.group == "all"
        ]  # fmt: skip
    rows += metric.extra_measures(results.samples, results[column.label], settings)
    return [{"fold": number, **row} for row in rows]


def fold_baseline(number: int, fold: Fold, targets: Mapping[str, str]) -> list[dict[str, Any]]:
    """Measure what a ridge regression on image statistics, trained on all rows of a fold's training part, predicts.

    A row for each dimension and measure, as `fold_rows` has them, of the dimension "baseline of DIMENSION".
    """
    from .mllm.baseline import measured_baseline
    from .mllm.survey import survey
    from .mllm.targets import rated

    parts = {
        name: [rated(sample, targets) for sample in part] for name, part in (("train", fold.train), ("test", fold.test))
    }
    samples = [example.sample for examples in parts.values() for example in examples]
    surveyed = dict(zip(map(id, samples), survey(samples), strict=True))
    rows = []
    for dimension, measures in measured_baseline(parts, surveyed).items():
        count = int(measures["test n"])
        shared = {"fold": number, "dimension": f"baseline of {dimension}", "n": count,
                  "excluded": len(fold.test) - count}  # fmt: skip
        rows += [
            {**shared, "measure": name.removeprefix("test "), "value": value,
             "note": None if value is not None else "it is undefined"}
            for name, value in measures.items() if name != "test n"
        ]  # fmt: skip
    return rows
