"""Nothing that lies in a model's folder is run: settings that name code are refused before anything is loaded."""

from __future__ import annotations

import ast
import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import editmetrics
from editmetrics.mllm.backbone import Backbone, BackboneError
from editmetrics.mllm.model_folders import check_code

SETTINGS = {
    "config.json": {"AutoConfig": "evil.Evil", "AutoModelForImageTextToText": "evil.Evil"},
    "processor_config.json": {"AutoProcessor": "evil.Evil"},
    "preprocessor_config.json": {"AutoProcessor": "evil.Evil", "AutoImageProcessor": "evil.Evil"},
    "video_preprocessor_config.json": {"AutoVideoProcessor": "evil.Evil"},
    "tokenizer_config.json": {"AutoTokenizer": ["evil.Evil", None]},
    "generation_config.json": {"AutoModel": "evil.Evil"},
    "config.4.99.0.json": {"AutoConfig": "evil.Evil"},
}


@pytest.fixture
def folder(folders, tmp_path):
    """A tiny backbone with a file of Python beside it, which leaves a mark when it runs."""
    folder = Path(shutil.copytree(folders["internvl"], tmp_path / "backbone"))
    mark = tmp_path / "it ran"
    (folder / "evil.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Evil: pass\n")
    yield folder
    assert not mark.exists()


def change(file, **fields):
    said = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**said, **fields}))


@pytest.mark.parametrize("name", SETTINGS)
def test_code_in_any_settings_is_refused(folder, name):
    change(folder / name, auto_map=SETTINGS[name], processor_class="Evil", tokenizer_class="Evil")
    with pytest.raises(
        BackboneError, match=rf"runs code of its own when loaded \(auto_map in {name}\), which is refused"
    ):
        Backbone.load(folder, device="cpu")


@pytest.mark.parametrize("inside", ["image_processor", "video_processor", "tokenizer"])
def test_code_in_a_part_of_the_processor_is_refused(folder, inside):
    change(folder / "processor_config.json", **{inside: {"auto_map": {"AutoImageProcessor": "evil.Evil"}}})
    with pytest.raises(BackboneError, match=r"auto_map in processor_config\.json"):
        Backbone.load(folder, device="cpu")


def test_a_name_that_is_spelt_with_escapes_is_the_same_name(folder):
    (folder / "processor_config.json").write_text('{"auto\\u005fmap": {"AutoProcessor": "evil.Evil"}}')
    with pytest.raises(BackboneError, match="auto_map in processor_config"):
        Backbone.load(folder, device="cpu")


def test_another_model_for_sound_is_not_loaded(folder):
    change(folder / "processor_config.json",
           audio_tokenizer={"audio_tokenizer_class": "DacModel", "audio_tokenizer_name_or_path": "x/y"})  # fmt: skip
    with pytest.raises(BackboneError, match=r"loads another model, for sound \(audio_tokenizer in processor_config"):
        Backbone.load(folder, device="cpu")


def test_an_empty_map_and_a_token_of_that_name_are_no_code(folder):
    change(folder / "config.json", auto_map={})
    (folder / "vocab.json").write_text('{"auto_map": 17}')
    check_code(folder)
    assert Backbone.load(folder, device="cpu").num_layers


def test_a_kernel_from_the_hub_is_code(folder):
    with pytest.raises(BackboneError, match="attention='somebody/kernel' is code from the hub, which is not run"):
        Backbone.load(folder, device="cpu", attention="somebody/kernel")
    change(folder / "config.json", _attn_implementation="somebody/kernel", attn_implementation="somebody/kernel")
    assert Backbone.load(folder, device="cpu").identity()["attention"] == "sdpa"


def test_nothing_is_asked_on_the_terminal(folder):
    """Somebody who answers y to whatever is asked gets an error all the same."""
    change(folder / "processor_config.json", auto_map={"AutoProcessor": "evil.Evil"}, processor_class="Evil")
    code = f"from editmetrics.mllm.backbone import Backbone; Backbone.load({str(folder)!r}, device='cpu')"
    done = subprocess.run([sys.executable, "-c", code], input="y\n" * 20, capture_output=True, text=True, timeout=120)
    assert "is refused" in done.stderr
    assert "y/N" not in done.stdout + done.stderr


@pytest.mark.parametrize("loader", ["AutoConfig", "AutoProcessor", "AutoTokenizer", "AutoImageProcessor"])
def test_what_the_loaders_are_told_is_enough_without_the_check(folder, loader):
    """`trust_remote_code=False`: they refuse or take the native class, and never ask."""
    import transformers

    for name, settings in SETTINGS.items():
        change(folder / name, auto_map=settings)
    with contextlib.suppress(OSError, ValueError, AttributeError):  # the mark that the fixture looks for is what counts
        getattr(transformers, loader).from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def test_every_loader_of_the_package_is_told_not_to_run_code():
    """A new `from_pretrained` without `trust_remote_code=False` would ask on the terminal."""
    calls = []
    for file in Path(editmetrics.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                said = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
                if node.func.attr == "from_pretrained":
                    calls.append(file.name)
                    assert said.get("trust_remote_code") is False, f"{file}:{node.lineno}"
                if ast.unparse(node.func) == "torch.load":
                    assert said.get("weights_only") is True, f"{file}:{node.lineno}"
                assert not (node.func.attr == "load" and ast.unparse(node.func) == "torch.hub.load"), file
    assert {"loading.py", "native_layout.py"} <= set(calls)
