"""The store of features: the same numbers as the tower's, computed once, never those of another tower."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
import torch

from editmetrics.mllm.backbone import IMAGE, Backbone
from editmetrics.mllm.features import FeatureError, FeatureStore, picture_key
from editmetrics.mllm.lora import add_lora


def pictures_of(backbone, count=3, among=2, first=0):
    return [
        backbone.see(
            np.random.default_rng(first + n).integers(0, 256, (64, 64 + 8 * n, 3), dtype=np.uint8), among=among
        )
        for n in range(count)
    ]


def tensors(features):
    return [tensor for each in features for tensor in each.tensors().values()]


@pytest.fixture
def looks(monkeypatch):
    """How many pictures went through the vision tower."""
    seen = []
    look = Backbone.look
    monkeypatch.setattr(
        Backbone, "look", lambda self, pictures: [seen.append(p) for p in pictures] and look(self, pictures)
    )
    return seen


def test_they_are_what_the_tower_says_and_are_computed_once(backbone, tmp_path, looks):
    pictures = pictures_of(backbone)
    with torch.no_grad():
        expected = [backbone.look([picture])[0] for picture in pictures]
    looks.clear()
    store = FeatureStore(tmp_path, backbone)
    first = store.get([*pictures, pictures[0]])
    assert len(looks) == 3
    for found in (first[:3], store.get(pictures), FeatureStore(tmp_path, backbone).get(pictures)):
        # pictures together and one by one: float32 sums in another order
        for x, y in zip(tensors(found), tensors(expected), strict=True):
            torch.testing.assert_close(x, y, atol=1e-5, rtol=1e-5)
        assert all(torch.equal(x, y) for x, y in zip(tensors(found), tensors(first[:3]), strict=True))
    assert len(looks) == 3
    assert not any(tensor.requires_grad for tensor in tensors(first))


def test_a_prompt_of_kept_pictures_gives_the_same_hidden_states(backbone, tmp_path):
    pictures = pictures_of(backbone, 2)
    store = FeatureStore(tmp_path, backbone)
    chat = [("user", [IMAGE, IMAGE, "How good is the edit?"])]
    prompt, kept = (backbone.prompt(chat, some) for some in (pictures, [store.keep(p) for p in pictures]))
    assert torch.equal(prompt.ids, kept.ids)
    with torch.no_grad():
        expected = backbone.forward([prompt]).hidden
        found = backbone.forward([kept], [store.get(kept.pictures)]).hidden
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert len(pickle.dumps(kept)) < len(pickle.dumps(prompt)) / 5


def test_pictures_that_are_kept_go_through_the_tower_in_batches(folders, tmp_path, monkeypatch):
    backbone = Backbone.load(folders["internvl"], device="cpu")
    batches = []
    look = Backbone.look
    monkeypatch.setattr(Backbone, "look", lambda self, pictures: batches.append(len(pictures)) or look(self, pictures))
    pictures = pictures_of(backbone, 7)
    store = FeatureStore(tmp_path, backbone, batch=3)
    kept = [store.keep(picture) for picture in [*pictures[:5], *pictures]]
    assert batches == [3, 3]
    assert not any("pixel_values" in picture.pixels for picture in kept)
    store.get(kept[:2])
    assert batches == [3, 3]
    store.get([kept[-1]])  # it waited
    assert batches == [3, 3, 1]
    again = FeatureStore(tmp_path, backbone, batch=3)
    assert [again.keep(picture).key for picture in pictures] == [picture.key for picture in kept[5:]]
    cut = again._file(kept[0].key)
    cut.write_bytes(cut.read_bytes()[:1000])
    again.keep(pictures[0])
    again.get([kept[0]])
    assert batches == [3, 3, 1, 1]


def test_the_size_of_a_store_is_known_before_it_is_written(backbone, tmp_path, caplog):
    """Within a file's header (about 200 bytes a tensor) of what is then on the disk, for every family and dtype."""
    pictures = pictures_of(backbone, 4)
    store = FeatureStore(tmp_path, backbone)
    with caplog.at_level("INFO"):
        expected = store.require_room(pictures, 4, 1e9)
    assert "features of 4 images" in caplog.text
    assert not list(tmp_path.rglob("*.safetensors"))
    store.fill(pictures)
    written = sum(file.stat().st_size for file in tmp_path.rglob("*.safetensors"))
    assert expected < written < expected + 4 * 1000
    assert store.require_room(pictures[:1] * 2, 4, 1e9) == 4 * store.size_of(pictures[0].tokens)
    assert FeatureStore(tmp_path, backbone).size_of(10) == 10 * store.size_of(1)


def test_a_store_without_room_is_refused_in_bytes(folders, tmp_path, monkeypatch):
    backbone = Backbone.load(folders["internvl"], device="cpu")
    pictures = pictures_of(backbone, 2)
    store = FeatureStore(tmp_path, backbone)
    size = store.require_room(pictures, 1000, 1e9)
    with pytest.raises(FeatureError, match=r"1,000 images .* take about .* GB .*feature_store=false"):
        store.require_room(pictures, 1000, size - 1)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=int(size) - 1))
    with pytest.raises(FeatureError, match="are free"):
        store.require_room(pictures, 1000, 1e9)
    store.fill(pictures)  # what is there already needs no room
    assert store.require_room(pictures, 1000, 1e9) == size


