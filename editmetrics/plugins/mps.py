"""MPS: how people would choose between images of a prompt, with regard to named qualities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Lt

from ..sample import Dimension, EditMetricsError
from .preprocessing import Preprocessing
from .text_image import TextImageMetric, clip_tokens

if TYPE_CHECKING:
    from torch import Tensor

OVERALL = (
    "light, color, clarity, tone, style, ambiance, artistry, shape, face, hair, hands, limbs, structure, instance, "
    "texture, quantity, attributes, position, number, location, word, things."
)
"""The qualities of the overall preference."""

LAYERS, HEADS, HEAD_WIDTH = 4, 16, 64


def mps(images: Tensor, tokens: Tensor, condition: Tensor, network: Any, threshold: float = 0.3) -> Tensor:
    """MPS of images and prompts, (N,), without unit; higher is preferred.

    exp(s) cos(E_text, C(image, text)), where C is the state of the image's class token after four layers of attention
    to the prompt's tokens: to those alone whose greatest product with a token of the condition, as a share of the
    prompt's greatest, is above `threshold`.

    `images`: (N, 3, 224, 224), as CLIP's preprocessing leaves them. `tokens`: (N, 77), int64; `condition`: (1, 77).
    `network`: as `MPS.network` gives it. Differentiable in the images. The authors divide by the greatest product of a
    batch, of which all rows have one prompt; here it is each row's own.

    Source: Zhang et al., Learning multi-dimensional human preference, CVPR 2024, section 4.

    >>> import torch
    >>> from editmetrics.testing import offline_weights
    >>> metric = MPS().to("cpu")
    >>> tokens, condition = (clip_tokens(text)[0][None] for text in ("a cat", OVERALL))
    >>> with offline_weights(["mps"]):
    ...     metric.load()
    >>> mps(torch.zeros(1, 3, 224, 224), tokens, condition, metric.module).shape
    torch.Size([1])
    """
    import torch
    import torch.nn.functional as F

    clip = network["clip"]
    states, ends = _text(clip, torch.cat([tokens, condition]))
    words, qualities = states[:-1], states[-1:]
    closeness = (words @ qualities.transpose(1, 2)).amax(-1)
    share = closeness / closeness.amax(-1, keepdim=True)
    ignored = torch.zeros_like(share).masked_fill(~(share > threshold), float("-inf"))
    seen = clip.visual_projection(clip.vision_model(pixel_values=images).last_hidden_state)
    for cross, own in network["layers"]:
        seen = seen + cross(seen, words, ignored[:, None, None])
        seen = seen + own(seen)
    return clip.logit_scale.exp() * F.cosine_similarity(ends[:-1], seen[:, 0])


class MPS(TextImageMetric):
    """Multi-dimensional Preference Score of the edited image and its prompt, usually 5 to 20; higher is preferred.

    exp(s) cos(E_text, C(image, text)), with a CLIP ViT-H/14 and four layers in which the image attends to those words
    of the prompt that are close to a condition, a list of qualities. It was trained on choices of people; the published
    weights are of the overall preference. Scores compare images of one prompt, which describes the wanted image; an
    instruction ("make the sky red") describes none.

    CLIP reads 77 tokens; the end of a longer prompt is cut off, and the score's details say so. The image is resized to
    224 pixels on its shorter side and cropped to its centre; what lies outside is not seen.

    Options:
        condition: The qualities; by default those of the overall preference, which the weights were trained for.
        threshold: Share of the greatest closeness above which a word is attended to: 0.3 in the authors' evaluation,
            0.01 in the package imscore.

    Source: Zhang et al., CVPR 2024, arXiv:2405.14705. The authors' code computes in float16.

    >>> MPS().checkpoints()
    ('mps',)
    """

    name, version = "mps", 1
    title = "what people would prefer (MPS)"
    dimensions = (Dimension("mps", primary=True, description="preference, given the prompt"),)
    paper = "Zhang et al., Learning multi-dimensional human preference for text-to-image generation, CVPR 2024"
    licence = "not stated by the authors; the terms of the weights are in 'editmetrics weights list'"

    def __init__(self, *, condition: str = OVERALL, threshold: Annotated[float, Ge(0), Lt(1)] = 0.3) -> None:
        if not condition.strip():
            raise EditMetricsError("mps: condition is empty; it must name qualities, such as 'light, color'")
        self.condition, self.threshold = condition, threshold

    def checkpoints(self) -> tuple[str, ...]:
        return ("mps",)

    def network_name(self) -> str:
        return "MPS: transformers CLIP ViT-H-14 with four layers of cross-attention"

    def network(self) -> Any:
        from torch import nn

        from .transformers_networks import clip_h, without_numbers

        clip: Any = clip_h()
        width = clip.config.projection_dim
        layers = without_numbers(lambda: nn.ModuleList([nn.ModuleList(_layer(width)) for _ in range(LAYERS)]))
        return nn.ModuleDict({"clip": clip, "layers": layers})

    def state(self, network: Any, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the file's tensors by our names, without positions and frequencies, which are computed.

        Raises `ValueError` if the file has no layers of cross-attention.
        """
        mark = "cross_model.layers."
        prefix = next((name.partition(mark)[0] for name in files[0] if mark in name), None)
        if prefix is None:
            raise ValueError(f"no tensor is named ...{mark}...")
        tensors = {}
        for name, tensor in files[0].items():
            if not name.endswith(("position_ids", "inv_freq")):
                own = name.removeprefix(prefix)
                if own.startswith(mark):
                    tensors[own.removeprefix("cross_model.").replace(".fn.", ".")] = tensor
                else:
                    tensors["clip." + own.removeprefix("model.")] = tensor
        return tensors

    def looks(self) -> Preprocessing:
        return Preprocessing(fit="crop_down")

    def reads(self, text: str) -> tuple[dict[str, Tensor], str | None]:
        tokens, note = clip_tokens(text)
        return {"tokens": tokens}, note

    def forward(self, batch: dict[str, Any]) -> Tensor:
        from ..transfer import constant

        condition = constant(tuple(clip_tokens(self.condition)[0].tolist()), batch["image"])[None]
        return mps(batch["image"], batch["tokens"], condition, self.module, self.threshold)


