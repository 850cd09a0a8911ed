"""CLIP-I, CLIP-T and directional similarity against transformers' CLIP: the same random weights, photographs, texts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

from editmetrics import Sample, create_metric, weights
from editmetrics.plugins.conformance.clip import TINY as TINY_CLIP
from editmetrics.testing import offline_weights
from tests.plugins.photographs import as_tensor
from tests.plugins.photographs import pairs as photographs
from tests.plugins.test_clip_score import transformers_names

ROUNDING = 2e-5
"""float32 embeddings, and x / 255 by Pillow's way and transformers'."""

TEXTS = ("a cat looking into the camera", "a photograph of an astronaut before a flag")


@pytest.fixture(scope="module", autouse=True)
def _random_weights():
    with offline_weights(["clip-vit-b-32-openai", "clip-vit-l-14-openai"]):
        yield


@pytest.fixture(scope="module")
def reference(_random_weights):
    """transformers' CLIP of the same sizes, with the same weights."""
    from transformers import CLIPConfig, CLIPModel

    vision, text = TINY_CLIP["vision_cfg"], TINY_CLIP["text_cfg"]
    config = CLIPConfig(
        projection_dim=TINY_CLIP["embed_dim"],
        vision_config={
            "hidden_size": vision["width"], "num_hidden_layers": vision["layers"], "num_attention_heads": 1,
            "intermediate_size": 4 * vision["width"], "patch_size": vision["patch_size"], "image_size": 224,
        },
        text_config={
            "hidden_size": text["width"], "num_hidden_layers": text["layers"], "num_attention_heads": text["heads"],
            "intermediate_size": 4 * text["width"], "eos_token_id": 49407,
        },
    )  # fmt: skip
    model = CLIPModel(config)
    model.load_state_dict(
        transformers_names(weights.load_state_dict(weights.path("clip-vit-b-32-openai"))), strict=True
    )
    return model.eval()


def pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Photographs of 200 x 250 pixels, whose central square begins at a whole pixel: at half of one, OpenAI's code (by
    torchvision), which is ours, and that of transformers round to different sides."""
    return {edit: tuple(image[:200, :250] for image in pair) for edit, pair in photographs().items()}


def seen(image: np.ndarray) -> torch.Tensor:
    from transformers.models.clip import CLIPImageProcessorPil

    return CLIPImageProcessorPil()(images=[image], return_tensors="pt")["pixel_values"]


@torch.no_grad()
def embeddings(model, *pixels: torch.Tensor, texts: tuple[str, ...] = ("a cat",)) -> tuple[torch.Tensor, torch.Tensor]:
    import open_clip

    output = model(pixel_values=torch.cat(pixels), input_ids=open_clip.tokenize(list(texts)))
    return output.image_embeds, output.text_embeds


@pytest.mark.parametrize("edit", ["jpeg", "pasted"])
def test_clip_image_is_transformers_cosine(reference, edit):
    source, edited = pairs()[edit]
    images, _ = embeddings(reference, seen(source), seen(edited))
    expected = F.cosine_similarity(images[:1], images[1:]).item()
    assert float(create_metric("clip_image", device="cpu")(source, edited)) == pytest.approx(expected, abs=ROUNDING)
    against = create_metric("clip_image:variant=magicbrush", device="cpu")
    assert float(against(Sample("x", edited=edited, source=255 - source, reference=source))) == pytest.approx(
        expected, abs=ROUNDING
    )


def test_a_region_of_clip_image_is_all_that_it_sees(reference):
    source, edited = pairs()["pasted"]
    mask = np.zeros(source.shape[:2], bool)
    mask[60:160, 60:180] = True
    colour = np.rint(np.array([0.48145466, 0.4578275, 0.40821073]) * 255).astype(np.uint8)
    painted = [np.where(mask[..., None], image, colour) for image in (source, edited)]
    images, _ = embeddings(reference, *map(seen, painted))
    metric = create_metric("clip_image:region=inside", device="cpu")
    assert float(metric(source, edited, mask=mask)) == pytest.approx(
        F.cosine_similarity(images[:1], images[1:]).item(), abs=ROUNDING
    )
    outside = create_metric("clip_image:region=outside", device="cpu")
    assert float(outside(source, edited, mask=mask)) == pytest.approx(1, abs=1e-6)  # nothing changed there


def test_the_subject_is_cut_out_and_fills_what_clip_sees(reference):
    source, edited = pairs()["pasted"]
    mask = np.zeros(source.shape[:2], bool)
    mask[60:160, 60:180] = True
    mask[60:80, 60:90] = False  # a corner of the box, which is painted
    colour = tuple(np.rint(np.array([0.48145466, 0.4578275, 0.40821073]) * 255).astype(int).tolist())
    squares = []
    for image in (source, edited):
        box = Image.fromarray(image[60:160, 60:180])
        box.paste(colour, (0, 0, 30, 20))
        squares.append(np.asarray(ImageOps.pad(box, (120, 120), color=colour)))
    images, _ = embeddings(reference, *map(seen, squares))
    metric = create_metric("clip_image:region=subject", device="cpu")
    assert float(metric(source, edited, mask=mask)) == pytest.approx(
        F.cosine_similarity(images[:1], images[1:]).item(), abs=ROUNDING
    )
    (empty,) = metric.score([Sample("x", edited=edited, source=source, mask=np.zeros_like(mask))])
    assert (empty.status, empty.reason) == ("skipped", "no pixel lies inside the mask")


def test_a_region_that_is_not_seen_is_skipped():
    image = np.zeros((100, 300, 3), np.uint8)
    mask = np.zeros((100, 300), bool)
    mask[:, :50] = True  # beside the central square
    (score,) = create_metric("clip_image:region=inside", device="cpu").score(
        [Sample("x", edited=image, source=image, mask=mask)]
    )
    assert (score.status, "central square" in score.reason) == ("skipped", True)


@pytest.mark.parametrize("text", TEXTS)
def test_clip_text_is_transformers_cosine(reference, text):
    _, edited = pairs()["jpeg"]
    images, texts = embeddings(reference, seen(edited), texts=(text,))
    expected = F.cosine_similarity(images, texts).item()
    for spec in ("clip_text", "clip_text:variant=magicbrush"):
        assert float(create_metric(spec, device="cpu")(edited, prompt=text)) == pytest.approx(expected, abs=ROUNDING)


def test_clip_text_of_pie_bench(reference):
    """100 max(cos, 0), as torchmetrics has it, of the image, and of uint8(image * mask) with the border in the mask."""
    _, edited = pairs()["pasted"]
    mask = np.zeros(edited.shape[:2], np.float32)
    mask[60:160, 60:180] = 1
    read = mask.copy()
    read[0], read[-1], read[:, 0], read[:, -1] = 1, 1, 1, 1
    for spec, image in (("", edited), (",region=inside", np.uint8(edited * read[..., None]))):
        images, texts = embeddings(reference, seen(image), texts=("a dog on a lawn",))
        expected = 100 * max(F.cosine_similarity(images, texts).item(), 0)
        metric = create_metric(f"clip_text:variant=pie-bench{spec}", device="cpu")
        assert float(metric(edited, prompt="a [dog] on a lawn", mask=mask > 0)) == pytest.approx(expected, abs=2e-3)
        assert metric.checkpoints() == ("clip-vit-l-14-openai",)


def squashed(image: np.ndarray) -> torch.Tensor:
    """InstructPix2Pix's script: bicubic to 224 x 224 without antialiasing, CLIP's normalisation."""
    small = F.interpolate(as_tensor(image), size=224, mode="bicubic", align_corners=False)
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    return (small - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


@pytest.mark.parametrize(("variant", "look"), [("none", seen), ("instruct-pix2pix", squashed)])
def test_directional_similarity(reference, variant, look):
    source, edited = pairs()["pasted"]
    images, texts = embeddings(reference, look(source), look(edited), texts=TEXTS)
    expected = F.cosine_similarity(images[1:] - images[:1], texts[1:] - texts[:1]).item()
    metric = create_metric(f"clip_direction:variant={variant}", device="cpu")
    found = float(metric(source, edited, source_prompt=TEXTS[0], prompt=TEXTS[1]))
    assert found == pytest.approx(expected, abs=1e-3)  # a difference of near-equal embeddings loses digits
    if variant == "instruct-pix2pix":
        likeness = create_metric("clip_image:variant=instruct-pix2pix", device="cpu")
        assert float(likeness(source, edited)) == pytest.approx(
            F.cosine_similarity(images[:1], images[1:]).item(), abs=ROUNDING
        )


def test_what_did_not_change_has_no_direction():
    source, _ = pairs()["pasted"]
    texts = {"source_prompt": TEXTS[0], "prompt": TEXTS[1]}
    samples = [
        Sample("x", edited=source, source=source, **texts),
        Sample("y", edited=255 - source, source=source, **{**texts, "prompt": TEXTS[0]}),
    ]
    still = create_metric("clip_direction", device="cpu").score(samples)
    assert [score.status for score in still] == ["failed", "failed"]
    assert ["images" in score.reason for score in still] == [True, False]
    published = create_metric("clip_direction:variant=instruct-pix2pix", device="cpu").score(samples)
    assert [float(score) for score in published] == pytest.approx([0, 0], abs=1e-6)


def test_metrics_share_one_network_and_encode_a_source_once(monkeypatch):
    first, second = (create_metric(name, device="cpu") for name in ("clip_image", "clip_text"))
    first.load()
    second.load()
    assert first._module is second._module
    source, edited = pairs()["pasted"]
    counts = []
    encode = first._module.encode_image
    monkeypatch.setattr(
        first._module,
        "encode_image",
        lambda batch, **options: (counts.append(len(batch)), encode(batch, **options))[1],
    )
    first.score(
        [
            Sample("a", edited=edited, source=source),
            Sample("b", edited=255 - edited, source=source),
            Sample("c", edited=source, source=source),
        ]
    )
    assert counts == [3]  # of six images


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ("clip_score", {"prompt"}),
        ("clip_text:variant=pie-bench", {"prompt"}),
        ("clip_image", {"source"}),
        ("clip_image:variant=instruct-pix2pix", {"source"}),
        ("clip_direction", {"source", "prompt", "source_prompt"}),
    ],
)
def test_tensors_give_the_score_and_its_slope(spec, fields):
    source, edited = (as_tensor(image) for image in pairs()["pasted"])
    metric = create_metric(spec, device="cpu")
    others = {"prompt": ["a [cat]"], "source": source, "source_prompt": ["a dog"]}
    others = {name: others[name] for name in fields}
    edited.requires_grad_()
    value = metric.tensors(edited, **others)
    sample = Sample("x", edited=edited.detach()[0], source=source[0], prompt="a [cat]", source_prompt="a dog")
    unit = 100 if "pie-bench" in spec else 1
    assert value.item() == pytest.approx(float(metric(sample)), abs=2e-3 * unit)
    value.sum().backward()
    step = 1e-2 * edited.grad / edited.grad.norm()
    with torch.no_grad():
        slope = (metric.tensors(edited + step, **others) - metric.tensors(edited - step, **others)) / 2e-2
    assert slope.item() == pytest.approx(edited.grad.norm().item(), rel=0.05)


def test_regions_have_no_form_for_tensors():
    from editmetrics import EditMetricsError

    images = torch.zeros(1, 3, 64, 64)
    with pytest.raises(EditMetricsError, match="no form for tensors"):
        create_metric("clip_image:region=inside", device="cpu").tensors(images, source=images)
