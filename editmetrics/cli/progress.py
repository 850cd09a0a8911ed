"""Progress on long work: a bar on a terminal, a plain line now and then elsewhere, both on standard error."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from ..sample import Sample, Score

EVERY = 10.0
"""Seconds between plain lines."""


class Progress:
    """Counts finished samples and those with something unscored. Use as a context manager; `row` takes each sample.

    For other work, `step` takes each piece; `words` are what is being done, what has been, and what went wrong.
    """

    def __init__(
        self,
        total: int,
        quiet: bool = False,
        words: tuple[str, str, str] = ("scoring", "scored", "with something unscored"),
    ) -> None:
        self.total, self.quiet, self.words = total, quiet, words
        self.count = self.unscored = 0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        self._started = self._said = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            from ..tables.terminal import error_output

            self._bar = Progress(
                TextColumn(self.words[0]),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=error_output(),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=self.total, note="")
        return self

    def row(self, sample: Sample, scores: dict[str, Score]) -> None:
        """One more sample is finished."""
        self.step(all(score.ok for score in scores.values()))

    def step(self, well: bool = True) -> None:
        """One more piece is finished, well or not."""
        self.count += 1
        self.unscored += not well
        now = time.monotonic()
        if self._bar is not None:
            note = f"{self.unscored} {self.words[2]}" if self.unscored else ""
            self._bar.update(self._task, completed=self.count, note=note)
        elif not self.quiet and (now - self._said >= EVERY or self.count == self.total):
            self._said = now
            rate = self.count / max(now - self._started, 1e-9)
            left = f", {(self.total - self.count) / rate:.0f} s left" if self.count < self.total else ""
            unscored = f", {self.unscored} {self.words[2]}" if self.unscored else ""
            click.echo(f"{self.words[1]} {self.count} of {self.total} ({rate:.1f}/s{left}{unscored})", err=True)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


class CountProgress:
    """Counts how many of something are done: `at(done, total)`. Use as a context manager."""

    def __init__(self, what: str, quiet: bool = False) -> None:
        self.what, self.quiet = what, quiet
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> CountProgress:
        self._said = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            from ..tables.terminal import error_output

            columns = (TextColumn(self.what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=error_output(), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=None)
        return self

    def at(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif not self.quiet and now - self._said >= EVERY:
            self._said = now
            click.echo(f"{self.what}: {done} of {total}", err=True)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
