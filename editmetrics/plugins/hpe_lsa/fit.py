"""The training of HPE-LSA: contrastive tuning, layer-sensitivity analysis, decoders, in this order.

This module imports torch through the stages at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...files.writing import write_text
from ...mllm.heads import RegressionHead
from ...mllm.lessons import usable
from ...mllm.pictures import PreparedPictures
from ...mllm.processes import on_main_process, rank_and_count
from ...mllm.recipe import RecipeError, TrainingError
from . import contrastive, decoders
from .analysis import analyse, draw, probe_ratings
from .assessor import PAIR, SINGLE, LayerAssessor
from .labels import AUTHENTICITY, LabelledSet, Part, read_labelled_set
from .profile import LayerProfile

if TYPE_CHECKING:
    from torch import Tensor

    from ...mllm.backbone import Backbone
    from ...mllm.fitting import FitJob
    from ...mllm.targets import Example
    from .method import HPELSAMethod

    States = Mapping[str, tuple[Sequence[Tensor], Sequence[Tensor]]]

logger = logging.getLogger(__name__)

ADAPTER = "contrastive"
"""The adapter's name in a checkpoint."""


def train_stages(job: FitJob, backbone: Backbone) -> None:
    """The three steps of the method, each of which can be resumed; writes the checkpoint. See `HPELSA.train_stages`."""
    method = job.method
    data = read_labelled_set(
        job.train, job.val, targets=job.targets, label_scale=job.label_scale, group=job.group, seed=job.recipe.seed
    )
    _check(method, backbone)
    for recipe in (method.of_decoders(job.recipe), *([job.recipe] if method.training == "joint" else [])):
        method.rating_loss.check(recipe, rank_and_count()[1])
    if job.finished(backbone, data.digest()):
        return
    pictures = PreparedPictures(backbone, int(method.picture_cache_gb * 1e9))
    assessor = LayerAssessor(backbone, pooling=method.pooling, pictures=pictures)
    data = data.without(_unusable(assessor, data))
    learned = {name: part.learned(job.dimensions) for name, part in data.parts.items()}
    job.survey({name: [*part.images, *part.rated] for name, part in learned.items()})
    profile = profile_layers(job, assessor, data) if method.analysed_backbone == "untuned" else None
    if method.parts:
        assessor.adapter = job.adapter(ADAPTER, method.parts)
    margins = tune(job, assessor, data) if method.parts and method.tunes_first else {}
    if method.analysed_backbone == "tuned":
        profile = profile_layers(job, assessor, data)
    assessor.layer = profile.chosen if profile else method.layer or backbone.num_layers
    start = train_jointly(job, assessor, data) if method.training == "joint" else None
    heads = train_decoders(job, assessor, data, read_states(job, assessor, data), start)
    job.write(
        data=data.counts(),
        heads=heads,
        prompts={AUTHENTICITY: SINGLE, "quality": "[image]".join(PAIR)},
        settings={
            "layer": assessor.layer,
            "layers": backbone.num_layers,
            "pooling": method.pooling,
            "margin of real to edited": margins,
            **({"share of resamples by layer": profile.shares.tolist()} if profile else {}),
        },
    )


def _check(method: HPELSAMethod, backbone: Backbone) -> None:
    """Raise `RecipeError` for settings that do not go together, or not with this backbone."""
    for name, layer in (("layer", method.layer or 1), *(("contrast_layers", n) for n in method.contrast_layers)):
        if layer > backbone.num_layers:
            raise RecipeError(f"{name}={layer}, and {backbone.name} has {backbone.num_layers} layers")
    if method.training == "joint" and not method.parts:
        raise RecipeError("training=joint trains LoRA with the decoders; set vision_lora or language_lora to true")
    if method.training == "staged" and method.decoder_steps == 0:
        raise RecipeError("decoder_steps=0 leaves the decoders untrained; give them some, or set training=joint")
    if method.triplet_share < 1 and method.batch_negatives:
        raise RecipeError(
            f"triplet_share={method.triplet_share:g} leaves different numbers of triplets in the micro-batches, which "
            "batch_negatives compares; leave out one of the two"
        )
    if method.feature == "projected" and method.contrast_layers:
        raise RecipeError(
            "feature=projected is not a state of a layer; leave out contrast_layers, or set feature=image"
        )
    if method.feature == "projected" and method.language_lora and method.training == "staged":
        raise RecipeError(
            "feature=projected is what goes into the language model, of which language_lora would learn nothing; set "
            "language_lora=false, or another feature"
        )


