"""DINO similarity and structure distance against timm's own forward and a direct computation, on random weights."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms import Normalize, Resize

from editmetrics import Sample, SampleError, create_metric, weights
from editmetrics.plugins.structure_distance import structure_distance
from editmetrics.testing import offline_weights
from tests.plugins.photographs import as_tensor, pairs, tensors

IMAGENET = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_dino_image_is_timms_cosine_by_the_whole_vit_s_16(tmp_path):
    torch.manual_seed(0)
    model = timm.create_model("vit_small_patch16_224.dino", pretrained=False).eval()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    transform = timm.data.create_transform(
        input_size=224,
        crop_pct=224 / 256,
        interpolation="bicubic",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    source, edited = pairs()["pasted"]
    with torch.no_grad():
        found = model(torch.stack([transform(Image.fromarray(image)) for image in (source, edited)]))
    expected = F.cosine_similarity(found[:1], found[1:]).item()
    with weights.substitute("dino-vit-s-16", tmp_path):
        metric = create_metric("dino_image", device="cpu")
        assert float(metric(source, edited)) == pytest.approx(expected, abs=1e-5)  # float32
        theirs = create_metric("dino_image:variant=magicbrush", device="cpu")
        sample = Sample("x", edited=edited, source=255 - source, reference=source)
        assert float(theirs(sample)) == pytest.approx(expected, abs=1e-5)


def test_tensors_of_dino_image_give_the_score_and_its_slope():
    source, edited = tensors("pasted")
    edited.requires_grad_()
    with offline_weights(["dino-vit-s-16"]):
        metric = create_metric("dino_image", device="cpu")
        value = metric.tensors(edited, source=source)
        score = metric(source[0], edited.detach()[0])
    assert value.item() == pytest.approx(float(score), abs=2e-3)  # rounding to 8 bits
    value.sum().backward()
    step = 1e-2 * edited.grad / edited.grad.norm()
    with torch.no_grad():
        slope = (metric.tensors(edited + step, source=source) - metric.tensors(edited - step, source=source)) / 2e-2
    assert slope.item() == pytest.approx(edited.grad.norm().item(), rel=0.05)


def test_dino_sees_the_whole_subject_at_its_size():
    """A subject of 224 pixels is scaled by nothing and cropped at its border."""
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    mask = np.zeros(image.shape[:2], bool)
    mask[40:264, 10:234] = True
    with offline_weights(["dino-vit-s-16"]):
        seen = create_metric("dino_image:region=subject", device="cpu").see(image, mask)
    expected = IMAGENET(torch.tensor(image[40:264, 10:234]).permute(2, 0, 1) / 255)
    torch.testing.assert_close(seen, expected)


@pytest.fixture(scope="module")
def network():
    with offline_weights(["dino-vit-b-8"]):
        metric = create_metric("structure_distance", device="cpu")
        metric.load()
        yield metric._module


def self_similarity(model, image: torch.Tensor) -> torch.Tensor:
    """As in Splice's code, by a hook: the keys of all heads side by side, cosine between tokens."""
    kept = {}
    hook = model.blocks[-1].attn.qkv.register_forward_hook(lambda *call: kept.update(qkv=call[2]))
    with torch.no_grad():
        model(image)
    hook.remove()
    tokens, heads = kept["qkv"].shape[1], model.blocks[-1].attn.num_heads
    keys = kept["qkv"].reshape(tokens, 3, heads, -1).permute(1, 2, 0, 3)[1]
    side_by_side = keys.transpose(0, 1).reshape(tokens, -1)
    norms = side_by_side.norm(dim=1, keepdim=True)
    return side_by_side @ side_by_side.T / (norms @ norms.T).clamp(min=1e-8)


def resized(image: torch.Tensor) -> torch.Tensor:
    return Resize((224, 224), antialias=True)(image)


@pytest.mark.parametrize("edit", ["jpeg", "shift"])
def test_structure_distance_is_the_direct_computation(network, edit):
    source, edited = tensors(edit)
    maps = [self_similarity(network, IMAGENET(resized(image))) for image in (source, edited)]
    expected = F.mse_loss(*maps).item()
    assert structure_distance(source, edited, network).item() == pytest.approx(expected, rel=1e-3)  # float32


def test_structure_distance_of_pie_bench(network):
    """Pixels in 0 to 255, normalised as if they were in 0 to 1; with a region, times the mask with its border."""
    source, edited = (image[:200, :200] for image in pairs()["pasted"])
    mask = np.zeros((200, 200), np.float32)
    mask[60:160, 60:180] = 1
    read = mask.copy()
    read[0], read[-1], read[:, 0], read[:, -1] = 1, 1, 1, 1
    for region, kept in (("whole", np.ones_like(mask)), ("outside", 1 - read)):
        levels = [
            torch.tensor(image.astype(np.float32) * kept[..., None]).permute(2, 0, 1)[None]
            for image in (source, edited)
        ]
        expected = F.mse_loss(*(self_similarity(network, IMAGENET(resized(image))) for image in levels)).item()
        metric = create_metric(f"structure_distance:variant=pie-bench,region={region}", device="cpu")
        assert float(metric(source, edited, mask=mask > 0)) == pytest.approx(expected, rel=1e-3)


def test_a_region_is_the_mean_over_its_pairs_of_patches(network):
    source, edited = (image[..., :200, :200] for image in tensors("pasted"))
    source, edited = resized(source), resized(edited)
    mask = torch.zeros(1, 1, 224, 224, dtype=torch.bool)
    mask[..., 40:120, 80:160] = True  # whole patches: rows 5 to 14, columns 10 to 19
    inside = mask[0, 0, ::8, ::8].flatten()
    surrounded = torch.where(mask, edited, source)
    maps = [self_similarity(network, IMAGENET(image))[1:, 1:][inside][:, inside] for image in (source, surrounded)]
    expected = F.mse_loss(*maps).item()
    assert structure_distance(source, edited, network, mask).item() == pytest.approx(expected, rel=1e-3)
    with pytest.raises(SampleError, match="empty"):
        structure_distance(source, edited, network, torch.zeros_like(mask))


def test_identical_images_have_no_structure_distance(network):
    image = as_tensor(pairs()["jpeg"][0])
    assert structure_distance(image, image, network).item() == 0
