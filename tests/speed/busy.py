"""How long a call takes while other processes have all cores, beside the same call with one thread of torch.

    python -m tests.speed.busy                                     # two minutes
    python -m tests.speed.busy --metrics ssim --sizes 512 --check

As many processes as there are cores compute all the time. A call then gets its share of a core, and one that divides
its work among threads waits for each of them in turn. For each metric the table has the median milliseconds of one
call as a user makes it (torch with its own number of threads), and how many times that is of the same call after
`torch.set_num_threads(1)`; the same for each pair of a batch of eight, and for piq's call. `--check` fails above 1.5.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from editmetrics import create_metric
from editmetrics.sample import Sample
from tests.speed.classic import pair
from tests.speed.classic_peers import libraries

METRICS = ("psnr", "mse", "mae", "ssim", "ms_ssim", "gmsd", "fsim", "vif")
MOST, BATCH = 1.5, 8


def _spin(ready: Any) -> None:
    ready.set()
    value = 0
    while True:
        value += 1


@contextmanager
def busy_cores() -> Iterator[None]:
    """All cores of this machine compute something else."""
    context = multiprocessing.get_context("spawn")
    ready = [context.Event() for _ in range(os.cpu_count() or 1)]
    spinners = [context.Process(target=_spin, args=(event,), daemon=True) for event in ready]
    for spinner in spinners:
        spinner.start()
    try:
        for event in ready:
            event.wait()
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.join()


def ratio(call: Callable[[], object], threads: int, rounds: int) -> tuple[float, float]:
    """Median milliseconds of a call with `threads` threads, and with one; they are measured in turn."""
    times: dict[int, list[float]] = {threads: [], 1: []}
    for _ in range(rounds):
        for count in dict.fromkeys((threads, 1)):
            torch.set_num_threads(count)
            start = time.perf_counter()
            call()
            times[count].append((time.perf_counter() - start) * 1e3)
    torch.set_num_threads(threads)
    return statistics.median(times[threads]), statistics.median(times[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metrics", nargs="+", default=METRICS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[512])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--check", action="store_true", help=f"fail where a call takes more than {MOST} times as long")
    options = parser.parse_args()
    threads, slow = torch.get_num_threads(), []
    peers = {name: calls for name, calls in libraries("cpu").items() if name == "piq"}
    print("| metric | pixels | one call, ms | times one thread | batch, a pair, ms | times one thread | piq, times |")
    print("|-|-|-|-|-|-|-|")
    with busy_cores():
        for size in options.sizes:
            source, edited = pair(size, 1, "cpu")
            for name in options.metrics:
                metric = create_metric(name, device="cpu")
                samples = [Sample(str(number), edited=edited[0], source=source[0]) for number in range(BATCH)]
                calls = [lambda: metric(source[0], edited[0]), lambda: metric.score(samples, BATCH)]  # noqa: B023
                calls += [lambda: peer(source, edited) for library in peers.values() if (peer := library.get(name))]  # noqa: B023
                cells = []
                for number, call in enumerate(calls):
                    own, alone = ratio(call, threads, options.rounds)
                    if number < 2 and own > MOST * alone:
                        slow.append(f"{name} at {size} pixels")
                    cells += (
                        [f"{own / alone:.2f}"]
                        if number == 2
                        else [f"{own / (1, BATCH)[number]:.1f}", f"{own / alone:.2f}"]
                    )
                print(f"| {name} | {size} | {' | '.join(cells + ['-'] * (5 - len(cells)))} |", flush=True)
    if options.check and slow:
        sys.exit(f"slower than {MOST} times its call with one thread: {', '.join(dict.fromkeys(slow))}")


if __name__ == "__main__":
    main()
