"""Instructions as features: the embedding of a text by CLIP's text tower, which is never trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...mllm.turns import seeded
from ..clip import text_embeddings, tokenize

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ENTRY = "clip-vit-b-32-openai"
"""The weights registry's entry of the tower."""

MODEL = "ViT-B-32-quickgelu"
"""Its name in open_clip."""


class InstructionEncoder:
    """CLIP's text tower on `device`, shared by all that use it.

    `size`: numbers of an embedding.
    """

    def __init__(self, device: str | None = None) -> None:
        from ... import weights
        from ...mllm.loading import shared

        weights.pull(ENTRY)
        file = weights.path(ENTRY)
        digest = hashlib.sha256(str(weights.checksums([ENTRY])).encode()).hexdigest()
        self.model: Any = shared((ENTRY, digest, device), lambda: _tower(file).to(device or "cpu"))
        self.device = device or "cpu"
        self.size = int(self.model.text_projection.shape[1])

    def tokens(self, text: str) -> Tensor:
        """Return the tokens (77,) of an instruction; what is beyond the end is cut off."""
        return tokenize(text)[0]

    def encode(self, tokens: Sequence[Tensor] | torch.Tensor) -> Tensor:
        """Return the embeddings of tokens, (N, size), of unit length."""
        import torch

        with torch.inference_mode():
            return text_embeddings(torch.stack(list(tokens)).to(self.device), self.model)

    def encode_texts(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Return the embedding of each different text, on the CPU."""
        different = list(dict.fromkeys(texts))
        embedded: dict[str, Tensor] = {}
        for start in range(0, len(different), 64):
            some = different[start : start + 64]
            rows = self.encode([self.tokens(text) for text in some]).cpu().clone()
            embedded |= dict(zip(some, rows, strict=True))
        return embedded


def _tower(file: Any) -> Any:
    """Return CLIP without its image tower."""
    from open_clip import CLIP, get_model_config

    from ... import weights

    with seeded(0):
        model = CLIP(**get_model_config(MODEL))
    model.load_state_dict(weights.load_state_dict(file), strict=True)
    del model.visual
    return model.requires_grad_(False).eval()
