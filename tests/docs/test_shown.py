"""The outputs that the documentation shows are those of its commands. `python -m tools.shown` writes them anew."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from editmetrics.testing import offline_weights
from tools.shown import (
    ROOT,
    commands_of,
    cut,
    folder_of_examples,
    output_of,
    pages,
    picture,
    rewritten,
    same,
    shown_in,
)

from .test_examples import parsed

TRAINS = re.compile(r"editmetrics fit |weights=runs/|squares/test_ratings")
"""Commands that train, or need what was trained."""

DOWNLOADS = re.compile(r"clip_score|--suite|editmetrics (fit|serve|rate|demo|push|doctor) ?")
"""Commands of the README's table that are not run: they download, train, serve, or say what is on this machine."""


PAGES = pages()


def ran(page, skip=None):
    """The shown commands of a page, with what they print now."""
    with folder_of_examples(), offline_weights():
        for part in commands_of(page):
            if part.words[0] == "editmetrics" and not (skip and skip.search(part.command)):
                yield part, output_of(part.words)[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_shown_command_exists(page):
    assert commands_of(page)
    for part in commands_of(page):
        if part.words[0] == "editmetrics":
            parsed(part.words[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_outputs_shown_are_those_printed(page):
    for part, printed in ran(page, skip=TRAINS):
        assert same(part.lines, printed), f"python -m tools.shown writes it anew\n{part.command}\nprints\n{printed}"


@pytest.mark.slow
def test_what_is_shown_of_a_training_runs_and_learns():
    """Its numbers differ between machines; that it learns, and in what form it says so, does not."""
    readme, *others = [page for page in PAGES if any("fit" in part.words for part in commands_of(page))]
    printed = {}
    for part, now in ran(readme):
        printed[part.command] = part
        learned = re.search(r"^(?:mine\.)?editing_fidelity\D+(0\.\d+)", now, re.MULTILINE)
        if learned and "score" not in part.words:
            assert float(learned[1]) > 0.8, now
    assert len([command for command in printed if TRAINS.search(command)]) == 3
    for part in (part for page in others for part in commands_of(page) if TRAINS.search(part.command)):
        assert part.lines == printed[part.command].lines, f"pages show different outputs of {part.command}"


def test_each_line_of_the_readmes_table_runs_in_the_folder_of_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(ROOT / "docs" / "examples", tmp_path / "examples"))
    rows = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if "| `editmetrics " in line]
    commands = [command for row in rows for command in re.findall(r"`(editmetrics [^`]+)`", row)]
    assert len(commands) > 12
    with offline_weights():
        for command in commands:
            if not DOWNLOADS.search(command):
                output_of(command.split())


def test_a_shown_command_has_its_lines_and_continues():
    parts = shown_in("$ editmetrics list \\\n    --needs mask\nname\n\nssim\n$ pip install .\n")
    assert [part.command for part in parts] == ["editmetrics list --needs mask", "pip install ."]
    assert parts[0].lines == ["name", "", "ssim"]


@pytest.mark.parametrize(
    ("held", "printed", "equal"),
    [
        (["psnr  18.08"], "psnr 18.05\n", True),
        (["psnr  18.08"], "psnr 19.05\n", False),
        (["psnr  18.08"], "ssim 18.08\n", False),
        (["psnr  18.08"], "psnr 18.08\nmore\n", False),
        (["a", "...", "z"], "a\nb\nc\nz\n", True),
        (["a", "...", "z"], "a\nb\nc\n", False),
        (["a", "..."], "b\nc\n", False),
        (["n  18    0"], "n 18 0.9\n", False),
    ],
)
def test_outputs_are_compared_by_words_and_numbers(held, printed, equal):
    assert same(held, printed) is equal


def test_a_page_is_written_anew_and_keeps_what_it_leaves_out():
    page = "text\n\n```console\n$ editmetrics list\nold\n...\nlast\n$ pip install .\n```\n"
    new = rewritten(page, {"editmetrics list": "one\ntwo\nthree\nfour\n"})
    assert new == "text\n\n```console\n$ editmetrics list\none\n...\nfour\n$ pip install .\n```\n"
    assert cut(["..."], "a\nb\n") == ["..."]


def test_a_picture_shows_the_commands_and_what_they_print(tmp_path):
    picture([("editmetrics list", "\x1b[1mpsnr\x1b[0m 18.08\n")], tmp_path / "t.svg")
    text = Path(tmp_path / "t.svg").read_text(encoding="utf-8").replace("&#160;", " ")
    assert "editmetrics list" in text
    assert "18.08" in text
