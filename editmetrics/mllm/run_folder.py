"""The folder of a training: what a killed run goes on from, and what makes sure that it is the same training.

settings.json          all that decides what the training ends with
history.jsonl          a line for each step and each validation
checkpoint-N/          the trained parameters and the optimizer after N steps; removed at the end
trained.safetensors    the best parameters; there once the training is finished
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.atomic import write_text
from ..files.journal import complete_lines
from .recipe import Recipe, TrainingError

SETTINGS, HISTORY, TRAINED, STATE = "settings.json", "history.jsonl", "trained.safetensors", "trainer_state.json"


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
        """The history of a `history.jsonl`, without an unfinished last line."""
        return cls([json.loads(line) for line in complete_lines(Path(file))])


def settings(recipe: Recipe, examples: int, shapes: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides what a training ends with, but for rounding, as JSON has it."""
    left_out = ("micro_batch_size", "workers")
    decisive = {
        "recipe": {name: value for name, value in vars(recipe).items() if name not in left_out},
        "examples": examples,
        "parameters": dict(shapes),
        "about": dict(about),
    }
    normal: dict[str, Any] = json.loads(json.dumps(decisive))
    return normal


def make_ready(folder: Path, settings: Mapping[str, Any], resume: bool) -> None:
    """Make `folder` ready for this training: keep what is there of it, refuse what is there of another."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / SETTINGS
    if not resume:
        for old in (SETTINGS, HISTORY, TRAINED):
            (folder / old).unlink(missing_ok=True)
        remove_checkpoints(folder)
    elif file.is_file():
        try:
            before = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise TrainingError(f"{file} is damaged ({error}); delete {folder}, or start afresh") from error
        if different := differences(before, settings):
            raise TrainingError(
                f"{folder} holds a training with other settings ({'; '.join(different[:3])}); "
                "name another folder, or start afresh (resume=False, '--overwrite')"
            )
        return
    write_text(file, json.dumps(settings, indent=1))


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """What differs between two JSON objects, in words.

    >>> differences({"recipe": {"steps": 5}}, {"recipe": {"steps": 6}})
    ['recipe.steps was 5 and is 6']
    """
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            text
            for key in dict.fromkeys([*before, *now])
            for text in differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
        ]
    return [] if before == now else [f"{name} was {before!r} and is {now!r}"]


def last_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint that was written to its end."""
    complete = []
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            step = state(checkpoint)["global_step"]
        except (OSError, ValueError, KeyError):
            continue  # a kill came while it was written
        if (checkpoint / TRAINED).is_file():
            complete.append((int(step), checkpoint))
    return max(complete)[1] if complete else None


def state(checkpoint: Path) -> dict[str, Any]:
    """What the trainer knew when it wrote the checkpoint: `global_step`, `best_global_step`, ..."""
    known: dict[str, Any] = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    return known


def cut_history(file: Path, start: Path | None) -> None:
    """Leave in the history what happened before the checkpoint that training goes on from, and remove the rest."""
    records: list[Mapping[str, Any]] = []
    if start is not None:
        records = [record for record in History.read(file).records if record["step"] <= state(start)["global_step"]]
    text = "".join(json.dumps(record) + "\n" for record in records)
    write_text(file, text)


def remove_checkpoints(folder: Path) -> None:
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
