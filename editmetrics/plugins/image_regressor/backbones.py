"""The backbones of image regressors: networks from views to feature maps.

This module imports torch at its top; import it inside functions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ...mllm.recipe import RecipeError
from ...mllm.turns import seeded
from ...sample import EditMetricsError
from .schema import BackboneRule, ViewRule

CONVOLUTION = re.compile(r"conv(\d+)-(\d+)(?:/(\d+))?")
POOLING = re.compile(r"pool(\d+)")


class ImageBackbone(nn.Module):
    """A network from normalised views (N, C, H, W) to a list of maps; `channels` are those of the maps."""

    channels: list[int]
    frozen, fixed_norms = False, False

    def train(self, mode: bool = True) -> ImageBackbone:
        """Set the mode; a frozen backbone remains as it is when scoring, and so do batch norms that are fixed."""
        if self.frozen and not self.training:
            return self
        super().train(mode and not self.frozen)
        if self.fixed_norms:
            for part in self._batch_norms():
                part.train(False)
        return self

    def freeze(self, *, norms_only: bool = False) -> None:
        """Exclude it from training, or the factors of its batch norms alone, whose statistics then stay, too."""
        if norms_only:
            self.fixed_norms = True
            for part in self._batch_norms():
                part.requires_grad_(False)
        else:
            self.frozen = True
            self.requires_grad_(False)
        self.train(self.training)

    def _batch_norms(self) -> list[nn.Module]:
        return [part for part in self.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]

    def state_from(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return this module's state from the tensors of a published file; others (classifiers) are left out."""
        return dict(tensors)


