"""Scores against people's preferences: counted by hand, calibrated by brute force, tested in pairs."""

import csv
import itertools

import numpy as np
import pytest

from editmetrics.agreement import AgreementError
from editmetrics.agreement.preferences import calibrated_threshold, predictions, preference_accuracy
from editmetrics.evaluation.preferences import WITH, WITHOUT, evaluate_preferences
from editmetrics.files.text import DataError

SCORES = {"id": ["p", "q", "r", "s"], "psnr": [20.0, 21.0, 30.0, None], "lpips": [0.5, 0.4, 0.45, 0.1]}
PEOPLE = {
    "id_a": ["p", "q", "p", "p", "r"], "id_b": ["q", "r", "r", "s", "q"],
    "winner": ["tie", "r", "b", "a", "q"], "task": ["k", "k", "t", "t", "t"],
}  # fmt: skip


def test_accuracy_is_as_counted():
    """psnr: p-q is a tie of people, q-r and p-r are right, r-q is wrong, p-s has no score. lpips is lower is better."""
    found = evaluate_preferences(SCORES, PEOPLE)
    line = found.line("psnr", WITHOUT)
    assert (line.value, line.n, line.excluded) == (2 / 3, 3, 2)
    line = found.line("psnr", WITH)
    assert (line.value, line.n, line.excluded) == (3 / 4, 4, 1)
    assert any(note == "psnr: differences up to 5 are ties" for note in found.notes)  # midway between 1 and 9
    assert found.value("lpips", WITHOUT) == 2 / 4  # right of p-r and r-q
    assert found.complete


def test_ties_of_scores_are_wrong_where_people_see_none():
    found = evaluate_preferences({"id": ["p", "q"], "mine": [1, 1]}, {"chosen": ["p"], "rejected": ["q"]})
    assert found.value("mine", WITHOUT) == found.value("mine", WITH) == 0


@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_is_better_than_the_calibrated_one(seed):
    """Against every threshold that predicts something else."""
    rng = np.random.default_rng(seed)
    people = rng.integers(-1, 2, 60).astype(float)
    gap = np.round(people + rng.normal(0, 0.7, 60), 1)
    best = preference_accuracy(predictions(gap, calibrated_threshold(gap, people)), people)
    brute = [np.mean(np.where(np.abs(gap) <= t, 0, np.sign(gap)) == people) for t in [0, *np.unique(np.abs(gap))]]
    assert best == pytest.approx(max(brute))


def test_groups_are_averaged_and_intervals_cover_clusters(tmp_path):
    rng = np.random.default_rng(0)
    ids = [f"i{n}" for n in range(40)]
    quality = rng.normal(size=40)
    scores = {"id": ids, "good": quality + rng.normal(0, 0.3, 40), "poor": quality + rng.normal(0, 3, 40)}
    pairs = [pair for pair in itertools.combinations(range(40), 2) if sum(pair) % 5 == 0 for _ in range(4)]
    people = {
        "id_a": [ids[a] for a, _ in pairs], "id_b": [ids[b] for _, b in pairs],
        "winner": ["a" if quality[a] > quality[b] else "b" for a, b in pairs],
        "task": ["kt"[a % 2] for a, _ in pairs], "source": [f"s{a}-{b}" for a, b in pairs],
    }  # fmt: skip
    options = {"group_by": ["task"], "cluster": "source", "replicates": 200, "against": "poor"}
    found = evaluate_preferences(scores, people, higher_is_better=["good", "poor"], **options)
    line = found.line("good", WITHOUT)
    assert line.low < line.value < line.high
    alone = evaluate_preferences(scores, people, higher_is_better=["good", "poor"], replicates=200)
    narrow = alone.line("good", WITHOUT)
    assert line.high - line.low > 1.5 * (narrow.high - narrow.low), "each pair stands four times, and counts once"
    tasks = [found.value("good", WITHOUT, group=f"task={name}") for name in "kt"]
    assert found.value("good", WITHOUT, group="average over task") == pytest.approx(np.mean(tasks))
    (test, _) = found.comparisons
    gap = found.value("good", WITHOUT) - found.value("poor", WITHOUT)
    assert (test.measure, test.difference) == (WITHOUT, pytest.approx(gap))
    assert test.low > 0
    assert test.p < 0.05
    assert 0 < test.minimum_detectable < 0.4


def test_rankings_are_all_their_pairs():
    people = {"group": ["x"] * 3 + ["y"] * 2, "id": ["p", "q", "r", "p", "s"], "rank": [3, 2, 1, 1, 1]}
    found = evaluate_preferences(SCORES, people, replicates=0)
    assert (found.value("psnr", WITHOUT), found.line("psnr", WITHOUT).n) == (1.0, 3)
    assert found.line("lpips", WITH).n == 4
    assert found.value("lpips", WITHOUT) == 2 / 3


