"""What the `fit` of every learned metric begins with: its settings, its dimensions, and what makes it this training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..metric import Metric
from ..sample import EditMetricsError, SampleError
from ..wording import expected_one_of
from .recipe import Recipe, RecipeError, adjusted

if TYPE_CHECKING:
    from .backbone import Backbone
    from .targets import Example, TrainingSet

logger = logging.getLogger(__name__)
M = TypeVar("M")

ROUNDING = ("attention", "transformers")
"""What of a backbone's identity moves the rounding alone: a training may go on with another."""


def settings_of(
    metric: str, presets: Mapping[str, tuple[M, Recipe]], preset: str, settings: Mapping[str, Any]
) -> tuple[M, Recipe]:
    """The method and recipe of `preset` with other `settings`, each a field of either.

    Raises `RecipeError` for a preset or a setting that there is not, and for a value that it cannot have.
    """
    if preset not in presets:
        raise RecipeError(f"{metric} has no preset {preset!r}; it has {', '.join(presets)}")
    method, recipe = presets[preset]
    own = {field.name for field in fields(method)}  # type: ignore[arg-type]
    known = [*own, *(field.name for field in fields(Recipe))]
    for name in settings.keys() - set(known):
        raise RecipeError(f"the training of {metric} has no setting {name!r}; {expected_one_of(name, sorted(known))}")
    return (
        adjusted(method, {name: value for name, value in settings.items() if name in own}),
        adjusted(recipe, {name: value for name, value in settings.items() if name not in own}),
    )


def dimensions_to_train(metric: type[Metric], targets: Mapping[str, str]) -> list[str]:
    """The dimensions of `metric` that `targets` has a column for, in the metric's order."""
    known = [dimension.name for dimension in metric.dimensions]
    if unknown := [name for name in targets if name not in known]:
        raise EditMetricsError(f"{metric.name} has no dimension {unknown[0]!r} to train; it has {', '.join(known)}")
    return [name for name in known if name in targets]


def with_dimensions(metric: type[Metric], names: Sequence[str]) -> Metric:
    """A `metric` as its checkpoint describes it: with the dimensions that were trained."""
    trained = metric()
    trained.dimensions = tuple(d for d in metric.dimensions if d.name in names)  # type: ignore[misc]
    return trained


def about_training(
    backbone: Backbone,
    *,
    dimensions: Sequence[str],
    data: str,
    label_scale: Sequence[float],
    method: Any,
    recipe: Recipe,
    **more: Any,
) -> dict[str, Any]:
    """What decides what a training ends with, as JSON: one that was stopped goes on only where all of it is equal.

    `data` is the digest of the training set; `more` is whatever else a metric's training depends on.
    """
    return {
        "dimensions": list(dimensions),
        "data": data,
        "backbone": {name: value for name, value in backbone.identity().items() if name not in ROUNDING},
        "label_scale": list(label_scale),
        "method": asdict(method),
        "recipe": asdict(recipe),
        **more,
    }


def place_of(backbone: Backbone) -> str:
    """What a checkpoint loads its backbone by: a hub id, a name of the weights registry, or a folder's full path."""
    source = Path(backbone.checkpoint.source)
    return str(source.resolve()) if source.is_dir() else str(source)


def without_unusable(data: TrainingSet, ask: Callable[[Example], Any]) -> TrainingSet:
    """The same without the examples that `ask` raises `SampleError` for, which are counted with the reason.

    They are what the backbone cannot be asked about: a prompt that is too long, an image that cannot be read.
    """
    left_out = {reason: list(ids) for reason, ids in data.left_out.items()}

    def usable(examples: Sequence[Example]) -> list[Example]:
        kept = []
        for example in examples:
            try:
                ask(example)
            except SampleError as error:
                left_out.setdefault(str(error), []).append(example.id)
                logger.warning("%s is left out: %s", example.id, error)
            else:
                kept.append(example)
        return kept

    return replace(data, train=usable(data.train), validation=usable(data.validation), left_out=left_out)
