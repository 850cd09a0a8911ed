"""Every operation of the rehearsal device: the checks that CUDA makes, then the CPU's kernel on the same memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .generators import check_generator, own_random_numbers
from .memory import NAME, is_here, share, tensors_in, to_device, to_host
from .numbers import check_dtype, rounded
from .watching import ASYNC_UPLOAD, UPLOAD, note, note_operation, watched

_READ_BY_HOST = ("_local_scalar_dense", "equal")
_SIZED_BY_VALUES = ("nonzero", "masked_select", "_unique2", "_unique", "unique_dim", "unique_consecutive", "bincount")
_INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put")
_FILLING = ("fill", "fill_", "masked_fill", "masked_fill_")


@dataclass(frozen=True)
class _Signature:
    """Facts of an operation: its name, which arguments it writes into, which are tensors, and its tags."""

    name: str
    written: tuple[tuple[int, str], ...]
    tensors: frozenset[int]
    pointwise: bool
    random: bool

    @property
    def takes_cpu_scalars(self) -> bool:
        return self.pointwise or self.name in _INDEXING or self.name in _FILLING


@functools.cache
def _signature(operation: Any) -> _Signature:
    name, arguments, tags = operation._schema.name.split("::")[1], operation._schema.arguments, set(operation.tags)
    packet = getattr(torch.ops.aten, name, None) if operation.namespace == "aten" else None
    for overload in packet.overloads() if packet is not None else ():
        tags.update(getattr(packet, overload).tags)
    return _Signature(
        name,
        tuple((i, a.name) for i, a in enumerate(arguments) if a.alias_info is not None and a.alias_info.is_write),
        frozenset(i for i, a in enumerate(arguments) if str(a.type) == "Tensor"),
        torch.Tag.pointwise in tags,
        torch.Tag.nondeterministic_seeded in tags,
    )


def run(operation: Any, *arguments: Any, **keywords: Any) -> Any:
    """Run an operation of which at least one tensor, or the device that it names, is the rehearsal device."""
    signature = _signature(operation)
    _check_devices(signature, arguments, keywords)
    if watched():
        _note(signature.name, arguments, keywords)
    twins: dict[int, Tensor] = {}
    host = functools.partial(_host, twins)
    on_host = [
        torch.tensor(value) if isinstance(value, (bool, int, float, complex)) and index in signature.tensors
        else _mapped(host, value)
        for index, value in enumerate(arguments)
    ]  # fmt: skip
    with own_random_numbers() if signature.random else nullcontext():
        result = operation(*on_host, **{name: _mapped(host, value) for name, value in keywords.items()})
    written = _written_back(signature, arguments, keywords, twins)
    return _mapped(lambda value: _device(written, value), result)


def _host(twins: dict[int, Tensor], value: Any) -> Any:
    """Return what the CPU's kernel gets for an argument; `twins` keeps the CPU's tensor for each of the device's."""
    if isinstance(value, torch.device):
        return torch.device("cpu") if value.type == NAME else value
    if not is_here(value):
        return value
    if value.numel():
        twins[id(value)] = to_host(value)
    else:  # it may be about to grow, which the memory of a capsule cannot
        twins[id(value)] = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cpu")
    return twins[id(value)]


def _device(written: dict[int, Tensor], value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    if id(value) in written:
        return written[id(value)]
    check_dtype(value.dtype)
    return to_device(value)


def _written_back(
    signature: _Signature, arguments: Sequence[Any], keywords: dict[str, Any], twins: dict[int, Tensor]
) -> dict[int, Tensor]:
    """Give tensors that were written into what they may have outgrown; return them by the identity of their twins."""
    written = {}
    for index, name in signature.written:
        for tensor in tensors_in([arguments[index] if index < len(arguments) else keywords.get(name)]):
            twin = twins.get(id(tensor))
            if twin is not None:
                written[id(twin)] = tensor
                if twin.data_ptr() != tensor.data_ptr() or twin.shape != tensor.shape:
                    share(tensor, to_device(twin))
    return written


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(function, item) for item in value)
    return function(value)


# ---------------------------------------------------------------------- checks, and what is noted


