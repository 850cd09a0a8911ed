"""`editmetrics arena`: logs in, leaderboards out."""

import csv
import json

import pytest

from editmetrics.pairs import RankingOptions, rank, read_battles
from tests.pairs.planted import BATTLES


@pytest.fixture
def log(tmp_path):
    with (tmp_path / "log.csv").open("w", newline="") as file:
        head = ["system_a", "system_b", "outcome", "source", "task"]
        csv.writer(file).writerows([head, *([b.first, b.second, b.outcome, b.source, b.task] for b in BATTLES)])
    return tmp_path / "log.csv"


def test_a_leaderboard_fits_80_columns(run, monkeypatch, log):
    monkeypatch.setenv("COLUMNS", "80")
    ran = run("arena", "--battles", log, "--by-task", "--bootstrap", 100)
    assert ran.code == 0, ran.err
    table = ran.out.split("\n\n")[0].splitlines()
    assert table[1].split()[:5] == ["rank", "system", "Elo", "95", "%"]
    assert [line.split()[1] for line in table[2:]] == ["ada", "bob", "cyd", "dee", "eli"]
    assert max(map(len, table)) <= 80
    assert "Elo in each task" in ran.out


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_everything_is_written_once(run, log, tmp_path, suffix):
    output = tmp_path / f"board{suffix}"
    command = ("arena", "--battles", log, "--bootstrap", 50, "-o", output)
    assert run(*command).code == 0
    assert run(*command).code == 0, "its own file may be replaced"
    output.write_text("{}" if suffix == ".json" else "x\n")
    refused = run(*command)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert run(*command, "--overwrite").code == 0


def test_a_picture_is_drawn(run, log, tmp_path):
    ran = run("arena", "--battles", log, "--bootstrap", 50, "--plot", tmp_path / "wins.svg")
    assert ran.code == 0, ran.err
    drawn = (tmp_path / "wins.svg").read_text()
    assert "ada" in drawn
    assert "points of the row" in drawn


def test_options_are_pythons(run, log, tmp_path):
    with log.open("a") as file:
        file.write("ada,bob,inconsistent,s1,k\n" * 30)
    ran = run("arena", "--battles", log, "--model", "davidson", "--inconsistent", "tie", "--anchor", "cyd=1200",
              "--bootstrap", 60, "--level", 0.9, "--seed", 5, "-o", tmp_path / "b.json")  # fmt: skip
    assert ran.code == 0, ran.err
    from editmetrics.agreement.bootstrap import Resampling

    options = RankingOptions("davidson", Resampling(60, 0.9, 5), ("cyd", 1200.0), "tie")
    board = rank(read_battles(log), options)
    assert json.loads((tmp_path / "b.json").read_text()) == json.loads(json.dumps(board.as_json()))
    assert board["cyd"].rating == 1200


def test_systems_that_cannot_be_compared_end_with_3(run, tmp_path):
    (tmp_path / "l.csv").write_text("model_a,model_b,winner\na,b,model_a\na,b,model_b\nc,d,model_a\n")
    ran = run("arena", "--battles", tmp_path / "l.csv")
    assert ran.code == 3
    assert "never met" in " ".join(ran.out.split())


@pytest.mark.parametrize("arguments", [(), ("--battles", "LOG", "--anchor", "cyd")])
def test_usage(run, log, arguments):
    ran = run("arena", *(log if one == "LOG" else one for one in arguments))
    assert ran.code == 2
    assert "battles" in ran.err or "SYSTEM=RATING" in ran.err


@pytest.fixture
def systems(tmp_path):
    """The examples' two systems under names of their own."""
    from pathlib import Path

    examples = Path(__file__).parents[2] / "docs" / "examples"
    return [str(examples / name) for name in ("source", "edited", "edited_b")]


def test_scores_are_compared_and_judges_with_each_other(run, systems, tmp_path):
    log = tmp_path / "scores.csv"
    command = (
        "arena",
        *systems,
        "-m",
        "mae",
        "-m",
        "psnr",
        "-q",
        "--bootstrap",
        50,
        "--tie-threshold",
        0,
        "--log",
        log,
    )
    ran = run(*command, "-o", tmp_path / "board.json", "--device", "cpu")
    assert ran.code == 0, ran.err
    assert "Agreement of the judges" in ran.out
    boards = [json.loads((tmp_path / f"board.{name}.json").read_text()) for name in ("mae", "psnr")]
    assert [board["battles"] for board in boards] == [9, 9]
    assert "18 scores reused" not in ran.out
    assert log.with_suffix(".record.jsonl").exists()


