"""One backbone that scores edits: the prompts it is given, and the digits it answers with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .digit_scale import DigitScale
from .prompts import answer, answer_start, chat

if TYPE_CHECKING:
    import numpy as np

    from ...mllm.backbone import Backbone, Features, Picture, Prompt
    from ...mllm.readouts import NumberReadout

Prepared = Mapping[str, Any]
"""What `DigitAssessor.prepare` makes of a sample: a prompt for each dimension, all with the same two pictures."""


@dataclass
class DigitAssessor:
    """A backbone, a definition for each dimension, the ratings' scale, and the adapters where it was trained.

    - `definitions`: for each dimension that it scores, in their order.
    - `adapters`: the name of the dimension's adapter on the backbone. Empty: the raw backbone is asked.
    - `features`: where features of pictures come from, if not from the vision tower: a store of them, in training.
    - `reads`: by dimension, the number that is its score, "generated" or "expected".
    """

    backbone: Backbone
    definitions: Mapping[str, str]
    scale: DigitScale
    adapters: Mapping[str, str] = field(default_factory=dict)
    features: Callable[[Sequence[Picture]], list[Features]] | None = None
    reads: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def digits(self) -> list[int]:
        """The tokens of "0" to "9"; `BackboneError` for a backbone whose tokenizer groups digits."""
        return self.backbone.digit_ids()

    def see(self, source: np.ndarray, edited: np.ndarray) -> tuple[Picture, Picture]:
        """The two images (H, W, 3), uint8, as the backbone takes them."""
        return self.backbone.see(source, among=2), self.backbone.see(edited, among=2)

    def prompt(
        self, pictures: Sequence[Picture], instruction: str, dimension: str, definition: str | None = None
    ) -> Prompt:
        """The question for one dimension and the answer up to its first digit."""
        return self.backbone.prompt(
            self._chat(instruction, dimension, definition), pictures, answer=answer_start(dimension)
        )

    def taught(self, pictures: Sequence[Picture], instruction: str, dimension: str, rating: float) -> Prompt:
        """The question for one dimension and the whole answer that says `rating`, with the token that ends a turn."""
        import torch

        text = answer(dimension, self.scale.digits(rating))
        prompt = self.backbone.prompt(self._chat(instruction, dimension, None), pictures, answer=text)
        end = torch.tensor([self.backbone.tokenizer.eos_token_id])
        return type(prompt)(torch.cat([prompt.ids, end]), prompt.pictures, prompt.answer_start)

    def _chat(self, instruction: str, dimension: str, definition: str | None) -> list[tuple[str, list[Any]]]:
        from ...mllm.backbone import IMAGE

        return chat(IMAGE, instruction, dimension, definition or self.definitions[dimension], self.scale)

    def prepare(self, source: np.ndarray, edited: np.ndarray, instruction: str) -> dict[str, Prompt]:
        """The prompts of all dimensions, with the same two pictures in each."""
        pictures = self.see(source, edited)
        return {dimension: self.prompt(pictures, instruction, dimension) for dimension in self.definitions}

    def read(self, batch: Sequence[Mapping[str, Prompt]]) -> dict[str, NumberReadout]:
        """The number of each dimension for each prepared sample. No gradients.

        The vision tower sees each image once, unless an adapter changes the tower itself. Without adapters, or with one
        for all dimensions, images and instruction go through the language model once for all of them.
        """
        if not self.adapters:
            return self._read_together(batch)
        from ...mllm.lora import adapts_vision, using

        if len(self.definitions) > 1 and len(set(self.adapters.values())) == 1:
            with using(self.backbone, next(iter(self.adapters.values()))):
                return self._read_together(batch)
        numbers = {}
        seen: dict[str | None, list[Sequence[Features]]] = {}
        for dimension in self.definitions:
            adapter = self.adapters[dimension]
            with using(self.backbone, adapter):
                tower = adapter if adapts_vision(self.backbone, adapter) else None
                if tower not in seen:
                    seen[tower] = self.look(batch)
                prompts = [prepared[dimension] for prepared in batch]
                numbers[dimension] = self._number(self.backbone.read(prompts, seen[tower]))
        return numbers

    def look(self, batch: Sequence[Mapping[str, Prompt]]) -> list[Sequence[Features]]:
        """The features of each sample's two pictures, in one pass."""
        import torch

        with torch.inference_mode():
            return self.backbone.look_at([next(iter(prepared.values())) for prepared in batch], self.features)

    def _read_together(self, batch: Sequence[Mapping[str, Prompt]]) -> dict[str, NumberReadout]:
        from ...mllm.prefix_cache import after_images

        dimensions = list(self.definitions)
        parts = [[after_images(self.backbone, prepared[dimension]) for dimension in dimensions] for prepared in batch]
        shared = self.backbone.read([of_sample[0][0] for of_sample in parts], self.look(batch))
        reading = shared.repeated([row for row in range(len(batch)) for _ in dimensions])
        reading.extend([rest for of_sample in parts for _, rest in of_sample])
        number = self._number(reading)
        return {dimension: number.rows(slice(k, None, len(dimensions))) for k, dimension in enumerate(dimensions)}

    def _number(self, reading: Any) -> NumberReadout:
        from ...mllm.readouts import read_number

        return read_number(reading, self.digits, self.backbone.token("."))
