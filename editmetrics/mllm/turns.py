"""One thread at a time uses a model, because the active adapter and projector are state of the model itself.

`Backbone` takes the turn in everything that computes, and `lora.using` for as long as its block lasts, so that a metric
requires no lock of its own. A turn is re-entrant.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakSet

from .. import clean_room  # noqa: F401 - a forked process computes with one thread
from ..sample import UnavailableError

if TYPE_CHECKING:
    from .backbone import Backbone

P = ParamSpec("P")
R = TypeVar("R")

LOADING = threading.RLock()
"""Held while models and metrics are loaded; taken before the turn on a model, never inside of it."""

SEEDING = threading.Lock()
"""Held while torch's global random state is borrowed and put back; nothing else is taken inside of it."""


class Turns:
    """The turns on one model. `model` names it in errors; `on_cpu`: a forked process can continue to use it.

    >>> turns = Turns("tiny", on_cpu=True)
    >>> with turns.taken(), turns.taken():
    ...     pass
    """

    def __init__(self, model: str, on_cpu: bool) -> None:
        self._model, self._on_cpu = model, on_cpu
        self._lock = threading.RLock()
        self._trainer: tuple[int, str] | None = None
        self._lost: str | None = None
        _all_turns.add(self)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """The turn, inside a `with`; waits until no other thread has it.

        Raises `UnavailableError` while another thread trains an adapter on the model, which is active between that
        thread's turns, too, and in a forked process that cannot use the model.
        """
        if self._lost is not None:
            raise UnavailableError(self._lost)
        with self._lock:
            if self._trainer is not None and self._trainer[0] != threading.get_ident():
                raise UnavailableError(
                    f"{self._model} is being trained by another thread (adapter {self._trainer[1]!r}); wait until that "
                    "has finished, or score in another process"
                )
            yield

    def keep_for_training(self, adapter: str) -> None:
        """Refuse every other thread until `end_training`."""
        self._trainer = (threading.get_ident(), adapter)

    def end_training(self, adapter: str) -> None:
        """Let other threads in again, if it was `adapter` that was trained."""
        if self._trainer is not None and self._trainer[1] == adapter:
            self._trainer = None

    def _after_fork(self) -> None:
        if not self._on_cpu:
            self._lost = (
                f"{self._model} is on a GPU, which a forked process cannot use; start processes with 'spawn' "
                "(multiprocessing.set_start_method('spawn')), and load the metric in each"
            )
        elif not _reset_if_held_elsewhere(self._lock):
            self._lost = (
                f"{self._model} was in use by another thread when this process was forked; start processes with "
                "'spawn', or load the metric after the fork"
            )


_all_turns: WeakSet[Turns] = WeakSet()


def in_turn(method: Callable[Concatenate[Backbone, P], R]) -> Callable[Concatenate[Backbone, P], R]:
    """A method or function of a backbone that has the turn on its model while it runs."""

    @functools.wraps(method)
    def held(backbone: Backbone, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with backbone.exclusive():
            return method(backbone, *args, **kwargs)

    return held


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw the CPU's random numbers from `seed` in a `with` block, and put its state back at the end.

    No other device's state is touched: `torch.manual_seed` would seed them all, and `fork_rng` restores few.
    """
    import torch

    with SEEDING:
        before = torch.default_generator.get_state()
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            torch.default_generator.set_state(before)


def while_loading(method: Callable[P, R]) -> Callable[P, R]:
    """A function that no two threads run at once, because it loads or puts together a model."""

    @functools.wraps(method)
    def held(*args: P.args, **kwargs: P.kwargs) -> R:
        with LOADING:
            return method(*args, **kwargs)

    return held


def _reset_if_held_elsewhere(lock: Any) -> bool:
    """In a forked process: make a lock of a thread that is not here usable; returns whether it was free."""
    if lock.acquire(blocking=False):
        lock.release()
        return True
    lock._at_fork_reinit()
    return False


def _after_fork() -> None:
    for lock in (LOADING, SEEDING):
        _reset_if_held_elsewhere(lock)
    for turns in list(_all_turns):
        turns._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
