"""A clean room for metrics: what other code in the process has set changes no number and no refusal.

`Metric` runs every `load`, `prepare` and `score_batch` in one, ours and plugins' alike. Nothing is imported here: a
library that has not been imported has its own defaults.

Importing this module also makes a forked process compute with one thread, as a worker of PyTorch's own `DataLoader`
does: PyTorch's pool of threads does not survive `fork`, and a computation that waits for it never ends.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

AUTOCAST_DEVICES = ("cpu", "cuda", "mps", "xpu")
NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
PRECISIONS = ("cudnn.conv", "cudnn.rnn", "cuda.matmul", "mkldnn.conv", "mkldnn.matmul")
"""Where torch may compute float32 with the short mantissa of TF32 or bfloat16: attributes of `torch.backends`."""


class _Room(threading.local):
    depth = 0


class _Shared:
    """Settings of the whole process: set by the first thread that comes in, set back by the last that leaves."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.restore: list[Callable[[], None]] = []

    def enter(self) -> None:
        with self.lock:
            self.inside += 1
            for setting in _settings():
                self.restore.append(setting)

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                while self.restore:
                    self.restore.pop()()


_room, _shared = _Room(), _Shared()


@contextmanager
def clean_room() -> Iterator[None]:
    """Pin, inside, what numbers depend on: autocast off, torch's default dtype float32 and default device cpu, no TF32,
    no short matrix products, truncated images refused by Pillow, numpy's floating point errors as it comes.

    All is set back at the end. Rooms nest; what happens inside the innermost, such as a metric's own autocast, stays.

    >>> import torch
    >>> with torch.autocast("cpu", dtype=torch.bfloat16), clean_room():
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.float32
    """
    if _room.depth:
        yield
        return
    _room.depth += 1
    _shared.enter()
    try:
        with ExitStack() as stack:
            _pin_this_thread(stack)
            yield
    finally:
        _shared.leave()
        _room.depth -= 1


def in_clean_room(method: F) -> F:
    """`method`, run in a clean room.

    >>> in_clean_room(len)("four")
    4
    """

    @wraps(method)
    def inside(*arguments: Any, **keywords: Any) -> Any:
        with clean_room():
            return method(*arguments, **keywords)

    inside.__dict__["in_clean_room"] = True
    return inside  # type: ignore[return-value]


def _pin_this_thread(stack: ExitStack) -> None:
    """Pin the settings that each thread has for itself."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and numpy.geterr() != NUMPY_ERRORS:
        stack.enter_context(numpy.errstate(**NUMPY_ERRORS))
    if torch is None or not hasattr(torch, "get_default_device"):  # torch is being imported by another thread
        return
    for device in (*AUTOCAST_DEVICES, *_registered_device(torch)):
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            stack.enter_context(torch.autocast(device, enabled=False))
    if torch.get_default_device().type != "cpu":
        stack.enter_context(torch.device("cpu"))


def _registered_device(torch: Any) -> list[str]:
    """The device that another package has registered with torch, if one has (an NPU, or the kit's rehearsal device)."""
    name = torch._C._get_privateuse1_backend_name() if hasattr(torch._C, "_get_privateuse1_backend_name") else ""
    return [name] if name not in ("", "privateuseone") and hasattr(torch, name) else []


def _settings() -> Iterator[Callable[[], None]]:
    """Pin each setting of the process that is not as it should be; yields what sets it back."""
    torch, pillow = sys.modules.get("torch"), sys.modules.get("PIL.ImageFile")
    if pillow is not None and getattr(pillow, "LOAD_TRUNCATED_IMAGES", False):
        yield _set(pillow, "LOAD_TRUNCATED_IMAGES", False)
    if torch is None or not hasattr(torch, "get_default_device"):
        return
    if (dtype := torch.get_default_dtype()) != torch.float32:
        torch.set_default_dtype(torch.float32)
        yield lambda: torch.set_default_dtype(dtype)
    for holder, name, wanted, unwanted in _precisions(torch):
        if getattr(holder, name) in unwanted:
            yield _set(holder, name, wanted)


def _precisions(torch: Any) -> Iterator[tuple[Any, str, Any, tuple[Any, ...]]]:
    """The switches for short mantissas: holder, attribute, the value it shall have, and those it shall not have."""
    backends = torch.backends
    if not hasattr(backends.cuda.matmul, "fp32_precision"):  # before torch 2.9
        yield backends.cudnn, "allow_tf32", False, (True,)
        yield backends.cuda.matmul, "allow_tf32", False, (True,)
        return
    on_a_gpu = torch.cuda.is_available() or bool(_registered_device(torch))
    for path in PRECISIONS:
        backend, _, part = path.partition(".")
        if backend == "mkldnn" or on_a_gpu:
            yield getattr(getattr(backends, backend), part), "fp32_precision", "ieee", ("tf32", "bf16")


def _set(holder: Any, name: str, value: Any) -> Callable[[], None]:
    before = getattr(holder, name)
    setattr(holder, name, value)
    return lambda: setattr(holder, name, before)


def _compute_alone() -> None:
    """Use one thread: it needs no pool."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):  # not while torch is being imported
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_compute_alone)
