"""The layouts of Q-Bench, A-Bench and AesBench, as their authors publish them, and in which words they ask."""

import json

import polars
import pytest
from PIL import Image

from editmetrics.benchmarks.qbench import ProblemsError, ask, read_benchmark, write_results


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "bench" / "images").mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (16, 16), (60 * number, 20, 200)).save(tmp_path / "bench" / "images" / f"{number}.png")
    return tmp_path / "bench"


Q_BENCH = [
    {"img_path": "0.png", "question": "Is it blurred?", "candidates": ["Yes", "No"], "correct_ans": "No", "type": 0,
     "concern": 0},
    {"img_path": "1.png", "question": "How sharp is it?", "candidates": ["Not", "Fairly", "Very"],
     "correct_ans": "Very", "type": 1, "concern": 3},
]  # fmt: skip


def test_q_bench(folder):
    (folder / "llvisionqa_dev.json").write_text(json.dumps(Q_BENCH))
    found = read_benchmark(folder, "q-bench")
    assert [item.letters() for item in found.items] == ["B", "C"]
    assert [dict(item.groups) for item in found.items] == [
        {"kind": "Yes/No", "concern": "Global distortion"},
        {"kind": "How", "concern": "Local other"},
    ]
    said = found.format.prompts.ask(found.items[0], (0, 1))
    assert said == "Is it blurred?\nChoose between one of the options as follows:\nA. Yes\nB. No\n"


def test_q_bench_as_a_table_of_options(folder):
    rows = [
        {"id": 7, "image": "0.png", "question": "Is it?", "option0": "Yes", "option1": "No", "option2": "N/A",
         "option3": "N/A", "question_type": 2, "question_concern": 1, "correct_choice": "A"},
    ]  # fmt: skip
    polars.DataFrame(rows).write_parquet(folder / "dev.parquet")
    (item,) = read_benchmark(folder / "dev.parquet", "q-bench").items
    assert (item.id, item.options, item.letters(), item.groups["kind"]) == ("7", ("Yes", "No"), "A", "What")


A_BENCH = [
    {"img_path": "2.png", "question": "What colour is it?", "answers": ["white", "yellow", "blue"],
     "category": "part1 -> basic_recognition -> major", "correct_ans": "blue"},
]  # fmt: skip


def test_a_bench(folder):
    (folder / "Abench.json").write_text(json.dumps(A_BENCH))
    found = read_benchmark(folder, "a-bench")
    (item,) = found.items
    assert dict(item.groups) == {"part": "part1", "area": "basic_recognition", "category": "major"}
    assert item.letters() == "C"
    assert found.format.prompts.ask(item, (0, 1, 2)) == (
        "What colour is it?\nA. white\nB. yellow\nC. blue\n"
        "Answer with the option's letter from the given choices directly."
    )


def test_a_bench_without_its_answers_which_are_not_published(folder):
    rows = [{key: value for key, value in A_BENCH[0].items() if key != "correct_ans"}]
    (folder / "Abench.json").write_text(json.dumps(rows))
    with pytest.raises(ProblemsError, match="--unanswered"):
        read_benchmark(folder, "a-bench")
    found = read_benchmark(folder, "a-bench", unanswered=True)
    assert found.items[0].answer is None
    assert found.notes == ("1 question without an answer in the file: asked, and not scored",)


AES = {
    "0.png": {
        "AesP_data": {"Question": "Is it bright?", "Options": "A) Yes\nB) No", "Answer": "A"},
        "AesE_data": {"Question": "What does it evoke?", "Options": "A) Joy\nB) Calm\nC) Fear", "Answer": "C) Fear"},
        "AesI_data": {"Question": "Why is it beautiful?", "Answer": "For its colour."},
    },
    "1.png": {"AesP_data": {"Question": "Is it bright?", "Options": "A) Yes\nB) No", "Answer": "No"}},
}


def test_aesbench(folder):
    (folder / "AesBench_evaluation.json").write_text(json.dumps(AES))
    found = read_benchmark(folder, "aesbench")
    assert [item.id for item in found.items] == ["0.png#AesP", "0.png#AesE", "0.png#AesI", "1.png#AesP"]
    assert [item.type for item in found.items] == ["SC", "SC", "OE", "SC"]
    assert [item.letters() for item in found.items] == ["A", "C", "For its colour.", "B"]
    assert found.format.prompts.ask(found.items[0], (0, 1)) == (
        "Is it bright? Choose one from the following options:\nA) Yes\nB) No\n"
        "You should output a correct option without explanation."
    )


def test_tables_by_group(folder, tmp_path, server, model):
    from .scripted import Oracle

    (folder / "AesBench_evaluation.json").write_text(json.dumps(AES))
    found = read_benchmark(folder, "aesbench")
    oracle = Oracle([found.items[0], found.items[3]])
    server.answer = lambda request: oracle.reply(
        "Score: 1" if isinstance(request.body["messages"][-1]["content"], str) else "A"
    )
    outcomes, about = ask(found, model(), tmp_path / "out", judge=model())
    report = write_results(tmp_path / "out", outcomes, about)
    assert [table.name for table in report.scores] == ["overall", "part"]
    parts = dict(
        zip((column.heading for column in report.scores[1].columns), report.scores[1].rows["judge"], strict=True)
    )
    assert {name: value.mean for name, value in parts.items()} == {"AesE": 0.0, "AesI": 50.0, "AesP": 50.0}
    assert report.scores[0].rows["judge"][-1].mean == pytest.approx(100 * 1.5 / 4)


@pytest.mark.parametrize(("name", "rows"), [("aesbench", []), ("q-bench", {}), ("a-bench", [1])])
def test_another_layout_is_named(folder, name, rows):
    (folder / "questions.json").write_text(json.dumps(rows))
    with pytest.raises(ValueError, match=f"does not have the layout {name}"):
        read_benchmark(folder, name)


def test_codes_that_are_not_known(folder):
    (folder / "questions.json").write_text(json.dumps([{**Q_BENCH[0], "concern": 4}]))
    with pytest.raises(ProblemsError, match="its concern is '4'; expected one of Global distortion"):
        read_benchmark(folder, "q-bench")
