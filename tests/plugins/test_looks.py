"""Aesthetic predictors against transformers' encoders, CLIP-IQA against piq: the same random weights."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from torch import nn

from editmetrics import Sample, create_metric, weights
from editmetrics.plugins.aesthetic import PREDICTORS
from editmetrics.plugins.clip_iqa import ANTONYMS
from editmetrics.plugins.conformance.clip import TINY_RESNET
from editmetrics.plugins.conformance.preference import TINY_SIGLIP
from editmetrics.testing import offline_weights

IMAGES = [skimage.data.chelsea()[:, :449], skimage.data.coffee()[:201, 100:341]]
HEADS = {
    "v1": [nn.Linear(32, 1)],
    "v2": [nn.Linear(32, 1024), nn.Dropout(), nn.Linear(1024, 128), nn.Dropout(), nn.Linear(128, 64), nn.Dropout(),
           nn.Linear(64, 16), nn.Linear(16, 1)],
    "v2-relu": [nn.Linear(32, 1024), nn.ReLU(), nn.Dropout(), nn.Linear(1024, 128), nn.ReLU(), nn.Dropout(),
                nn.Linear(128, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 1)],
}  # fmt: skip
"""The authors' heads, whose layers have the names of their files."""


@pytest.fixture(scope="module", autouse=True)
def _weights():
    heads = [predictor.head_weights for predictor in PREDICTORS.values()]
    clips = ["clip-vit-l-14-openai", "clip-vit-b-32-openai", "clip-rn50-openai"]
    with offline_weights([*heads, *clips, "siglip-so400m-patch14-384"]):
        yield


def scores(spec: str) -> list[float]:
    results = create_metric(spec, device="cpu").score([Sample("x", edited=image) for image in IMAGES])
    return [float(result) for result in results]


@pytest.mark.parametrize("model", ["v1", "v1-b32", "v2", "v2-ava", "v2-relu"])
def test_aesthetic_is_a_head_on_clips_unit_embedding(model):
    import open_clip

    predictor = PREDICTORS[model]
    clip = open_clip.CLIP(**open_clip.get_model_config(predictor.encoder)).eval()
    clip.load_state_dict(weights.load_state_dict(weights.path(predictor.encoder_weights)))
    head = nn.Sequential(*HEADS[{"v1-b32": "v1", "v2-ava": "v2"}.get(model, model)]).eval()
    tensors = weights.load_state_dict(weights.path(predictor.head_weights))
    head.load_state_dict({name.removeprefix("layers."): tensor for name, tensor in tensors.items()} if model[1] == "2"
                         else {f"0.{name}": tensor for name, tensor in tensors.items()}, strict=True)  # fmt: skip
    transform = open_clip.image_transform(224, is_train=False)
    from PIL import Image

    with torch.inference_mode():
        embeddings = clip.encode_image(torch.stack([transform(Image.fromarray(image)) for image in IMAGES]))
        expected = head(F.normalize(embeddings, dim=-1))[:, 0]
    assert scores(f"aesthetic:model={model}") == pytest.approx(expected.tolist(), abs=1e-5)


def test_aesthetic_v2_5_is_a_head_on_siglips_unit_embedding():
    from transformers import SiglipVisionConfig, SiglipVisionModel
    from transformers.models.siglip import SiglipImageProcessorPil

    encoder = SiglipVisionModel(SiglipVisionConfig(**TINY_SIGLIP)).eval()
    tensors = weights.load_state_dict(weights.path("siglip-so400m-patch14-384"))
    flat = "embeddings.patch_embedding.weight" in encoder.state_dict()
    encoder.load_state_dict(
        {name.removeprefix("vision_model.") if flat else name: tensor for name, tensor in tensors.items()}
    )
    head = weights.load_state_dict(weights.path("aesthetic-v2.5"))
    processor = SiglipImageProcessorPil(size={"height": 96, "width": 96})
    with torch.inference_mode():
        state = encoder(**processor(images=IMAGES, return_tensors="pt")).pooler_output
        state = state / state.norm(dim=-1, keepdim=True)
        for place in (0, 2, 4, 6, 8):
            state = F.linear(state, head[f"scoring_head.{place}.weight"], head[f"scoring_head.{place}.bias"])
    assert scores("aesthetic:model=v2.5") == pytest.approx(state[:, 0].tolist(), abs=1e-5)


@pytest.mark.parametrize("attribute", ["quality", "sharpness"])
def test_clip_iqa_is_piqs(attribute):
    import open_clip
    from piq.clip_iqa import CLIPIQA
    from piq.feature_extractors import clip

    tensors = weights.load_state_dict(weights.path("clip-rn50-openai"))
    text = TINY_RESNET["text_cfg"]
    model = clip.CLIP(
        embed_dim=TINY_RESNET["embed_dim"], image_resolution=224, vision_layers=(1, 1, 1, 1), vision_width=8,
        vision_patch_size=None, context_length=77, vocab_size=text["vocab_size"], transformer_width=text["width"],
        transformer_heads=text["heads"], transformer_layers=text["layers"],
    )  # fmt: skip
    model.load_state_dict(tensors, strict=False)
    theirs = CLIPIQA.__new__(CLIPIQA)
    nn.Module.__init__(theirs)
    theirs.feature_extractor, theirs.data_range = model.eval(), 255.0
    with torch.inference_mode():
        anchors = model.encode_text(open_clip.tokenize(list(ANTONYMS[attribute]))).float()
        theirs.anchors = F.normalize(anchors, dim=-1)
        theirs.logit_scale = model.logit_scale.exp()
        theirs.default_mean, theirs.default_std = (
            torch.tensor(values).view(1, 3, 1, 1)
            for values in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
        )
        tensors = [torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() for image in IMAGES]
        expected = [theirs(tensor).item() for tensor in tensors]
    assert scores(f"clip_iqa:attribute={attribute}") == pytest.approx(expected, abs=1e-5)


def test_clip_iqas_antonyms_are_torchmetrics():
    from torchmetrics.functional.multimodal.clip_iqa import _PROMPTS

    theirs = {name.replace("colorfullness", "colorfulness"): texts for name, texts in _PROMPTS.items()}
    assert theirs == ANTONYMS


def test_clip_iqa_has_no_score_of_what_its_network_cannot_see():
    (score,) = create_metric("clip_iqa", device="cpu").score([Sample("x", edited=np.zeros((31, 64, 3), np.uint8))])
    assert (score.status, "needs 32" in score.reason) == ("failed", True)


@pytest.mark.parametrize("spec", ["aesthetic", "aesthetic:model=v2.5", "clip_iqa"])
def test_tensors_give_the_score(spec):
    images = torch.from_numpy(np.stack([image[:200, :230] for image in IMAGES])).permute(0, 3, 1, 2) / 255
    metric = create_metric(spec, device="cpu")
    values = metric.tensors(images.requires_grad_())
    expected = [float(score) for score in metric.score([Sample("x", edited=image.detach()) for image in images])]
    assert values.tolist() == pytest.approx(expected, abs=2e-3)
    values.sum().backward()
    assert images.grad.abs().max() > 0
