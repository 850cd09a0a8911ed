"""Ask a model behind an OpenAI-compatible endpoint: OpenAI itself, vLLM, SGLang, llama.cpp, Ollama, OpenRouter, Azure.

The key is read from the environment when a request is made; it is in no attribute, record, log or message of this
project.
"""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from .chat import Answer, EncodedImage, Image, JudgeError, JudgeUnavailableError, Question, now
from .replies import LIMITS, RequestFailure, error_in, of_status, other_limit, read_completion
from .schema import json_schema
from .transport import Encoding, TooLargeError, TooSlowTimeout, base_url, bounded_client, is_private, provider

if TYPE_CHECKING:
    from openai import OpenAI

OPENAI = "https://api.openai.com/v1"
OPENAI_KEY, OTHER_KEY = "OPENAI_API_KEY", "EDITMETRICS_JUDGE_KEY"
"""Environment variables of the key: for OpenAI, and for every other endpoint, which must never see the first."""

ANY = "any"
"""The name that stands for the only model that an endpoint serves."""

FIRST_WAIT, LONGEST_BACKOFF = 1.0, 32.0
"""Seconds before a retry, doubled each time up to the longest, less a random part of up to half."""

LONGEST_WAIT = 120.0
"""Longest Retry-After, in seconds, that is honoured; when a server asks for more, the question fails."""

CONNECT_TIMEOUT = 10.0
"""Longest time to connect, in seconds."""

RESERVED = frozenset({"model", "messages", "stream", "n", "tools"})

logger = logging.getLogger(__name__)


