"""The training of EPAIQA in three stages (sections 4.1 to 4.3), each of which can be run alone, resumed and left out.

This module imports modules that import torch, and is itself only imported inside functions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...mllm.processes import rank_and_count
from ...mllm.validation import mean_or_none, merit
from ...sample import EditMetricsError, Sample, SampleError
from .assessor import ExplainingAssessor
from .learner import StageLearner, collate, expected_levels, level_agreement, mean_iou, overall_agreement
from .lessons import OF_STAGE, Materials, RehearsedLessons, read_materials
from .levels import completion_of
from .method import STAGES, EPAIQAMethod, Stage
from .overall import fitted_share
from .prompts import QUESTIONS, images_inline

if TYPE_CHECKING:
    import torch

    from ...mllm.backbone import Backbone
    from ...mllm.checkpoint import TrainedCheckpoint
    from ...mllm.fitting import FitJob
    from .box import Box
    from .metric import EPAIQA

logger = logging.getLogger(__name__)

ADAPTER = "epaiqa"
FULL = 3
"""The prompt completion of an edit that follows its instruction."""


def train_stages(job: FitJob, metric: EPAIQA) -> None:
    """Train the stages one after another, and write the checkpoint; see `EPAIQA.train_stages`."""
    method = job.method = replace(job.method, stages=tuple(stage for stage in STAGES if stage in job.method.stages))
    before = job.start or metric.checkpoint
    _check(job, before)
    materials = read_materials(job, metric.region_of)
    # one's own where its weights change, in float32, which small updates need
    full = method.tuning == "full"
    backbone = metric.trained_backbone(before, own=True, dtype="float32" if full else None)
    start = None if before is None else before.digest
    inline = images_inline(before)  # weights continue with the prompts that they know
    layout = {"images": "inline"} if inline else {}
    if job.finished(backbone, materials.digest, dimensions=materials.dimensions, start=start, **layout):
        return
    saved = before.adapter(ADAPTER) if before is not None and before.adapters and job.start is None else None
    adapter = None if full else job.adapter(ADAPTER, ("vision", "language"), saved)
    assessor = ExplainingAssessor(backbone, adapter, method.max_tokens, inline)
    _ = assessor.levels, assessor.completions  # a backbone without such words is refused before anything is computed
    materials, lessons = materials.lessons(assessor)
    job.survey(materials.examples)
    for number, stage in enumerate(method.stages):
        earlier = [lessons[one] for one in method.stages[:number]]
        mixed = RehearsedLessons(lessons[stage], earlier, method.rehearsal, job.recipe.seed)
        logger.info("stage %d, %s: %d questions", STAGES.index(stage) + 1, stage, len(mixed))
        terms = method.rating_loss if stage == "quantitative" else None  # few are repeated in a batch of stage 3
        learner = StageLearner(assessor, stage, method.read_weight, terms)
        job.stage(
            stage, learner, mixed, collate=collate, recipe=method.recipe_of(stage, job.recipe),
            validate=_measure(stage, assessor, materials, job), stage=stage,
        )  # fmt: skip
    if full:
        _round(backbone, method)
    for stage in method.stages:  # at the end: a later stage may undo what an earlier one taught
        job.validation.update(_validated(stage, assessor, materials, job))
    dimensions = [*materials.dimensions, *(() if before is None else before.dimensions)]
    share = _harmony_share(job, metric, assessor, materials, dimensions)
    if share is None and before is not None:
        share = before.settings.get("harmony_share")
    if full:
        _convert(backbone, method)
    earlier_stages = [] if before is None else list(before.settings["stages"])
    explained = bool(before is not None and before.settings.get("explains"))
    job.write(
        data=materials.counts(),
        dimensions=dimensions,
        label_scale=(1.0, 5.0),
        with_backbone=full,
        prompts=QUESTIONS,
        settings={
            "stages": [stage for stage in STAGES if stage in {*earlier_stages, *method.stages}],
            "rated_on": list(job.label_scale),
            **layout,
            **({} if share is None else {"harmony_share": share}),
            "explains": method.cot is not None if "explained" in method.stages else explained,
        },
    )


def _check(job: FitJob, before: TrainedCheckpoint | None) -> None:
    """Raise where the method cannot be trained, or not from the weights `before`."""
    method = job.method
    if not method.stages:
        raise EditMetricsError(f"no stage is to be trained; expected some of {', '.join(STAGES)}")
    if method.rating_loss is not None:
        method.rating_loss.check(job.recipe, rank_and_count()[1])
    if before is not None and before.adapters and method.tuning == "full":
        raise EditMetricsError(
            f"{before.folder} is an adapter, and tuning=full trains the weights under it; continue with tuning=lora"
        )


def _harmony_share(
    job: FitJob, metric: EPAIQA, assessor: ExplainingAssessor, materials: Materials, dimensions: Sequence[str]
) -> float | None:
    """The share of harmony in overall quality, fitted on the validation edits that follow their instruction and have a
    region; None without such edits, or without stage 3 or the parts."""
    if not {"harmony", "local_naturalness"} <= set(dimensions) or "explained" not in materials.validation:
        return None
    low, high = job.label_scale
    tasks, overall = [], []
    for task in materials.validation["explained"]:
        region = _given_region(metric, task.sample)
        if region is not None and completion_of(materials.rating(task, "prompt_completion")) == FULL:
            tasks.append(replace(task, region=region))
            overall.append(1 + 4 * (materials.rating(task, "overall_quality") - low) / (high - low))
    harmony, naturalness = (
        expected_levels(assessor, kind, tasks, job.recipe.validation_batch_size) for kind in OF_STAGE["quantitative"]
    )
    return fitted_share(harmony, naturalness, overall)


def _given_region(metric: EPAIQA, sample: Sample) -> Box | None:
    try:
        return metric.region_of(sample)[0]
    except SampleError:
        return None  # a malformed one is counted where regions are learned from


def _measure(
    stage: Stage, assessor: ExplainingAssessor, materials: Materials, job: FitJob
) -> Callable[[], float | None]:
    """Measure that selects the weights of a stage: mean IoU, or the mean merit of the dimensions that it teaches and of
    those that it repeats. One whose validation ratings are all alike does not count."""
    stages: list[Stage] = [stage]
    if stage == "explained" and job.method.rehearsal and "quantitative" in job.method.stages:
        stages.append("quantitative")

    def measure() -> float | None:
        measured = {name: one for each in stages for name, one in _validated(each, assessor, materials, job).items()}
        if stage == "grounding":
            return float(measured["region"]["mean_iou"])
        merits = (merit(one, job.recipe.select) for one in measured.values())
        return mean_or_none(value for value in merits if value is not None)

    return measure


def _validated(
    stage: Stage, assessor: ExplainingAssessor, materials: Materials, job: FitJob
) -> dict[str, dict[str, Any]]:
    tasks, size = materials.validation[stage], job.recipe.validation_batch_size
    if stage == "grounding":
        return {"region": mean_iou(assessor, tasks, size)}
    if stage == "explained":
        overall, completions = ([materials.rating(task, name) for task in tasks] for name in OF_STAGE["explained"])
        return overall_agreement(assessor, tasks, overall, completions, job.method.cot is not None, size)
    measured = {}
    for kind in dict.fromkeys(task.kind for task in tasks):
        of_kind = [task for task in tasks if task.kind == kind]
        ratings = [materials.rating(task, kind) for task in of_kind]
        measured[kind] = level_agreement(assessor, kind, of_kind, ratings, size)
    return measured


def _round(backbone: Backbone, method: EPAIQAMethod) -> None:
    """Round the trained weights as they will be saved, so that what is validated is what is saved.

    The parameters alone: what a model computes for itself when it is loaded, such as the frequencies of its positions,
    is not saved and not rounded.
    """
    for parameter in backbone.model.parameters():
        parameter.data = parameter.data.to(_saved(method)).to(parameter.dtype)


def _convert(backbone: Backbone, method: EPAIQAMethod) -> None:
    """Bring the backbone to the dtype that it is saved in, the last thing that is done with it."""
    model = backbone.model
    model.to(dtype=_saved(method))  # type: ignore[call-arg]


def _saved(method: EPAIQAMethod) -> torch.dtype:
    import torch

    return torch.bfloat16 if method.saved == "bfloat16" else torch.float32
