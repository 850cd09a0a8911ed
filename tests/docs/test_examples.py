"""Every example of the documentation is run: Python as it stands, commands in a folder where their names exist.

What cannot be run here (it needs a model of eight billion parameters, an account, a cluster) is at least parsed: its
command and options must exist. `NOT_RUN` says why, for each.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from editmetrics.builtin import BUILTIN
from editmetrics.testing import offline_weights

from . import world

ROOT = world.ROOT
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

NOT_RUN = {
    r"editmetrics fit ": "trains a model",
    r"editmetrics annotate |editmetrics explanations ": "asks models; tests/plugins/epaiqa has scripted ones",
    r"editmetrics lsa ": "needs a backbone from the hub",
    r"backbone=/data/": "needs a backbone in a folder; tests/mllm/test_what_files_are.py has one",
    r"backend=(vllm|sglang)": "asks a server; tests/served has stand-ins",
    r"editmetrics serve ": "serves until it is stopped; tests/serving does",
    r"editmetrics rate ": "serves until it is stopped; tests/rating does",
    r"editmetrics demo ": "serves until it is stopped; tests/demo has its parts",
    r"editmetrics push |weights=hub:": "needs the hub; tests/publishing has one on this machine",
    r"editmetrics score .*--engine ray": "needs a cluster; tests/scoring/test_ray.py has one",
    r"editmetrics weights pull|editmetrics weights path|lpips:net=vgg": "downloads",
    r"editmetrics selftest": "takes a minute; tests/selftest runs it",
    r"editmetrics weights check --remote": "asks the hub; tests/hub has one on this machine",
    r"editmetrics weights convert": "needs the published weights",
    r"--endpoint|--model ": "asks a model",
    r"editmetrics qbench --compare": "needs the results of two models",
    r"editmetrics plugin |edge_loss|-m my_metric": "needs one's own package; tests/test_guide.py makes and runs it",
    r"editmetrics merge ": "needs the parts of a run; tests/cli/test_score.py makes some",
    r"pyiqa/": "needs pyiqa",
    r"editmetrics benchmark .*((-m|--scores|--manifest) |/ --table)": "needs a data set; see tests/benchmarks",
    r"pair_judge": "asks a model; tests/cli/test_arena.py has a scripted one",
    r" -m (ds_ieqa|lmm4lmm|hpe_lsa|epaiqa|vqa_score|vie_score|lmm4edit|edit_hf)( |$)": "needs a backbone from the hub",
    r" -m (deqa_score|edit_reward|edit_score|hpsv3|q_align)\b": "needs a checkpoint from the hub",
    r" -m (mllm_rating|rational_rewards)\b": "needs a checkpoint from the hub",
    r" -m fid( |$)": "needs the published weights; tests/cli/test_sets.py has a stand-in",
    r"hf://|editmetrics data [a-z]": "reads the hub; tests/hub has one on this machine",
    r" -m face_identity( |$)": "needs the published weights; tests/plugins/test_face_identity.py has stand-ins",
    r"editmetrics score benchmark.csv ": "needs keys and images called after them; tests/data/test_keys.py has some",
    r"--suite gedit|runs/fold_1": "asks a model; is trained on another page",
    r"image_regressor:weights=runs/": "needs a training; tests/plugins/image_regressor has some",
}
"""Commands that are only parsed, and why."""

TRAINED = {
    "lmm4lmm.md": "lmm4lmm", "hpe_lsa.md": "hpe_lsa", "hpe-bench.md": "hpe_lsa", "epaiqa.md": "epaiqa",
}  # fmt: skip
"""Whose checkpoint `runs/...` is on these pages; elsewhere ds_ieqa's."""

UNFINISHED = {
    **dict.fromkeys(("judge.md", "suites.md", "qbench.md"), "asks a model"),
    **dict.fromkeys(("serving.md", "vllm.md"), "needs a server"),
    "publishing.md": "sends files to the hub; tests/publishing has one on this machine",
    "comparison_tables.md": "needs a whole data set; tests/benchmarks/comparison has parts of them",
}  # fmt: skip
"""Pages whose Python is only compiled, and why."""


