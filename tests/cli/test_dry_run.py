"""`score --dry-run`: what a run would do, without reading, computing, loading or downloading anything."""

import json
import re

import pytest

from editmetrics.checkpoints import size_and_licence
from editmetrics.metric import Metric
from editmetrics.registry import create_metric

from .conftest import EXAMPLES

PAIRS = (EXAMPLES / "source", EXAMPLES / "edited", EXAMPLES / "edited_b")


@pytest.fixture
def dry(run, tmp_path, monkeypatch):
    """Run with `--dry-run`, where whatever reads an image, loads or downloads is an error."""
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))

    def refused(*arguments, **options):
        raise AssertionError("a dry run does nothing")

    for name in ("editmetrics.weights.pull", "editmetrics.scoring.score", "editmetrics.images.opening.open_image"):
        monkeypatch.setattr(name, refused, raising=False)
    monkeypatch.setattr(Metric, "load", refused)
    return lambda *arguments: run("score", *arguments, "--dry-run")


def test_pairs_metrics_downloads_and_requests(dry):
    prompts = ("--prompts", EXAMPLES / "prompts.csv")
    ran = dry(*PAIRS, "-m", "psnr", "-m", "lpips:net=vgg", "-m", "dists", "-m", "vie_score:rounds=3", *prompts)
    assert ran.code == 0, ran.err
    assert "edited_b/astronaut" in ran.out
    assert "... and 12 more" in ran.out
    assert "18 samples, by system: edited 9, edited_b 9; 18 prompts" in ran.out
    names = {name for spec in ("lpips:net=vgg", "dists") for name in create_metric(spec).checkpoints()}
    megabytes = sum(size_and_licence(name)[0] for name in names)
    assert f"To download: {megabytes / 1000:.2f} GB" in ran.out
    # one question on both images and one on the edited one, for 18 samples, three times each
    assert "To ask gpt-4.1: 108 requests, 162 images" in ran.out
    assert "nothing was computed, loaded or downloaded" in ran.out


def test_what_is_here_is_not_counted(dry, tmp_path):
    from editmetrics.checkpoints import file_paths

    for file in file_paths("lpips-alexnet"):
        path = tmp_path / "home" / "weights" / "lpips-alexnet" / file
        path.parent.mkdir(parents=True)
        path.touch()
    ran = dry(*PAIRS, "-m", "lpips")
    assert "lpips-alexnet (here)" in ran.out
    assert "To download: nothing." in ran.out


def test_missing_fields_are_counted_and_a_run_that_cannot_start_is_refused(dry, tmp_path):
    (tmp_path / "prompts.csv").write_text("name,prompt\ncat,make it blue\n")
    ran = dry(*PAIRS[:2], "-m", "clip_text", "--prompts", tmp_path / "prompts.csv")
    assert ran.code == 0, ran.err
    assert re.search(r"clip_text +1 +prompt \(8\)", ran.out)
    ran = dry(*PAIRS[:2], "-m", "clip_text")
    assert ran.code == 2
    assert "prompt (9)" in ran.out
    assert "clip_text requires prompt" in ran.err


def test_prompts_that_are_not_here_are_known_before_the_run(dry):
    ran = dry(*PAIRS[:2], "-m", "rational_rewards", "--prompt", "x", "--limit", "1")
    assert ran.code == 2
    assert "rational_rewards:repository=FOLDER" in ran.err
    assert "To download" in ran.out


def test_a_limit_unmatched_images_and_an_earlier_record_are_seen(dry, run, folders):
    next((folders / "edited").iterdir()).rename(folders / "edited" / "other.png")
    output = folders / "s.csv"
    assert "reused" not in dry(folders / "source", folders / "edited", "-m", "mse", "-o", output).out
    assert not output.exists()
    output.with_name("s.record.jsonl").write_text("")
    ran = dry(folders / "source", folders / "edited", "-m", "mse", "-o", output, "--limit", "1")
    assert "s.record.jsonl exists: scores of unchanged samples are reused" in ran.out
    assert "edited images without a source image (1): other" in ran.err
    assert "1 sample;" in ran.out


def test_as_json(dry):
    ran = dry(*PAIRS, "-m", "lpips", "-m", "vie_score", "--limit", "2", "--prompt", "x", "--json")
    document = json.loads(ran.out)
    assert (document["schema"], document["dry_run"], document["samples"]) == (1, True, 4)
    assert document["pairs"][0]["edited"].endswith("astronaut.jpg")
    lpips, judge = document["metrics"]
    assert lpips["downloads"][0]["name"] == "lpips-alexnet"
    assert document["download_megabytes"] == size_and_licence("lpips-alexnet")[0]
    assert (judge["samples"], judge["requests"]["requests"], judge["requests"]["images"]) == (4, 8, 12)
