"""ImageReward: how an expert would rate an image of a prompt, by a BLIP trained on 137,000 comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le

from ..sample import Dimension
from .blip import VOCABULARY, BLIPMetric, first_state, transformers_names
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

MEAN, DEVIATION = 0.16717362830052426, 1.0333394966054072
"""Of the reward on the authors' data, which the score has 0 and 1 for."""

WIDTHS = (1024, 128, 64, 16, 1)
"""Of the layers of the head, which is linear throughout."""


class ImageReward(BLIPMetric):
    """ImageReward of the edited image and its prompt, in standard deviations, usually -2 to 2; higher is preferred.

    (h(x) - 0.1672) / 1.0333, where x is the state of the first token of the prompt in a BLIP (ViT-L/16) that looks at
    the image, and h a linear head; both were trained on rankings by experts. Scores compare images of one prompt. The
    prompt describes the wanted image; an instruction ("make the sky red") describes none.

    35 tokens of the prompt are read; the end of a longer one is cut off, and the score's details say so. The image is
    resized to 224 pixels on its shorter side and cropped to its centre; what lies outside is not seen.

    Options:
        max_tokens: Tokens that are read, with the start and the end token: 35 as the authors trained it.
        standardise: Whether the mean and deviation of the authors' data are taken off; they always do.

    Source: Xu et al., NeurIPS 2023, arXiv:2304.05977. The authors' code computes in float32.

    >>> ImageReward().checkpoints()
    ('image-reward', 'bert-base-uncased-vocabulary')
    """

    name, version = "image_reward", 1
    title = "what people would prefer (ImageReward)"
    dimensions = (Dimension("image_reward", primary=True, description="preference, given the prompt"),)
    paper = (
        "Xu et al., ImageReward: learning and evaluating human preferences for text-to-image generation, NeurIPS 2023"
    )
    licence = "Apache-2.0 (the authors' code); the terms of the weights are in 'editmetrics weights list'"

    def __init__(self, *, max_tokens: Annotated[int, Ge(2), Le(512)] = 35, standardise: bool = True) -> None:
        self.max_tokens, self.standardise = max_tokens, standardise

    def checkpoints(self) -> tuple[str, ...]:
        return ("image-reward", VOCABULARY)

    def network_name(self) -> str:
        return "BLIP ViT-L-16 with ImageReward's head"

    def network(self) -> Any:
        from torch import nn

        from .transformers_networks import without_numbers

        network = super().network()
        sides = (network.text_encoder.config.hidden_size, *WIDTHS)
        layers = without_numbers(lambda: nn.ModuleList([nn.Linear(*pair) for pair in zip(sides, WIDTHS, strict=False)]))
        parts = {"vision_model": network.vision_model, "text_encoder": network.text_encoder, "head": layers}
        return nn.ModuleDict(parts)

    def state(self, network: Any, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the authors' tensors by transformers' names; the head's layers had dropouts between them."""
        tensors = {name.removeprefix("blip."): tensor for name, tensor in files[0].items()}
        for row, theirs in enumerate((0, 2, 4, 6, 7)):
            for kind in ("weight", "bias"):
                tensors[f"head.{row}.{kind}"] = tensors[f"mlp.layers.{theirs}.{kind}"]
        return transformers_names(tensors, network.state_dict())

    def looks(self) -> Preprocessing:
        return Preprocessing()

    def forward(self, batch: dict[str, Any]) -> Tensor:
        state = first_state(self.module, batch["image"], batch["tokens"], batch["attended"])
        for layer in self.module.head:
            state = layer(state)
        reward = state.squeeze(-1)
        return (reward - MEAN) / DEVIATION if self.standardise else reward
