"""Runs of metrics of sets: nothing is paired, features are seen once, and what is no set is refused."""

import csv
import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

import editmetrics
from editmetrics import create_metric, weights
from editmetrics.bases import feature_cache
from editmetrics.data import DataError, ImageSet, find_sets
from editmetrics.plugins import inception
from editmetrics.plugins.conformance.sets import small_network
from editmetrics.plugins.fid import FID
from editmetrics.sample import Sample, SampleError
from editmetrics.scoring import PlanError
from editmetrics.scoring.ray_engine import ActorTask, LocalEngine
from editmetrics.scoring.results import Column

COUNT = 52


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Three folders of small pictures, and the weights of a small network in place of Inception's."""
    random = np.random.default_rng(0)
    for system, level, count in (("real", 120, COUNT), ("good", 125, COUNT + 8), ("bad", 190, COUNT)):
        (tmp_path / system / "sub").mkdir(parents=True)
        for index in range(count):
            image = random.normal(level, 40, (6, 8, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(image).save(tmp_path / system / ("sub" if index % 2 else "") / f"{system}{index}.png")
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FID, "network", lambda self: small_network())
    monkeypatch.setattr(inception, "SIZE", 24)  # a small network needs no more
    folder = tmp_path / "weights"
    folder.mkdir()
    torch.save(small_network().state_dict(), folder / weights.checkpoint("inception-2015-12-05").files[0].path)
    with weights.substitute("inception-2015-12-05", folder):
        yield tmp_path


@pytest.fixture
def seen(monkeypatch):
    """The number of images that the network has seen."""
    counts = []
    usual = FID.features
    monkeypatch.setattr(FID, "features", lambda self, images: counts.append(len(images)) or usual(self, images))
    return counts


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_against_another_as_a_stranger_types_it(run, world):
    ran = run("score", "real", "good", "bad", "-m", "fid", "-o", "fid.csv")
    assert ran.code == 0, ran.err
    good, bad = rows("fid.csv")
    assert [good["id"], bad["id"]] == ["good", "bad"]
    expected = float(create_metric("fid")("real", "bad"))
    assert float(bad["fid"]) == pytest.approx(expected)
    assert float(good["fid"]) < float(good["fid.high"]) < float(bad["fid.low"]) < float(bad["fid"])
    assert [good["images"], good["reference_images"]] == [str(COUNT + 8), str(COUNT)]
    assert "95 % interval" in ran.out
    assert "good" in ran.out
    again = run("score", "real", "good", "bad", "-m", "fid", "-o", "fid.csv")
    assert "2 scores reused" in again.out
    document = json.loads(run("score", "real", "bad", "-m", "fid", "--json").out)
    assert document["metrics"][0]["mean"] == pytest.approx(expected)
    assert run("score", "real", "bad", "-m", "fid", "--fail-over", f"fid={expected / 2}").code == 5


def test_python_and_a_manifest_give_the_same(run, world):
    by_folders = editmetrics.score("real", "good", metrics=["fid"])["fid"][0]
    listed = [
        {"id": f"{index}", "system": "good", "edited": str(path), "reference": str(real)}
        for index, (path, real) in enumerate(
            zip(sorted((world / "good").rglob("*.png")), [*sorted((world / "real").rglob("*.png"))] * 2, strict=False)
        )
    ]  # some references stand in two rows, and count once
    (world / "list.jsonl").write_text("\n".join(map(json.dumps, listed)))
    assert run("score", "list.jsonl", "-m", "fid", "-o", "fid.csv").code == 0
    (row,) = rows("fid.csv")
    assert row["id"] == "good"
    assert float(row["fid"]) == float(by_folders)
    arrays = [np.asarray(Image.open(path)) for path in sorted((world / "good").rglob("*.png"))]
    assert float(create_metric("fid")("real", arrays)) == pytest.approx(float(by_folders), rel=1e-6)
    assert float(create_metric("fid")(edited="good", reference="real")) == float(by_folders)


def test_an_image_is_seen_once_whatever_it_is_compared_with(world, seen):
    editmetrics.score("real", "good", metrics=["fid"])
    assert sum(seen) == 2 * COUNT + 8
    editmetrics.score("bad", "good", metrics=["fid"])
    assert sum(seen) == 3 * COUNT + 8
    editmetrics.score("bad", "good", metrics=["fid:mode=legacy_pytorch"])  # another preprocessing, other features
    assert sum(seen) == 5 * COUNT + 16
    (world / "good" / "good0.png").write_bytes((world / "bad" / "bad0.png").read_bytes())
    editmetrics.score("bad", "good", metrics=["fid"])
    assert sum(seen) == 5 * COUNT + 16
    editmetrics.score("bad", "good", metrics=["fid:cache=false"])
    assert sum(seen) == 7 * COUNT + 24


def test_a_run_that_stops_in_the_middle_resumes_there(run, world, seen, monkeypatch):
    usual = FID.features

    def stops(self, images):
        if sum(seen) >= 64:
            raise KeyboardInterrupt
        return usual(self, images)

    monkeypatch.setattr(FID, "features", stops)
    stopped = run("score", "real", "good", "-m", "fid", "-o", "fid.csv")
    assert stopped.code == 1
    assert "resumes from here" in stopped.err
    assert sum(seen) >= 60
    monkeypatch.setattr(FID, "features", usual)
    assert run("score", "real", "good", "-m", "fid", "-o", "fid.csv").code == 0
    assert sum(seen) == 2 * COUNT + 8


def test_other_weights_are_other_features(world, seen):
    first = editmetrics.score("real", "good", metrics=["fid"])["fid"][0]
    folder = world / "other"
    folder.mkdir()
    state = {name: tensor * 2 for name, tensor in small_network().state_dict().items()}
    torch.save(state, folder / weights.checkpoint("inception-2015-12-05").files[0].path)
    with weights.substitute("inception-2015-12-05", folder):
        second = editmetrics.score("real", "good", metrics=["fid"])["fid"][0]
    assert sum(seen) == 2 * (2 * COUNT + 8)
    assert float(second) == pytest.approx(4 * float(first), rel=1e-3)


def test_duplicates_and_shared_images_are_noted_and_a_set_equals_itself(run, world):
    before = float(create_metric("fid")("real", "good"))
    (world / "good" / "copy.png").write_bytes((world / "good" / "good0.png").read_bytes())
    assert float(create_metric("fid")("real", "good")) != before
    (world / "good" / "real.png").write_bytes((world / "real" / "real0.png").read_bytes())
    note = create_metric("fid")("real", "good").details["note"]
    assert f"duplicates among {COUNT + 10} images of good: 1" in note
    assert "1 image of good stands in the reference set, too" in note
    same = create_metric("fid")("real", "real")
    assert float(same) == pytest.approx(0, abs=1e-6)
    assert "compared with itself" in same.details["note"]


def test_a_set_with_an_image_that_cannot_be_read_has_no_number(run, world):
    (world / "good" / "broken.png").write_bytes(b"\x89PNG broken")
    ran = run("score", "real", "good", "bad", "-m", "fid", "-o", "fid.csv")
    assert ran.code == 3
    good, bad = rows("fid.csv")
    assert good["fid"] == ""
    assert "broken.png" in good["problems"]
    assert float(bad["fid"]) > 0
    (world / "good" / "broken.png").unlink()
    assert run("score", "real", "good", "bad", "-m", "fid", "-o", "fid.csv").code == 0
    assert float(rows("fid.csv")[0]["fid"]) > 0


def test_a_set_is_read_anew_when_a_file_changes(run, world):
    assert run("score", "real", "good", "-m", "fid", "-o", "fid.csv").code == 0
    before = rows("fid.csv")[0]["fid"]
    (world / "real" / "real0.png").write_bytes((world / "bad" / "bad0.png").read_bytes())
    assert "reused" not in run("score", "real", "good", "-m", "fid", "-o", "fid.csv").out
    assert rows("fid.csv")[0]["fid"] != before


def test_few_images_are_refused_with_the_number_before_anything_is_downloaded(run, world, monkeypatch):
    monkeypatch.setattr(weights, "pull", lambda name: pytest.fail(f"{name} is downloaded"))
    few = [Image.new("RGB", (8, 8))]
    ran = run("score", "real", "good", "bad", "-m", "fid", "--limit", "20")
    assert (ran.code, ran.err) == (2, "error: fid needs at least 50 images in a set; good has 20\n")
    with pytest.raises(SampleError, match=r"fid needs at least 50 images in a set; the set has 1$"):
        create_metric("fid")("real", few)
    with pytest.raises(SampleError, match="requires reference"):
        create_metric("fid")("good")
    with pytest.raises(DataError, match="not a folder of images"):
        create_metric("fid")("real", "good/good0.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "psnr"], "two runs"),
        (["--shard", "1/2", "-o", "fid.csv"], "divided by systems, and this one has 1"),
        (["--pair-by", "{id}_a"], "--pair-by"),
        (["--with-source-as-system"], "--with-source-as-system"),
        (["--report", "report.html"], "give report.md or report.tex"),
        (["--references", "bad"], "reference set"),
    ],
)
def test_what_goes_with_pairs_alone_is_refused(run, world, arguments, message):
    ran = run("score", "real", "good", "-m", "fid", *arguments)
    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_a_part_of_each_set_and_a_report_of_the_systems(run, world):
    ran = run("score", "real", "good", "bad", "-m", "close=fid", "-o", "fid.csv", "--limit", "50", "--report", "a.md")
    assert ran.code == 0, ran.err
    assert "Only the first 50 images of each set" in ran.out
    good, bad = rows("fid.csv")
    assert {good["images"], bad["images"], bad["reference_images"]} == {"50"}
    first = [sorted((world / name).rglob("*.png"), key=lambda path: str(path))[:50] for name in ("real", "good")]
    assert float(good["close"]) == pytest.approx(float(create_metric("fid")(*first)))
    report = (world / "a.md").read_text()
    low, high = (f"{float(bad[f'close.{end}']):.4g}" for end in ("low", "high"))
    assert f"|  | bad | {float(bad['close']):.4g} | {low} to {high} | 50 | 50 |" in report
    assert "Mean" not in report  # of numbers of two systems there is none
    assert run("report", "fid.csv", "-o", "b.tex").code == 0
    assert f"bad & {float(bad['close']):.4g} & {low} to {high} & 50 & 50" in (world / "b.tex").read_text()
    ran = run("report", "fid.csv", "-o", "b.html")
    assert (ran.code, "sets of images" in ran.err) == (2, True)
    assert run("report", "fid.csv", "-o", "a.md").code == 0  # in place of a report


