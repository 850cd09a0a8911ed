"""The data of a benchmark: what is taken, and that all that is wrong is found at once, before anything is asked."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from editmetrics.benchmarks.qbench import FORMATS, BenchmarkError, ProblemsError, read_benchmark, reader
from editmetrics.benchmarks.qbench.fields import FieldError, answer_of, options_of, type_of


def problems(data, *arguments, **options):
    with pytest.raises(ProblemsError) as caught:
        read_benchmark(data, *arguments, **options)
    return caught.value.problems


def test_painted_questions_are_read(data):
    found = read_benchmark(data)
    rows = [json.loads(line) for line in (data / "questions.jsonl").read_text().splitlines()]
    assert [item.id for item in found.items] == [row["id"] for row in rows]
    for item, row in zip(found.items, rows, strict=True):
        assert (item.type, item.question, item.groups["source"]) == (row["type"], row["question"], row["source"])
        if item.type == "SC":
            assert [item.options[place] for place in item.answer] == [row["answer"]]
        if item.type == "MC":
            assert item.letters() == ", ".join(row["answer"])
        if item.type in ("TF", "OE"):
            assert item.answer == row["answer"]


def test_what_is_painted_is_what_is_said(data):
    """The disc of each image has the colour of the answer, looked for in the pixels."""
    colours = {"red": (200, 40, 40), "green": (40, 150, 60), "blue": (40, 70, 200), "yellow": (230, 200, 40)}
    asked = [item for item in read_benchmark(data).items if item.type == "SC"]
    assert asked
    for item in asked:
        pixels = np.asarray(Image.open(item.image), int)
        right = item.options[next(iter(item.answer))]
        nearest = {name: np.abs(pixels - np.array(colour)).sum(axis=2).min() for name, colour in colours.items()}
        ground = min(colours, key=lambda name: np.abs(pixels[0, 0] - np.array(colours[name])).sum())
        assert min((name for name in colours if name != ground), key=nearest.get) == right


def test_all_that_is_wrong_is_listed_at_once(data, rewrite):
    """One of each kind; nothing but the file is looked at."""

    def spoil(rows):
        choice = [row for row in rows if row["type"] == "SC"]
        several = [row for row in rows if row["type"] == "MC"]
        choice[0]["answer"] = "purple"
        choice[1]["options"] = ["red", "Red ", "blue"]
        several[0]["answer"] = ["A", "E"]
        next(row for row in rows if row["type"] == "TF")["answer"] = "maybe"
        del next(row for row in rows if row["type"] == "OE")["answer"]
        rows[-1]["image"] = "images/nowhere.png"
        rows[-2]["image"] = "../../etc/passwd"
        rows[-3]["source"] = "XYZ"
        rows[-4]["type"] = "QQ"
        rows[0]["dimenson"] = "Tech"
        rows.append({**rows[1], "id": "again"})
        rows.append({**rows[2]})

    rewrite(spoil)
    (data / "images" / "0003.png").write_bytes((data / "images" / "0003.png").read_bytes()[:60])
    (data / "images" / "0099.png.part").write_bytes(b"")
    with (data / "questions.jsonl").open("a") as file:
        file.write('{"id": "cut", "image": "images/00')
    found = problems(data)
    assert set(found) == {
        "unfinished downloads", "unknown columns", "types", "groups", "answers", "options", "rows that cannot be read",
        "images that are missing or cannot be read", "duplicate ids", "duplicate questions",
    }  # fmt: skip
    assert found["unknown columns"][0].startswith("'dimenson': Did you mean 'dimension'")
    assert any("'purple' is not among the options" in said for said in found["answers"])
    assert any("'E' is not among the options" in said for said in found["answers"])
    assert any("expected True or False" in said for said in found["answers"])
    assert any("has no answer" in said for said in found["answers"])
    assert found["options"][0].endswith("has the option 'Red' twice")
    images = "\n".join(found["images that are missing or cannot be read"])
    assert f"{data}/images/nowhere.png does not exist" in images
    assert "lies outside of" in images
    assert "0003.png" in images
    assert found["rows that cannot be read"][0].startswith("line 51 is not JSON")
    assert (
        "'0002' and 'again'" in found["duplicate questions"][0]
        or "'0001' and 'again'" in found["duplicate questions"][0]
    )


def test_the_message_lists_all_but_very_many(data, rewrite, monkeypatch):
    rewrite(lambda rows: [{**row, "image": f"images/{number}.bmp"} for number, row in enumerate(rows)])
    for shown, more in ((200, 0), (20, 28)):
        monkeypatch.setattr(reader, "SHOWN", shown)
        with pytest.raises(ProblemsError) as caught:
            read_benchmark(data)
        said = str(caught.value)
        assert "48 problems; nothing was asked" in said
        assert said.count(".bmp does not exist") == 48 - more
        assert (f"... and {more} more" in said) == (more > 0)
        assert len(caught.value.problems["images that are missing or cannot be read"]) == 48


@pytest.mark.parametrize("column", ["question", "type", "image", "source", "scope"])
def test_a_missing_column_is_said_once(data, rewrite, column):
    rewrite(lambda rows: [{key: value for key, value in row.items() if key != column} for row in rows])
    found = problems(data)
    assert found.pop("missing columns") == [
        f"no column {column!r} with the {column}; name another with --columns {column}=..."
    ]
    assert not found


def test_a_misspelt_column_is_recognised(data, rewrite):
    rewrite(lambda rows: [{("sorce" if key == "source" else key): value for key, value in row.items()} for row in rows])
    assert problems(data)["unknown columns"][0].startswith("'sorce': Did you mean 'source'")


def test_other_names_of_columns_and_those_that_are_ignored(data, rewrite):
    before = read_benchmark(data).items
    rewrite(
        lambda rows: [
            {**{("Q" if key == "question" else key): value for key, value in row.items()}, "note": "x"} for row in rows
        ]
    )
    layout = FORMATS["portrait"].with_columns({"question": "Q"}, frozenset({"note"}))
    assert read_benchmark(data, layout).items == before


def test_a_new_group_is_a_breakdown(data, rewrite):
    rewrite(lambda rows: [{**row, "country": "NZ"} for row in rows])
    found = read_benchmark(data, FORMATS["free"].with_columns({"place": "country"}))
    assert found.format.groups[-1] == "place"
    assert {item.groups["place"] for item in found.items} == {"NZ"}


def test_a_link_that_leaves_the_folder_is_not_followed(data, tmp_path):
    (tmp_path / "secret.png").write_bytes((data / "images" / "0000.png").read_bytes())
    (data / "images" / "0000.png").unlink()
    os.symlink(tmp_path / "secret.png", data / "images" / "0000.png")
    assert "lies outside of" in problems(data)["images that are missing or cannot be read"][0]


@pytest.mark.parametrize("path", ["/etc/hostname", "https://example.org/cat.png", "images/../../x.png", "images"])
def test_no_other_file_is_opened(data, rewrite, path):
    rewrite(lambda rows: [{**rows[0], "image": path}, *rows[1:]])
    (said,) = problems(data)["images that are missing or cannot be read"]
    assert "line 1" in said


def test_equal_images_of_other_names_are_one_image(data, rewrite):
    (data / "images" / "copy.png").write_bytes((data / "images" / "0001.png").read_bytes())
    rewrite(lambda rows: [*rows, {**rows[1], "id": "copy", "image": "images/copy.png"}])
    assert problems(data)["duplicate questions"] == ["'0001' and 'copy' ask the same about the same image"]


def test_a_copy_that_is_not_complete(data):
    assert read_benchmark(data).notes[0].endswith("48 questions, where a complete copy has 2,765")
    found = problems(data, complete=True)["not a complete copy"]
    assert "48 questions, where a complete copy has 2,765" in found
    assert any("MC, Global questions, where a complete copy has 431" in said for said in found)
    assert any("NIs, Tech questions, where a complete copy has 1,083" in said for said in found)
    assert any("Blur questions, where a complete copy has 805" in said for said in found)
    with pytest.raises(BenchmarkError, match="complete requires the format portrait"):
        read_benchmark(data, "q-bench", complete=True)


def test_a_sub_dimension_belongs_to_its_dimension(data, rewrite):
    rewrite(lambda rows: [{**rows[0], "dimension": "AIGC", "subdimension": "Blur"}, *rows[1:]])
    assert problems(data)["groups"] == [
        "line 1: its sub-dimension is Blur; expected one of Anatomy, Texture, Semantics for AIGC"
    ]


def test_nothing_there(tmp_path):
    with pytest.raises(BenchmarkError, match="does not exist"):
        read_benchmark(tmp_path / "nowhere")
    with pytest.raises(BenchmarkError, match=r"holds no questions\.jsonl and no table"):
        read_benchmark(tmp_path)
    (tmp_path / "questions.json").write_text('[{"id": 1, "image": "a.p')
    with pytest.raises(BenchmarkError, match="is its download complete"):
        read_benchmark(tmp_path)


@pytest.mark.parametrize(
    ("value", "kind", "options", "answer"),
    [
        ("B", "SC", ("x", "y"), {1}),
        ("b)", "SC", ("x", "y"), {1}),
        ("y", "SC", ("x", "y"), {1}),
        (["y"], "SC", ("x", "y"), {1}),
        ("B. y", "SC", ("x", "y"), {1}),
        ("A", "SC", ("A", "B"), {0}),
        ("AC", "MC", ("x", "y", "z"), {0, 2}),
        ("A; C", "MC", ("x", "y", "z"), {0, 2}),
        ('["x", "C"]', "MC", ("x", "y", "z"), {0, 2}),
        ("x", "MC", ("x", "y", "z"), {0}),
        ("x; z", "MC", ("x", "y", "z"), {0, 2}),
        (True, "TF", (), True),
        ("FALSE", "TF", (), False),
        ("It is grainy.", "OE", (), "It is grainy."),
    ],
)
def test_answers_are_letters_or_texts(value, kind, options, answer):
    found = answer_of(value, kind, options, False)
    assert found == (frozenset(answer) if isinstance(answer, set) else answer)


@pytest.mark.parametrize(
    ("value", "kind", "options"),
    [
        ("C", "SC", ("x", "y")),
        ("A, B", "SC", ("x", "y")),
        (["x", "y"], "SC", ("x", "y")),
        ("A", "SC", ("B", "A")),  # the text of one and the letter of another
        ("A, A", "MC", ("x", "y")),
        (["A", "x"], "MC", ("x", "y")),
        ("", "SC", ("x", "y")),
        ([], "MC", ("x", "y")),
        (1, "TF", ()),
        ("yes", "TF", ()),
        ("", "OE", ()),
        (3, "OE", ()),
    ],
)
def test_answers_that_are_none(value, kind, options):
    with pytest.raises(FieldError):
        answer_of(value, kind, options, False)


def test_options_and_types():
    assert options_of("A) High\nB) Medium\nC) Low", "SC") == ("High", "Medium", "Low")
    assert options_of('["x", "y"]', "MC") == ("x", "y")
    assert options_of(["A. x", "y"], "SC") == ("A. x", "y")  # not all are labelled
    for value, kind in ((["x"], "SC"), (None, "MC"), (["x", "y"], "OE"), (["x", "y"], "TF"), (3, "SC")):
        with pytest.raises(FieldError):
            options_of(value, kind)
    assert options_of(["True", "False"], "TF") == ()
    named = {"SC": "single-choice", "MC": "Multiple choice", "TF": "true/false", "OE": "open_ended"}
    assert {type_of(words, None) for words in named.values()} == set(named)
    assert [type_of(words, None) for words in named.values()] == list(named)
