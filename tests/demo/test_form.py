"""The page of a demo without the library that draws it: its fields, its numbers, its texts."""

import html
import os
import re
from pathlib import Path

import pytest
from PIL import Image

import editmetrics
from editmetrics import create_metric
from editmetrics.demo.form import (
    FormError,
    FormLimits,
    ResultLine,
    form_fields,
    message_html,
    result_html,
    sample_of,
    score_form,
)
from editmetrics.demo.page import build_page, scored_html
from editmetrics.serving.own_page import OnlyOwnPage
from tests.scoring.toys import Captioned

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FILLED = {"source": str(EXAMPLES / "source/cat.jpg"), "edited": str(EXAMPLES / "edited/cat.jpg")}


def created(*specs):
    return [create_metric(spec, device="cpu") for spec in specs]


def test_the_fields_are_those_that_the_metrics_read():
    names = {
        ("psnr:region=inside",): ["source", "edited", "mask"],
        ("niqe",): ["source", "edited"],
        ("clip_score", "psnr:against=reference"): ["source", "edited", "reference", "prompt"],
    }
    for specs, expected in names.items():
        metrics = created(*specs)
        fields = form_fields(metrics)
        assert [field.name for field in fields if field.name in expected] == expected
        read = {"source", "edited"}.union(*(metric.fields() for metric in metrics))
        assert {field.name for field in fields} == read
        for field in fields:
            assert field.required == any(field.name in metric.required() for metric in metrics)
            assert field.is_image == (field.name not in ("prompt", "source_prompt", "questions"))
    with pytest.raises(FormError, match="fid compares sets"):
        form_fields(created("psnr", "fid"))


def test_the_numbers_are_those_of_score():
    metrics = created("psnr", "ssim", "gmsd")
    lines = score_form(metrics, {**FILLED, "prompt": ""})
    results = editmetrics.score(FILLED["source"], FILLED["edited"], metrics=["psnr", "ssim", "gmsd"])
    assert [float(line.number) for line in lines] == [float(results[line.metric][0]) for line in lines]
    assert [line.arrow for line in lines] == ["↑", "↑", "↓"]
    assert (lines[0].unit, lines[0].shown) == ("dB", "28.32")
    page = result_html(metrics, lines)
    assert f"title='{lines[0].number}'" in page
    assert "measure how little changed" in page
    rows = re.findall("<tr>.*?</tr>", page)
    assert [len(re.findall("<t[hd][ >]", row)) for row in rows] == [3] * 4


def test_a_failure_is_shown_as_one_and_has_no_number():
    metrics = created("clip_score", "psnr:region=inside")
    lines = score_form(metrics, FILLED)
    assert {(line.status, line.shown, line.number) for line in lines} == {("skipped", "", "")}
    page = result_html(metrics, lines)
    assert "requires prompt" in page
    assert not re.search(r"<td><span|<td>0|<td>nan", page)


def test_explanations_stand_beside_their_number_and_nothing_is_markup():
    hostile = "<script>alert(1)</script>\n'\"><img src=x onerror=alert(2)>"
    line = ResultLine(hostile, hostile, "1", "1.0", hostile, "↑", "ok", hostile)
    failed = line._replace(status="failed")
    for page in (result_html([], [line]), result_html([], [failed]), message_html(hostile)):
        tags = set(re.findall(r"</?([a-z]+)", page))
        assert tags <= {"table", "thead", "tbody", "tr", "th", "td", "br", "small", "span", "strong", "p"}
        assert html.unescape(re.sub("<br>", "\n", page)).count(hostile) >= 1
    lines = score_form([Captioned()], {**FILLED, "prompt": "a <b>cat</b>"})
    assert any("a &lt;b&gt;cat" in result_html([], [line]) for line in lines) == any(
        "a <b>cat" in x.text for x in lines
    )


def test_uploads_are_limited_before_they_are_decoded(tmp_path):
    huge = tmp_path / "huge.png"
    Image.new("L", (3000, 2000)).save(huge)
    for limits, says in (
        (FormLimits(max_pixels=5_000_000), r"6,\d{3},\d{3} pixels together; this page takes 5,000,000"),
        (FormLimits(max_bytes=10), "the file is larger than 10 bytes"),
    ):
        with pytest.raises(FormError, match=says):
            sample_of({"edited": str(huge), "source": str(FILLED["source"])}, limits)
    assert sample_of({"edited": str(huge)}, FormLimits(max_pixels=6_000_000)).edited == huge.read_bytes()
    assert "the edited image is missing" in scored_html([], {"source": FILLED["source"], "edited": None})


def test_no_message_names_a_path(tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    page = scored_html(created("psnr"), {**FILLED, "edited": str(broken)})
    assert "failed" in page
    assert str(tmp_path) not in page
    sample = sample_of({**FILLED, "prompt": "x", "questions": "Is it red?\n\n Is it a cat? "}, FormLimits())
    assert sample.questions == ("Is it red?", "Is it a cat?")


def test_without_gradio_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gradio", None)
    with pytest.raises(editmetrics.EditMetricsError, match=r"pip install 'editmetrics\[demo\]'"):
        build_page(["psnr"])


def test_the_command_listens_on_this_machine_and_limits_as_told(run, monkeypatch):
    from editmetrics.demo import page

    class Page:
        def launch(self, **options):
            self.options = options

        def block_thread(self):
            self.uploads = Path(os.environ["GRADIO_TEMP_DIR"])
            self.mode = self.uploads.stat().st_mode  # Ctrl-C ends it, and it returns

        def close(self, verbose):
            self.closed = True

    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    shown, built = Page(), {}
    monkeypatch.setattr(page, "build_page", lambda specs, **options: built.update(specs=specs, **options) or shown)
    ran = run("demo", "psnr", "ssim", "--port", "0", "--max-mb", "3", "--max-megapixels", "2", "--device", "cpu")
    assert ran.code == 0, ran.err
    assert (built["specs"], built["device"], built["limits"]) == (
        ("psnr", "ssim"),
        "cpu",
        FormLimits(3 << 20, 2_000_000),
    )
    assert (shown.options["server_name"], shown.options["share"]) == ("127.0.0.1", False)
    assert shown.options["max_file_size"] == 3 << 20
    assert shown.options["app_kwargs"]["middleware"][0][0] is OnlyOwnPage
    assert f"open http://127.0.0.1:{shown.options['server_port']} " in ran.err
    assert shown.closed
    assert shown.mode & 0o077 == 0  # nobody else reads what is uploaded
    assert not shown.uploads.exists()


def test_gradio_draws_it():
    gradio = pytest.importorskip("gradio")
    blocks = build_page(["psnr", "clip_score"])
    components = [each for each in blocks.blocks.values() if isinstance(each, (gradio.Image, gradio.Textbox))]
    assert [each.label for each in components] == [
        "Image before the edit", "Edited image",         "Instruction or prompt",
    ]  # fmt: skip
    assert all(each.image_mode is None for each in components if isinstance(each, gradio.Image))
    (function,) = [each for each in blocks.fns.values() if each.api_name == "score"]
    assert "28.32" in function.fn(FILLED["source"], FILLED["edited"], "")
