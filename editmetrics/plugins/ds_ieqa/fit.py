"""The training of DS-IEQA (section 3.4): definitions first, then an adapter for each dimension under TDRL.

This module imports modules that import torch, and is itself only imported inside functions.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...mllm.checkpoint import Checkpoint, finished_checkpoint, read_checkpoint, write_checkpoint
from ...mllm.features import FeatureStore
from ...mllm.lora import add_lora, remove_lora
from ...mllm.targets import Example, TrainingSet, read_training_set
from ...mllm.training import Progress, on_main_process, train, training_device
from ...sample import EditMetricsError, SampleError
from .assessor import Assessor
from .definitions import define
from .digit_scale import DigitScale
from .learner import Learner, Lessons, Pairs, collate
from .method import settings_of
from .prompts import START_DEFINITIONS

if TYPE_CHECKING:
    from ...mllm.backbone import Backbone
    from .metric import DSIEQA

logger = logging.getLogger(__name__)


def fit(
    metric: DSIEQA,
    train_data: Any,
    val: Any,
    *,
    targets: Mapping[str, str],
    label_scale: tuple[float, float],
    group: str | None,
    output_dir: str | os.PathLike[str],
    resume: bool,
    preset: str,
    settings: Mapping[str, Any],
    progress: Progress | None,
) -> Checkpoint:
    """Search definitions, train an adapter for each dimension of `targets`, write the checkpoint and return it.

    See `DSIEQA.fit`. Each dimension is a training of its own, as in the paper; a run that was killed goes on in it.
    """
    folder = Path(output_dir)
    method, recipe = settings_of(preset, settings)
    metric.device = training_device(metric.device)
    known = [dimension.name for dimension in type(metric).dimensions]
    if unknown := [name for name in targets if name not in known]:
        raise EditMetricsError(f"ds_ieqa has no dimension {unknown[0]!r} to train; it has {', '.join(known)}")
    dimensions = [name for name in known if name in targets]
    data = read_training_set(
        train_data, val, targets=targets, label_scale=label_scale, group=group, needs=metric.needs, seed=recipe.seed
    )
    backbone = metric.load_backbone()
    about = {
        "dimensions": dimensions,
        "data": data.digest(),
        "backbone": {k: v for k, v in backbone.identity().items() if k not in ("attention", "transformers")},
        "label_scale": list(data.label_scale),
        "method": asdict(method),
        "recipe": asdict(recipe),
    }
    if resume and (done := finished_checkpoint(folder, type(metric), about)):
        logger.info("%s holds the finished training already", folder)
        return done
    start = {dimension: START_DEFINITIONS[dimension] for dimension in dimensions}
    assessor = Assessor(backbone, start, DigitScale(*data.label_scale))
    _ = assessor.digits  # a backbone whose tokenizer groups digits is refused before anything is computed
    store = None if "vision" in method.parts else FeatureStore(folder / "features", backbone)
    assessor.features = None if store is None else store.get
    pairs = Pairs(assessor, store)
    data = _without_unusable(assessor, pairs, data)
    if method.optimiser:
        assessor.definitions = define(assessor, data, pairs, method, folder, recipe.seed)
    histories, validation, adapters = {}, {}, {}
    try:
        for dimension in dimensions:
            adapters[dimension] = adapter = f"fit_{dimension}"
            add_lora(
                backbone, adapter, parts=method.parts, rank=method.rank, alpha=method.alpha, dropout=method.dropout,
                seed=recipe.seed,
            )  # fmt: skip
            one = replace(
                assessor, definitions={dimension: assessor.definitions[dimension]}, adapters={dimension: adapter}
            )
            learner = Learner(one, dimension, method, store)
            histories[dimension] = train(
                learner,
                Lessons(pairs, data.train, learner),
                collate=collate,
                recipe=recipe,
                output_dir=folder / "training" / dimension,
                validate=lambda: learner.agreement(pairs, data.validation, metric.read)["srcc"],  # noqa: B023
                resume=resume,
                progress=progress,
                about={**about, "dimension": dimension, "definition": one.definitions[dimension]},
            )
            validation[dimension] = learner.agreement(pairs, data.validation, metric.read)
        trained = type(metric)()
        trained.dimensions = tuple(d for d in type(metric).dimensions if d.name in dimensions)  # type: ignore[misc]
        write = partial(
            write_checkpoint,
            folder,
            trained,
            label_scale=data.label_scale,
            backbone=backbone,
            adapters=adapters,
            prompts=assessor.definitions,
            settings={"backbone": _where(backbone)},
            validation=validation,
            recipe={**asdict(method), **asdict(recipe)},
            data=data.counts(),
            fit=about,
            history=histories,
        )
        on_main_process(write)
    finally:
        for adapter in adapters.values():
            remove_lora(backbone, adapter)
    return read_checkpoint(folder, type(metric))


def _where(backbone: Backbone) -> str:
    """What a checkpoint loads its backbone by: a hub id, a name of the weights registry, or a folder's full path."""
    source = Path(backbone.checkpoint.source)
    return str(source.resolve()) if source.is_dir() else str(source)


def _without_unusable(assessor: Assessor, pairs: Pairs, data: TrainingSet) -> TrainingSet:
    """The same without the examples that the backbone cannot be asked about, which are counted with the reason."""
    left_out = {reason: list(ids) for reason, ids in data.left_out.items()}

    def usable(examples: Sequence[Example]) -> list[Example]:
        kept = []
        for example in examples:
            try:
                pictures = pairs(example.sample)
                for dimension in assessor.definitions:
                    assessor.prompt(pictures, example.sample.prompt or "", dimension)
            except SampleError as error:
                left_out.setdefault(str(error), []).append(example.id)
                logger.warning("%s is left out: %s", example.id, error)
            else:
                kept.append(example)
        return kept

    return replace(data, train=usable(data.train), validation=usable(data.validation), left_out=left_out)
