"""People's votes and rankings: read, screened, and one score for each image."""

import csv
import math

import pytest

from editmetrics.files.text import DataError
from editmetrics.pairs import ArenaError, rank
from editmetrics.pairs.votes import read_votes


def write(path, head, *rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def crowd(path):
    """Eight raters prefer p to q to r; one, contrary, says the opposite; one has voted too little to be judged."""
    rows = [(f"r{n}", a, b, "a" if n + len(a + b) != 7 else "b")
            for n in range(8) for a, b in (("p", "q"), ("q", "r"), ("p", "r"))]  # fmt: skip
    rows += [("contrary", a, b, "b") for a, b in (("p", "q"), ("q", "r"), ("p", "r")) for _ in range(2)]
    rows += [("short", "p", "q", "b"), ("", "p", "q", "a"), ("r1", "p", "", "a"), ("r1", "p", "q", "?")]
    return write(path, ["rater", "image_a", "image_b", "vote"], *rows)


def test_raters_are_judged_by_the_others(tmp_path):
    votes = read_votes(crowd(tmp_path / "v.csv"))
    assert votes.left_out == {"by an unknown rater": 1, "an item without a name": 1, "the winner is '?'": 1}
    worst, *_ = votes.raters()
    assert (worst.rater, worst.votes, worst.agreement, worst.kept) == ("contrary", 6, 0.0, False)
    short = next(rater for rater in votes.raters() if rater.rater == "short")
    assert (short.shared, short.kept) == (1, True)
    kept = votes.screened()
    assert len(votes.votes) - len(kept.votes) == 6
    assert sum(kept.left_out.values()) == 9
    board = rank(kept.battles())
    assert [one.system for one in board.systems] == ["p", "q", "r"]
    assert board.clustered_by == "rater", "votes of one rater are resampled together"


def test_a_rater_is_no_part_of_the_others(tmp_path):
    rows = [(rater, "p", item, winner) for rater, winner in (("r1", "a"), ("r2", "b")) for item in "qrstu"]
    raters = read_votes(write(tmp_path / "v.csv", ["rater", "item_a", "item_b", "winner"], *rows)).raters()
    assert [(rater.shared, rater.agreement, rater.kept) for rater in raters] == [(5, 0.0, False)] * 2


def test_rankings_are_votes(tmp_path):
    rows = [("r1", "cat", "x", 1), ("r1", "cat", "y", 2), ("r1", "cat", "z", 2), ("r2", "cat", "x", 2)]
    rows += [("r2", "cat", "y", 1), ("r2", "dog", "u", 1), ("r2", "dog", "v", "")]
    votes = read_votes(write(tmp_path / "v.csv", ["subject", "source", "image", "rank"], *rows))
    outcomes = {(v.judge, v.first, v.second): v.outcome for v in votes.votes}
    assert outcomes == {
        ("r1", "x", "y"): "win", ("r1", "x", "z"): "win", ("r1", "y", "z"): "tie", ("r2", "y", "x"): "win",
    }  # fmt: skip
    assert votes.left_out == {"no item, group or rank": 1}


def test_rankings_have_the_strengths_of_their_pairs(tmp_path):
    """15 rankings in which x beats y 10 times, y beats z 10 times, and x beats z 12 times: odds of 2, 2 and 4, so that
    the likeliest strengths fit each pair exactly. Rankings list winners first, which is no bias for a position."""
    rankings = ["xyz"] * 7 + ["xzy"] * 3 + ["yxz"] * 2 + ["yzx"] + ["zyx"] * 2
    rows = [(f"r{n}", "cat", item, place) for n, order in enumerate(rankings) for place, item in enumerate(order, 1)]
    board = rank(read_votes(write(tmp_path / "v.csv", ["rater", "group", "item", "rank"], *rows)).battles())
    assert [one.system for one in board.systems] == ["x", "y", "z"]
    gaps = [board["x"].rating - board["y"].rating, board["y"].rating - board["z"].rating]
    assert gaps == pytest.approx([400 * math.log10(2)] * 2)


@pytest.mark.parametrize(("winners", "is_ranked"), [("pq", True), ("aa", False)])
def test_only_votes_for_a_position_tell_of_a_preference_for_it(tmp_path, winners, is_ranked):
    """Whoever is listed first wins: the winner, if votes name it; the position, if they name that."""
    rows = [(f"r{n}", *pair, winner) for n in range(9) for pair, winner in zip(("pq", "qp"), winners, strict=True)]
    board = rank(read_votes(write(tmp_path / "v.csv", ["rater", "item_a", "item_b", "winner"], *rows)).battles())
    assert (board["p"].rating is not None) == is_ranked


def test_systems_and_items_name_images(tmp_path):
    rows = [("x", "y", "cat", "x"), ("x", "y", "dog", "tie"), ("y", "x", "cat", "b")]
    votes = read_votes(write(tmp_path / "v.csv", ["model_a", "model_b", "item", "winner"], *rows))
    assert [(v.first, v.second, v.outcome) for v in votes.votes] == [
        ("x/cat", "y/cat", "win"), ("x/dog", "y/dog", "tie"), ("y/cat", "x/cat", "loss"),
    ]  # fmt: skip


def test_tables_that_hold_no_votes(tmp_path):
    with pytest.raises(DataError, match="neither votes"):
        read_votes(write(tmp_path / "v.csv", ["item", "value"], ("p", 3)))
    with pytest.raises(ArenaError, match="no vote that can be used"):
        read_votes(write(tmp_path / "v.csv", ["item_a", "item_b", "winner"], ("p", "q", "?")))


def test_the_command_writes_a_score_for_each_image(tmp_path, monkeypatch, capsys):
    from editmetrics.cli import main

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["editmetrics", "ratings", "rank", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, capsys.readouterr()

    raw, output, raters = crowd(tmp_path / "v.csv"), tmp_path / "o.csv", tmp_path / "r.csv"
    command = (raw, "--screen", "chance", "--bootstrap", 100, "--seed", 2, "--level", 0.9, "--model", "thurstone")
    code, shown = run(*command, "-o", output, "--subjects", raters)
    assert code == 0, shown.err
    with output.open(newline="") as file:
        written = {row["id"]: row for row in csv.DictReader(file)}
    from editmetrics.agreement.bootstrap import Resampling
    from editmetrics.pairs import RankingOptions

    options = RankingOptions("thurstone", Resampling(100, 0.9, 2))
    board = rank(read_votes(raw).screened().battles(), options)
    for one in board.systems:
        assert float(written[one.system]["rating"]) == pytest.approx(one.rating)
        assert written[one.system]["group"] == "1"
    assert "contrary" in shown.out
    assert "excluded" in shown.out
    with raters.open(newline="") as file:
        assert {row["rater"]: row["kept"] for row in csv.DictReader(file)}["contrary"].lower() == "false"
    raw.write_text("item_a,item_b,winner\np,q,a\np,q,a\n")
    code, shown = run(raw, "--map", "item_a=item_a")
    assert code == 3, "who won every vote has no finite score"
    assert "Raters" not in shown.out, "nobody is called None"
    code, shown = run(raw, "--screen", "chance")
    assert (code, "--map rater=COLUMN" in shown.err) == (2, True)
