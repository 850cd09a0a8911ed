"""OpenAI's CLIP, for the metrics that compare its embeddings of images and texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from ..transfer import constant
from .embeddings import EmbeddingMetric, each_once
from .preprocessing import CLIP_DEVIATION, CLIP_MEAN, Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

Model = Literal["ViT-B-32", "ViT-B-16", "ViT-L-14"]
Resizing = Literal["crop", "squash"]

CHECKPOINTS: dict[Model, str] = {
    "ViT-B-32": "clip-vit-b-32-openai",
    "ViT-B-16": "clip-vit-b-16-openai",
    "ViT-L-14": "clip-vit-l-14-openai",
}
IMAGE_SIZE = 224
PREPROCESSING: dict[Resizing, str] = {
    "crop": "8-bit RGB, shorter side to 224 (Pillow's antialiased bicubic), centre crop 224, CLIP's mean and deviation",
    "squash": "float RGB, to 224 x 224 (bicubic without antialiasing), CLIP's mean and deviation",
}
TOKENS = 77
"""Tokens of a text, with the start and the end token; CLIP reads no more."""


class CLIPMetric(EmbeddingMetric):
    """A metric of CLIP's embeddings. A subclass stores `model_name`, and `resizing` if it is not CLIP's own."""

    requires = ("open-clip-torch",)
    licence = "MIT (OpenAI's CLIP); the terms of the weights are in 'editmetrics weights list'"
    model_name: Model
    resizing: Resizing = "crop"

    def identity(self) -> dict[str, Any]:
        return {
            **super().identity(),
            "architecture": self.network_name(),
            "preprocessing": PREPROCESSING[self.resizing],
        }

    def checkpoints(self) -> tuple[str, ...]:
        return (CHECKPOINTS[self.model_name],)

    def network_name(self) -> str:
        return f"open_clip {self.model_name}-quickgelu"  # OpenAI's GELU is x * sigmoid(1.702 x)

    def network(self) -> Any:
        from open_clip import CLIP, get_model_config

        return CLIP(**get_model_config(f"{self.model_name}-quickgelu"))

    def sees(self, images: Tensor) -> Tensor:
        """Preprocess images (N, 3, H, W), floats in [0, 1], differentiably: (N, 3, 224, 224)."""
        return _squashed(images) if self.resizing == "squash" else Preprocessing().of_tensors(images)

    def embed_images(self, images: list[Tensor]) -> Tensor:
        """Embed preprocessed images: (N, D), of unit length."""
        return each_once(lambda batch: self.module.encode_image(batch, normalize=True), images, self.device)

    def embed_texts(self, tokens: list[Tensor]) -> Tensor:
        """Embed the tokens of texts: (N, D), of unit length."""
        return each_once(lambda batch: self.module.encode_text(batch, normalize=True), tokens, self.device)


def preprocess(image: Any, resizing: Resizing = "crop") -> Tensor:
    """Preprocess an image for CLIP: (3, 224, 224), float32, normalised by CLIP's mean and standard deviation.

    `image` is anything that `read_image` takes. `resizing`: "crop" is CLIP's own preprocessing; "squash" scales the
    whole image to a square without antialiasing, as InstructPix2Pix's script does. Raises `ImageError`.

    >>> import numpy as np
    >>> preprocess(np.zeros((300, 400, 3), np.uint8)).shape
    torch.Size([3, 224, 224])
    """
    import torch
    from PIL import Image

    from ..images import eight_bits, read_image

    pixels = eight_bits(read_image(image))
    if resizing == "crop":
        cropped: Tensor = _transform()(Image.fromarray(pixels))
        return cropped
    return _squashed(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255)[0]


def text_embeddings(tokens: Tensor, model: Any) -> Tensor:
    """Return the embeddings of texts, (N, D), of unit length, as open_clip's `CLIP.encode_text` does.

    `tokens`: (N, T), int64, T <= 77: those after the end of the longest text, at which nothing looks, may be missing.
    """
    import torch
    import torch.nn.functional as F

    length = tokens.shape[1]
    states = model.token_embedding(tokens) + model.positional_embedding[:length]
    states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask[:length, :length]))
    ends = states[torch.arange(len(tokens), device=tokens.device), tokens.argmax(1)]
    return F.normalize(ends @ model.text_projection, dim=-1)


def tokenize(text: str) -> tuple[Tensor, str | None]:
    """Return the tokens (77,), int64, of a text, and a note where its end was cut off.

    >>> tokens, note = tokenize("a cat")
    >>> int((tokens > 0).sum()), note  # start, a, cat, end
    (4, None)
    """
    import open_clip

    length = len(_tokenizer().encode(text)) + 2
    cut = f"the text has {length} tokens with start and end; CLIP reads {TOKENS}: its end was cut off"
    return open_clip.tokenize([text])[0], cut if length > TOKENS else None


def tokenize_all(texts: Sequence[str], like: Tensor) -> Tensor:
    """Return the tokens (N, 77), int64, of texts, on the device of `like`."""
    import torch

    return torch.stack([tokenize(text)[0] for text in texts]).to(like.device)


def _squashed(images: Tensor) -> Tensor:
    import torch.nn.functional as F

    square = F.interpolate(images, size=(IMAGE_SIZE, IMAGE_SIZE), mode="bicubic", align_corners=False)
    mean, deviation = (constant(values, images)[:, None, None] for values in (CLIP_MEAN, CLIP_DEVIATION))
    return (square - mean) / deviation


@cache
def _transform() -> Any:
    from open_clip import image_transform

    return image_transform(IMAGE_SIZE, is_train=False)


@cache
def _tokenizer() -> Any:
    from open_clip import SimpleTokenizer

    return SimpleTokenizer()
