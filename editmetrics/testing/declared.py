"""What a package declares to the conformance kit beside its metric: how it is set up, and exceptions with reasons.

An entry point of the metric's name in the group `editmetrics.conformance` names a module; its `setup(metric)` gives an
instance a stand-in for weights or a model, its `EXCEPTIONS` maps a check to the reason why it cannot hold.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..metric import Metric
from ..sample import EditMetricsError

GROUP = "editmetrics.conformance"


@dataclass(frozen=True)
class Declared:
    """What a package declares: `setup` and `exceptions`, as `check_metric` takes them, and where they come from."""

    setup: Callable[[Metric], object] | None = None
    exceptions: Mapping[str, str] = field(default_factory=dict)
    where: str = ""


def declared_for(name: str) -> Declared:
    """What is declared for the metric `name`; nothing, where there is no such entry point.

    Raises `EditMetricsError` for one that cannot be imported.

    >>> declared_for("psnr")
    Declared(setup=None, exceptions={}, where='')
    """
    points = list(importlib.metadata.entry_points(group=GROUP, name=name))
    if not points:
        return Declared()
    try:
        module = points[0].load()
    except Exception as error:
        raise EditMetricsError(
            f"the entry point {name} = {points[0].value} of the group {GROUP} cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
    return Declared(getattr(module, "setup", None), getattr(module, "EXCEPTIONS", {}), points[0].value)
