"""Parquet files with images in their columns, written here as data sets of Hugging Face are."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import numpy as np
import PIL.Image
import polars as pl
import pytest

from editmetrics import score
from editmetrics.data import DataError, find_samples, from_manifest
from editmetrics.files import parquet
from editmetrics.files.parquet import ParquetFile

EXAMPLES = Path("docs/examples")
NAMES = ("cat", "coffee", "stars")
IMAGE = pl.Struct({"bytes": pl.Binary, "path": pl.String})


def stored(path, name=None):
    return {"bytes": path.read_bytes(), "path": name}


def psnr(name):
    """The definition, by Pillow and numpy."""
    source, edited = (
        np.asarray(PIL.Image.open(EXAMPLES / folder / f"{name}.jpg").convert("RGB"), float)
        for folder in ("source", "edited")
    )
    return 10 * np.log10(255**2 / ((source - edited) ** 2).mean())


@pytest.fixture
def table(tmp_path):
    """Three rows, of which one has no reference and one is in another group of rows."""
    rows = [
        {
            "key": name,
            "instruction": f"edit the {name}",
            "input_image": stored(EXAMPLES / "source" / f"{name}.jpg", f"{name}.jpg"),
            "image": (EXAMPLES / "edited" / f"{name}.jpg").read_bytes(),
            "reference": stored(EXAMPLES / "source" / "cat.jpg") if name == "cat" else None,
            "views": [stored(EXAMPLES / "source" / f"{one}.jpg") for one in NAMES[:count]],
        }
        for count, name in enumerate(NAMES)
    ]
    kinds = {"input_image": IMAGE, "reference": IMAGE, "views": pl.List(IMAGE)}
    path = tmp_path / "test.parquet"
    pl.DataFrame(rows, schema_overrides=kinds).write_parquet(path, row_group_size=2)
    return path


def test_scores_are_those_of_the_images(table):
    results = score(str(table), metrics=["psnr"], columns={"id": "key"})
    table = results.table()
    assert table["id"].to_list() == list(NAMES)
    assert table["psnr"].to_list() == pytest.approx([psnr(name) for name in NAMES], rel=1e-6)


def test_a_missing_image_is_missing_and_the_bytes_stay_in_the_file(table):
    samples = from_manifest(table, columns={"id": "key"}).samples
    assert [sample.has("reference") for sample in samples] == [True, False, False]
    assert [sample.prompt for sample in samples] == [f"edit the {name}" for name in NAMES]
    assert not any("image" in str(name) for name in samples[0].meta)
    held = pickle.dumps(samples)
    assert len(held) < 5_000
    assert b"\xff\xd8" not in held


@pytest.mark.parametrize("block", [1, 32 << 20])
def test_every_image_is_that_of_its_row(table, block, monkeypatch):
    monkeypatch.setattr(parquet, "BLOCK", block)
    rows = list(ParquetFile(table))
    for index in (2, 0, 1, 0):
        name, cells = NAMES[index], rows[index]
        assert cells["input_image"].read() == (EXAMPLES / "source" / f"{name}.jpg").read_bytes()
        assert cells["image"].read() == (EXAMPLES / "edited" / f"{name}.jpg").read_bytes()
        expected = [(EXAMPLES / "source" / f"{one}.jpg").read_bytes() for one in NAMES[:index]]
        assert [one.read() for one in cells["views"]] == expected


def test_several_files_are_one_table(table, tmp_path):
    second = tmp_path / "second.parquet.gz"
    second.write_bytes(gzip.compress(table.read_bytes()))
    rows = list(ParquetFile(table, table))
    assert len(rows) == 6
    assert rows[4]["input_image"].read() == rows[1]["input_image"].read()
    assert len(list(ParquetFile(second))) == 3
    assert list(ParquetFile(second))[2]["image"].read() == rows[2]["image"].read()


def test_without_an_id_a_row_is_called_as_its_file_or_by_its_number(table):
    assert [s.id for s in from_manifest(table, columns={"edited": "input_image"})] == list(NAMES)
    assert [s.id for s in from_manifest(table)] == ["row 1", "row 2", "row 3"]


def test_an_image_that_is_none_costs_its_row_alone(tmp_path):
    cat = (EXAMPLES / "edited/cat.jpg").read_bytes()
    cells = {"id": ["bad", "good"], "edited": [b"not an image", cat], "source": [cat, cat]}
    pl.DataFrame(cells).write_parquet(tmp_path / "t.parquet")
    table = score(str(tmp_path / "t.parquet"), metrics=["psnr"]).table()
    assert table["psnr"].to_list() == [None, float("inf")]
    assert "edited image of 'bad' is not an image" in table["problems"][0]


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match=r"t\.parquet cannot be read as parquet"):
        find_samples([tmp_path / "t.parquet"])


def test_several_images_keep_their_order(table):
    samples = from_manifest(table, columns={"source": "views", "id": "key"}).samples
    assert samples[0].source.reason.endswith("row 1: its list of images is empty")
    assert [image.column for image in samples[2].source] == ["views[0]", "views[1]"]
    assert samples[2].source[1].read() == (EXAMPLES / "source" / "coffee.jpg").read_bytes()
    assert samples[1].source.read() == (EXAMPLES / "source" / "cat.jpg").read_bytes()
