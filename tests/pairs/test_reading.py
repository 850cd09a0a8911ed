"""Logs of battles in every layout, and what in them cannot be battles."""

import csv
import json

import pytest

from editmetrics.files.text import DataError
from editmetrics.pairs import ArenaError, read_battles
from editmetrics.pairs.battles import BATTLE_OUTCOMES


def write(path, *rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def outcomes(battles):
    return [(battles.systems[a], battles.systems[b], BATTLE_OUTCOMES[o])
            for a, b, o in zip(battles.first, battles.second, battles.outcome, strict=True)]  # fmt: skip


@pytest.mark.parametrize(
    ("winner", "outcome"),
    [
        ("model_a", "win"), ("b", "loss"), ("Left", "win"), ("ours", "win"), ("theirs", "loss"), ("tie", "tie"),
        ("tie (bothbad)", "tie"), ("both_bad", "tie"), ("Inconsistent", "inconsistent"),
    ],
)  # fmt: skip
def test_winners_in_words(tmp_path, winner, outcome):
    log = write(tmp_path / "l.csv", ["model_a", "model_b", "winner"], ["ours", "theirs", winner])
    assert outcomes(read_battles(log)) == [("ours", "theirs", outcome)]


def test_a_system_that_is_called_tie_or_b_is_a_system(tmp_path):
    log = write(tmp_path / "l.csv", ["system_a", "system_b", "winner"], ["b", "tie", "b"], ["b", "tie", "tie"])
    assert outcomes(read_battles(log)) == [("b", "tie", "win"), ("b", "tie", "loss")]


def test_lmarenas_votes_and_what_is_left_out(tmp_path):
    rows = [["q1", "x", "y", "model_a"], ["q2", "x", "y", "tie"], ["q3", "x", "y", ""], ["q4", "x", "", "model_a"],
            ["q1", "x", "y", "model_a"], ["q5", "x", "y", "maybe"], ["q6", "x", "y", "b", "one more"]]  # fmt: skip
    battles = read_battles(write(tmp_path / "l.csv", ["question_id", "model_a", "model_b", "winner"], *rows))
    assert outcomes(battles) == [("x", "y", "win"), ("x", "y", "tie")]
    assert battles.left_out == {
        "no winner": 1, "a system without a name": 1, "repeated": 1, "the winner is 'maybe'": 1,
        "the row cannot be read": 1,
    }  # fmt: skip
    assert battles.positions
    assert (battles.shown_first.sum(), battles.shown_second.sum()) == (1, 0)


def test_lmarenas_columns_of_ones(tmp_path):
    head = ["id", "model_a", "model_b", "winner_model_a", "winner_model_b", "winner_tie"]
    log = write(tmp_path / "l.csv", head, [1, "x", "y", 1, 0, 0], [2, "x", "y", 0, 1, 0], [3, "x", "y", 0, 0, 1],
                [4, "x", "y", 0, 0, 0], [5, "x", "y", 1, 0, 1])  # fmt: skip
    battles = read_battles(log)
    assert [outcome for *_, outcome in outcomes(battles)] == ["win", "loss", "tie"]
    assert battles.left_out == {"no winner": 2}


def genarena(folder, name, *rows):
    folder.mkdir(parents=True, exist_ok=True)
    keys = ("model_a", "model_b", "sample_index", "final_winner", "is_consistent")
    (folder / name).write_text("".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows))


def test_genarenas_part_is_known_from_inside_its_folder(tmp_path, monkeypatch):
    for experiment in ("exp", "again"):
        genarena(tmp_path / "basic" / "pk_logs" / experiment, "x_vs_y.jsonl", ("x", "y", 0, "x", True))
    monkeypatch.chdir(tmp_path / "basic")
    battles = read_battles("pk_logs")
    assert (battles.tasks.tolist(), battles.left_out) == (["basic"], {"repeated": 1})


def test_genarenas_folders(tmp_path):
    """As genarena 0.1.2 writes them: PART/pk_logs/EXPERIMENT/a_vs_b.jsonl, and raw outputs beside."""
    logs = tmp_path / "basic" / "pk_logs" / "exp"
    genarena(logs, "x_vs_y.jsonl", ("x", "y", 0, "x", True), ("x", "y", 1, "tie", False), ("x", "y", 2, "tie", True))
    genarena(tmp_path / "basic" / "pk_logs" / "again", "x_vs_y.jsonl", ("x", "y", 0, "x", True))
    genarena(tmp_path / "reasoning" / "pk_logs" / "exp", "x_vs_z.jsonl", ("x", "z", 0, "z", True))
    genarena(logs / "raw_outputs", "x_vs_y.jsonl", ("x", "y", 0, "y", True))
    battles = read_battles(tmp_path)
    assert sorted(outcomes(battles)) == [
        ("x", "y", "inconsistent"), ("x", "y", "tie"), ("x", "y", "win"), ("x", "z", "loss"),
    ]  # fmt: skip
    assert battles.left_out == {"repeated": 1}
    assert sorted(battles.tasks.tolist()) == ["basic"] * 3 + ["reasoning"]
    assert battles.clusters.max() == 3, "sample 0 of two parts is two sources"
    assert battles.both_orders.all()
    assert battles.shown_first.sum() == 0, "in which position an inconsistent judge believed is not logged"


def test_tables_of_an_arena_with_two_judges(tmp_path):
    head = ["id", "system", "rival_system", "source", "one.outcome", "one.orders", "two.outcome", "two.orders"]
    log = write(tmp_path / "l.csv", head, ["s1", "x", "y", "s1", "win", "1, 1", "inconsistent", "1, -1"],
                ["s2", "x", "y", "s2", "tie", "0, 0", "", ""])  # fmt: skip
    battles = read_battles(log)
    assert [outcome for *_, outcome in outcomes(battles)] == ["win", "inconsistent", "tie"]
    assert battles.judges.tolist() == ["one", "two", "one"]
    assert (battles.shown_first.sum(), battles.shown_second.sum()) == (3, 1)


@pytest.mark.parametrize(("winner", "positions"), [("model_a", True), ("x", False), ("win", False)])
def test_a_log_of_names_may_list_its_winners_first(tmp_path, winner, positions):
    log = write(tmp_path / "l.csv", ["model_a", "model_b", "winner"], *[["x", "y", winner]] * 9, ["y", "x", "tie"])
    battles = read_battles(log)
    assert (battles.positions, battles.shown_first.sum()) == (positions, 9 * positions)


def test_preferences_are_numbers(tmp_path):
    log = write(tmp_path / "l.csv", ["left", "right", "preference"], ["x", "y", 0.4], ["x", "y", -1], ["x", "y", 0],
                ["x", "y", 7])  # fmt: skip
    battles = read_battles(log)
    assert [outcome for *_, outcome in outcomes(battles)] == ["win", "loss", "tie"]
    assert battles.left_out == {"the winner is '7'": 1}


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (["model_a", "winner"], "no column system_b among model_a, winner"),
        (["model_a", "model_b", "score"], "no column winner"),
    ],
)
def test_tables_that_are_no_logs(tmp_path, head, message):
    with pytest.raises(DataError, match=message):
        read_battles(write(tmp_path / "l.csv", head, ["x", "y", "z"][: len(head)]))


def test_nothing_to_read(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_battles(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"holds no \.jsonl"):
        read_battles(tmp_path)
    with pytest.raises(ArenaError, match="no battle to rank"):
        read_battles(write(tmp_path / "l.csv", ["model_a", "model_b", "winner"], ["x", "y", "perhaps"]))
