"""Sight: the thing, the look and the square of each cell, named from an image alone.

A vision tower learns it first, by linear heads that are thrown away: to name what is there needs no language, and a
language model learns from features that already tell things apart in far fewer steps.

This module imports torch at its top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from editmetrics.mllm.backbone import Backbone
from tools.world.instructions import scene_and_instruction
from tools.world.questions import named_look
from tools.world.scenes import COLOURS, LOOKS, SHAPES, Backgrounds, Flaw, Thing, flaws_of, view

NAMES = {
    "shape": ("nothing", *SHAPES),
    "colour": ("nothing", *COLOURS),
    "look": ("plain", *LOOKS),
    "square": ("none", "bright", "dark"),
}
"""The answers about a cell."""

UNASKED = -100
"""The target of an answer that is not asked for: a look between strong and weak."""


@dataclass(frozen=True, eq=False)
class Seen:
    """An image (SIDE, SIDE, 3) of uint8 and the answers (cells, NAMES), numbered."""

    image: np.ndarray
    answers: np.ndarray


class Sights(Sequence[Seen]):
    """`count` images on these photographs, made anew each time that one is asked for; equal seeds give equal ones."""

    def __init__(self, backgrounds: Backgrounds, count: int, seed: int) -> None:
        self.backgrounds, self.size, self.seed = backgrounds, count, seed

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Seen:  # type: ignore[override] # no slices
        random = np.random.default_rng([self.seed, int(index), 4])
        things, _ = scene_and_instruction(random)
        flaws = flaws_of(things, random)
        image = view(things, self.backgrounds.draw(random), random, list(flaws.values()))
        return Seen(image, np.array([answers_about(one, flaws.get(cell)) for cell, one in enumerate(things)]))


def answers_about(one: Thing | None, flaw: Flaw | None) -> list[int]:
    """The numbers of the answers about a cell, in the order of `NAMES`."""
    shape, colour = (0, 0) if one is None else (1 + SHAPES.index(one.shape), 1 + list(COLOURS).index(one.colour))
    look = named_look(flaw)
    square = 0 if flaw is None else 1 if flaw.step > 0 else 2
    return [shape, colour, UNASKED if look is None else NAMES["look"].index(look), square]


class SightLearner(nn.Module):
    """A vision tower and its projector, trained by one linear head for each cell and question: cross-entropy."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self._backbone = backbone
        model = backbone.model.model
        self.tower, self.projector = (
            part.requires_grad_(True) for part in (model.vision_tower, model.multi_modal_projector)
        )
        self.sizes = [len(names) for names in NAMES.values()]
        width = backbone.processor.image_seq_length // 4 * backbone.model.config.text_config.hidden_size
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            self.head = nn.Linear(width, sum(self.sizes))

    def collate(self, sights: Sequence[Seen]) -> dict[str, Tensor]:
        """Images and answers of a batch."""
        pixels = pixels_of(self._backbone, np.stack([seen.image for seen in sights]))
        return {"pixels": pixels, "answers": torch.from_numpy(np.stack([seen.answers for seen in sights]))}

    def forward(self, pixels: Tensor, answers: Tensor) -> dict[str, Tensor]:
        pairs = self._answered(pixels, answers)
        losses = [nn.functional.cross_entropy(logits, wanted) for logits, wanted in pairs.values()]
        return {"loss": torch.stack(losses).sum(), **_right(pairs)}

    def accuracy(self, batch: Mapping[str, Tensor]) -> float:
        """The mean over the kinds of answers of the share that is right."""
        with torch.no_grad():
            return float(torch.stack([*_right(self._answered(**batch)).values()]).mean())

    def _answered(self, pixels: Tensor, answers: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Logits and numbers of the answers that are asked for, by their kind."""
        tokens = self._backbone.model.model.get_image_features(pixel_values=pixels).pooler_output
        logits = self.head(by_cell(tokens)).flatten(0, 1).split(self.sizes, -1)
        wanted = answers.flatten(0, 1).unbind(-1)
        asked = [numbers != UNASKED for numbers in wanted]
        return {name: (logits[k][asked[k]], wanted[k][asked[k]]) for k, name in enumerate(NAMES)}


def _right(pairs: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    return {name: (logits.argmax(-1) == wanted).float().mean() for name, (logits, wanted) in pairs.items()}


def pixels_of(backbone: Backbone, images: np.ndarray) -> Tensor:
    """Images (N, SIDE, SIDE, 3) of uint8 as a backbone sees them (N, 3, SIDE, SIDE): a tile each."""
    maker = backbone.processor.image_processor
    mean, deviation = (
        torch.tensor(list(values))[:, None, None] * 255 for values in (maker.image_mean, maker.image_std)
    )
    return (torch.from_numpy(images).permute(0, 3, 1, 2) - mean) / deviation


def by_cell(tokens: Tensor) -> Tensor:
    """Image tokens (N, side * side, H), row by row, as those of each quarter (N, 4, tokens of a quarter * H).

    >>> by_cell(torch.arange(16.0)[None, :, None])[0].int().tolist()
    [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    """
    side = int(tokens.shape[1] ** 0.5)
    grid = tokens.unflatten(1, (2, side // 2, 2, side // 2))
    return grid.transpose(2, 3).flatten(1, 2).flatten(2)
