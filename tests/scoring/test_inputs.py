"""Ways to call `score`: with samples, with rows of any library, with paths; all give the same scores."""

import logging

import numpy as np
import polars
import pytest
from PIL import Image

from editmetrics import Sample, create_metric, score
from editmetrics.data import DataError
from editmetrics.scoring import PlanError

EXAMPLES = "docs/examples"
NAMES = ("cat", "coffee", "stars")
ROWS = [
    {"id": n, "edited": f"{EXAMPLES}/edited/{n}.jpg", "source": f"{EXAMPLES}/source/{n}.jpg", "mos": 3} for n in NAMES
]


def numbers(results):
    return {sample.id: [round(float(score), 6) for score in scores.values()] for sample, scores in results}


@pytest.fixture(scope="module")
def expected():
    return numbers(score([Sample(**{k: row[k] for k in ("id", "edited", "source")}) for row in ROWS], ["psnr", "mae"]))


def test_paths_as_on_the_command_line(expected, tmp_path, caplog):
    paths = f"{EXAMPLES}/source", f"{EXAMPLES}/edited"
    of_folders = numbers(score(*paths, metrics=["psnr", "mae"]))
    assert {name: of_folders[name] for name in NAMES} == expected
    one = score(*(f"{path}/cat.jpg" for path in paths), metrics="psnr")
    assert numbers(one) == {"cat": expected["cat"][:1]}
    Image.new("RGB", (8, 8)).save(tmp_path / "alone.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    with caplog.at_level(logging.WARNING):
        score(paths[0], tmp_path, metrics=["psnr:resize=edited"])
    assert "alone" in caplog.text


@pytest.mark.parametrize("library", ["list", "generator", "polars", "pandas"])
def test_rows_of_any_library(expected, library):
    if library == "pandas":
        pandas = pytest.importorskip("pandas")
    rows = {"list": lambda: ROWS, "generator": lambda: iter(ROWS), "polars": lambda: polars.DataFrame(ROWS),
            "pandas": lambda: pandas.DataFrame(ROWS)}[library]()  # fmt: skip
    results = score(rows, ["psnr"], metrics=None, workers=1)
    assert numbers(results) == {name: values[:1] for name, values in expected.items()}
    assert [sample.meta["mos"] for sample in results.samples] == [3, 3, 3]


def test_rows_may_hold_images_and_lack_some(expected):
    images = [{name: np.array(Image.open(row[name])) for name in ("source", "edited")} for row in ROWS[:1]]
    results = score([*images, {"edited": images[0]["edited"], "source": float("nan")}], metrics=["psnr"])
    assert float(results["psnr"][0]) == pytest.approx(expected["cat"][0])
    assert [sample.id for sample in results.samples] == ["0", "1"]
    assert results["psnr"][1].status == "skipped"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: score(f"{EXAMPLES}/source", ["psnr"]), PlanError, "after paths, metrics go by keyword"),
        (lambda: score(ROWS, "psnr", metrics="mae"), PlanError, "each once"),
        (lambda: score(ROWS, "psnr", None, 3), PlanError, "each once"),
        (lambda: score([{"edited": "a.png"}]), PlanError, "the classic metrics require source images; name a metric"),
        (lambda: score([{"pic": "a.png"}], "psnr"), DataError, "no column 'edited'; their columns are pic"),
        (lambda: score(ROWS, "psnr", columns={"edited": "x"}), DataError, "the rows: no column 'x' to read as edited"),
        (lambda: score(["a.png"], "psnr"), DataError, "row 0 is of type str; expected a Sample or a mapping"),
        (lambda: score([ROWS[0], ROWS[0]], "psnr"), DataError, "'cat' among them; ids must be unique"),
        (lambda: score("no/such/folder", metrics="psnr"), DataError, "no/such/folder does not exist"),
        (lambda: score(ROWS, "psnr", prompts="a.csv"), TypeError, "score has no option 'prompts'"),
    ],
)  # fmt: skip
def test_calls_that_make_no_sense(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_metrics_may_be_objects_by_position_or_keyword(expected):
    for results in (score(ROWS, create_metric("mae")), score(ROWS, metrics=[create_metric("mae")])):
        assert numbers(results) == {name: values[1:] for name, values in expected.items()}


class Cats:
    """A data set as torch has them: `__len__` and `__getitem__`, and no end of its own; each reading is a new draw."""

    def __init__(self, kind, broken=()):
        self.kind, self.broken, self.readings = kind, broken, 0

    def __len__(self):
        return len(ROWS)

    def __getitem__(self, index):
        if index in self.broken:
            raise OSError("the disk is gone")
        row, self.readings = ROWS[index % len(ROWS)], self.readings + 1
        images = {name: self.kind(row[name]) for name in ("source", "edited")}
        if self.kind is Image.open:  # both turned, or neither
            images = {name: image.rotate(180 * (self.readings % 2)) for name, image in images.items()}
        return {"id": row["id"], "mos": 3, **images}


@pytest.mark.parametrize(
    "kind",
    [
        Image.open,
        lambda path: np.asarray(Image.open(path)),
        lambda path: {"bytes": None, "path": path},
        lambda path: {"bytes": open(path, "rb").read(), "path": None},  # noqa: SIM115 - read at once
    ],
    ids=["PIL, turned at random", "arrays", "paths of Hugging Face", "bytes of Hugging Face"],
)
def test_data_sets_are_read_a_row_at_a_time(expected, kind):
    cats = Cats(kind)
    results = score(cats, ["psnr", "mae"])
    for name, known in expected.items():  # a turned image is summed in another order
        assert numbers(results)[name] == pytest.approx(known, rel=1e-4)
    assert cats.readings == 2 * len(ROWS)
    assert results[0].sample.meta == {"mos": 3}
    assert not any(isinstance(results[0].sample.edited, kept) for kept in (np.ndarray, Image.Image))


class Picture:
    """As `datasets.Image`: with `decode=False` a column holds files."""

    def __init__(self, decode=True):
        self.decode = decode


Picture.__name__ = "Image"


class HuggingFace(Cats):
    features = {"source": Picture(), "edited": Picture(), "id": None}  # noqa: RUF012
    decoded = 0

    def cast_column(self, name, feature):
        cast = HuggingFace(self.kind)
        cast.features = {**self.features, name: feature}
        return cast

    def __getitem__(self, index):
        decode = [feature.decode for feature in self.features.values() if feature]
        HuggingFace.decoded += sum(decode)
        row = ROWS[index]
        return {**row, **{name: {"bytes": None, "path": row[name]} for name in ("source", "edited")}}


def test_files_of_hugging_face_are_decoded_as_files_are(expected, tmp_path):
    first = score(HuggingFace(str), ["psnr", "mae"], output=tmp_path / "a.csv")
    assert (numbers(first), HuggingFace.decoded) == (expected, 0)
    assert score([dict(row) for row in ROWS], ["psnr", "mae"], output=tmp_path / "a.csv").reused == 2 * len(ROWS)
    with pytest.raises(DataError, match="'train', 'test' is not a list of rows; choose one"):
        score({"train": Cats(str), "test": Cats(str)}, "psnr")


def test_a_row_that_cannot_be_read_costs_itself():
    results = score(Cats(Image.open, broken=[1]), ["psnr"])
    assert [(sample.id, scores["psnr"].status) for sample, scores in results] == [
        ("cat", "ok"), ("1", "failed"), ("stars", "ok"),
    ]  # fmt: skip
    assert "row 1 of the data set cannot be read: OSError: the disk is gone" in results["psnr"][1].reason
