"""The folder of results, several models side by side, and what is said of positions."""

import csv
import json
import re
from html.parser import HTMLParser

import pytest

from editmetrics.benchmarks.qbench import (
    AskOptions,
    BenchmarkError,
    ask,
    compare,
    read_benchmark,
    read_results,
    write_results,
)
from editmetrics.benchmarks.qbench.positions import position_tables
from editmetrics.benchmarks.qbench.tables import status_table
from editmetrics.wording import plural

from .scripted import right

FILES = {
    "answers.jsonl",
    "record.jsonl",
    "run.json",
    "tables.csv",
    "tables.html",
    "tables.md",
    "tables.tex",
    "radar.png",
}


def made(data, folder, model, judge=None, **options):
    outcomes, about = ask(read_benchmark(data), model, folder, judge=judge or model, options=AskOptions(**options))
    return write_results(folder, outcomes, about)


def csv_of(folder):
    with (folder / "tables.csv").open(newline="") as file:
        return {(row["table"], row["row"], row["group"], row["column"]): row for row in csv.DictReader(file)}


def test_the_folder_holds_everything(data, tmp_path, model, oracle):
    folder = tmp_path / "out"
    oracle.say = lambda item, shown: "A" if item.type == "SC" else right(item, shown)
    report = made(data, folder, model())
    assert {path.name for path in folder.iterdir()} >= FILES
    assert (folder / "radar.png").read_bytes().startswith(b"\x89PNG")
    lines = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == 48
    rows = csv_of(folder)
    for kind in ("SC", "MC", "TF", "OE"):
        scores = [line["score"] for line in lines if line["type"] == kind]
        row = rows["table3", "judge", "Question types", kind]
        assert float(row["score"]) == pytest.approx(100 * sum(scores) / len(scores))
        assert int(row["n"]) == len(scores)
        assert float(row["low"]) <= float(row["score"]) <= float(row["high"])
    overall = rows["table3", "judge", "", "Overall"]
    assert float(overall["score"]) == pytest.approx(100 * sum(line["score"] for line in lines) / 48)
    guess = rows["table3", "Random guess", "", "Overall"]
    closed = [line["chance"] for line in lines if line["chance"]]
    assert float(guess["score"]) == pytest.approx(100 * sum(closed) / len(closed))
    run = json.loads((folder / "run.json").read_text())
    assert [one["served"] for one in run["answered"]] == ["judge-2026-01-01"] * 2
    assert report.picture == folder / "radar.png"


def test_every_number_is_in_every_form(data, tmp_path, model, oracle):
    folder = tmp_path / "out"
    oracle.say = lambda item, shown: "A" if item.type in ("SC", "MC") else right(item, shown)
    made(data, folder, model())
    texts = {name: (folder / f"tables.{name}").read_text() for name in ("html", "tex", "md")}
    for (_, row, _, column), cells in csv_of(folder).items():
        for text in texts.values():
            assert re.escape(column).replace("\\", "") in text.replace("\\", "")
            if cells["score"]:
                assert f"{float(cells['score']):.2f}" in text, (row, column)


def test_names_cannot_break_out_of_a_page_or_a_paper(data, tmp_path, model, server, oracle):
    server.models = ["x"]
    name = '<script>alert("1")</script>_50%&\\input{a}|b'
    folder = tmp_path / "out"
    made(data, folder, model(name))

    class Tags(HTMLParser):
        found: set = set()  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            self.found.add(tag)

    Tags().feed((folder / "tables.html").read_text())
    assert "script" not in Tags.found
    tex = (folder / "tables.tex").read_text()
    assert "\\input{a}" not in tex
    assert "\\_50\\%\\&" in tex
    head = next(line for line in (folder / "tables.md").read_text().splitlines() if "script" in line)
    assert "\\|b" in head or "|b" not in head


def test_results_are_read_as_they_were_written(data, tmp_path, model, oracle):
    outcomes, about = ask(read_benchmark(data), model(), tmp_path / "out", judge=model())
    write_results(tmp_path / "out", outcomes, about)
    found = read_results(tmp_path / "out")
    assert (found.name, found.outcomes) == ("judge", outcomes)
    with pytest.raises(BenchmarkError, match="does not hold finished results"):
        read_results(tmp_path)


def test_any_words_of_a_model_are_kept(data, tmp_path, model, oracle):
    """Lines within an answer, half a character, control characters: a line of the file is still a line, and is read."""
    words = {"SC": "B\u2028\x85\nnoise", "MC": "A \ud800", "TF": "True\x00", "OE": "naïve 😀 \udfff"}
    oracle.say = lambda item, shown: words[item.type]
    outcomes, about = ask(read_benchmark(data), model(), tmp_path / "out", judge=model())
    assert {outcome.raw for outcome in outcomes} == set(words.values())
    assert {o.status for o in outcomes if o.type in ("MC", "TF")} == {"unparseable"}
    assert {o.score for o in outcomes if o.type == "OE"} == {None}  # half a character cannot be sent to the judge
    write_results(tmp_path / "out", outcomes, about)
    assert read_results(tmp_path / "out").outcomes == outcomes
    again, _ = ask(read_benchmark(data), model(), tmp_path / "out", judge=model())
    assert again == outcomes


