"""Append-only journals of JSON lines.

A line is whole when it ends with a line feed. Whatever follows the last line feed is what a killed process left of a
line: readers skip it, and the next writer removes it before it appends.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sample import EditMetricsError, plain

if TYPE_CHECKING:
    from typing_extensions import Self

BLOCK = 1 << 16


class JournalError(EditMetricsError):
    """A journal cannot be used: another run is writing it, it is damaged, or it is a file of another kind."""


def complete_lines(path: Path) -> Iterator[bytes]:
    """The whole lines of a journal, each with its line feed; none if the file does not exist.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.jsonl").write_bytes(b'{"n": 1}\\n{"n": 2}\\n{"n":')
    ...     [json.loads(line) for line in complete_lines(Path(folder, "a.jsonl"))]
    [{'n': 1}, {'n': 2}]
    """
    if path.exists():
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))


def json_line(entry: Mapping[str, Any]) -> bytes:
    """One line of a journal. NaN and infinities raise `ValueError`; lone surrogates become JSON's escapes."""
    text = json.dumps(entry, ensure_ascii=False, default=plain, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


class Journal:
    """A journal that this process appends to. Use it as a context manager.

    One process at a time may hold it (`JournalError` for a second), unless `lock` is off. `beginning` is how every such
    file begins: a file that begins otherwise is of another kind, and is left alone (`JournalError`).
    """

    def __init__(self, path: Path, *, beginning: bytes = b"", lock: bool = True) -> None:
        self.path = path
        self.beginning = beginning
        self._file: Any = None
        self._synced = time.monotonic()
        self._lock = _locked(path) if lock else None

    def lines(self) -> Iterator[bytes]:
        """The whole lines that earlier runs wrote. Raises `JournalError` for a file of another kind."""
        if self.beginning and self.path.exists():
            with self.path.open("rb") as file:
                start = file.read(len(self.beginning))
            if not self.beginning.startswith(start):
                raise JournalError(f"{self.path} is not a run record; move it away, or choose another -o")
        yield from complete_lines(self.path)

    def each(self, take: Callable[[dict[str, Any]], None]) -> None:
        """Call `take` with each entry. Raises `JournalError`, naming the line, for one that `take` cannot use."""
        for number, line in enumerate(self.lines(), 1):
            try:
                take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise JournalError(
                    f"{self.path}: line {number} is not valid here ({error!r}); repair or remove that line, or start "
                    "afresh with --overwrite"
                ) from error

    def append(self, *entries: Mapping[str, Any]) -> None:
        """Append a line for each entry, all by one system call. Raises `OSError`, naming the file, for a full disk."""
        data = b"".join(map(json_line, entries))
        if self._file is None:
            _remove_cut_line(self.path)
            self._file = self.path.open("ab", buffering=0)
        write_all(self._file, data, self.path)
        if time.monotonic() - self._synced > 1.0:  # a power cut costs a second at most, a killed process nothing
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def close(self) -> None:
        """Force what was written to the disk, and let other processes in."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None
        if self._lock is not None:
            self._lock.release()  # its file stays: removing it would let two processes hold a lock each

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_all(file: Any, data: bytes, path: Path) -> None:
    """Append `data` to an unbuffered file. Raises `OSError`, naming `path`, when the disk does not take all of it."""
    try:
        while data:  # a full disk may take a part of it; the next call then raises
            data = data[file.write(data) :]
    except OSError as error:
        error.filename = str(path)
        raise


def _locked(path: Path) -> Any:
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise JournalError(f"{path}: another run is writing it; wait for that run, or choose another -o") from None
    return lock


def _remove_cut_line(path: Path) -> None:
    """Truncate the file after its last line feed."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - BLOCK)
            file.seek(start)
            if (last := file.read(end - start).rfind(b"\n")) >= 0:
                file.truncate(start + last + 1)
                return
            end = start
        file.truncate(0)
