"""UniRL's reward wire: `POST /score`, histories of turns in, numbers and errors by reward out.

A request of UniRL's `RemoteRewardBackend` (github.com/Tencent-Hunyuan/UniRL at 1a7b501, `unirl/reward/remote.py`,
`unirl-reward-service/reward_service/schemas.py`): {"requests": [{"history": [{"text", "image_b64"}, ...],
"required_rewards": [NAME, ...]}]}. The last turn is the edited image, the turns before it are the sources; the last
turn's text is the prompt. Names of rewards are labels of metrics. What has no number stands among the errors, which
the trainer counts as failed samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..sample import Score
from ..scoring.results import Column
from .wire import RequestError, without_local_paths
from .wires import Answered, Asked, Wire, edit_of, wanted_labels


def _parse(content: Any, served: Sequence[str]) -> list[Asked]:
    requests = content.get("requests") if isinstance(content, Mapping) else None
    if not isinstance(requests, list):
        raise RequestError('expected {"requests": [...]}')
    return [_asked(request, served) for request in requests]


def _asked(request: Any, served: Sequence[str]) -> Asked:
    history = request.get("history") if isinstance(request, Mapping) else None
    if not isinstance(history, list) or not history:
        raise RequestError("history: expected a list of turns, the last one with the edited image")
    images = [_image(turn) for turn in history]
    text = history[-1].get("text")
    if not isinstance(text, str):
        raise RequestError(f"text: expected the prompt, got {text!r:.80}")
    return Asked({**edit_of(images), "prompt": text}, wanted_labels(request.get("required_rewards"), served))


def _image(turn: Any) -> dict[str, Any]:
    if not isinstance(turn, Mapping) or turn.get("image_b64") is None:
        raise RequestError("history: each turn requires image_b64; videos are not scored")
    return {"base64": turn["image_b64"]}


def _answer(samples: Sequence[Answered], columns: Sequence[Column], folder: Path | None) -> Any:
    reasons = [{label: _reason(score, folder) for label, score in sample.scores.items()} for sample in samples]
    return {
        "results": [
            {label: dict(score) for label, score in sample.scores.items() if not why[label]}
            for sample, why in zip(samples, reasons, strict=True)
        ],
        "errors": [{label: reason for label, reason in why.items() if reason} for why in reasons],
    }


def _reason(score: Score, folder: Path | None) -> str:
    """Return why a score has no number for this wire; nothing if it has."""
    if score.status != "ok":
        return str(without_local_paths(f"{score.status}: {score.reason}", folder))
    infinite = [f"{name} is {value}, which JSON cannot hold" for name, value in score.items() if math.isinf(value)]
    return "; ".join(infinite)


UNIRL = Wire(_parse, _answer, lambda code, reason: {"detail": reason})
"""The wire of `/score`."""
