"""Prompts that are computed once and then continued, for families whose layers keep a recurrent state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .prefix_cache import PrefixCache

if TYPE_CHECKING:
    from torch import Tensor

    from .backbone import Backbone
    from .prompts import Prompt
    from .tensors import Features


def read(
    backbone: Backbone, prompts: Sequence[Prompt], features: Sequence[Sequence[Features]] | None = None
) -> PrefixCache:
    """The cache of `prompts`, of the kind that the family requires; see `Backbone.read`."""
    return (SeparateRows if backbone.family.recurrent else PrefixCache).of(backbone, prompts, features)


class SeparateRows(PrefixCache):
    """A `PrefixCache` of a recurrent family: each prompt has a cache of its own.

    In a padded batch the padding would flow into the states of the shorter prompts.
    """

    def __init__(self, rows: Sequence[PrefixCache]) -> None:
        self.backbone = rows[0].backbone
        self._rows = list(rows)
        self._join()

    @classmethod
    def of(
        cls, backbone: Backbone, prompts: Sequence[Prompt], features: Sequence[Sequence[Features]] | None = None
    ) -> PrefixCache:
        """Compute `prompts`, their pictures in one pass."""
        import torch

        with torch.inference_mode():
            features = backbone.look_at(prompts) if features is None else features
        pairs = zip(prompts, features, strict=True)
        return cls([PrefixCache.of(backbone, [prompt], [seen]) for prompt, seen in pairs])

    def continued(self, texts: Sequence[Sequence[Sequence[int]]]) -> list[list[Tensor]]:
        self._expect_rows(texts)
        return [row.continued([of_row])[0] for row, of_row in zip(self._rows, texts, strict=True)]

    def states(self, texts: Sequence[Sequence[Sequence[int]]], behind: int = 1) -> list[list[Tensor]]:
        self._expect_rows(texts)
        return [row.states([of_row], behind)[0] for row, of_row in zip(self._rows, texts, strict=True)]

    def extend(self, tokens: Sequence[Sequence[int]]) -> None:
        self._expect_rows(tokens)
        for row, ids in zip(self._rows, tokens, strict=True):
            row.extend([ids])
        self._join()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        return sum(row.nbytes for row in self._rows)

    @property
    def longest(self) -> int:
        return max(row.longest for row in self._rows)

    def repeated(self, rows: Sequence[int]) -> PrefixCache:
        return SeparateRows([self._rows[row].repeated([0]) for row in rows])

    def _join(self) -> None:
        import torch

        self.logits = torch.cat([row.logits for row in self._rows])
