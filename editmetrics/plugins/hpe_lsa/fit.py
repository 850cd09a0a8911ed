"""The training of HPE-LSA: contrastive tuning, layer-sensitivity analysis, decoders, in this order.

This module imports torch through the stages at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...files.atomic import write_text
from ...mllm.checkpoint import Checkpoint, finished_checkpoint, read_checkpoint, write_checkpoint
from ...mllm.fitting import about_training, dimensions_to_train, place_of, settings_of, with_dimensions
from ...mllm.heads import RegressionHead
from ...mllm.loop import train
from ...mllm.lora import add_lora, remove_lora
from ...mllm.processes import on_main_process, training_device
from ...mllm.recipe import Progress, Recipe, RecipeError, TrainingError, TrainingRun
from ...mllm.run_folder import History
from ...sample import SampleError
from . import contrastive, decoders
from .analysis import analyse
from .assessor import PAIR, SINGLE, Assessor
from .labels import AUTHENTICITY, LabelledSet, read_labelled_set
from .lsa import COLUMNS, LayerProfile
from .method import PRESETS, Method

if TYPE_CHECKING:
    from torch import Tensor

    from .metric import HPELSA

logger = logging.getLogger(__name__)

ADAPTER = "contrastive"
"""The adapter's name in a checkpoint."""


