"""The training loop that every learned metric uses: a recipe, its examples, and a module that gives a loss.

    history = train(module, examples, collate=collate, recipe=Recipe(epochs=3), output_dir="runs/a", validate=srcc)

It runs on the `Trainer` of transformers and on accelerate, so the same call trains on one processor, one GPU, or under
`accelerate launch` on many. A run that was killed goes on with the same call, and ends with the same weights.
"""

from __future__ import annotations

import dataclasses
import difflib
import errno
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from ..agreement.correlation import plcc, srcc
from ..agreement.measure import UndefinedError
from ..sample import EditMetricsError

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")
Progress = Callable[[int, int, float, Mapping[str, float], "float | None"], None]
"""Called after each step and each validation with: step, total steps, loss, its parts, and the last validation."""


class TrainingError(EditMetricsError):
    """Training cannot start, go on, or be resumed; the message says why and what to do."""


class RecipeError(EditMetricsError, ValueError):
    """A recipe has no such setting, or the setting cannot have that value."""


@dataclass(frozen=True)
class Recipe:
    """How a module is trained; every field is an option of `fit`.

    - `epochs`: passes over the examples. `steps`: updates instead of epochs, where given.
    - `batch_size`: examples in an update, over all processes. `micro_batch_size`: examples that one process holds at a
      time (None: its share of a batch); more memory is not needed for a larger batch, but for a larger micro-batch.
    - `learning_rate`, `weight_decay`, `betas`: of AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101).
    - `schedule`: of the learning rate after a linear warm-up over the share `warmup_ratio` of the steps.
    - `clip`: the largest norm of the gradient; 0 for no clipping.
    - `dtype`: bfloat16 is automatic mixed precision, float32 is none; auto takes bfloat16 on a GPU.
    - `gradient_checkpointing`: compute activations twice instead of keeping them.
    - `evaluate_every`: steps between validations, and between the places where a killed run goes on; None: a tenth of
      the steps. `patience`: stop after so many validations without a better one.
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
    evaluate_every: Annotated[int, Ge(1)] | None = None
    patience: Annotated[int, Ge(1)] | None = None
    workers: Annotated[int, Ge(0)] = 0
    seed: Annotated[int, Ge(0)] = 0

    def total_steps(self, examples: int) -> int:
        """Updates in all: every update has a full batch, so the last one may begin another epoch."""
        return self.steps or math.ceil(self.epochs * examples / self.batch_size)

    def steps_between_validations(self, examples: int) -> int:
        total = self.total_steps(examples)
        return min(self.evaluate_every or math.ceil(total / 10), total)

    def accumulation(self, processes: int) -> tuple[int, int]:
        """The micro-batch of a process, and how many of them it adds up for an update.

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
        """This recipe with other `settings`, also from text; `RecipeError` for those that it has not or cannot take.

        >>> Recipe().adjusted(learning_rate="3e-4", steps=100).learning_rate
        0.0003
        """
        return adjusted(self, settings)


def adjusted(preset: T, settings: Mapping[str, Any]) -> T:
    """A recipe, or another dataclass of settings, with other values in some fields, also from text.

    A text in brackets is a list, "none" is None. Raises `RecipeError` for a field that it has not, with the nearest
    name, and for a value that the field cannot take.
    """
    from pydantic import TypeAdapter, ValidationError

    kind, known = type(preset), {field.name for field in dataclasses.fields(preset)}  # type: ignore[arg-type]
    for name in settings.keys() - known:
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {near[0]}? " if near else ""
        raise RecipeError(f"a {kind.__name__.lower()} has no {name!r}; {advice}it has {', '.join(sorted(known))}")
    read = {name: _value(value) for name, value in settings.items()}
    try:
        return TypeAdapter(kind).validate_python({**vars(preset), **read})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"the {kind.__name__.lower()} cannot be used: {problems}") from error


