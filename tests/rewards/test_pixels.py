"""Images as trainers have them: layouts, ranges, latents, and that a reward is what `score` says of the saved file."""

import io

import numpy as np
import pytest
from PIL import Image

from editmetrics import Sample, score
from editmetrics.images import ImageError, read_image
from editmetrics.images.stand_ins import Unreadable
from editmetrics.rewards import as_reward
from editmetrics.rewards.pixels import pixels_of

torch = pytest.importorskip("torch")
LEVELS = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), np.uint8)
UNIT = LEVELS / np.float32(255)


@pytest.mark.parametrize(
    "images",
    [
        torch.from_numpy(UNIT).permute(0, 3, 1, 2),
        torch.from_numpy(UNIT).permute(0, 3, 1, 2).double(),
        torch.from_numpy(LEVELS).permute(0, 3, 1, 2),
        torch.from_numpy(UNIT),
        LEVELS,
        UNIT,
        UNIT.transpose(0, 3, 1, 2),
        list(LEVELS),
        [torch.from_numpy(one).permute(2, 0, 1) for one in UNIT],
        [Image.fromarray(one) for one in LEVELS],
        np.array([LEVELS[0], LEVELS[1]]),
    ],
    ids=lambda images: f"{type(images).__name__} {getattr(images, 'dtype', '')} {getattr(images, 'shape', '')}",
)
def test_every_layout_is_the_same_picture(images):
    made = pixels_of(images, "edited")
    assert made.clamped == 0
    for expected, image in zip(LEVELS, made.images, strict=True):
        np.testing.assert_array_equal(read_image(image), expected)


def test_half_precision_goes_to_the_nearest_level():
    half = torch.from_numpy(UNIT).permute(0, 3, 1, 2).bfloat16()
    expected = (half.float() * 255).round().permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(np.stack(pixels_of(half, "edited").images), expected)


@pytest.mark.parametrize("make", [lambda a: a, lambda a: torch.from_numpy(a).permute(0, 3, 1, 2)])
def test_what_overshoots_is_clamped_within_the_tolerance_and_refused_beyond(make):
    images = np.full((5, 4, 4, 3), 0.5, np.float32)
    images[1, 0, 0, 0], images[2, 0, 0, 0], images[3, 0, 0, 0], images[4, 0, 0, 0] = -0.099, 1.101, -1, np.nan
    made = pixels_of(make(images), "edited")
    assert made.clamped == 1
    assert made.images[1][0, 0, 0] == 0
    reasons = [image.reason if isinstance(image, Unreadable) else None for image in made.images]
    assert reasons[:2] == [None, None]
    assert "values from 0.5 to 1.101; expected [0, 1], or up to 0.1 outside" in reasons[2]
    assert "map [-1, 1] with (x + 1) / 2" in reasons[3]
    assert "contains NaN" in reasons[4]
    strict = pixels_of(make(images), "edited", tolerance=0)
    assert sum(isinstance(image, Unreadable) for image in strict.images) == 4


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(2, 4, 64, 64), "4 channels, so they are latents: decode them with the VAE"),
        (torch.zeros(2, 16, 32, 32), "16 channels"),
        (torch.zeros(2, 1024, 64), "packed latents or a single image"),
        (torch.zeros(2, 3, 5, 8, 8), "videos"),
        (np.zeros((2, 4, 8, 8), np.float32), "4 channels"),
        (np.zeros((2, 8, 8, 4), np.float32), "latents"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), "expected uint8, or floating point"),
        (torch.zeros(3, 8, 8), "a single image"),
    ],
)
def test_latents_and_video_are_refused_with_the_reason(images, said):
    with pytest.raises(ImageError, match=said):
        as_reward("brisque", device="cpu").flow_grpo(images, ["a"] * len(images), {})


def test_an_image_with_a_gradient_is_not_cut_off_in_silence():
    with pytest.warns(UserWarning, match="requires a gradient, and a score has none"):
        pixels_of(torch.zeros(1, 3, 4, 4, requires_grad=True), "edited")


def test_a_reward_is_what_score_says_of_the_saved_file(tmp_path):
    random = np.random.default_rng(1)
    edited = random.normal(0.5, 0.2, (2, 32, 32, 3)).clip(-0.05, 1.05)
    source = random.random((2, 32, 32, 3))
    samples = []
    for index in range(2):
        for name, images in (("edited", edited), ("source", source)):
            levels = np.rint(images[index].clip(0, 1) * 255).astype(np.uint8)
            Image.fromarray(levels).save(tmp_path / f"{name}{index}.png")
        samples.append(Sample(str(index), **{n: tmp_path / f"{n}{index}.png" for n in ("edited", "source")}))
    expected = [float(one) for one in score(samples, ["ssim"])["ssim"]]
    reward = as_reward("ssim", device="cpu")
    images = torch.from_numpy(edited).permute(0, 3, 1, 2)
    rewards, stats = reward.flow_grpo(images, ["a", "b"], {}, torch.from_numpy(source).permute(0, 3, 1, 2))
    assert rewards == expected
    assert stats["reward/clamped"] == 2


def test_what_a_data_set_of_the_hub_holds_is_an_image():
    file = io.BytesIO()
    Image.fromarray(LEVELS[0]).save(file, "PNG")
    made = pixels_of([{"bytes": file.getvalue(), "path": None}, [LEVELS[0], LEVELS[1]], None], "source").images
    np.testing.assert_array_equal(read_image(made[0]), LEVELS[0])
    assert len(made[1]) == 2
    assert made[2] is None
