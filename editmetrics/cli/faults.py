"""What to say when the machine fails: a full disk, a limit, a folder that may not be written, no memory."""

from __future__ import annotations

import errno
import os

ADVICE = {
    errno.ENOSPC: "the disk is full; make room",
    errno.EDQUOT: "your quota of the disk is used up; make room",
    errno.EFBIG: "a file may not grow that large here (ulimit -f, or the file system); raise the limit",
    errno.EROFS: "the disk can only be read; name another folder",
    errno.EACCES: "this user may not; name another folder, or change its permissions",
    errno.EPERM: "this user may not; name another folder, or change its permissions",
    errno.EMFILE: "too many files are open (ulimit -n); raise the limit, or use fewer --workers",
    errno.ENFILE: "too many files are open on this machine; close other programs",
    errno.ENOMEM: "there is not enough memory; use fewer --workers, or smaller images",
}
"""By error number, what it means for a command and what to do."""


def explained(error: OSError | MemoryError) -> str:
    """One line that names the file, says what is wrong and what to do."""
    if isinstance(error, MemoryError):
        return f"{ADVICE[errno.ENOMEM]}, then run the same command again"
    name = error.filename2 or error.filename
    said = error.strerror or str(error)
    place = "" if name is None else f"{os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else name}: "
    advice = ADVICE.get(error.errno or 0)
    return f"{place}{said}" if advice is None else f"{place}{said}; {advice}, then run the same command again"