def preset(presets: Mapping[str, T], name: str) -> T:
    """The one of a metric's `presets` that is called `name`; `RecipeError` with the names there are.

    >>> preset({"paper": Recipe(epochs=3)}, "paper").epochs
    3
    """
    if name not in presets:
        near = difflib.get_close_matches(name, presets, n=1)
        advice = f"did you mean {near[0]}? " if near else ""
        raise RecipeError(f"there is no preset {name!r}; {advice}there are {', '.join(presets)}")
    return presets[name]


@dataclass(frozen=True)
class History:
    """What happened in a training: one record a step, and one a validation.

    A step's record has `step`, `epoch`, `loss`, `parts`, `learning_rate`, `gradient_norm`; a validation's `step`,
    `epoch` and `validation` (None where the correlation was undefined).
    """

    records: Sequence[Mapping[str, Any]]

    @property
    def losses(self) -> list[float]:
        return [record["loss"] for record in self.records if "loss" in record]

    @property
    def validations(self) -> list[tuple[int, float | None]]:
        """The step and value of each validation."""
        return [(record["step"], record["validation"]) for record in self.records if "validation" in record]

    @property
    def best(self) -> tuple[int, float] | None:
        """The step and value of the best validation, whose weights were kept; None when none was defined."""
        defined = [(step, value) for step, value in self.validations if value is not None]
        return max(defined, key=lambda pair: (pair[1], -pair[0]), default=None)

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> History:
        """The history of a `history.jsonl`; a last line that was cut off by a kill is left out."""
        lines = Path(file).read_text(encoding="utf-8").split("\n")
        return cls([json.loads(line) for line in lines[:-1] if line])


def train(
    module: nn.Module,
    examples: Sequence[Any],
    *,
    collate: Callable[[list[Any]], Mapping[str, Any]],
    recipe: Recipe,
    output_dir: str | os.PathLike[str],
    length: Callable[[Any], int] | None = None,
    validate: Callable[[], float | None] | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    about: Mapping[str, Any] | None = None,
) -> History:
    """Train the parameters of `module` that have `requires_grad`, leave it with the best of them, in eval mode.

    - `module`: `module(**batch)` returns `{"loss": mean over the batch, ...}`; the other scalars are parts that are
      written down. It stands on the device on which it is to be trained.
    - `examples`: anything that can be indexed; those with an `id` are called by it in messages. `collate` makes a batch
      of some of them: a mapping of tensors, or of objects that `module` understands. Examples are shuffled anew in each
      epoch, in an order that depends on `recipe.seed` alone, not on the number of processes.
    - `length`: the tokens of an example. Where an update takes several micro-batches, a process puts its examples of
      like length together (`by_length`), so that little is padded; the update is the same to rounding, if the loss of
      an example does not depend on its neighbours. Dropout, which is drawn for each micro-batch, differs.
    - `validate`: a correlation (higher is better; None or NaN where it is undefined) every `recipe.evaluate_every`
      steps; called in every process, without gradients, in eval mode. The weights of the best one are kept; without
      `validate`, the last ones. `predictions` shares its work among processes.
    - `output_dir`: keeps `history.jsonl`, `trained.safetensors` and, until training ends, what a killed run needs to go
      on. It holds trained parameters only, never the frozen ones.
    - `resume`: go on with what is there, or, when it is finished, load it. A folder of another training is refused.
      With False, what is there of a training is removed.
    - `about`: JSON of all else that decides the result (the backbone, the prompts, the data); part of what is compared.

    Raises `TrainingError`: nothing to train, a loss that is no number (with the step and the samples), a folder of
    another training; `RecipeError` for a batch that the processes cannot share.

    Several processes: `accelerate launch -m editmetrics fit ...`. Losses are means over the batch, so they are those of
    one process to rounding; dropout differs.
    """
    from . import trainer

    with _full_disk_in_words(Path(output_dir)):
        return trainer.run(
            module,
            examples,
            collate=collate,
            recipe=recipe,
            folder=Path(output_dir),
            length=length,
            validate=validate,
            resume=resume,
            progress=progress,
            about=dict(about or {}),
        )


NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextmanager
def _full_disk_in_words(folder: Path) -> Iterator[None]:
    """Say what to do where a library could not save what was trained: `torch.save` raises a RuntimeError then."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        full = isinstance(error, SafetensorError) or getattr(error, "errno", None) in NO_ROOM
        if not full and "PytorchStreamWriter" not in str(error) and "inline_container" not in str(error):
            raise
        raise TrainingError(
            f"the training in {folder} stopped, because a file could not be written ({error}); make room, and run the "
            "same command again: it goes on from the last checkpoint"
        ) from error


def predictions(examples: Sequence[T], predict: Callable[[Sequence[T]], Sequence[float]]) -> list[float]:
    """`predict(examples)`, its work shared among the processes of a training; each gets all of the answers.

    `predict` takes some of the examples and returns a number for each.

    >>> predictions([1, 2, 3], lambda some: [2.0 * x for x in some])
    [2.0, 4.0, 6.0]
    """
    rank, processes = _rank_and_processes()
    own = list(predict(examples[rank::processes]))
    if processes == 1:
        return own
    from torch import distributed

    gathered: list[list[float]] = [[] for _ in range(processes)]
    distributed.all_gather_object(gathered, own)
    together = [0.0] * len(examples)
    for index, values in enumerate(gathered):
        together[index::processes] = values
    return together


def agreement(scores: Sequence[float], ratings: Sequence[float]) -> dict[str, Any]:
    """SRCC and PLCC of a validation, and of how many; None where one is undefined, as for scores that are all alike.

    >>> agreement([1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 40.0, 30.0])["srcc"], agreement([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    (0.8, {'n': 3, 'srcc': None, 'plcc': None})
    """
    found: dict[str, Any] = {"n": len(ratings)}
    for measure in (srcc, plcc):
        try:
            found[measure.name] = measure(scores, ratings)
        except UndefinedError:
            found[measure.name] = None
    return found


def is_main_process() -> bool:
    """Whether this is the process that writes files and reports: the only one, or the first of several.

    >>> is_main_process()
    True
    """
    return int(os.environ.get("RANK", "0")) == 0


def on_main_process(action: Callable[[], object]) -> None:
    """Do `action` in the main process, and let the others wait until it is done."""
    if is_main_process():
        action()
    if _rank_and_processes()[1] > 1:
        from torch import distributed

        distributed.barrier()


def training_device(device: str | None = None) -> str:
    """Where this process trains: under `accelerate launch` the GPU that is its own, else what `pick_device` says."""
    from ..metric import pick_device

    picked = pick_device(device)
    if picked == "cuda" and "LOCAL_RANK" in os.environ:
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return picked


def shuffled(examples: int, length: int, seed: int) -> np.ndarray:
    """The order of training: indices of `examples` in one permutation after another, cut to `length`.

    >>> sorted(shuffled(4, 4, seed=1).tolist()), len(shuffled(4, 10, seed=1))
    ([0, 1, 2, 3], 10)
    """
    epochs = [np.random.default_rng([seed, epoch]).permutation(examples) for epoch in range(-(-length // examples))]
    return np.concatenate(epochs)[:length]


def by_length(examples: Sequence[T], length: Callable[[T], int], size: int) -> list[list[T]]:
    """`examples` in groups of `size`, the longest ones first, so that a group that is padded to its longest is padded
    little, and memory that does not suffice is noticed at once; of equal ones the first comes first.

    >>> by_length(["four", "a", "seven..", "be"], len, 2)
    [['seven..', 'four'], ['be', 'a']]
    """
    order = sorted(examples, key=length, reverse=True)  # stable, also when it is reversed
    return [order[start : start + size] for start in range(0, len(order), size)]


def _rank_and_processes() -> tuple[int, int]:
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _value(value: Any) -> Any:
    if isinstance(value, str) and value.lower() == "none":
        return None
    if isinstance(value, str) and value.startswith(("[", "(")):
        return [part.strip() for part in value.strip("[]()").split(",")]
    return value
