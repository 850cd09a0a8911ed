"""`editmetrics doctor` finds what is broken, says what to do, and never breaks itself."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from editmetrics import diagnosis
from editmetrics.cli import cli
from editmetrics.diagnosis import Diagnosis
from tests.cli.test_plugin import run
from tests.test_plugin import installed_by_hand

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path, monkeypatch):
    for variable in [*diagnosis.VARIABLES, *diagnosis.SECRET]:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def found(part):
    diagnosed = Diagnosis()
    diagnosis._guarded(part.__name__, diagnosed, part)
    return diagnosed


def test_a_healthy_installation(home, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setattr(diagnosis, "LITTLE", 0)
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    (home / "weights" / "some").mkdir(parents=True)
    (home / "weights" / "some" / "model.safetensors").write_bytes(b"x" * 4096)
    done = CliRunner().invoke(cli, ["doctor", "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    import torch

    assert said["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert said["versions"]["torch"] == importlib.metadata.version("torch")
    assert len(said["devices"]["gpus"]) == torch.cuda.device_count()
    assert {extra["extra"] for extra in said["extras"]} >= {"judge", "plot", "test"}
    assert said["environment"]["EDITMETRICS_OFFLINE"] == "1"
    assert said["environment"]["OPENAI_API_KEY"] == "(set)"
    assert "sk-secret" not in done.output
    (weights,) = [cache for cache in said["caches"] if cache["cache"] == "weights"]
    assert (weights["path"], weights["bytes"], weights["complete"]) == (str(home / "weights"), 4096, True)
    assert said["problems"] == []


def test_everything_broken_at_once_is_all_told(tmp_path):
    """A torch that cannot be imported, plugins that raise, leave and kill the program, damaged permissions."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "allowed_plugins.json").write_text("[")
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')\n")
    site = installed_by_hand(
        tmp_path / "site", "broken-package",
        {"raises": "raises:X", "leaves": "leaves:X", "kills": "kills:X", "fine": "fine:Fine"},
        raises="raise RuntimeError('no such device')\n",
        leaves="raise SystemExit(0)\n",
        kills="import os; os._exit(9)\n",
        fine="from editmetrics.plugins.mae import MAE\nprint('hello')\nclass Fine(MAE): name = 'fine'\n",
    )  # fmt: skip
    done = run("-m", "editmetrics", "doctor", path=[tmp_path, site], home=home)
    assert done.returncode == 3, done.stderr
    said = " ".join(done.stdout.split())
    for words in (
        "fine broken-package 1.0: ok",
        "raises of broken-package 1.0 cannot be used: raises:X cannot be imported: RuntimeError: no such device",
        "the metric leaves of broken-package 1.0 cannot be used: leaves:X cannot be imported: SystemExit: 0",
        "the metric kills of broken-package 1.0 cannot be used: its import ends the program (exit code 9)",
        "torch and torchvision cannot be imported: ImportError: libcudart.so.12",
        "allowed_plugins.json cannot be read",
    ):
        assert words in said


def test_an_installation_in_ruins_is_still_looked_at(tmp_path):
    """What doctor itself could stand on is broken: nothing but click is needed."""
    for module in ("numpy", "rich", "platformdirs", "packaging", "pydantic", "PIL", "filelock", "annotated_types"):
        (tmp_path / f"{module}.py").write_text(f"raise ImportError('{module} is in ruins')\n")
    done = run("-m", "editmetrics", "doctor", "--json", path=[tmp_path])
    assert done.returncode == 3, done.stderr
    said = json.loads(done.stdout)
    assert said["versions"]["python"]
    assert any("packaging is in ruins" in problem for problem in said["problems"])
    assert any("torch and torchvision cannot be imported" in problem for problem in said["problems"])


def test_what_is_required_and_missing_is_told_with_the_pip_line(monkeypatch):
    required = ["torch>=2.4", "click>=999", "no-such-package>=1", "piq>=999; extra == 'test'", "gone; extra == 'plot'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: required)
    diagnosed = found(diagnosis.requirements)
    assert diagnosed.problems == ["missing or outdated requirements: pip install 'click>=999' 'no-such-package>=1'"]
    missing = {extra["extra"]: extra["missing"] for extra in diagnosed.extras}
    assert (missing["judge"], missing["plot"], missing["test"]) == ([], ["gone"], ["piq>=999"])
    assert {extra["pip"] for extra in diagnosed.extras} >= {"pip install 'editmetrics[plot]'"}


def test_a_missing_extra_is_no_problem(monkeypatch, home):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["gone; extra == 'plot'"])
    diagnosed = found(diagnosis.requirements)
    assert diagnosed.problems == []
    from editmetrics.cli import doctor

    assert doctor._extra(next(extra for extra in diagnosed.extras if extra["missing"])).endswith("editmetrics[plot]'")


def test_an_allowed_package_that_has_gone_is_told(home):
    home.mkdir()
    (home / "allowed_plugins.json").write_text('{"psnr": "my-psnr"}')
    (problem,) = found(diagnosis.allowed_names).problems
    assert "the built-in psnr is used" in problem
    assert "editmetrics plugin forbid psnr" in problem


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write anywhere")
def test_a_home_that_cannot_be_written_is_told(home):
    home.mkdir()
    home.chmod(0o500)
    assert "is not writable" in found(diagnosis.disk).problems[0]


def test_a_home_that_is_a_file_is_told(home):
    home.write_text("not a folder")
    assert "is not writable" in found(diagnosis.disk).problems[0]


def test_a_full_disk_is_told(home, monkeypatch):
    monkeypatch.setattr(diagnosis, "LITTLE", 10**30)
    assert "weights may not fit" in found(diagnosis.disk).problems[0]


def test_a_damaged_cache_of_answers_is_told_and_left_alone(home):
    (home / "judge").mkdir(parents=True)
    file = home / "judge" / "answers.sqlite"
    file.write_text("no database" * 100)
    (problem,) = found(diagnosis.caches).problems
    assert "answers.sqlite cannot be used" in problem
    assert file.read_text() == "no database" * 100


def test_the_size_of_a_folder_that_has_no_end_is_a_lower_bound(tmp_path):
    for index in range(3):
        (tmp_path / f"{index}").write_bytes(b"x" * 100)
    assert diagnosis.folder_size(tmp_path) == (300, True)
    size, complete = diagnosis.folder_size(tmp_path, budget=-1)
    assert (size, complete) == (100, False)
    assert diagnosis.folder_size(tmp_path / "not there") == (0, True)


def test_a_part_that_fails_leaves_the_others():
    def plugins(_):
        raise ValueError("metadata is damaged")

    diagnosed = found(plugins)
    assert diagnosed.problems == ["plugins cannot be examined: ValueError: metadata is damaged"]
