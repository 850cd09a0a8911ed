"""DreamSim and PieAPP against open_clip, timm, peft and piq, with random weights, and DreamSim's published numbers.

DreamSim was also compared with the authors' package (dreamsim 0.2.1), with random weights of full size in an archive
like theirs: each of the four models gave the same number to 2e-7.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import piq.pieapp
import pytest
import torch

from editmetrics import SampleError, create_metric, weights
from editmetrics.plugins import dreamsim as module
from editmetrics.plugins import pieapp as pieapp_module
from editmetrics.plugins.conformance.perceptual import ALPHA, RANK, branch_tensors, dreamsim_weights, stand_in
from editmetrics.plugins.dino import DEVIATION, MEAN
from editmetrics.plugins.pieapp import pieapp, starts
from editmetrics.plugins.preprocessing import CLIP_DEVIATION, CLIP_MEAN
from editmetrics.testing import offline_weights
from tests.plugins.photographs import pairs, tensors

IMAGES = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
FOLDER = os.environ.get("DREAMSIM_FOLDER")


def normalised(mean, deviation):
    return (IMAGES - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]


def with_adapters(tensors_of, archive, position):
    """The tensors with peft's merge of the archive's adapters, through a module of one layer each."""
    from peft.tuners.lora import LoraConfig, LoraModel

    merged = dict(tensors_of)
    for name, tensor in tensors_of.items():
        if name.endswith("attn.qkv.weight"):
            layer = torch.nn.ModuleDict({"qkv": torch.nn.Linear(*reversed(tensor.shape), bias=False)})
            layer["qkv"].weight.data = tensor.clone()
            model = LoraModel(layer, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["qkv"]), "default")
            for side in "AB":
                key = f"lora/base_model.model.extractor_list.{position}.model.{name[:-7]}.lora_{side}.weight"
                getattr(layer["qkv"], f"lora_{side}")["default"].weight.data = archive[key]
            merged[name] = model.merge_and_unload()["qkv"].weight.data
    return merged


def open_clip_names(own):
    """The names that open_clip gives the tensors of a branch of DreamSim's archive."""
    flat = {"cls_token": "class_embedding", "pos_embed": "positional_embedding"}
    named = {theirs: own[ours].reshape(own[ours].shape[-2:]) for ours, theirs in flat.items()}
    named["class_embedding"] = named["class_embedding"][0]
    for name, tensor in own.items():
        for ours, theirs in (
            ("patch_embed.proj.weight", "conv1.weight"),
            ("pos_drop", "ln_pre"),
            ("blocks", "transformer.resblocks"),
            ("norm1", "ln_1"),
            ("norm2", "ln_2"),
            ("attn.qkv.", "attn.in_proj_"),
            ("attn.proj", "attn.out_proj"),
            ("fc1", "c_fc"),
            ("fc2", "c_proj"),
        ):
            name = name.replace(ours, theirs)
        name = name.replace("norm.", "ln_post.") if name.startswith("norm.") else name
        if name not in (*flat, "patch_embed.proj.bias"):
            named[name] = tensor
    return named


@pytest.mark.parametrize("branch", ["dino_vitb16", "clip_vitb32", "open_clip_vitb32"])
def test_a_branch_is_the_network_of_its_library_with_peft_s_adapters(branch, tmp_path):
    dreamsim_weights(branch, tmp_path)
    archive = module.read_archive(tmp_path / f"dreamsim_{branch}_checkpoint.zip", branch)
    with stand_in():
        own = with_adapters(branch_tensors(branch), archive, 0)
        with offline_weights(["dino-vit-b-16"]), weights.substitute(module.CHECKPOINTS[branch], tmp_path):
            metric = create_metric(f"dreamsim:model={branch}", device="cpu")
            seen = metric.read_network()(IMAGES)
    if branch == "dino_vitb16":
        from timm.models.vision_transformer import VisionTransformer

        theirs = VisionTransformer(patch_size=16, embed_dim=48, depth=2, num_heads=2, num_classes=0)
        theirs.load_state_dict(own, strict=False)
        tokens = theirs.get_intermediate_layers(normalised(MEAN, DEVIATION), 1, return_prefix_tokens=True)[0][1]
        expected = tokens[:, 0]
    else:
        from open_clip.transformer import QuickGELU, VisionTransformer

        theirs = VisionTransformer(
            image_size=224,
            patch_size=32,
            width=48,
            layers=2,
            heads=2,
            mlp_ratio=4,
            output_dim=16,
            act_layer=torch.nn.GELU if branch.startswith("open") else QuickGELU,
        )
        theirs.load_state_dict(open_clip_names({**own, "patch_embed.proj.bias": None} | own))
        # open_clip's patches have no bias: it is the same as one in all positions but the class token's
        theirs.positional_embedding.data[1:] += own["patch_embed.proj.bias"]
        expected = theirs.eval()(normalised(CLIP_MEAN, CLIP_DEVIATION))
    torch.testing.assert_close(seen, expected.detach(), rtol=1e-4, atol=1e-5)


