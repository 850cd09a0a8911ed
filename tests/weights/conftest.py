"""An empty store, a server on this machine, and packages that bring registries."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from editmetrics import checkpoints, file_hashes

from .toy import BODY, DIGEST, Server, entry


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty store, and no settings of the machine that the tests run on."""
    for variable in ("EDITMETRICS_OFFLINE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))
    yield tmp_path / "home" / "weights"
    checkpoints._registries.cache_clear()


@pytest.fixture
def hashed(monkeypatch):
    """The files that are read to be hashed, in order; they count as old enough to be remembered."""
    read = []
    monkeypatch.setattr(file_hashes, "TICK_NS", 0)
    monkeypatch.setattr(file_hashes, "SMALL", 0)
    monkeypatch.setattr(
        file_hashes, "digest", lambda file, digest=file_hashes.digest: read.append(file) or digest(file)
    )
    return read


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Install a package with a registry of its own: `packages("name", entries or text)`; returns where to."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(package: str, registry: dict | str) -> Path:
        text = registry if isinstance(registry, str) else json.dumps({"schema_version": 1, "checkpoints": registry})
        (site / package).mkdir()
        (site / package / "__init__.py").write_text(
            "raise ImportError('a registry is read without importing its package')"
        )
        (site / package / "weights_registry.json").write_text(text)
        info = site / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[editmetrics.weights]\n{package} = {package}\n")
        checkpoints._registries.cache_clear()
        return site

    return install


@pytest.fixture
def toy(server, packages):
    """Register the checkpoint `toy`, of one file that the server has; keywords are what the registry knows of it."""

    def register(**known) -> None:
        server.bodies["/models/toy.bin"] = BODY
        packages("toypackage", {"toy": entry({"url": f"{server.url}/models"}, {"path": "toy.bin", **known})})

    return register


@pytest.fixture
def hub(server, packages, monkeypatch):
    """A hub with one repository of one file, which is registered as `toy` without a checksum."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    for revision in ("main", commit):
        address = f"/some/thing/resolve/{revision}/toy.bin"
        server.bodies[address] = BODY
        server.headers[address] = {"X-Repo-Commit": commit, "ETag": f'"{DIGEST}"', "Accept-Ranges": "bytes"}
    packages("toypackage", {"toy": entry({"repository": "some/thing"}, {"path": "toy.bin"})})
    return commit
