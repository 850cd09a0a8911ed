"""Lines of code on the pages are not cut: they fit the site at 1280 pixels, and a terminal."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WIDTH = 80
"""Characters of code that fit beside both sidebars at 1280 pixels, by a look at the built site."""

ONE_COMMAND = "pip install . && "
"""The README's two commands are one line each, as .ci/run has them."""

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def code_lines(text: str) -> list[str]:
    """The lines of code of a page: in fences, or indented after an empty line; without the outputs of commands."""
    text = re.sub(r"(?ms)^(```console\n\$ (?:[^\n]*\\\n)*[^\n]*\n).*?^```$", r"\1```", text)
    lines, fenced, indented, before = [], False, False, ""
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            lines.append(line)
        else:
            indented = line.startswith("    ") and (indented or not before.strip())
            lines += [line[4:]] if indented else []
        before = line
    return lines


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_line_of_code_is_wider_than_the_page(page):
    lines = code_lines(page.read_text(encoding="utf-8"))
    wide = [line for line in lines if len(line) > WIDTH and not line.startswith(ONE_COMMAND)]
    assert not wide, f"over {WIDTH} characters; break commands with a backslash:\n" + "\n".join(wide)


def test_lines_of_code_are_recognised():
    text = "- item\n    still text\n\n    code 1\n    code 2\n\ntext\n```sh\ncode 3\n```\n"
    text += "```console\n$ code 4 \\\n  code 5\noutput\n```\n"
    assert code_lines(text) == ["code 1", "code 2", "code 3", "$ code 4 \\", "  code 5"]