def test_systems_and_items_name_pairs_too():
    scores = {"id": ["x/1", "y/1", "x/2", "y/2"], "system": list("xyxy"), "psnr": [10, 20, 30, 20]}
    people = {"system_a": ["x", "y"], "system_b": ["y", "x"], "item": ["1", "2"], "winner": ["y", "y"]}
    assert evaluate_preferences(scores, people).value("psnr", WITHOUT) == 0.5


def test_a_name_of_several_rows_is_refused_and_not_the_first_of_them():
    scores = {"id": ["1", "1", "2", "2"], "system": list("xyxy"), "source": ["s"] * 4, "psnr": [10, 20, 30, 20]}
    by_system = {"system_a": ["x", "y"], "system_b": ["y", "x"], "item": ["1", "2"], "winner": ["y", "y"]}
    assert evaluate_preferences(scores, by_system).value("psnr", WITHOUT) == 0.5
    with pytest.raises(AgreementError, match="are named 1, 2"):
        evaluate_preferences(scores, {"id_a": ["1"], "id_b": ["2"], "winner": ["a"]})
    with pytest.raises(AgreementError, match="are named x/s, y/s"):
        evaluate_preferences(scores, {**by_system, "item": ["s", "s"]})


def test_judges_of_an_arena_are_wrong_where_they_contradict_themselves():
    log = {
        "id": ["1", "2", "3", "4"], "system": ["x"] * 4, "rival_system": ["y"] * 4, "source": ["s1", "s2", "s3", "s4"],
        "j.preference": [1, -1, 0, 0], "j.outcome": ["win", "loss", "inconsistent", "tie"],
    }  # fmt: skip
    people = {"system_a": ["x", "y", "y", "x"], "system_b": ["y", "x", "x", "y"], "item": ["s1", "s2", "s3", "s4"],
              "winner": ["x", "y", "tie", "tie"]}  # fmt: skip
    found = evaluate_preferences(log, people)
    assert found.value("j", WITHOUT) == 1
    assert found.value("j", WITH) == 3 / 4
    assert any("contradicts itself in 1 pair, which counts as wrong" in note for note in found.notes)


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ({"id_a": ["p"], "id_b": ["q"]}, "neither votes .* nor rankings"),
        ({"id_a": ["p"], "winner": ["a"]}, "neither votes"),
        ({"id_a": ["p"], "id_b": ["q"], "winner": ["perhaps"]}, "no pair with a winner"),
        ({"id_a": ["x"], "id_b": ["y"], "winner": ["a"]}, "no pair has both items"),
        ({"system_a": ["x"], "system_b": ["y"], "winner": ["a"]}, "add a column item"),
        ({"group": ["x"], "id": ["p"], "rank": [1]}, "no pair with a winner"),
    ],
)
def test_tables_that_are_no_preferences(people, message):
    with pytest.raises((AgreementError, DataError), match=message):
        evaluate_preferences(SCORES, people)


def test_two_raters_rankings_of_one_group_are_two_rankings():
    """One of them is right in all three pairs, the other in none; ranked as one list they would be half right."""
    people = {"rater": ["ann"] * 3 + ["ben"] * 3, "group": ["x"] * 6, "item": ["p", "q", "r"] * 2}
    people["rank"] = [3, 2, 1, 1, 2, 3]
    found = evaluate_preferences(SCORES, people, replicates=0)
    assert (found.value("psnr", WITHOUT), found.line("psnr", WITHOUT).n) == (0.5, 6)
    people["rater"] = ["ann"] * 3 + [None] * 3
    found = evaluate_preferences(SCORES, people, replicates=0)
    assert (found.value("psnr", WITHOUT), found.line("psnr", WITHOUT).n) == (1.0, 3)
    assert any("3 (by an unknown rater)" in note for note in found.notes)


def test_a_source_names_what_two_systems_edited_rather_than_the_battle_s_own_id():
    people = {"id": ["1", "2"], "source": ["s1", "s2"], "system_a": ["x", "x"], "system_b": ["y", "y"],
              "winner": ["x", "y"]}  # fmt: skip
    scores = {"id": list("pqrs"), "system": list("xyxy"), "source": ["s1", "s1", "s2", "s2"], "psnr": [2, 1, 1, 2]}
    assert evaluate_preferences(scores, people, replicates=0).value("psnr", WITHOUT) == 1


def test_a_system_called_b_that_was_shown_first_wins_by_its_name():
    people = {"system_a": ["b"], "system_b": ["a"], "item": ["1"], "winner": ["b"]}
    scores = {"id": ["a/1", "b/1"], "system": ["a", "b"], "psnr": [1, 2]}
    assert evaluate_preferences(scores, people, replicates=0).value("psnr", WITHOUT) == 1


