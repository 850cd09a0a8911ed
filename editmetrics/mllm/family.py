"""The class that a family of backbones derives from, and the errors of backbones.

A family defines the paths of its parts, the image tokens that a budget allows, the call of its image processor, the
text that represents an image, the features of the vision tower, and the positions of tokens. The families themselves
are in `families` and `qwen`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..sample import EditMetricsError, SampleError, UnavailableError
from .tensors import Features, Picture

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedModel

Processor = Any
"""A processor of transformers; what it has besides tokenizer and image_processor differs by family."""

LANGUAGE_LAYERS = r"model\.language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj"
"""The linear layers of the language models, which all have the names of Llama's."""


class BackboneError(EditMetricsError):
    """A backbone cannot be loaded, or cannot do what was requested."""


class BackboneUnavailableError(BackboneError, UnavailableError):
    """This machine cannot load a backbone that others can: no network, no GPU, too little memory."""


class Family:
    """Shared behaviour of all families; the methods are what a family may override.

    - `vision`, `projector`, `language`: the paths of the parts in the model. Where the projector is inside the vision
      tower (Qwen), it is a part of both.
    - `lora_targets`: for "vision" and "language", a regular expression that matches the full path of each linear layer
      of the attention and of the feed-forward network, but none of the other part or of the projector.
    """

    name: ClassVar[str]
    vision: ClassVar[str] = "model.vision_tower"
    projector: ClassVar[tuple[str, ...]] = ("model.multi_modal_projector",)
    language: ClassVar[str] = "model.language_model"
    lora_targets: ClassVar[Mapping[str, str]]
    counts_plainly: bool = False
    """See `plain`."""

    own: ClassVar[bool] = False
    """Whether this package has the model's code, as transformers does not, and loads its folders by itself."""

    older_names: ClassVar[Mapping[str, str]] = {}
    """From patterns of names that tensors had in older versions of transformers to what stands there now."""

    recurrent: ClassVar[bool] = False
    """Whether some layers keep a state of fixed size in place of keys and values: padding would flow into it."""

    moves_images: ClassVar[bool] = False
    """Whether the hub's chat template writes all images of a turn before its text, wherever the chat has them."""

    def limits(self, processor: Processor, image_tokens: int | None) -> dict[str, Any]:
        """Options of the image processor so that no image takes more than `image_tokens` and the checkpoint's own
        setting allow. Raises `BackboneError` if that is too few for any image."""
        raise NotImplementedError

    def see(self, processor: Processor, image: np.ndarray, limits: Mapping[str, Any], among: int) -> Picture:
        """One image, uint8 (H, W, 3), of a chat with `among` images."""
        pixels = process(processor, [image], limits)
        return Picture(pixels, self.tokens(processor, pixels), image.shape[:2], among)

    def tokens(self, processor: Processor, pixels: Mapping[str, Tensor]) -> int:
        """The number of image tokens that represent these pixels."""
        raise NotImplementedError

    def written(self, processor: Processor, picture: Picture) -> str:
        """The text that replaces the chat template's single image token."""
        return processor.image_token * picture.tokens

    def look(self, model: PreTrainedModel, pictures: Sequence[Picture]) -> list[Features]:
        """Vision tower and projector, all pictures in one pass."""
        raise NotImplementedError

    def vectors(self, model: PreTrainedModel) -> int:
        """The number of vectors of the language model's width that features have for each image token."""
        return 1

    def language_inputs(self, features: Sequence[Features], image_mask: Tensor) -> dict[str, Any]:
        """Arguments of the language model beside embeddings, positions and mask; `image_mask` is (B, T)."""
        return {}

    def native_name(self, name: str) -> str:
        """The name, in the transformers of today, of a tensor or layer of an older checkpoint.

        >>> from editmetrics.mllm.families import FAMILIES
        >>> FAMILIES["qwen2_vl"].native_name("model.layers.0.mlp.up_proj")
        'model.language_model.layers.0.mlp.up_proj'
        """
        for older, native in self.older_names.items():
            if re.match(older, name):
                return re.sub(older, native, name, count=1)
        return name

    def plain(self) -> Family:
        """A copy that counts all tokens from 0, those of pictures as well, whatever axes its positions have.

        Published reward models were trained in this way: their code hands embeddings to the language model, which then
        does not know of pictures.
        """
        other = copy.copy(self)
        other.counts_plainly = True
        return other

    def positions(
        self, model: PreTrainedModel, ids: Tensor, mask: Tensor, pictures: Sequence[Picture]
    ) -> tuple[Tensor | None, Tensor]:
        """The position ids of a right-padded batch, None where the model's own count from 0 serves, and the position
        (B,) of the token that follows each row."""
        return None, mask.sum(1)


def process(processor: Processor, images: list[Any], limits: Mapping[str, Any]) -> dict[str, Tensor]:
    """Run the family's image processor on arrays (H, W, 3), uint8, of one chat (in one more list: of several).

    Raises `SampleError` if it refuses the first image.
    """
    try:
        # explicit, because an image of 1 or 3 rows could be mistaken for one with the channels first
        made = processor.image_processor(images, input_data_format="channels_last", return_tensors="pt", **limits)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        first = images[0][0] if isinstance(images[0], list) else images[0]
        height, width = first.shape[:2]
        raise SampleError(f"an image of {width}x{height} pixels cannot be shown to the backbone: {error}") from error
    return dict(made)


def too_few(image_tokens: int, least: int) -> BackboneError:
    return BackboneError(f"image_tokens={image_tokens} is too few: an image takes at least {least}")
