"""Faults are planted in what the self-test checks: each gives a row that failed, names it, and ends with 1."""

from __future__ import annotations

import json
import math

import pytest
import torch
from click.testing import CliRunner

from editmetrics import images
from editmetrics.cli import cli
from editmetrics.plugins.gmsd import GMSD
from editmetrics.plugins.psnr import PSNR
from editmetrics.sample import UnavailableError
from editmetrics.selftest import Report, devices, metrics, run, training
from editmetrics.selftest.decoders import check_decoders


def failures(report: Report) -> dict[str, str]:
    return {row.name: row.detail for row in report.rows if row.state == "failed"}


def command(tmp_path, *arguments: str):
    done = CliRunner().invoke(cli, ["selftest", "-o", str(tmp_path / "report.json"), *arguments])
    return done, json.loads((tmp_path / "report.json").read_text())


def test_without_a_fault_everything_holds(quick, tmp_path):
    done, report = command(tmp_path)
    assert (done.exit_code, report["failed"], report["not run"]) == (0, 0, 0), done.output
    assert report["held"] == len(report["rows"]) > 15
    assert max(len(line) for line in done.output.splitlines() if not line.startswith("wrote ")) <= 80


@pytest.mark.parametrize("factor", [1 + 1e-3, 1 - 1e-4])
def test_a_golden_that_is_a_thousandth_off(quick, approved, tmp_path, factor):
    true = approved["psnr"]["scores"]["cat"]["psnr"]
    approved["psnr"]["scores"]["cat"]["psnr"] *= factor
    done, report = command(tmp_path)
    (row,) = [row for row in report["rows"] if row["state"] == "failed"]
    assert (done.exit_code, row["check"], row["subject"], row["device"]) == (1, "scores", "psnr", "cpu")
    assert f"and is {true!r} (tolerance 1e-05, relative)" in row["detail"]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda entry: entry.update(version=99), "the version is"),
        (lambda entry: entry.update(weights="f" * 64), "the checksum of the weights is"),
        (lambda entry: entry["scores"]["stars"].clear(), "psnr was not scored and is"),
        (lambda entry: entry["scores"]["cat"].update(other=1.0), "other was 1.0 and is None"),
        (lambda entry: entry["scores"]["cat"].update(psnr=math.nan), "psnr was nan"),
    ],
)
def test_a_score_of_another_origin_or_another_set(approved, change, part):
    change(approved["psnr"])
    report = Report("seconds")
    metrics.check_scores(report, "cpu", ["psnr", "mse"])
    assert list(failures(report)) == ["scores: psnr, cpu, float32"]
    assert part in failures(report)["scores: psnr, cpu, float32"]


def read_otherwise(monkeypatch, change):
    true = images.read_image

    def read(image, **options):
        return change(true(image, **options).copy())

    monkeypatch.setattr(images, "read_image", read)


def one_pixel(pixels):
    pixels[0, 1, 2] = pixels[0, 1, 2] + 3
    return pixels


@pytest.mark.parametrize(
    "change", [one_pixel, lambda pixels: pixels[..., ::-1], lambda pixels: pixels.transpose(1, 0, 2),
               lambda pixels: pixels.astype("float64")],
)  # fmt: skip
def test_a_decoder_that_gives_other_pixels(monkeypatch, change):
    read_otherwise(monkeypatch, change)
    report = Report("seconds")
    check_decoders(report)
    for name in ("PNG", "GIF", "JPEG", "PNG, 16 bits"):
        if change is one_pixel or name != "PNG, 16 bits":  # grey and one row high
            assert f"decoder: {name}" in failures(report)


def test_shipped_scores_are_those_of_float32_whatever_a_gpu_would_take(monkeypatch):
    """On a GPU a learned metric computes in bfloat16 by itself: here, where every backbone is loaded so by itself."""
    from editmetrics.mllm import backbone

    spec = "lmm4lmm:weights=toy"
    true = backbone.torch_dtype
    monkeypatch.setattr(backbone, "torch_dtype", lambda name, device: true(name or "bfloat16", device))
    report = Report("minutes")
    metrics.check_scores(report, "cpu", [spec])
    assert failures(report) == {}
    assert [metrics.own_dtype(one, "cuda:0") for one in (spec, "psnr")] == ["bfloat16", "float32"]
    assert metrics.own_dtype(spec, "cpu") == "float32"


def test_a_decoder_that_is_missing_is_not_run(monkeypatch):
    monkeypatch.setattr("editmetrics.images.kinds._importable", lambda module: module == "PIL")
    report = Report("seconds")
    check_decoders(report)
    missing = {row.subject: row.detail for row in report.rows if row.state == "not run"}
    assert missing.keys() == {"HEIF", "JPEG XL"}
    assert "pip install 'editmetrics[formats]'" in missing["HEIF"]
    assert not failures(report)


