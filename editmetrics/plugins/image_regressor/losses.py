"""The loss of distributions of ratings, a pure function of tensors; those of ratings are in `mllm.losses`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def emd_loss(predicted: Tensor, shares: Tensor, r: float = 2.0) -> Tensor:
    """Return the mean earth mover's distance of distributions over ordered bins; a scalar in [0, 1].

    (1/K sum_k |P_k - R_k|^r)^(1/r), P and R the cumulative sums of `predicted` and `shares`, both (N, K).

    Source: Talebi & Milanfar, NIMA, IEEE TIP 2018, arXiv:1709.05424, equation 1, with r = 2 in training.

    >>> import torch
    >>> emd_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), r=1.0)  # one step, over one of two bins
    tensor(0.5000)
    """
    distance = (predicted.float().cumsum(-1) - shares.float().cumsum(-1)).abs()
    each = (distance.pow(r).mean(-1) + 1e-12).pow(1 / r)
    return each.mean()