def test_models_side_by_side(data, tmp_path, model, server, oracle):
    made(data, tmp_path / "a", model("good"), model())
    oracle.say = lambda item, shown: "A" if item.type in ("SC", "MC") else right(item, shown)
    made(data, tmp_path / "b", model("worse"), model())
    report = compare([tmp_path / "b", tmp_path / "a"], tmp_path / "both")
    table = report.scores[0]
    assert list(table.rows) == ["worse", "good"]
    assert table.ranks(len(table.columns) - 1) == {"good": "best", "worse": "second"}
    differences = report.counts[0]
    assert [row[0] for row in differences.rows] == ["good", "worse"]
    own = [float(row[2]) for row in differences.rows]
    assert float(differences.rows[1][3]) == pytest.approx(own[1] - own[0], abs=0.011)
    low, high = map(float, differences.rows[1][4].split(" to "))
    assert low < own[1] - own[0] < high < 0
    assert {"tables.csv", "tables.html", "tables.md", "tables.tex", "radar.png"} == {
        p.name for p in (tmp_path / "both").iterdir()
    }
    assert "\\textbf{" in (tmp_path / "both" / "tables.tex").read_text()
    assert compare([tmp_path / "a"]).picture is None


def test_only_the_same_questions_are_compared(data, rewrite, tmp_path, model, oracle):
    made(data, tmp_path / "a", model())
    rewrite(lambda rows: rows[:-3])
    made(data, tmp_path / "b", model())
    with pytest.raises(BenchmarkError, match="0 only in the former, 3 only in the latter"):
        compare([tmp_path / "a", tmp_path / "b"])


def test_two_runs_of_one_model_are_told_apart(data, tmp_path, model, oracle):
    for name in "ab":
        made(data, tmp_path / name, model(temperature=0.5 if name == "a" else 0.7))
    assert list(compare([tmp_path / "a", tmp_path / "b"]).scores[0].rows) == ["judge (a)", "judge (b)"]
    with pytest.raises(BenchmarkError, match="was named twice"):
        compare([tmp_path / "a", tmp_path / "a"])


def test_what_makes_numbers_hard_to_compare_is_said(data, tmp_path, model, server, oracle):
    made(data, tmp_path / "a", model("one"), model())
    reply = oracle.reply

    def later(said):
        answer = reply(said)
        answer.body["model"] = "judge-2027-01-01"
        return answer

    oracle.reply = later
    made(data, tmp_path / "b", model("two", cache=False), model(cache=False))
    notes = compare([tmp_path / "a", tmp_path / "b"]).scores[0].notes
    assert "open answers were judged by different models: judge-2026-01-01, judge-2027-01-01" in notes


def test_missing_scores_are_said_beside_the_numbers(data, tmp_path, model, oracle):
    outcomes, about = ask(read_benchmark(data), model(), tmp_path / "out")
    report = write_results(tmp_path / "out", outcomes, about)
    without = sum(outcome.type == "OE" for outcome in outcomes)
    assert f"{plural(without, 'open-ended question')} left out, without a judge (judge)" in report.scores[0].notes
    assert report.scores[0].rows["judge"][-1].n == 48 - without
    assert report.scores[0].rows["judge"][-2].mean is None


def test_how_answers_were_read_is_counted(data, tmp_path, model, oracle):
    said = iter(["B", "**B**", "I'm sorry, I can't help.", "Well"] + ["B"] * 100)
    oracle.say = lambda item, shown: next(said) if item.type == "SC" else right(item, shown)
    outcomes, _ = ask(read_benchmark(data), model(parallel=1), tmp_path / "out", judge=model())
    rows = {row[1]: row[2:] for row in status_table({"m": outcomes}).rows}
    number = int(rows["SC"][0])
    assert rows["SC"] == [str(number), str(number - 3), "1", "1", "1", "0", "0"]
    assert rows["all"][0] == "48"


# ---------------------------------------------------------------------- positions


def positions(data, tmp_path, model, shuffle=4):
    outcomes, _ = ask(read_benchmark(data), model(), tmp_path / "out", options=AskOptions(shuffle=shuffle))
    return {table.name: table for table in position_tables(outcomes)}


def test_who_always_says_a_is_right_where_the_right_one_stands_first(data, tmp_path, model, oracle):
    oracle.say = lambda item, shown: "A" if item.options else right(item, shown)
    found = positions(data, tmp_path, model)
    rows = found["positions_sc"].rows
    assert [row[2] for row in rows] == ["100.00", "0.00", "0.00", "0.00"]
    assert [row[4] for row in rows] == ["100.00", "0.00", "0.00", "0.00"]
    assert len({row[1] for row in rows}) == 1, "each place holds the right one equally often"
    assert {row[5] for row in rows} == {"25.00"}
    assert found["positions_sc"].notes == ["Spread of the accuracy over places: 100.00 points."]
    consistency = {row[0]: row for row in found["consistency"].rows}
    assert consistency["SC"][2:4] == ["0.00", "0.00"]


def test_who_knows_has_no_bias(data, tmp_path, model, oracle):
    found = positions(data, tmp_path, model)
    assert {row[2] for row in found["positions_sc"].rows} == {"100.00"}
    assert [row[2:] for row in found["positions_mc"].rows] == [["100.00", "0.00"]] * 4
    assert {tuple(row[2:]) for row in found["consistency"].rows} == {("100.00",) * 5}


def test_no_rounds_no_positions(data, tmp_path, model, oracle):
    assert positions(data, tmp_path, model, shuffle=0) == {}


def test_shuffled_rounds_do_not_enter_the_tables(data, tmp_path, model, oracle):
    oracle.say = lambda item, shown: "A" if item.options else right(item, shown)
    plain = made(data, tmp_path / "a", model())
    shuffled = made(data, tmp_path / "b", model(), shuffle=2)
    assert plain.scores[0].rows == shuffled.scores[0].rows
    lines = (tmp_path / "b" / "shuffled.jsonl").read_text().splitlines()
    assert {json.loads(line)["round"] for line in lines} == {1, 2}
