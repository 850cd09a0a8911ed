"""Random weights in place of the published ones, so that metrics that load weights can be checked without a network."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

DEFAULT = ("lpips-alexnet", "lpips-squeezenet", "clip-vit-b-32-openai")

TINY_CLIP = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
"""The architecture that stands for each CLIP: its inputs and vocabulary, and two narrow layers."""


@contextmanager
def offline_weights(checkpoints: Iterable[str] = DEFAULT) -> Iterator[Path]:
    """Inside a `with` block, use random weights for the built-in `checkpoints`; yields the folder that holds them.

    The files are read, verified and identified as real ones are (`editmetrics.weights.substitute`), so scores carry
    their checksums and cannot be taken for real. LPIPS gets a random backbone of the true architecture under the true
    heads; CLIP two random layers, for which `open_clip.get_model_config` is replaced while the block runs.

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
    if unknown := [name for name in names if name not in _RECIPES]:
        raise ValueError(f"there is no imitation of {', '.join(unknown)}; there are {', '.join(_RECIPES)}")
    with tempfile.TemporaryDirectory(prefix="editmetrics-weights-") as folder, ExitStack() as inside:
        for name in names:
            file = Path(folder, name, weights.checkpoint(name).files[0].path)
            file.parent.mkdir(parents=True)
            _save(_RECIPES[name](), file)
            inside.enter_context(weights.substitute(name, file.parent))
        if any(name.startswith("clip-") for name in names):
            inside.enter_context(mock.patch("open_clip.get_model_config", return_value=TINY_CLIP))
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


_RECIPES: dict[str, Callable[[], dict[str, Tensor]]] = {
    "lpips-alexnet": _backbone("alexnet"),
    "lpips-squeezenet": _backbone("squeezenet1_1"),
    "lpips-vgg16": _backbone("vgg16"),
    "clip-vit-b-32-openai": _tiny_clip,
    "clip-vit-b-16-openai": _tiny_clip,
    "clip-vit-l-14-openai": _tiny_clip,
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
