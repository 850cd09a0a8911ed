"""Notes on a device: each point at which the host waits for it, each copy to it, with the lines that ask for them."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

READS = ("item", "download", "size")
"""Kinds of events at which the host waits for a result: a scalar is read, a tensor is copied to the host, or the size
of a result depends on the values (`nonzero`, a boolean mask as an index)."""

UPLOAD, ASYNC_UPLOAD = "upload", "async upload"
"""Copies to the device; for the first the host waits too, the second was made with `non_blocking=True`."""

_HERE = str(Path(__file__).parent)
_TORCH = f"{os.sep}torch{os.sep}"
_lock = threading.Lock()


@dataclass(frozen=True)
class CodeLine:
    """A line of Python that was being executed."""

    file: str
    number: int
    function: str

    def __str__(self) -> str:
        return f"{os.sep.join(self.file.split(os.sep)[-3:])}:{self.number} in {self.function}"


@dataclass(frozen=True)
class Event:
    """An event that a GPU would feel: its kind (`READS`, "upload", "async upload"), operation, and tensor.

    `lines` are those outside torch that were being executed, the innermost first; empty in a backward pass, which
    runs in a thread of its own.
    """

    kind: str
    operation: str
    shape: tuple[int, ...]
    dtype: str
    lines: tuple[CodeLine, ...]

    def site(self, package: str = "") -> str:
        """Return the innermost line, of those in the folder or file `package` if there are any."""
        inside = [line for line in self.lines if package and package in line.file]
        return str((inside or self.lines or ("a backward pass",))[0])

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.shape)) or "scalar"
        return f"{self.kind} ({self.operation}, {shape} {self.dtype}) at {self.site()}"


@dataclass(eq=False)
class Watch:
    """Events that `watch` noted, in order; `operations` counts the kernels that were started, by name."""

    events: list[Event] = field(default_factory=list)
    operations: Counter[str] = field(default_factory=Counter)

    @property
    def reads(self) -> list[Event]:
        """The events at which the host waited for a result."""
        return [event for event in self.events if event.kind in READS]

    @property
    def uploads(self) -> list[Event]:
        """The copies from the host to the device."""
        return [event for event in self.events if event.kind in (UPLOAD, ASYNC_UPLOAD)]


_watches: list[Watch] = []


@contextmanager
def watch() -> Iterator[Watch]:
    """Note what all threads do on the rehearsal device in a `with` block.

    >>> with watch() as seen:
    ...     pass
    >>> seen.reads
    []
    """
    seen = Watch()
    _watches.append(seen)
    try:
        yield seen
    finally:
        _watches.remove(seen)


def watched() -> bool:
    """Return whether anybody watches."""
    return bool(_watches)


def note_operation(name: str) -> None:
    """Count a kernel."""
    with _lock:
        for seen in _watches:
            seen.operations[name] += 1


def note(kind: str, operation: str, tensor: Tensor) -> None:
    """Note an event for all who watch."""
    if not _watches:
        return
    event = Event(kind, operation, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), tuple(_lines()))
    with _lock:
        for seen in _watches:
            seen.events.append(event)


def _lines() -> Iterator[CodeLine]:
    """Yield the lines that are being executed, the innermost first, without those of torch and of this package."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if _TORCH not in file and not file.startswith(("<", _HERE)):
            yield CodeLine(file, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
