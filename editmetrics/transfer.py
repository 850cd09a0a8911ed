"""From the host to the device: the tensors of a batch in one copy, constants once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .machine import one_thread

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor


def stacked(columns: Mapping[str, Sequence[Tensor]], device: Any) -> dict[str, Tensor]:
    """Stack the tensors of each column on `device`: all columns cross to it in one copy, each tensor in its own type.

    `columns`: tensors of one shape and type a column, all of them on the host, or on `device` already, where they stay.
    What crosses keeps the order in which it lies in memory, since an image (3, H, W) whose colours lie side by side is
    moved apart faster on a GPU. The host's part is done by one thread (see `machine.one_thread`), and for a GPU of
    NVIDIA's in pinned memory.

    >>> import torch
    >>> stacked({"image": [torch.zeros(3, 2, 2, dtype=torch.uint8)] * 4, "mask": [torch.ones(1, 2, 2)] * 4}, "cpu")[
    ...     "image"
    ... ].shape
    torch.Size([4, 3, 2, 2])
    """
    import torch

    device = torch.device(device or "cpu")
    crossing = [name for name, items in columns.items() if device.type != "cpu" and items[0].device.type == "cpu"]
    arrived = _copied({name: columns[name] for name in crossing}, device) if crossing else {}
    return {name: arrived[name] if name in arrived else torch.stack(list(items)) for name, items in columns.items()}


def joined(parts: Sequence[Tensor], device: Any, dtype: torch.dtype) -> Tensor:
    """Join floats of the host along the first axis, on `device` and in `dtype`: rounded on the way into what is copied.

    Joined first and rounded afterwards, the pictures of a backbone take the host more than twice as long.

    >>> import torch
    >>> joined([torch.ones(1, 2), torch.zeros(2, 2)], "cpu", torch.bfloat16).shape
    torch.Size([3, 2])
    """
    import torch

    device = torch.device(device)
    if device.type == "cpu" or any(part.device.type != "cpu" for part in parts):
        return torch.cat(list(parts)).to(device, dtype)
    pinned = device.type == "cuda"
    host = torch.empty(sum(map(len, parts)), *parts[0].shape[1:], dtype=dtype, pin_memory=pinned)
    for part, rows in zip(parts, host.split([len(part) for part in parts]), strict=True):
        rows.copy_(part)
    return host.to(device, non_blocking=pinned)


def constant(values: Sequence[float], like: Tensor) -> Tensor:
    """Return `values` (N,) on the device of `like`, in its type, integers as indices; only a CPU does not keep them.

    >>> import torch
    >>> constant((0.25, 0.5), torch.zeros(1))
    tensor([0.2500, 0.5000])
    """
    import torch

    whole = all(isinstance(value, int) for value in values)
    dtype = torch.int64 if whole else like.dtype
    if like.device.type == "cpu" or type(like) is not torch.Tensor:
        return torch.tensor(list(values), dtype=dtype, device=like.device)
    return _kept(tuple(values), dtype, like.device)


def to_keep(array: np.ndarray, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return an array as a tensor that a cache may keep: made in inference mode, it serves gradients, too.

    >>> import numpy as np, torch
    >>> with torch.inference_mode():
    ...     filters = to_keep(np.ones(2), torch.float32, torch.device("cpu"))
    >>> filters.is_inference()
    False
    """
    import torch

    with torch.inference_mode(False):
        return torch.from_numpy(array).to(device, dtype)


@lru_cache(maxsize=64)
def _kept(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    import torch

    with torch.inference_mode(False):  # or it could never be used where gradients are wanted
        return torch.tensor(values, dtype=dtype, device=device)


def _copied(columns: Mapping[str, Sequence[Tensor]], device: torch.device) -> dict[str, Tensor]:
    """The columns' bytes, one after the other, in one copy; those of wide numbers first, so that all are aligned."""
    import torch

    names = sorted(columns, key=lambda name: -columns[name][0].element_size())
    orders = {name: _order(columns[name][0]) for name in names}
    lying = {name: [item.permute(orders[name]) for item in columns[name]] for name in names}
    pieces = [item.contiguous().view(-1).view(torch.uint8) for name in names for item in lying[name]]
    sizes = [sum(item.numel() * item.element_size() for item in lying[name]) for name in names]
    pinned = device.type == "cuda"
    with one_thread():
        host = torch.empty(sum(sizes), dtype=torch.uint8, pin_memory=pinned)
        torch.cat(pieces, out=host)
    arrived = {}
    for name, part in zip(names, host.to(device, non_blocking=pinned).split(sizes), strict=True):
        first = lying[name][0]
        items = part.view(first.dtype).view(len(lying[name]), *first.shape)
        back = sorted(range(first.ndim), key=orders[name].__getitem__)
        arrived[name] = items.permute(0, *(1 + axis for axis in back))
    return arrived


def _order(tensor: Tensor) -> list[int]:
    """The axes, the one whose items lie farthest apart first."""
    strides = tensor.stride()
    return sorted(range(tensor.ndim), key=lambda axis: -strides[axis])
