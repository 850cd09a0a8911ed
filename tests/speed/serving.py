"""How much of the engine's speed `editmetrics serve` keeps, and what it adds to the time of one pair.

    python -m tests.speed.serving                            # psnr and ssim, pairs of 512 x 512 in memory
    python -m tests.speed.serving -m ds_ieqa:weights=toy

The server is a process of its own on this machine. Throughput: the same pairs by one call of `score` and by one call of
`Client.score`, in turns; the ratio is that of the medians. Latency: single pairs, one after the other, minus the time
that the engine takes for a pair that it has in memory. Also prints how many numbers differ from the engine's (none
may; those of a model may in their last digits, with the batch).
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
import numpy as np
from skimage import data

from editmetrics import Sample, create_metric, score
from editmetrics.scoring import score_loaded
from editmetrics.serving import Client


def main() -> None:
    """Print the ratio and the added latency."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--metric", action="append", help="default: psnr and ssim")
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    names = arguments.metric or ["psnr", "ssim"]
    samples = pairs(arguments.pairs, arguments.size)
    metrics = [create_metric(name, device=arguments.device) for name in names]
    for metric in metrics:
        metric.load()
    words = [word for name in names for word in ("-m", name)]
    command = [sys.executable, "-m", "editmetrics", "serve", *words, "--port", "0", "--device", arguments.device]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            client = Client(wait_for(server), batch=8, parallel=4)
            throughput(samples, metrics, client, arguments.rounds)
            latency(samples, metrics, client)
        finally:
            server.terminate()


def pairs(count: int, size: int) -> list[Sample]:
    """Return crops of a photograph with noise, in memory."""
    random = np.random.default_rng(0)
    photograph = np.tile(data.astronaut(), (2, 2, 1))
    samples = []
    for index in range(count):
        top, left = random.integers(0, photograph.shape[0] - size, 2)
        source = np.ascontiguousarray(photograph[top : top + size, left : left + size])
        edited = np.clip(source + random.normal(0, 5, source.shape), 0, 255).astype(np.uint8)
        samples.append(Sample(str(index), edited=edited, source=source, prompt="make the square red"))
    return samples


def wait_for(server: subprocess.Popen[str]) -> str:
    """Return the URL of the server once it accepts samples."""
    line = server.stderr.readline() if server.stderr else ""
    url = re.search(r"http://\S+", line)
    while url and server.poll() is None:
        try:
            if httpx.get(f"{url[0]}/ready").status_code == 200:
                return url[0]
        except httpx.ConnectError:
            pass
        time.sleep(0.1)
    sys.exit(f"the server stopped: {line}")


def throughput(samples: list[Sample], metrics: list, client: Client, rounds: int) -> None:
    """Print the pairs a second of the engine and of the server, measured in turns."""
    expected, answers = score(samples[:2], metrics), client.score(samples[:2])
    engine, served = [], []
    for _ in range(rounds):
        seconds, expected = timed(lambda: score(samples, metrics))
        engine.append(len(samples) / seconds)
        seconds, answers = timed(lambda: client.score(samples))
        served.append(len(samples) / seconds)
    ratio = statistics.median(served) / statistics.median(engine)
    wrong = sum(
        not np.allclose(list(one[metric.label].values()), list(expected[metric.label][index].values()), rtol=1e-4)
        for index, one in enumerate(answers)
        for metric in metrics
    )
    print(f"engine {statistics.median(engine):.1f} pairs/s, served {statistics.median(served):.1f}: {ratio:.0%}")
    print(f"{wrong} numbers other than the engine's")


def latency(samples: list[Sample], metrics: list, client: Client) -> None:
    """Print the median time of one pair by the engine and by the server, measured in turns."""
    alone, asked = [], []
    for sample in samples:
        alone.append(timed(lambda one=sample: score_loaded(metrics, [one]))[0])
        asked.append(timed(lambda one=sample: client.score([one]))[0])
    added = statistics.median(asked) - statistics.median(alone)
    print(f"one pair: engine {1000 * statistics.median(alone):.1f} ms, served {1000 * statistics.median(asked):.1f} ms")
    print(f"added: {1000 * added:.1f} ms")


def timed(work: Callable) -> tuple[float, object]:
    """Return the seconds that `work` takes, and what it returns."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main()
