"""One backbone of HPE-LSA: its prompts, and the state of one layer at one position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from ...images import eight_bits, read_image
from ...mllm.layers import Pooling, kept_layers, pooled, states_of_all_layers

if TYPE_CHECKING:
    from torch import Tensor

    from ...mllm.backbone import Backbone, Picture, Prompt
    from ...mllm.heads import RegressionHead
    from ...mllm.pictures import PreparedPictures
    from ...mllm.tensors import Features, Output

SINGLE = "Is this image a real photograph that nobody has edited?"
PAIR = (
    "With the image editing prompt [{prompt}], the source image ",
    " is edited to generate the target image ",
    ". Please rate the visual quality, editing correspondence and attribute preservation of the target image. "
    "Higher score means better.",
)
"""The wording of LMM4Edit's prompts (arXiv:2507.16193), in one question for three scores."""

Feature = Literal["last", "image", "projected"]

BATCH = 8
"""Prompts that go through the backbone together, by default."""


@dataclass
class LayerAssessor:
    """A backbone, the adapter where it was tuned, and where its hidden state is read.

    - `layer`: after that many layers of the language model, without the norm at its end; None is all of them.
    - `pooling`: the last token of the prompt, or the mean over its image tokens.
    - `heads`: the decoders of that state, by dimension.
    - `pictures`: where prepared pictures are kept, in training; None prepares each anew.
    """

    backbone: Backbone
    adapter: str | None = None
    layer: int | None = None
    pooling: Pooling = "last"
    heads: Mapping[str, RegressionHead] = field(default_factory=dict)
    pictures: PreparedPictures | None = None

    def single(self, image: Any) -> Prompt:
        """The prompt about one image alone: real or edited?"""
        picture = self._picture(image, 1)
        return self.backbone.prompt([("user", [self.backbone.IMAGE, SINGLE])], [picture])

    def pair(self, source: Any, edited: Any, instruction: str) -> Prompt:
        """The prompt about an edit: how good is it?"""
        pictures = [self._picture(image, 2) for image in (source, edited)]
        before, between, after = PAIR
        image = self.backbone.IMAGE
        # by parts, and no str.format of the whole: an instruction may hold braces
        opening = before.replace("{prompt}", instruction)
        return self.backbone.prompt([("user", [opening, image, between, image, after])], pictures)

    def _picture(self, image: Any, among: int) -> Picture:
        if self.pictures is not None:
            return self.pictures(image, among)
        return self.backbone.see(eight_bits(read_image(image)), among=among)

    def embed(self, prompts: Sequence[Prompt], feature: Feature = "last", layers: Sequence[int] = ()) -> Tensor:
        """(N, H), float32 and differentiable: f of equation 1; the adapter is not put to work.

        The last layer's state after the norm, at the "last" token or as the mean over the "image" tokens; "projected"
        is the mean over the image tokens that go into the language model, of which no layer runs. With `layers`, it is
        (N, layers, H): the state of each of them, after the norm of the last one.
        """
        if feature == "projected":
            return _projected(self.backbone.look_at(prompts))
        with kept_layers(self.backbone, layers) as kept:
            output = self.backbone.forward(prompts)
        return self._feature(output, kept, feature, layers)

    def embed_and_read(
        self, prompts: Sequence[Prompt], feature: Feature = "last", layers: Sequence[int] = ()
    ) -> tuple[Tensor, Tensor]:
        """`embed` and `read` from one pass."""
        features = self.backbone.look_at(prompts)
        layer = self.backbone.num_layers if self.layer is None else self.layer
        with kept_layers(self.backbone, {layer, *layers}) as kept:
            output = self.backbone.forward(prompts, features)
        state = pooled(self.backbone, replace(output, hidden=kept[layer]), self.pooling)
        if feature == "projected":
            return _projected(features), state
        return self._feature(output, kept, feature, layers), state

    def read(self, prompts: Sequence[Prompt]) -> Tensor:
        """(N, H), float32 and differentiable: the state after `layer` layers; the adapter is not put to work."""
        layer = self.backbone.num_layers if self.layer is None else self.layer
        return pooled(self.backbone, self.backbone.forward(prompts, layer=layer), self.pooling)

    def states(self, prompts: Sequence[Prompt]) -> Tensor:
        """(N, H), float32, without gradients: the state after `layer` layers; those above do not run."""
        import torch

        from ...mllm.lora import using

        with torch.inference_mode(), using(self.backbone, self.adapter):
            return self.read(prompts)

    def states_of_all_layers(self, prompts: Sequence[Prompt]) -> Tensor:
        """(N, layers, H), float32: the state after each layer, from one pass."""
        from ...mllm.lora import using

        with using(self.backbone, self.adapter):
            return states_of_all_layers(self.backbone, prompts, pooling=self.pooling)

    def _feature(self, output: Output, kept: Mapping[int, Tensor], feature: Pooling, layers: Sequence[int]) -> Tensor:
        if not layers:
            return pooled(self.backbone, output, feature)
        import torch

        norm: Any = self.backbone.language.norm
        states = [replace(output, hidden=norm(kept[layer])) for layer in layers]
        return torch.stack([pooled(self.backbone, state, feature) for state in states], 1)


def _projected(features: Sequence[Sequence[Features]]) -> Tensor:
    """The mean over the image tokens of each prompt's only picture."""
    import torch

    return torch.stack([each.tokens.float().mean(0) for of_prompt in features for each in of_prompt])
