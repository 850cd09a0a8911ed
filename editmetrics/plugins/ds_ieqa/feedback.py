"""The feedback model of FDMPO: what a definition is worth on a fixed set of rated pairs (equation 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .fdmpo import definition_value
from .tdrl import Vocabulary

if TYPE_CHECKING:
    from ...mllm.backbone import Picture
    from ...mllm.reading import Reading
    from ...mllm.targets import Example
    from ...sample import Sample
    from .assessor import Assessor

BATCH = 8
"""Pairs that are read together."""


class Feedback:
    """`feedback(definition)` is the mean V_d of a definition over rated pairs, in [0, 1.11].

    The images and the instruction stand before the definition in the prompt, so they are read once, here, and every
    definition only adds its own words to their key-value cache. For an 8B backbone and two images of 1280 tokens the
    cache of a pair takes about 0.4 GB in bfloat16.
    """

    def __init__(
        self,
        assessor: Assessor,
        dimension: str,
        examples: Sequence[Example],
        pairs: Callable[[Sample], tuple[Picture, Picture]],
        vocabulary: Vocabulary = "all",
    ) -> None:
        from ...mllm.reading import after_images

        self.assessor, self.dimension, self.vocabulary = assessor, dimension, vocabulary
        self.examples = list(examples)
        self.pictures = [pairs(example.sample) for example in self.examples]
        self.readings: list[Reading] = []
        backbone = assessor.backbone
        for start in range(0, len(self.examples), BATCH):
            prompts = self._prompts(start, assessor.definitions[dimension])
            features = assessor.look([{dimension: prompt} for prompt in prompts])
            self.readings.append(backbone.read([after_images(backbone, prompt)[0] for prompt in prompts], features))

    def _prompts(self, start: int, definition: str) -> list:
        some = slice(start, start + BATCH)
        return [
            self.assessor.prompt(pictures, example.sample.prompt or "", self.dimension, definition)
            for pictures, example in zip(self.pictures[some], self.examples[some], strict=True)
        ]

    def __call__(self, definition: str) -> float:
        import torch

        from ...mllm.reading import after_images

        backbone, digits, point = self.assessor.backbone, self.assessor.digits, self.assessor.backbone.token(".")
        values = []
        for number, shared in enumerate(self.readings):
            start = number * BATCH
            reading = shared.repeated(range(len(shared)))
            reading.extend([after_images(backbone, prompt)[1] for prompt in self._prompts(start, definition)])
            truth = [
                self.assessor.scale.digits(example.targets[self.dimension])
                for example in self.examples[start : start + BATCH]
            ]
            texts = [[digits[first], point, digits[second], digits[third]] for first, second, third in truth]
            logits = torch.stack([row[0][[0, 2, 3]] for row in reading.continued([[text] for text in texts])])
            values.append(definition_value(logits, torch.tensor(truth), digits, vocabulary=self.vocabulary))
        return float(torch.cat(values).mean())
