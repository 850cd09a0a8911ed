"""A recipe file -> `RegressorRecipe`: every key is known and of its type, and what belongs together is there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

from ...file_hashes import sha256_of_json
from ...files.typed_toml import Problem, read_typed_toml
from ...sample import EditMetricsError
from ...wording import expected_one_of
from .parts import BODIES
from .schema import BackboneRule, BodyRule, OutputRule, RecipeOrigin, RegressorRecipe, ViewRule

FOLDER = Path(__file__).with_name("recipes")

NAMES = sorted(file.stem for file in FOLDER.glob("*.toml"))
"""The built-in recipes."""

DESCRIPTIVE = frozenset({"name", "title", "origin", "parameters", "notes", "training"})
"""Fields that are no part of the network; the settings of the training stand in the checkpoint by themselves."""


class RegressorRecipeError(EditMetricsError, ValueError):
    """A recipe file cannot be used; the message names the file, the line and the key."""


def read_recipe(file: str | Path) -> RegressorRecipe:
    """Read and check a recipe file. Raises `RegressorRecipeError`, which names the line.

    >>> read_recipe(FOLDER / "hyper_iqa.toml").body.kind
    'hyper'
    """
    return read_typed_toml(file, RegressorRecipe, RegressorRecipeError, problems_of)


def named_recipe(name: str) -> RegressorRecipe:
    """Read a built-in recipe by its name, or the recipe file at a path that ends in .toml."""
    if name in NAMES:
        return _built_in(name)
    if name.endswith(".toml"):
        return read_recipe(name)
    raise RegressorRecipeError(f"image_regressor has no recipe {name!r}; {expected_one_of(name, NAMES)}")


@cache
def _built_in(name: str) -> RegressorRecipe:
    return read_recipe(FOLDER / f"{name}.toml")


def digest_of(recipe: RegressorRecipe) -> str:
    """Return the SHA-256 of all that makes the network and its input."""
    content = {name: value for name, value in asdict(recipe).items() if name not in DESCRIPTIVE}
    return sha256_of_json(content)


def as_plain(recipe: RegressorRecipe) -> dict[str, Any]:
    """Return what a checkpoint keeps of a recipe: name, title, network and input, as JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return {name: value for name, value in plain.items() if name not in ("origin", "notes", "training", "parameters")}


def from_plain(content: Mapping[str, Any]) -> RegressorRecipe:
    """Return the recipe that a checkpoint keeps. Raises `RegressorRecipeError` where it is damaged."""
    kinds = {"images": ViewRule, "body": BodyRule, "head": OutputRule}
    try:
        made = {name: _made(kinds[name], value) if name in kinds else value for name, value in content.items()}
        backbones = tuple(_made(BackboneRule, each) for each in content["backbones"])
        return RegressorRecipe(**{**made, "origin": RecipeOrigin(), "parameters": 0, "backbones": backbones})
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise RegressorRecipeError(f"a checkpoint's recipe cannot be read: {error}") from error


def adapted(recipe: RegressorRecipe, *, backbone: str | None = None, freeze: bool | None = None) -> RegressorRecipe:
    """Return a recipe with another model of its first backbone's library, or with other backbones trained.

    Another model has no weights of the registry.

    >>> adapted(named_recipe("hyper_iqa"), backbone="resnet18", freeze=True).backbones[0].model
    'resnet18'
    """
    first, *others = recipe.backbones
    if backbone is not None and backbone != first.model:
        if first.library not in ("timm", "open_clip"):
            raise RegressorRecipeError(
                f"the backbone of {recipe.name} is its own; it cannot be {backbone!r}: choose another recipe"
            )
        first = replace(first, model=backbone, weights="")
    backbones = (first, *others)
    if freeze is not None:
        backbones = tuple(replace(each, frozen=freeze) for each in backbones)
    return replace(recipe, backbones=backbones)


def problems_of(recipe: RegressorRecipe) -> Iterator[Problem]:
    """Yield what is wrong with a recipe whose types are right: the key, and the problem in words."""
    if not 1 <= len(recipe.backbones) <= 2:
        yield ("backbones",), f"expected one or two, not {len(recipe.backbones)}"
    for row, rule in enumerate(recipe.backbones):
        if (rule.library in ("timm", "open_clip")) != bool(rule.model):
            yield ("backbones", row, "model"), "backbones of timm and open_clip, and no others, have a model"
        if (rule.library == "layers") != bool(rule.layers):
            yield ("backbones", row, "layers"), "backbones of the library 'layers', and no others, have layers"
    if recipe.body.kind not in BODIES:
        yield ("body", "kind"), f"unknown body {recipe.body.kind!r}; {expected_one_of(recipe.body.kind, BODIES)}"
    yield from _image_problems(recipe.images)
    if recipe.head.standardise and not all(rule.frozen for rule in recipe.backbones):
        yield ("head", "standardise"), "it takes the features of all training images: every backbone must be frozen"


def _image_problems(images: ViewRule) -> Iterator[Problem]:
    if images.crop < 1 or (images.size and images.size < images.crop):
        yield ("images", "size"), f"a view of {images.crop} pixels does not fit into {images.size}"
    if images.square and not images.size:
        yield ("images", "square"), "expected a size to scale both sides to"
    if (images.views == "scales") != bool(images.scales):
        yield ("images", "scales"), "the views 'scales', and no others, have scales"
    if images.count < 1:
        yield ("images", "count"), "expected 1 or more"
    for name in ("blur_chance", "jpeg_chance"):
        if not 0 <= getattr(images, name) <= 1:
            yield ("images", name), "expected a share from 0 to 1"
    for name, low, high in (("blur_sigma", 0, 100), ("jpeg_quality", 1, 100)):
        ends = getattr(images, name)
        if len(ends) != 2 or not low <= ends[0] <= ends[1] <= high:
            yield ("images", name), f"expected two numbers from {low} to {high}, the lower first"
    if images.degrades and images.channels != "rgb":
        yield ("images", "channels"), "images that are blurred or compressed are rgb"
    if images.channels == "contrast" and images.views == "scales":
        yield ("images", "channels"), "tiles of several scales are cut from rgb"


def _made(kind: Any, content: Mapping[str, Any]) -> Any:
    lists = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    return kind(**lists)