class TimmBackbone(ImageBackbone):
    """Maps of some stages of any model of timm that gives maps; layers behind the last one are not there.

    >>> import torch
    >>> backbone = TimmBackbone(BackboneRule(model="resnet10t", stages=(1, 4)), ViewRule())
    >>> [tuple(each.shape) for each in backbone(torch.zeros(1, 3, 64, 64))]
    [(1, 64, 16, 16), (1, 512, 2, 2)]
    """

    def __init__(self, rule: BackboneRule, images: ViewRule) -> None:
        import timm

        super().__init__()
        if not timm.is_model(rule.model):
            raise RecipeError(f"timm has no model {rule.model!r}; timm.list_models() lists them")
        settings: dict[str, Any] = {"out_indices": rule.stages or (-1,)}
        facts = timm.get_pretrained_cfg(rule.model)
        if facts is not None and facts.fixed_input_size and facts.input_size[-1] != images.crop:
            settings["img_size"] = images.crop
        try:
            getter: Any = timm.create_model(
                rule.model, pretrained=False, features_only=True, feature_cls="getter", **settings
            )
        except (RuntimeError, TypeError, ValueError, AssertionError, IndexError, AttributeError) as error:
            raise RecipeError(
                f"timm's {rule.model} gives no maps of the stages {list(rule.stages)}: {error}"
            ) from error
        self.getter = getter
        self.channels = list(getter.feature_info.channels())

    def forward(self, views: Tensor) -> list[Tensor]:
        getter: Any = self.getter
        maps: list[Tensor] = getter(views)
        return maps

    def state_from(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        own = self.state_dict()
        named = {f"getter.model.{name}": tensor for name, tensor in tensors.items()}
        return {name: named[name] for name in own if name in named}


class ClipBackbone(ImageBackbone):
    """The embedding of an image by a CLIP of open_clip, as a map of one cell; `model` has the text tower, too.

    The text tower is left as it is unless a body of texts trains it.
    """

    def __init__(self, rule: BackboneRule, images: ViewRule) -> None:
        from open_clip import CLIP, get_model_config

        super().__init__()
        config = get_model_config(rule.model)
        if config is None:
            raise RecipeError(f"open_clip has no model {rule.model!r}; open_clip.list_models() lists them")
        self.model = CLIP(**config)
        self.model.requires_grad_(False).visual.requires_grad_(True)
        self.channels = [int(config["embed_dim"])]
        self.positions = rule.positions

    def forward(self, views: Tensor) -> list[Tensor]:
        from ..clip_iqa import embed_any_size

        embedded: Tensor = self.model.visual(views) if self.positions else embed_any_size(views, self.model.visual)
        return [embedded[:, :, None, None]]

    def state_from(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        counts = {n: count for n, count in self.state_dict().items() if n.endswith("num_batches_tracked")}
        return {**counts, **{f"model.{name}": tensor for name, tensor in tensors.items()}}


class Layers(ImageBackbone):
    """Convolutions as a recipe lists them (`BackboneRule.layers`); the last map.

    >>> import torch
    >>> rule = BackboneRule("layers", layers=("conv7-50 valid", "pool2", "conv3-8/2 norm relu"))
    >>> Layers(rule, ViewRule(channels="contrast"))(torch.zeros(1, 1, 32, 32))[0].shape
    torch.Size([1, 8, 7, 7])
    """

    def __init__(self, rule: BackboneRule, images: ViewRule) -> None:
        super().__init__()
        channels = 1 if images.channels == "contrast" else 3
        layers: list[nn.Module] = []
        for line in rule.layers:
            first, *following = line.split()
            if pooling := POOLING.fullmatch(first):
                layers.append(nn.MaxPool2d(int(pooling[1])))
            elif convolution := CONVOLUTION.fullmatch(first):
                side, outputs, stride = (int(number or 1) for number in convolution.groups())
                padding = 0 if "valid" in following else side // 2
                layers.append(nn.Conv2d(channels, outputs, side, stride, padding))
                channels = outputs
            else:
                raise RecipeError(f"unknown layer {line!r}; expected conv3-64, conv3-64/2 norm relu, pool2, ...")
            for word in following:
                if word not in ("norm", "relu", "valid"):
                    raise RecipeError(f"unknown word {word!r} in the layer {line!r}; expected norm, relu or valid")
                if word == "norm":
                    layers.append(nn.BatchNorm2d(channels))
                elif word == "relu":
                    layers.append(nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*layers)
        self.channels = [channels]

    def forward(self, views: Tensor) -> list[Tensor]:
        return [self.layers(views)]


class StandardisedConvolution(nn.Conv2d):
    """A convolution whose filters have the mean 0 and the deviation 1, padded as TensorFlow's "same".

    Source: Qiao et al., Weight Standardization, arXiv:1903.10520.
    """

    def forward(self, x: Tensor) -> Tensor:
        filters = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        filters = filters / (filters.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(same_padding(x, self.kernel_size[0], self.stride[0]), filters, self.bias, self.stride)


def same_padding(x: Tensor, side: int, stride: int) -> Tensor:
    """Pad (N, C, H, W) with zeros so that a window gives ceil(H / stride) rows: less before than behind."""
    amounts = []
    for size in (x.shape[-1], x.shape[-2]):
        missing = max((-(-size // stride) - 1) * stride + side - size, 0)
        amounts += [missing // 2, missing - missing // 2]
    return F.pad(x, amounts)


class PatchEncoder(ImageBackbone):
    """The stem and one bottleneck of a ResNet with standardised filters and group norms: tiles to maps of a quarter.

    Source: Ke et al., MUSIQ, ICCV 2021, section 3.2; google-research/musiq, model/multiscale_transformer.py.
    """

    def __init__(self, rule: BackboneRule, images: ViewRule) -> None:
        super().__init__()
        self.stem = StandardisedConvolution(3, 64, 7, 2, bias=False)
        self.stem_norm = nn.GroupNorm(32, 64, eps=1e-6)
        sides = (1, 3, 1)
        widths = ((64, 64), (64, 64), (64, 256))
        self.convolutions = nn.ModuleList(
            StandardisedConvolution(*pair, side, bias=False) for pair, side in zip(widths, sides, strict=True)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(32, size, eps=1e-4) for _, size in widths)
        self.shortcut = StandardisedConvolution(64, 256, 1, bias=False)
        self.shortcut_norm = nn.GroupNorm(32, 256, eps=1e-4)
        self.channels = [256]

    def forward(self, views: Tensor) -> list[Tensor]:
        x = F.relu(self.stem_norm(self.stem(views)))
        x = F.max_pool2d(same_padding(x, 3, 2), 3, 2)
        aside = self.shortcut_norm(self.shortcut(x))
        for index, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = norm(convolution(x))
            x = F.relu(x) if index < 2 else x
        return [F.relu(x + aside)]


LIBRARIES: dict[str, type[Any]] = {
    "timm": TimmBackbone,
    "open_clip": ClipBackbone,
    "layers": Layers,
    "patch_encoder": PatchEncoder,
}


def make_backbone(rule: BackboneRule, images: ViewRule, seed: int = 0) -> ImageBackbone:
    """Build a backbone with random weights on the CPU, the same for the same `seed`."""
    with seeded(seed):
        backbone: ImageBackbone = LIBRARIES[rule.library](rule, images)
    return backbone


class BackboneWeightsError(EditMetricsError):
    """A file of weights does not fit a backbone, or is not the one that a checkpoint was trained on."""


def fill_backbone(backbone: ImageBackbone, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Put published tensors into `backbone`. Raises `BackboneWeightsError`, which names `origin` and a tensor."""
    own, state = backbone.state_dict(), backbone.state_from(tensors)
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    if missing:
        raise BackboneWeightsError(
            f"{origin} does not fit the backbone: it lacks {missing[0]} and {len(missing) - 1} more of its "
            f"{len(own)} tensors"
        )
    for name in own:
        if name in state and state[name].shape != own[name].shape:
            shapes = f"{tuple(state[name].shape)}, expected {tuple(own[name].shape)}"
            raise BackboneWeightsError(f"{origin} does not fit the backbone: its {name} is {shapes}")
    backbone.load_state_dict({**own, **{name: state[name] for name in own if name in state}})


def digest_of(module: nn.Module) -> str:
    """Return the SHA-256 of a module's parameters and buffers, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
