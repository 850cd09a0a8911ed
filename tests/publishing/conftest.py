"""The fake hub, with a token that may write to ada's repositories, and a small run with paths and images in it."""

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editmetrics import Sample, score
from tests.cli.conftest import run  # noqa: F401 - a fixture
from tests.hub.conftest import home, hub  # noqa: F401 - fixtures

TOKEN = "good"
TOYS = Path(__file__).parents[2] / "editmetrics" / "plugins"


@pytest.fixture
def writable(hub, monkeypatch):  # noqa: F811
    """The hub, which lets this machine write as ada; large files go the way that a test can follow."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True, raising=False)
    hub.owners.add("ada")
    return hub


def png(seed, size=24):
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="session")
def scored(tmp_path_factory):
    """Six edits of two systems by absolute paths, half of them outside the table's folder."""
    folder = tmp_path_factory.mktemp("run")
    elsewhere = tmp_path_factory.mktemp("Elsewhere of somebody")
    samples = []
    for number in range(6):
        system, task = ("a", "b")[number % 2], number // 2
        source, edited = elsewhere / f"{task}.png", folder / f"{system} {task}.png"
        source.write_bytes(png(task))
        edited.write_bytes(png(9 + number))
        prompt = f"make it red, no. {task}"
        samples.append(Sample(f"{system}/{task}", edited=edited, source=source, prompt=prompt, meta={"system": system}))
    score(samples, ["psnr", "mse"], output=folder / "scores.csv")
    return folder / "scores.csv"


@pytest.fixture
def own(scored, tmp_path):
    """A copy of the run that a test may change."""
    for file in scored.parent.glob("scores.*"):
        shutil.copy(file, tmp_path)
    return tmp_path / "scores.csv"


def altered(scores, **more):
    """Add `more` to the first line of a score in the record."""
    record = scores.with_suffix(".record.jsonl")
    lines = record.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if json.loads(line)["kind"] == "score")
    lines[at] = json.dumps({**json.loads(lines[at]), **more})
    record.write_text("\n".join(lines) + "\n")
    return at + 1


def encoded(seed=0):
    return base64.b64encode(png(seed)).decode()
