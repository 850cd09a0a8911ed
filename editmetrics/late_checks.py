"""Checks of values on a device, put off until results are read: to look at each, the host would have to wait.

`Metric` runs every `score_batch` with late checks: what `require` cannot tell without waiting is told by
`read_results`, in the transfer that reads the results, or else at the end of the batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

F = TypeVar("F", bound=Callable[..., Any])


class _Pending(threading.local):
    checks: list[tuple[Tensor, Callable[[], Exception]]] | None = None


_pending = _Pending()


def require(condition: Tensor, error: Callable[[], Exception]) -> None:
    """Raise `error()` unless all of `condition` is true: at once on a CPU, on a device with the results of the batch.

    >>> import torch
    >>> require(torch.tensor([True, False]), lambda: ValueError("one of two is false"))
    Traceback (most recent call last):
    ValueError: one of two is false
    """
    if _pending.checks is not None and condition.device.type != "cpu":
        _pending.checks.append((condition.all(), error))
    elif not bool(condition.all()):
        raise error()


def read_results(*results: Tensor) -> list[Tensor]:
    """Return tensors as CPU tensors, in one transfer for all of one device; raises what late checks have to say.

    Those of a device come back in float32, which holds every float16, bfloat16 and integer up to 16 million.

    >>> import torch
    >>> read_results(torch.tensor([1, 2]), torch.zeros(2, 2))
    [tensor([1, 2]), tensor([[0., 0.],
            [0., 0.]])]
    """
    import torch

    if not any(result.device.type != "cpu" for result in results):
        return [result.detach() for result in results]
    checks: list[tuple[Tensor, Callable[[], Exception]]] = []
    if _pending.checks is not None:
        checks, _pending.checks = _pending.checks, []
    flags = [passed for passed, _ in checks]
    flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in (*results, *flags)]).cpu()
    *values, passed = flat.split([*(result.numel() for result in results), len(flags)])
    _raise_first(checks, passed.tolist())
    return [value.reshape(result.shape) for value, result in zip(values, results, strict=True)]


def checked_late(method: F) -> F:
    """`method`, inside of which checks of values on a device are put off until results are read, or its end.

    >>> checked_late(len)("four")
    4
    """

    @wraps(method)
    def inside(*arguments: Any, **keywords: Any) -> Any:
        if _pending.checks is not None:
            return method(*arguments, **keywords)
        _pending.checks = []
        try:
            return method(*arguments, **keywords)
        finally:  # also after another error, which may come of the values that a check refuses
            checks, _pending.checks = _pending.checks, None
            if checks:
                _settle(checks)

    return inside  # type: ignore[return-value]


def _settle(checks: list[tuple[Tensor, Callable[[], Exception]]]) -> None:
    import torch

    _raise_first(checks, torch.stack([passed for passed, _ in checks]).tolist())


def _raise_first(checks: list[tuple[Tensor, Callable[[], Exception]]], passed: list[Any]) -> None:
    for (_, error), held in zip(checks, passed, strict=True):
        if not held:
            raise error()
