"""The settings of an image regressor's training, and a preset for each recipe file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le

from ...mllm.losses import RatingLoss
from ...mllm.recipe import Recipe, RecipeError, adjusted
from .reading import NAMES, named_recipe


@dataclass(frozen=True)
class RegressorMethod:
    """The method's own settings.

    - `recipe`: the recipe's name, or the path of a file of your own; set by the preset.
    - `reference`: the source image is seen, too, and compared with the edited one. `instruction`: the text of the
      instruction is read by CLIP's text tower.
    - `freeze`: whether backbones are left as they are, so that their features are computed once; None as in the recipe.
    - `pretrained`: where the first backbone starts: "recipe", as the recipe says; "random"; or an
      entry of the weights registry, or a file of tensors by timm's (or open_clip's) names.
    - `loss`: of ratings as parts of their scale, a sum of the terms of `mllm.losses`; of a head of levels in units of
      levels. "emd" alone is that of a distribution. Labels (authenticity) have the binary cross-entropy instead.
    - `consistency`: factor of the mean difference between an image and its mirror image, in ratings and features.
    - `soft_width`: deviation of the raters, as a part of the scale, for distributions; or `rater_spread`, the suffix of
      the columns that hold it (".sd").
    - `backbone_rate`: the learning rate of backbones as a part of the head's.
    - `feature_store_gb`: the most room that kept features may take.
    """

    recipe: str = "probe"
    reference: bool = False
    instruction: bool = False
    freeze: bool | None = None
    pretrained: str = "recipe"
    loss: str = "l1"
    consistency: Annotated[float, Ge(0)] = 0.0
    soft_width: Annotated[float, Gt(0), Le(1)] = 0.15
    rater_spread: str | None = None
    backbone_rate: Annotated[float, Gt(0)] = 1.0
    feature_store_gb: Annotated[float, Gt(0)] = 20.0

    def __post_init__(self) -> None:
        _ = self.rating_loss  # refuses what is not a loss

    @property
    def rating_loss(self) -> RatingLoss | None:
        """The loss of ratings that `loss` names; None for that of distributions."""
        return None if self.loss == "emd" else RatingLoss.parse(self.loss)


class Presets(Mapping[str, "tuple[RegressorMethod, Recipe]"]):
    """A preset for each recipe: the built-in ones by name, `probe` first, and any recipe file by its path."""

    def __iter__(self) -> Iterator[str]:
        return iter(["probe", *(name for name in NAMES if name != "probe")])

    def __len__(self) -> int:
        return len(NAMES)

    def __contains__(self, name: object) -> bool:
        return name in NAMES or (isinstance(name, str) and name.endswith(".toml"))

    def __getitem__(self, name: str) -> tuple[RegressorMethod, Recipe]:
        if name not in self:
            raise KeyError(name)
        training: Mapping[str, Any] = named_recipe(name).training
        own = {field.name for field in fields(RegressorMethod)}
        method = {key: value for key, value in training.items() if key in own}
        recipe = {key: value for key, value in training.items() if key not in own}
        try:
            return adjusted(RegressorMethod(), {**method, "recipe": name}), adjusted(Recipe(), recipe)
        except RecipeError as error:
            raise RecipeError(f"the recipe {name}, [training]: {error}") from error


def check_loss(method: RegressorMethod, head: str, name: str) -> None:
    """Raise `RecipeError` where the loss is not one of the head's: "emd" needs a distribution."""
    if method.loss == "emd" and head != "distribution":
        raise RecipeError(f"loss=emd compares distributions, and the head of {name} gives none; set loss=l1")
