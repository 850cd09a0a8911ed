"""Processes that train together: their group, the rank of this one, and work that one does for all.

    with process_group("cuda"):                    # from the beginning of `fit` to its end; alone, it does nothing
        state = on_main_process(folder.state)      # one reads, all have it
        train(module, examples, run, ...)

Waiting and small messages use the CPU (gloo), gradients on GPUs use NCCL: a process that waits keeps no GPU busy, and
may wait for days.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ..sample import EditMetricsError

if TYPE_CHECKING:
    from torch import Tensor

R = TypeVar("R")
T = TypeVar("T")

LONGEST_WAIT = timedelta(days=3)
"""How long a process waits for the others, one of which may search or analyse for hours."""

_numbers = itertools.count()


class ProcessError(EditMetricsError):
    """Processes cannot train together, or one of them has stopped; the message says which and why."""


@contextmanager
def process_group(device: str | None = None) -> Iterator[None]:
    """Join the processes that a launcher (torchrun, `accelerate launch`) started together, while the block runs.

    Alone, or inside another such block, it does nothing. `device`: where this process trains, see `training_device`.

    Raises `ProcessError` if the others cannot be joined, or if one of them stops meanwhile.

    >>> with process_group():
    ...     rank_and_count()
    (0, 1)
    """
    if _launched() == 1 or rank_and_count()[1] > 1:
        yield
        return
    _join(training_device(device))
    from torch import distributed

    try:
        yield
        distributed.barrier()  # messages to slower processes have arrived
    except (RuntimeError, distributed.DistError) as error:
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise ProcessError(
            f"process {rank_and_count()[0]} lost the others, because one of them stopped; its own error says why "
            f"({str(error).splitlines()[0]})"
        ) from error
    finally:
        distributed.destroy_process_group()


def is_main_process() -> bool:
    """Return whether this process writes files and reports: it is the only one, or the first of several.

    >>> is_main_process()
    True
    """
    rank, count = rank_and_count()
    return (rank if count > 1 else int(os.environ.get("RANK", "0"))) == 0


def on_main_process(action: Callable[[], R]) -> R:
    """Run `action` in the main process, once all have come here; all go on when it has ended, with its result.

    The result must be picklable. Raises what `action` raises in the main process, and `ProcessError`, which tells it,
    in the others; and `ProcessError` outside `process_group` if a launcher started several processes.

    >>> on_main_process(lambda: 5)
    5
    """
    rank, count = rank_and_count()
    if count == 1:
        if _launched() > 1:
            raise ProcessError("on_main_process is called outside process_group: these processes cannot wait")
        return action()
    from torch import distributed

    distributed.barrier()
    outcome: list[Any] = [None, None]
    failure: Exception | None = None
    if rank == 0:
        try:
            outcome[0] = action()
        except Exception as error:  # raised again below, when the others know
            failure, outcome = error, [None, f"{type(error).__name__}: {error}"]
    distributed.broadcast_object_list(outcome, src=0)
    if outcome[1] is not None:
        distributed.barrier()  # a process that leaves too early would take the message with it
        raise failure or ProcessError(f"process {rank} stops, because process 0 stopped: {outcome[1]}")
    result: R = outcome[0]
    return result


def shared(items: Sequence[T], work: Callable[[Sequence[T]], Sequence[R]]) -> list[R]:
    """The results of `work` on `items`, of which each process does a part; all get all of them, in the items' order.

    `work` takes some of the items and gives a result for each, on the CPU and picklable.

    >>> shared([1, 2, 3], lambda some: [2 * x for x in some])
    [2, 4, 6]
    """
    rank, count = rank_and_count()
    own = list(work(items[rank::count]))
    if count == 1:
        return own
    from torch import distributed

    parts: list[Any] = [None] * count
    distributed.all_gather_object(parts, own)
    return [parts[index % count][index // count] for index in range(len(items))]


def gathered(tensor: Tensor) -> Tensor:
    """The rows of `tensor` (N, ...) of all processes, one process after another, with gradients; N is equal in all.

    For a loss that compares the examples of a batch with one another. Each process computes it for its own examples
    against the rows of all; the mean over the processes, which the training loop takes, is the loss of the whole.
    """
    if rank_and_count()[1] == 1:
        return tensor
    import torch
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(tensor.contiguous()))


def training_device(device: str | None = None) -> str:
    """The device of this process: under a launcher its own GPU, else that of `pick_device`."""
    from ..metric import pick_device

    picked = pick_device(device)
    if picked == "cuda" and "LOCAL_RANK" in os.environ:
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return picked


def rank_and_count() -> tuple[int, int]:
    """The rank of this process in its group, and the number of processes in it; (0, 1) outside a `process_group`."""
    distributed = sys.modules.get("torch.distributed")  # not imported, it has no group
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _launched() -> int:
    """The number of processes that a launcher started together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _join(device: str) -> None:
    import torch
    from torch import distributed

    cuda = device.startswith("cuda")
    try:
        if cuda:
            torch.cuda.set_device(device)
        store, rank, count = next(distributed.rendezvous("env://"))
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            # a later group in the same processes must not read the addresses of an earlier one
            store=distributed.PrefixStore(f"editmetrics/{next(_numbers)}", store),
            rank=rank,
            world_size=count,
            timeout=LONGEST_WAIT,
        )
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ProcessError(
            f"this process should train with {_launched() - 1} others (WORLD_SIZE={_launched()}), but cannot join them "
            f"on {device} ({error}); start them with torchrun or 'accelerate launch', one for each GPU, or unset "
            "WORLD_SIZE to train alone"
        ) from error
