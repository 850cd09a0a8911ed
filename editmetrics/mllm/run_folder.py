"""The folder of a training run: its settings, its history, and the checkpoints that a killed run resumes from.

settings.json          everything that decides the result of the training
history.jsonl          a line for each step and each validation
checkpoint-N/          the trained parameters and the optimizer after N steps; removed at the end
trained.safetensors    the best parameters; present once the training is finished

Statistics of batch norms are kept with the parameters.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files.writing import complete_lines, json_line, replacing, write_text
from .norm_statistics import norm_statistics
from .recipe import ONLY_RESOURCES, Recipe, TrainingError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

SETTINGS, HISTORY, TRAINED = "settings.json", "history.jsonl", "trained.safetensors"
OPTIMIZER, STATE = "optimizer.pt", "trainer_state.json"


@dataclass(frozen=True)
class History:
    """The course of a training: one record for each step, and one for each validation.

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
        """Read a `history.jsonl`, without a last line that a kill cut off."""
        return cls([json.loads(line) for line in complete_lines(Path(file))])


@dataclass(frozen=True)
class TrainingState:
    """The progress of a training: its last step, and its best validation (step 0 if none was defined)."""

    global_step: int = 0
    best_global_step: int = 0
    best_metric: float | None = None

    def validated(self, value: float | None) -> TrainingState:
        """The state after a validation at the last step."""
        if value is None or (self.best_metric is not None and value <= self.best_metric):
            return self
        return TrainingState(self.global_step, self.global_step, value)

    def out_of_patience(self, recipe: Recipe, every: int) -> bool:
        """Whether the recipe's `patience` has run out, with a validation `every` so many steps."""
        if recipe.patience is None or not self.best_global_step:
            return False
        return self.global_step - self.best_global_step >= recipe.patience * every


@dataclass(frozen=True)
class RunFolder:
    """The files of one training run; only the main process writes them."""

    path: Path

    @property
    def trained(self) -> Path:
        """The file of the best parameters, which exists once the training is finished."""
        return self.path / TRAINED

    def make_ready(self, settings: Mapping[str, Any], resume: bool) -> None:
        """Prepare the folder for a training with `settings`: keep its earlier part, refuse another training."""
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / SETTINGS
        if not resume:
            for old in (SETTINGS, HISTORY, TRAINED):
                (self.path / old).unlink(missing_ok=True)
            self._remove_checkpoints(keep=())
        elif file.is_file():
            try:
                before = json.loads(file.read_text(encoding="utf-8"))
            except ValueError as error:
                raise TrainingError(f"{file} is damaged ({error}); delete {self.path}, or start afresh") from error
            if different := differences(before, settings):
                raise TrainingError(
                    f"{self.path} holds a training with other settings ({'; '.join(different[:3])}); "
                    "name another folder, or start afresh (resume=False, '--overwrite')"
                )
            return
        write_text(file, json.dumps(settings, indent=1))

    def state(self) -> TrainingState:
        """The state at the last complete checkpoint."""
        complete = [TrainingState()]
        for folder in self.path.glob("checkpoint-*"):
            try:
                content = json.loads((folder / STATE).read_text(encoding="utf-8"))
                best = content["best_global_step"] or 0
                state = TrainingState(content["global_step"], best, content["best_metric"] if best else None)
            except (OSError, ValueError, KeyError, TypeError):
                continue  # a kill interrupted its writing
            if (folder / TRAINED).is_file():
                complete.append(state)
        return max(complete, key=lambda state: state.global_step)

    def history(self) -> History:
        return History.read(self.path / HISTORY)

    def append(self, record: Mapping[str, Any]) -> None:
        """Append a record to the history."""
        with (self.path / HISTORY).open("ab") as file:
            file.write(json_line(record))

    def cut_history(self, step: int) -> None:
        """Keep only the records of the history up to `step`, where training resumes."""
        records = [record for record in self.history().records if record["step"] <= step]
        write_text(self.path / HISTORY, b"".join(map(json_line, records)).decode("utf-8"))

    def save(self, module: nn.Module, optimizer: Optimizer, state: TrainingState) -> None:
        """Write a checkpoint, and remove all others but the best. Its state comes last, and makes it complete."""
        import torch

        folder = self.path / f"checkpoint-{state.global_step}"
        folder.mkdir(exist_ok=True)
        save(module, folder / TRAINED)
        torch.save(optimizer.state_dict(), folder / OPTIMIZER)
        write_text(folder / STATE, json.dumps(asdict(state)))
        self._remove_checkpoints(keep=(state.global_step, state.best_global_step))

    def load(self, module: nn.Module, step: int, optimizer: Optimizer | None = None) -> None:
        """Load the parameters, and the optimizer's state, of the checkpoint at `step`."""
        import torch

        folder = self.path / f"checkpoint-{step}"
        load(module, folder / TRAINED)
        if optimizer is not None:
            optimizer.load_state_dict(torch.load(folder / OPTIMIZER, map_location="cpu", weights_only=True))

    def finish(self, module: nn.Module) -> None:
        """Write the parameters of `module` as the result, and remove the checkpoints."""
        with replacing(self.trained) as temporary:
            save(module, temporary)
        self._remove_checkpoints(keep=())

    def _remove_checkpoints(self, keep: Sequence[int]) -> None:
        for folder in self.path.glob("checkpoint-*"):
            if folder.name not in [f"checkpoint-{step}" for step in keep]:
                shutil.rmtree(folder)


def settings_of(recipe: Recipe, examples: int, shapes: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that decides the result of a training, as JSON has it."""
    decisive = {
        "recipe": dict(vars(recipe)),
        "examples": examples,
        "parameters": dict(shapes),
        "about": dict(about),
    }
    normal: dict[str, Any] = json.loads(json.dumps(decisive))
    return normal


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Describe how two JSON objects differ, but for `ONLY_RESOURCES`.

    >>> differences({"recipe": {"steps": 5}}, {"recipe": {"steps": 6}})
    ['recipe.steps was 5 and is 6']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            text
            for key in dict.fromkeys([*before, *now])
            if key not in ONLY_RESOURCES
            for text in differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
        ]
    return [] if before == now else [f"{name} was {before!r} and is {now!r}"]


def trained_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return what training changes, by name: the trained parameters, and the statistics of batch norms."""
    parameters = {name: parameter.detach() for name, parameter in module.named_parameters() if parameter.requires_grad}
    return {**parameters, **norm_statistics(module)}


def save(module: nn.Module, file: Path) -> None:
    """Write what training changes, and nothing that is frozen."""
    from safetensors.torch import save_file

    tensors = {name: tensor.cpu().contiguous() for name, tensor in trained_tensors(module).items()}
    save_file(tensors, str(file), metadata={"format": "pt"})


def load(module: nn.Module, file: Path) -> None:
    """Load what `save` wrote into `module`; `TrainingError` when the file holds something else."""
    from safetensors.torch import load_file

    tensors, own = load_file(str(file)), trained_tensors(module)
    if own.keys() != tensors.keys():
        different = sorted(own.keys() ^ tensors.keys())
        raise TrainingError(f"{file} holds other parameters than those that are trained, {different[0]} first")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])
