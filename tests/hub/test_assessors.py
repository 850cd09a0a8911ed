"""The README's commands for published assessors, run as they stand: models from a hub of this machine, tiny and random.

A random model writes nothing that can be read: what it writes is replaced by an answer of the form that is asked for.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from editmetrics.mllm.backbone import Backbone
from editmetrics.plugins.conformance.edit_regression import _model, _write_adapter
from editmetrics.plugins.conformance.reward_models import WEIGHTS
from editmetrics.testing import tiny_backbone
from tests.cli.conftest import EXAMPLES, run

from .server import Repository

__all__ = ["run"]

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^editmetrics (score src/ .*-m edit_score .*)$", re.sub(r"\\\n *", "", README), re.MULTILINE)
ANSWER = json.dumps({"reasoning": "the hat is there", "score": [20, 25]})


def files(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@pytest.fixture
def models(hub, tmp_path, monkeypatch):
    """The repositories that the commands download, the folders that they name, and what the models write."""
    base = tiny_backbone("qwen2_5_vl", tmp_path / "base")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    _write_adapter(_model(base), adapter, r".*language_model\.layers\.\d+\.mlp\.\w+_proj", 0)
    reward = tmp_path / "reward"
    reward.mkdir()
    WEIGHTS["edit_reward.qwen2.5-vl-7b"](reward)
    small = shutil.copytree(reward, tmp_path / "FOLDER", ignore=shutil.ignore_patterns("*.safetensors"))
    hub.repositories |= {
        "Qwen/Qwen2.5-VL-7B-Instruct": Repository(files(base)),
        "EditScore/EditScore-7B": Repository(files(adapter)),
        "TIGER-Lab/EditReward-Qwen2.5-VL-7B": Repository(files(reward)),
    }
    for name, folder in (("src", "source"), ("edits", "edited")):
        (tmp_path / name).mkdir()
        shutil.copy(EXAMPLES / folder / "cat.jpg", tmp_path / name)
    (tmp_path / "p.csv").write_text("image,prompt\ncat.jpg,give it a hat\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(
        Backbone, "generate", lambda backbone, prompts, *_, **__: asked.append(len(prompts)) or [ANSWER] * len(prompts)
    )
    return small, asked


def test_the_readme_has_both_commands():
    assert COMMANDS == [
        "score src/ edits/ --prompts p.csv -m edit_score -m edit_reward",
        "score src/ edits/ --prompts p.csv -m edit_score -m edit_reward:backbone=FOLDER",
    ]


def test_the_readmes_command_scores_edits_with_both(run, models):
    _, asked = models
    ran = run(*COMMANDS[1].split(), "--device", "cpu", "-o", "scores.csv")
    assert ran.code == 0, ran.err
    (row,) = csv.DictReader(Path("scores.csv").read_text(encoding="utf-8").splitlines())
    assert float(row["edit_score.overall"]) == pytest.approx(8.0)
    reward = next(value for name, value in row.items() if name.startswith("edit_reward") and "overall" in name)
    assert -10 < float(reward) < 10
    assert asked == [1, 1]
