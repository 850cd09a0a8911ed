"""CLIPScore against transformers and torchmetrics: the same random ViT-B/32, photographs, texts long and short."""

from __future__ import annotations

import gzip
import hashlib

import numpy as np
import open_clip
import pytest
import skimage.data
import torch

from editmetrics import EditMetricsError, Sample, create_metric, weights
from editmetrics.plugins.clip import preprocess
from editmetrics.plugins.clip_score import clip_score
from editmetrics.scoring.results import Column
from tests.random_checkpoints import write_random_checkpoint

NAME = "clip-vit-b-32-openai"
PHOTOGRAPHS = {
    "wide": lambda: skimage.data.chelsea()[:, :450],
    "tall": lambda: skimage.data.coffee()[:, 100:402],
    "small": lambda: skimage.data.astronaut()[:64, :80],
}
TEXTS = [
    "A cat, looking straight into the camera",
    "an espresso in a white cup; it's 3 o'clock & the café is empty — 日本語",
    "the portrait of an astronaut in front of a flag " * 12,
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_random_checkpoint(NAME, tmp_path_factory.mktemp("clip"))


@pytest.fixture(autouse=True)
def _random_weights(checkpoint):
    with weights.substitute(NAME, checkpoint.parent):
        yield


@pytest.fixture(scope="module")
def metric(checkpoint):
    """With torchmetrics' conventions; loaded once."""
    metric = create_metric("clip_score:template={prompt},scale=100", device="cpu")
    with weights.substitute(NAME, checkpoint.parent):
        metric.load()
    return metric


@pytest.fixture(scope="module")
def reference(checkpoint):
    """transformers' CLIP with the same weights, tokenizer and preprocessing."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip import CLIPImageProcessorPil

    model = CLIPModel(CLIPConfig(projection_dim=512))  # the defaults are those of ViT-B/32
    model.load_state_dict(transformers_names(weights.load_state_dict(checkpoint)), strict=True)
    with gzip.open(open_clip.tokenizer.default_bpe(), "rt", encoding="utf-8") as file:
        merges = [tuple(line.split()) for line in file.read().split("\n")[1 : 49152 - 256 - 2 + 1]]
    vocabulary = dict(open_clip.SimpleTokenizer().encoder)
    for name, token in (("start", "<|startoftext|>"), ("end", "<|endoftext|>")):
        vocabulary[token] = vocabulary.pop(f"<{name}_of_text>")
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    images_processor = CLIPImageProcessorPil()

    def process(text=None, images=None, **options):
        if text is None:
            return images_processor(images=images, return_tensors="pt")
        return tokenizer(text, truncation=True, **options)

    return model.eval(), process


def transformers_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state dict of open_clip's CLIP by the names that transformers gives the same tensors."""
    parts = [
        ("visual.transformer.resblocks", "vision_model.encoder.layers"),
        ("transformer.resblocks", "text_model.encoder.layers"),
        ("ln_1", "layer_norm1"),
        ("ln_2", "layer_norm2"),
        ("mlp.c_fc", "mlp.fc1"),
        ("mlp.c_proj", "mlp.fc2"),
        ("attn.out_proj", "self_attn.out_proj"),
        ("visual.class_embedding", "vision_model.embeddings.class_embedding"),
        ("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
        ("visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"),
        ("visual.ln_pre", "vision_model.pre_layrnorm"),
        ("visual.ln_post", "vision_model.post_layernorm"),
        ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
        ("token_embedding", "text_model.embeddings.token_embedding"),
        ("ln_final", "text_model.final_layer_norm"),
    ]
    renamed = {}
    for name, tensor in tensors.items():
        for ours, theirs in parts:
            name = name.replace(ours, theirs)
        if "attn.in_proj_" in name:
            for projection, part in zip("qkv", tensor.chunk(3), strict=True):
                renamed[name.replace("attn.in_proj_", f"self_attn.{projection}_proj.")] = part
        else:
            renamed[name] = tensor
    for ours, theirs in (("visual.proj", "visual_projection"), ("text_projection", "text_projection")):
        renamed[f"{theirs}.weight"] = renamed.pop(ours).T
    return renamed


def cosine(reference, photograph: np.ndarray, text: str) -> float:
    model, process = reference
    pixels = process(images=[photograph])["pixel_values"]
    tokens = process(text=[text], return_tensors="pt")
    with torch.no_grad():
        output = model(pixel_values=pixels, **tokens)
    return torch.nn.functional.cosine_similarity(output.image_embeds, output.text_embeds).item()


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_equals_transformers(metric, reference, name):
    photograph = PHOTOGRAPHS[name]()
    expected = [100 * cosine(reference, photograph, text) for text in TEXTS]
    assert min(expected) > 0
    assert max(expected) - min(expected) > 0.5  # the texts are told apart
    # of the cosine 1e-5: twelve layers of float32 in another order
    assert [float(metric(photograph, prompt=text)) for text in TEXTS] == pytest.approx(expected, abs=1e-3)


def test_equals_torchmetrics(metric, reference):
    from torchmetrics.functional.multimodal import clip_score as theirs

    model, process = reference

    class Tensors(torch.nn.Module):  # transformers 5 returns more than the tensors that torchmetrics 1.9 expects
        config = model.config

        def get_image_features(self, pixels):
            return getattr(features := model.get_image_features(pixels), "pooler_output", features)

        def get_text_features(self, ids, mask):
            return getattr(features := model.get_text_features(ids, mask), "pooler_output", features)

    photograph = PHOTOGRAPHS["wide"]()
    image = torch.from_numpy(photograph.copy()).permute(2, 0, 1)
    expected = theirs(image, TEXTS[0], model_name_or_path=lambda: (Tensors(), process)).item()
    assert float(metric(photograph, prompt=TEXTS[0])) == pytest.approx(expected, abs=1e-3)


def test_the_default_is_the_papers_convention(metric, reference):
    paper = create_metric("clip_score", device="cpu")
    expected = 2.5 * cosine(reference, PHOTOGRAPHS["wide"](), f"A photo depicts {TEXTS[0]}")
    score = paper(PHOTOGRAPHS["wide"](), prompt=TEXTS[0])
    assert float(score) == pytest.approx(expected, abs=2.5e-5)
    assert score.details == {}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_preprocessing_is_that_of_transformers(reference, name):
    """Both resize with Pillow; where the margin is odd their crops are one pixel apart, and these margins are even."""
    photograph = PHOTOGRAPHS[name]()
    (expected,) = reference[1](images=[photograph])["pixel_values"]
    torch.testing.assert_close(preprocess(photograph), expected, atol=1e-5, rtol=0)  # float32 of x / 255
    sixteen_bits = photograph.astype(np.uint16) * 257
    torch.testing.assert_close(preprocess(sixteen_bits), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_transformers(metric, reference, text):
    (expected,) = reference[1](text=[text])["input_ids"]
    prepared = metric.prepare(Sample("x", edited=np.zeros((8, 8, 3), np.uint8), prompt=text))
    tokens = prepared["tokens"].tolist()
    assert tokens == expected + [0] * (77 - len(expected))
    assert expected[-1] == 49407  # the end token, also of a text that was cut
    assert (prepared["note"] is not None) == (len(expected) == 77)


@pytest.mark.parametrize(("words", "cut"), [(75, False), (76, True)])
def test_a_text_that_is_cut_is_said_to_be(metric, words, cut):
    score = metric(PHOTOGRAPHS["small"](), prompt="cat " * words)
    assert score.details == (
        {"note": "the text has 78 tokens with start and end; CLIP reads 77: its end was cut off"} if cut else {}
    )


def test_a_cosine_below_0_scores_0(metric):
    image, tokens = preprocess(PHOTOGRAPHS["wide"]())[None], open_clip.tokenize(TEXTS[:1])

    class Opposite:
        encode_text = metric._module.encode_text

        def encode_image(self, images, normalize):
            return -metric._module.encode_image(images, normalize=normalize)

    with torch.no_grad():
        assert clip_score(image, tokens, metric._module).item() > 0
        assert clip_score(image, tokens, Opposite()).item() == 0


def test_one_value_per_sample_whatever_the_batch(metric):
    samples = [
        Sample(f"{name} {index}", edited=photograph(), prompt=text)
        for name, photograph in PHOTOGRAPHS.items()
        for index, text in enumerate(TEXTS)
    ]
    alone = [float(metric(sample)) for sample in samples[::4]]
    assert [float(score) for score in metric.score(samples)][::4] == pytest.approx(alone, abs=1e-3)
    (unscored,) = metric.score([Sample("no prompt", edited=PHOTOGRAPHS["wide"]())])
    assert unscored.status == "skipped"


def test_identity_and_range_follow_the_options(checkpoint):
    identity = Column(create_metric("clip_score")).identity
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert identity["checkpoints"] == {NAME: {"open_clip_model.safetensors": digest}}
    assert identity["prompt"] == "A photo depicts {prompt}"
    assert create_metric("clip_score").primary().high == 2.5
    other = create_metric("clip_score:model=ViT-L-14,template=a photo of {prompt},scale=100")
    assert other.dimensions[0].high == 100
    assert other.identity()["prompt"] == "a photo of {prompt}"
    assert other.checkpoints() == ("clip-vit-l-14-openai",)


def test_a_template_without_prompt_is_refused():
    with pytest.raises(EditMetricsError, match=r"template is 'a photo'; it must contain \{prompt\}"):
        create_metric("clip_score:template=a photo")


def test_weights_that_are_not_here_or_do_not_fit_are_a_clear_error(tmp_path):
    from safetensors.torch import save_file

    with weights.substitute(NAME, tmp_path):
        with pytest.raises(weights.WeightsError, match=f"not on this machine.*editmetrics weights pull {NAME}"):
            create_metric("clip_score").load()
        save_file({"logit_scale": torch.ones(())}, tmp_path / "open_clip_model.safetensors")
        with pytest.raises(weights.WeightsError, match="does not fit the network of clip_score"):
            create_metric("clip_score").load()
