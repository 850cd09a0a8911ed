"""Checkpoints as they are published, complete and of full size, but random: other libraries read them too."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from editmetrics import weights


def random_tensors(name: str) -> dict[str, Tensor]:
    """The state dict that the checkpoint `name` has, filled from seed 0."""
    torch.manual_seed(0)
    if name.startswith("clip-"):
        from open_clip import CLIP, get_model_config

        architecture = {"clip-vit-b-32-openai": "ViT-B-32-quickgelu"}[name]
        tensors = CLIP(**get_model_config(architecture)).state_dict()
        # a direction that all images and texts share makes their cosines positive, as those of real weights are
        shared = torch.randn(len(tensors["visual.ln_post.bias"])) @ tensors["visual.proj"]
        tensors["visual.ln_post.bias"] = torch.linalg.lstsq(tensors["visual.proj"].T, shared).solution
        tensors["ln_final.bias"] = torch.linalg.solve(tensors["text_projection"].T, shared)
        return {key: tensor.half() for key, tensor in tensors.items()}
    import torchvision.models

    architecture = {"lpips-alexnet": "alexnet", "lpips-vgg16": "vgg16", "lpips-squeezenet": "squeezenet1_1"}[name]
    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in getattr(torchvision.models, architecture)().state_dict().items()}
    return {key: _random(key, shape) for key, shape in shapes.items()}


def write_random_checkpoint(name: str, folder: Path) -> Path:
    """Write the file of the checkpoint `name`, with random numbers, into `folder`."""
    from safetensors.torch import save_file

    file = folder / weights.checkpoint(name).files[0].path
    folder.mkdir(parents=True, exist_ok=True)
    (save_file if file.suffix == ".safetensors" else torch.save)(random_tensors(name), file)
    return file


def _random(key: str, shape: torch.Size) -> Tensor:
    if key.startswith("classifier."):  # 500 MB of it in VGG-16, of no use to any metric: one stored number each
        return torch.zeros(1).expand(shape)
    if len(shape) == 1:
        return 0.1 * torch.randn(shape)
    return torch.randn(shape) * (2 / shape[1:].numel()) ** 0.5  # He's, which keeps the features' scale
