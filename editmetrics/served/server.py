"""The backend that vLLM and SGLang share: it checks a server before it asks, and reads answers token by token."""

from __future__ import annotations

import logging
import math
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from ..judge import Answer, JudgeError, JudgeUnavailableError, Question
from ..judge.chat import now
from ..judge.endpoint import Endpoint
from ..judge.replies import NO_LOGPROB, RequestFailure
from .questions import ReadStep, TokenQuestion

if TYPE_CHECKING:
    from .probe import ServerProbe

Reply = dict[str, Any] | RequestFailure

NEUTRAL: Mapping[str, Any] = {
    "top_p": 1.0,
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""Parameters that change nothing. They are sent, since both servers take those that a request leaves out from the
checkpoint's generation_config.json, where Qwen2.5-VL has a repetition penalty."""

ROUNDING = 0.02
"""By how much the probabilities that a server returns may be more than 1 together: bfloat16 has 8 bits."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadToken:
    """One token of an answer, and the log-probabilities that came with it, by numbers in the vocabulary."""

    token: int
    logprobs: Mapping[int, float]


class UnreadableReplyError(JudgeError):
    """A reply does not hold what was asked for."""


class Server(Endpoint):
    """The backend of an assessor's model on a server; `check` comes before the first question.

    Questions for text go as to any endpoint, with the sampling that they do not name switched off (`NEUTRAL`). Of a
    `TokenQuestion` the answer is read: at most one request for each position, and one for all of them where the model
    writes by itself what is read.
    """

    program: ClassVar[str]
    oldest: ClassVar[tuple[int, ...]]
    """The oldest version that is asked."""

    def __init__(self, model: str, *, probe: ServerProbe | None = None, **options: Any) -> None:
        super().__init__(model, **{**options, "extra": {**NEUTRAL, **(options.get("extra") or {})}})
        self.probe = probe
        self.version = "unknown until loaded"

    @property
    def root(self) -> str:
        """The address of the server, without the /v1 of its OpenAI-compatible part."""
        return self.url.removesuffix("/v1")

    def identity(self) -> dict[str, Any]:
        """Identity of an endpoint, with the server's program and version and the checksum of the probe that it passed.

        >>> from editmetrics.served.vllm import VLLM
        >>> VLLM("judge", endpoint="http://localhost:8000/v1").identity()["server"]
        {'program': 'vllm', 'version': 'unknown until loaded', 'probe': 'none: it was not checked which model it is'}
        """
        checked = "none: it was not checked which model it is" if self.probe is None else self.probe.digest
        server = {"program": self.program, "version": self.version, "probe": checked}
        return {**super().identity(), "server": server}

    # ------------------------------------------------------------------ what each program has of its own

    @abstractmethod
    def find_version(self) -> str:
        """Ask the server for its version. Raises `JudgeUnavailableError` where it is another program."""

    @abstractmethod
    def check_traps(self, version: tuple[int, ...]) -> None:
        """Raise `JudgeUnavailableError` for a setting that is known to change numbers in silence."""

    @abstractmethod
    def read_request(self, question: TokenQuestion, written: str, count: int) -> tuple[str, dict[str, Any]]:
        """Return the address and the body of a request for the `count` tokens behind the answer so far."""

    @abstractmethod
    def read_reply(self, reply: Mapping[str, Any]) -> tuple[list[ReadToken], int]:
        """Return the tokens of a reply, and the number of tokens of its prompt.

        Raises `LookupError`, `TypeError` or `ValueError` for a reply of another form.
        """

    # ------------------------------------------------------------------ checks at a start

    def check(self) -> None:
        """Check the program, its version, the model's name, known traps, and the model by its probe.

        Raises `JudgeUnavailableError`, with what to do, at the first that is wrong.
        """
        self.version = self.find_version()
        version = numbers_of(self.version)
        if version < self.oldest:
            wanted = ".".join(map(str, self.oldest))
            raise self.unavailable(f"it is {self.program} {self.version}; expected {wanted} or newer")
        adapter = self._check_model()
        self.check_traps(version)
        if self.probe is not None:
            self.probe.check(self)
            return
        if adapter:
            raise self.unavailable(
                f"{self._model()} is an adapter that the server applies, and a part of it may be left out in silence; "
                "serve the merged model that 'editmetrics export' writes, or name its probe with probe=FILE"
            )
        logger.warning(
            "%s: nothing shows that %s is the checkpoint whose numbers are wanted; probe=FILE checks it, with the file "
            "that 'editmetrics export' writes",
            self.url, self._model(),
        )  # fmt: skip

    def unavailable(self, problem: str) -> JudgeUnavailableError:
        """Make the error that ends a metric's run: this server cannot be asked."""
        return JudgeUnavailableError(f"{self.url}: {problem}")

    def fetch(self, address: str) -> Reply:
        """Return the JSON of a page of the server, or why there is none."""
        return self._request("GET", address, None)

    def version_on(self, page: str, program: str) -> str:
        """Return the version that a page of the server shows. Raises `JudgeUnavailableError` where it shows none."""
        shown = self.fetch(f"{self.root}{page}")
        if not isinstance(shown, RequestFailure) and isinstance(shown.get("version"), str):
            return str(shown["version"])
        if isinstance(shown, RequestFailure) and not self._reached:
            raise self.unavailable(shown.reason)
        problem = shown.reason if isinstance(shown, RequestFailure) else "it gives no version"
        raise self.unavailable(
            f"{page}: {problem}; is it {program}? backend=endpoint asks any other server, for text alone"
        )

    def _check_model(self) -> bool:
        """Raise `JudgeUnavailableError` where the model is not served; tell whether it is an adapter on another."""
        listed = self.fetch(f"{self.url}/models")
        if isinstance(listed, RequestFailure):
            raise self.unavailable(listed.reason)
        data = listed.get("data")
        rows = data if isinstance(data, list) else []
        cards = {str(card.get("id")): card for card in rows if isinstance(card, dict)}
        if self._model() not in cards:
            served = ", ".join(sorted(cards)) or "nothing"
            raise self.unavailable(
                f"it serves {served}, and not {self._model()}; name it with model=, or start the server with "
                f"--served-model-name {self._model()}"
            )
        return bool(cards[self._model()].get("parent"))

    # ------------------------------------------------------------------ reading an answer

    def _answer(self, question: Question, stop: threading.Event) -> Answer:
        if not isinstance(question, TokenQuestion):
            return super()._answer(question, stop)
        time, model = now(), self._model()
        read: list[dict[str, float]] = []
        written = ""
        while len(read) < len(question.steps):
            address, body = self.read_request(question, written, len(question.steps) - len(read))
            reply = self._reply(body, stop, partial(self._request, "POST", address))
            if isinstance(reply, RequestFailure):
                return Answer(None, reply.status, reply.reason, model=model, asked=time)
            try:
                tokens, length = self._read(reply)
                if length != question.length + len(read):
                    raise UnreadableReplyError(
                        f"the server read a prompt of {length} tokens, and the checkpoint's own processor writes "
                        f"{question.length + len(read)}: another chat template, or images of other sizes; 'editmetrics "
                        "export' prints the command that starts it with the sizes of these images"
                    )
                if not tokens:
                    raise UnreadableReplyError("the reply holds no token")
                for token, step in zip(tokens, question.steps[len(read) :], strict=False):
                    logprobs, best = likeliest(step, token.logprobs)
                    read.append({str(name): value for name, value in logprobs.items()})
                    written += step.texts[best]
                    if token.token != step.tokens[best]:
                        break  # what it wrote behind this token does not count
            except UnreadableReplyError as error:
                return Answer(None, "failed", str(error), model=model, asked=time)
            except TruncatedError as error:
                return Answer(None, "unparseable", str(error), model=model, asked=time)
        return Answer(written, model=model, asked=time, finish="read", logprobs=tuple(read))

    def _read(self, reply: Mapping[str, Any]) -> tuple[list[ReadToken], int]:
        try:
            return self.read_reply(reply)
        except (LookupError, TypeError, ValueError) as error:
            raise UnreadableReplyError(
                f"the reply has no log-probabilities by token number, or no number of prompt tokens ({error!r})"
            ) from error

    def _request(self, method: str, address: str, body: Any) -> Reply:
        """Send JSON to any page of the server, and return its JSON."""
        client = self._open()
        # the header makes openai return the response itself, as its with_raw_response does for pages that it knows
        options: Any = {"headers": {**self._headers(), "X-Stainless-Raw-Response": "true"}}
        send: Callable[[], Any] = (
            (lambda: client.get(address, cast_to=object, options=options))
            if method == "GET"
            else (lambda: client.post(address, cast_to=object, body=body, options=options))
        )
        return self._call(send)


class TruncatedError(JudgeError):
    """A server returned fewer log-probabilities than were asked for."""


def likeliest(step: ReadStep, logprobs: Mapping[int, float]) -> tuple[dict[int, float], int]:
    """Return the log-probabilities of the tokens of a step, and the index of the largest; the first, where several are.

    Raises `TruncatedError` where one is missing, and `UnreadableReplyError` for numbers that are none.
    """
    logprobs = {token: value for token, value in logprobs.items() if not value <= NO_LOGPROB}
    if missing := [text for token, text in zip(step.tokens, step.texts, strict=True) if token not in logprobs]:
        raise TruncatedError(
            f"the server returned no probability of {', '.join(map(repr, missing))}: it keeps the {len(logprobs)} "
            "likeliest tokens alone, and nothing is filled in; vLLM 0.33 and SGLang 0.5.23 return all that are asked"
        )
    read = {token: logprobs[token] for token in step.tokens}
    if any(math.isnan(value) for value in read.values()):
        raise UnreadableReplyError("a log-probability is NaN: overflow in float16, or damaged weights")
    if sum(math.exp(min(value, 1.0)) for value in read.values()) > 1 + ROUNDING:
        raise UnreadableReplyError(
            "the probabilities of the tokens that are read are more than 1 together: the server returns logits; start "
            "it without --logprobs-mode"
        )
    values = list(read.values())
    return read, values.index(max(values))


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, up to the first part that has none.

    >>> numbers_of("0.33.0"), numbers_of("0.14.0rc1.dev7+g1"), numbers_of("main")
    ((0, 33, 0), (0, 14, 0), ())
    """
    import re

    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()
