"""Descriptions of metrics as plain data: for `editmetrics list` and `info`, for the docs, for programs."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import asdict
from typing import Any

from .learned_metric import LearnedMetric
from .listing import listed as one_line
from .options import described_type
from .registry import (
    BRIDGES,
    BrokenPluginError,
    MissingPackageError,
    UnknownMetricError,
    bridge,
    create_metric,
    metric_class,
    parse_spec,
    usable_bridge,
)
from .sample import FIELDS, Dimension, EditMetricsError


def metric(name: str) -> dict[str, Any]:
    """Everything declared of the metric `name`, as JSON: infinite ends of a range are None.

    `needs` is what the default options need, `uses` what others may. `weights` says for each checkpoint of the default
    options whether it is on this machine; `downloads` says what else the first use downloads, its size and licence.

    >>> metric("psnr")["needs"]
    ['source', 'edited']
    """
    from . import weights

    cls = metric_class(name)
    default = cls()
    needs, listed = default.required(), one_line(name)
    documentation = inspect.cleandoc(cls.__doc__ or "")
    return {
        "name": cls.name,
        "version": cls.version,
        "title": listed.title,
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
        "of_sets": cls.of_sets,
        "rewards_no_change": default.rewards_no_change(),
        "learned": issubclass(cls, LearnedMetric),
        "weights": {checkpoint: weights.find(checkpoint) is not None for checkpoint in default.checkpoints()},
        "downloads": [asdict(download) for download in listed.downloads],
        "judge": listed.judge,
        "paper": cls.paper,
        "licence": cls.licence,
        "package": cls.__module__.partition(".")[0],
        "documentation": documentation,
    }


def bridges() -> list[dict[str, Any]]:
    """Each library that there is a bridge to, and whether it is installed, as JSON. Imports none of them.

    >>> [found["library"] for found in bridges()]
    ['piq', 'pyiqa', 'torchmetrics']
    """
    return [
        {"library": name, "package": library.package, "version": library.version, "licence": library.licence}
        for name, library in ((name, bridge(name)) for name in BRIDGES)
    ]


def library(name: str) -> dict[str, Any]:
    """Every metric of the library `name` that its bridge offers, and what it does not offer and why, as JSON.

    Imports the library, where its bridge has to. Raises `MissingPackageError` or `BrokenPluginError`.
    """
    library = usable_bridge(name)
    return {
        "library": name,
        "package": library.package,
        "version": library.version,
        "licence": library.licence,
        "metrics": [metric(f"{name}/{offered}") for offered in library.offers],
        "not_offered": dict(library.not_offered),
    }


def dimension_of(column: str) -> Dimension | None:
    """The dimension behind a column that is named as `score` names it, `METRIC[:OPTIONS][.DIMENSION]`; None for others.

    >>> dimension_of("psnr:region=inside").unit, dimension_of("ds_ieqa:weights=toy.visual_quality").name
    ('dB', 'visual_quality')
    """
    try:
        dimensions = metric_class(re.split("[:.]", column, maxsplit=1)[0]).dimensions
    except (UnknownMetricError, BrokenPluginError, MissingPackageError):
        return None
    return next((d for d in dimensions if len(dimensions) == 1 or column.endswith(f".{d.name}")), None)


def rewards_no_change(label: str) -> bool:
    """Whether the metric with this label measures how little changed; False for one that is not installed.

    >>> rewards_no_change("psnr:region=inside"), rewards_no_change("clip_score"), rewards_no_change("a column")
    (True, False, False)
    """
    try:
        return create_metric(label).rewards_no_change()
    except EditMetricsError:
        return False


def of_sets(label: str) -> bool:
    """Whether the metric with this label scores sets of images; False for one that is not installed.

    >>> of_sets("fid:mode=legacy_pytorch"), of_sets("psnr"), of_sets("a column")
    (True, False, False)
    """
    try:
        return metric_class(parse_spec(label)[0]).of_sets
    except EditMetricsError:
        return False


def higher_is_better(column: str) -> bool | None:
    """Whether higher is better, of a column that is named as `score` names it; None for others."""
    dimension = dimension_of(column)
    return None if dimension is None else dimension.higher_is_better
