"""Recipes learn, from random weights and in small, what a regression on statistics of the images cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from editmetrics import create_metric
from editmetrics.plugins.image_regressor.loading import load_network
from tests.plugins.image_regressor.recipes import hatched, shrunk, written

RESNET = ('model = "resnet50"', 'model = "test_resnet"')
SMALL_VIEWS = ("crop = 224", "crop = 64")
TRAINING: dict[str, tuple[tuple[tuple[str, str], ...], dict[str, object]]] = {
    "small": ((("crop = 128", "crop = 64"),), {"epochs": 12}),
    "probe": ((RESNET, ("size = 384\ncrop = 384", "crop = 64")), {"epochs": 40, "learning_rate": 3e-3}),
    "cnniqa": ((("drawn = 32", "drawn = 4"), ("conv7-50", "conv7-16"), ("[800, 800]", "[64]")), {"epochs": 12}),
    "wadiqam": (
        (("drawn = 32", "drawn = 4"), ("512", "64"), ("256 relu", "48 relu")),
        {"epochs": 15, "learning_rate": 1e-3},
    ),
    "dbcnn_like": (
        (('"vgg16"\nstages = [4]', '"test_resnet"\nstages = [1]'), ("size = 448\ncrop = 448", "crop = 64")),
        {"epochs": 5, "learning_rate": 1e-3, "backbone_rate": 1.0},
    ),
    "hyper_iqa": (
        (RESNET, SMALL_VIEWS, ("count = 5", "count = 1")),
        {"epochs": 15, "learning_rate": 1e-3, "backbone_rate": 1.0},
    ),
    "maniqa": (
        (
            ('model = "vit_base_patch8_224"\nstages = [6, 7, 8, 9]', 'model = "test_resnet"\nstages = [0, 1]'),
            SMALL_VIEWS,
            ("count = 5", "count = 1"),
            ("side = 28, size = 768", "side = 16, size = 32"),
        ),
        {"epochs": 15, "learning_rate": 2e-3},
    ),
    "musiq_like": (
        (
            ("scales = [224, 384]", "scales = [32]"),
            ('kind = "scale_tokens"', 'kind = "scale_tokens"\nsettings = { size = 32, heads = 2, layers = 2 }'),
        ),
        {"epochs": 15, "learning_rate": 1e-3},
    ),
    "tres_like": (
        (
            RESNET,
            SMALL_VIEWS,
            ("count = 5", "count = 1"),
            ('kind = "multi_scale"', 'kind = "multi_scale"\nsettings = { heads = 2, dropout = 0.1 }'),
        ),
        {"epochs": 5, "learning_rate": 1e-3, "consistency": 0.0},  # here a mirror image has another rating
    ),
    "topiq": (
        (
            RESNET,
            ("size = 384\ncrop = 384", "crop = 64"),
            ("fixed_norms = true", ""),
            ("[256, 256]", "[32]"),
            ('kind = "top_down"', 'kind = "top_down"\nsettings = { size = 32, heads = 2 }'),
        ),
        {"epochs": 8, "learning_rate": 1e-3},
    ),
    "stair_iqa": (
        (RESNET, ("size = 384\ncrop = 320", "crop = 64"), ("corners", "centre")),
        {"epochs": 12, "learning_rate": 1e-3},
    ),
    "nima": (
        (
            ('model = "mobilenetv1_100"', 'model = "test_resnet"\nstages = [1]'),
            ("size = 256\nsquare = true\n", ""),
            SMALL_VIEWS,
            ("dropout = 0.75", "dropout = 0.1"),
        ),
        {"epochs": 10, "learning_rate": 3e-3, "backbone_rate": 1.0},
    ),
}
"""Changes that make a recipe small enough, and its training; the idea of each stays as it is."""

FLOOR = 0.85
"""The SRCC on pictures that were not seen, which a recipe reaches; ridge on statistics stays below 0.5."""

LONGEST = ("dbcnn_like", "maniqa", "musiq_like", "topiq", "wadiqam")
"""Those that take a quarter of a minute and more of one core."""

CLIP = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
"""CLIP's ResNet in small: it learns from nothing in seconds, where a vision transformer needs more pictures."""

LIQE = (
    (
        ("ViT-B-32-quickgelu", "RN50-quickgelu"),
        ('crop = 224\nviews = "grid"\ncount = 4\ndrawn = 3', 'crop = 32\nviews = "grid"\ncount = 2\ndrawn = 2'),
    ),
    {"epochs": 10, "learning_rate": 3e-4},
)
CLIP_IQA_PLUS = ((("crop = 384", "crop = 64"),), {"epochs": 10, "learning_rate": 2e-2})


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))


def fitted(folder, name, changes, settings, train, validation):
    """Train a built-in recipe with `changes` of its file."""
    text = shrunk(name, *changes).replace("flip = false\n", "").replace("[images]", "[images]\nflip = false")
    settings = {
        "batch_size": 8,
        "micro_batch_size": 8,
        "dtype": "float32",
        "pretrained": "random",
        "clip": 1.0,
        **settings,
    }
    preset = written(folder, text)
    return create_metric("image_regressor", device="cpu").fit(
        train, validation, targets={"visual_quality": "mos"}, output_dir=folder / name, preset=preset, **settings
    )


def assert_learned(metric):
    """Refuse a training that is not over the floor, or whose data ridge regression on statistics explains."""
    assert abs(metric.checkpoint.data["baseline"]["visual_quality"]["srcc"]) < 0.5
    assert metric.checkpoint.validation["visual_quality"]["srcc"] > FLOOR


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONGEST else []) for name in TRAINING]
)
def test_a_recipe_learns_what_statistics_do_not_tell(tmp_path, name):
    assert_learned(fitted(tmp_path, name, *TRAINING[name], hatched(30), hatched(12, first=100)))


def test_texts_learn_in_a_clip_that_learns_and_around_one_that_is_frozen(tmp_path, monkeypatch):
    """CLIP-IQA+ learns the opposite of what the frozen CLIP was trained on: the vectors learn, not the network."""
    from safetensors.torch import save_file

    monkeypatch.setattr("open_clip.get_model_config", lambda _: CLIP)
    train, validation = hatched(30), hatched(12, first=100)
    liqe = fitted(tmp_path, "liqe_like", *LIQE, train, validation)
    assert_learned(liqe)
    save_file(load_network(liqe.checkpoint).backbones[0].model.state_dict(), tmp_path / "clip.safetensors")
    opposite = [[replace(one, meta={"mos": 100 - one.meta["mos"]}) for one in part] for part in (train, validation)]
    changes, settings = CLIP_IQA_PLUS
    settings = {**settings, "pretrained": str(tmp_path / "clip.safetensors")}
    assert_learned(fitted(tmp_path, "clip_iqa_plus_like", changes, settings, *opposite))
