"""Limits of this machine (devices, memory, network, packages, disk), told apart from faults of a sample; its cores.

An error that says something of the machine gives a score of status `unavailable`, which the same command tries again.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from .sample import EditMetricsError, SampleError, Score, UnavailableError

T = TypeVar("T")
R = TypeVar("R")

LONGEST_REASON = 2000
"""How many characters of an error's message become a reason; some hold the arguments of a whole call."""

OUT_OF_MEMORY = "out of memory"
"""How the reason of a score begins for which this machine's memory did not suffice."""

_EXHAUSTION = ("ENOSPC", "EDQUOT", "EFBIG", "EMFILE", "ENFILE", "EROFS", "ENOMEM")
_EXHAUSTED = frozenset(getattr(errno, name) for name in _EXHAUSTION if hasattr(errno, name))
_NETWORK = (
    "ConnectionError",
    "URLError",
    "gaierror",
    "TransportError",
    "OfflineModeIsEnabled",
    "LocalEntryNotFoundError",
)
_NO_MEMORY = re.compile(r"not enough memory|out of memory|unable to allocate", re.IGNORECASE)
_NO_DEVICE = re.compile(
    r"no NVIDIA driver|not compiled with CUDA|no CUDA GPUs|CUDA driver version|invalid device ordinal"
)


class DeviceError(EditMetricsError, ValueError):
    """A device is named as torch names none."""


def machine_fault(error: BaseException) -> str | None:
    """Why this machine is to blame for `error`, in words; None where the sample or the code is.

    >>> machine_fault(MemoryError())
    'out of memory'
    >>> machine_fault(ValueError("no such label")) is None
    True
    """
    for each in _chain(error):
        if isinstance(each, UnavailableError):
            return str(each)
        if out_of_memory(each):
            return f"{OUT_OF_MEMORY}: {each}" if str(each) else OUT_OF_MEMORY
        if isinstance(each, ModuleNotFoundError) and each.name:
            package = each.name.partition(".")[0]
            return f"the package {package} is not installed here; pip install {package}"
        exhausted = isinstance(each, OSError) and each.errno in _EXHAUSTED
        unreachable = any(name in _NETWORK for name in (cls.__name__ for cls in type(each).__mro__))
        no_device = isinstance(each, (RuntimeError, AssertionError)) and _NO_DEVICE.search(str(each))
        if exhausted or unreachable or no_device:
            return f"{type(each).__name__}: {each}"
    return None


def why_not(error: BaseException) -> Score:
    """The unscored `Score` of a sample that `error` has cost: `unavailable` where this machine is at fault.

    >>> why_not(SampleError("no prompt", "skipped")), why_not(MemoryError())
    (Score(skipped: no prompt), Score(unavailable: out of memory))
    """
    if reason := machine_fault(error):
        return Score.unscored("unavailable", _shortened(reason))
    if isinstance(error, SampleError):
        return Score.unscored(error.status, _shortened(str(error)) or "no reason was given")
    if isinstance(error, SystemExit):
        return Score.unscored("failed", f"the metric tried to end the program (sys.exit({error.code!r}))")
    return Score.unscored("failed", _shortened(f"{type(error).__name__}: {error}"))


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out: Python's own error, and those of torch on every device."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error))))


def check_device_name(device: str | None) -> None:
    """Raise `DeviceError` unless `device` is the name of a device, whether this machine has it or not.

    >>> check_device_name("gpu")
    Traceback (most recent call last):
    editmetrics.machine.DeviceError: device is 'gpu'; expected cpu, cuda, cuda:1, mps or another device that torch knows
    """
    if device is None or re.fullmatch(r"cpu|(cuda|mps|xpu)(:\d+)?", device):
        return
    import torch

    try:
        torch.device(device)
    except RuntimeError:
        expected = "cpu, cuda, cuda:1, mps or another device that torch knows"
        raise DeviceError(f"device is {device!r}; expected {expected}") from None


def require_device(device: str) -> None:
    """Raise `UnavailableError` where this machine has no such device, naming those that it has."""
    kind, _, index = device.partition(":")
    if kind == "cpu" or ("torch" not in sys.modules and kind != "cuda"):
        return
    import torch

    module = getattr(torch, kind, None)
    if module is None or not hasattr(module, "is_available"):
        return  # torch itself says what is wrong
    count = module.device_count() if module.is_available() and hasattr(module, "device_count") else 0
    if not module.is_available() or (index and count and int(index) >= count):
        devices = ", ".join(["cpu", *(f"{kind}:{number}" for number in range(count))])
        raise UnavailableError(f"this machine has no device {device} that torch can use; it has {devices}")


def pick_device(device: str | None = None) -> str:
    """`device` itself; without one, what EDITMETRICS_DEVICE says, else "cuda" where there is a GPU, else "cpu".

    Raises `DeviceError` for an invalid name, `UnavailableError` for a device that this machine does not have.
    """
    import torch

    device = device or os.environ.get("EDITMETRICS_DEVICE")
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    check_device_name(device)
    require_device(device)
    return device


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."


# ---------------------------------------------------------------------- cores
#
# Torch divides each operation among its threads, and waits for all of them before the next. If other processes have
# the cores, every wait is for the scheduler: an SSIM of many small operations then takes ten times as long as with one
# thread. Divided by pairs of images, the threads wait once.


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread inside a `with` block, or in a function: `@one_thread()`.

    >>> import torch
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    import torch

    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """`[function(item) for item in items]`, each with one thread, and as many at a time as torch has threads.

    The first error in the order of `items` is raised.

    >>> side_by_side(abs, [-1, 2, -3])
    [1, 2, 3]
    """
    import torch

    threads = min(torch.get_num_threads(), len(items))
    alone = one_thread()(function)
    if threads < 2:
        return [alone(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(alone, items))


def free_device_memory() -> None:
    """Give memory that torch keeps for later tensors back to the GPU; nothing where torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
