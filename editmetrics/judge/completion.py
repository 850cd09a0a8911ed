"""From the JSON of a chat completion to an `Answer`: its words, or why there are none, and where they come from."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ..sample import Status
from .chat import Answer


def read_completion(body: dict[str, Any], model: str, asked: str) -> Answer:
    """A chat completion as an answer; `refused`, `unparseable` (no words) or `failed` (another form) if it is none."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return Answer(None, "failed", "the endpoint answered with what is no chat completion", model=model, asked=asked)
    text, refusal, finish = message.get("content"), message.get("refusal"), _text(choice.get("finish_reason"))
    counts, created = body.get("usage"), body.get("created")
    usage = counts if isinstance(counts, dict) else {}
    status: Status = "ok"
    reason = None
    if refusal:
        status, reason = "refused", f"the model declined: {' '.join(str(refusal).split())}"
    elif finish and finish.casefold().startswith(("content_filter", "safety", "prohibited_content")):
        status, reason = "refused", f"the endpoint withheld the answer: {finish}"
    elif not isinstance(text, str) or not text.strip():
        status, reason = "unparseable", f"the model answered nothing (it stopped with {finish!r})"
        if finish == "length":
            reason += "; a larger max_tokens gives it room"
    return Answer(
        text if status == "ok" else None,
        status,
        reason,
        model=model,
        served=_text(body.get("model")),
        fingerprint=_text(body.get("system_fingerprint")),
        created=_utc(created) if isinstance(created, (int, float)) else None,
        asked=asked,
        finish=finish,
        usage={name: count for name, count in usage.items() if isinstance(count, int)},
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _utc(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None
