"""The wire of vLLM's pooling interface, for programs that speak to reward models behind one: a conversation in, numbers
out.

{"model": LABEL, "messages": [...]} holds one sample: the last image is the edited one, those before it are the sources,
the texts are the prompt. Images are `data:` URLs; no other URL is opened. The answer's `data` are the values of the
metric's dimensions, in the order of `GET /v1/metrics`; a sample without a number is an error with status 422.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..sample import Score
from ..scoring.results import Column
from .wire import RequestError, UnscoredError, without_local_paths
from .wires import Answered, Asked, Wire, edit_of, wanted_labels


def _parse(content: Any, served: Sequence[str]) -> list[Asked]:
    if not isinstance(content, Mapping) or not isinstance(content.get("messages"), list):
        raise RequestError('expected {"model": LABEL, "messages": [...]}: a conversation with the images')
    parts = [part for message in content["messages"] for part in _parts(message)]
    images = [_image(part["image_url"]) for part in parts if "image_url" in part]
    if not images:
        raise RequestError("messages: no image_url; the last image is the edited one")
    fields = edit_of(images)
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    if texts:
        fields["prompt"] = "\n".join(texts)
    return [Asked(fields, wanted_labels([content.get("model")], served))]


def _parts(message: Any) -> Iterator[Mapping[str, Any]]:
    content = message.get("content") if isinstance(message, Mapping) else None
    for part in [{"text": content}] if isinstance(content, str) else content or ():
        if not isinstance(part, Mapping):
            raise RequestError(f"messages: expected text and image_url parts, got {part!r:.80}")
        yield part


def _image(value: Any) -> dict[str, Any]:
    url = value.get("url") if isinstance(value, Mapping) else value
    if not isinstance(url, str) or not url.startswith("data:image/") or ";base64," not in url[:64]:
        raise RequestError(f"image_url: expected data:image/...;base64,...; other URLs are not opened, got {url!r:.80}")
    return {"base64": url.partition(";base64,")[2]}


def _answer(samples: Sequence[Answered], columns: Sequence[Column], folder: Path | None) -> Any:
    [(label, score)] = samples[0].scores.items()
    column = next(column for column in columns if column.label == label)
    return {
        "object": "list",
        "model": label,
        "data": [{"index": 0, "object": "pooling", "data": _numbers(column, score, folder)}],
    }


def _numbers(column: Column, score: Score, folder: Path | None) -> list[float]:
    label, names = column.label, [dimension.name for dimension in column.metric.dimensions]
    if score.status != "ok":
        reason = without_local_paths(f"{label}: {score.status}: {score.reason}", folder)
        raise UnscoredError(reason, 503 if score.status == "unavailable" else 422)
    for name in names:
        if not math.isfinite(score.get(name, math.nan)):
            raise UnscoredError(f"{label}: {name} is {score.get(name, 'missing')}, which a list of numbers cannot hold")
    return [score[name] for name in names]


POOLING = Wire(_parse, _answer, lambda code, reason: {"error": {"message": reason, "type": "BadRequest", "code": code}})
"""The wire of `/pooling` and `/v1/pooling`."""
