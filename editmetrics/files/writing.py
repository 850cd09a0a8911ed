"""Writing files so that a crash or a full disk costs little: atomic replacement, and append-only journals.

A file or folder that is replaced appears whole or not at all. A journal is a file of JSON lines that grows. A line is
whole when it ends with a line feed. Whatever follows the last line feed is what a killed process left of a line:
readers skip it, and the next writer removes it before it appends.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sample import EditMetricsError, plain
from .text import DataError

if TYPE_CHECKING:
    from typing_extensions import Self

BLOCK = 1 << 16


class JournalError(EditMetricsError):
    """A journal cannot be used: another run is writing it, it is damaged, or it is a file of another kind."""


def make_folder(path: Path) -> None:
    """Create the folder that `path` is to be written to, if it is missing. Raises `DataError` where it cannot be."""
    if path.parent.is_dir():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(f"{path}: the folder {path.parent} cannot be created: {reason.lower()}") from error


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A new file beside `path` to write to; it replaces `path` at the end, and is removed if anything goes wrong.

    An `OSError` on the way, such as that of a full disk, names `path`, which then holds what it held before. Without
    `durable` the file may be lost in a power cut; that is faster for many small files.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        as_ordinary(temporary)
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())  # errors that the disk reports late come before the old file is gone
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            error.filename, error.filename2 = str(path), None
        raise


def as_ordinary(path: Path) -> None:
    """Let those read and write a file who may do so with a new one; mkstemp and safetensors let its owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to write to; it becomes `folder`, which may exist only if it is empty.

    It is removed if anything goes wrong, and so is what a killed process left of an earlier attempt. Its files are on
    the disk before it appears, so that a power cut leaves nothing that looks whole.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        for path in partial.rglob("*"):
            if path.is_file():
                as_ordinary(path)
                with path.open("rb") as written:
                    os.fsync(written.fileno())
        if folder.is_dir():
            folder.rmdir()
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically; lone surrogates are written as escapes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def write_figure(figure: Any, path: Path, **options: Any) -> None:
    """Draw a matplotlib figure in memory, then write it to `path` atomically; `options` are those of `savefig`."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower(), **options)
    with replacing(path) as temporary:
        temporary.write_bytes(drawn.getbuffer())


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
