"""Metrics of one network that reads an image and a text: preference models and image-text matching."""

from __future__ import annotations

from abc import abstractmethod
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from ..bases.network import NetworkMetric
from ..files.text import mended
from ..sample import Sample
from ..transfer import stacked
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = 77
"""Tokens that CLIP's text encoder reads, with the start and the end token."""

END = 49407
"""The end token, the largest in CLIP's vocabulary."""


class ImageMetric(NetworkMetric):
    """A metric of a network with an input of fixed size; a subclass gives `looks` and `forward`."""

    @abstractmethod
    def looks(self) -> Preprocessing:
        """Return the preprocessing of the image."""

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "preprocessing": str(self.looks())}

    def fields(self) -> frozenset[str]:
        return self.required()

    def batch_key(self, prepared: dict[str, Any]) -> None:
        return None  # all have one size

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Return the edited image, preprocessed, (3, size, size), float32."""
        return {"image": self.looks().of_image(sample.edited)}

    def batch_of(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"image": self.looks().of_tensors(fields["edited"])}


class TextImageMetric(ImageMetric):
    """A metric of the edited image and the prompt; a subclass gives `reads` beside `looks` and `forward`."""

    needs = frozenset({"edited", "prompt"})
    host_copies: ClassVar[int | None] = 1
    ignores_padding: ClassVar[bool] = False
    """Whether nothing looks at tokens behind the end of a text: a batch is then as long as its longest text."""

    @abstractmethod
    def reads(self, text: str) -> tuple[dict[str, Tensor], str | None]:
        """Return the text's tokens, tensors of one shape for all texts, and a note where its end was cut off."""

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Return the image (3, size, size), float32, the text's tokens, and a note where its end was cut off."""
        tokens, note = self.reads(mended(sample.prompt or ""))
        return {**super().prepare(sample), **tokens, "note": note}

    def collate(self, batch: list[dict[str, Any]]) -> dict[str, Any]:
        return super().collate(_cut(batch) if self.ignores_padding else batch)

    def batch_of(self, fields: dict[str, Any]) -> dict[str, Any]:
        texts = [self.reads(mended(text))[0] for text in fields["prompt"]]
        texts = _cut(texts) if self.ignores_padding else texts
        columns = {name: [tokens[name] for tokens in texts] for name in texts[0]}
        return {**super().batch_of(fields), **stacked(columns, fields["edited"].device)}


def _cut(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items with their tokens up to the end of the longest text: CLIP's end token, or the last that is attended."""
    longest = max(
        int(item["attended"].sum()) if "attended" in item else item["tokens"].tolist().index(END) + 1 for item in items
    )
    return [
        {name: value[:longest] if name in ("tokens", "attended") else value for name, value in item.items()}
        for item in items
    ]


def clip_tokens(text: str) -> tuple[Tensor, str | None]:
    """Return the tokens (77,), int64, that transformers' tokenizer of CLIP gives, and a note where the end was cut off.

    It differs from OpenAI's (`plugins.clip.tokenize`) in that HTML's entities and broken encodings stay as they are.
    After the end token come end tokens, which CLIP does not look at.

    >>> tokens, note = clip_tokens("a cat")
    >>> tokens[:5].tolist(), note
    ([49406, 320, 2368, 49407, 49407], None)
    """
    import torch

    tokenizer = _tokenizer()
    whole = tokenizer(text)["input_ids"]
    kept = [*whole[: TOKENS - 1], whole[-1]] if len(whole) > TOKENS else whole
    tokens = torch.full((TOKENS,), whole[-1])
    tokens[: len(kept)] = torch.tensor(kept)
    cut = f"the text has {len(whole)} tokens with start and end; CLIP reads {TOKENS}: its end was cut off"
    return tokens, cut if len(whole) > TOKENS else None


@cache
def _tokenizer() -> Any:
    """transformers' tokenizer of CLIP, with the vocabulary that comes with open_clip."""
    import gzip

    from open_clip import SimpleTokenizer
    from open_clip.tokenizer import default_bpe
    from transformers import CLIPTokenizer

    vocabulary = dict(SimpleTokenizer().encoder)
    for name in ("start", "end"):
        vocabulary[f"<|{name}oftext|>"] = vocabulary.pop(f"<{name}_of_text>")
    with gzip.open(default_bpe(), "rt", encoding="utf-8") as file:
        merges: Any = [tuple(line.split()) for line in file.read().split("\n")[1 : 49152 - 256 - 2 + 1]]
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=10**9)