def fit(
    metric: HPELSA,
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
    """The three steps of the method, each of which goes on where it was stopped; writes the checkpoint. See
    `HPELSA.fit`."""
    folder = Path(output_dir)
    method, recipe = settings_of(metric.name, PRESETS, preset, settings)
    metric.device = training_device(metric.device)
    dimensions = dimensions_to_train(type(metric), targets)
    data = read_labelled_set(train_data, val, targets=targets, label_scale=label_scale, group=group, seed=recipe.seed)
    backbone = metric.load_backbone()
    if method.layer is not None and method.layer > backbone.num_layers:
        raise RecipeError(f"layer={method.layer}, and {backbone.checkpoint.name} has {backbone.num_layers} layers")
    about = about_training(
        backbone, dimensions=dimensions, data=data.digest(), label_scale=data.label_scale, method=method, recipe=recipe
    )  # fmt: skip
    if method.feature == "projected" and method.language_lora:
        raise RecipeError(
            "feature=projected is what goes into the language model, of which language_lora would learn nothing; set "
            "language_lora=false, or another feature"
        )
    if resume and (done := finished_checkpoint(folder, type(metric), about)):
        logger.info("%s holds the finished training already", folder)
        return done
    assessor = Assessor(backbone, None, None, method.pooling)
    data = data.without(_unusable(assessor, data))
    stages = Stages(TrainingRun(recipe, folder, resume, progress, about))
    tuned: dict[str, str] = {}
    try:
        if method.parts:
            assessor.adapter = tuned[ADAPTER] = f"fit_{ADAPTER}"
        margins = stages.tune(assessor, data, method, recipe)
        assessor.layer = stages.choose_layer(assessor, data, method)
        heads, agreement = stages.decode(assessor, data, dimensions, method, recipe)
        on_main_process(
            partial(
                write_checkpoint,
                folder,
                with_dimensions(type(metric), dimensions),
                label_scale=data.label_scale,
                backbone=backbone,
                adapters=tuned,
                heads=heads,
                prompts={AUTHENTICITY: SINGLE, "quality": "[image]".join(PAIR)},
                settings={
                    "backbone": place_of(backbone),
                    "layer": assessor.layer,
                    "layers": backbone.num_layers,
                    "pooling": method.pooling,
                    "margin of real to edited": margins,
                },
                validation=agreement,
                recipe={**asdict(method), **asdict(recipe)},
                data=data.counts(),
                fit=about,
                history=stages.histories,
            )
        )
    finally:
        for adapter in tuned.values():
            remove_lora(backbone, adapter)
    return read_checkpoint(folder, type(metric))


class Stages:
    """The steps of a training in `folder`, and what they leave there."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self.histories: dict[str, History] = {}

    def tune(self, assessor: Assessor, data: LabelledSet, method: Method, recipe: Recipe) -> dict[str, float]:
        """Contrastive tuning; the margin between real and edited validation images before and after."""
        if assessor.adapter is None:
            return {}
        add_lora(
            assessor.backbone, assessor.adapter, parts=method.parts, rank=method.rank, alpha=method.alpha,
            dropout=method.dropout, seed=recipe.seed,
        )  # fmt: skip
        contrast = contrastive.Contrast(assessor, method)
        held_out = contrastive.Triplets(assessor, data.validation, recipe.seed, method.positive)
        before = contrast.eval().margin(held_out)
        self.histories["contrastive"] = train(
            contrast,
            contrastive.Triplets(assessor, data.train, recipe.seed, method.positive),
            self.run.stage("contrastive", recipe=recipe),
            collate=contrastive.collate,
            length=None if method.batch_negatives else contrastive.longest,
            validate=lambda: contrast.chance(held_out),
        )
        assessor.backbone.model.requires_grad_(False)
        return {"before": before, "after": contrast.margin(held_out)}

    def choose_layer(self, assessor: Assessor, data: LabelledSet, method: Method) -> int:
        """The layer that is read: that of the option, or of the analysis, or the last one.

        Of several processes one analyses, and the others read what it found.
        """
        if method.layer is not None or not method.lsa:
            return method.layer or assessor.backbone.num_layers
        file = self.run.folder / "training" / "layers.json"
        if not (self.run.resume and self._known(file)):
            on_main_process(lambda: self._analyse(assessor, data, method, file))
        said = json.loads(file.read_text(encoding="utf-8"))["profile"]
        kl, ldr, entropy = (np.array(said[name]) for name in COLUMNS)
        profile = LayerProfile(kl, ldr, entropy, said["real"], said["edited"])
        on_main_process(lambda: self._show(profile))
        logger.info("layer %d of %d is read", profile.chosen, assessor.backbone.num_layers)
        return profile.chosen

    def decode(
        self, assessor: Assessor, data: LabelledSet, dimensions: list[str], method: Method, recipe: Recipe
    ) -> tuple[dict[str, RegressionHead], dict[str, dict[str, Any]]]:
        """The decoders, for raw states, and how well they agree with validation and test data."""
        states = {name: decoders.states(assessor, part, dimensions) for name, part in data.parts.items()}
        return self.learn(assessor, data, states, dimensions, method, recipe)

    def learn(
        self,
        assessor: Assessor,
        data: LabelledSet,
        states: Mapping[str, tuple[Sequence[Tensor], Sequence[Tensor]]],
        dimensions: list[str],
        method: Method,
        recipe: Recipe,
    ) -> tuple[dict[str, RegressionHead], dict[str, dict[str, Any]]]:
        """`decode` from the `states` of each part of the data."""
        lessons = {
            name: decoders.lessons(part, *states[name], dimensions, data.label_scale)
            for name, part in data.parts.items()
        }
        hidden = method.hidden if method.decoders else ()
        heads = {
            name: RegressionHead(assessor.backbone.hidden_size, hidden=hidden, activation="relu", seed=recipe.seed)
            for name in dimensions
        }
        module = decoders.Decoders(heads, lessons["train"], assessor.backbone.device, method)
        self.histories["decoders"] = train(
            module,
            lessons["train"],
            self.run.stage("decoders", recipe=method.of_decoders(recipe), layer=assessor.layer),
            collate=decoders.collate,
            validate=lambda: decoders.merit(module.agreement(lessons["validation"])),
        )
        agreement = module.agreement(lessons["validation"])
        if "test" in lessons:
            for name, measures in module.agreement(lessons["test"]).items():
                agreement[name] |= {f"test {measure}": value for measure, value in measures.items()}
        return module.folded(), agreement

    def _analyse(self, assessor: Assessor, data: LabelledSet, method: Method, file: Path) -> None:
        part = data.parts[method.analysed]
        profile = analyse(assessor, part.real(), part.edited(), **method.statistics)
        said = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(profile).items()}
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({"about": self.run.about, "profile": said}))

    def _known(self, file: Path) -> bool:
        """Whether the analysis of this very training has been done."""
        if not file.is_file():
            return False
        try:
            before = json.loads(file.read_text(encoding="utf-8"))["about"]
        except (ValueError, KeyError) as error:
            raise TrainingError(f"{file} is damaged ({error}); delete it, or start afresh") from error
        return bool(before == json.loads(json.dumps(self.run.about)))

    def _show(self, profile: LayerProfile) -> None:
        profile.write(self.run.folder / "layers.csv")
        try:
            from .profile_plot import draw

            draw(profile, self.run.folder / "layers.svg")
        except ImportError:
            logger.info("layers.svg is not drawn: pip install 'editmetrics[plot]'")


def _unusable(assessor: Assessor, data: LabelledSet) -> dict[str, str]:
    """The samples that the backbone cannot be asked about, by id, and why."""
    found: dict[str, str] = {}

    def ask(name: str, make: Callable[[], Any]) -> None:
        try:
            make()
        except SampleError as error:
            logger.warning("%s is left out: %s", name, error)
            found[name] = str(error)

    for part in data.parts.values():
        for example in part.images:
            ask(example.id, partial(assessor.single, example.sample.edited))
        for example in part.rated:
            sample = example.sample
            ask(example.id, partial(assessor.pair, sample.source, sample.edited, sample.prompt or ""))
    return found