class Endpoint:
    """The backend of an OpenAI-compatible endpoint.

    - `model`: its name there; "any" is the only model that the endpoint serves.
    - `endpoint`: the base URL, such as `http://localhost:8000/v1`; None is OPENAI_BASE_URL, else OpenAI.
    - `key_variable`: the environment variable with the key; None is OPENAI_API_KEY for OpenAI and, where it is set,
      EDITMETRICS_JUDGE_KEY for others.
    - `temperature`, `max_tokens`, `seed`: sent where they are not None; `extra`: more parameters, sent and recorded as
      they are.
    - `guided`: send the schema of a question, for servers that hold their answers to it.
    - `limit_name`: the name under which `max_tokens` is sent, where a published protocol has one; None is
      max_completion_tokens for OpenAI and max_tokens for others. An endpoint that rejects it is sent the other.
    - `images`: how images are sent.
    - `timeout`: seconds for an answer, after which the question fails; it is not sent again, having been paid for.
    - `retries`: number of times a question is sent again after 408, 409, 429, 5xx or a cut connection.
    - `parallel`: number of requests at once.
    """

    batch_size = 1

    def __init__(
        self,
        model: str,
        *,
        endpoint: str | None = None,
        key_variable: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        seed: int | None = None,
        extra: Mapping[str, Any] | None = None,
        guided: bool = False,
        limit_name: Literal["max_tokens", "max_completion_tokens"] | None = None,
        images: Encoding | None = None,
        timeout: float = 300.0,
        retries: int = 6,
        parallel: int = 8,
    ) -> None:
        if not model:
            raise JudgeError(f"a judge requires the name of a model; {ANY!r} is the only one that the endpoint serves")
        if parallel < 1 or retries < 0 or timeout <= 0:
            raise JudgeError(
                f"parallel={parallel}, retries={retries}, timeout={timeout}: expected at least 1, 0, above 0"
            )
        if taken := RESERVED & (extra or {}).keys():
            raise JudgeError(f"extra parameters {', '.join(sorted(taken))} cannot be sent; a judge sets them itself")
        configured = endpoint or os.environ.get("OPENAI_BASE_URL") or OPENAI
        self.url = base_url(configured)
        self._for_openai = endpoint is None or urllib.parse.urlsplit(self.url).hostname == "api.openai.com"
        self.key_variable = key_variable or (OPENAI_KEY if self._for_openai else OTHER_KEY)
        if not os.environ.get(self.key_variable) and (key_variable or self._for_openai):
            raise JudgeUnavailableError(
                f"{self.url} requires a key, and {self.key_variable} is not set: export {self.key_variable}=..., or "
                "name an endpoint without a key with endpoint=http://localhost:8000/v1"
            )
        self.model, self.temperature, self.max_tokens, self.seed = model, temperature, max_tokens, seed
        self.extra, self.guided, self.images = dict(extra or {}), guided, images or Encoding()
        self.timeout, self.retries, self.parallel = timeout, retries, parallel
        self._lock = threading.Lock()
        self._client: OpenAI | None = None
        self._process = 0
        self._reached = False
        self._limit: str = limit_name or ("max_completion_tokens" if self._for_openai else "max_tokens")
        if self.images.form == "bytes":
            raise JudgeError(
                "images='bytes' is for single images, Image(path, Encoding('bytes')); expected png or jpeg"
            )
        if os.environ.get(self.key_variable) and not is_private(self.url):
            logger.warning("%s: the key and the images travel unencrypted; use https", self.url)

    def identity(self) -> dict[str, Any]:
        """Return the provider, the model and its parameters. Asks the endpoint for its model where that is "any".

        Neither port nor path of the address, nor timeout, retries, parallel and key: none of them changes an answer.
        """
        return {
            "judge": "endpoint",
            "endpoint": provider(self.url),
            "model": self._model(),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "extra": self.extra,
            "guided": self.guided,
            "images": self.images.identity(),
        }

    def answer(self, questions: Sequence[Question], stop: threading.Event) -> list[Answer]:
        """Return one answer per question."""
        return [self._answer(question, stop) for question in questions]

    def _answer(self, question: Question, stop: threading.Event) -> Answer:
        model, time = self._model(), now()
        reply = self._reply(self._body(question), stop)
        if isinstance(reply, RequestFailure):
            return Answer(None, reply.status, reply.reason, model=model, asked=time)
        return read_completion(reply, model, time)

    def _reply(
        self,
        body: dict[str, Any],
        stop: threading.Event,
        post: Callable[[dict[str, Any]], dict[str, Any] | RequestFailure] | None = None,
    ) -> dict[str, Any] | RequestFailure:
        """Send a request until it is answered, or fails for good. Raises `JudgeError` where all others would, too.

        `post` sends it; by default as a chat completion.
        """
        attempt, renamed = 0, False
        while True:
            reply = (post or self._post)(body)
            if not isinstance(reply, RequestFailure):
                return reply
            if not renamed and (renamed := self._renamed_limit(reply, body)):
                continue
            if reply.concerns == "all":
                raise self._error(reply)
            wait = self._wait(reply, attempt)
            if wait is None or stop.wait(wait):
                times = f" (asked {attempt + 1} times)" if attempt else ""
                return replace(reply, reason=f"{reply.reason}{times}")
            attempt += 1

    def _renamed_limit(self, failure: RequestFailure, body: dict[str, Any]) -> bool:
        """Rename the longest answer in `body` if the endpoint wants its other name; tell whether it did."""
        name = next((name for name in LIMITS if name in body), None)
        other = None if name is None else other_limit(failure, name)
        if name is None or other is None:
            return False
        body[other] = body.pop(name)
        self._limit = other  # of all questions to come
        return True

    def _error(self, failure: RequestFailure) -> JudgeError:
        kind = JudgeUnavailableError if failure.status == "unavailable" else JudgeError
        return kind(f"{self.url}: {failure.reason}")

    def _wait(self, failure: RequestFailure, attempt: int) -> float | None:
        """Return the seconds until a retry; None for no retry."""
        if not failure.passing or attempt == self.retries:
            return None
        if failure.wait is not None:
            return failure.wait if failure.wait <= LONGEST_WAIT else None
        backoff = min(FIRST_WAIT * 2.0**attempt, LONGEST_BACKOFF)
        return backoff * random.uniform(0.5, 1)  # noqa: S311 - parallel requests should not come back all at once

    def _body(self, question: Question) -> dict[str, Any]:
        messages = []
        for message in question.messages:
            parts = [
                self._shown(part) if isinstance(part, Image) else {"type": "text", "text": part}
                for part in message.parts
            ]
            # some servers take a system message as text only
            only_text = len(parts) == 1 and parts[0]["type"] == "text" and not message.listed
            messages.append({"role": message.role, "content": parts[0]["text"] if only_text else parts})
        optional: dict[str, Any] = {
            "temperature": self.temperature,
            self._limit: self.max_tokens,
            "seed": None if self.seed is None else self.seed + question.round,
        }
        body: dict[str, Any] = {"model": self._model(), "messages": messages}
        body |= {name: value for name, value in optional.items() if value is not None}
        if self.guided and question.schema is not None:
            schema = {"name": "answer", "schema": json_schema(question.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _shown(self, image: Image) -> dict[str, Any]:
        content = image.content
        return content.part() if isinstance(content, EncodedImage) else self.images.part(image.pixels())

    def _post(self, body: dict[str, Any]) -> dict[str, Any] | RequestFailure:
        completions = self._open().chat.completions.with_raw_response
        return self._call(
            lambda: completions.create(**body, extra_headers=self._headers(), extra_body=self.extra or None)
        )

    def _model(self) -> str:
        """Return the model's name; "any" is looked up once."""
        if self.model != ANY:
            return self.model
        models = self._open().models.with_raw_response
        with self._lock:
            if self.model == ANY:
                reply = self._call(lambda: models.list(extra_headers=self._headers()))
                if isinstance(reply, RequestFailure):
                    raise self._error(RequestFailure.for_all(reply.reason))
                listed = reply.get("data")
                names = [str(one["id"]) for one in listed if isinstance(one, dict) and "id" in one] if listed else []
                if len(names) != 1:
                    served = f"several models: {', '.join(sorted(names)[:20])}" if names else "no model"
                    kind = JudgeError if names else JudgeUnavailableError
                    raise kind(f"{self.url} serves {served}; give the name of one instead of {ANY!r}")
                self.model = names[0]
        return self.model

    def _call(self, request: Any) -> dict[str, Any] | RequestFailure:
        """Return the JSON that a request brings, or why it brings none."""
        import openai

        key = os.environ.get(self.key_variable, "")

        def scrubbed(text: str) -> str:  # endpoints quote the key in their messages
            return text.replace(key, "[the key]") if len(key) >= 8 else text

        why = f"The key is read from {self.key_variable}, which is {'set' if key else 'not set'}"
        try:
            response = request().http_response
            text, status, headers = scrubbed(response.text), response.status_code, response.headers
        except openai.APIStatusError as error:
            self._reached = True
            return of_status(
                error.status_code, scrubbed(error.response.text), error.response.headers, model=self.model, key=why
            )
        except (openai.APIConnectionError, TooLargeError, TooSlowTimeout) as error:  # openai may wrap the latter two
            cause = error.__cause__ or error
            return self._broken(type(cause).__name__, scrubbed(str(cause) or type(cause).__name__))
        self._reached = True
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):  # the latter of brackets in brackets in ...
            data = None
        if not isinstance(data, dict):
            reason = f"the endpoint answered {status}, not with a JSON object: {text[:200]!r}"
            return RequestFailure(reason, status="unavailable")
        inner = error_in(data)
        return data if inner is None else of_status(inner, text, headers, model=self.model, key=why)

    def _broken(self, kind: str, message: str) -> RequestFailure:
        """Interpret an exception of the HTTP library."""
        if kind.startswith("Connect"):  # ConnectError, ConnectTimeout; passing only where something has answered before
            advice = "is the server running, and is the address right?"
            reason = f"cannot be reached: {message}; {advice}"
            return (
                RequestFailure(reason, passing=True, status="unavailable")
                if self._reached
                else RequestFailure.for_all(reason)
            )
        if kind == "TooLargeError":
            return RequestFailure(message)
        if kind.endswith("Timeout"):
            reason = f"no answer within {self.timeout:g} s; a larger timeout waits longer"
            return RequestFailure(reason, status="unavailable")
        return RequestFailure(f"the connection was cut: {message}", passing=True, status="unavailable")

    def _open(self) -> OpenAI:
        with self._lock:
            if self._client is None or self._process != os.getpid():  # connections shared across a fork mix up answers
                try:
                    import openai
                except ImportError as error:
                    raise JudgeUnavailableError(
                        "asking an endpoint requires the openai package: pip install 'editmetrics[judge]'"
                    ) from error
                self._client = openai.OpenAI(
                    api_key=os.environ.get(self.key_variable) or "none",
                    base_url=self.url,
                    max_retries=0,
                    timeout=openai.Timeout(self.timeout, connect=CONNECT_TIMEOUT),
                    http_client=bounded_client(self.timeout, follow_redirects=False),
                )
                self._process = os.getpid()
        return self._client

    def _headers(self) -> dict[str, Any]:
        """Return the key, and the headers to leave out, which openai reads from the environment for OpenAI only."""
        from openai import Omit

        key = os.environ.get(self.key_variable)
        if self._for_openai:
            return {}
        custom = os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines()
        left_out = {name.strip() for name, colon, _ in (line.partition(":") for line in custom) if colon}
        left_out |= {"OpenAI-Organization", "OpenAI-Project"}  # in openai's spelling, which its older versions compare
        return {name: Omit() for name in left_out} | {"Authorization": f"Bearer {key}" if key else Omit()}
