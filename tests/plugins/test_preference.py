"""PickScore and HPS v2 against the other library's CLIP: the same random weights, photographs and texts."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import open_clip
import pytest
import skimage.data
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as TF
from PIL import Image

from editmetrics import EditMetricsError, Sample, create_metric, weights
from editmetrics.plugins.conformance.preference import TINY_CLIP_H, TINY_OPEN_CLIP
from editmetrics.plugins.preprocessing import CLIP_DEVIATION, CLIP_MEAN, Preprocessing
from editmetrics.testing import offline_weights
from tests.plugins.test_clip_score import transformers_names

ROUNDING = 2e-5
PHOTOGRAPHS = [skimage.data.chelsea()[:, :449], skimage.data.coffee()[:201, 100:340]]  # no whole pixel at the corner
TEXTS = ["a cat looking into the camera, 3 o'clock & café", "an espresso in a white cup " * 40]


@pytest.fixture(scope="module")
def openai() -> torch.nn.Module:
    """The random network of HPS v2's stand-in, as open_clip has it."""
    torch.manual_seed(0)
    return open_clip.CLIP(**TINY_OPEN_CLIP).eval()


@pytest.fixture(scope="module")
def hugging_face(openai):
    """The same network as transformers has it."""
    from transformers import CLIPConfig, CLIPModel

    model = CLIPModel(CLIPConfig(**TINY_CLIP_H))
    model.load_state_dict(transformers_names(openai.state_dict()), strict=True)
    return model.eval()


@pytest.fixture(scope="module", autouse=True)
def _weights(openai, hugging_face, tmp_path_factory):
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights")
    save_file(
        {name: tensor.contiguous() for name, tensor in hugging_face.state_dict().items()}, folder / "model.safetensors"
    )
    for name in ("hps-v2", "hps-v2.1"):
        torch.save({"epoch": 1, "state_dict": openai.state_dict()}, folder / weights.checkpoint(name).files[0].path)
    with ExitStack() as inside:
        inside.enter_context(offline_weights(["pick-score", "hps-v2", "hps-v2.1"]))
        for name in ("pick-score", "hps-v2", "hps-v2.1"):
            inside.enter_context(weights.substitute(name, folder))
        yield


