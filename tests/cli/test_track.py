"""`score --track`; `fit --track` is tested in test_fit.py."""

import json
import math
from pathlib import Path

import pytest

from ..tracking.event_files import scalars

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_score_logs_what_its_table_shows(run, tmp_path):
    pytest.importorskip("tensorboard")
    ran = run("score", EXAMPLES / "source", EXAMPLES / "edited", "-m", "psnr", "--track", f"tensorboard:{tmp_path}",
              "--json", "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err
    (line,) = json.loads(ran.out)["metrics"]
    logged = {name: pairs[0][1] for name, pairs in scalars(tmp_path).items()}
    assert logged["score/psnr/mean"] == pytest.approx(line["mean"], rel=1e-6)  # float32 in event files
    assert logged["score/psnr/n"] == line["scored"]


def test_a_tracker_that_is_misspelt_stops_score_before_it_computes(run, tmp_path):
    ran = run("score", EXAMPLES / "source", EXAMPLES / "edited", "-m", "psnr", "--track", "tensorbord:x", "-o",
              tmp_path / "s.csv")  # fmt: skip
    assert ran.code == 2
    assert "Did you mean 'tensorboard'?" in ran.err
    assert not (tmp_path / "s.csv").exists()


def test_arena_logs_the_ratings_that_it_shows(run, tmp_path):
    pytest.importorskip("tensorboard")
    log = tmp_path / "votes.csv"
    log.write_text("system_a,system_b,winner\na,b,a\na,b,a\nb,a,b\n")
    board = tmp_path / "board.json"
    ran = run("arena", "--battles", log, "--bootstrap", "0", "-o", board, "--track", f"tensorboard:{tmp_path / 'tb'}")
    assert ran.code == 0, ran.err
    logged = {name: pairs[0][1] for name, pairs in scalars(tmp_path / "tb").items()}
    assert logged["arena/a/rating"] - logged["arena/b/rating"] == pytest.approx(400 * math.log10(2), abs=0.01)
    assert (logged["arena/battles"], logged["arena/b/wins"]) == (3, 1)