OPTIONAL = {"lightning": "not installed; tests/docs/test_training_loops.py runs its examples with a stand-in"}
"""Libraries that examples import and nobody has to have, and why their examples are only compiled without them."""

RECIPES = ("datasets", "diffusers", "trl")
"""Libraries whose examples tests/docs/test_recipes.py runs, since importing them takes long."""


def commands(path: Path) -> list[str]:
    """The command lines of a page that begin with `editmetrics`, continued ones joined, comments gone.

    Those that are shown with their output are not among them: `test_shown` runs these.
    """
    text = re.sub(r"```(?!sh|bash).*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    text = re.sub(r"\\\n\s*", "", text)
    lines = [line.strip() for line in text.splitlines() if re.match(r"( {4,})?editmetrics [a-z]", line)]
    parts = (part.strip() for line in text.splitlines() if line.startswith("    pip install . && ")
             for part in line.split("&&")[1:])  # fmt: skip
    return [*parts, *lines]


def python_blocks(path: Path) -> list[str]:
    return [textwrap.dedent(block) for block in re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), flags=re.S)]


def arguments(command: str) -> list[str]:
    return shlex.split(command, comments=True)[1:]


def parsed(words: list[str]) -> None:
    """Raise `click.UsageError` for a command, an option or a choice that does not exist; files need not."""
    from editmetrics.cli import cli

    command, context = cli, click.Context(cli, info_name="editmetrics")
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.make_parser(context).parse_args([word for word in words if word != "..."])


def make_way(words: list[str]) -> None:
    """Remove the world's own table where `score -o` writes one: it has no record, and would not be replaced."""
    if words[0] == "score" and "-o" in words:
        output = Path(words[words.index("-o") + 1])
        if not output.with_suffix(".record.jsonl").exists():
            output.unlink(missing_ok=True)


def run(words: list[str], monkeypatch) -> int:
    from editmetrics.cli import main

    monkeypatch.setattr(sys, "argv", ["editmetrics", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code


WITH_COMMANDS = [page for page in PAGES if commands(page)]
WITH_PYTHON = [page for page in PAGES if python_blocks(page)]


@pytest.fixture
def sandbox(tmp_path, monkeypatch):
    @contextlib.contextmanager
    def inside(page):
        monkeypatch.chdir(world.build(tmp_path / "world", TRAINED.get(page.name, "ds_ieqa")))
        monkeypatch.setenv("EDITMETRICS_DEVICE", "cpu")
        with offline_weights():
            yield

    return inside


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands(page, sandbox, monkeypatch, capsys):
    with sandbox(page):
        for command in commands(page):
            words = arguments(command)
            parsed(words)
            if any(re.search(pattern, command) for pattern in NOT_RUN):
                continue
            make_way(words)
            code = run(words, monkeypatch)
            said = capsys.readouterr()
            assert code in (0, 3), f"{command}\n{said.err}\n{said.out}"


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: str(page.relative_to(ROOT)))
def test_python(page, sandbox):
    with sandbox(page):
        names: dict = {"__name__": "example"}
        for number, block in enumerate(python_blocks(page)):
            code = compile(block, f"{page.name}, block {number + 1}", "exec")
            lacking = any(f"import {name}\n" in block and find_spec(name) is None for name in OPTIONAL)
            lacking |= any(f"import {name}\n" in block for name in RECIPES)
            if page.name not in UNFINISHED and not lacking and "Client(" not in block:  # tests/serving has one
                exec(code, names)


def test_a_wrong_option_would_be_noticed():
    with pytest.raises(click.UsageError):
        parsed(arguments("editmetrics score a b --no-such-option"))
    with pytest.raises(AssertionError):
        parsed(arguments("editmetrics scroe a b"))


def test_links_lead_somewhere():
    """Relative links of the README and CONTRIBUTING; those of the site are checked when it is built."""
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert os.path.exists(page.parent / link), f"{page.name}: {link}"


def test_the_readme_counts_and_lists_every_metric():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"with {len(BUILTIN)} metrics" in text
    listed = set(re.findall(r"`([a-z0-9_]+)`", " ".join(line for line in text.splitlines() if line.startswith("| `"))))
    assert BUILTIN.keys() <= listed
