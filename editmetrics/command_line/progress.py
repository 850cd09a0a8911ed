"""Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere, both on standard error.

Scoring as commands do it is here, too: with progress, and with an allocator that suits many images.
"""

from __future__ import annotations

import ctypes
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..sample import Sample, Score

if TYPE_CHECKING:
    from ..metric import Metric
    from ..scoring import Results

EVERY = 10.0
"""Seconds between plain lines."""


class _Bar:
    """A bar on a terminal, or plain lines, or nothing when `quiet`. A context manager."""

    transient = True

    def __init__(self, label: str, quiet: bool) -> None:
        self.label, self.quiet = label, quiet
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Any:
        self._started = self._shown = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            from ..tables.terminal import error_output

            columns = TextColumn(self.label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
            self._bar = Progress(
                *columns, TextColumn("{task.fields[note]}"), console=error_output(), transient=self.transient
            )
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, total: int | None, note: str, line: str, now: bool = False) -> None:
        """Move the bar, with a note beside it; without a bar, print `line` when it is due, or `now`."""
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task("", total=total, note="")
            self._bar.update(self._task, completed=done, total=total, note=note)
        elif not self.quiet and (now or time.monotonic() - self._shown >= EVERY):
            self._shown = time.monotonic()
            click.echo(line, err=True)


class Progress(_Bar):
    """Counter of finished samples and of those with missing scores. A context manager; call `row` for each sample.

    For other work, call `step` for each item; `words` are the label, the past participle, and the name of a failure.
    """

    def __init__(
        self,
        total: int,
        quiet: bool = False,
        words: tuple[str, str, str] = ("scoring", "scored", "with missing scores"),
    ) -> None:
        super().__init__(words[0], quiet)
        self.total, self.words = total, words
        self.count = self.failures = 0

    def row(self, sample: Sample, scores: dict[str, Score]) -> None:
        """Count one finished sample."""
        self.step(all(score.ok for score in scores.values()))

    def step(self, ok: bool = True, count: int = 1) -> None:
        """Count `count` finished items, successful or not."""
        self.count += count
        self.failures += count * (not ok)
        rate = self.count / max(time.monotonic() - self._started, 1e-9)
        left = f", {(self.total - self.count) / rate:.0f} s left" if self.count < self.total else ""
        note = f"{self.failures} {self.words[2]}" if self.failures else ""
        line = f"{self.words[1]} {self.count} of {self.total} ({rate:.1f}/s{left}{', ' * bool(note)}{note})"
        self.show(self.count, self.total, note, line, self.count == self.total)


class CountProgress(_Bar):
    """Progress of work that reports its own count and total: call `at(done, total)`. A context manager."""

    def at(self, done: int, total: int) -> None:
        """Show that `done` of `total` are finished."""
        self.show(done, total, "", f"{self.label}: {done} of {total}")


class TrainingProgress(_Bar):
    """Progress that `fit` reports after each step: loss, its parts, the last validation. A context manager.

    A metric may train several times, one dimension after another; each training has a bar of its own.
    """

    transient = False

    def __init__(self, quiet: bool = False) -> None:
        super().__init__("training", quiet)
        self._step = self._told = 0
        self._validation: float | None = None

    def __call__(
        self, step: int, total: int, loss: float, parts: Mapping[str, float], validation: float | None
    ) -> None:
        """Show one more step, or the same step after its validation."""
        another = step < self._step or self._step == 0
        validated = validation is not None and (another or validation != self._validation)
        if another:
            self._task = None
        self._step, self._validation = step, validation
        values = [f"loss {loss:.4g}", *(f"{name} {value:.4g}" for name, value in parts.items())]
        note = ", ".join([*values, *([] if validation is None else [f"validation {validation:.4f}"])])
        due = validated or (step == total and step != self._told)
        if due:
            self._told = step
        self.show(step, total, note, f"step {step} of {total}: {note}", due)


def score_with_progress(
    samples: Sequence[Sample], metrics: Sequence[Metric], *, quiet: bool, **options: Any
) -> Results:
    """Run `scoring.score` and show its progress; when interrupted, say how to resume and end the program with 1."""
    from ..scoring import Interrupted, score

    keep_freed_memory()
    try:
        with Progress(len(samples), quiet) as progress:
            return score(samples, metrics, on_row=None if quiet else progress.row, **options)
    except Interrupted as interruption:
        click.echo(f"\n{interruption}", err=True)
        sys.exit(1)


def keep_freed_memory() -> None:
    """Let glibc keep the memory that one image frees for the next one, instead of returning it to the system.

    Otherwise the temporaries of every image are mapped and zeroed anew, and two threads wait for each other in the
    kernel: a third of the time of psnr, ssim and ms_ssim on two cores. The setting applies to the whole process, so the
    program makes it and the library does not.
    """
    if platform.libc_ver()[0] == "glibc":
        mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 32 << 20)  # glibc's maximum
        libc.mallopt(trim_threshold, 1 << 30)
