"""A setting of the whole process that commands make before they score many images."""

from __future__ import annotations


def keep_freed_memory() -> None:
    """Let glibc keep what one image frees for the next one, instead of handing it back to the system.

    Otherwise every image's temporaries are mapped and zeroed anew, and two threads wait for each other in the kernel:
    a third of the time of psnr, ssim and ms_ssim on two cores. It is a setting of the whole process, so the program
    makes it and the library does not.
    """
    import ctypes
    import platform

    if platform.libc_ver()[0] == "glibc":
        mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 32 << 20)  # the most that glibc takes
        libc.mallopt(trim_threshold, 1 << 30)
