"""The training of DS-IEQA (section 3.4): definitions first, then an adapter for each dimension under TDRL.

This module imports modules that import torch, and is itself only imported inside functions.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...mllm.checkpoint import Checkpoint, finished_checkpoint, read_checkpoint, write_checkpoint
from ...mllm.features import FeatureStore
from ...mllm.fitting import (
    about_training,
    dimensions_to_train,
    place_of,
    settings_of,
    with_dimensions,
    without_unusable,
)
from ...mllm.loop import train
from ...mllm.lora import add_lora, remove_lora
from ...mllm.processes import on_main_process, training_device
from ...mllm.recipe import Progress, TrainingRun
from ...mllm.targets import Example, read_training_set
from .assessor import Assessor
from .definitions import define
from .digit_scale import DigitScale
from .learner import Learner, Lessons, Pairs, collate
from .method import PRESETS
from .prompts import START_DEFINITIONS

if TYPE_CHECKING:
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
    method, recipe = settings_of(metric.name, PRESETS, preset, settings)
    metric.device = training_device(metric.device)
    dimensions = dimensions_to_train(type(metric), targets)
    data = read_training_set(
        train_data, val, targets=targets, label_scale=label_scale, group=group, needs=metric.needs, seed=recipe.seed
    )
    backbone = metric.load_backbone()
    about = about_training(
        backbone, dimensions=dimensions, data=data.digest(), label_scale=data.label_scale, method=method, recipe=recipe
    )  # fmt: skip
    if resume and (done := finished_checkpoint(folder, type(metric), about)):
        logger.info("%s holds the finished training already", folder)
        return done
    start = {dimension: START_DEFINITIONS[dimension] for dimension in dimensions}
    assessor = Assessor(backbone, start, DigitScale(*data.label_scale))
    _ = assessor.digits  # a backbone whose tokenizer groups digits is refused before anything is computed
    store = None if "vision" in method.parts else FeatureStore(folder / "features", backbone)
    assessor.features = None if store is None else store.get
    pairs = Pairs(assessor, store)

    def ask(example: Example) -> None:
        for dimension in dimensions:
            assessor.prompt(pairs(example.sample), example.sample.prompt or "", dimension)

    data = without_unusable(data, ask)
    if method.optimiser:
        assessor.definitions = define(assessor, data, pairs, method, folder, recipe.seed)
    run = TrainingRun(recipe, folder, resume, progress, about)
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
                run.stage(dimension, dimension=dimension, definition=one.definitions[dimension]),
                collate=collate,
                length=lambda lesson: len(lesson.prompt),
                validate=lambda: learner.agreement(pairs, data.validation, metric.read)["srcc"],  # noqa: B023
            )
            validation[dimension] = learner.agreement(pairs, data.validation, metric.read)
        write = partial(
            write_checkpoint,
            folder,
            with_dimensions(type(metric), dimensions),
            label_scale=data.label_scale,
            backbone=backbone,
            adapters=adapters,
            prompts=assessor.definitions,
            settings={"backbone": place_of(backbone)},
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
