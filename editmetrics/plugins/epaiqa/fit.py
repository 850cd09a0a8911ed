"""The training of EPAIQA in three stages (sections 4.1 to 4.3), each of which can be run alone, resumed and left out.

This module imports modules that import torch, and is itself only imported inside functions.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...mllm.checkpoint import Checkpoint, finished_checkpoint, read_checkpoint, write_checkpoint
from ...mllm.fitting import about_training, dimensions_to_train, place_of, settings_of, with_dimensions
from ...mllm.loop import train
from ...mllm.lora import add_lora, load_lora, remove_lora
from ...mllm.processes import on_main_process, training_device
from ...mllm.recipe import Progress, Recipe, TrainingRun
from ...mllm.run_folder import History
from ...sample import EditMetricsError
from .assessor import Assessor
from .learner import Learner, Mixed, collate, level_agreement, mean_iou, overall_agreement
from .lessons import OF_STAGE, Materials, read_materials
from .method import PRESETS, STAGES, Method, Stage
from .prompts import QUESTIONS

if TYPE_CHECKING:
    import torch

    from ...mllm.backbone import Backbone
    from .metric import EPAIQA

logger = logging.getLogger(__name__)

ADAPTER = "epaiqa"


def fit(
    metric: EPAIQA,
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
    """Train the stages one after another, write the checkpoint and return it; see `EPAIQA.fit`."""
    folder = Path(output_dir)
    method, recipe = settings_of(metric.name, PRESETS, preset, settings)
    method = replace(method, stages=tuple(stage for stage in STAGES if stage in method.stages))
    if not method.stages:
        raise EditMetricsError(f"no stage is to be trained; expected some of {', '.join(STAGES)}")
    metric.device = training_device(metric.device)
    dimensions_to_train(type(metric), targets)
    materials = read_materials(
        metric, train_data, val, stages=method.stages, targets=targets, label_scale=label_scale, group=group,
        cot=method.cot, seed=recipe.seed,
    )  # fmt: skip
    before = metric.trained
    backbone = _backbone(metric, method)
    about = about_training(
        backbone, dimensions=list(materials.dimensions), data=materials.digest, label_scale=label_scale, method=method,
        recipe=recipe, start=None if before is None else before.digest,
    )  # fmt: skip
    if resume and (done := finished_checkpoint(folder, type(metric), about)):
        logger.info("%s holds the finished training already", folder)
        return done
    adapter = _adapter(backbone, method, recipe, before)
    assessor = Assessor(backbone, adapter, method.max_tokens)
    _ = assessor.levels, assessor.completions  # a backbone without such words is refused before anything is computed
    materials, lessons = materials.lessons(assessor)
    mixed = {
        stage: Mixed(lessons[stage], [lessons[one] for one in method.stages[:number]], method.rehearsal, recipe.seed)
        for number, stage in enumerate(method.stages)
    }
    run = TrainingRun(recipe, folder, resume, progress, about)
    try:
        histories: dict[str, History] = {
            stage: _train(stage, assessor, materials, mixed[stage], method, run) for stage in method.stages
        }
        if adapter is None:
            _round(backbone, method)
        validation = _validation(assessor, materials, method)
        known = [] if before is None else list(before.settings["stages"])
        stages = [stage for stage in STAGES if stage in {*known, *method.stages}]
        dimensions = [
            d.name for d in type(metric).dimensions
            if d.name in materials.dimensions or (before is not None and d.name in before.dimensions)
        ]  # fmt: skip
        if adapter is None:
            _convert(backbone, method)
        write = partial(
            write_checkpoint,
            folder,
            with_dimensions(type(metric), dimensions),
            label_scale=(1.0, 5.0),
            backbone=backbone,
            adapters={} if adapter is None else {ADAPTER: adapter},
            with_backbone=adapter is None,
            prompts=QUESTIONS,
            settings={
                "backbone": place_of(backbone),
                "stages": stages,
                "rated_on": list(label_scale),
                "explains": method.cot is not None if "explained" in method.stages else _explained(before),
            },
            validation=validation,
            recipe={**asdict(method), **asdict(recipe)},
            data=materials.counts(),
            fit=about,
            history=histories,
        )
        on_main_process(write)
    finally:
        if adapter is not None:
            remove_lora(backbone, adapter)
    return read_checkpoint(folder, type(metric))


def _train(
    stage: Stage,
    assessor: Assessor,
    materials: Materials,
    lessons: Mixed,
    method: Method,
    run: TrainingRun,
) -> History:
    logger.info("stage %d, %s: %d questions", STAGES.index(stage) + 1, stage, len(lessons))
    return train(
        Learner(assessor, stage),
        lessons,
        run.stage(stage, recipe=method.recipe_of(stage, run.recipe), stage=stage),
        collate=collate,
        length=lambda lesson: len(lesson.prompt),
        validate=_measure(stage, assessor, materials, method),
    )


def _measure(stage: Stage, assessor: Assessor, materials: Materials, method: Method) -> Callable[[], float | None]:
    """What chooses the weights that a stage keeps: mean IoU, or the mean SRCC of the levels that it learns."""

    def measure() -> float | None:
        found = _validated(stage, assessor, materials, method)
        if stage == "grounding":
            return float(found["region"]["mean_iou"])
        if stage == "explained":
            return found["overall_quality"]["srcc"]
        values = [measures["srcc"] for measures in found.values()]
        return None if None in values else sum(values) / len(values)

    return measure


def _validated(stage: Stage, assessor: Assessor, materials: Materials, method: Method) -> dict[str, dict[str, Any]]:
    tasks = materials.validation[stage]
    if stage == "grounding":
        return {"region": mean_iou(assessor, tasks)}
    if stage == "explained":
        overall, completions = ([materials.rating(task, name) for task in tasks] for name in OF_STAGE["explained"])
        return overall_agreement(assessor, tasks, overall, completions, explain=method.cot is not None)
    found = {}
    for kind in dict.fromkeys(task.kind for task in tasks):
        asked = [task for task in tasks if task.kind == kind]
        found[kind] = level_agreement(assessor, kind, asked, [materials.rating(task, kind) for task in asked])
    return found


def _validation(assessor: Assessor, materials: Materials, method: Method) -> dict[str, dict[str, Any]]:
    """All stages' measures, taken at the end: a later stage may undo what an earlier one taught."""
    return {
        name: found for stage in method.stages for name, found in _validated(stage, assessor, materials, method).items()
    }


