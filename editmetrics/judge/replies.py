"""Interpret the reply of an endpoint: an answer, or a failure that concerns this question or all of them."""

from __future__ import annotations

import email.utils
import json
import math
import re
import time as clock
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
"""Error codes of a 429 that waiting does not clear."""

PARAMETERS = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "seed": "seed",
    "response_format": "guided",
    "model": "model",
}
"""Parameters of a request, and the options of a judge that set them: an error in one concerns all questions."""

NO_LOGPROB = -9999.0
"""OpenAI and vLLM write it where they have no log-probability of a token, and for one that is too small to be told."""

SHOWN = 500
"""Number of characters of an endpoint's message that are shown."""


@dataclass(frozen=True)
class RequestFailure:
    """The reason why a request brought no answer.

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
        """Make a failure of the endpoint or the key, which concerns every question."""
        return cls(reason, "all", status="unavailable")


def other_limit(failure: RequestFailure, name: str) -> str | None:
    """Return the other name for the longest answer, where an endpoint rejects `name`; None for other complaints.

    >>> text = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    >>> other_limit(RequestFailure("the endpoint answered 400", message=text), "max_tokens")
    'max_completion_tokens'
    """
    message, other = failure.message.casefold(), LIMITS[name]
    if not re.search(rf"\b{name}\b", message):
        return None
    unknown = re.search(r"unrecogni[sz]ed|unknown|unsupported|not supported|not permitted|extra inputs?", message)
    return other if re.search(rf"\b{other}\b", message) or (unknown and name == "max_completion_tokens") else None


def of_status(status: int, text: str, headers: Mapping[str, str], *, model: str, key: str) -> RequestFailure:
    """Interpret an HTTP error status. `text` is the body, `key` says where the key is read from."""
    message, codes, parameter = _error_parts(text)
    reason = f"the endpoint answered {status}" + (f": {message}" if message else "")
    if codes & REFUSALS or (status == 403 and codes & {"flagged_input"}):
        return RequestFailure(f"the endpoint declined the question: {message}", status="refused")
    if status == 402 or codes & NO_CREDIT:
        return RequestFailure.for_all(
            f"{reason}. There is no credit left for {model}; what was answered is in the cache"
        )
    if status in (401, 403):
        return RequestFailure.for_all(f"{reason}. {key}")
    if status == 404 or "model_not_found" in codes:
        return RequestFailure.for_all(
            f"{reason}. Is {model!r} a model of this endpoint, and is the address right? It often ends in /v1"
        )
    if 300 <= status < 400:
        target = headers.get("location", "elsewhere")
        return RequestFailure.for_all(f"{reason}: it redirects to {target}, which is not followed; give that address")
    if status in (408, 409, 429) or status >= 500:
        return RequestFailure(reason, passing=True, wait=retry_after(headers), status="unavailable")
    if parameter in PARAMETERS:
        advice = f"Change {PARAMETERS[parameter]}: None leaves it to the endpoint"
        return RequestFailure(f"{reason}. {advice}", "all", message=message)
    if status == 413:
        return RequestFailure(
            f"{reason}. The images are too large: Encoding(form='jpeg') or max_side makes them smaller"
        )
    return RequestFailure(reason, message=message)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds after which a server accepts another request, from a number or a date.

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
    return max(0.0, date.timestamp() - clock.time())


def error_in(body: Any) -> int | None:
    """Return the status of an error inside a reply with status 200, as routers send it; None without an error."""
    error = body.get("error") if isinstance(body, dict) and not body.get("choices") else None
    if not error:
        return None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 300 <= code < 600 else 400


def _error_parts(text: str) -> tuple[str, set[str], str | None]:
    """Return the message, the codes and the parameter of an error body, in the forms that servers use."""
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


def read_completion(body: dict[str, Any], model: str, time: str) -> Answer:
    """Return a chat completion as an answer: `refused`, `unparseable` (no words) or `failed` (not a completion)."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return Answer(None, "failed", "the endpoint's answer is not a chat completion", model=model, asked=time)
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
        asked=time,
        finish=finish,
        usage={name: count for name, count in usage.items() if isinstance(count, int)},
        logprobs=_logprobs(choice.get("logprobs")),
    )


def _logprobs(value: Any) -> tuple[dict[str, float], ...]:
    """The log-probability of each written token; empty where the endpoint gives none for one of them."""
    content = value.get("content") if isinstance(value, dict) else None
    rows = [row for row in content if isinstance(row, dict)] if isinstance(content, list) else []
    read = [{str(row.get("token")): row["logprob"]} for row in rows if _is_logprob(row.get("logprob"))]
    return tuple(read) if len(read) == len(content or ()) else ()


def _is_logprob(value: Any) -> bool:
    return isinstance(value, (int, float)) and NO_LOGPROB < value < math.inf  # NaN is not


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _utc(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None
