"""The network of an image regressor: backbones, body and head as its recipe names them.

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...mllm.recipe import RecipeError
from ...mllm.turns import seeded
from .backbones import ImageBackbone, make_backbone
from .heads import Rated, RatingHead
from .parts import body_class
from .parts.layout import ViewLayout
from .schema import RegressorRecipe
from .views import Views

CELLS = 7
"""Sides of the maps of a frozen backbone, which are averaged to so many cells before they are kept."""

INSTRUCTION = 256
"""Numbers that an image and its instruction are compared in."""


class RegressorNetwork(nn.Module):
    """Rate images as a recipe says: (N, outputs).

    - `outputs`: the number of dimensions. `reference`: it sees the source, too. `instruction`: the size of the
      features of the instruction's text that it is given; 0 for none.
    - `centre`, `spread`: ratings are `centre + spread * number`, where the head's numbers have no bounds.
    - `frozen`: no backbone is trained, so that features may be kept: the body's rows where it has no parameters
      (`keeps_rows`), else the maps, averaged to `CELLS`.

    >>> from .reading import named_recipe
    >>> network = RegressorNetwork(named_recipe("small"), outputs=1)
    >>> views = Views(torch.zeros(2, 3, 128, 128, dtype=torch.uint8))
    >>> network.rate(network.rows(network.maps([views]))).numbers.shape
    torch.Size([1, 1])
    """

    centre: Tensor
    spread: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        recipe: RegressorRecipe,
        *,
        outputs: int = 1,
        reference: bool = False,
        instruction: int = 0,
        backbones: Sequence[ImageBackbone] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.recipe, self.reference = recipe, reference
        self.backbones = nn.ModuleList(
            backbones or [make_backbone(rule, recipe.images, seed) for rule in recipe.backbones]
        )
        for rule, backbone in zip(recipe.backbones, self.backbones, strict=True):
            if rule.frozen or rule.fixed_norms:
                backbone.freeze(norms_only=not rule.frozen)  # type: ignore[operator]
        factor = (2 if recipe.fusion == "change" else 3) if reference else 1
        channels = [factor * size for backbone in self.backbones for size in backbone.channels]  # type: ignore[union-attr]
        with seeded(seed + 1):
            self.body = body_class(recipe.body.kind)(
                channels, outputs=outputs, crop=recipe.images.crop, compared=reference,
                backbones=list(self.backbones), **recipe.body.settings,
            )  # fmt: skip
            self.frozen = all(rule.frozen for rule in recipe.backbones)
            self.keeps_rows = next(self.body.parameters(), None) is None
            width = self.body.width
            self.compare = None
            if instruction:
                if recipe.head.kind in ("body", "levels") or self.body.tokens:
                    raise RecipeError(
                        f"{recipe.name} reads no instruction: its body rates views by itself; choose a recipe whose "
                        "head is a value or a distribution, such as probe"
                    )
                self.compare = nn.ModuleList([nn.Linear(width, INSTRUCTION), nn.Linear(instruction, INSTRUCTION)])
                width += 2 * INSTRUCTION
            self.head = RatingHead(recipe.head, inputs=width, outputs=outputs, joins_views=self.body.joins_views)
        self.register_buffer("mean", torch.tensor(recipe.images.mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(recipe.images.deviation)[:, None, None], persistent=False)
        self.register_buffer("centre", torch.zeros(outputs))
        self.register_buffer("spread", torch.ones(outputs))

    @property
    def device(self) -> torch.device:
        """The device of its parameters."""
        return self.centre.device

    def normalised(self, pixels: Tensor) -> Tensor:
        """Return views as a backbone takes them: intensities less their mean, by their deviation; contrast as it is."""
        if self.recipe.images.channels == "contrast":
            return pixels.to(self.device)
        views: Tensor = (pixels.to(self.device).float() / 255 - self.mean) / self.deviation
        return views

    def maps(self, edited: Sequence[Views], source: Sequence[Views] = ()) -> tuple[list[Tensor], ViewLayout]:
        """Return the maps of all views of images, joined with those of their sources, and which views are whose."""
        layout = ViewLayout(
            tuple(len(views.pixels) for views in edited),
            None if edited[0].places is None else torch.cat([views.places for views in edited]),  # type: ignore[misc]
        )
        both = [*edited, *source]
        views = self.normalised(torch.cat([each.pixels for each in both]))
        seen = [each for backbone in self.backbones for each in backbone(views)]
        if self.frozen and not self.keeps_rows:
            seen = [F.adaptive_avg_pool2d(each, CELLS) if min(each.shape[-2:]) > CELLS else each for each in seen]
        return (self.fused(seen) if source else seen), layout

    def fused(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Join the maps of edited views, the first half of each, with those of the sources, along the channels."""
        fused = []
        for each in maps:
            edited, source = each.chunk(2)
            change = edited - source
            parts = [edited, source, change]
            if self.recipe.fusion != "signed":
                parts = [edited, *([source] if self.recipe.fusion == "absolute" else []), change.abs()]
            fused.append(torch.cat(parts, dim=1))
        return fused

    def rows(self, seen: tuple[list[Tensor], ViewLayout]) -> tuple[Tensor, ViewLayout]:
        """Return the body's rows of maps."""
        maps, layout = seen
        return self.body(maps, layout), layout

    def rate(self, seen: tuple[Tensor, ViewLayout], instructions: Tensor | None = None) -> Rated:
        """Return ratings as parts of their scale; of a label its log-odds. `instructions`: (images, size)."""
        rows, layout = seen
        if self.compare is not None:
            rows = self._with_instructions(rows, layout, instructions)
        rated: Rated = self.head(rows, layout)
        return rated._replace(numbers=self.centre + self.spread * rated.numbers)

    def _with_instructions(self, rows: Tensor, layout: ViewLayout, instructions: Tensor | None) -> Tensor:
        """Add to each row what the instruction says, and its product with what the image shows."""
        if instructions is None or self.compare is None:
            raise RecipeError("this network reads an instruction, and got none")
        counts = torch.tensor((1,) * len(rows) if self.body.joins_views else layout.counts, device=rows.device)
        shown, asked = self.compare
        text = asked(instructions.to(rows)).repeat_interleave(counts, dim=0)
        return torch.cat([rows, text, shown(rows) * text], dim=1)


def parameter_count(module: nn.Module) -> int:
    """Return the number of a module's parameters, trained or not; buffers are not counted."""
    return sum(parameter.numel() for parameter in module.parameters())


def trained_tensors(network: RegressorNetwork, stored: Sequence[bool]) -> dict[str, Tensor]:
    """Return the tensors of a network that a checkpoint keeps: all but those of backbones that are not `stored`."""
    left_out = tuple(f"backbones.{index}." for index, kept in enumerate(stored) if not kept)
    return {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(left_out or ("\0",))}


def restore(network: RegressorNetwork, tensors: Mapping[str, Tensor], stored: Sequence[bool]) -> None:
    """Put the tensors of a checkpoint into a network, strictly. Raises `RuntimeError` where they do not fit."""
    kept: dict[str, Any] = trained_tensors(network, stored)
    if different := sorted(kept.keys() ^ tensors.keys()):
        raise RuntimeError(f"it {'lacks' if different[0] in kept else 'has'} {different[0]}")
    network.load_state_dict(dict(tensors), strict=False)
