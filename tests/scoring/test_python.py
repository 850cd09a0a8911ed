"""Results and agreements in Python: looped over, indexed, shown short, and as tables of other libraries."""

import sys

import numpy as np
import pytest

from editmetrics import Sample, evaluate, score

from .toys import Brightness, Captioned, write_images


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    images = write_images(tmp_path_factory.mktemp("images"), 3)
    prompts = ["a dog", None, "<b>sky</b>"]
    samples = [
        Sample(f"s{n}", edited=image, prompt=text) for n, (image, text) in enumerate(zip(images, prompts, strict=True))
    ]
    return score(samples, [Brightness(), Captioned()])


@pytest.fixture(scope="module")
def agreement():
    table = {"id": ["a", "b", "c", "d"], "one": [1.0, 2.0, 3.0, 4.0], "two": [4.0, 1.0, 3.0, 2.0]}
    return evaluate(table, {"id": table["id"], "mos": [1, 2, 4, 3]}, on=["id"])


def test_rows_and_columns(results):
    assert results["brightness"] == [results.get(index, results.columns[0]) for index in range(3)]
    assert [sample.id for sample, _ in results] == ["s0", "s1", "s2"]
    assert results[-1] == list(results)[2] == results[1:][1]
    assert results[1].scores["captioned"].status == "skipped"
    assert results[0].scores == {"brightness": results["brightness"][0], "captioned": results["captioned"][0]}
    assert np.mean(results["brightness"]) == pytest.approx(results.overview()["mean"][0])
    with pytest.raises(KeyError, match="'ssim'; this run has brightness, captioned"):
        results["ssim"]
    with pytest.raises(IndexError):
        results[3]


def test_short_and_in_a_notebook(results, agreement):
    assert repr(results) == "Results(3 samples; brightness, captioned; 1 not scored)"
    assert repr(agreement).startswith("Agreement(srcc of one with mos 0.8, krcc of one with mos 0.6667, plcc of one")
    assert len(repr(agreement)) < 120
    for shown in (results, agreement):
        page = shown._repr_html_()
        assert page.count("<tr>") == 1 + len(shown.overview())
        assert "None" not in page
    assert "<td>captioned.length</td>" in results._repr_html_()
    assert "<td>0.8</td>" in agreement._repr_html_()


def test_a_notebook_runs_nothing_that_a_name_holds(tmp_path):
    (image,) = write_images(tmp_path, 1)
    page = score([Sample("<script>alert(1)</script>", edited=image)], [Brightness()])._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_tables_of_other_libraries(results, agreement, monkeypatch):
    pandas = pytest.importorskip("pandas")
    frame = results.to_pandas()
    assert frame["id"].tolist() == ["s0", "s1", "s2"]
    assert frame["captioned.length"].dtype == float
    assert pandas.isna(frame["captioned.length"][1])
    assert results.to_polars().equals(results.table())
    assert agreement.to_pandas()["value"].tolist()[0] == agreement.value("one", "srcc") == pytest.approx(0.8)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        results.to_pandas()


def test_lines_of_an_agreement(agreement):
    assert list(agreement) == list(agreement.lines)
    assert (len(agreement), agreement[0]) == (len(agreement.lines), agreement.lines[0])
    assert {line.score for line in agreement["two"]} == {"two"}
    assert len(agreement["one"]) + len(agreement["two"]) == len(agreement)
    with pytest.raises(KeyError, match="'three'; the scores are one, two"):
        agreement["three"]


def test_a_bar_counts_the_samples_and_leaves_the_callers_function_its_calls(tmp_path, capsys):
    samples = [Sample(f"s{n}", edited=image) for n, image in enumerate(write_images(tmp_path, 3))]
    told = []
    score(samples, [Brightness()], progress=True, on_row=lambda sample, scores: told.append(sample.id))
    shown = capsys.readouterr()
    assert sorted(told) == ["s0", "s1", "s2"]
    assert "score: 100%" in shown.err
    assert "3/3" in shown.err
    assert shown.out == ""
    score(samples, [Brightness()])
    assert capsys.readouterr().err == ""
