"""The Ray engine on a real local cluster: equal to the local engine, whatever dies."""

import json
import os
import signal

import numpy as np
import polars
import pytest

from editmetrics import Dimension, Sample, Score, create_metric, score
from editmetrics.scoring.record import record_path

from .toys import Brightness, Captioned, samples_of, write_images

pytest.importorskip("ray")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Four workers' worth of processors, on which the tests' own metrics can be imported."""
    import ray

    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    ray.init(
        num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}},
    )  # fmt: skip
    yield
    ray.shutdown()


class Deadly(Brightness):
    """Kills the process that scores an image as bright as `kills`: the first time, or every time."""

    name = "deadly"
    dimensions = (Dimension("brightness", low=0, high=255, primary=True),)

    def __init__(self, *, kills: float, once: str | None = None) -> None:
        self.kills, self.once, self.offset = kills, once, 0.0

    def score_batch(self, batch):
        for item in batch:
            if item.mean() == self.kills and (self.once is None or not os.path.exists(self.once)):
                if self.once is not None:
                    open(self.once, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
        return [Score({"brightness": item.mean()}) for item in batch]


def everything(path):
    """The lines of a record about scores, as a set: all but their order."""
    lines = [json.loads(line) for line in record_path(path).read_text(encoding="utf-8").splitlines()]
    return sorted(json.dumps(line, sort_keys=True) for line in lines if line["kind"] == "score")


def test_equal_to_the_local_engine_row_by_row_with_a_corrupt_image_and_a_refusal(tmp_path):
    paths = write_images(tmp_path / "images", 12)
    paths[2].write_bytes(b"broken")
    samples = [
        Sample(
            p.stem,
            edited=p,
            source=p,
            prompt="refuse" if i == 3 else "half" if i == 4 else "a fish",
            meta={"system": "s"},
        )
        for i, p in enumerate(paths)
    ]
    metrics = [Brightness(), Captioned(), create_metric("psnr", device="cpu")]
    local, ray = tmp_path / "local.csv", tmp_path / "ray.csv"
    score(samples, metrics, output=local)
    found = score(samples, metrics, output=ray, engine="ray", workers=3)
    assert ray.read_bytes() == local.read_bytes()
    assert everything(ray) == everything(local)
    assert [s.status for s in found["captioned"]].count("refused") == 1
    assert not found["brightness"][2].ok

    again = score(samples, metrics, output=ray, engine="ray", workers=2)  # another number of workers
    assert again.reused == 36
    assert everything(ray) == everything(local)
    assert score(samples, metrics, output=ray).reused == 36  # and the local engine goes on with it, too


def test_a_worker_that_is_killed_in_the_middle_costs_nothing(tmp_path):
    paths = write_images(tmp_path / "images", 24)
    flag = tmp_path / "killed"
    found = score(samples_of(paths), Deadly(kills=70.0, once=str(flag)), engine="ray", workers=3)
    assert flag.exists()
    assert [s["brightness"] for s in found["deadly:kills=70.0,once=" + str(flag)]] == [10.0 * i for i in range(24)]


@pytest.mark.slow
def test_a_sample_that_kills_every_worker_fails_alone(tmp_path):
    paths = write_images(tmp_path / "images", 16)
    output = tmp_path / "scores.parquet"
    found = score(samples_of(paths), Deadly(kills=50.0), output=output, engine="ray", workers=2)
    values = polars.read_parquet(output)
    assert values[found.columns[0].label].to_list() == [None if i == 5 else 10.0 * i for i in range(16)]
    assert "workers died" in values["problems"][5]


def test_a_run_that_was_cut_off_goes_on_with_what_is_in_the_record(tmp_path):
    paths = write_images(tmp_path / "images", 12)
    output = tmp_path / "scores.csv"
    score(samples_of(paths), Brightness(), output=output, engine="ray", workers=2)
    whole, record = output.read_bytes(), record_path(output)
    lines = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(b"".join(lines[:6]) + lines[6][:20])
    np.testing.assert_equal(score(samples_of(paths), Brightness(), output=output, engine="ray", workers=3).reused, 5)
    assert output.read_bytes() == whole
