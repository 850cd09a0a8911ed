"""`editmetrics score` where this machine cannot compute a metric: one message, exit code 4, the same command again."""

import pytest

from .test_score import rows


@pytest.fixture
def command(folders):
    return "score", folders / "source", folders / "edited", "-o", folders / "scores.csv"


def test_a_missing_gpu_is_no_failure_of_the_samples(run, folders, command):
    ran = run(*command, "-m", "mse", "--device", "cuda:7")
    assert ran.code == 4
    assert "this machine has no device cuda:7" in ran.out
    assert "run the same command to try again" in ran.err
    assert [row["problems"].startswith("mse: unavailable") for row in rows(folders / "scores.csv")] == [True] * 3
    ran = run(*command, "-m", "mse")  # corrected; no --retry is needed
    assert ran.code == 0
    assert all(row["mse"] for row in rows(folders / "scores.csv"))


@pytest.mark.parametrize("device", ["gpu", "cuda0", "CPU"])
def test_a_wrong_name_of_a_device_is_a_usage_error(run, folders, command, device):
    ran = run(*command, "-m", "mse", "--device", device)
    assert ran.code == 2
    assert f"device is {device!r}; expected cpu, cuda" in ran.err
    assert not (folders / "scores.csv").exists()


def test_weights_that_cannot_be_had_cost_no_other_metric(run, folders, command, monkeypatch, tmp_path):
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    ran = run(*command, "-m", "lpips", "-m", "mse")
    assert ran.code == 4
    found = rows(folders / "scores.csv")
    assert all(row["mse"] for row in found)
    assert all("lpips-alexnet was not downloaded: EDITMETRICS_OFFLINE=1" in row["problems"] for row in found)


def test_failures_that_are_taken_over_say_how_they_are_tried_again(run, folders, command):
    broken = sorted((folders / "edited").iterdir())[1]
    broken.write_bytes(b"no image")
    assert run(*command, "-m", "mse").code == 3
    ran = run(*command, "-m", "mse")
    assert ran.code == 3
    assert "1 failure reused from the record; --retry failed rescores" in ran.err