def read_states(job: FitJob, assessor: LayerAssessor, data: LabelledSet) -> States:
    """The states of the chosen layer, of each part of the data; of the training part only where decoders learn."""
    parts = data.parts if job.method.trains_decoders else {**data.parts, "train": Part([], [])}
    return {name: decoders.states(assessor, part, job.dimensions) for name, part in parts.items()}


def tune(job: FitJob, assessor: LayerAssessor, data: LabelledSet) -> dict[str, float]:
    """Contrastive tuning; the margin between real and edited validation images before and after."""
    method, seed = job.method, job.recipe.seed
    contrast = contrastive.Contrast(assessor, method, job.recipe.validation_batch_size)
    held_out = contrastive.Triplets(assessor, data.validation, seed, method.positive)
    before = contrast.eval().margin(held_out)
    job.stage(
        "contrastive",
        contrast,
        contrastive.Triplets(assessor, data.train, seed, method.positive),
        collate=contrastive.collate,
        length=None if method.batch_negatives else contrastive.longest,
        validate=lambda: contrast.chance(held_out),
    )
    assessor.backbone.model.requires_grad_(False)
    return {"before": before, "after": contrast.margin(held_out)}


def train_jointly(job: FitJob, assessor: LayerAssessor, data: LabelledSet) -> dict[str, RegressionHead]:
    """Train LoRA and the decoders by the sum of the three losses; the decoders, for raw states."""
    from . import joint

    method, seed = job.method, job.recipe.seed
    drawn = data.train.drawn(method.standardised_by, seed)
    before = decoders.states(assessor, drawn, job.dimensions)
    lessons = decoders.lessons(drawn, *before, job.dimensions, data.label_scale)
    heads = new_heads(job, assessor.backbone.hidden_size)
    module = joint.Joint(
        assessor, decoders.Decoders(heads, lessons, assessor.backbone.device, method), method, job.recipe.learning_rate
    )

    def validate() -> float | None:
        held_out = decoders.states(assessor, data.validation, job.dimensions)
        learned = decoders.lessons(data.validation, *held_out, job.dimensions, data.label_scale)
        return decoders.merit(module.decoders.agreement(learned), job.recipe.select)

    triplets = contrastive.Triplets(assessor, data.train, seed, method.positive)
    job.stage(
        "joint",
        module,
        joint.JointLessons(triplets, data.train, job.dimensions, data.label_scale, method.triplet_share),
        collate=joint.collate,
        length=None if method.batch_negatives else joint.longest,
        validate=validate,
        layer=assessor.layer,
    )
    assessor.backbone.model.requires_grad_(False)
    return module.decoders.folded()


def profile_layers(job: FitJob, assessor: LayerAssessor, data: LabelledSet) -> LayerProfile | None:
    """The analysis, which chooses the layer that is read; None where an option names it, or the last one is read.

    Of several processes one analyses, and the others read its result.
    """
    if not job.method.chooses_layer:
        return None
    file = job.folder / "training" / "layers.json"
    if not (job.resume and _analysed(job, file)):
        on_main_process(lambda: _analyse(job, assessor, data, file))
    profile = LayerProfile.of_json(json.loads(file.read_text(encoding="utf-8"))["profile"])
    on_main_process(lambda: _show(job, profile))
    logger.info("layer %d of %d is read", profile.chosen, assessor.backbone.num_layers)
    for note in profile.notes():
        logger.warning("%s", note)
    return profile


