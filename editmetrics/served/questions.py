"""A question of whose answer tokens are read: the log-probabilities of those that could stand at each position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..judge import Encoding, Image, Question
from ..mllm.families import BackboneError

if TYPE_CHECKING:
    from ..mllm.prompt_writer import PromptWriter
    from ..mllm.tensors import Picture

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "internvl")
"""Families whose images a server's processor makes as ours does, when it is told the same limits."""


@dataclass(frozen=True)
class ReadStep:
    """One position of an answer: the tokens that are read there, by number in the vocabulary, and their texts."""

    tokens: tuple[int, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class TokenQuestion(Question):
    """A question, the beginning of its answer, and the tokens that are read behind it, one position after the other.

    - `answer`: the words that the answer begins with. `steps`: the positions behind them. Of several tokens the
      likeliest one is taken, and the next position is read with it in the text.
    - `written`: the whole prompt as text, with one image token for each image; `length`: its number of tokens when the
      images are written out, which a server must find as well.
    - `limits`: what the server's image processor is told.
    - `asked_of`: the name of the model that it is for, where an assessor has several.
    """

    answer: str = ""
    steps: tuple[ReadStep, ...] = ()
    written: str = ""
    length: int = 0
    limits: Mapping[str, Any] = field(default_factory=dict)
    asked_of: str = ""

    def content(self) -> dict[str, Any]:
        """Return the question as JSON, with all that changes what is read."""
        steps = [list(step.tokens) for step in self.steps]
        return {**super().content(), "answer": self.answer, "steps": steps, "limits": dict(self.limits)}

    def tokens(self) -> list[int]:
        """List the tokens that are read at any position, each once."""
        return list(dict.fromkeys(token for step in self.steps for token in step.tokens))


Seen = dict[tuple[int, int], tuple["Picture", Image]]
"""By the identity of an image and the number of images in its question: its picture, and the image as it is sent."""


def token_question(
    writer: PromptWriter,
    question: Question,
    steps: Sequence[ReadStep],
    answer: str = "",
    seen: Seen | None = None,
    asked_of: str = "",
) -> TokenQuestion:
    """Make the question of which tokens are read; `seen` keeps what was made of its images for further questions.

    Images are sent as PNG, without loss, unless they have an encoding of their own.

    Raises `SampleError` for a prompt that the model cannot read, and `BackboneError` for a family whose images a server
    makes otherwise.
    """
    from ..mllm.prompts import IMAGE, chat_text

    require_served(writer)
    seen = {} if seen is None else seen
    images = question.images()
    for image in images:
        if (id(image), len(images)) not in seen:
            picture = writer.see(image.pixels(), among=len(images))
            seen[id(image), len(images)] = picture, Image(image.content, image.encoding or Encoding()).decoded()
    pictures, sent = zip(*(seen[id(image), len(images)] for image in images), strict=True) if images else ((), ())
    chat = [
        (message.role, [IMAGE if isinstance(part, Image) else part for part in message.parts])
        for message in question.messages
    ]
    prompt = writer.prompt(chat, pictures, answer)
    encoded = iter(sent)
    messages = (
        replace(one, parts=tuple(next(encoded) if isinstance(part, Image) else part for part in one.parts))
        for one in question.messages
    )
    return TokenQuestion(
        tuple(messages),
        answer=answer,
        steps=tuple(steps),
        written=chat_text(writer.family, writer.processor, chat) + answer,
        length=len(prompt),
        limits=writer.limits,
        asked_of=asked_of,
    )


def require_served(writer: PromptWriter) -> None:
    """Raise `BackboneError` for a family whose prompts are not known to be the same on a server."""
    if writer.family.name not in FAMILIES:
        raise BackboneError(
            f"{writer.name} is a {writer.family.name}, whose tokens are not read through a server; expected one of "
            f"{', '.join(FAMILIES)}. Use backend=local"
        )