def test_gradients_of_an_adapter_are_the_same_with_kept_features(folders, tmp_path):
    from editmetrics.mllm.lora import trainable

    backbone = Backbone.load(shutil.copytree(folders["qwen3_vl"], tmp_path / "backbone"), device="cpu")
    add_lora(backbone, "a", dropout=0.0)
    chosen = trainable(backbone, "a")
    store = FeatureStore(tmp_path / "features", backbone)
    pictures = pictures_of(backbone, 1, among=1)
    prompt = backbone.prompt([("user", [IMAGE, "good?"])], pictures)
    found = []
    for features in (None, [store.get(pictures)]):
        for parameter in chosen:
            parameter.grad = None
        backbone.forward([prompt], features).hidden.square().sum().backward()
        found.append(torch.cat([parameter.grad.flatten() for parameter in chosen]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-3)
    assert found[0].abs().max() > 1


def test_filling_goes_on_where_it_was_stopped(folders, tmp_path, looks):
    backbone = Backbone.load(folders["internvl"], device="cpu")
    pictures = pictures_of(backbone, 7)
    told = []

    def stopped():
        yield from pictures[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FeatureStore(tmp_path, backbone, batch=2).fill(stopped(), told.append)
    assert len(looks) == 4  # two batches were finished
    assert told == [1, 2, 3, 4, 5]
    assert FeatureStore(tmp_path, backbone, batch=2).fill(iter(pictures)) == 3
    assert FeatureStore(tmp_path, backbone).fill(pictures) == 0
    assert len(looks) == 7


def test_memory_is_bounded_and_the_disk_knows_the_rest(folders, tmp_path, looks):
    backbone = Backbone.load(folders["internvl"], device="cpu")
    pictures = pictures_of(backbone, 6)
    size = sum(t.numel() * 4 for t in tensors(FeatureStore(tmp_path / "a", backbone).get(pictures[:1])))
    store = FeatureStore(tmp_path / "b", backbone, memory=8 * size)  # the largest picture has seven tiles
    looks.clear()
    store.get(pictures)
    held = sum(t.numel() * t.element_size() for t in tensors(store._recent.values()))
    assert 0 < held == store._held <= 8 * size
    base = {t.untyped_storage().nbytes() for t in tensors(store._recent.values())}
    assert max(base) <= 8 * size  # no view that keeps a whole batch alive
    store.get(pictures)
    assert len(looks) == 6


def test_another_tower_gets_a_folder_of_its_own(folders, tmp_path, looks):
    """Other weights, another dtype, an adapter in the tower; but not an adapter in the language model."""
    from editmetrics.testing import tiny_backbone

    one = Backbone.load(shutil.copytree(folders["internvl"], tmp_path / "one"), device="cpu")
    other = Backbone.load(tiny_backbone("internvl", tmp_path / "other", seed=1), device="cpu")
    coarse = Backbone.load(tmp_path / "one", device="cpu", dtype="bfloat16")
    picture = pictures_of(one, 1)
    first = FeatureStore(tmp_path / "f", one).get(picture)[0].tokens
    assert not torch.equal(FeatureStore(tmp_path / "f", other).get(picture)[0].tokens, first)
    assert FeatureStore(tmp_path / "f", coarse).get(picture)[0].tokens.dtype == torch.bfloat16
    add_lora(one, "language", parts={"language"})
    add_lora(one, "vision", parts={"vision"})
    with torch.no_grad():
        for name, parameter in one.model.named_parameters():
            if "lora_B.vision" in name:
                parameter.fill_(0.05)
    seen = len(looks)
    assert torch.equal(FeatureStore(tmp_path / "f", one, adapter="language").get(picture)[0].tokens, first)
    assert len(looks) == seen
    adapted = FeatureStore(tmp_path / "f", one, adapter="vision").get(picture)[0].tokens
    assert not torch.equal(adapted, first)
    assert len(list((tmp_path / "f").iterdir())) == 4


def test_equal_pixels_have_one_key_and_others_another(folders):
    backbone = Backbone.load(folders["internvl"], device="cpu")
    a, b = (pictures_of(backbone, 1)[0] for _ in range(2))
    assert picture_key(a) == picture_key(b)
    assert picture_key(a) != picture_key(pictures_of(backbone, 1, first=9)[0])


def test_a_damaged_file_is_computed_again(folders, tmp_path, looks, caplog):
    backbone = Backbone.load(folders["internvl"], device="cpu")
    pictures = pictures_of(backbone, 1)
    first = FeatureStore(tmp_path, backbone).get(pictures)[0].tokens
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:40])
    again = FeatureStore(tmp_path, backbone).get(pictures)[0].tokens
    assert torch.equal(again, first)
    assert len(looks) == 2
    assert "is damaged" in caplog.text


def test_a_disk_that_is_full_is_said(folders, tmp_path, monkeypatch):
    import safetensors.torch

    def full(*_):
        raise OSError(28, "No space left on device")

    backbone = Backbone.load(folders["internvl"], device="cpu")
    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(FeatureError, match=r"No space left on device.*features take .* MB"):
        FeatureStore(tmp_path, backbone).get(pictures_of(backbone, 1))


def test_features_that_were_deleted_under_way_are_missed(folders, tmp_path):
    backbone = Backbone.load(folders["internvl"], device="cpu")
    kept = FeatureStore(tmp_path, backbone).keep(pictures_of(backbone, 1)[0])
    shutil.rmtree(tmp_path)
    with pytest.raises(FeatureError, match="is missing, and its picture"):
        FeatureStore(tmp_path, backbone).get([kept])
