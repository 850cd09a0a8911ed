"""Requests equal those of the official scripts, which `official.json` holds as hashes and structure.

Each was recorded once by running the official code (its commit is in the suite) on the images of `rows.py`, with a
recorder in the place of the HTTP client. JPEG bytes depend on the library that wrote them: with another one than the
fixture's, their pixels would be compared instead.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import os
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image, features

from editmetrics import score
from editmetrics.files.official_copies import _texts
from editmetrics.judge import Answer
from editmetrics.sample import SampleError
from editmetrics.suites import SUITES, SuiteError
from editmetrics.suites.answers import (
    as_dual_script,
    as_final_score_script,
    as_keyed_script,
    as_lines_script,
    as_viescore_script,
    named_lines,
)
from editmetrics.suites.judged import SuiteMetric, suite_metric
from editmetrics.suites.omnicontext import as_omnicontext_script
from editmetrics.suites.short_answers import as_binary_script, as_labelled_script
from tests.judge.server import Reply, completion

from .rows import genai_samples, hub_samples, kris_samples, omni_samples, rise_samples, samples, write_hub

OFFICIAL = json.loads(Path(__file__).with_name("official.json").read_text(encoding="utf-8"))
ANSWERS = json.loads(Path(__file__).with_name("answers.json").read_text(encoding="utf-8"))
SAME_LIBRARY = OFFICIAL["pillow"] == PIL.__version__ and OFFICIAL["libjpeg_turbo"] == features.version("libjpeg_turbo")


def digest(data):
    return hashlib.sha256(data).hexdigest()


def part_of(part):
    if part["type"] == "text":
        return {"type": "text", "sha256": digest(part["text"].encode())}
    head, data = part["image_url"]["url"].split(",", 1)
    data = base64.b64decode(data)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    more = {name: value for name, value in part["image_url"].items() if name != "url"}
    return {
        "type": "image_url", "head": head, "sha256": digest(data),
        "pixels": digest(str(pixels.shape).encode() + pixels.tobytes()), **more,
    }  # fmt: skip


def structure(body):
    messages = [
        {"role": one["role"], "content": [part_of(part) for part in one["content"]]} for one in body["messages"]
    ]
    return {**body, "messages": messages}


def without(bodies, *names):
    """The bodies without these names of their parts, in an order of their own: ours are sent in parallel.

    "texts" leaves out the checksums of texts alone.
    """

    def is_kept(name, part):
        return name not in names and not (name == "sha256" and "texts" in names and part["type"] == "text")

    kept = [
        {
            **body,
            "messages": [
                {**one, "content": [{k: v for k, v in part.items() if is_kept(k, part)} for part in one["content"]]}
                for one in body["messages"]
            ],
        }
        for body in bodies
    ]
    return sorted(kept, key=lambda body: json.dumps(body, sort_keys=True))


def sent(server, spec, rows):
    server.replies = [Reply(completion('{"score": [5, 5]}'))]
    metric = suite_metric(f"{spec},endpoint={server.url},cache=false")
    score(rows, [metric])  # through the engine, which reads the files
    return [structure(request.body) for request in server.requests]


def repository_of(name, spec, monkeypatch):
    """The spec with the repository that EDITMETRICS_NAME_REPOSITORY names, and what of the parts cannot be compared.

    The texts have no licence, so that a stand-in takes their place here; whoever has the repository compares them, too.
    """
    repository = os.environ.get(f"EDITMETRICS_{name}_REPOSITORY")
    skipped = () if SAME_LIBRARY else ("sha256", "pixels")
    if repository is None:
        monkeypatch.setattr("editmetrics.suites.judged.text_of", lambda *_: "a stand-in for <edit_prompt>")
        return spec, ("texts", *skipped)
    return f"{spec},repository={repository}", skipped


def test_gedit_asks_gpt_as_its_script_does(server, tmp_path):
    bodies = sent(server, "gedit:variant=published", samples(tmp_path))
    names = () if SAME_LIBRARY else ("sha256",)
    assert without(bodies, *names) == without(OFFICIAL["gedit_G"], *names)


def test_gedit_asks_qwen_as_its_script_does_but_for_what_is_declared(server, tmp_path):
    bodies = sent(server, "gedit:judged_by=Q", samples(tmp_path))
    parameters = {"model": "Qwen/Qwen2.5-VL-72B-Instruct-AWQ", "temperature": 0, "max_tokens": 512, "seed": 42}
    assert all({name: body[name] for name in body if name != "messages"} == parameters for body in bodies)
    flat = [
        sorted([part.get("pixels") or part["sha256"] for part in body["messages"][0]["content"]] for body in several)
        for several in (bodies, OFFICIAL["gedit_Q"])
    ]
    assert flat[0] == flat[1]


@pytest.mark.parametrize(("name", "key"), [("imgedit", "imgedit_G"), ("imgedit-hard", "imgedit_hard_G")])
def test_imgedit_asks_as_its_script_does(server, tmp_path, monkeypatch, name, key):
    rows = samples(tmp_path, ".jpg")
    for sample, kind in zip(rows, ("add", "adjust", "compose"), strict=True):
        sample.meta["edit_type"] = kind
    spec, names = repository_of("IMGEDIT", f"{name}:variant=script", monkeypatch)
    bodies = sent(server, spec, rows)
    official = [dict(body) for body in OFFICIAL[key]]
    assert [body.pop("stream") for body in official] == [False] * 3  # the endpoint's default, which we do not send
    assert any(one.point == "stream" for one in SUITES[name].differences)
    assert without(bodies, *names) == without(official, *names)


def test_rise_asks_as_its_script_does(server, tmp_path, monkeypatch):
    """Every branch of the script: what is shown depends on the category and on the columns of a row."""
    spec, names = repository_of("RISE", "rise:timeout=300", monkeypatch)
    bodies = sent(server, spec, rise_samples(tmp_path))
    official = [dict(body) for body in OFFICIAL["rise_G"]]
    assert {body.pop("n") for body in official} == {1}
    assert any(one.point == "n" for one in SUITES["rise"].differences)
    assert len(bodies) == 21
    assert without(bodies, *names) == without(official, *names)


def test_kris_asks_as_its_scripts_do(server, tmp_path, monkeypatch):
    """Captions are part of the message; the text about quality is sent with its doubled braces, the others without."""
    spec, names = repository_of("KRIS", "kris:variant=bagel", monkeypatch)
    bodies = sent(server, spec, kris_samples(tmp_path))
    official = [dict(body) for body in OFFICIAL["kris_G"]]
    assert {body.pop("stream") for body in official} == {False}
    assert len(bodies) == 15
    assert without(bodies, *names) == without(official, *names)


def test_omnicontext_asks_as_its_script_does(server, tmp_path):
    """One to three sources, scaled down and in steps of 16; the script asks each question three times, we once."""
    bodies = sent(server, "omnicontext:variant=published", omni_samples(tmp_path))
    names = () if SAME_LIBRARY else ("sha256",)
    assert without(bodies, *names) == without(OFFICIAL["omnicontext_G"], *names)


@pytest.mark.parametrize(("name", "key"), [("wise", "wise_Q"), ("wise-legacy", "wise_legacy_G")])
def test_wise_asks_as_its_scripts_do(server, tmp_path, monkeypatch, name, key):
    """The system message is a list of one part, and an explanation is put in as it is, whatever is in it."""
    rows = samples(tmp_path)
    for number, sample in enumerate(rows):
        sample.meta.update(prompt_id=(1, 450, 990)[number], Explanation=f'It "means" {{x}} {number}')
    spec, names = repository_of("WISE", f"{name}:timeout=300", monkeypatch)
    assert without(sent(server, spec, rows), *names) == without(OFFICIAL[key], *names)


def test_imagen_hub_asks_as_its_script_does(server, tmp_path):
    """Seven tasks: one to three images, and the words of a subject as the script rewrites them."""
    bodies = sent(server, "imagen-hub:timeout=300", hub_samples(write_hub(tmp_path)))
    names = () if SAME_LIBRARY else ("sha256",)
    assert len(bodies) == 14
    assert without(bodies, *names) == without(OFFICIAL["imagen_hub_G"], *names)


def test_genai_bench_asks_as_its_script_does(server, tmp_path):
    """Texts and images in turn, after a system message that is a list; the rival is the second edit."""
    bodies = sent(server, "genai-bench:timeout=300", genai_samples(tmp_path))
    official = [dict(body) for body in OFFICIAL["genai_bench_G"]]
    assert {body.pop("n") for body in official} == {1}
    assert any(one.point == "n" for one in SUITES["genai-bench"].differences)
    names = () if SAME_LIBRARY else ("sha256",)
    assert without(bodies, *names) == without(official, *names)


def test_a_jpeg_travels_as_it_is_under_the_type_that_the_script_declares(server, tmp_path, monkeypatch):
    monkeypatch.setattr("editmetrics.suites.judged.text_of", lambda *_: "text")
    rows = samples(tmp_path, ".jpg", edit_type="add")[:1]
    sent(server, "imgedit:variant=script", rows)
    url = server.requests[0].body["messages"][0]["content"][1]["image_url"]["url"]
    assert url == "data:image/png;base64," + base64.b64encode(Path(rows[0].source).read_bytes()).decode()


def test_an_image_is_encoded_once_for_all_questions(tmp_path):
    questions = suite_metric("gedit:endpoint=http://localhost:1/v1").prepare(samples(tmp_path)[0])
    shown = {name: [image.content for image in question.images()] for name, question in questions.items()}
    assert shown["SC"][1] is shown["PQ"][0]
    assert shown["SC"][0] != shown["SC"][1]


def test_the_published_readers_read_as_the_official_ones():
    assert [as_viescore_script(text) for text in ANSWERS["viescore"]] == OFFICIAL["viescore_answers"]
    texts = [*ANSWERS["viescore"], *ANSWERS["single"]]
    assert [as_omnicontext_script(text) for text in texts] == OFFICIAL["omnicontext_answers"]
    texts = ANSWERS["viescore"] + ANSWERS["viescore_counts"]
    hub = [SUITES["imagen-hub"].judges[0].asks[-1].by_script(text).get("PQ") for text in texts]
    assert hub == OFFICIAL["imagen_hub_answers"]
    asks = [ask for ask in SUITES["genai-bench"].judges[0].asks if "yes" in ask.when["edit"]]
    read = [[ask.by_script(text).get(ask.name) for ask in asks] for text in ANSWERS["verdicts"]]
    assert read == OFFICIAL["verdict_answers"]
    assert [as_lines_script(text) for text in ANSWERS["lines"]] == OFFICIAL["lines_answers"]
    assert [as_final_score_script(text) for text in ANSWERS["final"]] == OFFICIAL["final_answers"]
    assert [as_keyed_script(text, "quality_score") for text in ANSWERS["keyed"]] == OFFICIAL["keyed_answers"]
    assert [as_dual_script(text) for text in ANSWERS["dual"]] == OFFICIAL["dual_answers"]
    assert [as_binary_script(text) for text in ANSWERS["binary"]] == OFFICIAL["binary_answers"]
    assert [as_labelled_script(text) for text in ANSWERS["labelled"]] == OFFICIAL["labelled_answers"]


def test_a_line_that_counts_something_does_not_stand_in_for_a_rating():
    read, text = named_lines("score", 3, 1, 5), "Hats: 2\n{}Prompt Compliance: 4\nVisual Naturalness: 5\nDetail: {}"
    assert read(Answer(text.format("", "3").replace("Hats: 2\n", "Two hats.\n"))).values == {"score": 4.0}
    for answer in (text.format("", "3 to 4"), text.format("", "3"), text.format("", "N/A"), text.format("3\n", "3")):
        with pytest.raises(SampleError):
            read(Answer(answer))
    assert as_lines_script(text.format("", "3 to 4")) == 3.67  # the published script's rule


@pytest.mark.parametrize("suite", [name for name in SUITES if SUITES[name].judges and not SUITES[name].metric])
def test_where_our_reader_reads_the_published_one_reads_the_same(suite):
    if suite == "imgedit-hard":  # its script reads nearly nothing, which is a declared difference
        return
    for ask in SUITES[suite].judges[0].asks:
        same = 0
        for text in itertools.chain(*ANSWERS.values()):
            try:
                values = ask.read(Answer(text)).values
            except SampleError:
                continue
            assert ask.by_script(text) in (values, {})  # nothing: syntax that it does not mend
            same += ask.by_script(text) == values
        assert same >= (2 if ask.high > 1 and "consistency" not in ask.name and "instruction" not in ask.name else 0)


@pytest.mark.parametrize(
    ("suite", "name", "text", "value"),
    [
        ("wise", "score", "Score: 1", 1), ("wise", "score", "<think>Score: 0?</think> **Score: 0**", 0),
        ("wise", "score", "Score: 1\nScore: 0", None), ("wise", "score", "Score: 0.5", None),
        ("wise", "score", "Score: 10", None), ("wise", "score", "Good.\n1", None),
        ("wise-legacy", "realism", "Consistency: 2\nRealism: 1\nAesthetic Quality: 0", 1),
        ("wise-legacy", "realism", "Consistency: 2\nRealism: 3\nAesthetic Quality: 0", None),
        ("wise-legacy", "realism", "Consistency: 2\nRealism: 1\nRealism: 2\nAesthetic Quality: 0", None),
        ("wise-legacy", "realism", "2\n1\n0\n1", None),
        ("genai-bench", "left", "[[A>B]]\nIn short: [[A>B]]", 1), ("genai-bench", "left", "[[A=B]]", 0),
        ("genai-bench", "left", "[[A>B]]\n[[B>A]]", None), ("genai-bench", "left", "[[A]]", None),
    ],
)  # fmt: skip
def test_an_answer_is_read_strictly(suite, name, text, value):
    """What may be read in two ways, or is outside of the scale, is no number."""
    ask = SUITES[suite].judges[0].asks[0]
    if value is None:
        with pytest.raises(SampleError, match="cannot be read"):
            ask.read(Answer(text))
    else:
        assert ask.read(Answer(text)).values[name] == value


def test_a_score_depends_on_all_that_its_questions_show():
    """Each text and image, so that another one in the manifest is asked about anew."""
    depends = {}
    for name in ("wise", "rise", "genai-bench", "imagen-hub"):
        metric = suite_metric(f"{name}:endpoint=http://localhost:1/v1")
        depends[name] = (metric.columns, metric.fields())
    assert depends["wise"] == ({"prompt_id", "Explanation"}, {"edited", "prompt"})
    assert depends["genai-bench"][1] == {"edited", "rival", "source", "prompt", "source_prompt"}
    assert depends["genai-bench"][0] == {"target_prompt", "vote_type"}
    assert depends["imagen-hub"][1] == {"edited", "source", "reference", "prompt"}
    assert {"reference_text", "reference_txt"} <= depends["rise"][0]
    assert "reference" in depends["rise"][1]


def test_texts_of_a_python_file_are_those_of_its_variables_and_functions():
    """Nothing is run, and of an f-string the names stay; the function's texts are known by their checksums."""
    data = b"""raise SystemExit\nask = "old"\nask = "new"\ndef made(row):\n return ["you", f"<{row['P']}> {{x}}"]\n"""
    texts = _texts(".py", data)
    assert texts["ask"] == ["new"]
    assert {"you", "<{row['P']}> {x}"} <= {*texts["made"]}


def test_texts_come_from_the_repository_by_checksum(tmp_path):
    rows = samples(tmp_path, ".jpg", edit_type="add")
    metric = suite_metric("imgedit:endpoint=http://localhost:1/v1")
    with pytest.raises(SuiteError, match=r"git clone .*ImgEdit.* checkout 547185d.*--suite imgedit:repository=FOLDER"):
        metric.load()
    folder = tmp_path / "copy" / "Benchmark" / "Basic"
    folder.mkdir(parents=True)
    (folder / "prompts.json").write_text('{"add": "another question"}')
    with pytest.raises(SuiteError, match=r"prompts\.json is not the version .* at commit 547185d"):
        SuiteMetric(suite="imgedit", repository=str(tmp_path / "copy"), endpoint="http://localhost:1/v1")(rows[0])
