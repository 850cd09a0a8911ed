"""MPS against a plain one: one image, head and token at a time; and against imscore where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F

from editmetrics import EditMetricsError, Sample, create_metric, weights
from editmetrics.plugins.mps import OVERALL
from editmetrics.plugins.text_image import clip_tokens
from editmetrics.testing import offline_weights

IMAGES = [skimage.data.chelsea()[:224, :224], skimage.data.coffee()[:224, 100:324]]
TEXTS = ["a cat looking into the camera", "an espresso in a white cup " * 40]


@pytest.fixture(scope="module", autouse=True)
def _weights():
    with offline_weights(["mps"]):
        yield


def scores(spec: str) -> list[float]:
    metric = create_metric(spec, device="cpu")
    samples = [Sample("x", edited=image, prompt=text) for image, text in zip(IMAGES, TEXTS, strict=True)]
    return [float(score) for score in metric.score(samples)]


def published() -> dict[str, torch.Tensor]:
    return weights.load_state_dict(weights.path("mps"))


def encoded(image: np.ndarray, text: str) -> tuple[torch.Tensor, ...]:
    """The projected patches (P, D) of an image, tokens (77, D) of a text and of the condition; the text's end (D,)."""
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip import CLIPImageProcessorPil

    from editmetrics.plugins.conformance.preference import TINY_CLIP_H

    clip = CLIPModel(CLIPConfig(**TINY_CLIP_H)).eval()
    tensors = {name.removeprefix("mps.model."): tensor for name, tensor in published().items() if "mps.model." in name}
    clip.load_state_dict(tensors, strict=True)
    tokens = torch.stack([clip_tokens(text)[0], clip_tokens(OVERALL)[0]])
    with torch.inference_mode():
        pixels = CLIPImageProcessorPil()(images=[image], return_tensors="pt")["pixel_values"]
        patches = clip.visual_projection(clip.vision_model(pixels).last_hidden_state)[0]
        words, condition = clip.text_projection(clip.text_model(tokens).last_hidden_state)
        end = clip.get_text_features(tokens[:1])
    return patches, words, condition, getattr(end, "pooler_output", end)[0]


def plain(image: np.ndarray, text: str, threshold: float) -> float:
    tensors = published()
    patches, words, condition, end = encoded(image, text)
    closeness = torch.stack([max((word @ other for other in condition), key=float) for word in words])
    attended = closeness / closeness.max() > threshold
    for layer in range(4):
        cross, own = ({name.split(".fn.")[1]: tensor for name, tensor in tensors.items()
                       if f"cross_model.layers.{layer}.{part}.fn." in name} for part in (0, 1))  # fmt: skip
        states = F.layer_norm(patches, patches.shape[-1:], cross["norm.weight"], cross["norm.bias"])
        key, value = (words[attended] @ cross["to_kv.weight"].T).split(64, dim=-1)
        heads = [
            (query @ key.T / 8).softmax(-1) @ value for query in (states @ cross["to_q.weight"].T).split(64, dim=-1)
        ]
        patches = patches + torch.cat(heads, -1) @ cross["to_out.weight"].T + gated(
            states @ cross["ff.0.weight"].T, cross["ff.2.weight"])  # fmt: skip
        states = F.layer_norm(patches, patches.shape[-1:], own["norm.weight"], own["norm.bias"])
        query, key, value, hidden = (states @ own["fused_attn_ff_proj.weight"].T).split(
            [1024, 64, 64, 8 * patches.shape[-1]], dim=-1
        )
        heads = [(turned(part) @ turned(key).T / 8).softmax(-1) @ value for part in query.split(64, dim=-1)]
        patches = patches + torch.cat(heads, -1) @ own["attn_out.weight"].T + gated(hidden, own["ff_out.1.weight"])
    return (tensors["mps.model.logit_scale"].exp() * F.cosine_similarity(end, patches[0], dim=0)).item()


def gated(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    values, gate = states.chunk(2, dim=-1)
    return (values * gate * gate.sigmoid()) @ weight.T


def turned(states: torch.Tensor) -> torch.Tensor:
    """Rotary positions as products of complex numbers: the dimensions i and i + 32 are one number."""
    numbers = torch.complex(states[:, :32], states[:, 32:])
    rates = 10_000.0 ** (-torch.arange(32) / 32)
    angles = torch.arange(len(states))[:, None] * rates
    product = numbers * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([product.real, product.imag], -1)


@pytest.mark.parametrize("threshold", [0.3, 0.01])
def test_mps_is_the_plain_one(threshold):
    expected = [plain(image, text, threshold) for image, text in zip(IMAGES, TEXTS, strict=True)]
    assert scores(f"mps:threshold={threshold}") == pytest.approx(expected, abs=2e-5)


def test_words_below_the_threshold_are_not_attended_to():
    assert scores("mps:threshold=0.3") != pytest.approx(scores("mps:threshold=0.95"), abs=1e-4)


def test_the_condition_counts_and_may_not_be_empty():
    assert scores("mps:threshold=0.8") != pytest.approx(scores("mps:threshold=0.8,condition=hands"), abs=1e-4)
    with pytest.raises(EditMetricsError, match="must name qualities"):
        create_metric("mps", condition=" ")


def test_the_layers_are_imscores():
    cross = pytest.importorskip("imscore.mps.cross", reason="imscore is not installed")
    theirs = cross.CrossModel(dim=32, layer_num=4, heads=16)
    tensors = {name.removeprefix("mps.cross_model."): tensor for name, tensor in published().items()
               if "cross_model" in name}  # fmt: skip
    missing, unexpected = theirs.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert all(name.endswith("inv_freq") for name in missing)
    metric = create_metric("mps", device="cpu")
    metric.load()
    random = torch.Generator().manual_seed(0)
    patches, words = (torch.randn(2, length, 32, generator=random) for length in (50, 77))
    ignored = torch.zeros(2, 77).masked_fill(torch.rand(2, 77, generator=random) < 0.5, float("-inf"))
    with torch.inference_mode():
        expected = theirs(patches, words, ignored[:, None].expand(-1, 50, -1))
        for part, own in metric.module["layers"]:
            patches = patches + part(patches, words, ignored[:, None, None])
            patches = patches + own(patches)
    torch.testing.assert_close(patches, expected, rtol=1e-4, atol=1e-4)
