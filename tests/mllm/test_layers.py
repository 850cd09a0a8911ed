"""The first layers alone are the whole model's first layers: computed, loaded, and with an adapter."""

import numpy as np
import pytest
import torch

from editmetrics.mllm.backbone import IMAGE, Backbone, BackboneError
from editmetrics.mllm.layers import first_layers, pooled, states_of_all_layers
from editmetrics.mllm.lora import add_lora, load_lora, save_lora, trainable, using
from editmetrics.mllm.prefix_cache import PrefixCache
from tests.mllm.conftest import FAMILIES

SAME = {"rtol": 1e-5, "atol": 1e-5}
"""float32 sums in the same order; the backbone is the same code with fewer layers."""


@pytest.fixture(params=FAMILIES)
def folder(request, folders):
    return folders[request.param]


def prompts_of(backbone):
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (64, side, 3), dtype=np.uint8) for side in (64, 96)]
    return [
        backbone.prompt([("user", [IMAGE, text])], [backbone.see(image)])
        for image, text in zip(images, ("Is it good?", "Is it a good photograph, and of what?"), strict=True)
    ]


@pytest.mark.parametrize("layer", [1, 2, 4])
def test_only_the_first_layers_run_and_give_what_the_full_forward_gives_there(folder, layer):
    backbone = Backbone.load(folder, device="cpu")
    prompts = prompts_of(backbone)
    caught, ran = [], []
    language = backbone.language
    readers = [*language.layers, language.norm]
    hook = readers[layer].register_forward_pre_hook(lambda _, given: caught.append(given[0]))
    with torch.inference_mode():
        language(**backbone.batch(prompts).inputs, use_cache=False)  # all layers, as transformers runs them
    hook.remove()
    hooks = [module.register_forward_hook(lambda *_, n=n: ran.append(n)) for n, module in enumerate(language.layers, 1)]
    with torch.inference_mode():
        output = backbone.forward(prompts, layer=layer)
    for each in hooks:
        each.remove()
    assert ran == list(range(1, layer + 1))
    for row, length in enumerate(output.lengths.tolist()):
        assert torch.equal(output.hidden[row, :length], caught[0][row, :length])
    assert len(language.layers) == 4
    assert type(language.norm).__name__ != "Identity"


@pytest.mark.parametrize("pooling", ["last", "image"])
def test_all_layers_from_one_pass_are_those_computed_one_by_one(folder, pooling):
    backbone = Backbone.load(folder, device="cpu")
    prompts = prompts_of(backbone)
    found = states_of_all_layers(backbone, prompts, pooling=pooling)
    assert found.shape == (2, backbone.num_layers, backbone.hidden_size)
    for layer in range(1, backbone.num_layers + 1):
        output = backbone.forward(prompts, layer=layer)
        for row, prompt in enumerate(prompts):
            states = output.hidden[row, : len(prompt)]
            is_image = prompt.ids == backbone.model.config.image_token_id
            wanted = states[-1] if pooling == "last" else states[is_image].mean(0)
            torch.testing.assert_close(found[row, layer - 1], wanted, **SAME)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_first_layers_can_be_loaded_alone(folder, layers):
    full, part = Backbone.load(folder, device="cpu"), Backbone.load(folder, device="cpu", layers=layers)
    assert (part.num_layers, len(part.language.layers), full.num_layers) == (layers, layers, 4)
    prompts = prompts_of(full)
    for layer in range(1, layers + 1):
        torch.testing.assert_close(
            part.forward(prompts, layer=layer).hidden, full.forward(prompts, layer=layer).hidden, **SAME
        )
    counts = [sum(p.numel() for p in backbone.language.layers.parameters()) for backbone in (part, full)]
    assert counts[0] * 4 == counts[1] * layers
    assert {**part.identity(), "layers": None} == {**full.identity(), "layers": None}


def test_what_needs_all_layers_is_refused_with_some(folders):
    part = Backbone.load(folders["internvl"], device="cpu", layers=2)
    prompts = prompts_of(part)
    for ask in (part.forward, part.read, lambda given: PrefixCache.of(part, given)):
        with pytest.raises(BackboneError, match="first 2 layers only"):
            ask(prompts)
    with pytest.raises(BackboneError, match="layers=5 of internvl; expected 1 to 4"):
        Backbone.load(folders["internvl"], device="cpu", layers=5)
    with pytest.raises(BackboneError, match="layer 3"), first_layers(part, 3):
        pass


def test_an_adapter_of_all_layers_works_on_the_first_alone(folder, tmp_path):
    full, part = Backbone.load(folder, device="cpu"), Backbone.load(folder, device="cpu", layers=2)
    add_lora(full, "trained", parts=("vision", "language"), dropout=0.0)
    for parameter in trainable(full, "trained"):
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.1
    save_lora(full, "trained", tmp_path / "adapter")
    load_lora(part, "of_all_layers", tmp_path / "adapter")
    prompts = prompts_of(full)
    with torch.no_grad():
        with using(part, "of_all_layers"):
            found = part.forward(prompts, layer=2).hidden
        with using(full, "trained"):
            wanted = full.forward(prompts, layer=2).hidden
        raw = part.forward(prompts, layer=2).hidden
    from editmetrics.mllm.lora import remove_lora

    remove_lora(full, "trained")
    torch.testing.assert_close(found, wanted, **SAME)
    assert not torch.allclose(found, raw, atol=1e-3)


def test_pooling_over_images_needs_one(folders):
    backbone = Backbone.load(folders["internvl"], device="cpu")
    output = backbone.forward([backbone.prompt([("user", ["Is it good?"])])], layer=1)
    with pytest.raises(BackboneError, match="no image"):
        pooled(backbone, output, "image")
