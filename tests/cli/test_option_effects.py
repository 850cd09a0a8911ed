"""Options whose effect no other test shows: each changes what the command does, as it says."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from editmetrics.judge import Cache
from tests.images.files import rgb_profile


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def rated(tmp_path):
    """Thirty scores of a column that editmetrics does not know, with MOS and labels."""
    rng = np.random.default_rng(3)
    mos = np.round(rng.uniform(0, 10, 30), 1)
    score = np.round(mos + rng.normal(size=30) * 2, 1)
    write(tmp_path / "s.csv", ["id", "mine"], [(f"i{k}", value) for k, value in enumerate(score)])
    labels = ["good" if value > 5 else "bad" for value in mos]
    write(tmp_path / "r.csv", ["id", "mos", "label"], [(f"i{k}", mos[k], labels[k]) for k in range(30)])
    return tmp_path


@pytest.mark.parametrize(
    ("options", "measure", "keyword", "value"),
    [
        (("--measure", "plcc_fitted", "--fit", "none"), "plcc_fitted", "fit", None),
        (("--fit", "5"), "plcc_fitted", "fit", 5),
        (("--scale", "2", "8"), "srcc", "scale", (2.0, 8.0)),
        (("--measure", "pairwise_accuracy", "--tie-threshold", "3"), "pairwise_accuracy", "tie_threshold", 3.0),
        (("--measure", "pairwise_accuracy", "--rating-tie", "2"), "pairwise_accuracy", "rating_tie", 2.0),
    ],
)
def test_evaluate_measures_as_python_does(run, rated, options, measure, keyword, value):
    from editmetrics.evaluation import evaluate

    scores, ratings, pair = rated / "s.csv", rated / "r.csv", ("--pair", "mine=mos")
    measures = ("--measure", "plcc_fitted", "--measure", "srcc", "--measure", "pairwise_accuracy")
    assert run("evaluate", scores, ratings, *pair, *measures, "--output", rated / "plain.json").code == 0
    ran = run("evaluate", scores, ratings, *pair, *options, "-o", rated / "a.json")
    assert ran.code == (3 if value is None else 0)  # without a curve there is nothing to measure
    (found,) = [row for row in json.loads((rated / "a.json").read_text()) if row["measure"] == measure]
    (plain,) = [row for row in json.loads((rated / "plain.json").read_text()) if row["measure"] == measure]
    expected = evaluate(scores, ratings, pairs=[("mine", "mos")], measures=[measure], **{keyword: value})
    assert found["value"] == (None if value is None else pytest.approx(expected.lines[0].value))
    assert found["value"] != plain["value"]


def test_evaluate_takes_a_word_as_the_positive_label_and_a_threshold(run, rated):
    command = ("evaluate", rated / "s.csv", rated / "r.csv", "--pair", "mine=label", "--measure", "accuracy")
    values = {}
    for threshold in ("-100", "100"):
        ran = run(*command, "--positive", "good", "--threshold", threshold, "-o", rated / f"{threshold}.json")
        assert ran.code == 0, ran.err
        (row,) = json.loads((rated / f"{threshold}.json").read_text())
        values[threshold] = row["value"]
    good = sum(row["label"] == "good" for row in rows_of(rated / "r.csv")) / 30
    assert values == {"-100": pytest.approx(good), "100": pytest.approx(1 - good)}


def test_a_direction_is_told_to_evaluate_and_report(run, rated):
    command = ("evaluate", rated / "s.csv", rated / "r.csv", "--pair", "mine=mos")
    assert "taken as higher is better: mine" in run(*command).out
    assert "taken as higher is better" not in run(*command, "--higher-is-better", "mine").out
    for option in ("--higher-is-better", "--lower-is-better"):
        ran = run("report", rated / "s.csv", "--metric", "mine", option, "mine", "-o", rated / f"{option}.md", "-q")
        assert ran.code == 0, ran.err
    assert (rated / "--higher-is-better.md").read_text() != (rated / "--lower-is-better.md").read_text()


def test_mos_of_repeated_and_outlying_ratings(run, tmp_path):
    rows = [(f"s{s}", f"i{i}", 3 + (s + i) % 2) for s in range(8) for i in range(4)]
    raw = write(tmp_path / "raw.csv", ["subject", "item", "value"], [*rows, ("s0", "i0", 5), ("s9", "i1", 9)])
    command = ("ratings", "mos", raw, "--method", "mean", "--overwrite", "--output", tmp_path / "mos.csv")
    assert "--repeats mean" in run(*command).err
    assert run(*command, "--repeats", "mean").code == 0
    plain = {row["id"]: row for row in rows_of(tmp_path / "mos.csv")}
    assert float(plain["i0"]["mos"]) == pytest.approx((4 + 3 + 4 + 3 + 4 + 3 + 4 + 4) / 8)
    assert plain["i1"]["mos.count"] == "9"
    assert run(*command, "--repeats", "mean", "--scale", "1", "5").code == 0
    assert rows_of(tmp_path / "mos.csv")[1]["mos.count"] == "8"
    for whisker, count in (("0", "8"), ("100", "9")):
        assert run(*command, "--repeats", "mean", "--screen", "iqr", "--whisker", whisker).code == 0
        assert rows_of(tmp_path / "mos.csv")[1]["mos.count"] == count


def test_score_converts_profiles_and_reads_references(run, tmp_path):
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8))
    for folder, options in (("source", {}), ("edited", {"icc_profile": rgb_profile("Display P3")})):
        (tmp_path / folder).mkdir()
        colours.save(tmp_path / folder / "cat.png", **options)
    command = ("score", tmp_path / "source", tmp_path / "edited", "-m", "mse", "-q", "--overwrite")
    values = {}
    for profile in ("ignore", "convert"):
        assert run(*command, "--profile", profile, "--output", tmp_path / "s.csv").code == 0
        values[profile] = float(rows_of(tmp_path / "s.csv")[0]["mse"])
    assert values["ignore"] == 0 < values["convert"]
    (tmp_path / "source" / "cat.png").rename(tmp_path / "source" / "dog.png")
    ran = run("score", "--images", tmp_path / "edited", "--references", tmp_path / "source", "-m", "mse", "--strict")
    assert ran.code == 2
    assert "dog" in ran.err


def test_score_hands_its_engine_what_was_asked_for(run, folders, monkeypatch):
    from editmetrics import scoring

    asked = {}

    def score(samples, metrics, **options):
        asked.update(options)
        raise scoring.Interrupted("stop here")

    monkeypatch.setattr(scoring, "score", score)
    ran = run(
        "score", folders / "source", folders / "edited", "-m", "psnr", "--batch-pixels", "1000",
        "--engine", "ray", "--ray-address", "ray://head:1", "--quiet",
    )  # fmt: skip
    assert ran.code == 1
    assert (asked["batch_pixels"], asked["engine"], asked["ray_address"]) == (1000, "ray", "ray://head:1")


def test_serve_listens_and_limits_as_told(run, tmp_path, monkeypatch):
    import uvicorn

    from editmetrics.serving import app

    made, config, ports = {}, {}, []
    monkeypatch.setattr(app, "make_app", lambda metrics, options: made.update(vars(options)))
    monkeypatch.setattr(uvicorn, "Config", lambda app, host, port, **options: config.update(host=host, port=port))
    monkeypatch.setattr(
        uvicorn, "Server", lambda config: SimpleNamespace(run=lambda sockets: ports.append(sockets[0].getsockname()[1]))
    )
    ran = run(
        "serve", "-m", "psnr", "--host", "127.0.0.1", "--port", "0", "--batch-size", "3", "--wait", "20", "--queue",
        "7",
        "--max-mb", "2", "--max-megapixels", "5", "--folder", tmp_path, "--workers", "2", "--token",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert config == {"host": "127.0.0.1", "port": 0}
    assert f"on http://127.0.0.1:{ports[0]}\n" in ran.err
    assert made.pop("on_failure")
    assert f"EDITMETRICS_TOKEN={made.pop('token')}\n" in ran.err
    assert made == {
        "folder": tmp_path, "batch_size": 3, "wait": 0.02, "capacity": 7, "workers": 2, "max_bytes": 2 << 20,
        "max_pixels": 5_000_000, "body_timeout": 60.0, "own_page_only": False,
    }  # fmt: skip


def test_the_cache_of_judges_may_be_elsewhere(run, tmp_path):
    path = tmp_path / "mine.sqlite"
    assert "the cache is empty" in run("judge", "cache", "--path", path).out
    assert not path.exists()
    Cache(path).summary()
    assert str(path) in run("judge", "cache", "--path", path).out
    assert run("judge", "clear", "--path", path, "--yes").out in ("deleted 0 answers\n", "the cache is empty\n")


@pytest.fixture
def profile(monkeypatch, tmp_path):
    """What `lsa` asks its backbone and its analysis for; nothing is loaded."""
    from editmetrics.mllm import backbone, lora
    from editmetrics.plugins.hpe_lsa import analysis, labels
    from editmetrics.plugins.hpe_lsa.profile import LayerProfile

    asked = {}

    def load(*arguments, **options):
        asked.update(zip(("backbone", "revision", "device", "dtype"), arguments, strict=False), **options)
        return SimpleNamespace()

    def analyse(assessor, real, edited, **options):
        asked.update(options, adapter=assessor.adapter, pooling=assessor.pooling)
        return LayerProfile(np.ones(2), np.ones(2), np.ones(2), 1, 1)

    monkeypatch.setattr(backbone.Backbone, "load", load)
    monkeypatch.setattr(lora, "load_lora", lambda *arguments: asked.update(adapter_folder=arguments[-1]))
    monkeypatch.setattr(analysis, "analyse", analyse)
    monkeypatch.setattr(labels, "labelled", lambda pairs, label: asked.update(label=label) or [])
    return asked


def test_lsa_analyses_as_told(run, tmp_path, profile):
    from editmetrics.plugins.hpe_lsa.criterion import Criterion

    pairs = write(tmp_path / "pairs.csv", ["edited", "source"], [])
    ran = run(
        "lsa", "some/model", pairs, "--label", "real", "--adapter", tmp_path, "--pooling", "image", "--divergence",
        "gaussian", "--symmetric", "--bins", "5", "--entropy-bins", "6", "--smoothing", "0.1", "--epsilon", "0.2",
        "--resamples", "7", "--revision", "abc", "--dtype", "float32", "--image-tokens", "9", "--batch", "3",
        "--device", "cpu", "-q",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    del profile["on_images"]
    assert profile == {
        "backbone": "some/model", "revision": "abc", "device": "cpu", "dtype": "float32", "image_tokens": 9,
        "label": "real", "adapter": "lsa", "adapter_folder": tmp_path, "pooling": "image", "batch_size": 3,
        "criterion": Criterion("gaussian", True, 5, 6, 0.1, 0.2, 7),
    }  # fmt: skip


def test_explanations_are_read_from_the_named_columns(tmp_path):
    from editmetrics.plugins.epaiqa.command import _texts

    table = write(tmp_path / "t.csv", ["id", "a.explanation", "b.explanation"], [("x", "first", "second")])
    assert _texts(table, "b.explanation") == {"x": "second"}
    with pytest.raises(Exception, match="2 explanation columns, expected one; choose by --column"):
        _texts(table, None)


@pytest.mark.parametrize(
    ("option", "spec", "used"),
    [
        ("--prompt", "psnr", False), ("--masks", "psnr", False), ("--masks", "psnr:region=outside", True),
        ("--references", "mse", False), ("--references", "mse:against=reference", True),
    ],
)  # fmt: skip
def test_an_option_without_effect_is_noted(run, folders, option, spec, used):
    value = "make it red" if option == "--prompt" else folders / "source"
    ran = run("score", folders / "source", folders / "edited", "-m", spec, option, value, "-q")
    assert (f"note: {option} has no effect: no metric of this run looks at a " in ran.err) is not used


def test_serve_says_that_its_port_is_taken(run):
    """Before anything is announced or loaded; port 0 shows the one that was picked."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("serve", "-m", "psnr", "--port", port)
    assert ran.code == 2
    assert ran.err.startswith(f"error: cannot listen on 127.0.0.1 port {port}: another program listens there; ")
    assert "--port" in ran.err
    assert "serving" not in ran.err
    elsewhere = run("serve", "-m", "psnr", "--host", "192.0.2.1", "--port", 0)
    assert "this machine does not have that address" in elsewhere.err
