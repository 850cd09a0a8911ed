"""A wire: how the JSON of a request names samples and metrics, and how an answer carries scores; and the project's own.

`UNIRL` (`editmetrics.serving.unirl`) and `POOLING` (`editmetrics.serving.pooling`) are those of other programs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.score_json import score_to_json
from ..sample import Score
from ..scoring.results import Column
from .wire import RequestError, without_local_paths


@dataclass(frozen=True)
class Asked:
    """One sample of a request: its JSON object, and the labels of the metrics that are wanted, or none for all."""

    fields: Any
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Answered:
    """One sample of an answer: its id and its scores by label."""

    id: str
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class Wire:
    """The form of a request and of its answer.

    - `parse`: (JSON, labels that are served) to samples; raises `RequestError` for another form.
    - `answer`: (answered samples, served columns, the server's folder) to JSON.
    - `error`: (status code, reason) to JSON.
    """

    parse: Callable[[Any, Sequence[str]], list[Asked]]
    answer: Callable[[Sequence[Answered], Sequence[Column], Path | None], Any]
    error: Callable[[int, str], Any]


def wanted_labels(names: Any, served: Sequence[str]) -> frozenset[str]:
    """Return the labels that a request names. Raises `RequestError` if one is not served.

    >>> sorted(wanted_labels(["psnr"], ["psnr", "ssim"]))
    ['psnr']
    >>> wanted_labels(["lpips"], ["psnr", "ssim"])
    Traceback (most recent call last):
        ...
    editmetrics.serving.wire.RequestError: this server has no metric 'lpips'; it serves psnr, ssim
    """
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise RequestError(f"expected a list of metrics' names, got {names!r:.80}")
    for name in names:
        if name not in served:
            raise RequestError(f"this server has no metric {name!r:.80}; it serves {', '.join(served)}")
    return frozenset(names)


def edit_of(images: Sequence[Any]) -> dict[str, Any]:
    """Return the fields of a sample whose last image is the edited one, and those before it the sources.

    >>> edit_of(["a"]), edit_of(["a", "b"]), edit_of(["a", "b", "c"])
    ({'edited': 'a'}, {'edited': 'b', 'source': 'a'}, {'edited': 'c', 'source': ['a', 'b']})
    """
    *sources, edited = images
    if not sources:
        return {"edited": edited}
    return {"edited": edited, "source": sources if len(sources) > 1 else sources[0]}


def seconds_to_wait(value: Any) -> float | None:
    """Return the key `timeout` of a request, in seconds; None if the client waits as long as it takes.

    >>> seconds_to_wait("2.5"), seconds_to_wait(None)
    (2.5, None)
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if isinstance(value, bool) or not seconds > 0:
        raise RequestError(f"timeout: expected the seconds that the client waits, got {value!r:.80}")
    return seconds


def _parse(content: Any, served: Sequence[str]) -> list[Asked]:
    optional = {"metrics", "timeout"}
    if not (isinstance(content, dict) and content.keys() - optional == {"samples"}):
        raise RequestError('expected {"samples": [...]}, and besides at most metrics and timeout')
    if not isinstance(content["samples"], list):
        raise RequestError('expected {"samples": [...]}')
    metrics = content.get("metrics")
    labels = frozenset[str]() if metrics is None else wanted_labels(metrics, served)
    return [Asked(fields, labels) for fields in content["samples"]]


def _answer(samples: Sequence[Answered], columns: Sequence[Column], folder: Path | None) -> Any:
    labels = {label for sample in samples for label in sample.scores}
    return {
        "identities": {column.label: column.key for column in columns if column.label in labels},
        "samples": [{"id": sample.id, "scores": dict(_score_objects(sample.scores, folder))} for sample in samples],
    }


def _score_objects(scores: Mapping[str, Score], folder: Path | None) -> Iterable[tuple[str, Any]]:
    return ((label, without_local_paths(score_to_json(score), folder)) for label, score in scores.items())


OWN = Wire(_parse, _answer, lambda code, reason: {"error": reason})
"""The wire of `/v1/score`: {"samples": [...]}, see `docs/serving.md`."""
