"""Kinds of numbers that the rehearsal device has: all, unless `conditions` takes some away."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_FLOAT64 = (torch.float64, torch.complex128)
_LEFT_OUT = 13  # bits of the 23 of a mantissa that TF32 leaves out


class _Conditions:
    float64 = True
    tf32 = False


def set_conditions(float64: bool, tf32: bool) -> tuple[bool, bool]:
    """Set whether the device has float64, and whether convolutions may round; return what was set before."""
    before = _Conditions.float64, _Conditions.tf32
    _Conditions.float64, _Conditions.tf32 = float64, tf32
    return before


def check_dtype(dtype: torch.dtype | None) -> None:
    """Raise `TypeError` for a number of 64 bits where the device has none."""
    if not _Conditions.float64 and dtype in _FLOAT64:
        name = str(dtype).removeprefix("torch.")
        raise TypeError(
            f"this device does not support {name}, as Apple's GPUs do not; compute in float32, or copy to the CPU first"
        )


def rounded(tensor: Tensor) -> Tensor:
    """Return a CPU tensor as a convolution reads it: with 10 bits of mantissa where TF32 is there and allowed."""
    cudnn: Any = torch.backends.cudnn
    if not _Conditions.tf32 or tensor.dtype != torch.float32 or cudnn.conv.fp32_precision != "tf32":
        return tensor
    half, rest = 1 << (_LEFT_OUT - 1), (1 << _LEFT_OUT) - 1
    return ((tensor.contiguous().view(torch.int32) + half) & ~rest).view(torch.float32)
