"""The conversion of published weights, against the chat layout's own forward pass on a tiny configuration."""

import json
import re
import shutil
from functools import partial

import numpy as np
import pytest
import torch

from editmetrics import create_metric
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.checkpoint import read_checkpoint
from editmetrics.plugins.lmm4lmm import convert as conversion
from editmetrics.plugins.lmm4lmm.chat_layout import ConversionError
from editmetrics.plugins.lmm4lmm.metric import LMM4LMM
from editmetrics.plugins.lmm4lmm.native_layout import SYSTEM
from editmetrics.testing import tiny_backbone
from editmetrics.testing.toys import picture
from editmetrics.weights import sha256
from tests.plugins.lmm4lmm.chat_layout import CONFIG, ChatModel, random_model, write

convert = partial(conversion.convert, metric=LMM4LMM)
PROMPTS = ("a red square", "a long prompt of many more words than the first one has, so that it is padded")


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """A native backbone, whose tokenizer and image processor the conversion takes."""
    return tiny_backbone("internvl", tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="module")
def vocabulary(native):
    return len(Backbone.load(native, device="cpu").tokenizer)


@pytest.fixture(scope="module")
def published(tmp_path_factory, vocabulary):
    config, tensors = random_model(vocabulary)
    folder = tmp_path_factory.mktemp("published")
    write(folder, config, tensors)
    return folder, config, tensors


@pytest.fixture(scope="module")
def converted(tmp_path_factory, published, native):
    output = tmp_path_factory.mktemp("converted") / "correspondence"
    convert(published[0], output, part="correspondence", processor=str(native))
    return output


def written(question, tokens, tail):
    """The conversation as the published training wrote it, as text."""
    image = "<img>" + "<IMG_CONTEXT>" * tokens + "</img>"
    return (
        f"<|im_start|>system\n{SYSTEM}<|im_end|><|im_start|>user\n{image}\n{question}<|im_end|>"
        f"<|im_start|>assistant\n{tail}<|im_end|>"
    )


def test_scores_hidden_states_and_levels_are_those_of_the_chat_layout(converted, published, native):
    """Both prompts in one batch, so that one is padded; the published code reads the 4th token from the end."""
    _, config, tensors = published
    metric = create_metric("lmm4lmm", weights=str(converted), device="cpu", dtype="float32")
    metric.load()
    (assessor,) = metric.assessors
    backbone = assessor.backbone
    reference = ChatModel(config, tensors, backbone.processor.image_token_id)
    prepared = [
        assessor.prepare(picture(seed), prompt, ())["scored"]["correspondence"] for seed, prompt in enumerate(PROMPTS)
    ]
    with torch.no_grad(), assessor.at_work("correspondence"):
        hidden = assessor.hidden(prepared)
        scores = assessor.rate("correspondence", prepared)
        logits = backbone.logits(hidden)
    for row, (prompt, text) in enumerate(zip(prepared, PROMPTS, strict=True)):
        question = f"How would you rate the correspondence of this image and its prompt? prompt: {text}"
        tail = "The correspondence of the image and its prompt is excellent."
        whole = written(question, prompt.pictures[0].tokens, tail)
        ids = torch.tensor(backbone.tokenizer(whole, add_special_tokens=False)["input_ids"])
        assert ids[:-3].tolist() == prompt.ids.tolist()  # without "excellent", "." and the turn's end
        expected = reference.hidden(prompt.pictures[0].pixels["pixel_values"], ids)[-4]
        torch.testing.assert_close(hidden[row], expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(scores[row], reference.score(expected), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(logits[row], reference.logits(expected), atol=1e-3, rtol=1e-4)
    assert (hidden[0] - hidden[1]).abs().max() > 0.1  # the comparison could have failed


def test_the_adapters_bear_on_the_result(converted):
    metric = create_metric("lmm4lmm", weights=str(converted), device="cpu", dtype="float32")
    metric.load()
    (assessor,) = metric.assessors
    prompts = [assessor.prepare(picture(0), "red", ())["scored"]["correspondence"]]
    with torch.no_grad():
        with assessor.at_work("correspondence"):
            adapted = assessor.hidden(prompts)
        with assessor.at_work("correspondence", adapter=False):
            plain = assessor.hidden(prompts)
    assert (adapted - plain).abs().max() > 0.1


def test_a_converted_checkpoint_is_a_metric(converted):
    metric = create_metric("lmm4lmm", weights=str(converted), device="cpu", explain=False)
    assert [dimension.name for dimension in metric.dimensions] == ["correspondence"]
    score = metric(picture(0), prompt="a red square")
    assert 0 <= score["correspondence"] <= 100
    said = json.loads((converted / "metric.json").read_text())
    assert (said["label_scale"], said["settings"]["side"]) == ([0.0, 100.0], 1024)
    assert sorted(said["settings"]["converted_from"]) == [
        "config.json", "lora_weights.pth", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
    ]  # fmt: skip


def test_an_image_becomes_a_square_of_at_most_six_tiles_and_a_thumbnail(converted):
    metric = create_metric("lmm4lmm", weights=str(converted), device="cpu")
    metric.load()
    (assessor,) = metric.assessors
    for shape in ((40, 300), (1500, 900)):
        seen = assessor.see(np.zeros((*shape, 3), np.uint8))
        assert seen.size == (1024, 1024)
        assert len(seen.pixels["pixel_values"]) == 5  # 2 x 2 and the whole: as the published tiling cuts a square


def test_the_questions_part_has_no_head(published, native, tmp_path):
    convert(published[0], tmp_path / "qa", part="questions", processor=str(native))
    metric = create_metric("lmm4lmm", weights=str(tmp_path / "qa"), device="cpu")
    assert [dimension.name for dimension in metric.dimensions] == ["accuracy"]
    assert metric.required() == {"edited", "questions"}
    (score,) = metric.score([_asked()])
    assert score.status in ("ok", "unparseable")
    assert len(score.details["answers"]) == 1


def test_published_files_in_the_store_are_converted_once(published, native, tmp_path, monkeypatch):
    """As after a download, or put there by hand; nothing is fetched."""
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path))
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    monkeypatch.setattr(conversion, "PROCESSOR", str(native))
    shutil.copytree(published[0], tmp_path / "weights" / "lmm4lmm.correspondence")
    values = []
    for _ in range(2):
        metric = create_metric("lmm4lmm:weights=correspondence,explain=false", device="cpu", dtype="float32")
        values.append(metric(picture(0), prompt="a red square")["correspondence"])
        monkeypatch.setattr("editmetrics.plugins.lmm4lmm.published.convert", None)
    assert values[0] == values[1]
    files = metric.identity()["weights"][-1]["lmm4lmm.correspondence"]
    assert files == {path.name: sha256(path) for path in published[0].iterdir() if "index" not in path.name}
    (folder,) = (path for path in (tmp_path / "weights" / "converted").iterdir() if path.is_dir())
    assert folder.name.startswith("lmm4lmm.correspondence-")


