"""Every option of every command is named by a test and by a page of the documentation."""

import re
from pathlib import Path

import click
import pytest

from tests.test_words import COMMANDS

ROOT = Path(__file__).parents[2]
TESTS = [path for path in sorted((ROOT / "tests").rglob("*.py")) if path != Path(__file__)]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

OPTIONS = sorted(
    (name, tuple(parameter.opts))
    for name, command in COMMANDS.items()
    for parameter in command.params
    if isinstance(parameter, click.Option)
)


def flags(paths):
    """Return the options that these files name, as whole words."""
    option = r"(?<![\w-])(?:--[a-z][a-z-]*[a-z]|-[a-z](?![\w-]))"
    return {flag for path in paths for flag in re.findall(option, path.read_text(encoding="utf-8"))}


TESTED, DOCUMENTED = flags(TESTS), flags(PAGES)


@pytest.mark.parametrize(("command", "names"), OPTIONS, ids=str)
def test_an_option_is_tested_and_documented(command, names):
    assert TESTED & {*names}, f"no test names {names[-1]} of {command}"
    assert DOCUMENTED & {*names}, f"no page of docs/ names {names[-1]} of {command}"
