"""A call of `score`: samples, rows or paths, and metrics and options by keyword or, after samples, by position."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..data import find_samples, from_rows
from ..sample import Sample
from .results import PlanError

logger = logging.getLogger(__name__)

OF_PATHS = ("prompts", "prompt", "masks", "references", "root")
"""Keywords that say more about paths, see `data.find_samples`."""


class Request(NamedTuple):
    """The samples, the metrics, and the options with changes to them."""

    samples: list[Sample]
    metrics: Any
    options: Any
    changes: dict[str, Any]


def request(first: Any, more: Sequence[Any], metrics: Any, options: Any, keywords: Mapping[str, Any]) -> Request:
    """Tell samples, metrics and options of a call apart. Raises `PlanError` where metrics are missing."""
    changes = dict(keywords)
    if isinstance(first, (str, os.PathLike)):
        paths = [first, *more]
        if not all(isinstance(path, (str, os.PathLike)) for path in paths):
            raise PlanError("after paths, metrics go by keyword: score('sources/', 'edited/', metrics=['psnr'])")
        found_by_name = find_samples(paths, **{name: changes.pop(name) for name in OF_PATHS if name in changes})
        for problem in found_by_name.problems():
            logger.warning("%s", problem)
        samples = list(found_by_name)
    else:
        samples = _samples(first)
        by_position = dict(zip(("metrics", "options"), more, strict=False))
        by_keyword = {"metrics": metrics, "options": options}
        if len(more) > 2 or any(by_keyword[name] is not None for name in by_position):
            raise PlanError("score takes samples, metrics and options, each once")
        metrics, options = ({**by_keyword, **by_position}[name] for name in ("metrics", "options"))
    if metrics is None:
        raise PlanError("score needs metrics: score(..., metrics=['psnr', 'ssim'])")
    return Request(samples, metrics, options, changes)


def _samples(given_samples: Any) -> list[Sample]:
    """Samples as they are; rows as samples."""
    if hasattr(given_samples, "to_dicts") or hasattr(given_samples, "iterrows"):
        return from_rows(given_samples)
    listed = list(given_samples)
    return listed if all(isinstance(one, Sample) for one in listed) else from_rows(listed)
