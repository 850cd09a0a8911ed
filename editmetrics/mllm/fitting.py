"""One call of `fit`: its settings, its stages, which can be resumed, and the checkpoint at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..metric import Metric
from ..sample import EditMetricsError, SampleError
from ..wording import expected_one_of, plural
from .baseline import measured_baseline
from .checkpoint import TrainedCheckpoint, finished_checkpoint, require_backbone
from .checkpoint_writing import CheckpointContents, write_checkpoint
from .confounds import confounds_of, described
from .lessons import collate, tokens
from .processes import on_main_process
from .recipe import Progress, Recipe, RecipeError, TrainingRun, adjusted
from .survey import image_tokens, survey
from .targets import Example, TrainingSet, read_training_set

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .backbone import Backbone
    from .heads import RegressionHead
    from .run_folder import History

logger = logging.getLogger(__name__)
M = TypeVar("M")

ROUNDING = ("attention", "transformers")
"""What in a backbone's identity only moves the rounding: a training may be resumed with another."""


def settings_of(
    metric: str, presets: Mapping[str, tuple[M, Recipe]], preset: str, settings: Mapping[str, Any]
) -> tuple[M, Recipe]:
    """The method and recipe of `preset` with other `settings`, each a field of either.

    Raises `RecipeError` for an unknown preset or setting, and for a value that a setting cannot have.
    """
    if preset not in presets:
        raise RecipeError(f"{metric} has no preset {preset!r}; {expected_one_of(preset, presets)}")
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
        raise EditMetricsError(
            f"{metric.name} has no dimension {unknown[0]!r} to train; {expected_one_of(unknown[0], known)}"
        )
    return [name for name in known if name in targets]


def source_of(backbone: Backbone) -> str:
    """The hub id, registry name or full folder path that a checkpoint loads its backbone from."""
    source = Path(backbone.loaded.source)
    return str(source.resolve()) if source.is_dir() else str(source)


