"""Questions to a chat model (`Question`), its answers (`Answer`), and the interfaces of models and backends.

Users of a judge rely on `ChatModel` only; a judge relies on `Backend` only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from abc import ABC, abstractmethod
from collections import abc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..sample import EditMetricsError, SampleError, Status, UnavailableError
from .schema import json_schema

if TYPE_CHECKING:
    import numpy as np

    from .transport import Encoding

Role = Literal["system", "user", "assistant"]


class JudgeError(EditMetricsError):
    """No question can be answered: an option is invalid, or the cache cannot be used."""


class JudgeUnavailableError(JudgeError, UnavailableError):
    """No question can be answered now and here: no key, no connection, no such model, no credit, no memory."""


@dataclass(frozen=True)
class EncodedImage:
    """The bytes of an image as they are sent, and the MIME type that they are declared to have.

    The type is what the sender says, as some benchmarks send a JPEG as image/png. `detail` is OpenAI's.

    >>> EncodedImage(b"abc", "image/png").part()
    {'type': 'image_url', 'image_url': {'url': 'data:image/png;base64,YWJj'}}
    """

    data: bytes
    mime: str
    detail: str | None = None

    def part(self) -> dict[str, Any]:
        """Return the image as a part of a chat message."""
        url = f"data:{self.mime};base64,{base64.b64encode(self.data).decode()}"
        return {"type": "image_url", "image_url": {"url": url} | ({"detail": self.detail} if self.detail else {})}


@dataclass(frozen=True)
class Image:
    """An image in a message: a path, bytes, a PIL image, an array or a tensor (`editmetrics.images.read_image`).

    `encoding` is its own, in place of the endpoint's: it is encoded once, when the question is decoded, and its content
    is an `EncodedImage` from then on, which several questions may share.
    """

    content: Any
    encoding: Encoding | None = None

    def pixels(self) -> np.ndarray:
        """Return the pixels (H, W, 3), uint8, that a model is shown; 16-bit images are rounded to 8 bits."""
        from ..images import eight_bits, read_image

        content = self.content.data if isinstance(self.content, EncodedImage) else self.content
        return eight_bits(read_image(content))

    def decoded(self) -> Image:
        """Return the image as an array, or encoded where it has an encoding of its own. Raises `ImageError`."""
        if isinstance(self.content, EncodedImage):
            return self
        return Image(self.pixels() if self.encoding is None else self.encoding.encode(self.content))

    def digest(self) -> dict[str, Any]:
        """Return what the image is known by, as JSON: the sha256 of its pixels, or of its bytes and their type."""
        import numpy as np

        if isinstance(self.content, EncodedImage):
            sent = {"encoded": hashlib.sha256(self.content.data).hexdigest(), "mime": self.content.mime}
            return sent | ({"detail": self.content.detail} if self.content.detail else {})
        pixels = self.pixels()
        data = json.dumps(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()
        return {"image": hashlib.sha256(data).hexdigest()}


@dataclass(frozen=True)
class Message:
    """One turn of a conversation: who speaks, and texts and images in their order.

    `listed`: a turn of a single text is sent as a list of one part, as some published scripts do, and not as a text.
    """

    role: Role
    parts: tuple[str | Image, ...]
    listed: bool = False


@dataclass(frozen=True)
class Question:
    """A conversation for the model to continue.

    - `messages`: its turns; the last one is the user's.
    - `schema`: what the answer must look like, as `editmetrics.judge.read_json` takes it. It is sent along when the
      judge was opened with `guided=True`, and reading the answer is the same with and without.
    - `round`: 0, 1, 2, ... to ask the same thing again and keep each answer; added to the seed where there is one.

    >>> Question.of("How sharp is it?", ["cat.png"], system="You judge photographs.").messages[1].parts[0]
    Image(content='cat.png', encoding=None)
    """

    messages: tuple[Message, ...]
    schema: Any = None
    round: int = 0

    @classmethod
    def of(
        cls, text: str, images: Iterable[Any] = (), *, system: str | None = None, schema: Any = None, round: int = 0
    ) -> Question:
        """Make the usual question: a system message if there is one, then the user's images, and then the text."""
        opening = (Message("system", (system,)),) if system else ()
        shown = tuple(image if isinstance(image, Image) else Image(image) for image in images)
        return cls((*opening, Message("user", (*shown, text))), schema, round)

    def images(self) -> list[Image]:
        """List its images, in order."""
        return [part for message in self.messages for part in message.parts if isinstance(part, Image)]

    def decoded(self) -> Question:
        """Return the question with its images decoded to arrays (H, W, 3), uint8, or encoded as they say.

        Raises `ImageError`, and `SampleError` for a text that cannot be written as UTF-8.
        """
        messages = tuple(replace(one, parts=tuple(_decoded(part) for part in one.parts)) for one in self.messages)
        return replace(self, messages=messages)

    def content(self) -> dict[str, Any]:
        """Return the question as JSON, each image as the sha256 of its pixels; the cache finds answers by it."""
        return {
            "messages": [
                {
                    "role": message.role,
                    "parts": [part.digest() if isinstance(part, Image) else {"text": part} for part in message.parts],
                    **({"listed": True} if message.listed else {}),
                }
                for message in self.messages
            ],
            "schema": json_schema(self.schema) if self.schema is not None else None,
            "round": self.round,
        }


