"""An empty store, no settings of this machine, and a hub with repositories of the registry's shapes."""

from __future__ import annotations

import copy
import random

import pytest

from editmetrics import checkpoints

from .server import COMMIT, Hub, Repository, sha256

VARIABLES = (
    "EDITMETRICS_OFFLINE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_TOKEN", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY",
    "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy",
)  # fmt: skip


def forget_connections() -> None:
    """The hub client keeps its connections, and the proxies with them; older versions keep none."""
    import huggingface_hub

    getattr(huggingface_hub, "close_session", lambda: None)()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty store."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None, raising=False)
    yield tmp_path / "home" / "weights"
    checkpoints._registries.cache_clear()


@pytest.fixture
def fresh_connections():
    """The hub client reads the proxies of the environment when it makes its first connection."""
    forget_connections()
    yield forget_connections
    forget_connections()


@pytest.fixture
def hub(home, monkeypatch):
    with Hub().running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def body(name: str, size: int = 5000) -> bytes:
    """Bytes that are those of one name alone."""
    return random.Random(name).randbytes(size)


@pytest.fixture
def published(hub, monkeypatch):
    """Publish entries of the built-in registry as their repositories are, with small random files: `published(name)`.

    The registry then knows the checksums and sizes of these, where it knows those of the real ones.
    """
    registry = copy.deepcopy(checkpoints._built_in())
    monkeypatch.setattr(checkpoints, "_built_in", lambda: registry)
    checkpoints._registries.cache_clear()

    def publish(name: str, **more) -> dict[str, bytes]:
        entry = registry[name]
        source, files = entry["source"], {file["path"]: body(f"{name}/{file['path']}") for file in entry["files"]}
        for file in entry["files"]:
            file["sha256"] = file["sha256"] and sha256(files[file["path"]])
            file["size"] = file["size"] and len(files[file["path"]])
        if "repository" in source:
            before = hub.repositories.get(source["repository"], Repository({}))
            commit = source.get("revision", COMMIT)
            facts = {"commit": commit, "revisions": ("main",), **more}
            hub.repositories[source["repository"]] = Repository(before.files | files, **facts)
        else:
            folder = "/" + source["url"].removeprefix("https://").rstrip("/")
            source["url"] = hub.url + folder
            hub.plain |= {f"{folder}/{path}": content for path, content in files.items()}
        checkpoints._registries.cache_clear()
        return files

    return publish
