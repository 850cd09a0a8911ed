"""Standard output and error of commands: free of others' escape sequences, and with progress.

Ids, prompts, paths, reasons and the texts of servers are data, and a terminal obeys what it is sent. So everything that
is written goes through a `PlainStream`, errors, warnings and tracebacks included; what styles and bars need goes around
it, by `unfiltered`.

Progress of long work is a bar on a terminal, a plain line every few seconds elsewhere. Scoring as commands do it is
here, too: with progress, and with an allocator that suits many images.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

import click

from ..files.text import escape_terminal
from ..sample import Sample, Score
from ..wording import plural

if TYPE_CHECKING:
    from ..data import SampleSet
    from ..metric import Metric
    from ..scoring import Results
    from ..tracking import Tracker

MOVES = re.compile("(?:\r|\n|\x1b\\[[0-9]*A)+")
"""A text that does nothing but move the cursor, as the progress bars of libraries write them."""

EVERY = 10.0
"""Seconds between plain lines."""


class PlainStream:
    """A text stream that writes control characters out; everything else is `raw`'s own."""

    def __init__(self, raw: TextIO) -> None:
        self._raw = raw

    @property
    def rich_proxied_file(self) -> TextIO:
        """The stream below, which `rich` looks for under this name: its escape sequences are its own."""
        return self._raw

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() takes text, not {type(text).__name__}")
        self._raw.write(_shown(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # there is no way around `write`
            raise AttributeError(name)
        return getattr(self._raw, name)


def unfiltered(stream: Any) -> Any:
    """The stream below a `PlainStream`, for text that is known to be ours, such as a bar; others as they are."""
    return getattr(stream, "rich_proxied_file", stream)


def echo_styled(*parts: str | tuple[str, dict[str, Any]], err: bool = False) -> None:
    """`click.echo` of several texts in one line, each alone or with its style: `("fail", {"fg": "red"})`."""
    texts = [
        escape_terminal(part) if isinstance(part, str) else click.style(escape_terminal(part[0]), **part[1])
        for part in parts
    ]
    click.echo("".join(texts), file=unfiltered(sys.stderr if err else sys.stdout))


COLOURS = {"moved": "red", "failed": "red", "not asked": "yellow", "not run": "yellow", "doubtful": "yellow"}
"""Colours of states; the others are green."""


def echo_row(name: str, state: str, details: Sequence[str], *, width: int = 80) -> None:
    """Print the name and the state of something in one line, and each detail below, wrapped to `width` columns."""
    echo_styled(f"{name:<{width - 16}} ", (state, {"fg": COLOURS.get(state, "green")}))
    for detail in details:
        lines = textwrap.wrap(detail, width - 4, break_on_hyphens=False)
        click.echo("\n".join(f"    {line}" for line in lines))


@contextmanager
def plain_streams() -> Iterator[None]:
    """Standard output and error made safe and, where they are closed, made to go nowhere, for the block."""
    _occupy_standard_descriptors()
    kept = sys.stdout, sys.stderr
    raw = [open(os.devnull, "w") if stream is None else stream for stream in kept]  # noqa: SIM115 - until the end
    for stream in raw:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what its encoding lacks is written out, too
    sys.stdout, sys.stderr = (PlainStream(stream) for stream in raw)
    try:
        yield
    finally:
        for stream in raw:
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = kept


def _occupy_standard_descriptors() -> None:
    """Open `/dev/null` where standard input, output or error is closed, lest another file gets its number."""
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            return


def _shown(text: str) -> str:
    if MOVES.fullmatch(text):
        return text
    if text.startswith("\r") and not text.endswith("\n"):  # a bar of a library, drawn over its last state
        return "\r" + escape_terminal(text.strip("\r")) + ("\r" if text.endswith("\r") else "")
    return escape_terminal(text)


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

            from ..tables.table import error_output

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


def progress_of_sets(samples: Iterable[Sample], metrics: Sequence[Metric], quiet: bool) -> Progress:
    """Return the progress of a run of metrics of sets, which counts the images that each of them sees."""
    total = 0
    for metric in metrics:
        fields = metric.required()
        total += sum(len(getattr(sample, name)) for sample in samples for name in fields if sample.has(name))
    progress = Progress(total, quiet, ("images", "saw", "unread"))
    for metric in metrics:
        setattr(metric, "on_images", lambda count: progress.step(count=count))  # noqa: B010 - of SetMetric alone
    return progress


def score_with_progress(
    samples: Sequence[Sample] | SampleSet,
    metrics: Sequence[Metric],
    *,
    quiet: bool,
    trackers: Sequence[str] = (),
    **options: Any,
) -> Results:
    """Run `scoring.score`, show its progress, and log its means to `trackers`, which are opened before.

    When interrupted, say how to resume and end the program with 1.
    """
    from ..scoring import Interrupted, score

    keep_freed_memory()
    try:
        of_sets = any(metric.of_sets for metric in metrics)
        with ExitStack() as stack:
            opened = stack.enter_context(opened_trackers(trackers, {"metrics": [metric.label for metric in metrics]}))
            of_samples = Progress(len(samples), quiet)
            progress = stack.enter_context(progress_of_sets(samples, metrics, quiet) if of_sets else of_samples)
            results = score(samples, metrics, on_row=None if quiet or of_sets else progress.row, **options)
            for tracker in opened:
                from ..tracking import score_values

                tracker.log(score_values(results))
            return results
    except Interrupted as interruption:
        click.echo(f"\n{interruption}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:  # while weights are loaded, say
        click.echo("\nstopped before the first score; run the same command again", err=True)
        sys.exit(1)


@contextmanager
def opened_trackers(specs: Sequence[str], config: Mapping[str, Any] | None = None) -> Iterator[list[Tracker]]:
    """Begin a run in each tracker that `--track` names, and end them on leaving; for none, import nothing."""
    with ExitStack() as stack:
        trackers = []
        for spec in specs:
            from ..tracking import open_tracker

            trackers.append(stack.enter_context(open_tracker(spec, config=config)))
        yield trackers


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


def advise_on_missing(results: Results) -> None:
    """Say how to obtain scores that are missing."""
    if results.unavailable:
        click.echo("note: this machine could not compute all metrics; run the same command to try again", err=True)
    if count := results.reused_failures:
        click.echo(f"note: {plural(count, 'failure')} reused from the record; --retry failed rescores", err=True)
