"""What a metric says of itself, as plain data: for `editmetrics list` and `info`, for the docs, for programs."""

from __future__ import annotations

import inspect
import math
from typing import Any

from .metric import LearnedMetric
from .registry import described_type, metric_class
from .sample import FIELDS


def metric(name: str) -> dict[str, Any]:
    """Everything declared of the metric `name`, as JSON: infinite ends of a range are None.

    `needs` is what the default options need, `uses` what others may. `weights` says for each checkpoint of the default
    options whether it is on this machine.

    >>> metric("psnr")["needs"]
    ['source', 'edited']
    """
    from . import weights

    cls = metric_class(name)
    default = cls()
    needs = default.required()
    documentation = inspect.cleandoc(cls.__doc__ or "")
    return {
        "name": cls.name,
        "version": cls.version,
        "summary": documentation.partition("\n\n")[0].replace("\n", " "),
        "needs": [field for field in FIELDS if field in needs],
        "uses": [field for field in FIELDS if field in (cls.needs | cls.uses) - needs],
        "dimensions": [
            {
                "name": dimension.name,
                "unit": dimension.unit,
                "low": dimension.low if math.isfinite(dimension.low) else None,
                "high": dimension.high if math.isfinite(dimension.high) else None,
                "higher_is_better": dimension.higher_is_better,
                "primary": dimension.primary,
                "description": dimension.description,
            }
            for dimension in cls.dimensions
        ],
        "options": [
            {
                "name": option.name,
                "type": described_type(option.hint),
                "default": option.default if isinstance(option.default, (str, int, float, bool)) else None,
                "description": option.description,
            }
            for option in cls.option_list()
        ],
        "learned": issubclass(cls, LearnedMetric),
        "weights": {checkpoint: weights.find(checkpoint) is not None for checkpoint in default.checkpoints()},
        "paper": cls.paper,
        "licence": cls.licence,
        "package": cls.__module__.partition(".")[0],
        "documentation": documentation,
    }
