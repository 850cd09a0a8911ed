"""How much of the engine's speed `editmetrics serve` keeps, and what it adds to the time of one pair.

    python -m tests.speed.serving                            # psnr and ssim, pairs of 512 x 512 in memory
    python -m tests.speed.serving -m ds_ieqa:weights=toy

The server is a process of its own on this machine. Throughput: the same pairs by one call of `score` and by one call of
`Client.score`, in turns; the ratio is that of the medians. Latency: single pairs, one after the other, minus the time
that the engine takes for a pair that it has in memory. Also prints how many numbers differ from the engine's (none
may; those of a model may in their last digits, with the batch).

Processor time, which other programs on the machine disturb less: that of the engine, that of client and server
together, and that of a bare HTTP server which only reads the same bytes (uvicorn, asked by httpx). Where all share one
core, no server behind HTTP can keep more than engine / (engine + bare) of the engine's speed: that is the bound.
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
import psutil
from skimage import data

from editmetrics import Sample, create_metric, score
from editmetrics.scoring import score_loaded
from editmetrics.serving import Client
from editmetrics.serving.tensor_wire import in_pieces, packed_request, packed_sample

BATCH = 8

BARE_SERVER = """
import uvicorn
from editmetrics.serving.memory import keep_freed_memory

async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})

keep_freed_memory()
listening = __import__("socket").create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none")).run(sockets=[listening])
"""


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
            client = Client(wait_for(server), batch=BATCH, parallel=4)
            throughput(samples, metrics, client, arguments.rounds)
            latency(samples, metrics, client)
            processor(samples, metrics, client, psutil.Process(server.pid), arguments.rounds)
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


def processor(samples: list[Sample], metrics: list, client: Client, server: psutil.Process, rounds: int) -> None:
    """Print the processor time of a pair: by the engine, through the server, and for moving its bytes alone."""
    bodies = [
        packed_request(
            [packed_sample(sample, str(index)) for index, sample in enumerate(samples[start : start + BATCH])]
        )
        for start in range(0, len(samples), BATCH)
    ]
    with subprocess.Popen([sys.executable, "-c", BARE_SERVER], stdout=subprocess.PIPE, text=True) as bare:
        url, http = bare.stdout.readline().strip() if bare.stdout else "", httpx.Client()

        def move() -> None:
            for body in bodies:
                length = {"content-length": str(sum(map(len, body)))}
                http.post(url, content=in_pieces(body), headers=length).raise_for_status()

        move()
        works = [
            (lambda: score(samples, metrics), None),
            (lambda: client.score(samples), server),
            (move, psutil.Process(bare.pid)),
        ]
        seconds = [[processor_seconds(work, other) for work, other in works] for _ in range(rounds)]
        bare.terminate()
    engine, served, moved = (1000 * statistics.median(column) / len(samples) for column in zip(*seconds, strict=True))
    print(f"processor time of a pair: engine {engine:.2f} ms, served {served:.2f} ms ({engine / served:.0%})")
    print(f"bare HTTP server that only reads it: {moved:.2f} ms; bound on one core: {engine / (engine + moved):.0%}")


def processor_seconds(work: Callable, other: psutil.Process | None) -> float:
    """Return the processor time of this process, and of the `other`, while `work` is done."""

    def now() -> float:
        return time.process_time() + (sum(other.cpu_times()[:2]) if other else 0)

    started = now()
    work()
    return now() - started


def timed(work: Callable) -> tuple[float, object]:
    """Return the seconds that `work` takes, and what it returns."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main()
