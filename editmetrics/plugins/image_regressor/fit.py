"""The training of an image regressor: one stage, on kept features where the backbone is frozen, else on images.

This module imports torch through what it uses, and is itself only imported inside functions.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

from ... import weights as registry
from ...checkpoints import is_registered
from ...data.image_sets import ImageSet
from ...mllm import raters
from ...mllm.processes import rank_and_count
from ...mllm.recipe import RecipeError
from ...mllm.targets import Example, TargetError, TrainingSet
from ...wording import first_few
from .backbones import ImageBackbone, digest_of, fill_backbone, make_backbone
from .heads import body_head
from .instructions import InstructionEncoder
from .learner import ImageLesson, ImageLessons, RegressorLearner, Targets, select_by
from .method import RegressorMethod, check_loss
from .network import RegressorNetwork, parameter_count, restore, trained_tensors
from .reading import adapted, as_plain, named_recipe
from .reading import digest_of as recipe_digest
from .schema import BackboneRule, RegressorRecipe
from .store import KeptFeatures
from .views import scaled_image, scoring_views, size_of

if TYPE_CHECKING:
    from ...mllm.fitting import FitJob

logger = logging.getLogger(__name__)

PART = "network"
"""The name of the trained tensors in a checkpoint."""


def train_stages(job: FitJob, device: str, backbone: str | None, labels: frozenset[str]) -> None:
    """Train the network of the recipe, and write the checkpoint; see `ImageRegressor.train_stages`."""
    method: RegressorMethod = job.method
    recipe = adapted(named_recipe(method.recipe), backbone=backbone, freeze=method.freeze)
    check_loss(method, recipe.head.kind, recipe.name)
    targets = Targets(tuple(job.dimensions), labels)
    _check_targets(targets, method, recipe)
    needs = {"edited"} | ({"source"} if method.reference else set()) | ({"prompt"} if method.instruction else set())
    data = job.training_set(frozenset(needs))
    _require_labels(data, targets, job.targets)
    started = [
        start_backbone(rule, recipe, method.pretrained if index == 0 else "recipe", job.recipe.seed)
        for index, rule in enumerate(recipe.backbones)
    ]
    encoder = InstructionEncoder(device) if method.instruction else None
    more = {"spreads": _spread_digest(job, data)} if method.rater_spread else {}
    facts = [{"sha256": each.digest, "weights": each.entry} for each in started]
    if job.finished(None, data.digest(), network=recipe_digest(recipe), backbones=facts, **more):
        return
    if (loss := method.rating_loss) is not None and not all(targets.is_label):
        loss.check(job.recipe, rank_and_count()[1])
    job.survey(data.parts)
    network = RegressorNetwork(
        recipe, outputs=len(targets.names), reference=method.reference,
        instruction=encoder.size if encoder else 0, backbones=[each.module for each in started],
        seed=job.recipe.seed,
    ).to(device)  # fmt: skip
    stored = [not (rule.frozen and each.entry) for rule, each in zip(recipe.backbones, started, strict=True)]
    if job.start is not None:
        _start_from(network, job, stored)
    stage = RegressorStage(job, network, data, targets, encoder, [each.digest for each in started])
    stage.train()
    job.write(
        data=data.counts(),
        parts={PART: trained_tensors(network, stored)},
        backbone_facts=_described(recipe, started, network),
        settings={
            "recipe": as_plain(recipe),
            "reference": method.reference,
            "instruction": encoder.size if encoder else 0,
            "backbones": [{**fact, "stored": kept} for fact, kept in zip(facts, stored, strict=True)],
        },
    )


@dataclass(frozen=True)
class StartedBackbone:
    """A backbone as it starts: its module, the registry entry of its weights or "", its SHA-256, and their origin."""

    module: ImageBackbone
    entry: str
    digest: str
    origin: str


def start_backbone(rule: BackboneRule, recipe: RegressorRecipe, pretrained: str, seed: int = 0) -> StartedBackbone:
    """Build a backbone and fill it: as the recipe says, with an entry of the registry, from a file, or not at all.

    Raises `WeightsError` where weights cannot be had, `BackboneWeightsError` where they do not fit.
    """
    wanted = {"recipe": rule.weights, "random": ""}.get(pretrained, pretrained)
    module = make_backbone(rule, recipe.images, seed)
    if not wanted:
        if rule.frozen:
            logger.warning(
                "the backbone %s is frozen at random weights; name its weights with pretrained=, or set freeze=false",
                rule.model or rule.library,
            )
        return StartedBackbone(module, "", digest_of(module), "random")
    entry = wanted if is_registered(wanted) else ""
    if entry:
        registry.pull(entry)
    file = registry.path(entry) if entry else Path(wanted)
    if not file.is_file():
        raise RecipeError(
            f"pretrained={wanted!r} is neither a file nor an entry of the weights registry; 'editmetrics weights list' "
            "shows those, and pretrained=random starts from random weights"
        )
    fill_backbone(module, registry.load_state_dict(file), str(file))
    return StartedBackbone(module, entry, digest_of(module), entry or file.name)


@dataclass
class RegressorStage:
    """The stage of a training: its lessons, and what is set before and measured after it."""

    job: FitJob
    network: RegressorNetwork
    data: TrainingSet
    targets: Targets
    encoder: InstructionEncoder | None
    backbones: Sequence[str]

    def train(self) -> None:
        """Train the network; its validation goes into the job."""
        job, method = self.job, self.job.method
        degrades = self.network.recipe.images.degrades
        kept = KeptFeatures(self.network, self.backbones) if self.network.frozen and not degrades else None
        if kept is not None and method.consistency:
            raise RecipeError("consistency compares an image with its mirror image, and features are kept of one; set "
                              "freeze=false or consistency=0")  # fmt: skip
        parts = {name: self._lessons(examples, kept) for name, examples in self.data.parts.items()}
        if kept is not None:
            self._keep(kept)
        self._set_units(kept, parts["train"])
        learner = RegressorLearner(self.network, self.targets, method, kept)
        size = job.recipe.validation_batch_size

        def validate() -> float | None:
            return select_by(learner.agreement(parts["validation"], size), job.recipe.select)

        job.stage("ratings", learner, parts["train"], validate=validate, collate=learner.collate, length=None)
        job.validation = learner.agreement(parts["validation"], size)

    def _lessons(self, examples: Sequence[Example], kept: KeptFeatures | None) -> ImageLessons:
        low, high = self.job.label_scale
        prompts = [example.sample.prompt or "" for example in examples] if self.encoder else []
        embedded = self.encoder.encode_texts(prompts) if self.encoder else {}
        keys = self._keys(examples) if kept is not None else [""] * len(examples)
        spreads = self._spreads(examples)

        rated = [
            tuple(
                example.targets[name] if label else (example.targets[name] - low) / (high - low)
                for name, label in zip(self.targets.names, self.targets.is_label, strict=True)
            )
            for example in examples
        ]

        def make(row: int) -> ImageLesson:
            images = () if kept is not None else self._images(examples[row])
            instruction = embedded[prompts[row]] if self.encoder else None
            return ImageLesson(examples[row].id, rated[row], images, keys[row], instruction, spreads[row])

        return ImageLessons([partial(make, row) for row in range(len(examples))], rated)

    def _images(self, example: Example) -> Any:
        rule = self.network.recipe.images
        edited = scaled_image(example.sample.edited, rule)
        if not self.network.reference:
            return (edited,)
        return edited, scaled_image(example.sample.source, rule, like=size_of(edited))

    def _keys(self, examples: Sequence[Example]) -> list[str]:
        """Return a key for the content of each image, and its source where that is seen."""
        edited = ImageSet([example.sample.edited for example in examples]).digests()
        if not self.network.reference:
            return edited
        source = ImageSet([example.sample.source for example in examples]).digests()
        return [f"{one} {other}" for one, other in zip(edited, source, strict=True)]

    def _keep(self, kept: KeptFeatures) -> None:
        examples = [example for part in self.data.parts.values() for example in part]
        by_key = dict(zip(self._keys(examples), examples, strict=True))
        rule = self.network.recipe.images

        def see(key: str) -> Any:
            views = [scoring_views(image, rule) for image in self._images(by_key[key])]
            return views[0], views[1] if len(views) > 1 else None

        kept.fill(list(by_key), see, self.job.method.feature_store_gb * 1e9)

    def _spreads(self, examples: Sequence[Example]) -> list[tuple[float, ...]]:
        """Return the deviation of each image's raters as parts of the scale; () where the loss needs none."""
        method, (low, high) = self.job.method, self.job.label_scale
        if method.loss != "emd":
            return [()] * len(examples)
        if method.rater_spread is None:
            return [(method.soft_width,) * len(self.targets.names)] * len(examples)
        columns = {name: self.job.targets[name] for name in self.targets.names}
        by_dimension = raters.rater_spreads(examples, columns, method.rater_spread)
        return [
            tuple(by_dimension[name][id(example.sample)] / (high - low) for name in self.targets.names)
            for example in examples
        ]

    def _set_units(self, kept: KeptFeatures | None, lessons: ImageLessons) -> None:
        """Let unbounded heads begin at the mean rating, in units of the deviation; standardise kept features."""
        import numpy as np
        import torch

        if body_head(self.network.recipe.head.kind) and self.job.start is None:
            low, high = self.job.label_scale
            for column, (name, label) in enumerate(zip(self.targets.names, self.targets.is_label, strict=True)):
                if not label:
                    ratings = [(example.targets[name] - low) / (high - low) for example in self.data.train]
                    self.network.centre[column] = fmean(ratings)
                    self.network.spread[column] = max(pstdev(ratings), 1e-3)
        if not self.network.recipe.head.standardise or kept is None or self.job.start is not None:
            return
        total = np.zeros((2, kept.size))
        count = 0
        keys = [lessons[row].key for row in range(len(lessons))]
        for start in range(0, len(keys), 256):
            rows = np.concatenate(kept.get(keys[start : start + 256])).astype(np.float64)
            total += [rows.sum(0), (rows**2).sum(0)]
            count += len(rows)
        mean = total[0] / count
        deviation = np.sqrt(np.maximum(total[1] / count - mean**2, 0))
        size = len(mean)
        self.network.head.mean[:size] = torch.from_numpy(mean)
        self.network.head.deviation[:size] = torch.from_numpy(np.where(deviation > 1e-6, deviation, 1.0))


