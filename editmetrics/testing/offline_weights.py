"""Random weights in place of the published ones, so that metrics that load weights can be checked without a network."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from ..plugins.edit_regression import PARTS
from .published_edits import write_edit_hf, write_lmm4edit

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

DEFAULT = (
    *("lpips-alexnet", "lpips-squeezenet", "lpips-vgg16", "dists"),
    *("clip-vit-b-32-openai", "clip-vit-l-14-openai", "dino-vit-s-16", "dino-vit-b-8"),
    *(f"{metric}.{part}" for metric in ("lmm4edit", "edit_hf") for part in PARTS.values()),
)

TINY_CLIP = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
"""The architecture that stands for each CLIP: its inputs and vocabulary, and two narrow layers."""


TINY_DINO: dict[str, Any] = {"embed_dim": 48, "depth": 2, "num_heads": 2, "num_classes": 0}
"""What stands for each DINO: its inputs and patches, and two narrow layers."""


@contextmanager
def offline_weights(checkpoints: Iterable[str] = DEFAULT) -> Iterator[Path]:
    """Inside a `with` block, use random weights for the built-in `checkpoints`; yields the folder that holds them.

    The files are read, verified and identified as real ones are (`editmetrics.weights.substitute`), so scores carry
    their checksums and cannot be taken for real. LPIPS gets a random backbone of the true architecture under the true
    heads, and DISTS under random weights of channels; CLIP and DINO have two random layers, for which
    `open_clip.get_model_config` and `timm.create_model` are replaced while the block runs. LMM4Edit and EditHF get
    random adapters and heads for the backbone `toy-internvl`, which must be named: "lmm4edit:backbone=toy-internvl".

    A package with metrics of its own does the same for its checkpoints with `editmetrics.weights.substitute`, or hands
    `check_metric` a `setup` that gives an instance small weights.

    Raises `ValueError` for a checkpoint that it does not know how to imitate.

    >>> from editmetrics import create_metric
    >>> from editmetrics.testing import toys
    >>> with offline_weights(["lpips-squeezenet"]):
    ...     create_metric("lpips:net=squeeze", device="cpu").score(toys.samples(1))[0].ok
    True
    """
    from .. import weights

    names = list(checkpoints)
    if unknown := [name for name in names if name not in {*_RECIPES, *_WRITERS}]:
        known = ", ".join([*_RECIPES, *_WRITERS])
        raise ValueError(f"there is no imitation of {', '.join(unknown)}; there are {known}")
    with tempfile.TemporaryDirectory(prefix="editmetrics-weights-") as folder, ExitStack() as inside:
        for name in names:
            place = Path(folder, name)
            place.mkdir()
            if name in _WRITERS:
                _WRITERS[name](weights.pull("toy-internvl"), place, name.partition(".")[2])
            else:
                _save(_RECIPES[name](), place / weights.checkpoint(name).files[0].path)
            inside.enter_context(weights.substitute(name, place))
        if any(name.startswith("clip-") for name in names):
            inside.enter_context(mock.patch("open_clip.get_model_config", return_value=TINY_CLIP))
        if any(name.startswith("dino-") for name in names):
            inside.enter_context(mock.patch("timm.create_model", _tiny_dino_model))
        yield Path(folder)


def _backbone(architecture: str) -> Callable[[], dict[str, Tensor]]:
    """Random weights for the features of one of torchvision's networks, the only part that LPIPS reads."""

    def tensors() -> dict[str, Tensor]:
        import torch
        from torchvision import models

        with torch.device("meta"):  # shapes only: the classifier alone would take seconds
            features = models.get_model(architecture, weights=None).features
        return {f"features.{name}": tensor for name, tensor in _random(features).items()}

    return tensors


def _tiny_clip() -> dict[str, Tensor]:
    import torch
    from open_clip import CLIP

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tensors = CLIP(**TINY_CLIP).state_dict()
    # Random embeddings are orthogonal, and CLIPScore cuts negative cosines off: a common direction makes them positive.
    for bias, projection in (("visual.ln_post.bias", "visual.proj"), ("ln_final.bias", "text_projection")):
        tensors[bias] = torch.full_like(tensors[bias], 0.1)
        tensors[projection][:, 0] += 0.5
    return tensors


def _tiny_dino_model(architecture: str, **_: Any) -> Module:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(patch_size=8 if "patch8" in architecture else 16, **TINY_DINO)


def _tiny_dino(architecture: str) -> Callable[[], dict[str, Tensor]]:
    def tensors() -> dict[str, Tensor]:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return _tiny_dino_model(architecture).state_dict()

    return tensors


def _channel_weights() -> dict[str, Tensor]:
    import torch

    random = torch.Generator().manual_seed(0)
    return {name: torch.rand(1, 1475, 1, 1, generator=random) for name in ("alpha", "beta")}


_RECIPES: dict[str, Callable[[], dict[str, Tensor]]] = {
    "lpips-alexnet": _backbone("alexnet"),
    "lpips-squeezenet": _backbone("squeezenet1_1"),
    "lpips-vgg16": _backbone("vgg16"),
    "clip-vit-b-32-openai": _tiny_clip,
    "clip-vit-b-16-openai": _tiny_clip,
    "clip-vit-l-14-openai": _tiny_clip,
    "dino-vit-s-16": _tiny_dino("patch16"),
    "dino-vit-b-16": _tiny_dino("patch16"),
    "dino-vit-s-8": _tiny_dino("patch8"),
    "dino-vit-b-8": _tiny_dino("patch8"),
    "dists": _channel_weights,
}


_WRITERS: dict[str, Callable[[Path, Path, str], object]] = {
    f"{metric}.{part}": writer
    for metric, writer in (("lmm4edit", write_lmm4edit), ("edit_hf", write_edit_hf))
    for part in PARTS.values()
}


def _random(module: Module) -> dict[str, Tensor]:
    """Weights at which a network with ReLU neither fades nor explodes: deviation sqrt(2 / inputs), biases 0."""
    import torch

    random = torch.Generator().manual_seed(0)
    tensors: dict[str, Any] = {}
    for name, tensor in module.state_dict().items():
        if tensor.ndim == 1:
            tensors[name] = torch.zeros(tensor.shape)
        else:
            tensors[name] = torch.randn(tensor.shape, generator=random) * math.sqrt(2 / tensor[0].numel())
    return tensors


def _save(tensors: dict[str, Tensor], file: Path) -> None:
    if file.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    else:
        import torch

        torch.save(tensors, file)