def train_decoders(
    job: FitJob,
    assessor: LayerAssessor,
    data: LabelledSet,
    states: States,
    start: Mapping[str, RegressionHead] | None = None,
) -> dict[str, RegressionHead]:
    """The decoders, for raw states; how well they agree with validation and test data is in `job.validation`.

    `states`: those of each part of the data, see `decoders.states`. `start`: decoders to begin with, for raw states.
    """
    method, dimensions = job.method, job.dimensions
    learned = "train" if method.trains_decoders else "validation"
    lessons = {
        name: decoders.lessons(part, *states[name], dimensions, data.label_scale)
        for name, part in data.parts.items()
        if name != "train" or method.trains_decoders
    }
    heads = new_heads(job, assessor.backbone.hidden_size)
    module = decoders.Decoders(heads, lessons[learned], assessor.backbone.device, method)
    if start is not None:
        module.start_from(start)
    if method.trains_decoders:
        job.stage(
            "decoders",
            module,
            lessons["train"],
            collate=decoders.collate,
            length=None,
            recipe=method.of_decoders(job.recipe),
            validate=lambda: decoders.merit(module.agreement(lessons["validation"]), job.recipe.select),
            layer=assessor.layer,
        )
    job.validation.update(module.agreement(lessons["validation"]))
    if "test" in lessons:
        for name, measures in module.agreement(lessons["test"]).items():
            job.validation[name] |= {f"test {measure}": value for measure, value in measures.items()}
    return module.folded()


def new_heads(job: FitJob, inputs: int) -> dict[str, RegressionHead]:
    """A decoder for each dimension to learn, each from its own random weights, whichever others are learned."""
    hidden = job.method.hidden if job.method.decoders else ()
    numbers = {dimension.name: number for number, dimension in enumerate(job.metric.dimensions)}
    return {
        name: RegressionHead(
            inputs, hidden=hidden, activation="relu", seed=job.recipe.seed * len(numbers) + numbers[name]
        )
        for name in job.dimensions
    }


def _analyse(job: FitJob, assessor: LayerAssessor, data: LabelledSet, file: Path) -> None:
    part = data.parts[job.method.analysed]
    profile = analyse(assessor, part.real(), part.edited(), criterion=job.method.criterion, probed=job.method.probe)
    if job.method.probe:
        quality = [name for name in job.dimensions if name != AUTHENTICITY]
        profile = replace(profile, probe_srcc=probe_ratings(assessor, part.rated, quality))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps({"about": dict(job.about), "profile": profile.as_json()}))


def _analysed(job: FitJob, file: Path) -> bool:
    """Return whether `file` holds the analysis of this same training."""
    if not file.is_file():
        return False
    try:
        before = json.loads(file.read_text(encoding="utf-8"))["about"]
    except (ValueError, KeyError) as error:
        raise TrainingError(f"{file} is damaged ({error}); delete it, or start afresh") from error
    return bool(before == json.loads(json.dumps(dict(job.about))))


def _show(job: FitJob, profile: LayerProfile) -> None:
    profile.write(job.folder / "layers.csv")
    try:
        draw(profile, job.folder / "layers.svg")
    except ImportError:
        logger.info("layers.svg is not drawn: pip install 'editmetrics[plot]'")


def _unusable(assessor: LayerAssessor, data: LabelledSet) -> dict[str, str]:
    """The samples that the backbone cannot be asked about, by id, and why."""

    def pair(example: Example) -> Any:
        sample = example.sample
        return assessor.pair(sample.source, sample.edited, sample.prompt or "")

    left_out: dict[str, list[str]] = {}
    for part in data.parts.values():
        usable(part.images, lambda example: assessor.single(example.sample.edited), left_out, lambda e: e.id)
        usable(part.rated, pair, left_out, lambda e: e.id)
    return {name: reason for reason, names in left_out.items() for name in names}
