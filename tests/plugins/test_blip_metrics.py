"""ImageReward and BLIPScore against timm's vision transformer and transformers' BERT: the same random weights."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.transforms import v2

from editmetrics import Sample, create_metric, weights
from editmetrics.plugins.blip import VOCABULARY, bert_tokens
from editmetrics.plugins.conformance.preference import TINY_BLIP, TINY_TEXT
from editmetrics.plugins.preprocessing import CLIP_DEVIATION, CLIP_MEAN
from editmetrics.testing import offline_weights

NAMES = ["image-reward", "blip-pretrained-large", "blip-itm-base-coco", "blip-itm-large-coco", VOCABULARY]
IMAGES = [skimage.data.chelsea()[:, :449], skimage.data.coffee()[:201, 100:340]]
TEXTS = ["a cat, it's", "an espresso in a white cup " * 10]


@pytest.fixture(scope="module", autouse=True)
def _weights():
    with offline_weights(NAMES):
        yield


def published(name: str, prefix: str = "") -> dict[str, torch.Tensor]:
    tensors = weights.load_state_dict(weights.path(name))
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}


class Reference:
    """BLIP of other parts: it reads the authors' names, which are timm's and BERT's."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        from transformers import BertConfig, BertModel

        width, layers, heads = (TINY_BLIP[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads"))
        self.vision = timm.models.VisionTransformer(
            embed_dim=width, depth=layers, num_heads=heads, mlp_ratio=2, num_classes=0, global_pool=""
        ).eval()
        self.vision.load_state_dict(part(tensors, "visual_encoder."), strict=True)
        # cross-attention is for decoders, whose causal mask the full one of `read` replaces
        config = BertConfig(**TINY_TEXT, is_decoder=True, add_cross_attention=True, attn_implementation="eager")
        self.text = BertModel(config, add_pooling_layer=False).eval()
        kinds = torch.zeros_like(self.text.embeddings.token_type_embeddings.weight)  # BLIP has none
        own = {"embeddings.token_type_embeddings.weight": kinds}
        self.text.load_state_dict({**part(tensors, "text_encoder."), **own}, strict=True)
        self.tensors = tensors

    def read(self, texts: list[str], seen: torch.Tensor | None = None, limit: int = 35) -> torch.Tensor:
        tokens = [bert_tokens(text, limit, str(weights.path(VOCABULARY)))[0] for text in texts]
        attended = torch.stack([each["attended"] for each in tokens])[:, None, None].float()
        mask = ((attended - 1) * 1e9).expand(-1, 1, attended.shape[-1], -1)
        with torch.inference_mode():
            return self.text(
                torch.stack([each["tokens"] for each in tokens]), attention_mask=mask, encoder_hidden_states=seen,
                use_cache=False,
            ).last_hidden_state[:, 0]  # fmt: skip

    def see(self, images: list[np.ndarray]) -> torch.Tensor:
        with torch.inference_mode():
            return self.vision.forward_features(torch.stack([central(image) for image in images]))

    def linear(self, name: str, state: torch.Tensor) -> torch.Tensor:
        return F.linear(state, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])


def part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def central(image: np.ndarray) -> torch.Tensor:
    """The authors' preprocessing, by torchvision on Pillow's image."""
    resize = v2.Compose([v2.Resize(224, v2.InterpolationMode.BICUBIC), v2.CenterCrop(224)])
    small = torch.from_numpy(np.array(resize(Image.fromarray(image)))).permute(2, 0, 1) / 255
    return v2.functional.normalize(small, CLIP_MEAN, CLIP_DEVIATION)


def scores(spec: str) -> list[float]:
    samples = [Sample("x", edited=image, prompt=text) for image, text in zip(IMAGES, TEXTS, strict=True)]
    return [float(score) for score in create_metric(spec, device="cpu").score(samples)]


@pytest.mark.parametrize("limit", [35, 512])
def test_image_reward(limit):
    reference = Reference(published("image-reward", "blip."))
    state = reference.read(TEXTS, reference.see(IMAGES), limit)
    head = published("image-reward", "mlp.layers.")
    for place in (0, 2, 4, 6, 7):
        state = F.linear(state, head[f"{place}.weight"], head[f"{place}.bias"])
    expected = (state[:, 0] - 0.16717362830052426) / 1.0333394966054072
    assert scores(f"image_reward:max_tokens={limit}") == pytest.approx(expected.tolist(), abs=1e-5)
    raw = scores(f"image_reward:max_tokens={limit},standardise=false")
    assert raw == pytest.approx(state[:, 0].tolist(), abs=1e-5)


def test_the_prompts_end_is_cut_off_and_said():
    assert scores("image_reward")[0] == pytest.approx(scores("image_reward:max_tokens=512")[0], abs=1e-6)
    assert scores("image_reward")[1] != pytest.approx(scores("image_reward:max_tokens=512")[1], abs=1e-4)
    metric = create_metric("image_reward", device="cpu")
    notes = [metric(edited=IMAGES[0], prompt=text).details.get("note") for text in (*TEXTS, "a " * 5_000)]
    assert notes[0] is None
    assert all("35 are read" in note for note in notes[1:])


def test_blip_score_of_image_rewards_tables():
    reference = Reference(published("blip-pretrained-large"))
    seen, read = reference.see(IMAGES), reference.read(TEXTS)
    expected = F.cosine_similarity(reference.linear("vision_proj", seen[:, 0]), reference.linear("text_proj", read))
    assert scores("blip_score") == pytest.approx(expected.tolist(), abs=1e-5)
    matches = reference.linear("itm_head", reference.read(TEXTS, seen)).softmax(-1)[:, 1]
    assert scores("blip_score:head=itm") == pytest.approx(matches.tolist(), abs=1e-5)


@pytest.mark.parametrize("size", ["base", "large"])
def test_blip_score_of_coco_is_transformers_on_squashed_images(size):
    from transformers import BlipConfig, BlipForImageTextRetrieval
    from transformers.models.blip import BlipImageProcessorPil

    vision = {**TINY_BLIP, "image_size": 384, "patch_size": 16, "layer_norm_eps": 1e-6}
    text = {**TINY_TEXT, "encoder_hidden_size": TINY_BLIP["hidden_size"]}
    model = BlipForImageTextRetrieval(BlipConfig(vision_config=vision, text_config=text, image_text_hidden_size=256))
    model.load_state_dict(published(f"blip-itm-{size}-coco"), strict=True)
    pixels = BlipImageProcessorPil()(images=IMAGES, return_tensors="pt")["pixel_values"]
    tokens = [bert_tokens(text, 35, str(weights.path(VOCABULARY)))[0] for text in TEXTS]
    inputs = {"input_ids": "tokens", "attention_mask": "attended"}
    inputs = {theirs: torch.stack([each[ours] for each in tokens]) for theirs, ours in inputs.items()}
    with torch.inference_mode():
        cosines = model.eval()(pixel_values=pixels, **inputs, use_itm_head=False).itm_score.diagonal()
        matches = model(pixel_values=pixels, **inputs).itm_score.softmax(-1)[:, 1]
    spec = f"blip_score:model=coco-{size}"
    assert scores(spec) == pytest.approx(cosines.tolist(), abs=1e-5)
    assert scores(f"{spec},head=itm") == pytest.approx(matches.tolist(), abs=1e-5)


@pytest.mark.parametrize("spec", ["image_reward", "blip_score", "blip_score:head=itm"])
def test_tokens_behind_the_longest_prompt_of_a_batch_are_not_read(spec):
    """A short prompt beside a long one is padded and alone is not: the number is the same."""
    metric = create_metric(spec, device="cpu")
    both = scores(spec)
    read = []
    metric.load()
    hook = metric.module.text_encoder.embeddings.register_forward_hook(
        lambda module, arguments, states: read.append(states.shape[1])
    )
    alone = metric(edited=IMAGES[0], prompt=TEXTS[0])
    hook.remove()
    length = int(bert_tokens(TEXTS[0], 35, str(weights.path(VOCABULARY)))[0]["attended"].sum())
    assert read == [length]
    assert 2 < length < 35
    assert float(alone) == pytest.approx(both[0], abs=1e-6)


def test_the_tokens_are_berts():
    from transformers import BertTokenizer

    path = str(weights.path(VOCABULARY))
    theirs = BertTokenizer(vocab=path)(TEXTS, padding="max_length", truncation=True, max_length=35)
    for row, text in enumerate(TEXTS):
        tokens, _ = bert_tokens(text, 35, path)
        assert tokens["tokens"].tolist() == theirs["input_ids"][row]
        assert tokens["attended"].tolist() == theirs["attention_mask"][row]