def cosines(model, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        seen, read = model.encode_image(images), model.encode_text(open_clip.tokenize(TEXTS))
    return F.cosine_similarity(seen, read)


def scores(spec: str) -> list[float]:
    pairs = zip(PHOTOGRAPHS, TEXTS, strict=True)
    results = create_metric(spec, device="cpu").score(
        [Sample(text[:3], edited=image, prompt=text) for image, text in pairs]
    )
    assert ["end was cut off" in str(result.details.get("note", "")) for result in results] == [False, True]
    return [float(result) for result in results]


def clip_processor(image: np.ndarray) -> torch.Tensor:
    from transformers.models.clip import CLIPImageProcessorPil

    return CLIPImageProcessorPil()(images=[image], return_tensors="pt")["pixel_values"][0]


def padded(image: np.ndarray, antialias: bool = True) -> torch.Tensor:
    """HPS v2's: ToTensor, the longer side to 224, black on both sides, normalised."""
    intensities = torch.from_numpy(image.copy()).permute(2, 0, 1) / 255
    rows, columns = (round(side * 224 / max(image.shape[:2])) for side in image.shape[:2])
    small = TF.resize(intensities, [rows, columns], TF.InterpolationMode.BICUBIC, antialias=antialias)
    down, right = 224 - rows, 224 - columns
    square = TF.pad(small, [right // 2, down // 2, right - right // 2, down - down // 2])
    return TF.normalize(square, CLIP_MEAN, CLIP_DEVIATION)


def test_pick_score_is_open_clips_cosine_by_its_temperature(openai):
    cosine = cosines(openai, torch.stack([clip_processor(image) for image in PHOTOGRAPHS]))
    temperature = openai.logit_scale.exp().item()
    assert temperature > 10
    assert scores("pick_score") == pytest.approx((temperature * cosine).tolist(), abs=temperature * ROUNDING)
    alone = create_metric("pick_score", device="cpu")(
        PHOTOGRAPHS[0], prompt=TEXTS[0]
    )  # without the longer text's tokens
    assert float(alone) == pytest.approx(temperature * cosine[0].item(), abs=temperature * ROUNDING)
    assert scores("pick_score:scale=cosine") == pytest.approx(cosine.tolist(), abs=ROUNDING)
    assert scores("pick_score:divide_by=26") == pytest.approx((temperature * cosine / 26).tolist(), abs=ROUNDING)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("model", ["2.0", "2.1"])
def test_hps_v2_is_transformers_cosine_of_padded_images(hugging_face, model, antialias):
    images = torch.stack([padded(image, antialias) for image in PHOTOGRAPHS])
    with torch.inference_mode():
        output = hugging_face(pixel_values=images, input_ids=open_clip.tokenize(TEXTS))
    expected = F.cosine_similarity(output.image_embeds, output.text_embeds)
    spec = f"hps_v2:model={model},antialias={str(antialias).lower()}"
    assert scores(spec) == pytest.approx(expected.tolist(), abs=ROUNDING)
    alone = create_metric(spec, device="cpu")(PHOTOGRAPHS[0], prompt=TEXTS[0])  # without the longer text's tokens
    assert float(alone) == pytest.approx(expected[0].item(), abs=ROUNDING)
    logits = scores(f"{spec},scale=logit")
    assert logits == pytest.approx(output.logits_per_image.diagonal().tolist(), abs=20 * ROUNDING)


def test_the_crops_are_those_of_torchvision_and_of_transformers():
    from open_clip import image_transform

    for image in PHOTOGRAPHS:
        ours = Preprocessing().of_image(image)
        assert torch.equal(ours, image_transform(224, is_train=False)(Image.fromarray(image)))
        down = Preprocessing(fit="crop_down").of_image(image)
        torch.testing.assert_close(down, clip_processor(image), rtol=0, atol=1e-5)
        assert not torch.allclose(ours, down, atol=1e-3)


@pytest.mark.parametrize("spec", ["pick_score", "hps_v2", "hps_v2:fit=crop"])
def test_tensors_give_the_score_and_its_gradient(spec):
    metric = create_metric(spec, device="cpu")
    images = (
        torch.stack([torch.from_numpy(image[:200, :230].copy()) for image in PHOTOGRAPHS]).permute(0, 3, 1, 2) / 255
    )
    images.requires_grad_()
    rewards = metric.tensors(images, prompt=TEXTS)
    samples = [Sample("x", edited=image.detach(), prompt=text) for image, text in zip(images, TEXTS, strict=True)]
    unit = 15 if spec == "pick_score" else 1
    assert rewards.tolist() == pytest.approx([float(score) for score in metric.score(samples)], abs=2e-3 * unit)
    rewards.sum().backward()
    step = 1e-2 * images.grad / images.grad.norm()
    with torch.no_grad():
        higher, lower = (metric.tensors(images + sign * step, prompt=TEXTS).double().sum() for sign in (1, -1))
    assert (higher - lower).item() / 2e-2 == pytest.approx(images.grad.norm().item(), rel=0.02)


def test_tensors_name_the_field_that_is_wrong():
    metric = create_metric("pick_score", device="cpu")
    images = torch.zeros(2, 3, 8, 8)
    for fields, message in (
        ({}, "requires prompt"),
        ({"prompt": "a cat"}, "not a list of 2 texts"),
        ({"prompt": ["a cat"]}, "not a list of 2 texts"),
        ({"prompt": ["a", "b"], "source": images}, "does not look at source"),
    ):
        with pytest.raises(EditMetricsError, match=message):
            metric.tensors(images, **fields)
    for wrong in (images.to(torch.uint8), images[0], images[:, :1]):
        with pytest.raises(EditMetricsError, match=r"\((\d|N), 3, H, W\)"):
            metric.tensors(wrong, prompt=["a"] * len(wrong))


@pytest.mark.parametrize("spec", ["pick_score", "hps_v2"])
def test_strips_are_scored_and_empty_prompts_skipped(spec):
    strips = [np.zeros(shape, np.uint8) for shape in ((1, 20_000, 3), (20_000, 1, 3), (1, 1, 3))]
    metric = create_metric(spec, device="cpu")
    assert all(score.ok for score in metric.score([Sample("x", edited=strip, prompt="a") for strip in strips]))
    (empty,) = metric.score([Sample("x", edited=strips[2], prompt="")])
    assert (empty.status, "prompt" in empty.reason) == ("skipped", True)


def test_the_strip_of_a_crop_is_what_a_crop_of_the_whole_would_be():
    image = np.random.default_rng(0).integers(0, 256, (30, 600, 3), np.uint8)  # 20 : 1
    whole = Image.fromarray(image).resize((4480, 224), Image.Resampling.BICUBIC).crop((2128, 0, 2352, 224))
    expected = TF.normalize(torch.from_numpy(np.array(whole)).permute(2, 0, 1) / 255, CLIP_MEAN, CLIP_DEVIATION)
    torch.testing.assert_close(Preprocessing().of_image(image), expected, rtol=0, atol=0.02)


def diffsynth(module: str):
    return pytest.importorskip(f"diffsynth.models.{module}", reason="diffsynth is not installed")


def test_diffsynth_gives_the_same(hugging_face):
    """Its PickScore as it is; its HPS v2 by two options. The published networks have GELU, where it has QuickGELU."""

    class Processor:
        def __call__(self, text=None, images=None, **_):
            from transformers import BatchFeature

            inputs = {} if text is None else {"input_ids": open_clip.tokenize(text)}
            if images is not None:
                inputs["pixel_values"] = torch.stack([clip_processor(np.array(image)) for image in images])
            return BatchFeature(inputs)

    image = skimage.data.chelsea()[:224, :224]
    theirs = diffsynth("pickscore").PickScoreModel(hugging_face, Processor())(TEXTS[0], [Image.fromarray(image)])
    sample = {"edited": image, "prompt": TEXTS[0]}
    assert float(create_metric("pick_score", device="cpu")(**sample)) == pytest.approx(theirs.item(), abs=1e-4)
    theirs = diffsynth("hpsv2").HPSv2Model(hugging_face, Processor())(TEXTS[0], Image.fromarray(image))
    ours = create_metric("hps_v2:scale=logit,fit=crop", device="cpu")
    assert float(ours(**sample)) == pytest.approx(theirs.item(), abs=1e-4)