@pytest.mark.parametrize("rank", [float("nan"), "inf", "first"])
def test_a_rank_that_has_no_place_among_others_is_left_out(rank):
    people = {"group": ["x"] * 4, "item": ["p", "s", "q", "r"], "rank": [3, rank, 2, 1]}
    found = evaluate_preferences(SCORES, people, replicates=0)
    assert (found.value("psnr", WITHOUT), found.line("psnr", WITH).n) == (1.0, 3)
    assert any("left out: 1 (no item, group or rank)" in note for note in found.notes)


def test_an_image_against_itself_and_a_ranking_that_has_one_twice_say_nothing():
    people = {"id_a": ["p", "p"], "id_b": ["p", "q"], "winner": ["a", "q"]}
    found = evaluate_preferences(SCORES, people, replicates=0)
    assert (found.value("psnr", WITHOUT), found.line("psnr", WITHOUT).n) == (1.0, 1)
    assert any("left out: 1 (an image against itself)" in note for note in found.notes)
    two_people = {"group": ["x"] * 4 + ["y"] * 2, "item": ["p", "q", "q", "r", "r", "p"], "rank": [2, 1, 1, 2, 1, 2]}
    found = evaluate_preferences(SCORES, two_people, replicates=0)
    assert (found.value("psnr", WITHOUT), found.line("psnr", WITHOUT).n) == (1.0, 1)
    assert any("left out: 4 (of a ranking that has an image twice)" in note for note in found.notes)


def test_infinite_scores_are_equal_to_each_other_and_more_than_finite_ones():
    """The PSNR of an edit that equals its reference."""
    scores = {"id": ["p", "q", "r"], "psnr": [float("inf"), "inf", 30.0]}
    people = {"id_a": ["p", "p", "r"], "id_b": ["q", "r", "q"], "winner": ["tie", "p", "r"]}
    found = evaluate_preferences(scores, people, replicates=0)
    assert (found.value("psnr", WITHOUT), found.value("psnr", WITH)) == (1 / 2, 2 / 3)
    assert (found.line("psnr", WITH).excluded, [note for note in found.notes if "no psnr" in note]) == (0, [])


def test_a_judge_that_was_asked_twice_about_a_pair_and_changed_its_mind_is_refused():
    log = {"system": ["x", "y", "x"], "rival_system": ["y", "x", "y"], "source": ["s", "s", "t"],
           "edited": ["x1", "y2", "x3"], "rival": ["y1", "x2", "y3"], "j.outcome": ["win", "win", "win"]}  # fmt: skip
    by_system = {"system_a": ["x"], "system_b": ["y"], "winner": ["x"]}
    with pytest.raises(AgreementError, match="j decides differently in several rows of the scores on x/s and y/s"):
        evaluate_preferences(log, {**by_system, "item": ["s"]})
    assert evaluate_preferences(log, {**by_system, "item": ["t"]}, replicates=0).value("j", WITHOUT) == 1
    by_path = {"item_a": ["x1", "x2"], "item_b": ["y1", "y2"], "winner": ["a", "b"]}
    assert evaluate_preferences(log, by_path, replicates=0).value("j", WITHOUT) == 1


def test_what_ratings_rank_writes_beside_a_rating_is_no_score():
    counts = {name: [1, 2, 3, 4] for name in ("low", "high", "votes", "wins", "losses", "ties")}
    ranked = {"id": ["p", "q", "r", "s"], "rating": [1, 2, 3, 0], **counts, "group": [1] * 4}
    found = evaluate_preferences(ranked, PEOPLE, replicates=0)
    assert {line.score for line in found.lines} == {"rating"}
    only = {"id": ["p", "q", "r", "s"], "votes": [1, 2, 3, 4]}  # somebody's own column of that name
    assert {line.score for line in evaluate_preferences(only, PEOPLE, replicates=0).lines} == {"votes"}


def test_the_command_gives_pythons_numbers(tmp_path, monkeypatch, capsys):
    import json

    from editmetrics.cli import main

    for name, columns in (("s", SCORES), ("p", PEOPLE)):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([columns, *zip(*columns.values(), strict=True)])

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["editmetrics", "evaluate", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, capsys.readouterr()

    command = (tmp_path / "s.csv", tmp_path / "p.csv", "--pairs", "--group-by", "task", "--tie-threshold", 0.5)
    code, shown = run(*command, "-o", tmp_path / "a.json")
    assert code == 0, shown.err
    found = evaluate_preferences(tmp_path / "s.csv", tmp_path / "p.csv", group_by=["task"], tie_threshold=0.5)
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads(json.dumps(found._rows()))
    assert "without" in shown.out
    code, shown = run(*command, "--measure", "srcc")
    assert (code, "--measure cannot be used with --pairs" in shown.err) == (2, True)