def _backbone(metric: EPAIQA, method: Method) -> Backbone:
    """The backbone to train: one's own where its weights will change, in float32, which small updates need."""
    if metric.trained is not None and metric.trained.adapters and method.tuning == "full":
        raise EditMetricsError(
            f"{metric.weights} is an adapter, and tuning=full trains the weights under it; go on with tuning=lora"
        )
    full = method.tuning == "full"
    return metric.load_trained_backbone(own=True, dtype="float32" if full else None)


def _adapter(backbone: Backbone, method: Method, recipe: Recipe, before: Checkpoint | None) -> str | None:
    """The name of the adapter that is trained, put on the backbone; None where the backbone itself is."""
    if method.tuning == "full":
        return None
    name = "fit_epaiqa"
    if before is not None and before.adapters:
        load_lora(backbone, name, before.adapter(ADAPTER))
    else:
        add_lora(
            backbone, name, parts=("vision", "language"), rank=method.rank, alpha=method.alpha,
            dropout=method.dropout, seed=recipe.seed,
        )  # fmt: skip
    return name


def _round(backbone: Backbone, method: Method) -> None:
    """Round the trained weights as they will be saved, so that what is validated is what is saved.

    The parameters alone: what a model computes for itself when it is loaded, such as the frequencies of its positions,
    is not saved and not rounded.
    """
    for parameter in backbone.model.parameters():
        parameter.data = parameter.data.to(_saved(method)).to(parameter.dtype)


def _convert(backbone: Backbone, method: Method) -> None:
    """Bring the backbone to the dtype that it is saved in, the last thing that is done with it."""
    model = backbone.model
    model.to(dtype=_saved(method))  # type: ignore[call-arg]


def _saved(method: Method) -> torch.dtype:
    import torch

    return torch.bfloat16 if method.saved == "bfloat16" else torch.float32


def _explained(before: Checkpoint | None) -> bool:
    return bool(before is not None and before.settings.get("explains"))
