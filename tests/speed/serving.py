"""How many pairs a second `editmetrics serve` answers, and how soon, at rising concurrency.

    python tests/speed/serving.py                          # psnr and ssim, 256x256 PNG, on this machine's loopback
    python tests/speed/serving.py -m ds_ieqa:weights=toy --requests 200

The server is a process of its own; each client asks for one pair at a time and waits for the answer. Beside it stands
what the engine takes for the same pairs in one call, without HTTP. Prints requests a second, the median and the 99th
percentile of the latency, the mean batch, and how many answers were lost or differ from the engine's (none may).
"""

from __future__ import annotations

import argparse
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from editmetrics import Sample, score
from editmetrics.files.score_json import score_from_json
from editmetrics.serving.wire import sample_to_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--metric", action="append", help="default: psnr and ssim")
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    metrics = arguments.metric or ["psnr", "ssim"]
    with tempfile.TemporaryDirectory() as folder:
        samples = pairs(Path(folder), arguments.pairs, arguments.size)
        score(samples[:1], metrics, device=arguments.device)
        started = time.perf_counter()
        expected = score(samples, metrics, device=arguments.device)
        alone = len(samples) / (time.perf_counter() - started)
        print(f"the engine in one call: {alone:.1f} pairs a second")
        bodies = [{"samples": [sample_to_json(sample)]} for sample in samples]
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        words = [word for name in metrics for word in ("-m", name)]
        command = [
            sys.executable,
            "-m",
            "editmetrics",
            "serve",
            *words,
            "--port",
            str(port),
            "--device",
            arguments.device,
        ]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_for(f"http://127.0.0.1:{port}/ready", server)
            for clients in arguments.clients:
                load(f"http://127.0.0.1:{port}", bodies, expected, metrics, clients, arguments.requests)
        finally:
            server.terminate()
            server.wait()


def pairs(folder: Path, count: int, size: int) -> list[Sample]:
    """Crops of a photograph with noise, as PNG files."""
    from skimage import data

    random = np.random.default_rng(0)
    photograph = np.asarray(Image.fromarray(data.astronaut()).resize((1024, 1024)))
    samples = []
    for index in range(count):
        top, left = random.integers(0, 1024 - size, 2)
        source = photograph[top : top + size, left : left + size]
        edited = np.clip(source + random.normal(0, 5, source.shape), 0, 255).astype(np.uint8)
        paths = folder / f"{index}_source.png", folder / f"{index}_edited.png"
        for path, image in zip(paths, (source, edited), strict=True):
            Image.fromarray(image).save(path)
        samples.append(Sample(str(index), edited=paths[1], source=paths[0], prompt="make the square red"))
    return samples


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.ConnectError:
            time.sleep(0.1)
    sys.exit("the server stopped")


def load(url: str, bodies: list, expected: object, metrics: list[str], clients: int, requests: int) -> None:
    before = batches(url)
    with (
        httpx.Client(timeout=300, limits=httpx.Limits(max_connections=clients)) as http,
        ThreadPoolExecutor(clients) as pool,
    ):

        def ask(number: int) -> tuple[float, int]:
            started = time.perf_counter()
            answer = http.post(f"{url}/v1/score", json=bodies[number % len(bodies)])
            took = time.perf_counter() - started
            scores = answer.json()["samples"][0]["scores"]
            same = all(
                np.allclose(
                    list(score_from_json(scores[name]).values()),
                    list(expected[name][number % len(bodies)].values()),
                    rtol=1e-4,
                )
                for name in metrics
            )
            return took, int(not same)

        started = time.perf_counter()
        found = list(pool.map(ask, range(requests)))
        took = time.perf_counter() - started
    latencies = sorted(seconds for seconds, _ in found)
    wrong = sum(other for _, other in found)
    count, total = (now - was for now, was in zip(batches(url), before, strict=True))
    print(
        f"{clients:3d} clients: {requests / took:6.1f} pairs a second, "
        f"latency {1000 * statistics.median(latencies):6.1f} ms "
        f"(99 %: {1000 * latencies[int(0.99 * len(latencies))]:6.1f}), batch {total / count:4.1f}, "
        f"{requests - len(found)} lost, {wrong} other than the engine's",
        flush=True,
    )


def batches(url: str) -> tuple[float, float]:
    """How many batches there were, and the samples in them."""
    text = httpx.get(f"{url}/metrics").text
    return tuple(float(re.search(rf"editmetrics_batch_samples_{name} (\S+)", text)[1]) for name in ("count", "sum"))


if __name__ == "__main__":
    main()