def _check_devices(signature: _Signature, arguments: Sequence[Any], keywords: dict[str, Any]) -> None:
    """Raise `RuntimeError` where CUDA would: for tensors of two devices, but for CPU scalars and CPU indices."""
    for value in keywords.values():
        check_generator(value)
    strangers = [tensor for tensor in tensors_in([*arguments, *keywords.values()]) if not is_here(tensor)]
    if signature.name in _INDEXING and strangers and is_here(arguments[0]):
        indices = [index for index in tensors_in([arguments[1]]) if not is_here(index)]
        for index in indices if "put" in signature.name else []:  # for reading, torch makes a copy itself
            note(UPLOAD, f"{signature.name} by a CPU tensor", index)
        strangers = [tensor for tensor in strangers if not any(tensor is index for index in indices)]
    targets = [arguments[index] for index, _ in signature.written if index < len(arguments)]
    into = any(tensor is target for tensor in strangers for target in targets)
    if not strangers or (signature.takes_cpu_scalars and not into and all(t.ndim == 0 for t in strangers)):
        return
    stranger = strangers[0]
    raise RuntimeError(
        f"Expected all tensors to be on the same device, but found at least two devices, {NAME}:0 and "
        f"{stranger.device}! {signature.name} got a tensor {tuple(stranger.shape)} of {stranger.dtype} on "
        f"{stranger.device}; move it with .to(device), or make it there with device=..."
    )


def _note(name: str, arguments: Sequence[Any], keywords: dict[str, Any]) -> None:
    note_operation(name)
    tensors = tensors_in(arguments)
    if name in _READ_BY_HOST:
        note("item", name, tensors[0])
    elif name in _SIZED_BY_VALUES or (name == "repeat_interleave" and keywords.get("output_size") is None):
        note("size", name, tensors[0])
    elif name in _INDEXING and "put" in name and arguments[2].numel() > 1:  # CUDA fills a mask with a number at once
        for mask in tensors_in([arguments[1]]):  # reading by a mask starts a `nonzero` of its own
            if mask.dtype in (torch.bool, torch.uint8) and is_here(mask):
                note("size", f"{name} by a mask", mask)


# ---------------------------------------------------------------------- operations with kernels of their own


def copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    """Copy between devices, or on the device."""
    if source.device.type != target.device.type and source.numel():
        if is_here(source):
            note("download", "copy", source)
        else:
            note(ASYNC_UPLOAD if non_blocking else UPLOAD, "copy", target)
    (to_host(target) if is_here(target) else target).copy_(to_host(source) if is_here(source) else source)
    return target


def copy_from_and_resize(source: Tensor, target: Tensor) -> Tensor:
    """Copy into a tensor that takes the source's shape."""
    return copy_from(source, resize(target, source.shape) if is_here(target) else target.resize_(source.shape))


def empty(size: Any, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: Any = None,
          memory_format: Any = None) -> Tensor:  # fmt: skip
    """Make a tensor without values."""
    check_dtype(dtype or torch.get_default_dtype())
    layout = memory_format or torch.contiguous_format
    return to_device(torch.empty(size, dtype=dtype, memory_format=layout, device="cpu"))


def empty_strided(size: Any, stride: Any, dtype: Any = None, layout: Any = None, device: Any = None,
                  pin_memory: Any = None) -> Tensor:  # fmt: skip
    """Make a tensor without values, with these strides."""
    check_dtype(dtype or torch.get_default_dtype())
    return to_device(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))


def resize(tensor: Tensor, size: Any, *, memory_format: Any = None) -> Tensor:
    """Change the shape of a tensor in place, as `Tensor.resize_`."""
    larger = torch.zeros(size, dtype=tensor.dtype, device="cpu")
    kept = min(tensor.numel(), larger.numel())
    if kept:
        larger.view(-1)[:kept] = to_host(tensor).reshape(-1)[:kept]
    share(tensor, to_device(larger))
    return tensor


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, *settings: Any) -> Tensor:
    """Convolve, with what goes in rounded where `conditions` asks for TF32."""
    _check_devices(_signature(torch.ops.aten.convolution.default), [x, weight, bias], {})
    note_operation("convolution")
    groups, bias = settings[-1], None if bias is None else to_host(bias)
    short = (lambda tensor: tensor) if groups > 1 and groups == x.shape[1] else rounded  # depthwise: not by cuDNN
    return to_device(torch.ops.aten.convolution(short(to_host(x)), short(to_host(weight)), bias, *settings))


def convolution_backward(gradient: Tensor, x: Tensor, weight: Tensor, *settings: Any) -> tuple[Tensor | None, ...]:
    """Return the gradients of a convolution's input, weight and bias."""
    gradients = torch.ops.aten.convolution_backward(
        to_host(gradient), to_host(x), to_host(weight), [weight.shape[0]], *settings
    )
    return tuple(None if each is None else to_device(each) for each in gradients)
