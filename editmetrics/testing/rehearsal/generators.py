"""Random numbers of the rehearsal device: a state of its own, and generators that belong to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .memory import NAME

_lock = threading.Lock()
_state = torch.Generator().manual_seed(0)
_own: dict[int, Any] = {}  # by address, kept alive so that no address comes back


@contextmanager
def own_random_numbers() -> Iterator[None]:
    """Draw from the device's state: it is lent to the CPU's default generator, whose own state is set back."""
    with _lock:
        before = torch.default_generator.get_state()
        torch.default_generator.set_state(_state.get_state())
        try:
            yield
        finally:
            _state.set_state(torch.default_generator.get_state())
            torch.default_generator.set_state(before)


def default_generator() -> torch.Generator:
    """Return the generator that holds the device's random state."""
    return _state


def check_generator(value: Any) -> None:
    """Raise `RuntimeError` if `value` is a generator of another device."""
    if isinstance(value, torch._C.Generator) and _address(value) not in _own:
        raise RuntimeError(f"Expected a '{NAME}' device type for generator but found '{value.device.type}'")


def _address(generator: Any) -> int:
    return int(generator._cdata)


class _AnyGenerator(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, torch._C.Generator)


class AnyDeviceGenerator(metaclass=_AnyGenerator):
    """Stands for `torch.Generator`, which cannot be made for a device whose kernels are written in Python."""

    def __new__(cls, device: Any = "cpu") -> Any:
        here = torch.device(device).type == NAME
        generator = torch._C.Generator("cpu" if here else device)
        if here:
            _own[_address(generator)] = generator
        return generator
