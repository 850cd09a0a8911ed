"""The commands that the documentation shows with their output: read, run again, compared, written anew.

A block begins with three backticks and `console`; a line that begins with `$ ` is a command, what follows is its
output. A line `...` stands for lines that are left out. Commands other than `editmetrics` are not run.

    python -m tools.shown --picture docs/images/terminal.svg    # writes all outputs anew, and a picture of the first


The commands of a page run in one new folder, in their order. `docs/examples` is there, and the terminal has 76 columns.
`tests/docs/test_shown.py` compares.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COLUMNS = 76
"""A line of so many characters fits into the text of the site."""
LEFT_OUT = "..."


@dataclass
class Shown:
    """A command, its continued lines joined, and the lines that the page shows below it."""

    command: str
    lines: list[str]
    typed: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.command, comments=True)


def shown_in(block: str) -> list[Shown]:
    """The commands of a block, with their outputs."""
    parts: list[Shown] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            parts.append(Shown(line[2:], [], line))
        elif parts and parts[-1].command.endswith("\\"):
            parts[-1].command = parts[-1].command[:-1] + line.strip()
            parts[-1].typed += f"\n{line}"
        elif parts:
            parts[-1].lines.append(line)
    return parts


def pages() -> list[Path]:
    """The pages that show outputs: the README first."""
    candidates = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in candidates if BLOCK.search(page.read_text(encoding="utf-8"))]


def commands_of(page: Path) -> list[Shown]:
    """All commands of a page that are shown with their outputs."""
    return [part for block in BLOCK.findall(page.read_text(encoding="utf-8")) for part in shown_in(block)]


@contextlib.contextmanager
def folder_of_examples() -> Iterator[Path]:
    """A new working folder with the examples in it."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(ROOT / "docs" / "examples", Path(name) / "docs" / "examples")
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)


def output_of(words: Sequence[str], *, colours: bool = False) -> tuple[int, str]:
    """Run `editmetrics ...` in this process; its exit code, and what it prints on standard output."""
    from rich.console import Console

    from editmetrics.cli import main
    from editmetrics.tables.table import PlainConsole

    def console() -> Console:
        return PlainConsole(
            file=sys.stdout,
            width=COLUMNS,
            highlight=False,
            force_terminal=colours,
            color_system="truecolor" if colours else None,
        )

    printed, code = io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", list(words)),
        mock.patch.dict(os.environ, {"COLUMNS": str(COLUMNS), "EDITMETRICS_DEVICE": "cpu"}),
        mock.patch("editmetrics.tables.table.standard_output", console),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(io.StringIO()) as errors,
    ):
        try:
            main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    if code not in (0, 3):
        raise RuntimeError(f"{' '.join(words)} ended with {code}: {errors.getvalue()}")
    return code, printed.getvalue()


def same(held: Sequence[str], printed: str, tolerance: float = 0.02) -> bool:
    """Whether the lines of a page are those that were printed: words equal, numbers close, `...` for any lines.

    >>> same(["psnr  18.08", "...", "wrote it"], "psnr 18.079\\n\\nmore\\nwrote it\\n")
    True
    >>> same(["psnr  18.08"], "ssim 18.08")
    False
    """
    wanted, lines = _significant(held), _significant(printed.splitlines())
    if [LEFT_OUT] not in wanted:
        return len(wanted) == len(lines) and all(map(_alike, wanted, lines, [tolerance] * len(wanted)))
    at = wanted.index([LEFT_OUT])
    first, last = wanted[:at], wanted[at + 1 :]
    if len(first) + len(last) > len(lines):
        return False
    ends = lines[len(lines) - len(last) :] if last else []
    return all(map(_alike, [*first, *last], [*lines[:at], *ends], [tolerance] * (len(first) + len(last))))


def cut(held: Sequence[str], printed: str) -> list[str]:
    """The printed lines, shortened where the page shortened them before: so many first and last lines are kept."""
    lines = [line.rstrip() for line in printed.rstrip().splitlines()]
    if LEFT_OUT not in held:
        return lines
    at = list(held).index(LEFT_OUT)
    after = len([line for line in held[at + 1 :] if line])
    return [*lines[:at], LEFT_OUT, *(lines[len(lines) - after :] if after else [])]


def rewritten(text: str, recordings: dict[str, str]) -> str:
    """The text of a page with the outputs of its commands as they were recorded."""

    def block(match: re.Match[str]) -> str:
        lines = []
        for part in shown_in(match[1]):
            lines.append(part.typed)
            if part.command in recordings:
                lines += cut(part.lines, recordings[part.command])
            else:
                lines += part.lines
        return "```console\n" + "".join(f"{line}\n" for line in lines) + "```"

    return BLOCK.sub(block, text)


def picture(parts: Sequence[tuple[str, str]], path: Path, title: str = "editmetrics") -> None:
    """A terminal as SVG that shows these commands and what they printed, with its colours."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for number, (command, printed) in enumerate(parts):
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")), highlight=False)
        console.print(Text.from_ansi(printed.rstrip()), highlight=False)
        if number < len(parts) - 1:
            console.print()
    svg = console.export_svg(title=title)
    path.write_text(re.sub(r"@font-face \{.*?\}\n", "", svg, flags=re.DOTALL), encoding="utf-8")  # nothing is fetched


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, help="default: all that show outputs")
    parser.add_argument("--picture", type=Path, help="write the first command of the first page as a picture")
    parser.add_argument("--skip", metavar="REGEX", help="keep the outputs of these commands")
    options = parser.parse_args()
    targets = [page.resolve() for page in options.pages] or pages()
    printed: dict[str, str] = {}
    for page in targets:
        with folder_of_examples():
            for part in commands_of(page):
                if part.words[0] == "editmetrics" and not (options.skip and re.search(options.skip, part.command)):
                    print(f"{page.name}: {part.command}", file=sys.stderr)
                    printed[part.command] = output_of(part.words, colours=True)[1]
        plain = {command: _without_colours(text) for command, text in printed.items()}
        page.write_text(rewritten(page.read_text(encoding="utf-8"), plain), encoding="utf-8")
    if options.picture:
        first = commands_of(targets[0])[0]
        picture([(first.typed.removeprefix("$ "), printed[first.command])], options.picture)


def _without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _significant(lines: Sequence[str]) -> list[list[str]]:
    return [words for line in lines if (words := line.split())]


def _alike(held: Sequence[str], printed: Sequence[str], tolerance: float) -> bool:
    if len(held) != len(printed):
        return False
    for one, other in zip(held, printed, strict=True):
        try:
            numbers = float(one.strip("(),:±%")), float(other.strip("(),:±%"))
        except ValueError:
            if one != other:
                return False
        else:
            tolerance = max(tolerance, 0.5 * (not {"kB", "MB", "MB,"}.isdisjoint(held)))
            if abs(numbers[0] - numbers[1]) > tolerance * max(abs(numbers[0]), 0.05):
                return False
    return True


if __name__ == "__main__":
    main()
