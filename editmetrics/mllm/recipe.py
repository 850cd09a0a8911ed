"""How a module is trained (`Recipe`), and one run of the training loop (`TrainingRun`)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt, Le, Lt

from ..sample import EditMetricsError
from ..wording import expected_one_of

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
Select = Literal["srcc", "mean"]
Progress = Callable[[int, int, float, Mapping[str, float], "float | None"], None]
"""Called after each step and each validation with: step, total steps, loss, its parts, and the last validation."""


ONLY_RESOURCES = frozenset(
    {
        "micro_batch_size", "workers", "validation_batch_size",
        "definition_batch_size", "definition_cache_gb", "feature_store", "feature_store_gb", "feature_batch_size",
        "picture_cache_gb",
    }
)  # fmt: skip
"""Settings of recipes and methods that decide about memory and time, and nothing of a result but its rounding: a
training resumes with others."""


class TrainingError(EditMetricsError):
    """Training cannot start, continue or be resumed; the message says why and what to do."""


class RecipeError(EditMetricsError, ValueError):
    """A recipe does not have this setting, or the setting cannot have this value."""


@dataclass(frozen=True)
class Recipe:
    """How a module is trained; every field is an option of `fit`.

    - `epochs`: passes over the examples. `steps`: updates instead of epochs, where given.
    - `batch_size`: examples in an update, over all processes. `micro_batch_size`: examples that one process holds at a
      time (None: its share of a batch); memory grows with the micro-batch, not with the batch.
    - `learning_rate`, `weight_decay`, `betas`: of AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101).
    - `schedule`: of the learning rate after a linear warm-up over the share `warmup_ratio` of the steps.
    - `clip`: the largest norm of the gradient; 0 for no clipping.
    - `dtype`: bfloat16 is automatic mixed precision, float32 is none; auto takes bfloat16 on a GPU.
    - `gradient_checkpointing`: compute activations twice instead of keeping them.
    - `validation_batch_size`: prompts that are read together in a validation, without gradients.
    - `evaluate_every`: steps between validations, and between the checkpoints of a run; None: a tenth of the
      steps. `patience`: stop after so many validations without a better one.
    - `select`: by which agreement with the validation ratings the best weights are chosen: the "srcc", or the "mean"
      of SRCC and PLCC, by which the challenges rank.
    - `workers`: processes that load examples ahead. `seed`: of the order, and of dropout.

    >>> Recipe(epochs=2, batch_size=8).total_steps(100)
    25
    """

    epochs: Annotated[float, Gt(0)] = 1.0
    steps: Annotated[int, Ge(1)] | None = None
    batch_size: Annotated[int, Ge(1)] = 16
    micro_batch_size: Annotated[int, Ge(1)] | None = None
    learning_rate: Annotated[float, Gt(0)] = 1e-4
    weight_decay: Annotated[float, Ge(0)] = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_ratio: Annotated[float, Ge(0), Le(1)] = 0.03
    betas: tuple[Annotated[float, Ge(0), Lt(1)], Annotated[float, Ge(0), Lt(1)]] = (0.9, 0.999)
    clip: Annotated[float, Ge(0)] = 1.0
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    gradient_checkpointing: bool = False
    validation_batch_size: Annotated[int, Ge(1)] = 16
    evaluate_every: Annotated[int, Ge(1)] | None = None
    patience: Annotated[int, Ge(1)] | None = None
    select: Select = "srcc"
    workers: Annotated[int, Ge(0)] = 0
    seed: Annotated[int, Ge(0)] = 0

    def total_steps(self, examples: int) -> int:
        """The number of updates; every one has a full batch, so the last may begin another epoch."""
        return self.steps or math.ceil(self.epochs * examples / self.batch_size)

    def steps_between_validations(self, examples: int) -> int:
        total = self.total_steps(examples)
        return min(self.evaluate_every or math.ceil(total / 10), total)

    def learning_rate_at(self, step: int, total: int) -> float:
        """The learning rate of an update, counted from 0, of `total`."""
        warmup = math.ceil(self.warmup_ratio * total)
        if step < warmup:
            return self.learning_rate * (step / warmup)
        share = (step - warmup) / max(total - warmup, 1)
        shapes = {"cosine": 0.5 * (1.0 + math.cos(math.pi * share)), "linear": 1.0 - share, "constant": 1.0}
        return self.learning_rate * shapes[self.schedule]

    def accumulation(self, processes: int) -> tuple[int, int]:
        """The micro-batch of a process, and the number of them in an update.

        >>> Recipe(batch_size=128, micro_batch_size=4).accumulation(processes=8)
        (4, 4)
        """
        micro = self.micro_batch_size or max(self.batch_size // processes, 1)
        if self.batch_size % (micro * processes):
            raise RecipeError(
                f"a batch of {self.batch_size} cannot be shared by {processes} processes with micro-batches of "
                f"{micro}; batch_size must be a multiple of {micro * processes}"
            )
        return micro, self.batch_size // (micro * processes)

    def adjusted(self, **settings: Any) -> Recipe:
        """Return this recipe with other `settings`, also from text; `RecipeError` for unknown names and invalid values.

        >>> Recipe().adjusted(learning_rate="3e-4", steps=100).learning_rate
        0.0003
        """
        return adjusted(self, settings)


@dataclass(frozen=True)
class TrainingRun:
    """One run of the training loop: how to train, where its files are kept, and what identifies it.

    - `folder`: keeps `history.jsonl`, `trained.safetensors` and, until training ends, what a killed run resumes from.
      It holds trained parameters only, never the frozen ones.
    - `resume`: continue what the folder holds, or load it if it is finished; a folder of another training is refused.
      With False, a training in the folder is removed.
    - `about`: JSON of everything else that decides the result (the backbone, the prompts, the data); part of what is
      compared before a run is resumed.

    A metric that trains in several stages derives a run for each:

    >>> run = TrainingRun(Recipe(), Path("runs/a"), about={"data": "5d41"})
    >>> tuning = run.stage("tuning", recipe=Recipe(steps=5), dimension="quality")
    >>> tuning.folder.as_posix(), tuning.recipe.steps, tuning.about
    ('runs/a/training/tuning', 5, {'data': '5d41', 'dimension': 'quality'})
    """

    recipe: Recipe
    folder: Path
    resume: bool = True
    progress: Progress | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    def stage(self, name: str, /, *, recipe: Recipe | None = None, **about: Any) -> TrainingRun:
        """The run of the stage `name`, in a folder of its own under `training/`, with more to say in `about`."""
        return replace(
            self,
            recipe=recipe or self.recipe,
            folder=self.folder / "training" / name,
            about={**self.about, **about},
        )


def adjusted(preset: T, settings: Mapping[str, Any]) -> T:
    """Return a recipe, or another dataclass of settings, with other values in some fields, also from text.

    A text in brackets is a list, "none" is None. Raises `RecipeError` for an unknown field, with the nearest name, and
    for a value that the field cannot take.
    """
    from pydantic import TypeAdapter, ValidationError

    kind, known = type(preset), {field.name for field in dataclasses.fields(preset)}  # type: ignore[arg-type]
    for name in settings.keys() - known:
        raise RecipeError(f"a {kind.__name__.lower()} has no {name!r}; {expected_one_of(name, sorted(known))}")
    read = {name: _value(value) for name, value in settings.items()}
    try:
        return TypeAdapter(kind).validate_python({**vars(preset), **read})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" if e["loc"] else str(e.get("ctx", {}).get("error", e["msg"]))
            for e in error.errors()
        )
        raise RecipeError(f"the {kind.__name__.lower()} cannot be used: {problems}") from error


def shuffled(examples: int, length: int, seed: int) -> np.ndarray:
    """The order of training: indices of `examples` in one permutation after another, cut to `length`.

    >>> sorted(shuffled(4, 4, seed=1).tolist()), len(shuffled(4, 10, seed=1))
    ([0, 1, 2, 3], 10)
    """
    import numpy as np

    epochs = [np.random.default_rng([seed, epoch]).permutation(examples) for epoch in range(-(-length // examples))]
    return np.concatenate(epochs)[:length]


def _value(value: Any) -> Any:
    if isinstance(value, str) and value.lower() == "none":
        return None
    if isinstance(value, str) and value.startswith(("[", "(")):
        return [part.strip() for part in value.strip("[]()").split(",")]
    return value
