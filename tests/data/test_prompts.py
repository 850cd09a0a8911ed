"""Every form a list of prompts may have says the same."""

from __future__ import annotations

import pytest

from editmetrics.data import DataError, read_prompts

EXPECTED = {"cat": "make it a dog, please", "animals/eel": "gib ihm Füße"}

FORMS = {
    "a.csv": 'name,prompt\ncat.jpg,"make it a dog, please"\n./animals/eel.png,gib ihm Füße\n',
    "b.csv": '\ufefffile_name,score,instruction\ncat,1,"make it a dog, please"\r\nanimals\\eel,2,gib ihm Füße\r\n\r\n',
    "c.jsonl": '{"image": "cat.png", "text": "make it a dog, please"}\n\n'
    '{"image": "animals/eel.png", "text": "gib ihm F\\u00fc\\u00dfe"}\n',
    "d.json": '{"cat": "make it a dog, please", "animals/eel.webp": "gib ihm Füße", "none": ""}',
    "e.json": '[{"id": "cat", "caption": "make it a dog, please"}, {"id": "animals/eel", "caption": "gib ihm Füße "}]',
    "f.txt": "cat\tmake it a dog, please\n\nanimals/eel.png\tgib ihm Füße\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(tmp_path, name):
    (tmp_path / name).write_bytes(FORMS[name].encode())
    assert read_prompts(tmp_path / name) == EXPECTED


def test_numbers_stay_what_they_are(tmp_path):
    (tmp_path / "a.csv").write_text("id,prompt\n007,red\n7,blue\n")
    (tmp_path / "b.jsonl").write_text('{"id": 7, "prompt": "blue"}\n')
    assert read_prompts(tmp_path / "a.csv") == {"007": "red", "7": "blue"}
    assert read_prompts(tmp_path / "b.jsonl") == {"7": "blue"}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "a.csv",
            b"name,prompt\ncat.jpg,red\ncat.png,blue\n",
            r"two prompts for cat: 'red' \(line 2\), 'blue' \(line 3\)",
        ),
        ("b.csv", b"name,prompt\ncat,red,blue\n", "line 2: has 3 cells where the first line names 2 columns"),
        (
            "c.csv",
            b"name,score\ncat,3\n",
            "no column 'prompt' with their prompts; its columns are name, score: .*--map prompt=name",
        ),
        (
            "d.csv",
            b"title,prompt\ncat,red\n",
            "no column 'name' with the names of images; its columns are title, prompt",
        ),
        ("e.csv", b"name,prompt\ncat,caf\xe9\n", "line 2: is not UTF-8 text"),
        ("f.csv", b'name,prompt\ncat,"red\ndog,blue\n', "from line 2 on: is not csv.*a quote may be missing"),
        ("g.jsonl", b'{"name": "cat", "prompt": "red"}\n{"name": \n', "line 2: is not JSON"),
        ("h.jsonl", b'{"name": "cat", "prompt": [3]}\n', "line 1: expected the name of an image and its prompt"),
        ("i.json", b'{"cat": "red"', "is not JSON"),
        ("j.json", b'"red"', "expected a list of objects"),
        ("k.json", b"[" * 100_000, "nested too deeply"),
        ("l.txt", b"cat make it red\n", "line 1: has no tab"),
        ("m.txt", b"cat\tred\n\xff\n", "line 2: is not UTF-8"),
        ("n.csv", b"\xff\xfen\0a", "no column 'name'|damaged UTF-16"),
        ("o.doc", b"", "is not a file of prompts; expected .csv, "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        read_prompts(tmp_path / name)
    assert name in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv cannot be read: No such file"):
        read_prompts(tmp_path / "none.csv")


def test_a_name_twice_with_the_same_prompt_is_fine(tmp_path):
    (tmp_path / "a.csv").write_text("name,prompt\ncat.jpg,red\ncat.png,red\n")
    assert read_prompts(tmp_path / "a.csv") == {"cat": "red"}
