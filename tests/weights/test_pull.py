"""Downloads from a real server on this machine: what is stored, what is refused, and what is left behind."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from editmetrics import create_metric, weights
from editmetrics.downloads import is_unreachable
from editmetrics.sample import UnavailableError

from .toy import BODY, DIGEST, OTHER, ROOT, entry, left_behind, record


@pytest.mark.parametrize("known", [{}, {"sha256": DIGEST, "size": len(BODY)}, {"sha256": DIGEST[:8]}])
def test_a_good_file_is_stored_and_recorded_and_fetched_once(toy, server, home, known):
    toy(**known)
    assert weights.find("toy") is None
    assert weights.pull("toy") == weights.find("toy") == home / "toy"
    assert weights.path("toy").read_bytes() == BODY
    assert (
        record(home).items() >= {"sha256": DIGEST, "size": len(BODY), "origin": f"{server.url}/models/toy.bin"}.items()
    )
    assert left_behind(home) == {"toy/toy.bin", "toy/record.json"}
    weights.pull("toy")
    assert server.downloads == 1
    assert weights.verify("toy") == {"toy.bin": DIGEST}


def failure(home: Path) -> str:
    """What `pull` says when it fails, leaving nothing behind."""
    with pytest.raises(weights.WeightsError) as caught:
        weights.pull("toy")
    assert left_behind(home) == set()
    assert "save http://127.0.0.1:" in str(caught.value) or "save http://example.org" in str(caught.value)
    assert f"as {home / 'toy' / 'toy.bin'}" in str(caught.value)
    return str(caught.value)


def test_a_wrong_checksum_is_refused(toy, home):
    expected = hashlib.sha256(OTHER).hexdigest()
    toy(sha256=expected)
    assert f"its sha256 is {DIGEST} and the registry says {expected}" in failure(home)


def test_a_wrong_size_is_refused(toy, home):
    toy(size=7)
    assert f"it has {len(BODY)} bytes and the registry says 7" in failure(home)


def test_a_body_that_ends_early_is_refused(toy, server, home):
    toy()
    server.breaks_after["/models/toy.bin"] = 1000
    assert "1000" in failure(home)


def test_a_missing_file_is_a_clear_error(toy, server, home):
    toy()
    server.bodies.clear()
    assert "404" in failure(home)


def test_a_redirect_away_from_https_is_refused(toy, server, home):
    toy()
    server.redirects["/models/toy.bin"] = "http://example.org/toy.bin"
    assert "http://example.org/toy.bin is not an https URL" in failure(home)


def test_a_redirect_on_this_machine_is_followed(toy, server, home):
    toy(sha256=DIGEST)
    server.bodies["/elsewhere"] = BODY
    server.redirects["/models/toy.bin"] = "/elsewhere"
    weights.pull("toy")
    assert weights.path("toy").read_bytes() == BODY


@pytest.mark.parametrize(
    "url", ["http://example.org", "ftp://127.0.0.1", "file:///etc", "http://127.0.0.1.example.org"]
)
def test_only_https_is_fetched(packages, home, url):
    packages("toypackage", {"toy": entry({"url": url}, {"path": "toy.bin"})})
    with pytest.raises(weights.WeightsError, match="is not an https URL"):
        weights.pull("toy")


@pytest.mark.parametrize("variable", ["EDITMETRICS_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize("source", ["url", "repository"])
def test_offline_no_network_is_touched(packages, server, home, monkeypatch, variable, source):
    monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    where = {"url": server.url} if source == "url" else {"repository": "some/thing"}
    packages("toypackage", {"toy": entry(where, {"path": "toy.bin"})})
    assert f"{variable}=1 forbids the network" in failure(home)
    assert server.requests == []


def test_two_processes_download_once(toy, server, packages, home, tmp_path):
    toy(sha256=DIGEST)
    both_started, second_request = threading.Event(), threading.Event()

    def before_body() -> None:  # wait for a second download, which must not come
        both_started.wait(60)
        if server.downloads > 1:
            second_request.set()
        second_request.wait(1)

    server.before_body = before_body
    code = "from editmetrics import weights; weights.registered(); print('started', flush=True); weights.pull('toy')"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}"}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == b"started\n"
    both_started.set()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert server.downloads == 1
    assert weights.path("toy").read_bytes() == BODY


def test_a_hub_file_is_recorded_with_its_commit(hub, server, home, capsys):
    weights.pull("toy")
    assert record(home).items() >= {"sha256": DIGEST, "commit": hub}.items()
    assert left_behind(home) == {"toy/toy.bin", "toy/record.json"}
    assert capsys.readouterr() == ("", "")  # no progress bar unless it is asked for


def test_a_broken_hub_download_goes_on_where_it_broke(hub, server, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)  # what came of the last chunk is lost
    server.breaks_after[f"/some/thing/resolve/{hub}/toy.bin"] = 4000
    with suppress(weights.WeightsError):  # older versions of huggingface_hub go on at the next pull, newer ones at once
        weights.pull("toy")
    weights.pull("toy")
    assert weights.path("toy").read_bytes() == BODY
    assert [wanted for method, _, wanted in server.requests if method == "GET"] == [None, "bytes=4000-"]


def test_a_hub_without_the_file_is_a_clear_error(hub, server, home):
    server.bodies.clear()
    assert "404" in failure(home)


@pytest.mark.parametrize("name", ["lpips", "clip_score"])
def test_a_metric_pulls_at_its_first_use_and_without_a_network_says_what_to_fetch(home, monkeypatch, name):
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    metric = create_metric(name)
    (checkpoint,) = metric.checkpoints()
    (file,) = weights.registered()[checkpoint].files
    with pytest.raises(weights.WeightsError, match="EDITMETRICS_OFFLINE=1 forbids") as said:
        metric.load()
    for part in (f"/{file.path}", file.sha256, str(home / checkpoint / file.path)):
        assert part in str(said.value)


# ---------------------------------------------------------------------- what this machine cannot do


def unavailable():
    with pytest.raises(weights.WeightsError) as caught:
        weights.pull("toy")
    return isinstance(caught.value, UnavailableError)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_is_down_is_a_matter_of_this_machine_now(status):
    response = SimpleNamespace(status_code=status)
    assert is_unreachable(type("Error", (Exception,), {"response": response})())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_a_server_answered_is_no_matter_of_this_machine(status):
    response = SimpleNamespace(status_code=status)
    assert not is_unreachable(type("Error", (OSError,), {"response": response})())


def test_no_network_is_unavailable(toy, server):
    toy()
    server.shutdown()
    server.server_close()
    assert unavailable()


def test_a_forbidden_network_is_unavailable(toy, monkeypatch):
    toy()
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    assert unavailable()
    with pytest.raises(weights.WeightsUnavailableError, match="is not on this machine"):
        weights.path("toy")


def test_a_store_without_room_is_unavailable(toy, home):
    toy()
    home.parent.mkdir()
    home.write_text("a file, where the store should be")
    assert unavailable()


def test_a_missing_file_a_wrong_checksum_and_an_unknown_name_are_not(toy, server):
    toy(sha256=hashlib.sha256(OTHER).hexdigest())
    assert not unavailable()
    server.bodies.clear()
    assert not unavailable()
    with pytest.raises(weights.WeightsError) as caught:
        weights.pull("nothing-of-the-kind")
    assert not isinstance(caught.value, UnavailableError)
