"""The outputs that pages show below commands; `python -m tests.docs.outputs` makes them anew.

A block of the kind `console` holds a command after `$ ` and then what it prints on its standard output at a width of 76
columns. All commands of a page run in one folder, in their order.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
COLUMNS = "76"
BLOCK = re.compile(r"(?ms)^```console\n(\$ (?:[^\n]*\\\n)*[^\n]*)\n(.*?)```$")
"""A command, continued by backslashes, and its output."""


def pages() -> list[Path]:
    """The pages that show outputs."""
    candidates = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in candidates if BLOCK.search(page.read_text(encoding="utf-8"))]


def rerun(page: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each command of a page, the output that the page shows, and the one of now."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "docs").mkdir()
        Path(folder, "docs", "examples").symlink_to(ROOT / "docs" / "examples")
        for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
            yield block[1], block[2], run(block[1], folder)


def run(command: str, folder: str) -> str:
    """The standard output of a command; `RuntimeError` if it fails."""
    words = command.removeprefix("$ ").replace("\\\n", " ").split()
    settings = {"COLUMNS": COLUMNS, "PYTHONPATH": str(ROOT), "EDITMETRICS_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True
    )
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{command}: exit code {done.returncode}: {done.stderr}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def same(shown: str, now: str) -> bool:
    """Whether two outputs have the same words, and numbers that differ by less than one per cent."""
    ours, theirs = shown.split(), now.split()
    return len(ours) == len(theirs) and all(map(_same_word, ours, theirs))


def _same_word(one: str, other: str) -> bool:
    try:
        return abs(float(one) - float(other)) <= 0.01 * abs(float(one))
    except ValueError:
        return one == other


def main() -> None:
    """Rewrite the pages."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for command, shown, now in rerun(page):
            text = text.replace(f"{command}\n{shown}```", f"{command}\n{now}```", 1)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
