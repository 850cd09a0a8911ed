"""Suites whose rows have several images: what is shown, in which order, and rows that do not fit."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from editmetrics import Sample
from editmetrics.judge import Encoding
from editmetrics.sample import SampleError
from editmetrics.suites.inputs import input_rows, inputs_called
from editmetrics.suites.judged import suite_metric
from editmetrics.suites.layout import lay_out
from editmetrics.suites.omnicontext import TASKS
from editmetrics.suites.shown import ShowEach, ShowFrames, arranged, within_area
from tests.judge.server import Reply, completion

from .rows import KRIS_ELEMENTS, KRIS_FRAMES, kris_samples, picture, write_kris

FRAMES = ShowFrames("source", Encoding(), captions=("{number}", "{number} made"))


def order(sample, show=FRAMES):
    return [(caption, str(image)) for caption, image in arranged(show, sample)]


@pytest.mark.parametrize(
    ("sources", "frame", "captions"),
    [
        (["7-1.png", "7-2.png", "7-3.png"], None, ["1", "2", "3", "4 made"]),
        (["d-9/7-4.png", "d-9/7-2.png", "d-9/7-3.png"], None, ["1 made", "2", "3", "4"]),
        (["a", "b", "c"], 2, ["1", "2 made", "3", "4"]),
        (["7-1.png", "7-2.png", "7-3.png"], "3.0", ["1", "2", "3 made", "4"]),
    ],
)
def test_frames_stand_in_their_order_with_the_edited_one_among_them(sources, frame, captions):
    sample = Sample("x", edited="new", source=sources, meta={"frame": frame})
    assert [caption for caption, _ in order(sample)] == captions
    if frame is None:  # by name: each frame at the place of its number
        shown = dict(order(sample))
        assert all(shown[source[-5]] == source for source in sources)
        return
    assert [image for _, image in order(sample) if image != "new"] == sources


@pytest.mark.parametrize(
    ("sources", "frame", "named"),
    [
        (["7-1.png", "7-2.png"], None, "got 7-1.png, 7-2.png"),
        (["7-1.png", "7-2.png", "7-2.png"], None, "expected as many, whose names have their numbers"),
        (["7-1.png", "7-2.png", "7-5.png"], None, "7-3.png is frame 3 of clip 7"),
        (["1.png", "2.png", "3.png"], None, "or the column frame"),
        (["7-1.png", "7-2.png", "7-3.png"], 5, "1 to 4"),
        (["7-1.png", "7-2.png", "7-3.png"], "last", "1 to 4"),
        ([np.zeros((8, 8, 3))] * 3, None, "an image in memory"),
    ],
)
def test_frames_that_are_not_known_are_not_guessed(sources, frame, named):
    with pytest.raises(SampleError, match=named) as error:
        order(Sample("x", edited="new", source=sources, meta={"frame": frame}))
    assert error.value.status == "skipped"


def test_one_image_where_the_question_shows_several_is_not_enough():
    show = ShowEach("source", Encoding(), least=2)
    with pytest.raises(SampleError, match="at least 2 source images, and this sample has 1"):
        arranged(show, Sample("x", edited="b", source=["a"]))


@pytest.mark.parametrize(
    ("size", "scaled"),
    [((64, 48), (64, 48)), ((70, 50), (64, 48)), ((1024, 1024), (1024, 1024)), ((2000, 1000), (1440, 720))],
)
def test_the_area_and_its_steps(size, scaled):
    """2000 x 1000 by sqrt(1024^2 / 2e6) = 0.7241 is 1448 x 724, and in steps of 16 1440 x 720."""
    image = picture(*size, 1)
    ours = np.asarray(within_area(image, 1024 * 1024))
    assert ours.shape[1::-1] == scaled
    np.testing.assert_array_equal(ours, np.asarray(image.resize(scaled, Image.Resampling.BICUBIC)))


def test_kris_from_a_csv(run, server, tmp_path, monkeypatch):
    """Rows with one image and rows with lists of them, in one table; the row that does not fit is named."""
    monkeypatch.setattr("editmetrics.suites.judged.text_of", lambda *_: "a stand-in")
    server.answer = lambda request: Reply(
        completion('{"consistency_score": 5, "instruction_score": 4, "knowledge_score": 2, "quality_score": 3}')
    )
    write_kris(tmp_path)
    rows = [
        ("t", "7.png", json.dumps(KRIS_FRAMES), "temporal_prediction"),
        ("m", "9.png", json.dumps(KRIS_ELEMENTS), "multi-element_composition"),
        ("c", "9.png", "9-1.jpg", "count_change"),
        ("k", "9.png", "9-1.jpg", "physics"),
        ("wrong", "7.png", "7-1.png", "temporal_prediction"),
        ("many", "7.png", json.dumps(KRIS_ELEMENTS), "size_adjustment"),
    ]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "edited", "ori_img", "ins_en", "explain_en", "category"])
        table.writerows([name, edited, sources, "do it", "so", category] for name, edited, sources, category in rows)
    command = ("score", tmp_path / "rows.csv")
    options = ("--suite", f"kris:endpoint={server.url},cache=false", "-q", "-o", tmp_path / "scores.csv", "--json")
    first = run(*command, *options)
    assert first.out, first.err
    document = json.loads(first.out)
    line = document["suites"][0]["lines"][0]
    cells = {heading: cell["value"] for heading, cell in line["cells"].items()}
    assert (line["samples"], line["read"]) == (6, 4)
    assert cells["Temporal"] == pytest.approx((100 + 75 + 50) / 3)
    with (tmp_path / "scores.csv").open() as file:
        rows_read = {row["id"]: row for row in csv.DictReader(file)}
    problems = {name: row["problems"] for name, row in rows_read.items()}
    assert [rows_read[name]["kris_G.KP"] for name in "tmck"] == ["", "", "", "25.0"]  # knowledge alone has one
    assert "shows 3 sources as frames of a clip" in problems["wrong"]
    assert "shows one source image, and this sample has 2" in problems["many"]
    assert [problems[name] for name in "tmck"] == [""] * 4
    table = (tmp_path / "scores.csv").read_text()
    server.requests.clear()
    again = run(*command, *options)
    assert again.out, again.err
    assert json.loads(again.out)["suites"][0]["lines"][0]["cells"] == line["cells"]
    assert server.requests == []  # several images are known again by their content
    assert (tmp_path / "scores.csv").read_text() == table


def test_what_a_dry_run_counts_are_the_requests_that_are_sent(run, server, tmp_path, monkeypatch):
    monkeypatch.setattr("editmetrics.suites.judged.text_of", lambda *_: "a stand-in")
    samples = [sample for sample in kris_samples(tmp_path) if isinstance(sample.source, tuple)]
    metric = suite_metric(f"kris:endpoint={server.url},cache=false")
    from editmetrics.command_line.dry_run import planned

    requests = planned(metric, samples).requests
    server.answer = lambda request: Reply(completion("{}"))
    metric.score(samples)
    images = sum(
        part["type"] == "image_url" for request in server.requests for part in request.body["messages"][0]["content"]
    )
    assert (requests.requests, requests.images) == (len(server.requests), images) == (6, 16)


def test_the_table_of_omnicontext_is_a_mean_of_eight_means(run, server, tmp_path):
    """PF and SC of each row by its number; Overall is their geometric mean by sample, and a task's absence shows."""
    scores = {f"do {number}": (number % 11, (number * 3) % 11) for number in range(17)}
    scores["do 0"] = (None, 4)  # the judge declines

    def answer(request):
        text = request.body["messages"][0]["content"][0]["text"]
        pair = scores[text.rpartition("Editing instruction: ")[2].strip()]
        score = pair["identities" in text and "Evaluate whether the identities" in text]
        return Reply(completion("I cannot help with that." if score is None else json.dumps({"score": score})))

    server.answer = answer
    picture(64, 48, 1).save(tmp_path / "a.png")
    picture(80, 64, 2).save(tmp_path / "b.png")
    tasks = [list(TASKS)[number % 8] for number in range(17)]

    def table(rows, name):
        with (tmp_path / name).open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["id", "edited", "input_images", "instruction", "task_type"])
            lines.writerows([str(n), "b.png", json.dumps(["a.png", "b.png"]), f"do {n}", tasks[n]] for n in rows)
        options = ("--suite", f"omnicontext:endpoint={server.url}", "-q", "--json", "-o", tmp_path / f"{name}.out.csv")
        ran = run("score", tmp_path / name, *options)
        assert ran.out, ran.err
        return {line["rows"]: line for line in json.loads(ran.out)["suites"][0]["lines"]}["Average"]["cells"]

    cells = table(range(17), "all.csv")
    means = {"PF": [], "SC": [], "Overall": []}
    for task in range(8):
        pairs = [scores[f"do {number}"] for number in range(task, 17, 8) if number]
        means["PF"].append(np.mean([one for one, _ in pairs]))
        means["SC"].append(np.mean([two for _, two in [*pairs, *([scores["do 0"]] if task == 0 else [])]]))
        means["Overall"].append(np.mean([(one * two) ** 0.5 for one, two in pairs]))
    assert {name: cell["value"] for name, cell in cells.items()} == {
        name: pytest.approx(np.mean(column)) for name, column in means.items()
    }
    low, high = (cells["PF"]["published"][end] for end in ("low", "high"))
    first = [scores["do 8"][0], scores["do 16"][0]]
    assert high - low == pytest.approx(10 / 3 / 8)  # one of three samples of one of eight tasks, from 0 to 10
    assert low == pytest.approx((sum(first) / 3 + sum(means["PF"][1:])) / 8)
    assert [cell["value"] for cell in table(range(1, 8), "seven.csv").values()] == [None] * 3


