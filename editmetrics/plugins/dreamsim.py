"""DreamSim: the distance between two images in embeddings that were tuned to what people find alike."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..bases.full_reference import Against, Region
from ..sample import Dimension, EditMetricsError
from ..transfer import constant
from .dino import DEVIATION, MEAN
from .embeddings import ImageSimilarity, each_once, seen_region
from .preprocessing import CLIP_DEVIATION, CLIP_MEAN, Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from torch.nn import Module

Model = Literal["ensemble", "dino_vitb16", "clip_vitb32", "open_clip_vitb32"]

BRANCHES: dict[Model, tuple[str, ...]] = {
    "ensemble": ("dino_vitb16", "clip_vitb16", "open_clip_vitb16"),
    "dino_vitb16": ("dino_vitb16",),
    "clip_vitb32": ("clip_vitb32",),
    "open_clip_vitb32": ("open_clip_vitb32",),
}
"""The transformers whose embeddings are joined, in this order."""

CHECKPOINTS: dict[Model, str] = {name: f"dreamsim-{name.replace('_', '-')}" for name in BRANCHES}
DINO = "dino-vit-b-16"
WIDTH, DEPTH, HEADS, EMBEDDING = 768, 12, 12, 512
LOOKS = Preprocessing(fit="squash", mean=(0.0,) * 3, deviation=(1.0,) * 3)
"""What all branches see; each normalises it by itself."""


def dreamsim(source: Tensor, edited: Tensor, network: Any) -> Tensor:
    """Distance of embeddings, in [0, 2]; lower is closer, 0 is identical.

        1 - cos(E(x) - mean of E(x), E(y) - mean of E(y))

    where E joins the embeddings of all branches, and the mean is over their components.

    `source`, `edited`: (N, 3, 224, 224), RGB in [0, 1]. `network`: as `DreamSim.read_network` gives it. Returns (N,).
    Differentiable.

    Source: Fu et al., "DreamSim: learning new dimensions of human visual similarity using synthetic data", NeurIPS
    2023; the centring is that of the authors' package.

    >>> import torch
    >>> images = torch.rand(2, 3, 4, 4)
    >>> dreamsim(images, images, lambda batch: batch.flatten(1)).abs() < 1e-6
    tensor([True, True])
    """
    return distance(network(source), network(edited))


def distance(x: Tensor, y: Tensor) -> Tensor:
    """1 minus the cosine of centred embeddings (N, D)."""
    import torch.nn.functional as F

    x, y = (embedding - embedding.mean(1, keepdim=True) for embedding in (x, y))
    return 1 - F.cosine_similarity(x, y)


class DreamSim(ImageSimilarity):
    """Distance of the edited image from the source in DreamSim's embeddings, in [0, 2]; lower is closer.

    1 minus the cosine of centred embeddings of DINO, CLIP and OpenCLIP (ViT-B/16), tuned on people's choices of which
    of two images is more like a third. It sees layout, pose, what is shown and its colours, where LPIPS sees textures
    and CLIP sees topics. Images are squeezed to 224 x 224 pixels.

    With a region, what lies outside of it is painted in ImageNet's mean colour in both images before anything else.
    That is not normalised by the area of the mask, which an embedding cannot be: compare regions of like size only.

    Options:
        model: ensemble (the authors' choice), or one branch alone, about three times as fast: dino_vitb16, clip_vitb32
            or open_clip_vitb32. The authors' DINOv2, SynCLR and patch models are not here.
        against: What the edited image is compared with: its source, or the reference, a ground-truth target.
        region: What is seen: the whole image, or what lies inside or outside the sample's mask.

    Source: Fu et al., NeurIPS 2023, arXiv:2306.09344; code and weights, https://github.com/ssundaram21/dreamsim (MIT)

    >>> DreamSim(model="open_clip_vitb32").checkpoints()
    ('dreamsim-open-clip-vitb32',)
    """

    name, version = "dreamsim", 1
    title = "distance as people see it"
    dimensions = (Dimension("dreamsim", low=0, high=2, higher_is_better=False, primary=True),)
    paper = (
        "Fu, Tamir, Sundaram, Chai, Zhang, Dekel, Isola, DreamSim: learning new dimensions of human visual similarity "
        "using synthetic data, NeurIPS 2023, arXiv:2306.09344"
    )
    licence = "MIT (code and weights); the backbones' terms are in 'editmetrics weights list'"
    requires = ("timm",)

    def __init__(self, *, model: Model = "ensemble", against: Against = "source", region: Region = "whole") -> None:
        self.model, self.against, self.region = model, against, region
        self.compared_with = against

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "preprocessing": str(LOOKS)}

    def checkpoints(self) -> tuple[str, ...]:
        """The authors' archive, and DINO's own weights, which it does not hold."""
        return (CHECKPOINTS[self.model], *((DINO,) if "dino_vitb16" in BRANCHES[self.model] else ()))

    def network_name(self) -> str:
        return f"dreamsim {self.model}"

    def network(self) -> Module:
        return build_network(BRANCHES[self.model])

    def read_file(self, path: Path) -> dict[str, Tensor]:
        return read_archive(path, self.model) if path.suffix == ".zip" else super().read_file(path)

    def state(self, network: Module, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the branches' tensors by timm's names, the adapters added to them.

        Raises `ValueError` for adapters of tensors that no branch has.
        """
        archive, *dino = files
        tensors: dict[str, Tensor] = {}
        for position, branch in enumerate(BRANCHES[self.model]):
            own = dino[0] if branch.startswith("dino") else _of(f"{branch}/", archive)
            for name, tensor in own.items():
                if name == "proj":
                    tensors[f"{position}.head.weight"] = tensor.float().T.contiguous()
                elif not (branch.startswith("dino") and name.startswith(("norm.", "head"))):  # before its last norm
                    tensors[f"{position}.{name.replace('pos_drop.', 'norm_pre.')}"] = tensor.float()
        return _adapted(tensors, _of("lora/", archive), archive["scale"])

    def see(self, pixels: np.ndarray, mask: Any) -> Tensor:
        return LOOKS.of_image(seen_region(pixels, mask, self.region, MEAN, 1.0))

    def sees(self, images: Tensor) -> Tensor:
        """Scale images (N, 3, H, W), floats in [0, 1], differentiably. Raises `EditMetricsError` for a region."""
        if self.region != "whole":
            raise EditMetricsError(f"{self.label} has no form for tensors: a region is painted in files; use score()")
        return LOOKS.of_tensors(images)

    def forward(self, batch: dict[str, Any]) -> Tensor:
        edited, other = each_once(self.module, [*batch["edited"], *batch["other"]], self.device).chunk(2)
        return distance(edited, other)


def build_network(branches: tuple[str, ...]) -> Module:
    """Build transformers by timm: a module from images (N, 3, 224, 224) in [0, 1] to joined embeddings (N, D)."""
    import torch
    from torch import nn

    class Branches(nn.ModuleList):
        def forward(self, images: Tensor) -> Tensor:
            seen = []
            for branch, transformer in zip(branches, self, strict=True):
                statistics = (MEAN, DEVIATION) if branch.startswith("dino") else (CLIP_MEAN, CLIP_DEVIATION)
                mean, deviation = (constant(values, images)[:, None, None] for values in statistics)
                seen.append(transformer((images - mean) / deviation))
            return torch.cat(seen, 1)

    with torch.device("meta"):
        return Branches(_transformer(branch) for branch in branches)


def _transformer(branch: str) -> Module:
    """DINO's class token before the last norm; CLIP's image embedding, whose patches have a bias in the archive."""
    from functools import partial

    from timm.layers import PatchEmbed
    from timm.models.vision_transformer import VisionTransformer
    from torch import nn

    size: dict[str, Any] = {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": HEADS, "patch_size": int(branch[-2:])}
    if branch.startswith("dino"):
        return VisionTransformer(**size, num_classes=0, final_norm=False, norm_layer=partial(nn.LayerNorm, eps=1e-6))
    transformer = VisionTransformer(
        **size,
        num_classes=EMBEDDING,
        pre_norm=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-5),
        act_layer="gelu" if branch.startswith("open") else "quick_gelu",
        embed_layer=lambda **options: PatchEmbed(**{**options, "bias": True}),
    )
    transformer.head = nn.Linear(WIDTH, EMBEDDING, bias=False)
    return transformer


def read_archive(path: Path, model: Model) -> dict[str, Tensor]:
    """Read the authors' archive: tensors of its branches, "clip_vitb16/NAME", of adapters, "lora/NAME", and "scale".

    Only the members that are named here are read, and nothing is unpacked to where their names point.

    Raises `WeightsError` where one is missing or holds more than tensors, and for a damaged archive.
    """
    import torch

    from .. import weights

    adapters = "ensemble_lora" if model == "ensemble" else f"{model}_single_lora"
    tensors: dict[str, Tensor] = {}
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        members = set(archive.namelist())

        def load(member: str) -> dict[str, Tensor]:
            copy = Path(folder) / Path(member).name
            with archive.open(member) as packed, copy.open("wb") as unpacked:
                while piece := packed.read(2**24):
                    unpacked.write(piece)
            return weights.load_state_dict(copy)

        def pick(*names: str) -> str:
            if present := [name for name in names if name in members]:
                return present[0]
            raise weights.WeightsError(f"{path} holds no {' and no '.join(names)}; expected the authors' archive")

        for branch in BRANCHES[model]:
            if not branch.startswith("dino"):
                own = load(pick(f"{branch}_pretrain.pth.tar"))
                tensors |= {f"{branch}/{name}": tensor for name, tensor in own.items()}
        lora = load(pick(f"{adapters}/adapter_model.safetensors", f"{adapters}/adapter_model.bin"))
        tensors |= {f"lora/{name}": tensor for name, tensor in lora.items()}
        settings = json.loads(archive.read(pick(f"{adapters}/adapter_config.json")))
    tensors["scale"] = torch.tensor(settings["lora_alpha"] / settings["r"])
    return tensors


def _of(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _adapted(tensors: dict[str, Tensor], lora: dict[str, Tensor], scale: Tensor) -> dict[str, Tensor]:
    """Add each low-rank product to its tensor: adapters are named as the authors' modules are."""
    merged = dict(tensors)
    for name, down in lora.items():
        if ".lora_B." in name:
            continue
        _, _, inside = name.partition("extractor_list.")
        position, _, own = inside.partition(".model.")
        target = f"{position}.{own.replace('.lora_A', '')}"
        if ".lora_A." not in name or target not in merged:
            raise ValueError(f"the adapter {name} belongs to no branch")
        up = lora[name.replace(".lora_A.", ".lora_B.")]
        merged[target] = merged[target] + scale * (up.float() @ down.float())
    return merged
