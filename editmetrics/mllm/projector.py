"""The projector of a backbone, which maps the vision tower's states to image tokens: copied, trained and replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .families import BackboneError
from .turns import in_turn

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .backbone import Backbone


@in_turn
def projector_tensors(backbone: Backbone) -> dict[str, Tensor]:
    """Copies of the projector's parameters, by name, in float32 on the CPU.

    >>> import tempfile
    >>> from editmetrics.mllm.backbone import Backbone
    >>> from editmetrics.testing import tiny_backbone
    >>> backbone = Backbone.load(tiny_backbone("internvl", tempfile.mkdtemp()), device="cpu")
    >>> sorted(projector_tensors(backbone))[:2]
    ['0.layer_norm.bias', '0.layer_norm.weight']
    """
    import torch

    return {name: p.detach().to("cpu", torch.float32, copy=True) for name, p in backbone.projector.named_parameters()}


@contextmanager
def using_projector(
    backbone: Backbone, tensors: Mapping[str, Tensor] | None, *, trained: bool = False
) -> Iterator[None]:
    """Use other parameters in the projector of a backbone, inside a `with`; None leaves its own.

    `tensors` are those of `projector_tensors`. They take the backbone's device and dtype, without a copy where they
    have both already; where they are to be `trained` they are copied and stay float32, so that small updates are not
    rounded away, and have gradients. Afterwards, the backbone's own are back; other threads wait until then. Raises
    `BackboneError` for parameters of another projector.
    """
    with backbone.exclusive():
        own = dict(backbone.projector.named_parameters())
        if tensors is not None and {n: t.shape for n, t in tensors.items()} != {n: p.shape for n, p in own.items()}:
            raise BackboneError(f"these are not the parameters of the projector of {backbone.name}")
        before = {name: (parameter.data, parameter.requires_grad) for name, parameter in own.items()}
        hooks = (
            [part.register_forward_pre_hook(_in_float32) for part in backbone.projector.children()] if trained else []
        )
        try:
            for name, parameter in own.items() if tensors is not None else ():
                dtype = tensors[name].dtype if trained else parameter.dtype  # type: ignore[index]
                parameter.data = tensors[name].to(parameter.device, dtype, copy=trained)  # type: ignore[index]
                parameter.requires_grad_(trained)
            yield
        finally:
            for hook in hooks:
                hook.remove()
            for name, parameter in own.items():
                parameter.data, had = before[name]
                parameter.requires_grad_(had)
                parameter.grad = None


def _in_float32(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Convert the vision tower's output to the dtype of parameters that are trained."""
    return tuple(arg.float() for arg in args)
