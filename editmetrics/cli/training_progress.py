"""Progress of a training: a live line on a terminal, a plain line now and then elsewhere, both on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import click

from .progress import EVERY


class TrainingProgress:
    """What `fit` calls after each step: shows step, loss, its parts and the last validation. A context manager.

    A metric may train several times, one dimension after another; each training has a line of its own.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._step = self._told = 0
        self._validation: float | None = None
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> TrainingProgress:
        self._said = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            from ..tables.terminal import error_output

            self._bar = Progress(
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=error_output(),
            )
            self._bar.start()
        return self

    def __call__(
        self, step: int, total: int, loss: float, parts: Mapping[str, float], validation: float | None
    ) -> None:
        """One more step is done, or validated."""
        another = step < self._step or self._task is None
        validated = validation is not None and (another or validation != self._validation)
        self._step, self._validation = step, validation
        note = _note(loss, parts, validation)
        if self._bar is not None:
            if another:
                self._task = self._bar.add_task("", total=total, note="")
            self._bar.update(self._task, completed=step, note=note)
        elif not self.quiet:
            self._task = self._task or "plain"
            now = time.monotonic()
            if validated or now - self._said >= EVERY or (step == total and step != self._told):
                self._said, self._told = now, step
                click.echo(f"step {step} of {total}: {note}", err=True)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _note(loss: float, parts: Mapping[str, float], validation: float | None) -> str:
    said = [f"loss {loss:.4g}", *(f"{name} {value:.4g}" for name, value in parts.items())]
    return ", ".join([*said, *([] if validation is None else [f"validation {validation:.4f}"])])
