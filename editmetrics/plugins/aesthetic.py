"""Aesthetic predictors: how people would rate the look of an image, by a small head on a large model's embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..sample import Dimension
from .preprocessing import Preprocessing
from .text_image import ImageMetric
from .transformers_networks import without_numbers

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

Model = Literal["v1", "v1-b32", "v2", "v2-ava", "v2-relu", "v2.5"]

SIGLIP: dict[str, Any] = {
    "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
    "image_size": 384, "patch_size": 14,
}  # fmt: skip
WIDTHS = (1024, 128, 64, 16, 1)


@dataclass(frozen=True)
class Predictor:
    """A published predictor: the encoder's architecture and weights, and the head's."""

    encoder: str
    encoder_weights: str
    head_weights: str
    layers: tuple[int, ...] = (0, 2, 4, 6, 7)
    """The positions of the linear layers in the authors' head; between them were dropouts, and for `relu` ReLUs."""
    prefix: str = "layers"
    relu: bool = False


CLIP_L, CLIP_B = ("ViT-L-14-quickgelu", "clip-vit-l-14-openai"), ("ViT-B-32-quickgelu", "clip-vit-b-32-openai")
PREDICTORS: dict[Model, Predictor] = {
    "v1": Predictor(*CLIP_L, "aesthetic-v1", layers=()),
    "v1-b32": Predictor(*CLIP_B, "aesthetic-v1-b32", layers=()),
    "v2": Predictor(*CLIP_L, "aesthetic-v2"),
    "v2-ava": Predictor(*CLIP_L, "aesthetic-v2-ava"),
    "v2-relu": Predictor(*CLIP_L, "aesthetic-v2-relu", layers=(0, 3, 6, 9, 11), relu=True),
    "v2.5": Predictor("siglip", "siglip-so400m-patch14-384", "aesthetic-v2.5", layers=(0, 2, 4, 6, 8),
                      prefix="scoring_head"),
}  # fmt: skip


class Aesthetic(ImageMetric):
    """Aesthetic score of the edited image, about 1 to 10; higher looks better to most people.

    h(E / |E|), with the embedding E of the image by a large encoder, and a head h that was trained on ratings. It looks
    at the image alone: neither at a prompt nor at the source.

    Scores of different models are not comparable. The image is resized to the encoder's side: the shorter side, and
    cropped to its centre; for v2.5 the whole image, squashed.

    Options:
        model: v2: LAION's improved predictor (CLIP ViT-L/14, trained on SAC, logos and AVA; five linear layers), which
            most papers report; v2-ava: the same without SAC; v2-relu: with ReLUs between the layers; v1: LAION's first
            (one linear layer), v1-b32 on CLIP ViT-B/32; v2.5: discus0434's, on SigLIP so400m.

    Source: Schuhmann et al., LAION-5B, NeurIPS 2022, arXiv:2210.08402, and
    github.com/christophschuhmann/improved-aesthetic-predictor; v2.5: github.com/discus0434/aesthetic-predictor-v2-5.
    v2's example computes the embedding in float16 on a GPU.

    >>> Aesthetic(model="v2.5").checkpoints()
    ('siglip-so400m-patch14-384', 'aesthetic-v2.5')
    """

    name, version = "aesthetic", 1
    title = "looks good to people (aesthetics)"
    requires = ("open-clip-torch",)
    needs = frozenset({"edited"})
    dimensions = (Dimension("aesthetic", primary=True, description="how good the image looks"),)
    paper = "Schuhmann et al., LAION-5B, NeurIPS 2022"
    licence = "MIT, Apache-2.0 (LAION's code); the terms of the weights are in 'editmetrics weights list'"

    def __init__(self, *, model: Model = "v2") -> None:
        self.model = model

    @property
    def predictor(self) -> Predictor:
        """The published predictor that the option names."""
        return PREDICTORS[self.model]

    def checkpoints(self) -> tuple[str, ...]:
        return (self.predictor.encoder_weights, self.predictor.head_weights)

    def network_name(self) -> str:
        return f"aesthetic {self.model}"

    def network(self) -> Any:
        from torch import nn

        encoder, width = siglip() if self.predictor.encoder == "siglip" else clip_vision(self.predictor.encoder)
        widths = WIDTHS if self.predictor.layers else WIDTHS[-1:]
        sides = (width, *widths)
        head = without_numbers(lambda: nn.ModuleList([nn.Linear(*pair) for pair in zip(sides, widths, strict=False)]))
        return nn.ModuleDict({"encoder": encoder, "head": head})

    def state(self, network: Any, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the encoder's tensors without those for texts, and the head's layers by their order."""
        encoder, head = files
        part = "vision_model." if self.predictor.encoder == "siglip" else "visual."
        seen = {name.removeprefix(part): tensor for name, tensor in encoder.items() if name.startswith(part)}
        prefixed = any(name.startswith(f"encoder.{part}") for name in network.state_dict())
        before = f"encoder.{part}" if prefixed else "encoder."  # older transformers nest the vision encoder
        renamed = {f"{before}{name}": tensor for name, tensor in seen.items() if not name.endswith("position_ids")}
        positions = [f"{self.predictor.prefix}.{position}." for position in self.predictor.layers] or [""]
        names = {
            f"{position}{kind}": f"head.{row}.{kind}"
            for row, position in enumerate(positions)
            for kind in ("weight", "bias")
        }
        return {**renamed, **{names.get(name, name): tensor for name, tensor in head.items()}}

    def looks(self) -> Preprocessing:
        if self.predictor.encoder == "siglip":
            return Preprocessing(size=SIGLIP["image_size"], fit="squash", mean=(0.5,) * 3, deviation=(0.5,) * 3)
        return Preprocessing()

    def forward(self, batch: dict[str, Any]) -> Tensor:
        import torch.nn.functional as F

        encoded = self.module.encoder(batch["image"])
        state = F.normalize(getattr(encoded, "pooler_output", encoded), dim=-1)
        *before, last = self.module.head
        for layer in before:
            state = layer(state).relu() if self.predictor.relu else layer(state)
        score: Tensor = last(state).squeeze(-1)
        return score


def clip_vision(architecture: str) -> tuple[Module, int]:
    """Return the vision encoder of open_clip's CLIP without numbers, and the width of its embeddings."""
    from open_clip import CLIP, get_model_config

    config = get_model_config(architecture)
    return without_numbers(lambda: CLIP(**config)).visual, config["embed_dim"]


def siglip() -> tuple[Module, int]:
    """Return the vision encoder of SigLIP so400m without numbers, and the width of its embeddings."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    config = SiglipVisionConfig(**SIGLIP)
    return without_numbers(lambda: SiglipVisionModel(config)), config.hidden_size