def test_shards_are_of_systems_and_merge(run, world):
    for part in ("1/2", "2/2"):
        assert run("score", "real", "good", "bad", "-m", "fid", "-o", "fid.csv", "--shard", part).code == 0
    assert run("merge", "fid.1-of-2.csv", "fid.2-of-2.csv", "-o", "merged.csv").code == 0
    assert run("score", "real", "good", "bad", "-m", "fid", "-o", "whole.csv").code == 0
    assert rows("merged.csv") == rows("whole.csv")


def test_a_set_travels_to_a_worker_of_ray(world):
    column = Column(create_metric("fid", device="cpu"))
    column.metric.load()
    samples = list(find_sets(["real", "good"]))
    work, tasks = pickle.loads(pickle.dumps((LocalEngine(1, "ignore"), [ActorTask(0, samples[0], {})])))
    (scored,) = work([column.metric], tasks, 1)
    assert float(scored.score) == float(create_metric("fid")("real", "good"))


def test_the_reference_set_has_an_option_of_its_own(run, world):
    assert run("score", "good", "--references", "real", "-m", "fid", "-o", "a.csv").code == 0
    assert run("score", "real", "good", "-m", "fid", "-o", "b.csv").code == 0
    assert rows("a.csv")[0]["fid"] == rows("b.csv")[0]["fid"]
    ran = run("score", "good", "-m", "fid")
    assert ran.code == 2
    assert "a folder of reference images before the others" in ran.err
    assert "good (60 images)" in run("score", "real", "good", "-m", "fid", "--dry-run").out


def test_systems_of_one_folder_name_keep_their_paths(world):
    (world / "other").mkdir()
    (world / "bad").rename(world / "other" / "good")
    assert [sample.id for sample in find_sets(["real", "good", "other/good"])] == ["good", "other/good"]


def test_metrics_of_sets_and_of_images_do_not_mix(world):
    with pytest.raises(PlanError, match=r"sets of images \(fid\) and of single ones \(psnr\)"):
        editmetrics.score("real", "good", metrics=["psnr", "fid"])


def test_a_damaged_cache_is_named_and_no_number_is_lost(world):
    metric = create_metric("fid", device="cpu")
    before = metric("real", "good")
    (path,) = feature_cache.folder().glob("*.sqlite")
    path.write_bytes(b"no database" * 1000)
    sample = Sample("good", edited=ImageSet.of("good"), reference=ImageSet.of("real"))
    (score,) = metric.score([sample])
    assert score.status == "unavailable"
    assert str(path) in score.reason
    path.unlink()
    assert float(metric("real", "good")) == pytest.approx(float(before))
