"""CLIPScore: how well an image fits a text, as the angle between their embeddings by CLIP."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt

from ..metric import Metric, pick_device
from ..sample import Dimension, EditMetricsError, Sample, Score

if TYPE_CHECKING:
    from torch import Tensor

Model = Literal["ViT-B-32", "ViT-B-16", "ViT-L-14"]

CHECKPOINTS: dict[Model, str] = {
    "ViT-B-32": "clip-vit-b-32-openai",
    "ViT-B-16": "clip-vit-b-16-openai",
    "ViT-L-14": "clip-vit-l-14-openai",
}
IMAGE_SIZE = 224
PREPROCESSING = (
    "8-bit RGB, shorter side to 224 (Pillow's antialiased bicubic), centre crop 224, CLIP's mean and deviation"
)
TOKENS = 77
"""Tokens of a text, with the start and the end token; CLIP reads no more."""


def clip_score(images: Tensor, tokens: Tensor, model: Any, scale: float = 2.5) -> Tensor:
    """CLIPScore of images and texts, without unit, in [0, `scale`]; higher fits better.

    scale * max(cos(E_image, E_text), 0)

    where E are CLIP's embeddings. `images`: (N, 3, 224, 224), as CLIP's preprocessing leaves them. `tokens`: (N, 77),
    int64. `model`: an `open_clip` model, as `load_model` gives it. Returns (N,), one value per pair. Differentiable in
    the images where the cosine is positive.

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
    cosine = (model.encode_image(images, normalize=True) * model.encode_text(tokens, normalize=True)).sum(-1)
    return scale * cosine.clamp(min=0)


def load_model(name: Model) -> Any:
    """OpenAI's CLIP in open_clip's architecture, on the CPU, in float32, with weights from the weights store.

    Downloads them at their first use. Raises `WeightsError` when that fails, or their file is not the right one.
    """
    import torch
    from open_clip import CLIP, get_model_config

    from .. import weights

    weights.pull(CHECKPOINTS[name])
    file = weights.path(CHECKPOINTS[name])
    with torch.random.fork_rng(devices=[]):  # the random numbers that it starts with are nobody's concern
        model = CLIP(**get_model_config(f"{name}-quickgelu"))  # OpenAI's GELU is x * sigmoid(1.702 x)
    try:
        model.load_state_dict(weights.load_state_dict(file), strict=True)
    except RuntimeError as error:
        raise weights.WeightsError(f"{file} does not fit CLIP {name}: {error}") from error
    return model.requires_grad_(False).eval()


class CLIPScore(Metric):
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
    needs = frozenset({"edited", "prompt"})
    dimensions = (
        Dimension("clip_score", low=0, high=2.5, primary=True, description="agreement of the image with the prompt"),
    )
    paper = "Hessel et al., CLIPScore: a reference-free evaluation metric for image captioning, EMNLP 2021"
    licence = "MIT (OpenAI's CLIP); the terms of the weights are in 'editmetrics weights list'"
    requires = ("open-clip-torch",)

    def __init__(
        self,
        *,
        model: Model = "ViT-B-32",
        template: str = "A photo depicts {prompt}",
        scale: Annotated[float, Gt(0)] = 2.5,
    ) -> None:
        if "{prompt}" not in template:
            raise EditMetricsError(f"clip_score: template is {template!r}; it must contain {{prompt}}")
        self.model = model
        self.template = template
        self.scale = scale
        if scale != self.dimensions[0].high:  # the range belongs to the options, and so to the instance
            self.dimensions = (replace(self.dimensions[0], high=scale),)  # type: ignore[misc]
        self._model: Any = None

    def checkpoints(self) -> tuple[str, ...]:
        return (CHECKPOINTS[self.model],)

    def identity(self) -> dict[str, Any]:
        from .. import weights

        return {
            **super().identity(),
            "weights": weights.checksums(self.checkpoints()),
            "architecture": f"open_clip {self.model}-quickgelu",
            "prompt": self.template,
            "preprocessing": PREPROCESSING,
        }

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """The image (3, 224, 224), float32, the text's tokens (77,), int64, and a note when the text was cut."""
        import open_clip

        text = self.template.replace("{prompt}", sample.prompt or "")
        prepared = {"image": preprocess(sample.edited), "tokens": open_clip.tokenize([text])[0]}
        length = len(_tokenizer().encode(text)) + 2
        if length > TOKENS:
            prepared["note"] = (
                f"the text has {length} tokens with start and end; CLIP reads {TOKENS}: its end was cut off"
            )
        return prepared

    def load(self) -> None:
        self.device = pick_device(self.device)
        if self._model is None:
            self._model = load_model(self.model)
        self._model.to(self.device)

    def score_batch(self, batch: list[dict[str, Any]]) -> list[Score]:
        import torch

        images = torch.stack([item["image"] for item in batch]).to(self.device)
        tokens = torch.stack([item["tokens"] for item in batch]).to(self.device)
        with torch.inference_mode():
            values = clip_score(images, tokens, self._model, self.scale).tolist()
        notes = [{"note": item["note"]} if "note" in item else {} for item in batch]
        return [Score({"clip_score": value}, details=note) for value, note in zip(values, notes, strict=True)]

    def batch_key(self, prepared: dict[str, Any]) -> None:
        return None  # all have one size


def preprocess(image: Any) -> Tensor:
    """An image as CLIP takes it: (3, 224, 224), float32, normalised by CLIP's mean and standard deviation.

    `image` is anything that `read_image` takes. Raises `ImageError`.

    >>> import numpy as np
    >>> preprocess(np.zeros((300, 400, 3), np.uint8)).shape
    torch.Size([3, 224, 224])
    """
    from PIL import Image

    from ..images import eight_bits, read_image

    return _transform()(Image.fromarray(eight_bits(read_image(image))))


@cache
def _transform() -> Any:
    from open_clip import image_transform

    return image_transform(IMAGE_SIZE, is_train=False)


@cache
def _tokenizer() -> Any:
    from open_clip import SimpleTokenizer

    return SimpleTokenizer()
