"""OpenAI's CLIP, for the metrics that compare its embeddings of images and texts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from .embeddings import EmbeddingMetric, each_once

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Model = Literal["ViT-B-32", "ViT-B-16", "ViT-L-14"]
Resizing = Literal["crop", "squash"]

CHECKPOINTS: dict[Model, str] = {
    "ViT-B-32": "clip-vit-b-32-openai",
    "ViT-B-16": "clip-vit-b-16-openai",
    "ViT-L-14": "clip-vit-l-14-openai",
}
IMAGE_SIZE = 224
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PREPROCESSING: dict[Resizing, str] = {
    "crop": "8-bit RGB, shorter side to 224 (Pillow's antialiased bicubic), centre crop 224, CLIP's mean and deviation",
    "squash": "float RGB, to 224 x 224 (bicubic without antialiasing), CLIP's mean and deviation",
}
TOKENS = 77
"""Tokens of a text, with the start and the end token; CLIP reads no more."""


class CLIPMetric(EmbeddingMetric):
    """A metric of CLIP's embeddings. A subclass stores `_model_name`, and `_resizing` where it is not CLIP's own."""

    _model_name: Model
    _resizing: Resizing = "crop"
    requires = ("open-clip-torch",)
    licence = "MIT (OpenAI's CLIP); the terms of the weights are in 'editmetrics weights list'"

    def identity(self) -> dict[str, Any]:
        return {
            **super().identity(),
            "architecture": f"open_clip {self._model_name}-quickgelu",
            "preprocessing": PREPROCESSING[self._resizing],
        }

    def _architecture(self) -> tuple[str, Callable[[], Any]]:
        return CHECKPOINTS[self._model_name], lambda: load_model(self._model_name)

    def _images(self, images: list[Tensor]) -> Tensor:
        """(N, D): the embeddings of preprocessed images, of unit length."""
        return each_once(lambda batch: self._network.encode_image(batch, normalize=True), images, self.device)

    def _texts(self, tokens: list[Tensor]) -> Tensor:
        """(N, D): the embeddings of texts, of unit length."""
        return each_once(lambda batch: self._network.encode_text(batch, normalize=True), tokens, self.device)


def load_model(name: Model) -> Any:
    """OpenAI's CLIP in open_clip's architecture, on the CPU, in float32, with weights from the weights store.

    Downloads them at their first use. Raises `WeightsError` when that fails, or their file is not the right one.
    """
    import torch
    from open_clip import CLIP, get_model_config

    from .. import weights

    weights.pull(CHECKPOINTS[name])
    file = weights.path(CHECKPOINTS[name])
    with torch.random.fork_rng(devices=[]):  # the random numbers that it starts with are nobody's concern
        model = CLIP(**get_model_config(f"{name}-quickgelu"))  # OpenAI's GELU is x * sigmoid(1.702 x)
    try:
        model.load_state_dict(weights.load_state_dict(file), strict=True)
    except RuntimeError as error:
        raise weights.WeightsError(f"{file} does not fit CLIP {name}: {error}") from error
    return model.requires_grad_(False).eval()


def preprocess(image: Any, resizing: Resizing = "crop") -> Tensor:
    """An image as CLIP takes it: (3, 224, 224), float32, normalised by CLIP's mean and standard deviation.

    `image` is anything that `read_image` takes. `resizing`: "crop" is CLIP's own preprocessing; "squash" scales the
    whole image to a square without antialiasing, as InstructPix2Pix's script does. Raises `ImageError`.

    >>> import numpy as np
    >>> preprocess(np.zeros((300, 400, 3), np.uint8)).shape
    torch.Size([3, 224, 224])
    """
    from PIL import Image

    from ..images import eight_bits, read_image

    pixels = eight_bits(read_image(image))
    return _transform()(Image.fromarray(pixels)) if resizing == "crop" else _squashed(pixels)


def tokenize(text: str) -> tuple[Tensor, str | None]:
    """The tokens (77,), int64, of a text, and a note where its end was cut off.

    >>> tokens, note = tokenize("a cat")
    >>> int((tokens > 0).sum()), note  # start, a, cat, end
    (4, None)
    """
    import open_clip

    length = len(_tokenizer().encode(text)) + 2
    cut = f"the text has {length} tokens with start and end; CLIP reads {TOKENS}: its end was cut off"
    return open_clip.tokenize([text])[0], cut if length > TOKENS else None


def _squashed(pixels: np.ndarray) -> Tensor:
    import torch
    import torch.nn.functional as F

    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
    square = F.interpolate(image, size=(IMAGE_SIZE, IMAGE_SIZE), mode="bicubic", align_corners=False)[0]
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return (square - mean) / deviation


@cache
def _transform() -> Any:
    from open_clip import image_transform

    return image_transform(IMAGE_SIZE, is_train=False)


@cache
def _tokenizer() -> Any:
    from open_clip import SimpleTokenizer

    return SimpleTokenizer()
