"""`Texts`: how near an image is to texts that name levels of quality, in CLIP's space (LIQE, CLIP-IQA+).

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....mllm.recipe import RecipeError
from .layout import ViewLayout


class Texts(nn.Module):
    """exp(s) cos(E_image, E_text) for each of `texts`, from that of the worst images to that of the best: (N, texts).

    - `learned`: so many vectors of each text are learned, half of them before it and half behind; they start as those
      of the letter X. 0 takes the text as it is.

    The text tower is trained where the image tower is; the temperature exp(s) is CLIP's and never trained.

    Source: Zhang et al., LIQE, CVPR 2023, arXiv:2303.14968, equation 1; Wang et al., CLIP-IQA, AAAI 2023,
    arXiv:2207.12396, section 3.3; Zhou et al., CoOp, IJCV 2022.
    """

    tokens, joins_views = False, False
    ids: Tensor

    def __init__(
        self,
        channels: Sequence[int],
        *,
        backbones: Sequence[nn.Module],
        texts: Sequence[str],
        learned: int = 0,
        outputs: int = 1,
        **_: Any,
    ) -> None:
        from open_clip import tokenize

        super().__init__()
        if outputs != 1:
            raise RecipeError(f"a body of texts rates one dimension, not {outputs}; train a metric for each")
        model: Any = backbones[0].model
        if getattr(model, "transformer", None) is None:
            raise RecipeError("a body of texts requires a backbone of open_clip with its text tower")
        model.requires_grad_(any(parameter.requires_grad for parameter in model.visual.parameters()))
        model.logit_scale.requires_grad_(False)
        self._model = [model]  # a part of the backbone, not of this module
        self.texts, self.learned, self.width = tuple(texts), learned, len(texts)
        filler = "X " * learned
        self.register_buffer("ids", tokenize([filler + text for text in texts]), persistent=False)
        with torch.device("cpu"):
            self.lengths = [int((tokenize([text])[0] > 0).sum()) - 2 for text in texts]  # without the two ends
        if learned:
            with torch.no_grad():
                self.context = nn.Parameter(model.token_embedding(self.ids)[:, 1 : 1 + learned].clone())

    def forward(self, maps: Sequence[Tensor], layout: ViewLayout) -> Tensor:
        images = F.normalize(maps[-1].mean((2, 3)), dim=-1)
        texts = F.normalize(self.encoded(), dim=-1)
        logits: Tensor = self._model[0].logit_scale.exp() * images @ texts.T
        return logits

    def encoded(self) -> Tensor:
        """Return the embeddings of the texts, as open_clip's `encode_text` makes them."""
        model: Any = self._model[0]
        ids = self.ids
        states = model.token_embedding(ids)
        if self.learned:
            half, end = self.learned // 2, 1 + self.learned
            states = torch.stack([
                torch.cat([row[:1], own[:half], row[end : end + length], own[half:], row[end + length :]])
                for row, own, length in zip(states, self.context, self.lengths, strict=True)
            ])  # fmt: skip
        states = states + model.positional_embedding
        states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask))
        ends = states[torch.arange(len(states), device=states.device), ids.argmax(1)]
        encoded: Tensor = ends @ model.text_projection
        return encoded
