"""Look at what goes into parts of a model while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def inputs_seen(modules: Mapping[int, nn.Module], see: Callable[[int, Tensor], object]) -> Iterator[None]:
    """Call `see(key, input)` with the first input of each module before it runs, inside a `with`.

    >>> import torch
    >>> layers, seen = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Identity()), {}
    >>> with inputs_seen({1: layers[1]}, seen.__setitem__):
    ...     _ = layers(torch.tensor([-1.0, 2.0]))
    >>> seen
    {1: tensor([0., 2.])}
    """

    def looking_for(key: int) -> Callable[..., None]:
        def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            see(key, inputs[0])

        return look

    hooks = [module.register_forward_pre_hook(looking_for(key)) for key, module in modules.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
