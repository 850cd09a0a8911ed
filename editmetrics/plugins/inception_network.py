"""The Inception-v3 that FID was defined with: TensorFlow's of 2015-12-05, whose pooling differs from torchvision's.

This module imports torch at its top.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Identity, Module
from torchvision.models.inception import Inception3, InceptionA, InceptionC, InceptionE

CLASSES = 1008


def inception() -> Module:
    """Build the network without weights: images (N, 3, 299, 299) in [-1, 1] -> features of its last pooling, (N, 2048).

    Its average pooling leaves the padding out of the mean, and the last block has a maximum in the place of one, as
    TensorFlow's graph has. `fc` makes its 1,008 logits.
    """
    network = Inception3(num_classes=CLASSES, aux_logits=False, init_weights=False)
    for name, channels, pooled in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        setattr(network, f"Mixed_{name}", _BlockA(channels, pooled))
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        setattr(network, f"Mixed_{name}", _BlockC(768, width))
    network.Mixed_7b, network.Mixed_7c = _BlockE(1280), _LastBlock(2048)
    return _Pooled(network)


class _Pooled(Module):
    """The network up to its last pooling, under the names of the published file."""

    def __init__(self, network: Inception3) -> None:
        super().__init__()
        for name, layer in network.named_children():
            self.add_module(name, layer)
        self.dropout = Identity()

    def forward(self, images: Tensor) -> Tensor:
        for name, layer in self.named_children():
            if name == "fc":
                break
            images = layer(images)
        return images.flatten(1)


def _mean_without_padding(images: Tensor) -> Tensor:
    return F.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)


def _through(images: Tensor, *layers: Module) -> Tensor:
    for layer in layers:
        images = layer(images)
    return images


class _BlockA(InceptionA):
    def forward(self, images: Tensor) -> Tensor:
        branches = [
            self.branch1x1(images),
            _through(images, self.branch5x5_1, self.branch5x5_2),
            _through(images, self.branch3x3dbl_1, self.branch3x3dbl_2, self.branch3x3dbl_3),
            self.branch_pool(_mean_without_padding(images)),
        ]
        return torch.cat(branches, 1)


class _BlockC(InceptionC):
    def forward(self, images: Tensor) -> Tensor:
        twice = (
            self.branch7x7dbl_1,
            self.branch7x7dbl_2,
            self.branch7x7dbl_3,
            self.branch7x7dbl_4,
            self.branch7x7dbl_5,
        )
        branches = [
            self.branch1x1(images),
            _through(images, self.branch7x7_1, self.branch7x7_2, self.branch7x7_3),
            _through(images, *twice),
            self.branch_pool(_mean_without_padding(images)),
        ]
        return torch.cat(branches, 1)


class _BlockE(InceptionE):
    def forward(self, images: Tensor) -> Tensor:
        once, twice = self.branch3x3_1(images), _through(images, self.branch3x3dbl_1, self.branch3x3dbl_2)
        branches = [
            self.branch1x1(images),
            self.branch3x3_2a(once),
            self.branch3x3_2b(once),
            self.branch3x3dbl_3a(twice),
            self.branch3x3dbl_3b(twice),
            self.branch_pool(self.pooled(images)),
        ]
        return torch.cat(branches, 1)

    def pooled(self, images: Tensor) -> Tensor:
        return _mean_without_padding(images)


class _LastBlock(_BlockE):
    def pooled(self, images: Tensor) -> Tensor:
        return F.max_pool2d(images, 3, stride=1, padding=1)
