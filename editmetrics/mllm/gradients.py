"""Which parameters a computation depends on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def reached(outputs: Iterable[Tensor]) -> set[int]:
    """The `id` of each tensor with `requires_grad` that `outputs` were computed from, and so could get a gradient.

    >>> import torch
    >>> layers = [torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)]
    >>> of_features = reached([layers[0](torch.ones(1, 2))])
    >>> [id(layer.weight) in of_features for layer in layers]
    [True, False]
    """
    waiting = [output.grad_fn for output in outputs]
    seen, leaves = set(waiting), set[int]()
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        if (variable := getattr(node, "variable", None)) is not None:
            leaves.add(id(variable))
        later = {function for function, _ in node.next_functions} - seen
        seen |= later
        waiting.extend(later)
    return leaves
