"""What the reply of an endpoint means: an answer, or a failure that concerns this question or all of them."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from ..sample import Status
from .chat import Answer

LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""The two names of the longest answer; each endpoint, and of some each model, knows one of them or both."""

REFUSALS = frozenset(
    {"content_filter", "content_policy_violation", "moderation_blocked", "ResponsibleAIPolicyViolation"}
)
"""Error codes by which providers decline a question for what it contains."""

NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Error codes of a 429 that waiting does not cure."""

PARAMETERS = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "seed": "seed",
    "response_format": "guided",
    "model": "model",
}
"""Parameters of a request, and the options of a judge that they come from: what is wrong with one is wrong for all."""

SHOWN = 500
"""So many characters of an endpoint's message are shown."""


@dataclass(frozen=True)
class RequestFailure:
    """Why a request brought no answer.

    `concerns`: this question, or all that would be asked. `passing`: whether asking again may help, and `wait`: after
    how many seconds, where the server says so. `status`: what the question's answer gets; `unavailable` where it lies
    in the endpoint or the key, not in an option or the question. `message`: the endpoint's own words, where it refused
    the request as it was made.
    """

    reason: str
    concerns: Literal["question", "all"] = "question"
    passing: bool = False
    wait: float | None = None
    status: Status = "failed"
    message: str = ""

    @classmethod
    def for_all(cls, reason: str) -> RequestFailure:
        """A failure of the endpoint or the key, which concerns every question."""
        return cls(reason, "all", status="unavailable")


def other_limit(failure: RequestFailure, name: str) -> str | None:
    """The name for the longest answer that an endpoint wants instead of `name`; None where that is not its complaint.

    >>> said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    >>> other_limit(RequestFailure("the endpoint answered 400", message=said), "max_tokens")
    'max_completion_tokens'
    """
    said, other = failure.message.casefold(), LIMITS[name]
    if not re.search(rf"\b{name}\b", said):
        return None
    unknown = re.search(r"unrecogni[sz]ed|unknown|unsupported|not supported|not permitted|extra inputs?", said)
    return other if re.search(rf"\b{other}\b", said) or (unknown and name == "max_completion_tokens") else None


def of_status(status: int, text: str, headers: Mapping[str, str], *, model: str, key: str) -> RequestFailure:
    """What an HTTP error status means. `text` is the body, `key` the words that say where the key comes from."""
    message, codes, parameter = _said(text)
    said = f"the endpoint answered {status}" + (f": {message}" if message else "")
    if codes & REFUSALS or (status == 403 and codes & {"flagged_input"}):
        return RequestFailure(f"the endpoint declined the question: {message}", status="refused")
    if status == 402 or codes & NO_CREDIT:
        return RequestFailure.for_all(f"{said}. There is no credit left for {model}; what was answered is in the cache")
    if status in (401, 403):
        return RequestFailure.for_all(f"{said}. {key}")
    if status == 404 or "model_not_found" in codes:
        return RequestFailure.for_all(
            f"{said}. Is {model!r} a model of this endpoint, and is the address right? It often ends in /v1"
        )
    if 300 <= status < 400:
        target = headers.get("location", "elsewhere")
        return RequestFailure.for_all(f"{said}: it redirects to {target}, which is not followed; give that address")
    if status in (408, 409, 429) or status >= 500:
        return RequestFailure(said, passing=True, wait=retry_after(headers), status="unavailable")
    if parameter in PARAMETERS:
        reason = f"{said}. Change {PARAMETERS[parameter]}: None leaves it to the endpoint"
        return RequestFailure(reason, "all", message=message)
    if status == 413:
        return RequestFailure(f"{said}. The images are too large: Encoding(form='jpeg') or max_side makes them smaller")
    return RequestFailure(said, message=message)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """After how many seconds a server wants to be asked again: a number, or a date.

    >>> retry_after({"retry-after": "2.5"}), retry_after({"retry-after-ms": "40"}), retry_after({})
    (2.5, 0.04, None)
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            wait = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        if wait >= 0:  # NaN is not
            return wait
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError, TypeError):
        return None
    return max(0.0, date.timestamp() - time.time())


def error_in(body: Any) -> int | None:
    """The status of an error that came with status 200, as routers of several providers send it; None if it is none."""
    error = body.get("error") if isinstance(body, dict) and not body.get("choices") else None
    if not error:
        return None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 300 <= code < 600 else 400


def _said(text: str) -> tuple[str, set[str], str | None]:
    """An error body's message, its codes, and the parameter it complains of, in the forms that servers use."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return _short(text), set(), None
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return _short(str(error)), set(), None
    inner, metadata = error.get("innererror"), error.get("metadata")
    codes = {str(error.get(name)) for name in ("code", "type") if error.get(name)}
    codes |= {str(inner.get("code"))} if isinstance(inner, dict) else set()
    codes |= set(metadata) if isinstance(metadata, dict) else set()
    message = error.get("message") or error.get("detail") or text
    parameter = error.get("param")
    return _short(str(message)), codes, parameter if isinstance(parameter, str) else None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


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