def test_the_ensemble_joins_its_branches_before_it_centres_them():
    with stand_in(), offline_weights(["dreamsim-ensemble", "dino-vit-b-16"]):
        metric = create_metric("dreamsim", device="cpu")
        metric.load()
        parts = [transformer(IMAGES) for transformer in metric.module]
        joined = metric.module(IMAGES)
        assert joined.shape == (2, 48 + 16 + 16)
        assert not torch.equal(parts[1], parts[2])
        x, y = joined.double()
        expected = 1 - np.corrcoef(x.numpy(), y.numpy())[0, 1]
        assert module.dreamsim(IMAGES[:1], IMAGES[1:], metric.module).item() == pytest.approx(expected, abs=1e-6)
        source, edited = pairs()["shift"]
        score = float(metric(source, edited))
        x, y = (image.requires_grad_() for image in tensors("shift"))
        distance = metric.tensors(y, source=x)
        assert distance.item() == pytest.approx(score, abs=2e-3)  # 8 bits after scaling
        distance.sum().backward()
        assert y.grad.abs().max() > 0


def test_an_archive_that_lacks_a_member_is_named(tmp_path):
    file = tmp_path / "dreamsim_clip_vitb32_checkpoint.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../clip_vitb32_pretrain.pth.tar", b"x")
    with pytest.raises(weights.WeightsError, match=r"holds no clip_vitb32_pretrain\.pth\.tar"):
        module.read_archive(file, "clip_vitb32")


@pytest.mark.skipif(
    FOLDER is None,
    reason="DREAMSIM_FOLDER names no folder with the authors' archive, DINO's model.safetensors and their images",
)
def test_the_numbers_of_the_authors_readme():
    folder = Path(FOLDER)
    with weights.substitute("dreamsim-ensemble", folder), weights.substitute("dino-vit-b-16", folder):
        metric = create_metric("dreamsim", device="cpu")
        for letter, expected in (("a", 0.4453), ("b", 0.2756)):
            assert float(metric(folder / "ref_1.png", folder / f"img_{letter}_1.png")) == pytest.approx(
                expected, abs=1e-4
            )


# ---------------------------------------------------------------------- PieAPP


def authors_starts(side, stride):
    """Where test_PieAPP_TF.py takes patches along a side: of pieces by `sample_patches`, strided."""
    y_loc = np.concatenate((np.arange(0, side - 64, stride), np.array([side - 64])))
    corners = []
    for piece in range(-(-len(y_loc) // 10)):
        first = y_loc[10 * piece]
        size = side - first if 10 * (piece + 1) >= len(y_loc) else y_loc[10 * (piece + 1)] - first + 64 - stride
        corners += [int(first + row) for row in np.arange(0, size - 64 + 1, stride)]
    return corners


@pytest.mark.parametrize("stride", [6, 27])
def test_patches_lie_where_the_authors_script_has_them(stride):
    sides = range(64, 420)
    assert [starts(side, stride) for side in sides] == [authors_starts(side, stride) for side in sides]
    assert any(starts(side, stride)[-1] == side - 64 for side in sides)


@pytest.fixture(scope="module")
def networks():
    """Ours and piq's, with one set of random weights."""
    with torch.device("meta"):
        theirs = piq.pieapp.PieAPPModel()
    random = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in theirs.state_dict().items():
        scale = (2 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.1
        state[name] = scale * torch.randn(tensor.shape, generator=random)
    state["fc2_weight.bias"] += 300  # weights that do not cancel
    theirs.load_state_dict(state, assign=True)
    ours = pieapp_module.build_network()
    ours.load_state_dict(state, assign=True)
    return ours.requires_grad_(False), theirs.requires_grad_(False)


def test_equals_piq_under_its_convention(networks):
    ours, model = networks
    theirs = piq.pieapp.PieAPP.__new__(piq.pieapp.PieAPP)
    torch.nn.Module.__init__(theirs)
    theirs.model, theirs.data_range, theirs.reduction, theirs.stride, theirs.enable_grad = model, 1.0, "none", 27, False
    x, y = (image[..., :92, :120] for image in tensors("noise"))
    with torch.no_grad():
        expected = theirs(y, x).item()
    assert pieapp(x, y, ours, stride=27, colours="rgb").item() == pytest.approx(expected, rel=1e-4)
    swapped = pieapp(x.flip(1), y.flip(1), ours, stride=27).item()
    assert swapped == pytest.approx(expected, rel=1e-4)  # OpenCV's order by default
    assert abs(pieapp(x, y, ours, stride=27).item() - expected) > 1e-3 * abs(expected)


def test_a_region_is_weighed_by_patches_and_one_that_no_patch_sees_is_skipped():
    with stand_in(), offline_weights(["pieapp"]):
        network = create_metric("pieapp").read_network()
    x, y = (image[..., :70, :70] for image in tensors("noise"))
    upper = torch.zeros(1, 1, 70, 70, dtype=torch.bool)
    upper[..., :32, :] = True
    whole = pieapp(x, y, network).item()
    assert pieapp(x, y, network, torch.ones_like(upper)).item() == pytest.approx(whole, rel=1e-6)
    assert pieapp(x, y, network, upper).item() > 0 == pieapp(x, torch.where(upper, x, y), network, upper).item()
    with pytest.raises(SampleError, match="no patch"):
        pieapp(x, y, network, torch.arange(70).eq(69).expand(1, 1, 70, 70), stride=27)