@pytest.mark.parametrize(
    ("error", "state"),
    [(RuntimeError("no such kernel"), "failed"), (ImportError("libfoo.so"), "failed"), (SystemExit(3), "failed"),
     (UnavailableError("no memory"), "not run"), (MemoryError(), "not run")],
)  # fmt: skip
def test_a_metric_that_fails_to_load(quick, monkeypatch, tmp_path, error, state):
    def load(self):
        raise error

    monkeypatch.setattr(PSNR, "load", load)
    done, report = command(tmp_path)
    (row,) = [row for row in report["rows"] if row["state"] != "held"]
    assert (row["subject"], row["state"], done.exit_code) == ("psnr", state, int(state == "failed"))


def test_a_device_that_rounds_too_much(monkeypatch):
    true = torch.nn.functional.conv2d

    def rounded(image, kernel):
        return true(image.half().float() if image.dtype == torch.float32 else image, kernel)

    monkeypatch.setattr(torch.nn.functional, "conv2d", rounded)
    report = Report("seconds")
    devices.check_device(report, "cpu")
    (text,) = failures(report).values()
    assert "the convolution is" in text
    assert "expected at most 1e-05" in text


def test_a_problem_of_the_installation(quick, tmp_path):
    quick.problems.append("the metric x of /home/somebody/site cannot be used")
    done, report = command(tmp_path)
    (row,) = [row for row in report["rows"] if row["state"] == "failed"]
    assert (done.exit_code, row["detail"]) == (1, "the metric x of <path> cannot be used")


def average_over_the_batch(self, *arguments, true=GMSD.score_batch):
    from editmetrics.sample import Score

    scores = true(self, *arguments)
    mean = sum(score["gmsd"] for score in scores) / len(scores)
    return [Score(values={"gmsd": mean}) for _ in scores]


def test_a_metric_that_averages_over_its_batch(monkeypatch):
    report = Report("minutes")
    metrics.check_invariance(report, "cpu", ["gmsd"])
    assert report.held
    monkeypatch.setattr(GMSD, "score_batch", average_over_the_batch)
    report = Report("minutes")
    metrics.check_invariance(report, "cpu", ["gmsd"])
    assert failures(report).keys() == {"batch invariance: gmsd, cpu, float32"}


def test_scores_that_depend_on_their_neighbours_are_seen_on_photographs_too(monkeypatch):
    calls = iter(range(100))

    def drift(self, *arguments, true=GMSD.score_batch):
        from editmetrics.sample import Score

        shift = 0.01 * next(calls)
        return [Score(values={"gmsd": score["gmsd"] + shift}) for score in true(self, *arguments)]

    assert metrics.alone_and_together("gmsd", "cpu")["largest difference, of the range"] < 1e-6
    monkeypatch.setattr(GMSD, "score_batch", drift)
    with pytest.raises(Exception, match="in a batch and"):
        metrics.alone_and_together("gmsd", "cpu")


@pytest.mark.parametrize(
    ("losses", "part"),
    [
        ([[1.0, math.nan], [1.0, math.nan]], "expected finite numbers"),
        ([[1.0, 1.0], [1.0, 1.0]], "expected finite numbers that a step changes"),
        ([[1.0, 0.9], [1.0, 0.901]], "the losses of two equal trainings"),
        ([[1.0, 0.9], [1.0]], "the losses of two equal trainings"),
    ],
)
def test_a_training_that_is_broken(monkeypatch, losses, part):
    given = iter(losses)
    monkeypatch.setattr(training, "_losses", lambda folder, device: next(given))
    report = Report("minutes")
    training.check_training(report, "cpu")
    (text,) = failures(report).values()
    assert part in text


def test_nothing_that_ran_is_not_a_success():
    report = Report("seconds")
    report.skip("scores", "psnr", "no device")
    assert not report.held


def test_a_tier_has_the_checks_of_those_before_it(quick, monkeypatch):
    monkeypatch.setattr(training, "check_training", lambda report, device: report.skip("training", "x", "planted"))
    monkeypatch.setattr(metrics, "check_invariance", lambda report, device, specs: None)
    monkeypatch.setattr(metrics, "SPEED_ROUNDS", 1)
    rows = [{row.name for row in run(tier).rows} for tier in ("seconds", "minutes")]
    assert rows[0] < rows[1]
    assert {"speed: gmsd, cpu, float32", "training: x"} <= rows[1] - rows[0]