def test_the_file_of_one_of_several_judges_is_not_replaced_unasked(run, systems, tmp_path):
    (tmp_path / "board.psnr.json").write_text("{}")
    refused = run("arena", *systems, "-m", "mae", "-m", "psnr", "-o", tmp_path / "board.json")
    assert refused.code == 2
    assert "board.psnr.json" in refused.err
    assert "--overwrite" in refused.err


def test_two_judges_that_would_have_one_file_are_refused(run, systems, tmp_path):
    twice = ("arena", *systems, "-m", "mae:region=inside", "-m", "mae_region_inside=psnr", "--dry-run")
    ran = run(*twice, "-o", tmp_path / "board.json")
    assert ran.code == 2
    assert "would have one name" in ran.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["9 pairs of 2 systems, 9 of each two", "18 requests, 54 images"]),
        (("--ask", "sampled", "--budget", "4"), ["4 pairs of 2 systems, 4 of each two", "8 requests, 24 images"]),
        (("--ask", "adaptive", "--budget", "5"), ["5 pairs of 2 systems", "The first 2 are known", "10 requests"]),
    ],
)
def test_a_dry_run_counts_pairs_and_requests_and_computes_nothing(
    run, systems, tmp_path, monkeypatch, options, expected
):
    def refused(*arguments, **more):
        raise AssertionError("a dry run does nothing")

    for name in (
        "editmetrics.scoring.score",
        "editmetrics.images.opening.open_image",
        "editmetrics.metric.Metric.load",
    ):
        monkeypatch.setattr(name, refused)
    prompts = f"{systems[0]}/../prompts.csv"
    log = tmp_path / "log.csv"
    ran = run("arena", *systems, "--prompts", prompts, "-m", "pair_judge", "--log", log, *options, "--dry-run")
    assert ran.code == 0, ran.err
    assert all(text in " ".join(ran.out.split()) for text in expected), ran.out
    assert "nothing was computed" in ran.out
    assert not log.exists()


def test_a_dry_run_of_single_scores_counts_images_and_refuses_what_could_not_start(run, systems):
    ran = run("arena", *systems, "-m", "mae", "--dry-run")
    assert ran.code == 0, ran.err
    assert "9 pairs of 2 systems" in ran.out
    assert [line.split() for line in ran.out.splitlines() if line.startswith("mae")] == [["mae", "18", "-", "-", "-"]]
    without = run("arena", *systems, "-m", "pair_judge", "--dry-run")
    assert without.code == 2
    assert "prompt" in without.err


def test_a_judge_is_asked_within_the_budget_and_its_log_ranked_again(run, systems, tmp_path, monkeypatch):
    from editmetrics import create_metric
    from editmetrics.cli import arena as command
    from editmetrics.plugins.conformance.pair_judge import setup

    def created(specs, device):
        metric = create_metric(specs[0])
        setup(metric)
        return [metric]

    monkeypatch.setattr(command, "_created", created)
    log = tmp_path / "log.jsonl"
    prompts = f"{systems[0]}/../prompts.csv"
    asked = ("arena", *systems, "--prompts", prompts, "-m", "pair_judge", "-q", "--bootstrap", 50)
    ran = run(*asked, "--ask", "adaptive", "--budget", 6, "--log", log)
    assert ran.code in (0, 3), ran.err
    assert "of 6 battles asked in both orders" in ran.out
    assert len(log.read_text().splitlines()) == 6
    again = run("arena", "--battles", log, "--bootstrap", 50)
    assert again.out.split("\n")[:4] == ran.out.split("\n")[:4]
    retried = run(*asked, "--ask", "sampled", "--budget", 6, "--task", "system", "--log", log, "--retry", "refused")
    assert retried.code in (0, 3), retried.err


def test_judges_without_a_battle_in_common_are_counted_and_not_listed(run, tmp_path):
    rows = [("a", "b", "a", "s1", "j"), ("a", "b", "b", "s1", "k"), ("a", "b", "a", "s2", "l")]
    (tmp_path / "l.csv").write_text("system_a,system_b,winner,source,judge\n" + "\n".join(map(",".join, rows)))
    ran = run("arena", "--battles", tmp_path / "l.csv")
    table = ran.out[ran.out.index("Agreement of the judges") :].splitlines()
    assert table[2].split() == ["j", "k", "1", "0.0", "%", "0", "0"]
    assert "2 pairs of judges shared no battle" in table[-1]


def test_a_log_takes_no_questions(run, log):
    ran = run("arena", "--battles", log, "-m", "mae", "--ask", "sampled")
    assert ran.code == 2
    assert "leave out --metrics, --ask" in ran.err
