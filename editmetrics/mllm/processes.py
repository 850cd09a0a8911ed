"""Processes that train together: the rank of this one, and work that one does for all."""

from __future__ import annotations

import os
from collections.abc import Callable


def is_main_process() -> bool:
    """Return whether this process writes files and reports: it is the only one, or the first of several.

    >>> is_main_process()
    True
    """
    return int(os.environ.get("RANK", "0")) == 0


def on_main_process(action: Callable[[], object]) -> None:
    """Run `action` in the main process; the others wait until it is done."""
    if is_main_process():
        action()
    if rank_and_count()[1] > 1:
        from torch import distributed

        distributed.barrier()


def training_device(device: str | None = None) -> str:
    """The device of this process: under `accelerate launch` its own GPU, else that of `pick_device`."""
    from ..metric import pick_device

    picked = pick_device(device)
    if picked == "cuda" and "LOCAL_RANK" in os.environ:
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return picked


def rank_and_count() -> tuple[int, int]:
    """The rank of this process, and the number of processes that train together."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
