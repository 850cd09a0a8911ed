"""Recipe files: their networks are as large as the published ones, and mistakes in them are named with their line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from editmetrics.plugins.image_regressor.method import Presets
from editmetrics.plugins.image_regressor.reading import (
    FOLDER,
    NAMES,
    RegressorRecipeError,
    as_plain,
    from_plain,
    named_recipe,
    read_recipe,
)

ROOT = Path(__file__).parents[3]
UNUSED = {
    "maniqa": 14_946_280 + 6_636_672,  # two blocks, norm and classifier of the ViT; two convolutions
    "topiq": 4 * 263_168,  # self-attention of the decoder's blocks
    "tres_like": 2_049_000,  # the classifier of the ResNet
}
"""Parameters of the authors' networks that compute nothing that counts."""


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_as_large_as_its_file_and_the_authors_say(name):
    import torch

    from editmetrics.plugins.image_regressor.network import RegressorNetwork, parameter_count

    recipe = named_recipe(name)
    with torch.device("meta"):
        count = parameter_count(RegressorNetwork(recipe))
    assert count == recipe.parameters
    if recipe.origin.parameters:
        assert count == recipe.origin.parameters - UNUSED.get(name, 0)
    page = (ROOT / "docs" / "regressors.md").read_text(encoding="utf-8")
    row = re.findall(rf"^\| `{name}` \|.*$", page, re.M)[0]  # of the first table
    assert f"{count:,}" in row
    assert not recipe.origin.parameters or row.rstrip(" |").endswith(f"{recipe.origin.parameters:,}")


def test_full_reference_networks_are_as_large_as_the_authors():
    import torch

    from editmetrics.plugins.image_regressor.network import RegressorNetwork, parameter_count

    with torch.device("meta"):
        sizes = {
            name: parameter_count(RegressorNetwork(named_recipe(name), reference=True)) for name in ("wadiqam", "topiq")
        }
    assert sizes == {"wadiqam": 6_287_138, "topiq": 36_038_662 - 4 * 263_168}


def test_every_recipe_is_a_preset_and_survives_a_checkpoint():
    presets = Presets()
    assert next(iter(presets)) == "probe"
    assert set(presets) == set(NAMES)
    for name in NAMES:
        method, _ = presets[name]
        assert method.recipe == name
        kept = from_plain(as_plain(named_recipe(name)))
        assert (kept.backbones, kept.images, kept.body, kept.head) == (
            named_recipe(name).backbones, named_recipe(name).images, named_recipe(name).body, named_recipe(name).head,
        )  # fmt: skip
        assert named_recipe(name).origin.differences or not named_recipe(name).origin.paper


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("crop = 128", "crop = 128\nsize = 64", "images.size: a view of 128 pixels does not fit into 64"),
        ('kind = "pooled"', 'kind = "poled"', "Did you mean 'pooled'"),
        ("hidden = [64]", 'hidden = "64"', "head.hidden: it is '64'; expected a list"),
        ('library = "layers"', 'library = "timm"', "have a model"),
        ("hidden = [64]", "hidden = [64]\nstandardise = true", "every backbone must be frozen"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line(tmp_path, old, new, words):
    file = tmp_path / "small.toml"
    file.write_text((FOLDER / "small.toml").read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RegressorRecipeError, match=r"small\.toml, line \d+: ") as raised:
        read_recipe(file)
    assert words in str(raised.value)


def test_an_unknown_setting_of_a_training_names_the_recipe(tmp_path):
    from editmetrics.mllm.recipe import RecipeError

    file = tmp_path / "small.toml"
    text = (FOLDER / "small.toml").read_text(encoding="utf-8")
    file.write_text(text.replace("epochs = 30", "epoch = 30"), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"small\.toml, \[training\].*epochs"):
        _ = Presets()[str(file)]