def test_a_conversion_that_was_stopped_is_done_again(published, native, tmp_path, monkeypatch):
    """Whatever it left: nothing after an error, a half-written folder after a kill."""

    def stop(*_, **__):
        raise KeyboardInterrupt

    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(conversion, "write_checkpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            convert(published[0], output, part="perception", processor=str(native))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "model.safetensors").write_bytes(b"half of it")
    output.mkdir()  # an empty folder is new enough
    checkpoint = convert(published[0], output, part="perception", processor=str(native))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert checkpoint == read_checkpoint(output)
    assert sorted(path.name for path in output.iterdir()) == [
        "adapter_perception", "backbone", "card.md", "heads.safetensors", "history.jsonl", "metric.json",
    ]  # fmt: skip


def test_the_adapters_own_file_is_registered_and_the_index_names_the_rest(tmp_path, monkeypatch):
    """The authors' code takes the adapters' own file last, for scores and for answers."""
    from huggingface_hub.errors import EntryNotFoundError

    from editmetrics import downloads, hub
    from editmetrics.plugins.lmm4lmm.published import INDEX, _fetch_weights
    from editmetrics.weights import WeightsError, checkpoint

    for part in ("perception", "correspondence", "questions"):
        assert [file.path for file in checkpoint(f"lmm4lmm.{part}").files] == ["config.json", "lora_weights.pth"]
    asked, missing = [], set()

    def fetch(repository, revision, file, folder, *, progress):
        asked.append(file)
        if file == INDEX:
            (folder / file).write_text(json.dumps({"weight_map": {"a": "one.safetensors"}}))
        if file in missing:
            raise downloads.DownloadError(f"no {file}") from EntryNotFoundError("404")
        return folder / file, None

    monkeypatch.setattr(hub, "fetch_from_hub", fetch)
    _fetch_weights("lmm4lmm.questions", tmp_path)
    assert asked == [INDEX, "one.safetensors"]
    missing.add("one.safetensors")
    with pytest.raises(WeightsError, match=r"no one\.safetensors.*IntMeGroup/LMM4LMM-QA"):
        _fetch_weights("lmm4lmm.questions", tmp_path)


def test_the_command_converts(published, native, tmp_path):
    from click.testing import CliRunner

    from editmetrics.cli.weights import weights

    arguments = ["convert", "lmm4lmm", str(published[0]), "-o", str(tmp_path / "out"), "--part", "perception",
                 "--processor", str(native)]  # fmt: skip
    result = CliRunner().invoke(weights, arguments, catch_exceptions=False)
    assert (result.exit_code, result.output.strip()) == (0, f"wrote {tmp_path / 'out'}")
    assert (tmp_path / "out" / "metric.json").is_file()
    digest = sha256(tmp_path / "out" / "metric.json")
    result = CliRunner().invoke(weights, arguments, catch_exceptions=False)
    assert (result.exit_code, result.output.strip()) == (0, f"{tmp_path / 'out'} is already converted")
    assert sha256(tmp_path / "out" / "metric.json") == digest
    result = CliRunner().invoke(weights, ["convert", "psnr", *arguments[2:]])
    assert result.exit_code == 2
    assert "the weights of psnr need no conversion" in result.output


def test_a_folder_that_holds_something_else_is_refused(published, converted, native, tmp_path):
    """Another part, another source, another size of image, or somebody's own files."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    other = tmp_path / "other"
    write(other, {**published[1], "template": "another"}, published[2])
    for source, output, part, side in (
        (published[0], tmp_path / "mine", "correspondence", 1024), (published[0], converted, "perception", 1024),
        (other, converted, "correspondence", 1024), (published[0], converted, "correspondence", 512),
    ):  # fmt: skip
        with pytest.raises(ConversionError, match="is not empty; name a new folder"):
            convert(source, output, part=part, processor=str(native), side=side)
    assert convert(published[0], converted, part="correspondence", processor=str(native)) == read_checkpoint(converted)


def test_two_conversions_into_one_folder_do_not_meet(published, native, tmp_path):
    from editmetrics.plugins.lmm4lmm.convert import _alone

    with _alone(tmp_path / "out"), pytest.raises(ConversionError, match=r"another process is converting into .*out"):
        convert(published[0], tmp_path / "." / "out", part="perception", processor=str(native))
    convert(published[0], tmp_path / "out", part="perception", processor=str(native))


@pytest.mark.parametrize("library", ["safetensors", "tokenizers", "json"])
def test_a_full_disk_is_said_in_words_and_leaves_nothing(published, native, tmp_path, monkeypatch, library):
    import safetensors.torch
    import tokenizers
    import transformers
    from safetensors import SafetensorError

    def full(*_, **__):
        if library == "json":
            raise OSError(28, "No space left on device", str(tmp_path / ".out.partial" / "config.json"))
        raise SafetensorError("I/O error: File too large") if library == "safetensors" else Exception("No space left")

    patched = {
        "safetensors": (safetensors.torch, "save_file"),
        "tokenizers": (tokenizers.Tokenizer, "save"),
        "json": (conversion, "write_checkpoint"),
    }[library]
    if library == "tokenizers":
        patched = (transformers.ProcessorMixin, "save_pretrained")
    monkeypatch.setattr(*patched, full)
    with pytest.raises(
        ConversionError, match=r"out was not converted: .*(too large|No space left).*make room"
    ) as caught:
        convert(published[0], tmp_path / "out", part="perception", processor=str(native))
    assert ".partial" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_processor_without_a_token_is_named(published, native, tmp_path):
    lacking = shutil.copytree(native, tmp_path / "lacking")
    file = lacking / "tokenizer_config.json"
    said = json.loads(file.read_text())
    for name in [name for name in said if "video" in name]:
        del said[name]
    file.write_text(json.dumps(said))
    with pytest.raises(ConversionError, match=r"no processor .*its tokenizer has no video_token; take a newer"):
        convert(published[0], tmp_path / "out", part="perception", processor=str(lacking))


def test_code_beside_a_processor_is_refused(published, native, tmp_path):
    from editmetrics.mllm.backbone import BackboneError

    evil = shutil.copytree(native, tmp_path / "evil")
    (evil / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (evil / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["evil.Evil", null]}}')
    with pytest.raises(BackboneError, match=r"runs code of its own when loaded \(auto_map in tokenizer_config"):
        convert(published[0], tmp_path / "out", part="perception", processor=str(evil))
    assert not (tmp_path / "ran").exists()


def test_a_model_in_one_file_needs_no_index(tmp_path, monkeypatch):
    from huggingface_hub.errors import EntryNotFoundError

    from editmetrics import downloads, hub
    from editmetrics.plugins.lmm4lmm.published import _fetch_weights

    asked = []

    def fetch(repository, revision, file, folder, *, progress):
        asked.append(file)
        if file != "model.safetensors":
            raise downloads.DownloadError(f"no {file}") from EntryNotFoundError("404")
        (folder / file).write_bytes(b"weights")
        return folder / file, None

    monkeypatch.setattr(hub, "fetch_from_hub", fetch)
    _fetch_weights("lmm4lmm.perception", tmp_path)
    _fetch_weights("lmm4lmm.perception", tmp_path)
    assert asked == ["model.safetensors.index.json", "model.safetensors"]


def _asked():
    from editmetrics import Sample

    return Sample("a", edited=picture(0), questions=("Is it red?",))


def test_a_plain_backbone_is_converted_too(vocabulary, native, tmp_path):
    config, tensors = random_model(vocabulary, lora=False)
    write(tmp_path / "plain", config, tensors)
    convert(tmp_path / "plain", tmp_path / "native", part="backbone", processor=str(native))
    backbone = Backbone.load(tmp_path / "native", device="cpu", dtype="float32")
    prompt = backbone.prompt([("user", [backbone.IMAGE, "Is it red?"])], [backbone.see(picture(0))])
    reference = ChatModel(config, tensors, backbone.processor.image_token_id)
    expected = reference.hidden(prompt.pictures[0].pixels["pixel_values"], prompt.ids)
    with torch.no_grad():
        found = backbone.forward([prompt]).hidden[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


NAMES = sorted(random_model(600)[1])


@pytest.mark.parametrize("name", NAMES[:: len(NAMES) // 12])
def test_every_tensor_is_used_and_a_missing_one_is_named(name, vocabulary):
    from editmetrics.plugins.lmm4lmm.chat_layout import UNUSED, plain_name, plan_conversion

    config, tensors = random_model(vocabulary)
    del tensors[name]
    if plain_name(name) in UNUSED:
        plan_conversion(tensors, config)
        return
    if ".lora_A." in name or name.startswith("mlpscore."):  # the partner that is left has no place
        expected = name.replace("lora_A", "lora_B") if "lora_A" in name else "mlpscore"
    else:
        expected = plain_name(name)
    with pytest.raises(ConversionError, match=expected.replace(".", r"\.")):
        plan_conversion(tensors, config)


def test_a_tensor_that_nothing_asks_for_is_an_error(vocabulary):
    from editmetrics.plugins.lmm4lmm.chat_layout import plan_conversion

    config, tensors = random_model(vocabulary)
    with pytest.raises(ConversionError, match=r"1 tensors have no place in the model: mlp2\.0\.weight"):
        plan_conversion([*tensors, "mlp2.0.weight"], config)


@pytest.mark.parametrize("kind", ["attention.wqkv.base_layer.weight", "attention.wqkv.lora_B.default.weight",
                                  "feed_forward.w2.base_layer.weight"])  # fmt: skip
def test_a_tensor_of_another_shape_is_an_error_that_names_it(vocabulary, native, tmp_path, kind):
    config, tensors = random_model(vocabulary)
    name = f"language_model.base_model.model.model.layers.1.{kind}"
    tensors[name] = tensors[name][:-1].clone()
    write(tmp_path / "source", config, tensors)
    with pytest.raises(ConversionError, match=f"{re.escape(name)} has the shape .*not what config.json says"):
        convert(tmp_path / "source", tmp_path / "out", part="perception", processor=str(native))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ps_version": "v1"}, "ps_version is 'v1'"),
        ({"llm_config": {**CONFIG["llm_config"], "model_type": "qwen2"}}, "llm_config.model_type is 'qwen2'"),
        ({"vision_config": {**CONFIG["vision_config"], "qk_normalization": True}}, "qk_normalization is True"),
        ({"vision_config": None}, "not a config.json of InternVL"),
    ],
)
def test_another_model_is_refused(published, native, tmp_path, change, said):
    _, config, tensors = published
    write(tmp_path / "other", {**config, **change}, tensors)
    with pytest.raises(ConversionError, match=said):
        convert(tmp_path / "other", tmp_path / "out", part="perception", processor=str(native))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("part", "said"), [("backbone", "has adapters"), ("fidelity", "'fidelity' cannot be converted")]
)
def test_the_wrong_part_is_refused(published, native, tmp_path, part, said):
    with pytest.raises(ConversionError, match=said):
        convert(published[0], tmp_path / "out", part=part, processor=str(native))


def test_a_pickle_that_holds_code_is_not_run(published, native, tmp_path):
    import pickle

    from editmetrics.weights import WeightsError

    _, config, tensors = published
    write(tmp_path / "bad", config, tensors)

    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    (tmp_path / "bad" / "lora_weights.pth").write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(WeightsError, match="not loaded"):
        convert(tmp_path / "bad", tmp_path / "out", part="perception", processor=str(native))
    assert not (tmp_path / "ran").exists()
