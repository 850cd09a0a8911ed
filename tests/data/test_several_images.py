"""Several sources or references of a sample: read in their order, hashed one by one, and never scored as the first."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from editmetrics import Dimension, Metric, Sample, Score, create_metric, score
from editmetrics.data import from_manifest, from_rows
from editmetrics.images import read_image
from editmetrics.sample import images_of
from editmetrics.scoring.decode import Opened
from editmetrics.scoring.rows import ScoredRow, rows_from_json, rows_to_json, without_images
from editmetrics.serving.tensor_wire import packed_sample
from editmetrics.serving.wire import ImageAccess, RequestError, sample_from_json

LEVELS = {"a": 40, "b": 90, "c": 200}


class Weighted(Metric):
    """The mean level of the sources, the second of which counts twice.

    >>> Weighted.name
    'weighted'
    """

    name, version = "weighted", 1
    needs = frozenset({"source", "edited"})
    several = frozenset({"source"})
    dimensions = (Dimension("weighted", primary=True),)

    def prepare(self, sample):
        means = [float(read_image(image).mean()) for image in images_of(sample.source)]
        return sum(mean * number for number, mean in enumerate(means, 1))

    def score_batch(self, batch):
        return [Score({"weighted": value}) for value in batch]

    def batch_key(self, prepared):
        return None


@pytest.fixture
def folder(tmp_path):
    for name, level in LEVELS.items():
        Image.new("RGB", (32, 32), (level,) * 3).save(tmp_path / f"{name}.png")
    return tmp_path


def names(images):
    return [image.rsplit("/", 1)[-1] for image in images_of(images)]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("heading", ["source", "input_images"])
def test_a_manifest_has_a_list_of_sources_in_its_order(folder, suffix, heading):
    path = folder / f"manifest{suffix}"
    several = ["b.png", "a.png"]
    if suffix == ".csv":
        cell = json.dumps(several).replace('"', '""')
        path.write_text(f'edited,{heading}\nc.png,"{cell}"\n')
    elif suffix == ".jsonl":
        path.write_text(json.dumps({"edited": "c.png", heading: several}) + "\n")
    else:
        polars = pytest.importorskip("polars")
        polars.DataFrame({"edited": ["c.png"], heading: [several]}).write_parquet(path)
    (sample,) = from_manifest(path)
    assert names(sample.source) == several
    assert float(Weighted()(sample)) == LEVELS["b"] + 2 * LEVELS["a"]
    results = score([sample], [Weighted()])
    assert float(results["weighted"][0]) == LEVELS["b"] + 2 * LEVELS["a"]


def test_a_list_as_pandas_writes_it_is_one(folder):
    (folder / "manifest.csv").write_text("edited,source\nc.png,\"['b.png', 'a.png']\"\nb.png,[c.png]\n")
    listed, odd = from_manifest(folder / "manifest.csv")
    assert names(listed.source) == ["b.png", "a.png"]
    assert odd.source == str(folder / "[c.png]")


def test_a_list_of_one_is_the_image_and_a_file_may_be_called_like_a_list(folder):
    (folder / "manifest.jsonl").write_text(
        json.dumps({"id": "one", "edited": "c.png", "source": ["a.png"]})
        + "\n"
        + json.dumps({"id": "odd", "edited": "c.png", "source": "[1]", "mask": ["a.png"]})
    )
    one, odd = from_manifest(folder / "manifest.jsonl")
    assert one.source == str(folder / "a.png")
    assert odd.source == str(folder / "[1]")
    assert "['a.png'] is not a path" in odd.mask.reason


@pytest.mark.parametrize("spec", ["psnr", "ssim:against=reference", "psnr:region=inside"])
def test_a_metric_that_takes_one_image_skips_several(folder, spec):
    a, b, c = (str(folder / f"{name}.png") for name in LEVELS)
    field = "reference" if "reference" in spec else "source"
    sample = Sample("x", edited=c, mask=np.ones((32, 32), bool), **{"source": a, "reference": a, field: [a, b]})
    metric = create_metric(spec)
    (direct,), (by_run,) = metric.score([sample]), score([sample], [metric])[metric.label]
    for result in (direct, by_run):
        assert result.status == "skipped"
        assert f"takes one {field} image; this sample has 2" in result.reason


def test_two_edits_are_never_one():
    black = np.zeros((32, 32, 3), np.uint8)
    (result,) = create_metric("psnr").score([Sample("x", edited=[black, black], source=black)])
    assert (result.status, result.reason) == ("skipped", "psnr takes one edited image; this sample has 2")


def test_content_and_order_of_all_images_identify_a_score(folder):
    a, b, c = (str(folder / f"{name}.png") for name in LEVELS)

    def hashed(*sources, **more):
        fields = ("source", "edited", *more)
        return Opened(Sample("x", edited=c, source=sources, **more), fields).fingerprint(fields)

    assert hashed(a, b) == hashed(a, b)
    assert len({hashed(a), hashed(a, b), hashed(b, a), hashed(a, a), hashed(a, b, c)}) == 5
    assert hashed(a, rival=b) != hashed(a, rival=c)
    single = Opened(Sample("x", edited=c, source=a), ["source"]).fingerprint(["source"])
    assert Opened(Sample("x", edited=c, source=[a]), ["source"]).fingerprint(["source"]) == single
    Image.new("RGB", (32, 32), (91, 91, 91)).save(b)
    before = hashed(a, b)
    Image.new("RGB", (32, 32), (92, 92, 92)).save(b)
    assert hashed(a, b) != before


def test_one_damaged_source_of_several_fails_the_sample(folder):
    (folder / "b.png").write_bytes(b"no image")
    sample = Sample("x", edited=str(folder / "c.png"), source=[str(folder / "a.png"), str(folder / "b.png")])
    (result,) = score([sample], [Weighted()])["weighted"]
    assert result.status == "failed"
    assert "b.png" in result.reason


def test_rows_requests_and_records_keep_several_images(folder):
    a, b, c = (str(folder / f"{name}.png") for name in LEVELS)
    (row,) = from_rows([{"id": "x", "edited": c, "source": [{"bytes": None, "path": a}, {"bytes": None, "path": b}]}])
    assert row.source == (a, b)
    (back,) = rows_from_json(rows_to_json([ScoredRow(without_images(row), {}, None)]))
    assert back.sample.source == (a, b)
    fields, tensors = packed_sample(row, "0")
    sent = sample_from_json(fields, ImageAccess(tensors=tensors))
    assert [read_image(image)[0, 0, 0] for image in sent.source] == [LEVELS["a"], LEVELS["b"]]
    with pytest.raises(RequestError, match="edited: expected"):
        sample_from_json({"edited": [{"base64": ""}, {"base64": ""}]}, ImageAccess())
    table = score([row], [Weighted()]).to_polars()
    assert json.loads(table["source"][0]) == [a, b]


def test_a_call_with_a_list_is_one_sample_where_the_metric_takes_several(folder):
    a, b, c = (str(folder / f"{name}.png") for name in LEVELS)
    assert float(Weighted()(source=[a, b], edited=c)) == LEVELS["a"] + 2 * LEVELS["b"]
    batch = Weighted()(source=[[a, b], [c]], edited=[c, c])
    assert [float(one) for one in batch] == [LEVELS["a"] + 2 * LEVELS["b"], LEVELS["c"]]
    assert len(create_metric("mse")(source=[a, b], edited=c)) == 2  # elsewhere it is a batch


def test_lists_of_images_inside_a_parquet_file_or_a_data_set_are_read_when_they_are_scored(folder):
    polars = pytest.importorskip("polars")
    a, b, c = ((folder / f"{name}.png").read_bytes() for name in LEVELS)
    polars.DataFrame({"edited": [c], "source": [[b, a]]}).write_parquet(folder / "all.parquet")
    pictures = [Image.open(folder / f"{name}.png") for name in ("b", "a")]

    class Rows:
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return {"edited": np.full((32, 32, 3), 200, np.uint8), "source": pictures}

    for samples in (from_manifest(folder / "all.parquet"), from_rows(Rows())):
        (result,) = score(samples, [Weighted()])["weighted"]
        assert result.ok, result
        assert float(result) == LEVELS["b"] + 2 * LEVELS["a"]
