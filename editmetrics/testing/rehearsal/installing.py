"""Registers the rehearsal device with torch, once in a process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import operations
from .generators import AnyDeviceGenerator, default_generator
from .memory import NAME, is_here, share

_KEY, _AUTOCAST = "PrivateUse1", "AutocastPrivateUse1"
_VIEWS = (
    "as_strided",
    "view",
    "view.dtype",
    "_reshape_alias",
    "unfold",
    "view_as_real",
    "view_as_complex",
    "set_.source_Storage_storage_offset",
    "set_.source_Storage",
    "set_.source_Tensor",
)
"""Operations that touch sizes and strides alone: the CPU's own kernels serve, whatever the device."""

_LOWERED = (
    "linear matmul mm bmm addmm baddbmm addbmm mv addmv conv1d conv2d conv3d prelu einsum scaled_dot_product_attention"
)
_RAISED = (
    "layer_norm group_norm softmax.int log_softmax.int nll_loss mse_loss l1_loss smooth_l1_loss huber_loss exp log "
    "pow.Tensor_Scalar pow.Tensor_Tensor rsqrt norm.Scalar cosine_similarity prod sum sum.dim_IntList cumsum softplus "
    "cdist binary_cross_entropy_with_logits log1p expm1 reciprocal log2 log10"
)
"""What CUDA's autocast casts to the shorter type, and to float32."""

_kept: list[Any] = []  # registrations last as long as these


class DeviceModule:
    """`torch.rehearsal`: what torch asks the module of a device."""

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def _is_in_bad_fork(self) -> bool:
        return False

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def set_device(self, device: Any = None) -> None:
        """Do nothing: there is one device."""

    def synchronize(self, device: Any = None) -> None:
        """Do nothing: every operation has ended when it returns."""

    def empty_cache(self) -> None:
        """Do nothing: the CPU's memory has no cache."""

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        return 16 << 30, 16 << 30

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    def manual_seed(self, seed: int) -> None:
        default_generator().manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        default_generator().manual_seed(seed)

    def get_rng_state(self, device: Any = None) -> Tensor:
        return default_generator().get_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        default_generator().set_state(state)


@functools.cache
def register() -> None:
    """Make the device. Nothing can take it away again, so that a second call does nothing."""
    from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

    _setup_privateuseone_for_python_backend(rename=NAME, backend_module=DeviceModule())
    everything, aten = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    _kept.extend([everything, aten])
    everything.fallback(operations.run, _KEY)
    everything.fallback(torch.library.fallthrough_kernel, _AUTOCAST)
    aten.impl("empty.memory_format", operations.empty, _KEY)
    aten.impl("empty_strided", operations.empty_strided, _KEY)
    aten.impl("_copy_from", operations.copy_from, _KEY)
    for key in ("Conjugate", "Negative"):  # or a conjugate would be copied to be resolved, and resolved to be copied
        aten.impl("_copy_from", torch.library.fallthrough_kernel, key)
    aten.impl("_copy_from_and_resize", operations.copy_from_and_resize, _KEY)
    aten.impl("resize_", operations.resize, _KEY)
    aten.impl("convolution_overrideable", operations.convolution, _KEY)
    aten.impl("convolution_backward_overrideable", operations.convolution_backward, _KEY)
    cpu = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
    for name in _VIEWS:
        aten.impl(name, functools.partial(_overload(name).redispatch, cpu), _KEY)
    for names, lowered in ((_LOWERED, True), (_RAISED, False)):
        for name in names.split():
            aten.impl(name, _autocast(_overload(name), lowered), _AUTOCAST)
    _replace_what_needs_an_allocator()


def _overload(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")


def _autocast(operation: Any, lowered: bool) -> Callable[..., Any]:
    """Return the operation with its floating-point tensors cast as autocast does."""

    autocast = torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, _AUTOCAST))

    def kernel(*arguments: Any, **keywords: Any) -> Any:
        wanted = torch.get_autocast_dtype(NAME) if lowered else torch.float32

        def cast(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return type(value)(map(cast, value))
            fits = is_here(value) and value.is_floating_point() and value.dtype not in (torch.float64, wanted)
            return value.to(wanted) if fits else value

        with torch._C._ExcludeDispatchKeyGuard(autocast):
            return operation(*map(cast, arguments), **{name: cast(value) for name, value in keywords.items()})

    return kernel


def _replace_what_needs_an_allocator() -> None:
    """Replace what a device in Python cannot give torch: copies of storages, `.data = `, pinned memory, generators.

    Other devices keep torch's own.
    """
    clone, pin_memory = torch.UntypedStorage.clone, torch.Tensor.pin_memory
    data: Any = torch._C.TensorBase.data

    def set_data(tensor: Tensor, value: Tensor) -> None:
        if is_here(tensor) and is_here(value) and tensor.dtype == value.dtype:
            share(tensor, value)
        else:
            data.__set__(tensor, value)

    def clone_storage(storage: torch.UntypedStorage) -> torch.UntypedStorage:
        if storage.device.type != NAME:
            return clone(storage)
        return operations.empty([0], torch.uint8).set_(storage).clone().untyped_storage()

    def pin(tensor: Tensor, device: Any = None) -> Tensor:
        return pin_memory(tensor) if torch.cuda.is_available() else tensor

    patched: Any = torch
    patched.UntypedStorage.clone = clone_storage
    patched.Tensor.data = property(data.__get__, set_data)
    patched.Tensor.pin_memory = pin
    patched.Generator = AnyDeviceGenerator
