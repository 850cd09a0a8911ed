"""A real vLLM in place of the fake one: `EDITMETRICS_VLLM=/path/to/vllm pytest -m slow tests/served/test_real_vllm.py`.

It is started with the command that `editmetrics export` prints. On a machine without a GPU this takes minutes, nearly
all of them vLLM's own start; set VLLM_CPU_KVCACHE_SPACE=1 there.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import numpy as np
import pytest

from editmetrics import Sample, create_metric
from editmetrics.conventions import metric_class_of
from editmetrics.judge import JudgeUnavailableError
from editmetrics.mllm import readouts
from editmetrics.mllm.backbone import Backbone
from editmetrics.sample import UnavailableError
from editmetrics.served import open_server
from editmetrics.served.export import LocalModel, export, start_command
from editmetrics.served.probe import read_probe
from editmetrics.testing import tiny_backbone
from tests.conventions.test_levels import conventions

VLLM = os.environ.get("EDITMETRICS_VLLM")
START = 900
"""Seconds until a server must answer; on half a core of a busy CPU it took four minutes."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not VLLM, reason="EDITMETRICS_VLLM names no vllm executable"),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model that vLLM's kernels take (heads of 32), and its probe."""
    folder = tmp_path_factory.mktemp("real")
    base = tiny_backbone("qwen2_5_vl", folder / "base", hidden=128, vision_hidden=128)
    backbone = Backbone.load(str(base), device="cpu", dtype="float32")
    (one,) = export([LocalModel("judge", backbone, None, backbone.identity()["sha256"], 2)], folder / "served")
    return one


@pytest.fixture(scope="module")
def served(exported, tmp_path_factory):
    """The address of a vLLM that was started with the command that is printed for the model, and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [str(VLLM), *shlex.split(start_command("vllm", exported, port))[1:], "--enforce-eager"]
    log = tmp_path_factory.mktemp("log") / "vllm.log"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with (
        log.open("w") as written,
        subprocess.Popen(words, stdout=written, stderr=written, env=environment, start_new_session=True) as process,
    ):
        try:
            wait_until_it_answers(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}/v1", process
        finally:
            kill_all_of(process)


def kill_all_of(process):
    """End a server and its engine, which outlives it where it is killed alone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_until_it_answers(process, address, log):
    for _ in range(START):
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            pass
        else:
            pytest.fail(f"vllm ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except urllib.error.URLError:
            continue
    pytest.fail(f"vllm did not answer within {START} s: {log.read_text()[-2000:]}")


def test_numbers_of_a_real_vllm_are_those_of_this_machine(exported, served, tmp_path, monkeypatch):
    monkeypatch.setattr(readouts, "LEAST_MASS", 0.0)  # a random model is about to write anything
    endpoint, process = served
    probe, base = exported.file, exported.source
    edited = np.random.default_rng(0).integers(0, 256, (64, 72, 3), dtype=np.uint8)
    sample = Sample("one", source=edited, edited=np.roll(edited, 9, 0), prompt="make it red")

    levels = metric_class_of(conventions(tmp_path, base, among='"vocabulary"'), __name__)
    here, there = levels().to("cpu")(sample), levels(backend="vllm", endpoint=endpoint, probe=str(probe))(sample)
    assert float(there) == pytest.approx(float(here), rel=1e-4)
    assert there.details["mass"] == pytest.approx(here.details["mass"], rel=1e-3)

    digits = f"ds_ieqa:backbone={base},read=expected"
    asking = create_metric(f"{digits},backend=vllm,endpoint={endpoint},probe={probe},retries=0")
    here, there = create_metric(digits).to("cpu")(sample), asking(sample)
    assert here.ok
    assert there.ok, there.reason
    assert dict(there) == pytest.approx(dict(here), abs=0.1)  # of 100
    assert there.details["digit_mass"] == pytest.approx(here.details["digit_mass"], rel=1e-3)

    known = read_probe(probe)
    other = LocalModel("judge", Backbone.load(str(tiny_backbone("qwen2_5_vl", tmp_path / "x", seed=1, hidden=128,
                       vision_hidden=128)), device="cpu", dtype="float32"), None, "other", 2)  # fmt: skip
    (made,) = export([other], tmp_path / "other")
    for file, name, problem in ((made.file, "judge", "serves another model"), (probe, "else", "it serves judge, and")):
        with pytest.raises(JudgeUnavailableError, match=problem):
            open_server("vllm", name, endpoint=endpoint, probe=str(file)).check()
    assert known.tolerance < 0.1
    kill_all_of(process)
    process.wait(30)
    with pytest.raises(UnavailableError, match=r"cannot be reached|connection was cut"):
        asking(sample)
