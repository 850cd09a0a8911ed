"""Weights that come inside a package: nothing to download, verified where they lie, nothing written beside them."""

import json
import sys
from functools import cache

import pytest

from editmetrics import checkpoints, weights
from editmetrics.checkpoints import Source
from editmetrics.weights import WeightsError, sha256


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An importable package with a file in a folder, and a registry that lists it."""
    folder = tmp_path / "toolbox" / "small"
    folder.mkdir(parents=True)
    (tmp_path / "toolbox" / "__init__.py").write_text("raise RuntimeError('nobody imports it')")
    file = folder / "model.safetensors"
    file.write_bytes(b"weights")
    entry = {
        "metric": "psnr", "source": {"package": "toolbox/small"}, "megabytes": 0.1, "licence": "MIT",
        "files": [{"path": file.name, "sha256": sha256(file), "size": 7}], "commercial_use": True, "paper": "none",
    }  # fmt: skip
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))
    known = {"toolbox.small": entry}
    registry = checkpoints._validated(known, tmp_path), []
    monkeypatch.setattr(checkpoints, "_built_in", cache(lambda: known))
    monkeypatch.setattr(checkpoints, "_registries", cache(lambda: registry))
    yield folder
    sys.modules.pop("toolbox", None)


def test_it_is_found_verified_and_left_as_it_is(package, monkeypatch):
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    assert weights.find("toolbox.small") == package
    assert weights.pull("toolbox.small") == package
    assert weights.path("toolbox.small") == package / "model.safetensors"
    digest = sha256(package / "model.safetensors")
    assert weights.checksums(["toolbox.small"]) == {"toolbox.small": {"model.safetensors": digest}}
    assert [path.name for path in package.iterdir()] == ["model.safetensors"]
    assert not (package.parents[1] / "home").exists()


def test_a_changed_or_missing_file_says_install_again(package):
    file = package / "model.safetensors"
    file.write_bytes(b"changed")
    with pytest.raises(WeightsError, match=r"model\.safetensors is not used: .*Install its package again"):
        weights.pull("toolbox.small")
    file.unlink()
    with pytest.raises(WeightsError, match="is missing from the installed package; install it again"):
        weights.pull("toolbox.small")


@pytest.mark.parametrize(
    "source",
    [{}, {"package": "a", "url": "https://x"}, {"package": "../a"}, {"package": "/a"}, {"package": "a//b"}],
)
def test_a_source_is_one_thing_and_a_package_folder_stays_in_its_package(source):
    with pytest.raises(ValueError, match=r"either a url|package folder"):
        Source(**source)


def test_the_toys_that_ship_are_what_the_registry_says():
    registered = json.loads(checkpoints.registry_file().read_text(encoding="utf-8"))["checkpoints"]
    packages = {name: entry["source"].get("package", "") for name, entry in registered.items()}
    bundled = [name for name, package in packages.items() if package.startswith("editmetrics/")]
    assert {"toy-internvl", "ds_ieqa.toy"} <= set(bundled)
    for name in bundled:
        folder = weights.pull(name)
        listed = {file["path"] for file in registered[name]["files"]}
        assert listed == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert all(file["sha256"] and len(file["sha256"]) == 64 for file in registered[name]["files"])
