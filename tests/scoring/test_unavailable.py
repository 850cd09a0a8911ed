"""What this machine cannot do is no fact about a sample: it stops one metric, and the same call tries again."""

from __future__ import annotations

import errno
import json
import urllib.error

import pytest

from editmetrics import Score, create_metric, score
from editmetrics.machine import DeviceError, machine_fault
from editmetrics.sample import SampleError, UnavailableError
from editmetrics.scoring.record import record_path

from .toys import Brightness, InlineBrightness, samples_of, write_images

FAULTS = {
    "no GPU": UnavailableError("this machine has no GPU"),
    "no network": urllib.error.URLError("Name or service not known"),
    "connection refused": ConnectionRefusedError(111, "Connection refused"),
    "no package": ModuleNotFoundError("No module named 'dinosaur'", name="dinosaur.bones"),
    "full disk": OSError(errno.ENOSPC, "No space left on device"),
    "no driver": RuntimeError("Found no NVIDIA driver on your system."),
    "too many files": OSError(errno.EMFILE, "Too many open files"),
}


class Shaky(Brightness):
    """Brightness on a machine that may be at fault: `fault` is raised by the step `where`, `calls` counts them."""

    fault: Exception | None = None
    where = "score_batch"
    calls = 0

    def load(self):
        self.step("load")

    def prepare(self, sample):
        self.step("prepare")
        return super().prepare(sample)

    def score_batch(self, batch):
        self.step("score_batch")
        return super().score_batch(batch)

    def step(self, name):
        if type(self).fault is not None and name == type(self).where:
            type(self).calls += 1
            raise type(self).fault


@pytest.fixture(autouse=True)
def sound():
    Shaky.fault, Shaky.where, Shaky.calls = None, "score_batch", 0


@pytest.fixture
def samples(tmp_path):
    return samples_of(write_images(tmp_path / "images", 12))


@pytest.mark.parametrize("where", ["load", "prepare", "score_batch"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_same_call_tries_again_and_other_metrics_go_on(samples, tmp_path, fault, where):
    output = tmp_path / "scores.csv"
    Shaky.fault, Shaky.where = fault, where
    results = score(samples, [Shaky(), InlineBrightness()], output=output)
    assert {s.status for s in results["brightness"]} == {"unavailable"}
    assert all(s.ok for s in results["inline_brightness"])
    assert results.unavailable
    assert len(results.problems()) == 1
    Shaky.fault = None
    results = score(samples, [Shaky(), InlineBrightness()], output=output)
    assert results.all_scored
    assert results.reused == 12
    assert not results.unavailable


@pytest.mark.parametrize("where", ["prepare", "score_batch"])
def test_a_metric_is_stopped_after_three_in_a_row(samples, where):
    Shaky.fault, Shaky.where = ConnectionRefusedError("down"), where
    score(samples, Shaky(), batch_pixels=1, workers=1)
    assert 3 <= Shaky.calls <= 3 + 8  # those that were under way already


def test_too_little_memory_for_large_samples_stops_nothing(samples):
    class Small(Brightness):
        def score_batch(self, batch):
            if any(item.mean() < 60 for item in batch):
                raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory")
            return super().score_batch(batch)

    statuses = [s.status for s in score(samples, Small(), batch_pixels=1, workers=1)["brightness"]]
    assert statuses == ["unavailable"] * 6 + ["ok"] * 6


def test_a_fault_in_between_stops_nothing(samples):
    class Flickers(Brightness):
        def score_batch(self, batch):
            if batch[0].mean() % 30:
                raise ConnectionResetError("again")
            return super().score_batch(batch)

    statuses = [s.status for s in score(samples, Flickers(), batch_pixels=1, workers=1)["brightness"]]
    assert statuses == ["ok", "unavailable", "unavailable"] * 4


def test_scores_of_an_earlier_run_are_used_where_the_metric_cannot_be_loaded(samples, tmp_path):
    output = tmp_path / "scores.csv"
    assert score(samples, Shaky(), output=output).all_scored
    Shaky.fault, Shaky.where = UnavailableError("no GPU"), "load"
    before = output.read_bytes()
    results = score(samples, Shaky(), output=output)
    assert results.all_scored
    assert results.reused == 12
    assert output.read_bytes() == before


def test_an_error_of_the_metric_itself_still_ends_the_run_when_it_is_loaded(samples):
    Shaky.fault, Shaky.where = ValueError("a bug"), "load"
    with pytest.raises(ValueError, match="a bug"):
        score(samples, Shaky())


def test_unavailable_scores_stand_in_the_record_and_are_never_taken_over(samples, tmp_path):
    output = tmp_path / "scores.csv"
    Shaky.fault = ConnectionRefusedError("down")
    score(samples, Shaky(), output=output)
    lines = [json.loads(line) for line in record_path(output).read_text().splitlines()]
    assert {line["status"] for line in lines if line["kind"] == "score"} == {"unavailable"}
    assert score(samples, Shaky(), output=output).reused == 0


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), SampleError("too small"), FileNotFoundError(2, "none"), RuntimeError("bad"), KeyError("a")],
)
def test_the_fault_of_a_sample_is_not_the_machines(error):
    assert machine_fault(error) is None


def test_the_cause_of_an_error_counts():
    error = SampleError("cannot be opened")
    error.__cause__ = OSError(errno.EMFILE, "Too many open files")
    assert "Too many open files" in machine_fault(error)


@pytest.mark.parametrize("device", ["gpu", "CUDA", "cuda:", "cuda:x", "", "cpu0"])
def test_a_wrong_device_name_is_refused_when_it_is_given(device):
    with pytest.raises(DeviceError, match="expected cpu, cuda"):
        create_metric("psnr", device=device)


@pytest.mark.parametrize("device", ["cuda:99", "xpu", "mps"])
def test_a_device_that_is_not_here_is_unavailable(samples, device):
    samples = [type(s)(s.id, edited=s.edited, source=s.edited) for s in samples]
    results = score(samples, ["psnr"], device=device)
    assert {s.status for s in results["psnr"]} == {"unavailable"}
    assert device in results["psnr"][0].reason
    with pytest.raises(UnavailableError, match=device):
        create_metric("psnr", device=device)(samples[0])


def test_the_devices_of_the_environment_are_checked_too(samples, monkeypatch):
    monkeypatch.setenv("EDITMETRICS_DEVICE", "gpu")
    with pytest.raises(DeviceError, match="'gpu'"):
        create_metric("psnr")(samples[0].edited, samples[0].edited)


def test_an_unavailable_score_is_a_status_like_any_other():
    assert not Score.unscored("unavailable", "no GPU").ok
