"""No text of others reaches a terminal as a command to it, and closed streams are no reason to fail."""

import ast
import csv
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

PACKAGE = Path(__file__).parents[2] / "editmetrics"
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\x7f\r\x08"
RAW = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\x1b(?!\\[[0-9;]*m)")
"""What may not arrive: control characters but line feed, tab and our own colours; overrides of the direction."""


def on_a_terminal(*arguments, cwd, code=None):
    """What a command writes to a pseudo-terminal."""
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "COLUMNS": "200", "TERM": "xterm",
                   "OMP_NUM_THREADS": "1"}  # fmt: skip
    command = [sys.executable, "-m", "editmetrics", *map(str, arguments)]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=environment)
    os.close(slave)
    parts = []
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other side has been closed
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    assert process.wait(60) in ((0, 3) if code is None else (code,)), b"".join(parts)
    text = b"".join(parts).decode("utf-8").replace("\r\n", "\n")
    assert "Traceback" not in text
    return text


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A manifest, scores and ratings whose ids, systems, paths, prompts, reasons and columns are escape sequences."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, level in (("a", 10), ("b", 60), ("c", 120)):
        Image.new("RGB", (8, 8), (level, level, level)).save(folder / f"{name}.png")
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(f"{name}{EVIL}", f"{name}.png", "a.png", f"sys{EVIL}", f"prompt{EVIL}") for name in "abc"]
        rows += [(f"gone{EVIL}", f"no{EVIL}.png", "a.png", f"sys{EVIL}", "")]
        csv.writer(file).writerows([["id", "edited", "source", "system", "prompt"], *rows])
    with (folder / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(f"i{n}{EVIL}", f"s{n % 2}{EVIL}", n, 9 - n, "" if n < 5 else f"x: failed: {EVIL}") for n in range(6)]
        csv.writer(file).writerows([["id", "system", f"x{EVIL}", "psnr", "problems"], *rows])
    with (folder / "ratings.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", f"mos{EVIL}"], *((f"i{n}{EVIL}", n) for n in range(7))])
    return folder


COMMANDS = {
    "score": ("score", "manifest.csv", "-m", "psnr", "-q"),
    "score to a file": ("score", "manifest.csv", "-m", "psnr", "-q", "-o", "out.csv"),
    "report": ("report", "scores.csv", "-o", "report.html", "--title", EVIL, "-q"),
    "compare": ("compare", "scores.csv", "scores.csv"),
    "evaluate": ("evaluate", "scores.csv", "ratings.csv", "--group-by", "system", "--against", "psnr"),
    "list": ("list",),
    "info": ("info", "psnr"),
    "doctor": ("doctor",),
    "suggested": (f"scor{EVIL}",),
    "metric": ("info", f"psn{EVIL}"),
    "column": ("evaluate", "scores.csv", "ratings.csv", "--pair", f"{EVIL}=mos"),
    "path": ("report", f"nothing{EVIL}.csv", "-o", "r.html"),
    "folder": ("evaluate", "scores.csv", "ratings.csv", "-o", f"no{EVIL}/a.json"),
    "usage": ("score", f"--{EVIL}"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_control_character_of_the_data_reaches_the_terminal(hostile, name):
    refused = name in ("suggested", "metric", "column", "path", "usage")
    text = on_a_terminal(*COMMANDS[name], cwd=hostile, code=2 if refused else None)
    assert not RAW.search(text), ascii(RAW.search(text)[0])
    if name not in ("list", "info", "doctor"):
        assert "\\u001b" in text or "\\x1b" in text or name == "suggested"  # it is shown, as what it is
        assert "\x1b[2J" not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\u001b[31mb"), ("\x9bm", "\\u009bm"), ("tab\tline\n", "tab\tline\n"), ("é ↑ ü", "é ↑ ü"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"), ("\udc80", "\\udc80"), ("\rover\n", "\\u000dover\n"),
        ("\u061c\u200f", "\u061c\u200f"),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_text(text, shown, run, monkeypatch):
    import io

    from editmetrics.command_line.output import PlainStream

    stream = io.StringIO()
    PlainStream(stream).write(text)
    assert stream.getvalue() == shown


@pytest.mark.parametrize("text", ["\r 50%|###  | 1/2", "\n\n", "\x1b[A", "\r      \r"])
def test_bars_of_libraries_still_move_the_cursor(text):
    import io

    from editmetrics.command_line.output import PlainStream

    stream = io.StringIO()
    PlainStream(stream).write(text)
    assert stream.getvalue() == text


def test_what_the_terminals_encoding_lacks_is_written_out(hostile):
    command = [sys.executable, "-m", "editmetrics", "evaluate", "scores.csv", "ratings.csv", "--pair",
               f"psnr=mos{EVIL}"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, capture_output=True, cwd=hostile, env=environment, timeout=120)
    assert ran.returncode in (0, 3), ran.stderr
    assert b"\\u2191" in ran.stdout  # the arrow
    assert b"\x1b" not in ran.stdout


SCORE, EVALUATE = "score manifest.csv -m psnr -o {out}", "evaluate scores.csv ratings.csv -o {out}"


@pytest.mark.parametrize(
    ("command", "closed"),
    [(SCORE, "2>&-"), (SCORE, "<&- >&- 2>&-"), (EVALUATE, ">&-"), (EVALUATE, ">&- 2>&-"), (EVALUATE, "<&-")],
)
def test_closed_streams_cost_nothing(hostile, tmp_path, closed, command):
    out = tmp_path / ("out.csv" if command.startswith("score") else "out.json")
    line = f"exec {sys.executable} -m editmetrics {command.format(out=out)} {closed}"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    ran = subprocess.run(["sh", "-c", line], cwd=hostile, env=environment, timeout=120, capture_output=True)
    assert ran.returncode == 3, ran.stderr  # a sample without a score, a rating without a score
    assert b"psnr" in out.read_bytes()


def test_every_console_is_one_that_filters():
    """`Console(...)` of rich and `click.style` would write the escape sequences of whoever wrote the text."""
    for path in PACKAGE.rglob("*.py"):
        where = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert name != "Console", f"{where}: use standard_output() or error_output() of tables/table.py"
            assert name != "secho", f"{where}: use echo_styled() of command_line/output.py"
            assert name != "style" or where == "command_line/output.py", (
                f"{where}: use echo_styled() of command_line/output.py"
            )
