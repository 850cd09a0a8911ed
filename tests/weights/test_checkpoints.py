"""The registry of checkpoints: ours against what the publishers' own packages say, and those of other packages."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys

import pytest

from editmetrics import checkpoints, weights

from .toy import ROOT, entry


def test_the_backbones_are_where_torchvision_says():
    from torchvision.models import AlexNet_Weights, SqueezeNet1_1_Weights, VGG16_Weights

    theirs = {"lpips-alexnet": AlexNet_Weights, "lpips-vgg16": VGG16_Weights, "lpips-squeezenet": SqueezeNet1_1_Weights}
    for name, enum in theirs.items():
        published = enum.IMAGENET1K_V1
        ours = weights.checkpoint(name)
        (file,) = ours.files
        assert ours.source.url_of(file) == published.url
        assert file.sha256.startswith(re.search(r"-([0-9a-f]{8})\.pth", published.url)[1])
        assert file.size / 2**20 == pytest.approx(published.meta["_file_size"], abs=1e-3)  # they round to 3 digits


@pytest.mark.parametrize("model", ["ViT-B-32", "ViT-B-16", "ViT-L-14"])
def test_clip_is_where_open_clip_says(model):
    from open_clip import get_pretrained_cfg
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME

    ours = weights.checkpoint(f"clip-{model.lower()}-openai")
    assert f"{ours.source.repository}/" == get_pretrained_cfg(model, "openai")["hf_hub"]
    assert [file.path for file in ours.files] == [HF_SAFE_WEIGHTS_NAME]
    assert re.fullmatch("[0-9a-f]{40}", ours.source.revision)


def test_every_metric_loads_only_what_is_registered():
    from editmetrics import create_metric, list_metrics

    needed = {name for metric in list_metrics() for name in create_metric(metric).checkpoints()}
    assert needed <= weights.registered().keys()


def test_the_registry_is_found_in_a_checkout_and_in_an_installed_package(tmp_path):
    assert checkpoints.registry_file() == ROOT / "weights_registry.json"
    shipped = '"weights_registry.json" = "editmetrics/weights_registry.json"'
    assert shipped in (ROOT / "pyproject.toml").read_text()
    package = tmp_path / "editmetrics"
    package.mkdir()
    for name in ("__init__.py", "sample.py", "downloads.py", "hub.py", "checkpoints.py", "wording.py"):
        (package / name).write_bytes((ROOT / "editmetrics" / name).read_bytes())
    (package / "weights_registry.json").write_bytes((ROOT / "weights_registry.json").read_bytes())
    code = "from editmetrics import checkpoints; print(checkpoints.registry_file(), *checkpoints.registered())"
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(package / "weights_registry.json"), *weights.registered()]


def test_presence_is_known_without_pydantic_or_torch():
    code = """
import sys
sys.modules["pydantic"] = None
from editmetrics import weights
assert weights.find("lpips-alexnet") is None
assert not {"torch", "huggingface_hub", "pooch"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_another_package_brings_checkpoints_and_replaces_none(packages):
    source = {"repository": "someone/something"}
    theirs = {name: entry(source, {"path": "a/model.safetensors"}) for name in ("their-vit", "lpips-alexnet")}
    packages("theirs", theirs)
    assert weights.checkpoint("their-vit").files[0].path == "a/model.safetensors"
    assert weights.checkpoint("lpips-alexnet").metric == "lpips"
    assert [problem for problem in weights.broken_registries() if "lpips-alexnet is left out" in problem]
    assert weights.find("their-vit") is None


@pytest.mark.parametrize(
    "wrong",
    [
        "{",
        "[]",
        '{"schema_version": 2, "checkpoints": {}}',
        {"x": {"metric": "toy"}},
        {"x": 3},
        {"x": entry({"url": "https://x.org"}, {"path": "m.pth"}, surprise=1)},
        {"x": entry({"url": "https://x.org"})},
        {"x": entry({}, {"path": "m.pth"})},
        {"x": entry({"repository": "../../etc"}, {"path": "m.pth"})},
        {"x": entry({"url": "https://x.org"}, {"path": "m.pth", "sha256": "7be5"})},
        {"../x": entry({"url": "https://x.org"}, {"path": "m.pth"})},
        *(
            {"x": entry({"url": "https://x.org"}, {"path": path})}
            for path in (
                "../m.pth",
                "a/../../m.pth",
                "/etc/passwd",
                "C:\\m.pth",
                "a\\..\\m",
                "record.json",
                ".partial/x",
                "",
            )
        ),
    ],
)
def test_a_broken_registry_is_reported_and_harms_nobody(packages, wrong):
    packages("broken", wrong)
    packages("sound", {"sound": entry({"repository": "someone/something"}, {"path": "m.safetensors"})})
    assert weights.checkpoint("sound").metric == "toy"
    assert "lpips-alexnet" in weights.registered()
    (problem,) = weights.broken_registries()
    assert "broken" in problem
    with pytest.raises(weights.WeightsError, match="no checkpoint is named"):
        weights.checkpoint("x")


def test_an_entry_point_without_a_package_is_reported(packages):
    site = packages("gone", {})
    (site / "gone-1.0.dist-info" / "entry_points.txt").write_text("[editmetrics.weights]\ngone = no.such.package\n")
    checkpoints._registries.cache_clear()
    (problem,) = weights.broken_registries()
    assert "the package no.such.package is not installed" in problem


def test_the_page_on_weights_names_every_checkpoint_and_every_field():
    page = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    for name, checkpoint in weights.registered().items():
        assert f"| `{name}` | {'?' if checkpoint.megabytes is None else f'{checkpoint.megabytes:g}'} |" in page
    described = {
        field for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for field in re.findall(r"`(\w+)`", row)
    }
    assert described >= {field.name for field in dataclasses.fields(weights.WeightsEntry)} - {"name"}
    example = json.loads(re.search(r"```json\n(.*?)```", page, re.DOTALL)[1])["checkpoints"]
    for name, fields in example.items():
        ours = json.loads((ROOT / "weights_registry.json").read_text())["checkpoints"][name]
        for file in fields["files"]:
            file["sha256"] = next(
                f["sha256"] for f in ours["files"] if f["sha256"].startswith(file["sha256"].rstrip("."))
            )
        begins, _, ends = fields.pop("paper").partition("...")  # shortened to the page's width
        assert ours["paper"].startswith(begins)
        assert ours.pop("paper").endswith(ends.lstrip(", "))
        assert fields == ours
