"""Real or generated: what training does to images, and recipes that learn a trace that generators leave."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from editmetrics import Sample, create_metric
from editmetrics.agreement import auc
from editmetrics.plugins.image_regressor.degrading import blurred, compressed, degraded
from editmetrics.plugins.image_regressor.reading import FOLDER, RegressorRecipeError, named_recipe, read_recipe
from editmetrics.plugins.image_regressor.schema import ViewRule
from editmetrics.plugins.image_regressor.views import drawn_views

SMALL = {
    'model = "resnet50"\nweights = "resnet50-imagenet"': 'library = "layers"\n'
    'layers = ["conv3-12 norm relu", "conv3-16/2 norm relu"]',
    'library = "open_clip"\nmodel = "ViT-L-14-quickgelu"\nweights = "clip-vit-l-14-openai"': 'library = "layers"\n'
    'layers = ["conv3-32 relu", "conv3-32/2 relu"]',
    "batch_size = 256\nmicro_batch_size = 32": "batch_size = 16", "batch_size = 64": "batch_size = 16",
    "size = 256\ncrop = 224": "size = 40\ncrop = 32",
}  # fmt: skip
"""A recipe file with a network of a few thousand weights in place of the published one."""

TRACE = 24
"""Levels by which every other pixel of a generated image is brighter."""


@pytest.fixture(scope="module")
def photograph():
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()[:64, 100:170].transpose(2, 0, 1).copy())


def test_blur_and_compression_are_those_of_the_authors(photograph):
    """scipy's filter on each channel of bytes, and JPEG of Pillow, as data/datasets.py has them; to the bit."""
    pixels = photograph.numpy().copy()
    for sigma in (0.3, 2.9):
        for channel, mine in zip(pixels.copy(), blurred(photograph, sigma), strict=True):
            gaussian_filter(channel, output=channel, sigma=sigma)
            assert np.array_equal(channel, mine.numpy())
    file = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(file, format="jpeg", quality=35)
    assert np.array_equal(np.array(Image.open(file)), compressed(photograph, 35).numpy().transpose(1, 2, 0))


def test_half_of_the_images_are_blurred_and_half_compressed(photograph):
    """Of 400 images 100 stay as they are: a binomial with a deviation of 8.7."""
    rule = named_recipe("cnnspot").images
    torch.manual_seed(0)
    kept = sum(torch.equal(degraded([photograph], rule)[0], photograph) for _ in range(400))
    assert abs(kept - 100) < 35
    for chance in ({"blur_chance": 1.0}, {"jpeg_chance": 1.0}):
        torch.manual_seed(1)
        one, other = degraded([photograph, photograph.flip(-1)], ViewRule(**chance, blur_sigma=(2, 2)))
        assert not torch.equal(one, photograph)
        if "blur_chance" in chance:  # a source and its edit are treated alike
            assert torch.equal(one, other.flip(-1))
    plain = ViewRule(crop=64, drawn=1, flip=False)
    assert torch.equal(drawn_views([photograph[:, :, :64]], plain)[0].pixels[0], photograph[:, :, :64])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("blur_chance = 1.5", "images.blur_chance: expected a share from 0 to 1"),
        ("jpeg_quality = [90, 30]", "images.jpeg_quality: expected two numbers from 1 to 100, the lower first"),
        ("blur_sigma = [1.0]", "images.blur_sigma: expected two numbers from 0 to 100"),
        ('jpeg_chance = 0.5\nchannels = "contrast"', "are rgb"),
    ],
)
def test_a_degradation_that_makes_no_sense_is_refused(tmp_path, line, words):
    text = (FOLDER / "small.toml").read_text(encoding="utf-8")
    (tmp_path / "small.toml").write_text(text.replace("crop = 128", f"crop = 128\n{line}", 1), encoding="utf-8")
    with pytest.raises(RegressorRecipeError, match="line") as raised:
        read_recipe(tmp_path / "small.toml")
    assert words in str(raised.value)


def labelled(count: int, seed: int):
    """Cuts of photographs, real or with the chequered trace of generators that enlarge by transposed convolutions."""
    from skimage.data import astronaut, chelsea, coffee

    rng = np.random.default_rng(seed)
    samples = []
    for number in range(count):
        image = (astronaut, chelsea, coffee)[number % 3]()
        top, left = (int(rng.integers(0, side - 80)) for side in image.shape[:2])
        cut = image[top : top + 80, left : left + 80]
        real = number % 2
        small = np.array(Image.fromarray(cut).resize((40, 40), Image.Resampling.BOX)).astype(int)
        if not real:
            small[::2, ::2] += TRACE
            small[1::2, 1::2] += TRACE
        pixels = small.clip(0, 255).astype(np.uint8)
        samples.append(Sample(f"{seed}-{number}", edited=pixels, meta={"real": real}))
    return samples


@pytest.mark.parametrize(
    ("name", "settings", "least"),
    [
        ("cnnspot", {"epochs": 12, "learning_rate": 1e-2}, 0.9),
        ("univfd", {"epochs": 30, "learning_rate": 0.3}, 0.65),  # one layer on random features of blurred images
        ("univfd_like", {"epochs": 15, "learning_rate": 3e-2}, 0.9),
    ],
)
def test_a_recipe_tells_real_from_generated(tmp_path, monkeypatch, name, settings, least):
    """On held-out images by AUC; features are kept only where training sees images as they are."""
    from editmetrics.plugins.image_regressor import fit

    stores, kept = [], fit.KeptFeatures
    monkeypatch.setattr(fit, "KeptFeatures", lambda *arguments: stores.append(1) or kept(*arguments))
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in SMALL.items():
        text = text.replace(old, new)
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    metric = create_metric("image_regressor", device="cpu").fit(
        labelled(64, 0), labelled(30, 1), targets={"authenticity": "real"}, group=None, output_dir=tmp_path / "run",
        preset=str(path), dtype="float32", baseline=False, **settings,
    )  # fmt: skip
    test = labelled(40, 2)
    scores = [score["authenticity"] for score in metric.score(test)]
    assert all(0 <= score <= 1 for score in scores)
    assert auc(scores, [sample.meta["real"] for sample in test]) > least
    measured = json.loads((tmp_path / "run" / "metric.json").read_text())["validation"]["authenticity"]
    assert measured["auc"] > least - 0.1
    assert 0 <= measured["balanced_accuracy"] <= 1
    assert bool(stores) is (name == "univfd_like")
