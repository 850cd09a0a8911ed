"""From images and chats to the prompts of a model, without its weights: what a server reads can be known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..sample import SampleError
from .families import FAMILIES, BackboneError, Family, Processor
from .prompts import IMAGE, Chat, Prompt, write_plain_prompt, write_prompt
from .tensors import Picture

if TYPE_CHECKING:
    import numpy as np


class PromptWriter:
    """The processor of a model of one of the families in `editmetrics.mllm.families`, and what the family adds to it.

    A `Backbone` is one with weights; `PromptWriter.from_files` reads the small files alone.
    """

    IMAGE: ClassVar[Any] = IMAGE
    """The placeholder of a picture in a chat, for code that does not import this module."""

    def __init__(self, config: Any, processor: Processor, name: str, image_tokens: int | None = None) -> None:
        self.name = name
        """The hub id, the name in the weights registry, or the folder's name."""
        self.processor, self.tokenizer, self.image_tokens = processor, processor.tokenizer, image_tokens
        self.family: Family = FAMILIES[config.model_type]
        self.context: int = config.get_text_config().max_position_embeddings
        """The most tokens that a prompt may have."""
        self.limits = self.family.limits(processor, image_tokens)
        """What the image processor is told, so that an image takes at most `image_tokens`."""

    @classmethod
    def from_files(cls, model: str, revision: str | None = None, image_tokens: int | None = None) -> PromptWriter:
        """Read the configuration and the processor of a hub id or a folder; its weights are neither read nor required.

        Raises `BackboneError` for a model that does not exist or whose family is unknown.

        >>> import tempfile
        >>> from editmetrics.testing import tiny_backbone
        >>> writer = PromptWriter.from_files(str(tiny_backbone("qwen3_vl", tempfile.mkdtemp())))
        >>> writer.digit_ids()[:3]
        [15, 16, 17]
        """
        from .loading import read_small_files

        config, processor, folder = read_small_files(model, revision)
        return cls(config, processor, folder.name if Path(model).is_dir() else model, image_tokens)

    def identity(self) -> dict[str, Any]:
        """Return all that a prompt depends on, as JSON."""
        return {
            "family": self.family.name,
            "image_tokens": self.image_tokens,
            "processor": f"{type(self.processor).__name__}, {type(self.processor.image_processor).__name__}",
        }

    def see(self, image: np.ndarray, among: int = 1) -> Picture:
        """One image, uint8 (H, W, 3), as the family's image processor makes it.

        `among` is the number of images in the chat that it is for: LLaVA-OneVision cuts an image into tiles only when
        it is alone. Raises `SampleError` for an image that the family cannot take, or not in `image_tokens`.
        """
        import numpy as np

        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise BackboneError(f"an image is {image.dtype} of shape {image.shape}; expected uint8 (H, W, 3)")
        picture = self.family.see(self.processor, image, self.limits, among)
        if self.image_tokens is not None and picture.tokens > self.image_tokens:  # Qwen: a side is never 0
            height, width = picture.size
            raise SampleError(
                f"an image of {width}x{height} pixels takes {picture.tokens} tokens; image_tokens={self.image_tokens}"
            )
        return picture

    def prompt(
        self, chat: Chat, pictures: Sequence[Picture] = (), answer: str = "", max_tokens: int | None = None,
        inline: bool = False,
    ) -> Prompt:  # fmt: skip
        """The tokens of a chat, by the family's own template, up to where the model answers; then `answer`, verbatim.

        `pictures` replace `IMAGE` in the chat, in order; `inline` as in `prompts.write_prompt`. Raises `SampleError`
        when the text is empty, when a text holds a control token of the backbone (it could rewrite the chat), or when
        the prompt has more than `max_tokens` (by default, the model's context); `BackboneError` when their numbers do
        not match.

        >>> import tempfile
        >>> from editmetrics.testing import tiny_backbone
        >>> writer = PromptWriter.from_files(str(tiny_backbone("qwen3_vl", tempfile.mkdtemp())))
        >>> prompt = writer.prompt([("user", ["Is it good?"])], answer="yes")
        >>> writer.tokenizer.decode(prompt.ids[prompt.answer_start :])
        'yes'
        """
        limit = min(max_tokens or self.context, self.context)
        return write_prompt(self.family, self.processor, chat, pictures, answer, limit, inline)

    def plain_prompt(self, texts: Sequence[str], pictures: Sequence[Picture] = ()) -> Prompt:
        """The tokens of `texts` with a picture between each two, without a chat template.

        For weights that were trained in this way. Raises `SampleError` when a text holds a control token of the
        backbone, or when the prompt is longer than its context; `BackboneError` when texts and pictures do not match.
        """
        return write_plain_prompt(self.family, self.processor, texts, pictures, self.context)

    def tokens(self, text: str) -> list[int]:
        """The ids of `text`, without any that mark its beginning or end."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def token(self, text: str) -> int:
        """The id of a text that is one token; `BackboneError` says how it splits if it is not."""
        ids = self.tokens(text)
        if len(ids) != 1:
            split = " ".join(repr(self.tokenizer.decode([each])) for each in ids) or "nothing"
            raise BackboneError(f"{text!r} is not one token of {self.name} but {split}")
        return ids[0]

    def digit_ids(self) -> list[int]:
        """The ids of "0" to "9"; `BackboneError` where the tokenizer has no digit for itself ("4.38" as "4", ".38")."""
        digits = [self.token(str(digit)) for digit in range(10)]
        if self.tokens("4.38") != [digits[4], self.token("."), digits[3], digits[8]]:
            split = " ".join(repr(self.tokenizer.decode([each])) for each in self.tokens("4.38"))
            raise BackboneError(
                f"{self.name} writes 4.38 as {split}; scores read from digits need a backbone with one "
                "token for each digit, such as Qwen's and InternVL's"
            )
        return digits
