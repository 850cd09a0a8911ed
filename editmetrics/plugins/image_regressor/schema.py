"""The schema of a recipe file: the network of an image regressor and its training, as data.

`reading.read_recipe` makes one of a file `NAME.toml`; `docs/regressors.md` has a table of all that are built in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class RecipeOrigin:
    """Where the method was read, and how large its authors' network is.

    - `paper`, `code`: "" for a recipe of this project. `commit`: of the code.
    - `parameters`: of the authors' network, `counted`: how they were counted. 0 where there is no other network.
    - `differences`: all in which the recipe departs from the authors' method. Where that is a part of the network, of
      its input or of its loss, the recipe's name ends in `_like`.
    """

    paper: str = ""
    code: str = ""
    commit: str = ""
    parameters: int = 0
    counted: str = ""
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackboneRule:
    """A network from images to feature maps.

    - `library`: "timm", any model of timm that gives maps; "open_clip", an image tower, whose embedding is a map of one
      cell; "layers", convolutions that stand in `layers`; "patch_encoder", MUSIQ's convolutions for single patches.
    - `model`: its name there. `stages`: the maps that are taken, by number from 0; () takes the last one.
    - `weights`: the entry of the weights registry that it starts from; "" for random ones.
    - `frozen`: it is not trained. `fixed_norms`: batch norms keep the statistics and the factors that they start with.
    - `layers`: such as "conv3-64/2 norm relu": a convolution of 3 x 3, 64 channels, stride 2, and what follows it;
      "pool2" is the maximum of 2 x 2; "valid" leaves out the padding.
    - `positions`: false for a ResNet of CLIP whose embedding is made without positions, so that it sees any size.
    """

    library: Literal["timm", "open_clip", "layers", "patch_encoder"] = "timm"
    model: str = ""
    stages: tuple[int, ...] = ()
    weights: str = ""
    frozen: bool = False
    fixed_norms: bool = False
    layers: tuple[str, ...] = ()
    positions: bool = True


@dataclass(frozen=True)
class ViewRule:
    """How an image becomes the views that the backbone sees, each (channels, crop, crop).

    - `size`: pixels of the shorter side that images are scaled to (Pillow's bicubic); 0 leaves those as they are that
      are no smaller than `crop`.
    - `square`: both sides are scaled to `size`.
    - `crop`: the side of a view in pixels.
    - `views`: when scoring: "centre", one view; "corners", the four and the centre; "cover", along the longer side as
      many as show all of it; "grid", `count` x `count` over the image, evenly; "tiles", side by side without overlap;
      "scales", tiles of the image and of smaller copies, whose longer sides are `scales`, padded with zeros.
    - `drawn`: views that are drawn at random in training; 0 takes those of scoring.
    - `flip`: training mirrors half of the images.
    - `blur_chance`, `jpeg_chance`: shares of the images that training blurs and compresses, before views are cut, by a
      deviation of `blur_sigma` pixels and a JPEG quality of `jpeg_quality`, each a range. Features of images that are
      degraded anew each time are not kept.
    - `channels`: "rgb"; or "contrast", the grey levels less their local mean, divided by their local deviation.
    - `mean`, `deviation`: of the normalisation, for intensities in [0, 1].
    """

    size: int = 0
    square: bool = False
    crop: int = 224
    views: Literal["centre", "corners", "cover", "grid", "tiles", "scales"] = "grid"
    count: int = 1
    scales: tuple[int, ...] = ()
    drawn: int = 1
    flip: bool = True
    blur_chance: float = 0.0
    blur_sigma: tuple[float, ...] = (0.0, 3.0)
    jpeg_chance: float = 0.0
    jpeg_quality: tuple[int, ...] = (30, 100)
    channels: Literal["rgb", "contrast"] = "rgb"
    mean: tuple[float, ...] = IMAGENET_MEAN
    deviation: tuple[float, ...] = IMAGENET_DEVIATION

    @property
    def degrades(self) -> bool:
        """Whether training sees images that are blurred or compressed."""
        return bool(self.blur_chance or self.jpeg_chance)


@dataclass(frozen=True)
class BodyRule:
    """The part between feature maps and head: `kind` is one of `parts.BODIES`, `settings` its keywords."""

    kind: str = "pooled"
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputRule:
    """The last layers.

    - `kind`: "value", a multilayer perceptron, whose ratings of an image's views are averaged; "weighted", one for
      ratings and one for weights, whose weighted mean counts, over `over`: the "views" of an image or the "tokens" of
      a view; "distribution", shares of `bins` equal parts of the scale, whose mean counts; "levels", shares of the
      body's texts, each of which stands for a part of the scale, the first for its end; "body", the body rates itself.
    - `hidden`, `activation`, `dropout`: of the perceptrons. `norm`: a layer norm before each layer but the last.
    - `value_end`, `weight_end`: what the last layers of "weighted" go through.
    - `each_view`: training compares the rating of each view, not their mean, with that of the image ("value").
    - `standardise`: inputs have the mean 0 and the deviation 1 over the training data; for features that are cached.
    """

    kind: Literal["value", "weighted", "distribution", "levels", "body"] = "value"
    hidden: tuple[int, ...] = ()
    activation: Literal["relu", "gelu", "none"] = "relu"
    dropout: float = 0.0
    norm: bool = False
    over: Literal["views", "tokens"] = "views"
    value_end: Literal["none", "relu"] = "none"
    weight_end: Literal["relu", "sigmoid"] = "relu"
    bins: int = 10
    each_view: bool = False
    standardise: bool = False


@dataclass(frozen=True)
class RegressorRecipe:
    """One method: where it comes from, its network, and the settings of its training.

    - `parameters`: of the network for one dimension, all of it, without the source.
    - `backbones`: one, or two whose maps a body combines.
    - `fusion`: how maps of source and edited image are joined where `reference=true`: "signed", edited, source and
      edited - source; "absolute", with |edited - source| in place of it; "change", edited and |edited - source|.
    - `training`: fields of `method.RegressorMethod` and of `editmetrics.mllm.recipe.Recipe`.
    """

    name: str
    title: str
    origin: RecipeOrigin
    parameters: int
    backbones: tuple[BackboneRule, ...]
    images: ViewRule = ViewRule()
    body: BodyRule = BodyRule()
    head: OutputRule = OutputRule()
    fusion: Literal["signed", "absolute", "change"] = "signed"
    training: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
