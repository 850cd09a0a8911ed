"""Several processes that train together: which one this is, and what one of them does for all."""

from __future__ import annotations

import os
from collections.abc import Callable


def is_main_process() -> bool:
    """Whether this is the process that writes files and reports: the only one, or the first of several.

    >>> is_main_process()
    True
    """
    return int(os.environ.get("RANK", "0")) == 0


def on_main_process(action: Callable[[], object]) -> None:
    """Do `action` in the main process, and let the others wait until it is done."""
    if is_main_process():
        action()
    if rank_and_count()[1] > 1:
        from torch import distributed

        distributed.barrier()


def training_device(device: str | None = None) -> str:
    """Where this process trains: under `accelerate launch` the GPU that is its own, else what `pick_device` says."""
    from ..metric import pick_device

    picked = pick_device(device)
    if picked == "cuda" and "LOCAL_RANK" in os.environ:
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return picked


def rank_and_count() -> tuple[int, int]:
    """The rank of this process, and how many processes train together."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
