"""Running statistics of batch norms, which training changes without a gradient: kept and shared beside parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def norm_statistics(module: nn.Module) -> dict[str, Tensor]:
    """Return the buffers of all batch norms inside `module`, by name.

    >>> from torch import nn
    >>> sorted(norm_statistics(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))))
    ['1.num_batches_tracked', '1.running_mean', '1.running_var']
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    return {
        f"{name}.{buffer}".lstrip("."): tensor
        for name, part in module.named_modules()
        if isinstance(part, _BatchNorm)
        for buffer, tensor in part.named_buffers(recurse=False)
    }


def average_statistics(module: nn.Module, processes: int) -> None:
    """Put the mean over all processes in place of each one's statistics, which saw other examples."""
    if processes == 1:
        return
    from torch import distributed

    for tensor in norm_statistics(module).values():
        if tensor.is_floating_point():
            distributed.all_reduce(tensor)
            tensor.div_(processes)
