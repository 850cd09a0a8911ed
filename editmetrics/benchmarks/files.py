"""Whether image files are there and whole, without decoding those that plainly are.

A download that broke off leaves files that are missing, empty, a pointer in place of a large file, or cut short. A
whole PNG ends with its IEND chunk and a whole JPEG with its end marker; only a file that does not is decoded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from ..images import ImageError, read_image

POINTER = b"version https://git-lfs.github.com"
ENDS = {b"\x89PNG\r\n\x1a\n": b"IEND\xaeB`\x82", b"\xff\xd8\xff": b"\xff\xd9"}
"""From the first bytes of a kind of file to its last ones."""


def damaged(paths: Iterable[str]) -> dict[str, str]:
    """For each file that cannot be used, why. Files are looked at by several threads."""
    listed = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(8) as threads:
        return {path: said for path, said in zip(listed, threads.map(damage, listed), strict=True) if said}


def damage(path: str) -> str | None:
    """Why the file `path` is no whole image; None when it is one."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            first = file.read(64)
            file.seek(max(size - 12, 0))
            last = file.read()
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not size:
        return "is empty: its download broke off"
    if first.startswith(POINTER):
        return "is a pointer of Git LFS and not the image: fetch the files with 'git lfs pull'"
    if any(first.startswith(start) and last.endswith(end) for start, end in ENDS.items()):
        return None
    try:
        read_image(path)
    except ImageError as error:
        return f"is damaged: {str(error).removeprefix(path).lstrip(': ')}"
    return None
