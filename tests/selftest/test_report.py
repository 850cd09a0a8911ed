"""The first tier as a user runs it, and what its report does not tell."""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from editmetrics.selftest import goldens
from editmetrics.selftest.anonymous import anonymous
from tests import goldens as approved

ROOT = Path(__file__).parents[2]


def test_the_first_tier_offline_in_a_process_of_its_own(tmp_path):
    """Every metric on the CPU, and all but the slow ones on the rehearsal device; the report holds nothing private."""
    token = "hf_" + "abcdefgh" * 3
    environment = os.environ | {
        "EDITMETRICS_OFFLINE": "1", "EDITMETRICS_HOME": str(tmp_path / "someone's home"), "HF_TOKEN": token,
        "HTTPS_PROXY": "http://user:secret@proxy.lan:3128", "HF_ENDPOINT": "https://mirror.lan/hf",
        "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "editmetrics", "selftest"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    text = (tmp_path / "editmetrics-selftest.json").read_text(encoding="utf-8")
    report = json.loads(text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    scored = {
        (row["subject"], row["device"]) for row in report["rows"] if row["check"] == "scores" and row["state"] == "held"
    }
    assert {(spec, "cpu") for spec in approved.specs()} <= scored
    rehearsed = {(row["device"], row["state"]) for row in report["rows"] if row["device"] == "rehearsal"}
    assert rehearsed in ({("rehearsal", "held")}, {("rehearsal", "not run")})
    assert "this machine has no GPU" in text
    private = [str(tmp_path), str(ROOT), sys.prefix, token, "secret", "proxy.lan", "mirror.lan", socket.gethostname()]
    for word in private:
        assert word not in text
    assert "/" not in re.sub(r"https://[\w./-]+", "", text.replace("N/A", ""))
    assert {"EDITMETRICS_HOME", "EDITMETRICS_OFFLINE", "HF_TOKEN"} <= set(report["environment"]["variables"])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("cannot open '/data/ann/run 1/a.png'", "cannot open '<path>'"),
        ("cannot open /scratch/ann x/home/a.png: no", "cannot open <path>: no"),
        ("in '~/weights/x'", "in '<path>'"),
        (r"in C:\Users\ann\x.pth", "in <path>"),
        ("see https://huggingface.co/timm/x/tree/main", "see https://huggingface.co/timm/x/tree/main"),
        ("see https://huggingface.co/x?token=abc", "see https://huggingface.co/x"),
        ("http://10.0.0.7:8080/hf answered", "<address> answered"),
        ("https://u:p@huggingface.co/x", "<address>"),
        ("token hf_abcdefghijkl was refused", "token <token> was refused"),
        ("1/2 of timm/vit_base at main, 3.5/7", "1/2 of timm/vit_base at main, 3.5/7"),
        ("psnr of cat: psnr was 28.3 and is 28.4", "psnr of cat: psnr was 28.3 and is 28.4"),
    ],
)
def test_texts_lose_what_is_private_and_nothing_else(text, kept, monkeypatch):
    monkeypatch.setenv("EDITMETRICS_HOME", "/scratch/ann x/home")
    assert anonymous(text) == kept


def test_names_and_keys_of_this_machine(monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "correct-horse")
    monkeypatch.setattr(socket, "gethostname", lambda: "box7.lab.example")
    monkeypatch.setattr(getpass, "getuser", lambda: "annabel")
    from editmetrics.selftest.anonymous import _names

    _names.cache_clear()
    try:
        assert anonymous("Annabel on box7 (box7.lab.example): correct-horse; annabelle, inbox7") == (
            "<user> on <host> (<host>): <token>; annabelle, inbox7"
        )
    finally:
        _names.cache_clear()


def test_what_the_package_ships():
    """The wheel holds the files that a checkout has elsewhere."""
    table = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("force-include]")[1].split("[")[0]
    shipped = dict(re.findall(r'^"(.+)" = "editmetrics/selftest/(.+)"$', table, re.MULTILINE))
    assert shipped.pop("tests/goldens.json") == "goldens.json"
    wanted = {f"{folder}/{name}.jpg" for folder in ("edited", "source") for name in goldens.NAMES}
    assert shipped == {f"docs/examples/{path}": f"examples/{path}" for path in wanted}
    assert all((ROOT / path).is_file() for path in shipped)
