"""Data sets on the hub as manifests, from a server that answers as the hub does."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import polars as pl
import pytest

from editmetrics.data import DataError, find_samples
from editmetrics.downloads import DownloadError, UnreachableError
from editmetrics.files.notes import note_once
from tests.cli.conftest import run

from .server import Repository

__all__ = ["run"]
EXAMPLES = Path("docs/examples")
NAMES = ("cat", "coffee", "stars")
IMAGE = pl.Struct({"bytes": pl.Binary, "path": pl.String})
ADDRESS = "hf://someone/edits"


def parquet(names):
    """Return the bytes of a table as `datasets` writes it."""
    rows = [
        {
            "key": name,
            "instruction": f"edit the {name}",
            "input_image": {"bytes": (EXAMPLES / f"source/{name}.jpg").read_bytes(), "path": f"{name}.jpg"},
            "image": {"bytes": (EXAMPLES / f"edited/{name}.jpg").read_bytes(), "path": None},
        }
        for name in names
    ]
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema_overrides={"image": IMAGE, "input_image": IMAGE}).write_parquet(buffer)
    return buffer.getvalue()


def psnr(name):
    """The definition, by Pillow and numpy."""
    source, edited = (
        np.asarray(PIL.Image.open(EXAMPLES / folder / f"{name}.jpg").convert("RGB"), float)
        for folder in ("source", "edited")
    )
    return 10 * np.log10(255**2 / ((source - edited) ** 2).mean())


@pytest.fixture
def data_set(hub, monkeypatch):
    note_once.cache_clear()
    files = {
        "README.md": b"---\nlicense: cc-by-4.0\n---\n",
        "data/test-00000-of-00002.parquet": parquet(NAMES[:2]),
        "data/test-00001-of-00002.parquet": parquet(NAMES[2:]),
        "data/train-00000-of-00001.parquet": parquet(NAMES[:1]),
    }
    hub.repositories["datasets/someone/edits"] = Repository(files, licence="cc-by-4.0")
    return hub


def instructions(samples):
    return [sample.prompt for sample in samples]


def test_a_split_is_scored_as_a_manifest_is(data_set, run, tmp_path, caplog):
    first = ("score", ADDRESS, "--split", "test", "--map", "edited=image", "--map", "id=key", "-m", "psnr")
    ran = run(*first, "-o", tmp_path / "s.csv")
    assert ran.code == 0, ran.err
    table = pl.read_csv(tmp_path / "s.csv")
    assert table["id"].to_list() == list(NAMES)
    assert table["psnr"].to_list() == pytest.approx([psnr(name) for name in NAMES], rel=1e-6)
    assert re.search(r"hf://someone/edits: downloading 2 files, \d+ kB; licence: cc-by-4.0", caplog.text)
    record = json.loads((tmp_path / "s.record.jsonl").read_text().split("\n")[0])
    assert (
        record["data_set"] == f"hf://someone/edits@{data_set.repositories['datasets/someone/edits'].commit[:12]} test"
    )


def test_files_are_fetched_once_and_needed_without_a_network_later(data_set, monkeypatch):
    first = instructions(find_samples([ADDRESS], split="test"))
    assert first == [f"edit the {name}" for name in NAMES]
    assert len(data_set.downloads(".parquet")) == 2
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    asked = len(data_set.requests)
    assert instructions(find_samples([ADDRESS], split="test")) == first
    assert len(data_set.requests) == asked
    with pytest.raises(UnreachableError):
        find_samples([ADDRESS], split="train")


def test_a_broken_download_resumes(data_set, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    data_set.broken_after["train-00000-of-00001.parquet"] = 3000
    try:
        samples = find_samples([ADDRESS], split="train")
    except DownloadError:  # older versions of huggingface_hub resume at the next call
        samples = find_samples([ADDRESS], split="train")
    assert instructions(samples) == ["edit the cat"]
    assert [one.range for one in data_set.downloads(".parquet")] == [None, "bytes=3000-"]


@pytest.mark.parametrize(
    ("address", "split", "message"),
    [
        (ADDRESS, None, "several splits: test, train; choose one, as in --split test"),
        (ADDRESS, "tset", "no split 'tset'; expected one of test, train. Did you mean 'test'?"),
        (ADDRESS + "/gold", "test", "no configuration, folder or file 'gold'; expected one of default"),
        ("hf://someone", "test", "expected hf://OWNER/NAME"),
    ],
)
def test_a_choice_is_asked_for(data_set, address, split, message):
    with pytest.raises(DataError) as raised:
        find_samples([address], split=split)
    assert message in str(raised.value)


def test_a_card_says_which_files_are_a_split(data_set):
    repository = data_set.repositories["datasets/someone/edits"]
    files = [{"split": "test", "path": "data/train-*"}]
    repository.card = {
        "configs": [{"config_name": "small", "data_files": files}, {"config_name": "x", "data_dir": "y"}]
    }
    assert instructions(find_samples([ADDRESS])) == ["edit the cat"]
    assert instructions(find_samples([ADDRESS + "/small"], split="test")) == ["edit the cat"]


def test_configurations_are_named(data_set):
    cats, all_of_them = parquet(NAMES[:1]), parquet(NAMES)
    files = {"edit/test.parquet": cats, "make/test.parquet": all_of_them}
    data_set.repositories["datasets/someone/edits"].files = files
    with pytest.raises(
        DataError, match=r"several configurations: edit, make; choose one, as in hf://someone/edits/edit"
    ):
        find_samples([ADDRESS])
    assert len(find_samples([ADDRESS + "/make"])) == 3
    assert len(find_samples([ADDRESS + "/edit/test.parquet"])) == 1


def test_without_parquet_the_conversion_of_the_hub_is_taken(data_set):
    converted = Repository({"default/test/0000.parquet": parquet(NAMES)}, "c" * 40, ("refs/convert/parquet",))
    data_set.repositories["datasets/someone/edits"] = Repository({"images.tar": b"x"}, later=converted)
    assert instructions(find_samples([ADDRESS])) == [f"edit the {name}" for name in NAMES]
    data_set.repositories["datasets/someone/edits"] = Repository(
        {"images.tar": b"x"}, later=Repository({"images.tar": b"x"}, "c" * 40, ("refs/convert/parquet",))
    )
    with pytest.raises(DataError, match=r"no parquet files, only \.tar"):
        find_samples([ADDRESS])


def test_who_is_asked_for_access_is_named(data_set):
    data_set.repositories["datasets/someone/edits"].gated = True
    with pytest.raises(
        DownloadError, match=r"its authors ask for consent; ask for access on .*/datasets/someone/edits"
    ):
        find_samples([ADDRESS], split="test")
    with pytest.raises(DownloadError, match="does not exist, or is private"):
        find_samples(["hf://someone/else"], split="test")


def test_a_split_belongs_to_the_hub():
    with pytest.raises(DataError, match="split=test is for a data set on the hub"):
        find_samples(["docs/examples/edited"], split="test")


def test_a_file_that_is_in_the_cache_does_not_stand_for_its_neighbour(data_set):
    assert instructions(find_samples([ADDRESS + "/data/test-00000-of-00002.parquet"])) == [
        "edit the cat",
        "edit the coffee",
    ]
    assert instructions(find_samples([ADDRESS], split="test")) == [f"edit the {name}" for name in NAMES]


def test_the_keys_of_a_data_set_meet_images_of_a_folder(data_set, tmp_path):
    for name in ("cat", "stars"):
        (tmp_path / f"{name}.png").write_bytes(b"not looked at")
    samples = find_samples([ADDRESS, tmp_path], split="test")
    assert [(sample.id, sample.edited) for sample in samples] == [
        (name, tmp_path / f"{name}.png") for name in ("cat", "stars")
    ]
    assert samples.samples[1].source.read() == (EXAMPLES / "source" / "stars.jpg").read_bytes()
    assert samples.unmatched["keys"] == ["coffee"]