def _text(clip: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return the projected states (N, 77, D) of all tokens, and those (N, D) of the end tokens."""
    read = clip.text_model(input_ids=tokens)
    return clip.text_projection(read.last_hidden_state), clip.text_projection(read.pooler_output)


def _layer(width: int) -> tuple[Any, Any]:
    """Return the two parts of a layer: attention of the image to the text, and to itself.

    Both have many heads of queries and one of keys and values, and a gated network beside the attention.
    """
    import torch
    import torch.nn.functional as F
    from torch import nn

    inner, hidden = HEADS * HEAD_WIDTH, 4 * width

    def linear(inputs: int, outputs: int) -> nn.Linear:
        return nn.Linear(inputs, outputs, bias=False)

    class Gated(nn.Module):
        def forward(self, states: Tensor) -> Tensor:
            values, gate = states.chunk(2, dim=-1)
            return F.silu(gate) * values

    def attend(query: Tensor, key: Tensor, value: Tensor, ignored: Tensor | None = None) -> Tensor:
        """`query`: (N, P, heads x width), the others (N, T, width)."""
        heads = query.unflatten(-1, (HEADS, HEAD_WIDTH)).transpose(1, 2)
        keys, values = (part[:, None].expand(-1, HEADS, -1, -1) for part in (key, value))
        return F.scaled_dot_product_attention(heads, keys, values, ignored).transpose(1, 2).flatten(2)

    class ToText(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.to_q, self.to_kv = nn.LayerNorm(width), linear(width, inner), linear(width, 2 * HEAD_WIDTH)
            self.to_out = linear(inner, width)
            self.ff = nn.Sequential(linear(width, 2 * hidden), Gated(), linear(hidden, width))

        def forward(self, states: Tensor, words: Tensor, ignored: Tensor) -> Tensor:
            states = self.norm(states)
            key, value = self.to_kv(words).chunk(2, dim=-1)
            attended: Tensor = self.to_out(attend(self.to_q(states), key, value, ignored))
            return attended + self.ff(states)

    class ToItself(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sizes = (inner, HEAD_WIDTH, HEAD_WIDTH, 2 * hidden)
            self.norm, self.fused_attn_ff_proj = nn.LayerNorm(width), linear(width, sum(self.sizes))
            self.attn_out, self.ff_out = linear(inner, width), nn.Sequential(Gated(), linear(hidden, width))

        def forward(self, states: Tensor) -> Tensor:
            query, key, value, gated = self.fused_attn_ff_proj(self.norm(states)).split(self.sizes, dim=-1)
            turned = rotated(query.unflatten(-1, (HEADS, HEAD_WIDTH))).flatten(-2)
            attended: Tensor = self.attn_out(attend(turned, rotated(key[:, :, None])[:, :, 0], value))
            return attended + self.ff_out(gated)

    def rotated(states: Tensor) -> Tensor:
        """Turn the halves of (N, P, heads, width) by angles that grow with the position."""
        rates = 10_000.0 ** (-torch.arange(0, HEAD_WIDTH, 2, device=states.device, dtype=states.dtype) / HEAD_WIDTH)
        positions = torch.arange(states.shape[1], device=states.device, dtype=states.dtype)
        angles = torch.outer(positions, rates).repeat(1, 2)[:, None]
        first, second = states.chunk(2, dim=-1)
        return states * angles.cos() + torch.cat([-second, first], -1) * angles.sin()

    return ToText(), ToItself()
