"""docs/plugins.md is run as a reader would run it, from an empty folder, in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "plugins.md"
BLOCK = re.compile(r"^```(sh|python|text)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment that sees the packages of this one, so that the guide installs nothing into ours."""
    folder = tmp_path_factory.mktemp("guide") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    ours = [path for path in sys.path if path.endswith("site-packages")] or [sysconfig.get_path("purelib")]
    lines = [str(ROOT), *(f"import site; site.addsitedir({path!r})" for path in ours)]
    Path(site, "ours.pth").write_text("\n".join(lines))
    for name in ("pip", "pytest", "editmetrics"):
        program = folder / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{python}" -m {name} "$@"\n')
        program.chmod(0o755)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EDITMETRICS"))},
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(folder),
        "EDITMETRICS_HOME": str(folder.parent / "home"),
        # what pip would download is here already
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_QUIET": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }


def words(text):
    """The text on one line, its numbers to three digits: more may differ between machines."""
    return re.sub(r"\d\.\d{4,}", lambda number: f"{float(number.group()):.3g}", re.sub(r"\s+", " ", text)).strip()


@pytest.mark.skipif(os.name == "nt", reason="the guide's commands are for a POSIX shell")
def test_the_guide_to_plugins(environment, tmp_path):
    for name in ("source", "edited"):
        shutil.copytree(ROOT / "docs" / "examples" / name, tmp_path / name)
    blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(blocks) > 10
    output = ""
    for kind, info, text in blocks:
        settings = dict(part.partition("=")[::2] for part in info.split())
        if "file" in settings:
            (tmp_path / settings["file"]).write_text(text)
        elif "append" in settings:
            with (tmp_path / settings["append"]).open("a") as stream:
                stream.write(text)
        elif kind == "text":
            assert words(text) in words(output), output
        else:
            assert kind == "sh", f"what is to be done with this block: {text}"
            done = subprocess.run(
                ["sh", "-ec", text], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            output = done.stdout + done.stderr
            assert done.returncode == (3 if "fails" in settings else 0), f"{text}\n{output}"
    scores = (tmp_path / "scores.csv").read_text().splitlines()
    assert "edge_loss:floor=0.01" in scores[0]
    assert len(scores) == 1 + len(list((tmp_path / "source").iterdir()))
    built = {path.name for path in (tmp_path / "edge-loss" / "dist").iterdir()}
    assert built == {"edge_loss-0.1.0-py3-none-any.whl", "edge_loss-0.1.0.tar.gz"}
