"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .text import DataError


def require_folder(path: Path) -> None:
    """Raise `DataError` unless the folder that `path` is to be written to exists."""
    if not path.parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} does not exist; create it first")


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
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp lets only the owner read
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


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to write to; it becomes `folder`, which may exist only if it is empty.

    It is removed if anything goes wrong, and so is what a killed process left of an earlier attempt.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
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
