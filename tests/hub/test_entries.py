"""Every entry of the registry, fetched from a server that has its repository's shape."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from editmetrics import weights
from editmetrics.checkpoints import registered

from .server import Repository, sha256

REMOTE = sorted(name for name, entry in registered().items() if entry.source.package is None)
ON_HUB = [name for name in REMOTE if registered()[name].source.repository]


@pytest.mark.parametrize("name", REMOTE)
def test_an_entry_is_fetched_once_and_then_needs_no_network(name, published, hub, home, monkeypatch):
    files = published(name)
    assert weights.find(name) is None
    folder = weights.pull(name)
    assert folder == weights.find(name) == home / name
    assert {path: (folder / path).read_bytes() for path in files} == files
    assert len(hub.downloads()) == len(files)
    assert weights.verify(name) == {path: sha256(content) for path, content in files.items()}
    record = json.loads((folder / "record.json").read_text())["files"]
    entry = registered()[name]
    assert {path: facts["origin"] for path, facts in record.items()} == {
        file.path: entry.source.url_of(file) for file in entry.files
    }
    asked = len(hub.requests)
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    weights.pull(name)
    assert len(hub.requests) == asked
    left = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert left == {*files, "record.json"}


@pytest.mark.parametrize("name", ["clip-vit-b-32-openai", "lmm4edit.visual"])
def test_a_gated_repository_is_read_with_a_token_that_its_storage_does_not_see(name, published, hub, monkeypatch):
    published(name, gated=True, members={"good"})
    monkeypatch.setenv("HF_TOKEN", "good")
    weights.pull(name)
    tokens = {one.origin: set() for one in hub.requests}
    for one in hub.requests:
        tokens[one.origin].add(one.token)
    assert tokens == {"hub": {"good"}, "storage": {None}}


def test_a_renamed_repository_is_followed(published, hub):
    files = published("dino-vit-b-8")
    hub.repositories["timm/new-name"] = hub.repositories.pop("timm/vit_base_patch8_224.dino")
    hub.renamed["timm/vit_base_patch8_224.dino"] = "timm/new-name"
    assert (weights.pull("dino-vit-b-8") / "model.safetensors").read_bytes() == files["model.safetensors"]


@pytest.mark.parametrize("name", [name for name in ON_HUB if registered()[name].source.revision != "main"])
def test_a_pinned_revision_is_fetched_whatever_the_branch_has_now(name, published, hub, home):
    files = published(name)
    repository = hub.repositories[registered()[name].source.repository]
    repository.later = Repository({path: content[::-1] for path, content in files.items()}, commit="f" * 40)
    folder = weights.pull(name)
    assert {path: (folder / path).read_bytes() for path in files} == files
    record = json.loads((folder / "record.json").read_text())["files"]
    assert {facts["commit"] for facts in record.values()} == {repository.commit}


def test_a_mirror_is_asked_and_nobody_else(published, hub, monkeypatch):
    published("dino-vit-b-8")
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("127.0.0.1", "localhost") + "/")
    weights.pull("dino-vit-b-8")
    assert {one.origin for one in hub.requests} == {"hub", "storage"}


@pytest.mark.parametrize("name", ["lpips-squeezenet", "dino-vit-b-8"])
def test_a_proxy_is_asked(name, published, hub, monkeypatch, fresh_connections):
    published(name)
    monkeypatch.setenv("http_proxy", hub.url)
    fresh_connections()
    weights.pull(name)
    assert {one.origin for one in hub.requests} == {"proxy"}


def test_two_processes_fetch_an_entry_of_the_hub_once(published, hub, home):
    """Bodies wait until both processes run."""
    files = published("lmm4edit.visual")
    hub.released.clear()
    code = (
        "from editmetrics import weights; weights.registered(); print('started', flush=True); "
        "weights.pull('lmm4edit.visual')"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ), stdout=subprocess.PIPE) for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == b"started\n"
    hub.released.set()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert sorted(one.path.partition("?")[0].rpartition("/")[2] for one in hub.downloads()) == sorted(
        path.rpartition("/")[2] for path in files
    )
    assert weights.verify("lmm4edit.visual").keys() == files.keys()


def test_a_store_that_cannot_be_written_serves_what_it_has_and_says_so_for_the_rest(published, hub, home, monkeypatch):
    published("dino-vit-b-8")
    published("dino-vit-b-16")
    weights.pull("dino-vit-b-8")
    (home / "dino-vit-b-8" / "record.json").unlink()

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system", str(home))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    asked = len(hub.requests)
    assert weights.pull("dino-vit-b-8") == home / "dino-vit-b-8"
    assert len(hub.requests) == asked
    with pytest.raises(weights.WeightsUnavailableError, match=r"dino-vit-b-16 cannot be stored: .*EDITMETRICS_HOME"):
        weights.pull("dino-vit-b-16")