@dataclass(frozen=True)
class Answer:
    """The answer of a model, and where it comes from.

    - `text`: its words; None where there are none.
    - `status`, `reason`: "ok", or why there is no answer: `refused`, `unparseable` (an empty answer), `failed`, or
      `unavailable`: the endpoint did not answer, which says nothing about the question.
    - `model`: the name that was asked for. `served`: the name that the server gave, often a dated snapshot;
      `fingerprint`: its own mark of the configuration, where it has one.
    - `created`: the server's date of the answer; `asked`: this machine's; both UTC, ISO 8601.
    - `finish`: why the model stopped, in the server's words ("stop", "length", ...); None where it does not say.
    - `usage`: counts of tokens, as the server gives them.
    - `cached`: whether it was asked in an earlier run.
    - `logprobs`: at each position, the natural logarithms of probabilities: of the token that was written, by its text,
      where the endpoint was asked for them (`extra={"logprobs": True}`); of those that are read, by their numbers in
      the vocabulary, for a question of which tokens are read (`editmetrics.served`).
    """

    text: str | None
    status: Status = "ok"
    reason: str | None = None
    model: str = ""
    served: str | None = None
    fingerprint: str | None = None
    created: str | None = None
    asked: str | None = None
    finish: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    cached: bool = False
    logprobs: Sequence[Mapping[str, float]] = ()

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def cut_off(self) -> bool:
        """Whether the model used up its tokens before it finished."""
        return self.finish == "length"

    def required(self) -> str:
        """Return the text; raise `SampleError` with the status and the reason where there is none."""
        if not self.ok or self.text is None:
            raise SampleError(self.reason or "the model gave no answer", self.status)
        return self.text

    def provenance(self) -> dict[str, Any]:
        """Return the origin of the answer as JSON, for `Score.details`: everything but the text itself.

        "mean_logprob" is that of its tokens, where the endpoint gives them: near 0 for an answer that it was sure of.
        """
        known = {name: getattr(self, name) for name in ("model", "served", "fingerprint", "created", "asked", "finish")}
        if written := [value for row in self.logprobs for value in row.values()]:
            known["mean_logprob"] = fmean(written)
        return {name: value for name, value in known.items() if value is not None} | {"usage": dict(self.usage)}


@dataclass(frozen=True)
class Estimate:
    """Cost of asking: the numbers of questions, of those that the cache answers, and of remaining requests.

    >>> print(Estimate(questions=120, cached=20, requests=100, images=200, unreadable=0))
    120 questions: 20 answered by the cache, 100 requests with 200 images
    """

    questions: int
    cached: int
    requests: int
    images: int
    unreadable: int

    def __str__(self) -> str:
        unreadable = f", {self.unreadable} that cannot be read" if self.unreadable else ""
        return (
            f"{self.questions} questions: {self.cached} answered by the cache{unreadable}, "
            f"{self.requests} requests with {self.images} images"
        )


class ChatModel(ABC):
    """A chat model that can be asked: what `open_judge` gives. Subclass it to put something else in its place.

    A subclass gives `ask_all` and `identity`; the other methods are defaults for a model without a cache.
    """

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return all that produces the answers, as JSON: model, provider, parameters, encoding of images."""

    @abstractmethod
    def ask_all(
        self,
        questions: Iterable[Question],
        *,
        parallel: int | None = None,
        progress: Callable[[Answer], object] | None = None,
    ) -> Iterator[Answer]:
        """Yield the answers in the order of the questions; one without an answer has a status. Raises `JudgeError`."""

    def ask(self, question: Question | str, images: Iterable[Any] = (), **more: Any) -> Answer:
        """Return the answer to one question, or to a text about `images` (`more` as in `Question.of`).

        Raises `SampleError` (`failed`, `refused`, `unparseable` or `unavailable`) where there is no answer to this
        question, and `JudgeError` where there can be none to any.
        """
        complete = question if isinstance(question, Question) else Question.of(question, images, **more)
        (answer,) = self.ask_all([complete])
        answer.required()
        return answer

    def ask_each(
        self, questions: Iterable[Question], *, parallel: int | None = None
    ) -> abc.Generator[tuple[int, Answer], None, None]:
        """Yield each answer as soon as it comes, with the number of its question; by default, in their order."""
        yield from enumerate(self.ask_all(questions, parallel=parallel))

    def interrupt(self) -> None:  # noqa: B027 - a model that does not ask in other threads ends by itself
        """End calls of `ask_each` that are under way in other threads: nothing more is asked, nothing sent again."""

    def refreshing(self) -> ChatModel:
        """Return the same model, asking what its cache knows, too, and replacing it."""
        return self

    def estimate(self, questions: Iterable[Question]) -> Estimate:
        """Count what `ask_all` would take, without asking."""
        images = [len(question.images()) for question in questions]
        return Estimate(len(images), 0, len(images), sum(images), 0)


class Backend(Protocol):
    """An engine that runs a model. `parallel` calls of `answer` may run at once, with up to `batch_size` questions."""

    parallel: int
    batch_size: int

    def answer(self, questions: Sequence[Question], stop: threading.Event) -> list[Answer]:
        """Return one answer per question, in order; `stop` is set when they are no longer needed."""

    def identity(self) -> dict[str, Any]:
        """See `ChatModel.identity`."""


def now() -> str:
    """Return the time, UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _decoded(part: str | Image) -> str | Image:
    if isinstance(part, Image):
        return part.decoded()
    try:
        part.encode()
    except UnicodeEncodeError as error:
        raise SampleError(f"the question holds half a character (a lone surrogate) at {error.start}") from error
    return part
