"""The sha256 of files, computed once: a file whose size, times and inode are the same is not read again.

What is known lies in `$EDITMETRICS_HOME/hashes` (else in the platform's cache folder), an entry for each state of a
file, so that other processes know it too, also under another name.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .files.writing import replacing

__all__ = ["digest", "home", "remembered", "sha256", "sha256_of_all", "sha256_of_json", "stamp"]

TICK_NS = 50_000_000
"""A file that changed so lately may change again without another time: the clock of a file system ticks this slowly."""

SMALL = 1 << 20
"""A file of fewer bytes is hashed sooner than it is looked up: this process alone remembers it."""

_known: dict[str, str] = {}


def home() -> Path:
    """The folder of editmetrics' own files: `$EDITMETRICS_HOME`, or a folder in the platform's cache."""
    return Path(os.environ.get("EDITMETRICS_HOME") or _user_cache()).expanduser()


def sha256(file: Path) -> str:
    """The SHA-256 digest of a file, in hexadecimal; remembered while the file's `stamp` stays the same.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a").write_bytes(b"abc")
    ...     sha256(Path(folder) / "a")[:16]
    'ba7816bf8f01cfea'
    """
    before = stamp(file)
    if (known := _recalled(before)) is not None:
        return known
    checksum = digest(file)
    status = file.stat()
    if stamp(file) == before and time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > TICK_NS:
        _known[before] = checksum
        if status.st_size >= SMALL:
            _write(before, checksum)
    return checksum


def sha256_of_all(files: Iterable[Path]) -> list[str]:
    """The digest of each file; those that are not known yet are hashed by several threads."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(sha256, files))


def sha256_of_json(value: Any) -> str:
    """The SHA-256 digest of a value as JSON, whatever the order of its keys, in hexadecimal.

    >>> sha256_of_json({"a": 1, "b": 2}) == sha256_of_json({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def digest(file: Path) -> str:
    """The SHA-256 digest of a file as it is now, read whole."""
    sha256_hash = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            sha256_hash.update(chunk)
    return sha256_hash.hexdigest()


def stamp(file: Path) -> str:
    """A stamp that differs between states of a file, without reading it: inode, size, times of the last change of
    content and of anything. A program that writes to the file cannot set the last one back."""
    status = file.stat()
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def remembered(key: str, compute: Callable[[], str]) -> str:
    """The result of `compute` for `key` (letters, digits, `-`), from this process or an earlier one."""
    if (known := _recalled(key)) is None:
        known = _known[key] = compute()
        _write(key, known)
    return known


def _folders() -> list[Path]:
    """Where to look; a shared home that cannot be written to leaves the user's own cache."""
    return list(dict.fromkeys(folder / "hashes" for folder in (home(), _user_cache())))


def _user_cache() -> Path:
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("editmetrics", appauthor=False))


def _recalled(key: str) -> str | None:
    if key in _known:
        return _known[key]
    for folder in _folders():
        try:
            text = (folder / key[:2] / key).read_text(encoding="ascii")
        except (OSError, ValueError):
            continue
        if text.endswith("\n"):  # otherwise a full disk cut it
            _known[key] = text.strip()
            return _known[key]
    return None


def _write(key: str, value: str) -> None:
    for folder in _folders():
        target = folder / key[:2] / key
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target, durable=False) as temporary:
                temporary.write_text(f"{value}\n", encoding="ascii")
        except OSError:
            continue  # this process remembers it, and others hash once more
        return
