"""One memory, two devices: a tensor of the rehearsal device and the CPU tensor that shares its memory.

A DLPack capsule of a tensor names the type of its device. With another type written there, torch makes a tensor of that
device from it: of the same memory, which lives as long as either.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

import torch
from torch import Tensor

NAME = "rehearsal"
"""The name of the device."""

CPU_TYPE, EXTENSION_TYPE = 1, 12
"""Types of devices in DLPack: kDLCPU, and kDLExtDev, which is PrivateUse1 for torch."""

_POINTER = ctypes.sizeof(ctypes.c_void_p)
_pointer_in = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_in.restype, _pointer_in.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def is_here(value: object) -> bool:
    """Return whether `value` is a tensor of the rehearsal device."""
    return isinstance(value, Tensor) and value.device.type == NAME


def to_host(tensor: Tensor) -> Tensor:
    """Return a CPU tensor of the same memory."""
    if tensor.is_conj():  # a capsule cannot hold a lazy conjugate or negative: it is taken off, and put on again
        return to_host(tensor.conj()).conj()
    if tensor.is_neg():
        return torch._neg_view(to_host(torch._neg_view(tensor)))
    return _with_device_type(tensor, CPU_TYPE)


def to_device(tensor: Tensor) -> Tensor:
    """Return a tensor of the rehearsal device of the same memory."""
    return _with_device_type(tensor.detach(), EXTENSION_TYPE)


def share(tensor: Tensor, other: Tensor) -> None:
    """Give a tensor of the device the memory and the shape of another of the device."""
    torch.ops.aten.set_.source_Storage_storage_offset.redispatch(
        torch._C.DispatchKeySet(torch._C.DispatchKey.CPU),
        tensor,
        other.untyped_storage(),
        other.storage_offset(),
        list(other.shape),
        list(other.stride()),
    )


def tensors_in(values: Iterable[object]) -> list[Tensor]:
    """Return the tensors in arguments of an operation, in their order."""
    leaves: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            leaves.append(value)
        elif isinstance(value, (list, tuple)):
            leaves += tensors_in(value)
    return leaves


def _with_device_type(tensor: Tensor, device_type: int) -> Tensor:
    capsule = torch._C._to_dlpack(tensor)
    device = _pointer_in(capsule, b"dltensor") + _POINTER  # DLTensor: the data pointer, then DLDevice
    ctypes.c_int32.from_address(device).value = device_type
    ctypes.c_int32.from_address(device + 4).value = 0  # the device's index
    return torch._C._from_dlpack(capsule)
