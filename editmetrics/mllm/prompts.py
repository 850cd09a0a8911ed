"""A chat with pictures -> the tokens that a backbone reads, as the family's own chat template writes them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..sample import SampleError
from ..wording import plural
from .families import BackboneError, Family, Processor
from .tensors import Picture

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase


class _Image:
    def __repr__(self) -> str:
        return "IMAGE"


IMAGE = _Image()
"""The placeholder of "the next image" in a chat's content."""

Chat = Sequence[tuple[str, Sequence[Any]]]
"""Turns of (role, parts): the role is "system", "user" or "assistant", a part is a text or `IMAGE`."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """A tokenised chat with its pictures: on the CPU, picklable.

    - `ids`: (T,), int64; an image token is repeated for each token of its picture.
    - `pictures`: in the order of the chat.
    - `answer_start`: the index of the answer's first token; T without an answer.
    """

    ids: Tensor
    pictures: tuple[Picture, ...]
    answer_start: int

    def __len__(self) -> int:
        return len(self.ids)


def length_class(prompts: Iterable[Prompt]) -> int:
    """The class of samples that may share a batch: the longest prompt's length, to within a factor of 1.25.

    A batch is padded to its longest prompt, and padding is computed like text. At most a fifth of it is then padding;
    where images of all sizes share batches it is often half.
    """
    return int(math.log(max(len(prompt) for prompt in prompts), 1.25))


def write_prompt(
    family: Family,
    processor: Processor,
    chat: Chat,
    pictures: Sequence[Picture] = (),
    answer: str = "",
    max_tokens: int | None = None,
    inline: bool = False,
    allowed: Collection[str] = (),
) -> Prompt:
    """The prompt of a chat, see `Backbone.prompt`; `allowed` are control tokens that its texts may hold.

    LLaVA-OneVision's chat template writes the images of a turn before its text, and each text on a line of its own.
    With `inline`, each image stays between the texts that it is between in the chat, as the templates of the other
    families have it in any case.
    """
    import torch

    tokenizer = processor.tokenizer
    _check_texts(tokenizer, chat, allowed)
    _check_pictures(chat, pictures)
    text = chat_text(family, processor, chat, inline)
    pieces = text.split(processor.image_token)
    if len(pieces) != len(pictures) + 1:
        raise BackboneError(f"the chat template has places for {len(pieces) - 1} of {plural(len(pictures), 'image')}")
    text = pieces[0] + "".join(
        family.written(processor, picture) + after for picture, after in zip(pictures, pieces[1:], strict=True)
    )
    # as in transformers: avoid a double BOS if the template writes it
    started = tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token)
    question = tokenizer(text, add_special_tokens=not started)["input_ids"]
    answer_ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    count = len(question) + len(answer_ids)
    if max_tokens is not None and count > max_tokens:
        image_tokens = sum(picture.tokens for picture in pictures)
        raise SampleError(
            f"the prompt has {count} tokens ({image_tokens} of {plural(len(pictures), 'image')}); expected at most "
            f"{max_tokens}; shorten the text or lower image_tokens"
        )
    return Prompt(torch.tensor(question + answer_ids), tuple(pictures), len(question))


def chat_text(family: Family, processor: Processor, chat: Chat, inline: bool = False) -> str:
    """A chat as its family's template writes it, up to where the model answers, with one image token for each image."""
    turns = _turns(chat, processor.image_token if inline and family.moves_images else None)
    text: str = processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    return text


def write_plain_prompt(
    family: Family,
    processor: Processor,
    texts: Sequence[str],
    pictures: Sequence[Picture],
    max_tokens: int,
) -> Prompt:
    """The prompt of texts with a picture between each two, see `Backbone.plain_prompt`."""
    import torch

    if len(texts) != len(pictures) + 1:
        raise BackboneError(
            f"{plural(len(texts), 'text')} around {plural(len(pictures), 'image')}; expected one text more than images"
        )
    _check_texts(processor.tokenizer, [("user", [text]) for text in texts])
    images = [family.written(processor, picture) for picture in pictures]
    ids = processor.tokenizer("".join(part for pair in zip(texts, [*images, ""], strict=True) for part in pair))[
        "input_ids"
    ]
    if len(ids) > max_tokens:
        raise SampleError(f"the prompt has {len(ids)} tokens; expected at most {max_tokens}; shorten the text")
    return Prompt(torch.tensor(ids), tuple(pictures), len(ids))


def _turns(chat: Chat, image_token: str | None) -> list[dict[str, Any]]:
    """A chat as templates take it; with `image_token`, each turn as one text that holds it in place of its images."""
    if image_token is not None:
        texts = [(role, "".join(image_token if part is IMAGE else part for part in parts)) for role, parts in chat]
        return [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in texts]
    return [
        {
            "role": role,
            "content": [{"type": "image"} if part is IMAGE else {"type": "text", "text": part} for part in parts],
        }
        for role, parts in chat
    ]


def _check_texts(tokenizer: PreTrainedTokenizerBase, chat: Chat, allowed: Collection[str] = ()) -> None:
    """Refuse a text that holds a control token: it could end its turn and speak for another, or fake an image."""
    control = set(tokenizer.get_added_vocab().values()) | set(tokenizer.all_special_ids)
    control -= {tokenizer.convert_tokens_to_ids(token) for token in allowed}
    texts = ["".join("\n" if part is IMAGE else part for part in parts) for _, parts in chat]
    if not any(text.strip() for text in texts):
        raise SampleError("the prompt is empty; expected some text")
    for text in texts:
        controls = [token for token in tokenizer(text, add_special_tokens=False)["input_ids"] if token in control]
        if controls:
            token = tokenizer.convert_ids_to_tokens(controls[0])
            raise SampleError(f"the text holds {token}, a control token of the backbone; remove it")


def _check_pictures(chat: Chat, pictures: Sequence[Picture]) -> None:
    places = sum(part is IMAGE for _, parts in chat for part in parts)
    if places != len(pictures):
        raise BackboneError(
            f"the chat has IMAGE {places} times, but {plural(len(pictures), 'picture')}; expected equal"
        )
    for picture in pictures:
        if picture.among != len(pictures):
            raise BackboneError(
                f"a picture seen among {picture.among} is in a chat with {len(pictures)}; "
                f"make it with see(image, among={len(pictures)})"
            )
