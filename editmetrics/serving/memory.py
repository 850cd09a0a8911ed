"""Memory of a server: what one request frees, the next one gets without asking the operating system."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of the settings in glibc's `malloc.h`."""

KEPT_BYTES = 1 << 30
"""Free memory at the end of the heap that is kept."""

LARGEST_BYTES = 32 << 20
"""The largest block that comes from the heap: the maximum of glibc on 64 bits, and the default size of a request."""


def keep_freed_memory() -> bool:
    """Have this process reuse freed memory instead of returning it; return whether it will.

    By default, glibc returns large blocks as soon as they are freed, and the kernel then clears fresh pages for every
    request: about a quarter of the time that a pair of images spends on its way. Nothing is changed without glibc, or
    where the environment sets `MALLOC_TRIM_THRESHOLD_` or `MALLOC_MMAP_THRESHOLD_` itself.
    """
    if sys.platform != "linux" or os.environ.keys() & {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"}:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, KEPT_BYTES) and mallopt(M_MMAP_THRESHOLD, LARGEST_BYTES))
