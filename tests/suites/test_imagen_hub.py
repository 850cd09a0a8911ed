"""ImagenHub: the authors' table from their answers and people's ratings, which `imagen_hub.json` holds."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from editmetrics import Sample
from editmetrics.suites import SUITES, Level, SuiteError
from editmetrics.suites.aggregation import SuiteRow, filled_table, mean_by_levels
from editmetrics.suites.imagen_hub import ratings
from editmetrics.suites.rows import check_rows, ratings_of

HUB = SUITES["imagen-hub"]
PUBLISHED = json.loads(Path(__file__).with_name("imagen_hub.json").read_text(encoding="utf-8"))
NAMES = ("SC", "PQ", "O")


def rows_of(judge):
    """All samples; those of which the authors kept one answer or none have no number."""
    rows = []
    for task, models in PUBLISHED["tasks"].items():
        for model, columns in models.items():
            people = iter(columns["people"])
            for consistency, quality in zip(columns[f"{judge} SC"], columns[f"{judge} PQ"], strict=True):
                said = [int(next(people)) / 2 for _ in range(6)]
                pair = {f"SC_{task}": consistency, "PQ": quality}
                answers = {name: int(score, 16) for name, score in pair.items() if score != "-"}
                unread = {name: "unparseable" for name in pair if name not in answers}
                order = (2, 4, 0) if task == "sdig" else (0, 2, 4)  # in which the notebook's machine listed the raters
                cells = [json.dumps(said[number : number + 2]) for number in order]
                fields = {"task": task, "model": model}
                rows.append(SuiteRow(fields, HUB.derive(answers), answers, unread, people=ratings(cells)))
    return rows


def tables(rows, *numbers):
    """The correlation, the correlations by task, and the means; or those of them with these numbers."""
    by_model = {}
    for row in rows:
        by_model.setdefault(row.fields["model"], []).append(row)
    return [filled_table(HUB, HUB.tables[number], by_model) for number in numbers or range(3)]


@pytest.fixture(scope="module")
def gemini():
    return tables(rows_of("gemini"))


def test_the_notebooks_numbers_of_gemini_are_recomputed(gemini):
    """What `analyze_json.ipynb` holds as its output: 7 tasks and their average, SC, PQ and O."""
    notebook = PUBLISHED["gemini_in_the_notebook"]
    (line,) = gemini[0].lines
    assert (line.system, line.total, line.read) == (None, 4801, 4799)
    assert [round(cell.value, 4) for cell in line.cells[:3]] == notebook["all"]
    for line in gemini[1].lines:
        task = line.block.where["task"][0]
        for cell, number in zip(line.cells[:3], notebook["task"][task], strict=True):
            assert round(cell.value, 4) == number


def test_gpt4o_agrees_with_people_as_its_correlations_say():
    rows = rows_of("gpt4o")
    (line,) = tables(rows, 0)[0].lines
    assert len(rows) == 4801
    assert [round(cell.value, 4) for cell in line.cells[:3]] == [0.4459, 0.3399, 0.4035]
    of_task = [row for row in rows if row.fields["task"] == "tie"]
    for model, own in itertools.groupby(of_task, key=lambda row: row.fields["model"]):
        own = list(own)
        expected = spearmanr([row.values["O"] for row in own], [row.people["O"] for row in own])[0]
        made = tables(own, 1)[0].lines[0].cells[2].value
        assert made == pytest.approx(math.tanh(expected), abs=1e-12), model


def test_answers_that_were_not_read_are_left_out():
    (line,) = tables(rows_of("gpt4v"), 0)[0].lines
    assert (line.read, [round(cell.value, 4) for cell in line.cells[:3]]) == (4490, [0.3668, 0.3095, 0.3266])


def test_fishers_z_is_tanh_of_the_mean_artanh():
    items = [({"model": "a"}, 0.2), ({"model": "b"}, 0.9)]
    assert mean_by_levels(items, [Level(("model",)), Level(how="fisher")]) == pytest.approx(
        math.tanh((math.atanh(0.2) + math.atanh(0.9)) / 2)
    )
    assert mean_by_levels(items, [Level(("model",)), Level(how="tanh")]) == pytest.approx(math.tanh(0.55))
    assert mean_by_levels([*items, ({"model": "c"}, 1.0)], [Level(("model",)), Level(how="fisher")]) == 1


def test_a_correlation_that_is_undefined_leaves_its_averages_empty():
    rows = [row for row in rows_of("gpt4o") if row.fields["task"] in ("tie", "mie")]
    some = [row for row in rows if row.fields["model"] != "Glide"]
    glide = [row for row in rows if row.fields["model"] == "Glide"]
    constant = [SuiteRow(row.fields, {**row.values, "SC": 0.5}, people=row.people) for row in glide]
    lines = {line.block.where["task"][0]: line.cells for line in tables(some + constant, 1)[0].lines}
    assert (lines["mie"][0].value, lines["mie"][3].value) == (None, None)
    assert lines["mie"][1].value is not None
    assert lines["tie"][0].value is not None
    assert tables(some, 0)[0].lines[0].cells[0].reason == "no number for t2i, sdie, sdig, msdig, cig"


def test_means_of_a_model_need_no_ratings_and_ratings_no_answer(gemini):
    rows = [SuiteRow({"task": "tie", "model": "x"}, HUB.derive({"SC_tie": 4, "PQ": 9}))]
    correlation, _, means = tables(rows)
    assert correlation.lines[0].cells[0].reason == "no ratings of people"
    assert [cell.value for cell in means.lines[0].cells[:3]] == pytest.approx([0.4, 0.9, 0.6])
    assert {cell.value for cell in means.lines[0].cells[3:]} == {None}
    by_hand = [row.people["O"] for row in rows_of("gemini") if row.fields == {"task": "tie", "model": "MagicBrush"}]
    (line,) = [one for one in gemini[2].lines if (one.system, one.block.heading) == ("MagicBrush", "Text-Guided_IE")]
    assert line.cells[5].value == pytest.approx(sum(by_hand) / len(by_hand))
    refused = SuiteRow(rows[0].fields, {}, {}, {"SC_tie": "refused"}, people={"SC": 1, "PQ": 1, "O": 1})
    cells = tables([*rows, refused], 2)[0].lines[0].cells
    assert [cells[number].value for number in (0, 3)] == pytest.approx([0.4, 1])
    assert cells[3].published is None


def test_ratings_are_read_or_refused():
    row = Sample("a", edited="a.png", meta={"task": "tie", "rater1": "[1, 0.5]", "rater2": "[0, 0.5]", "rater3": ""})
    assert ratings_of(HUB, row) == {"SC": 0.5, "PQ": 0.5, "O": pytest.approx(0.5**0.5 / 2)}
    assert ratings_of(HUB, Sample("a", edited="a.png")) == {}
    for cell, problem in (("good", "expected two numbers such as"), ("[1, 5]", "from 0 to 1"), ("[1]", "two numbers")):
        with pytest.raises(SuiteError, match=f"ratings of a cannot be read: .*{problem}"):
            check_rows(HUB, [Sample("a", edited="a.png", meta={"task": "tie", "rater1": cell})])