def _check_targets(targets: Targets, method: RegressorMethod, recipe: RegressorRecipe) -> None:
    if any(targets.is_label) and recipe.head.kind not in ("value", "weighted", "body"):
        label = next(name for name, is_label in zip(targets.names, targets.is_label, strict=True) if is_label)
        raise RecipeError(
            f"{label} is a label, and the head of {recipe.name} gives parts of a scale; choose a recipe whose head is "
            "a value, such as small or probe"
        )


def _require_labels(data: TrainingSet, targets: Targets, columns: Mapping[str, str]) -> None:
    """Raise `TargetError` for a label that is neither 0 nor 1."""
    for name in (name for name, label in zip(targets.names, targets.is_label, strict=True) if label):
        wrong = [e.id for part in data.parts.values() for e in part if e.targets[name] not in (0.0, 1.0)]
        if wrong:
            raise TargetError(
                f"{name} is a label, 1 for a real image and 0 for an edited one; the column {columns[name]} has other "
                f"numbers for {first_few(wrong)}"
            )


def _spread_digest(job: FitJob, data: TrainingSet) -> str:
    columns = {name: job.targets[name] for name in job.dimensions}
    return raters.digest(raters.rater_spreads(data.train, columns, str(job.method.rater_spread)), data.train)


def _start_from(network: RegressorNetwork, job: FitJob, stored: Sequence[bool]) -> None:
    tensors = job.part(PART)
    try:
        restore(network, tensors or {}, stored)
    except RuntimeError as error:
        folder = job.start.folder if job.start else ""
        raise RecipeError(
            f"{folder} holds another network than this training has: {error}; use its recipe, dimensions and settings"
        ) from error


def _described(
    recipe: RegressorRecipe, started: Sequence[StartedBackbone], network: RegressorNetwork
) -> dict[str, Any]:
    """Return what a card says of the network."""
    names = [rule.model or rule.library for rule in recipe.backbones]
    return {
        "recipe": recipe.name,
        "backbone": " and ".join(names),
        "weights": " and ".join(each.origin for each in started),
        "trained": "no" if network.frozen else "yes",
        "parameters": parameter_count(network),
    }
