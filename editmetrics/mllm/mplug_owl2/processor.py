"""Images and chats on their way into mPLUG-Owl2: a square of pixels for each image, and turns of USER and ASSISTANT."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...sample import SampleError
from ..family import BackboneError
from ..model_folders import read_json

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

LONGEST = 16384
"""The longest side of an image: the square around it takes three bytes for each pixel."""

CHAT = (
    "{% for message in messages %}"
    "{{ {'user': 'USER: ', 'assistant': 'ASSISTANT: ', 'system': ''}[message.role] }}"
    "{% for part in message.content %}{% if part.type == 'image' %}<unk>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{{ '</s>' if message.role == 'assistant' else ' ' }}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""The template of the authors' chats, which have no system message; one that is given stands before them."""


@dataclass(frozen=True)
class SquareImages:
    """Images padded to a square of the mean colour, scaled to `side`, and normalised as CLIP's.

    - `mean`, `deviation`: of each channel, for values from 0 to 1.
    """

    side: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def pixels(self, image: np.ndarray) -> Tensor:
        """(H, W, 3), uint8 -> (3, side, side), float32. Raises `SampleError` for an image too long to be padded.

        The image is in the middle, half a pixel up or left where it cannot be.

        >>> import numpy as np
        >>> SquareImages(4, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).pixels(np.full((1, 2, 3), 255, np.uint8))[0, :, 0]
        tensor([ 1.0000,  0.7882,  0.2078, -0.0902])
        """
        import numpy as np
        import torch
        from PIL import Image

        height, width = image.shape[:2]
        longest = max(height, width)
        if longest > LONGEST:
            raise SampleError(
                f"an image of {width}x{height} pixels is padded to a square for mPLUG-Owl2; expected sides of at most "
                f"{LONGEST} pixels; crop it or scale it down"
            )
        square = Image.new("RGB", (longest, longest), tuple(int(255 * mean) for mean in self.mean))
        square.paste(Image.fromarray(image), ((longest - width) // 2, (longest - height) // 2))
        scaled = np.asarray(square.resize((self.side, self.side), Image.Resampling.BICUBIC))
        values = (scaled * (1 / 255)).astype(np.float32)
        normalised = (values - np.asarray(self.mean, np.float32)) / np.asarray(self.deviation, np.float32)
        return torch.from_numpy(normalised).permute(2, 0, 1).contiguous()


@dataclass(frozen=True)
class MplugOwl2Processor:
    """Tokenizer and images, in the place of a processor of transformers.

    The vocabulary has no token for images. `<unk>`, which no text becomes, stands where their vectors go.
    """

    tokenizer: PreTrainedTokenizerBase
    image_processor: SquareImages
    image_tokens: int
    chat_template: str = CHAT
    image_token: str = "<unk>"  # noqa: S105 - no password

    @property
    def image_token_id(self) -> int:
        return self.tokenizer.get_vocab()[self.image_token]

    def save_pretrained(self, folder: str | Path) -> None:
        """Write it as `loading` reads it, with `tokenizer.json` in the place of `tokenizer.model`."""
        images = self.image_processor
        settings = {"size": images.side, "crop_size": images.side, "image_mean": list(images.mean),
                    "image_std": list(images.deviation)}  # fmt: skip
        self.tokenizer.save_pretrained(folder)
        (Path(folder) / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")

    def apply_chat_template(self, turns: list[dict[str, Any]], **options: Any) -> Any:
        return self.tokenizer.apply_chat_template(turns, chat_template=self.chat_template, **options)


def square_images(file: Path, side: int) -> SquareImages:
    """Read preprocessor_config.json, for a vision tower of this side. Raises `BackboneError`."""
    settings = read_json(file)
    sides = [settings.get("size"), settings.get("crop_size")]
    sides = [next(iter(each.values()), None) if isinstance(each, dict) else each for each in sides]
    if sides != [side, side]:
        raise BackboneError(f"{file} has the sizes {sides[0]} and {sides[1]}; expected {side}, as the vision tower has")
    channels = [settings.get(name) for name in ("image_mean", "image_std")]
    mean, deviation = (tuple(each) if isinstance(each, list) else () for each in channels)
    if len(mean) != 3 or len(deviation) != 3:
        raise BackboneError(f"{file} has no image_mean and image_std of three channels; fetch it again")
    return SquareImages(side, mean, deviation)
