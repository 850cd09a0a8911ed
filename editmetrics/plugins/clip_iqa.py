"""CLIP-IQA: whether CLIP finds an image nearer to "Good photo." than to "Bad photo."."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..bases.network import NetworkMetric
from ..sample import Dimension, Sample, SampleError
from ..transfer import constant
from .preprocessing import CLIP_DEVIATION, CLIP_MEAN

if TYPE_CHECKING:
    from torch import Tensor

Attribute = Literal[
    "quality", "brightness", "noisiness", "colorfulness", "sharpness", "contrast", "complexity", "natural", "happy",
    "scary", "new", "warm", "real", "beautiful", "lonely", "relaxing",
]  # fmt: skip

ANTONYMS: dict[Attribute, tuple[str, str]] = {
    "quality": ("Good photo.", "Bad photo."), "brightness": ("Bright photo.", "Dark photo."),
    "noisiness": ("Clean photo.", "Noisy photo."), "colorfulness": ("Colorful photo.", "Dull photo."),
    "sharpness": ("Sharp photo.", "Blurry photo."), "contrast": ("High contrast photo.", "Low contrast photo."),
    "complexity": ("Complex photo.", "Simple photo."), "natural": ("Natural photo.", "Synthetic photo."),
    "happy": ("Happy photo.", "Sad photo."), "scary": ("Scary photo.", "Peaceful photo."),
    "new": ("New photo.", "Old photo."), "warm": ("Warm photo.", "Cold photo."),
    "real": ("Real photo.", "Abstract photo."), "beautiful": ("Beautiful photo.", "Ugly photo."),
    "lonely": ("Lonely photo.", "Sociable photo."), "relaxing": ("Relaxing photo.", "Stressful photo."),
}  # fmt: skip
"""For each attribute a text of much of it, and one of little."""

LEAST = 32
"""The side of the smallest image, in pixels, of which the network has a feature."""


def clip_iqa(images: Tensor, tokens: Tensor, model: Any) -> Tensor:
    """CLIP-IQA of images, (N,), in [0, 1]; higher is nearer to the first text.

    exp(s) cos(E_image, E_text), softmax over the two texts, of which the first one's share is the score

    where the image's embedding is made without the positions of its features, so that any size can be seen. `images`:
    (N, 3, H, W), in [0, 1]. `tokens`: (2, 77), int64, of the two texts. `model`: open_clip's CLIP with a ResNet.
    Differentiable in the images.

    Source: Wang, Chan, Loy, AAAI 2023, arXiv:2207.12396, equation 3.

    >>> import torch
    >>> from editmetrics.testing import offline_weights
    >>> metric = CLIPIQA().to("cpu")
    >>> with offline_weights(["clip-rn50-openai"]):
    ...     metric.load()
    >>> images = torch.rand(2, 3, 64, 96)
    >>> clip_iqa(images, torch.ones(2, 77, dtype=torch.int64), metric.module)  # equal texts have equal shares
    tensor([0.5000, 0.5000])
    """
    import torch.nn.functional as F

    mean, deviation = (constant(values, images)[:, None, None] for values in (CLIP_MEAN, CLIP_DEVIATION))
    seen = F.normalize(embed_any_size((images - mean) / deviation, model.visual), dim=-1)
    texts = model.encode_text(tokens, normalize=True)
    share: Tensor = (model.logit_scale.exp() * seen @ texts.T).softmax(-1)[:, 0]
    return share


def embed_any_size(images: Tensor, resnet: Any) -> Tensor:
    """Return the embeddings of images (N, 3, H, W) by CLIP's ResNet without positions, (N, D)."""
    import torch
    import torch.nn.functional as F

    features = resnet.layer4(resnet.layer3(resnet.layer2(resnet.layer1(resnet.stem(images)))))
    spots = features.flatten(2).transpose(1, 2)
    pool, whole = resnet.attnpool, spots.mean(1, keepdim=True)
    keys = torch.cat([whole, spots], 1)
    query, key, value = (
        projection(part).unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)
        for projection, part in ((pool.q_proj, whole), (pool.k_proj, keys), (pool.v_proj, keys))
    )
    pooled = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    embedding: Tensor = pool.c_proj(pooled)[:, 0]
    return embedding


class CLIPIQA(NetworkMetric):
    """CLIP-IQA of the edited image, in [0, 1]; higher is nearer to a good photo.

    The share of "Good photo." against "Bad photo." in a softmax of CLIP's similarities to the image. The network is
    CLIP's ResNet-50 without positions, so that images are seen at their own size. It looks at the image alone: neither
    at a prompt nor at the source.

    Options:
        attribute: The pair of texts: quality is the paper's; the others ask "Bright photo." against "Dark photo." and
            so on (see `editmetrics.plugins.clip_iqa.ANTONYMS`), for which the first text counts.

    Source: Wang, Chan, Loy, AAAI 2023, arXiv:2207.12396.

    >>> ANTONYMS["sharpness"]
    ('Sharp photo.', 'Blurry photo.')
    """

    name, version = "clip_iqa", 1
    title = "looks like a good photo (CLIP-IQA)"
    requires = ("open-clip-torch",)
    dimensions = (Dimension("clip_iqa", low=0, high=1, primary=True, description="share of the positive text"),)
    paper = "Wang, Chan, Loy, Exploring CLIP for assessing the look and feel of images, AAAI 2023"
    licence = "NTU S-Lab License 1.0 (the authors' code, not used here); MIT (OpenAI's CLIP)"

    def __init__(self, *, attribute: Attribute = "quality") -> None:
        self.attribute: Attribute = attribute

    def checkpoints(self) -> tuple[str, ...]:
        return ("clip-rn50-openai",)

    def network_name(self) -> str:
        return "open_clip RN50-quickgelu"

    def network(self) -> Any:
        from open_clip import CLIP, get_model_config

        return CLIP(**get_model_config("RN50-quickgelu"))

    def state(self, network: Any, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the file's tensors; counts of training batches, which only training looks at, may be missing."""
        counts = {name: count for name, count in network.state_dict().items() if name.endswith("num_batches_tracked")}
        return {**counts, **files[0]}

    def identity(self) -> dict[str, Any]:
        texts = list(ANTONYMS[self.attribute])
        return {**super().identity(), "prompt": texts, "preprocessing": "RGB in [0, 1] at its own size, CLIP's mean"}

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Return the edited image (3, H, W), float32 in [0, 1]."""
        prepared = super().prepare(sample)
        height, width = prepared["edited"].shape[-2:]
        if min(height, width) < LEAST:
            raise SampleError(f"the image is {width} x {height} pixels; clip_iqa needs {LEAST} on each side")
        return prepared

    def batch_of(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"edited": fields["edited"]}

    def forward(self, batch: dict[str, Any]) -> Tensor:
        return clip_iqa(batch["edited"], self._texts(batch["edited"]), self.module)

    def _texts(self, like: Tensor) -> Tensor:
        from open_clip import tokenize

        texts = tokenize(list(ANTONYMS[self.attribute]))
        return constant(tuple(texts.flatten().tolist()), like).view(texts.shape)
