"""CLIPScore: how well an image fits a text, as the angle between their embeddings by CLIP."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Gt

from ..sample import Dimension, EditMetricsError, Sample
from .clip import CLIPMetric, Model, preprocess, tokenize, tokenize_all

if TYPE_CHECKING:
    from torch import Tensor


def clip_score(images: Tensor, tokens: Tensor, model: Any, scale: float = 2.5) -> Tensor:
    """CLIPScore of images and texts, without unit, in [0, `scale`]; higher fits better.

    scale * max(cos(E_image, E_text), 0)

    where E are CLIP's embeddings. `images`: (N, 3, 224, 224), as CLIP's preprocessing leaves them. `tokens`: (N, 77),
    int64. `model`: an `open_clip` model, as `CLIPScore.read_network` gives it. Returns (N,), one value per pair.
    Differentiable in the images where the cosine is positive.

    Source: Hessel et al., CLIPScore: a reference-free evaluation metric for image captioning, EMNLP 2021, section 3
    (w = 2.5).

    >>> import torch
    >>> class Embeddings(torch.nn.Module):  # the embedding of an image is its first two pixels, of a text its tokens
    ...     def encode_image(self, images, normalize): return torch.nn.functional.normalize(images[:, 0, 0, :2], dim=-1)
    ...     def encode_text(self, tokens, normalize): return torch.nn.functional.normalize(tokens.float(), dim=-1)
    >>> images = torch.tensor([3.0, 4.0]).expand(1, 3, 2, 2)
    >>> clip_score(images, torch.tensor([[1, 0]]), Embeddings())  # 2.5 * 3/5
    tensor([1.5000])
    """
    return _stretched(model.encode_image(images, normalize=True), model.encode_text(tokens, normalize=True), scale)


def _stretched(images: Tensor, texts: Tensor, scale: float) -> Tensor:
    """CLIPScore of embeddings (N, D) of unit length."""
    return scale * (images * texts).sum(-1).clamp(min=0)


class CLIPScore(CLIPMetric):
    """CLIPScore of the edited image and the prompt, without unit, in [0, 2.5]; higher fits better.

    2.5 * max(cos(E_image, E_text), 0), with the embeddings of OpenAI's CLIP and the text "A photo depicts PROMPT". The
    authors saw cosines from about 0 to 0.4, which 2.5 stretches to scores from 0 to 1. It asks whether the image shows
    what the text describes: for an edit, give a description of the wanted image as prompt, since an instruction ("make
    the sky red") describes no image.

    CLIP reads 77 tokens. Of a longer text the end is cut off, the end token is kept, and the score's details say so.
    The image is resized to 224 pixels on its shorter side and cropped to its centre; what lies outside is not seen.

    Other conventions: `clip_score:model=ViT-L-14,template={prompt},scale=100` is torchmetrics' (which takes the maximum
    with 0 after the mean over a batch, and resizes tensors a little differently).

    Options:
        model: OpenAI's CLIP, by its size: ViT-B-32 (the paper's), ViT-B-16 or ViT-L-14.
        template: The text that is compared; {prompt} stands for the prompt.
        scale: What the cosine is multiplied by: 2.5 in the paper, 100 in torchmetrics.

    Source: Hessel et al., EMNLP 2021, arXiv:2104.08718. The authors' code computes in float16 on a GPU.

    >>> CLIPScore(model="ViT-L-14").checkpoints()
    ('clip-vit-l-14-openai',)
    """

    name, version = "clip_score", 1
    title = "image shows its prompt (CLIPScore)"
    needs = frozenset({"edited", "prompt"})
    dimensions = (
        Dimension("clip_score", low=0, high=2.5, primary=True, description="agreement of the image with the prompt"),
    )
    paper = "Hessel et al., CLIPScore: a reference-free evaluation metric for image captioning, EMNLP 2021"

    def __init__(
        self,
        *,
        model: Model = "ViT-B-32",
        template: str = "A photo depicts {prompt}",
        scale: Annotated[float, Gt(0)] = 2.5,
    ) -> None:
        if "{prompt}" not in template:
            raise EditMetricsError(f"clip_score: template is {template!r}; it must contain {{prompt}}")
        self.model, self.template, self.scale = model, template, scale
        self.model_name: Model = model

    def active_dimensions(self) -> tuple[Dimension, ...]:
        """Return the range from 0 to the option `scale`."""
        return (replace(type(self).dimensions[0], high=self.scale),)

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "prompt": self.template}

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """The image (3, 224, 224), float32, the text's tokens (77,), int64, and a note when the text was cut."""
        tokens, note = tokenize(self.template.replace("{prompt}", sample.prompt or ""))
        return {"image": preprocess(sample.edited), "tokens": tokens, "note": note}

    def batch_of(self, fields: dict[str, Any]) -> dict[str, Any]:
        texts = [self.template.replace("{prompt}", prompt) for prompt in fields["prompt"]]
        return {"image": self.sees(fields["edited"]), "tokens": tokenize_all(texts, fields["edited"])}

    def forward(self, batch: dict[str, Any]) -> Tensor:
        return _stretched(self.embed_images(batch["image"]), self.embed_texts(batch["tokens"]), self.scale)