@dataclass
class FitJob:
    """One call of `fit`: what was asked for, and what its stages have made so far.

    - `train`, `val`, `targets`, `label_scale`, `group`: the rated samples, as `read_training_set` takes them.
    - `folder`: becomes the checkpoint. `resume`: continue what it holds.
    - `method`, `recipe`: all settings.
    - `about`: everything that decides the result, as JSON; set by `finished`.
    - `adapters`: from names in the checkpoint to names on `backbone`. `histories`: by stage.
    - `start`: the checkpoint whose adapters, heads and parts the training starts from; None for new ones.
    - `validation`: by dimension. `baseline`: whether `survey` measures anything; what it measured is in `surveyed`.
    """

    metric: type[Metric]
    train: Any
    val: Any
    targets: Mapping[str, str]
    label_scale: tuple[float, float]
    group: str | None
    folder: Path
    resume: bool
    progress: Progress | None
    method: Any
    recipe: Recipe
    backbone: Any = None
    about: Mapping[str, Any] = field(default_factory=dict)
    adapters: dict[str, str] = field(default_factory=dict)
    histories: dict[str, History] = field(default_factory=dict)
    validation: dict[str, dict[str, Any]] = field(default_factory=dict)
    baseline: bool = True
    surveyed: dict[str, Any] = field(default_factory=dict)
    start: TrainedCheckpoint | None = None

    @cached_property
    def dimensions(self) -> list[str]:
        """The dimensions that `targets` names, in the metric's order."""
        return dimensions_to_train(self.metric, self.targets)

    def training_set(self, needs: frozenset[str] | None = None) -> TrainingSet:
        """The rated samples, checked and split; `needs` are the fields that they require, by default the metric's."""
        return read_training_set(
            self.train, self.val, targets=self.targets, label_scale=self.label_scale, group=self.group,
            needs=self.metric.needs if needs is None else needs, seed=self.recipe.seed,
        )  # fmt: skip

    def finished(
        self, backbone: Backbone | None, data: str, *, dimensions: Sequence[str] | None = None, **more: Any
    ) -> bool:
        """Return whether `folder` already holds the result of this same training on `backbone`, None without one.

        `data` is the digest of the training set, `more` anything else that decides the result. A folder of another
        training raises `CheckpointError`, and so does another backbone than that of `start`. With `resume=False`, it is
        never finished.
        """
        self.backbone = backbone
        if backbone is not None and self.start is not None and self.start.backbone_folder is None:
            require_backbone(self.start, backbone)
        origin = {} if backbone is None else backbone.identity()
        self.about = {
            "dimensions": list(self.dimensions if dimensions is None else dimensions),
            "data": data,
            "backbone": {name: value for name, value in origin.items() if name not in ROUNDING},
            "label_scale": [float(end) for end in self.label_scale],
            "method": asdict(self.method),
            "recipe": asdict(self.recipe),
            **self._started,
            **more,
        }
        before = partial(finished_checkpoint, self.folder, self.metric, self.about)
        if not (self.resume and on_main_process(lambda: before() is not None)):
            return False
        logger.info("%s holds the finished training already", self.folder)
        return True

    def survey(self, parts: Mapping[str, Sequence[Example]]) -> None:
        """Measure what global statistics of the images predict of the ratings, and warn of confounds.

        `parts` are the examples of "train", "validation" and, if it was set aside, "test". Where the backbone is known,
        the number of image tokens is among what might confound.
        """
        if not self.baseline:
            return
        examples = [example for of_part in parts.values() for example in of_part]
        samples = list({id(example.sample): example.sample for example in examples}.values())
        surveyed = dict(zip(map(id, samples), survey(samples), strict=True))
        seen = {key: one for key, one in surveyed.items() if one is not None}
        if unread := len(surveyed) - len(seen):
            logger.warning("%s cannot be read and are not in the baseline", plural(unread, "sample"))
        tokens = dict(zip(seen, image_tokens(list(seen.values()), self._tokens), strict=True))
        named = confounds_of(examples, surveyed, tokens)
        for dimension, of_dimension in named.items():
            logger.warning(described(dimension, of_dimension))
        self.surveyed = {
            "baseline": measured_baseline(parts, surveyed),
            "confounds": {name: [one._asdict() for one in of_dimension] for name, of_dimension in named.items()},
        }

    def _tokens(self, width: int, height: int) -> int | None:
        """The tokens of an image of this size on the backbone; None without one, and where it does not take it."""
        import numpy as np

        if self.backbone is None:
            return None
        try:
            return int(self.backbone.see(np.zeros((height, width, 3), np.uint8)).tokens)
        except SampleError:
            return None

    def adapter(self, name: str, parts: Sequence[str] | set[str], saved: Path | None = None) -> str:
        """Put a LoRA adapter on `parts` of the backbone, a new one or that of the folder `saved`; its name there.

        It is saved as `name` in the checkpoint, and taken off the backbone when the job ends.
        """
        import torch

        from .lora import LoraError, add_lora, fill_lora, load_lora

        on_backbone = self.adapters[name] = f"fit_{name}"
        if saved is not None:
            load_lora(self.backbone, on_backbone, saved, torch.float32)  # as `add_lora` makes it
            return on_backbone
        before = self._adapter_to_start_from(name)
        add_lora(
            self.backbone, on_backbone, parts=parts, rank=self.method.rank, alpha=self.method.alpha,
            dropout=self.method.dropout, seed=self.recipe.seed,
        )  # fmt: skip
        if before is not None:
            try:
                fill_lora(self.backbone, on_backbone, before)
            except LoraError as error:
                raise RecipeError(
                    f"{before} does not adapt the layers that this training does ({', '.join(sorted(parts))}): {error}"
                ) from error
        return on_backbone

    def head(self, name: str, inputs: int, hidden: Sequence[int], **settings: Any) -> RegressionHead:
        """A regression head `name`: that of the checkpoint that the training starts from, or a new one.

        Raises `RecipeError` for a head of other sizes. It gives what it gave there: on the label scale of `start`.
        """
        from .heads import RegressionHead

        head = RegressionHead(inputs, hidden=hidden, **settings)
        if self.start is None or not self.start.heads:
            return head
        before = self.start.load_heads().get(name)
        if before is None or before.settings != head.settings:
            sizes = "none" if before is None else f"one of {before.settings}"
            raise RecipeError(
                f"this training has a head {name!r} of {head.settings}, and {self.start.folder} has {sizes}"
            )
        return before.train()

    def part(self, name: str) -> dict[str, Tensor] | None:
        """Another trained part of `start`, such as a projector; None if the training starts without one."""
        return None if self.start is None else self.start.load_part(name)

    @property
    def _started(self) -> dict[str, Any]:
        return {} if self.start is None else {"start_from": self.start.digest}

    def _adapter_to_start_from(self, name: str) -> Path | None:
        """The folder of an adapter of `start`; None without, and for a backbone that was trained as a whole.

        Raises `RecipeError` if it has none of that name, or one of another rank or alpha.
        """
        from .lora import CONFIG, read_settings

        if self.start is None or self.start.backbone_folder is not None:
            return None
        if name not in self.start.adapters:
            raise RecipeError(
                f"{self.start.folder} has no adapter {name!r} to start from; it has "
                f"{', '.join(self.start.adapters) or 'none'}"
            )
        folder = self.start.adapter(name)
        saved = read_settings(folder / CONFIG)
        for setting in ("rank", "alpha"):
            if getattr(saved, setting) != getattr(self.method, setting):
                raise RecipeError(
                    f"{self.start.folder} has adapters of {setting} {getattr(saved, setting):g}, and this training has "
                    f"{getattr(self.method, setting):g}; set {setting}={getattr(saved, setting):g}"
                )
        return folder

    def remove_adapters(self) -> None:
        """Take the job's adapters off the backbone."""
        from .lora import adapters, remove_lora

        for name in self.adapters.values():
            if name in adapters(self.backbone):
                remove_lora(self.backbone, name)

    def stage(
        self,
        name: str,
        module: nn.Module,
        lessons: Sequence[Any],
        *,
        validate: Callable[[], float | None] | None,
        recipe: Recipe | None = None,
        collate: Callable[[list[Any]], Mapping[str, Any]] = collate,
        length: Callable[[Any], int] | None = tokens,
        **about: Any,
    ) -> None:
        """Train `module` on `lessons` in `folder/training/name`, as `editmetrics.mllm.loop.train` does."""
        from .loop import train

        run = TrainingRun(self.recipe, self.folder, self.resume, self.progress, self.about)
        self.histories[name] = train(
            module, lessons, run.stage(name, recipe=recipe, **about), collate=collate, length=length, validate=validate
        )

    def write(
        self,
        *,
        data: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
        dimensions: Sequence[str] | None = None,
        label_scale: tuple[float, float] | None = None,
        **contents: Any,
    ) -> None:
        """Write the checkpoint, once: in the main process, while others wait.

        `data` are the counts of the training set; `contents` other fields of `CheckpointContents`: prompts, heads,
        parts.
        """
        checkpoint = CheckpointContents(
            label_scale=self.label_scale if label_scale is None else label_scale,
            dimensions=self.dimensions if dimensions is None else dimensions,
            backbone=self.backbone,
            adapters=self.adapters,
            settings={**({"backbone": source_of(self.backbone)} if self.backbone else {}), **(settings or {})},
            validation=self.validation,
            recipe={**asdict(self.method), **asdict(self.recipe), **self._started},
            data={**data, **self.surveyed},
            fit=self.about,
            history=self.histories,
            **contents,
        )
        on_main_process(partial(write_checkpoint, self.folder, self.metric, checkpoint))
