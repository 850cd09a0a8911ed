"""How much of a judge's capacity a suite uses: GEdit's 1,212 rows, two questions each, answered in 50 ms.

    python -m tests.speed.suites                            # 512x512, 8 requests at once
    python -m tests.speed.suites --rows 100 --size 1024

The server is a process of its own. With P requests at once it answers P / 0.05 a second, so that the whole benchmark
takes 15.2 s at 8. Prints the share of that, from the first request to the last answer. A second run is killed in the
middle and resumed: no question that was answered may be asked again, so that at most P are asked twice.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from editmetrics.suites.gedit import TASKS

ANSWER = json.dumps({"score": [6, 7], "reasoning": "The instruction was followed."})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1212)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--wait", type=float, default=0.05, help="seconds of an answer")
    parser.add_argument("--suite", default="gedit:judged_by=Q,model=any")
    parser.add_argument("--serve", action="store_true", help="be the server: print its port, and answer")
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.wait))
        return
    with tempfile.TemporaryDirectory() as folder, judge(arguments.wait) as url:
        manifest = rows(Path(folder), arguments)
        suite = f"{arguments.suite},endpoint={url}/v1,parallel={arguments.parallel}"
        whole_run(manifest, suite, url, arguments)
        killed_run(manifest, suite, url, arguments)


def whole_run(manifest: Path, suite: str, url: str, arguments: argparse.Namespace) -> None:
    """Print the share of the capacity that a run uses."""
    _, status, used = os.wait4(score(manifest, suite, "whole").pid, 0)
    times = answered(url)
    took, best = times[-1] - times[0] + arguments.wait, len(times) * arguments.wait / arguments.parallel
    print(
        f"{len(times):,} requests in {took:.1f} s, {best / took:.0%} of the capacity ({best:.1f} s); "
        f"{used.ru_utime + used.ru_stime:.1f} s of processor time; exit code {os.waitstatus_to_exitcode(status)}"
    )


def killed_run(manifest: Path, suite: str, url: str, arguments: argparse.Namespace) -> None:
    """Print how many questions are asked twice where a run is killed in the middle, and resumed."""
    before = len(answered(url))
    process = score(manifest, suite, "killed")
    while len(answered(url)) - before < arguments.rows:  # half of the questions
        time.sleep(0.05)
    process.kill()
    process.wait()
    first = len(answered(url)) - before
    score(manifest, suite, "killed").wait()
    total = len(answered(url)) - before
    twice = total - 2 * arguments.rows
    print(f"killed after {first:,} requests, resumed with {total - first:,}: {twice} were asked twice")


def score(manifest: Path, suite: str, name: str) -> subprocess.Popen[bytes]:
    """Start `editmetrics score` with answers and output of its own."""
    folder = manifest.parent
    command = [sys.executable, "-m", "editmetrics", "score", manifest, "--suite", suite, "-o", folder / f"{name}.csv"]
    environment = {**os.environ, "EDITMETRICS_HOME": str(folder / name)}
    return subprocess.Popen([*command, "-q"], env=environment, stdout=subprocess.DEVNULL)


def rows(folder: Path, arguments: argparse.Namespace) -> Path:
    """Write a manifest with the columns of GEdit's rows, and as many pairs of pictures as JPEG files."""
    random, size = np.random.default_rng(0), arguments.size
    for index in range(arguments.rows):
        for name in ("source", "edited"):
            coarse = random.integers(0, 256, (size // 4, size // 4, 3), dtype=np.uint8)
            Image.fromarray(coarse // 4 + 96).resize((size, size)).save(folder / f"{name}_{index}.jpg")
    path = folder / "gedit.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "source", "edited", "instruction", "task_type", "instruction_language"])
        for number in range(arguments.rows):
            image = f"{number}.jpg"
            task, language = TASKS[number // 2 % len(TASKS)], ("en", "cn")[number % 2]
            table.writerow([number, f"source_{image}", f"edited_{image}", f"edit {number}", task, language])
    return path


@contextmanager
def judge(wait: float) -> Iterator[str]:
    """A server in a process of its own, by its address."""
    command = [sys.executable, "-m", "tests.speed.suites", "--serve", "--wait", str(wait)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def answered(url: str) -> list[float]:
    """The times of the server's answers, in seconds."""
    with urllib.request.urlopen(f"{url}/times") as reply:
        return json.load(reply)


async def serve(wait: float) -> None:
    """Answer each question after `wait` seconds; tell the one model, and the times of answers."""
    times: list[float] = []
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    completion = {"id": "1", "object": "chat.completion", "created": 1767225600, "model": "judge", "choices": [choice]}
    models = {"object": "list", "data": [{"id": "judge", "object": "model"}]}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode().lower():
                length = [line for line in head.split("\r\n") if line.startswith("content-length:")]
                if length:
                    await reader.readexactly(int(length[0].partition(":")[2]))
                    await asyncio.sleep(wait)
                    times.append(time.monotonic())
                body = json.dumps(completion if length else times if head.startswith("get /times") else models).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**26)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    main()
