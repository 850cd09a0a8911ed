"""Tables of scores: who is best, and what stands in each form."""

import re
from io import StringIO

import pytest
from rich.console import Console

from editmetrics.report.radar_plot import draw_radar, drawable
from editmetrics.tables.latex import latex
from editmetrics.tables.markdown import markdown
from editmetrics.tables.page import page
from editmetrics.tables.scores import MeanScore, ScoreTable, count_table, score_column
from editmetrics.tables.table import show

COLUMNS = [score_column("Sources", "NIs"), score_column("Sources", "AIs"), score_column("", "Overall")]
ROWS = {
    "a": [MeanScore(50.0, 40.0, 60.0, 10), MeanScore(None), MeanScore(50.0, 40.0, 60.0, 10)],
    "b": [MeanScore(75.004, 60.0, 80.0, 10), MeanScore(20.0, 1.0, 50.0, 5), MeanScore(60.0, 45.0, 70.0, 15)],
    "c": [MeanScore(74.996, 60.0, 80.0, 10), MeanScore(30.0, 5.0, 60.0, 5), MeanScore(40.0, 30.0, 50.0, 15)],
}
TABLE = ScoreTable(
    "t", "Title", COLUMNS, ROWS, {"Guess": [MeanScore(90.0), MeanScore(None), MeanScore(90.0)]}, ["a note"]
)


def test_the_best_and_the_runner_up():
    """As printed: 75.00 twice is best twice; a baseline never is; who has no score has no rank."""
    assert TABLE.ranks(0) == {"b": "best", "c": "best", "a": "second"}
    assert TABLE.ranks(1) == {"c": "best", "b": "second"}
    assert TABLE.ranks(2) == {"b": "best", "a": "second"}
    assert ScoreTable("t", "", COLUMNS, {"a": ROWS["a"]}).ranks(0) == {}


def test_markdown():
    lines = markdown([TABLE.by_model()]).splitlines()
    assert lines[0] == "## Title"
    assert lines[2] == "| Model | Sources: NIs | Sources: AIs | Overall |"
    assert lines[4] == "| Guess | 90.00 | - | 90.00 |"
    assert lines[6] == "| b | **75.00** (60.0-80.0) | *20.00* (1.0-50.0) | **60.00** (45.0-70.0) |"
    assert lines[-1] == "A note."


def test_latex_has_as_many_cells_as_columns():
    text = latex([TABLE.by_model(), count_table("c", "Counts & more", ["x", "y"], [["a_b", "1"]])])
    rows = [line for line in text.splitlines() if line.endswith("tabularnewline")]
    spans = rows[0]
    assert spans == "\\multicolumn{1}{c}{} & \\multicolumn{2}{c}{Sources} & \\multicolumn{1}{c}{} \\tabularnewline"
    assert {row.count("&") for row in rows[1:-2]} == {3}
    assert "\\cmidrule(lr){2-3}" in text
    assert "\\textbf{75.00} & \\underline{20.00}" in text
    assert "a\\_b & 1" in text
    assert "Counts \\& more." in text


def test_a_page_is_whole_html():
    from html.parser import HTMLParser

    class Balanced(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    text = page([TABLE.by_model()], "a < b", "radar.png")
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert "<title>a &lt; b</title>" in text
    assert "<b>75.00</b>" in text


def test_one_model_on_a_terminal_has_its_interval():
    stream = StringIO()
    table = ScoreTable("t", "Title", COLUMNS, {"a": ROWS["a"]}, TABLE.baselines)
    show(table.by_column(), console=Console(file=stream, width=90))
    lines = stream.getvalue().splitlines()
    assert lines[2].split() == ["Sources"]
    assert lines[3].split() == ["NIs", "50.00", "40.0-60.0", "10", "90.00"]
    assert lines[4].split() == ["AIs", "-", "0", "-"]


def test_the_radar_shows_what_there_is():
    figure = draw_radar(COLUMNS, ROWS, TABLE.baselines)
    (axes,) = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert lines["b"] == pytest.approx([75.004, 20.0, 60.0, 75.004])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["NIs", "AIs", "Overall"]
    assert axes.get_ylim() == (0, 100)
    assert drawable(COLUMNS, {"a": ROWS["a"]}) == [0, 2]


@pytest.mark.parametrize(
    "name",
    ["![x](http://x.io/a.png)", "[click](http://x) *a* @you", "a\n| b | c |", "<img src=x>", "\x1b[31m\u202e", "`a`",
     "\\input{/etc/passwd}", "50 % $x^2$ #1 ~a_b"],
)  # fmt: skip
def test_a_models_name_is_text_in_every_form(name):
    """Names come from servers: no picture, link, mention, row, macro or escape sequence may come of them."""
    scores = ScoreTable(
        "t", name, [score_column(name, name)], {name: [MeanScore(50.0)], "b": [MeanScore(40.0)]}, {}, [name]
    )
    table = scores.by_model()
    counts = count_table("c", name, [name, "n"], [[name, "1"]])
    text = markdown([table, counts])
    assert not re.search(r"(?<!\\)[`\[\]*@]", text.replace("**50.00**", "").replace("*40.00*", ""))
    assert "http://" not in text
    assert "<img" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}
    tex = latex([table, counts])
    assert tex.isascii()
    assert "\\input" not in tex
    for written in (text, tex, page([table, counts], name)):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", written)
