"""A small run with everything that goes wrong in it, its report, and a browser to look at it."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editmetrics import Sample, score
from editmetrics.report.write import ReportOptions, write_report

from ..scoring.toys import Captioned
from . import browser

HOSTILE = (
    "</script><script>document.documentElement.dataset.hacked = 1</script>",
    '"><img src=x onerror="document.documentElement.dataset.hacked = 2">',
    "<!--<script> \u2028 \u2029 & &amp; ${7*7} {{7*7}} ]]> half",
    r"\input{/etc/passwd} % $x_1^2$ #1 & ~ | `code` **bold** [link](javascript:alert(1)) @everyone http://example.org",
    "=cmd|' /C calc'!A0 \\ 中文 naïve ‮ emoji 😀 refuse",
    "a" * 300,
)
"""Prompts that would like to be something else; one makes the metric refuse, one leaves a dimension unparseable."""

SYSTEMS = ("first", "second & <i>third</i>")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """Six sources edited by two systems: one edit is corrupt, one is identical, one has another size."""
    folder = tmp_path_factory.mktemp("run")
    random = np.random.default_rng(0)
    samples = []
    for number, prompt in enumerate(HOSTILE):
        source = folder / f"source {number}.png"
        pixels = random.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(source)
        for strength, system in zip((20, 60), SYSTEMS, strict=True):
            edited = folder / f"{number} {strength}.png"
            noise = random.integers(-strength, strength + 1, pixels.shape)
            Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(edited)
            kind = "colour" if number % 2 else "object <b>"
            samples.append(
                Sample(
                    f"{system}/{number}",
                    edited=edited,
                    source=source,
                    prompt=prompt,
                    meta={"system": system, "edit_type": kind},
                )
            )
    (folder / "1 60.png").write_bytes(b"no image")
    (folder / "2 20.png").write_bytes((folder / "source 2.png").read_bytes())
    score(samples, ["psnr", "mse", Captioned()], output=folder / "scores.csv")
    return folder


@pytest.fixture(scope="session")
def report(run_folder):
    path = run_folder / "report.html"
    write_report(run_folder / "scores.csv", path)
    return path


@pytest.fixture(scope="session")
def browser_page(tmp_path_factory):
    yield from browser.opened(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def page(browser_page):
    """The browser; a test that ends with anything in its console has failed."""
    yield browser_page
    assert browser_page.console() == []


@pytest.fixture(scope="session")
def many_report(tmp_path_factory):
    """3,000 pairs by three systems, of tiny images."""
    folder = tmp_path_factory.mktemp("many")
    return write_many(folder, 3000)


def write_many(folder: Path, pairs: int) -> Path:
    """A report of so many pairs of one colour each, that share a few files."""
    for level in range(20):
        Image.new("RGB", (8, 8), (level * 12, 90, 200)).save(folder / f"{level}.png")
    systems = itertools.cycle(("a", "b", "c"))
    lines = ["id,system,source,edited,prompt,psnr,mse"]
    for number, system in zip(range(pairs), systems, strict=False):
        value = (number * 7919) % pairs  # each once, in no order
        paths = f"{number % 20}.png,{(number + 3) % 20}.png"
        lines.append(f"{system}/{number // 3},{system},{paths},prompt {number},{value},{1 - value / pairs}")
    (folder / "scores.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_report(folder / "scores.csv", folder / "report.html", ReportOptions(larger_pairs=10))
    return folder / "report.html"


@pytest.fixture(scope="session")
def default_report(tmp_path_factory):
    """The eight metrics of `editmetrics score`, two systems: one leads in half of them, no prompts, no pictures."""
    folder = tmp_path_factory.mktemp("default")
    random = np.random.default_rng(0)
    names = ("fsim", "gmsd", "mae", "ms_ssim", "mse", "psnr", "ssim", "vif")
    lines = [f"id,system,source,edited,{','.join(names)}"]
    for lead, system in ((0.2, "good"), (0.0, "poor")):
        for number in range(12):
            scores = random.uniform(0.4, 0.6, 8) + [lead * sign for sign in (1, -1, -1, 1, 0, 0, 0, 0)]
            row = [f"{system}/{number}", system, f"source/{number}.png", f"{system}/{number}.png", *map(str, scores)]
            lines.append(",".join(row))
    (folder / "scores.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_report(folder / "scores.csv", folder / "report.html")
    return folder / "report.html"