def test_the_inputs_of_kris_keep_the_places_of_frames_whose_files_are_renamed(tmp_path):
    """`editmetrics data kris` calls files by the row, so that the column frame has to say which one is missing."""
    folder = tmp_path / "KRIS_Bench" / "temporal_prediction"
    folder.mkdir(parents=True)
    write_kris(folder)
    row = {"ori_img": ["7-3.png", "7-1.png", "7-4.jpg"], "gt_img": "", "ins_en": "do it", "explain_en": ""}
    (folder / "annotation.json").write_text(json.dumps({"7": row}))
    lay_out(input_rows(inputs_called("kris"), tmp_path), tmp_path / "laid_out", {"suite": "kris"})
    with (tmp_path / "laid_out" / "manifest.csv").open() as file:
        (cells,) = csv.DictReader(file)
    sources = [tmp_path / "laid_out" / path for path in json.loads(cells["source"])]
    shown = arranged(FRAMES, Sample("7", edited="new", source=sources, meta={"frame": cells["frame"]}))
    assert [caption for caption, _ in shown] == ["1", "2 made", "3", "4"]
    originals = [path if path == "new" else path.read_bytes() for _, path in shown]
    assert originals == [(folder / n).read_bytes() if n else "new" for n in ("7-1.png", "", "7-3.png", "7-4.jpg")]


def test_the_number_of_the_frame_is_part_of_what_a_score_is_of():
    metric = suite_metric("kris:endpoint=http://localhost:1/v1,model=any")
    assert "frame" in metric.columns
    assert metric.several == {"source"}
    assert not suite_metric("gedit:endpoint=http://localhost:1/v1,model=any").several
