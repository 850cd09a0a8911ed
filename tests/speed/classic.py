"""How fast the classic metrics are beside piq, torchmetrics, pyiqa, scikit-image and lpips, where they are installed.

    python -m tests.speed.classic                                  # the whole table: some ten minutes
    python -m tests.speed.classic --metrics ssim fsim --sizes 512 --batches 1 --threads 1
    python -m tests.speed.classic --results cells.jsonl            # goes on where it was stopped

For each cell (metric, size, batch, threads) all libraries compute the same thing: their values are compared first, and
one that is further off than `TOLERANCES` is listed as different and not timed. The libraries run in turn, so that a
busy machine is busy for all; each has an equal part of `--seconds`, and at least one run. A library that would need
more than `--longest` seconds for one run, as the cell before says, is left out.

The table has the median milliseconds per pair of ours and of the fastest other, and how many times ours that takes.
It is Markdown. With `--all` it has every library.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.speed.classic_peers import NETWORKS, Call, libraries, ours

OURS = "editmetrics"
LARGEST_BATCH = 2**24
"""Pixels in a batch; above it the others' temporaries do not fit into a small machine."""

LARGEST_NETWORK_BATCH = 2**20
"""The same for the cases with a network, which need seconds for more."""

TOLERANCES = {"psnr": (1e-3, 0), "lpips": (0, 1e-4), "vif": (0, 2e-4)}
"""Absolute and relative; of the others 1e-4, absolute. torchmetrics' and piq's VIF differ by a constant of 1e-8."""

Cell = dict[str, Any]


def pair(size: int, batch: int, device: str, channels: int = 3) -> tuple[Tensor, Tensor]:
    """Smooth shapes and the same with noise: random pixels alone would be like no photograph."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, channels, 24, 24, generator=generator)
    source = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)
    edited = (source + 0.05 * torch.randn(source.shape, generator=generator)).clamp(0, 1)
    return source.to(device), edited.to(device)


def agrees(metric: str, value: Any, expected: Tensor) -> bool:
    got = torch.as_tensor(value, dtype=torch.float64).flatten().cpu()
    absolute, relative = TOLERANCES.get(metric, (1e-4, 0))
    expected = expected.flatten().double().cpu()
    return len(got) == len(expected) and bool(((got - expected).abs() <= absolute + relative * expected.abs()).all())


def timed(call: Call, images: tuple[Tensor, Tensor]) -> tuple[Any, float]:
    """What it returns, and the milliseconds per pair."""
    start = time.perf_counter()
    value = call(*images)
    if images[0].is_cuda:
        torch.cuda.synchronize()
    return value, (time.perf_counter() - start) * 1e3 / len(images[0])


def measure(
    metric: str, found: dict[str, dict[str, Call]], images: tuple[Tensor, Tensor], seconds: float
) -> dict[str, float | str]:
    """Median milliseconds per pair by library, or why there are none."""
    said: dict[str, float | str] = {}
    times: dict[str, list[float]] = {}
    first: dict[str, float] = {}
    expected: Any = None
    for name, metrics in found.items():
        if metric not in metrics:
            continue
        try:
            value, first[name] = timed(metrics[metric], images)
        except Exception as error:  # whatever another library raises is said, and is no reason to stop
            if name == OURS:
                raise
            said[name] = f"{type(error).__name__}: {error}"[:80]
            continue
        expected = value if name == OURS else expected
        if agrees(metric, value, expected):
            times[name] = []
        else:
            said[name] = "differs"
    share = seconds * 1e3 / len(times) / len(images[0])
    waiting = dict.fromkeys(times)
    while waiting:
        for name in list(waiting):
            if first[name] > 2 * share:  # slow enough for what its first run costs not to count
                times[name].append(first[name])
            else:
                times[name].append(timed(found[name][metric], images)[1])
            if sum(times[name]) >= share:
                del waiting[name]
    return {**said, **{name: statistics.median(each) for name, each in times.items()}}


def too_slow(metric: str, cells: list[Cell], size: int, batch: int, threads: int, longest: float) -> set[str]:
    """The libraries for which one run of this cell takes more than `longest` seconds, as a smaller one says."""
    slow = set()
    for cell in cells:
        if (cell["metric"], cell["threads"]) == (metric, threads) and cell["size"] <= size:
            for name, took in cell["milliseconds"].items():
                known = took in ("left out", "differs") and cell["batch"] <= batch
                seconds = took * (size / cell["size"]) ** 2 * batch / 1e3 if isinstance(took, float) else 0
                if known or seconds > longest:
                    slow.add(name)
    return slow - {OURS}


def run(options: argparse.Namespace, cells: list[Cell]) -> None:
    """Measure the cells that are not there yet, each appended to `cells` and to the file of results."""
    found = libraries(options.device)
    there = {(cell["metric"], cell["size"], cell["batch"], cell["threads"]) for cell in cells}
    wanted = [
        (metric, size, batch, threads)
        for metric in options.metrics
        for size in options.sizes
        for batch in options.batches
        for threads in options.threads
        if size * size * batch <= (LARGEST_NETWORK_BATCH if metric in NETWORKS else LARGEST_BATCH)
        if (metric, size, batch, threads) not in there
    ]
    for metric, size, batch, threads in wanted:
        torch.set_num_threads(threads)
        slow = too_slow(metric, cells, size, batch, threads, options.longest)
        images = pair(size, batch, options.device, channels=1 if metric.endswith("luma") else 3)
        quick = {name: metrics for name, metrics in found.items() if name not in slow}
        said = measure(metric, quick, images, options.seconds)
        said |= {name: "left out" for name in slow if metric in found[name]}
        cell = {"metric": metric, "size": size, "batch": batch, "threads": threads, "milliseconds": said}
        cells.append(cell)
        print(" ".join(str(value) for value in (metric, size, batch, threads, shown(said, all_=True))), flush=True)
        if options.results:
            with options.results.open("a") as file:
                file.write(json.dumps(cell) + "\n")


def fastest_other(said: dict[str, Any]) -> str | None:
    others = {name: took for name, took in said.items() if name != OURS and isinstance(took, float)}
    return min(others, key=others.__getitem__, default=None)


def shown(said: dict[str, Any], all_: bool = False) -> str:
    """`4.1, piq 16 (3.9x)`: ours, and the fastest other or all of them."""
    mine = said[OURS]
    fastest = fastest_other(said)
    names = [name for name in said if name != OURS] if all_ else [fastest] if fastest else []
    parts = [f"{mine:.3g}"]
    for name in names:
        took = said[name]
        parts.append(f"{name} {took:.3g} ({took / mine:.1f}x)" if isinstance(took, float) else f"{name} {took}")
    return ", ".join(parts)


def table(cells: list[Cell], all_: bool) -> str:
    """Markdown: a line for each metric, size and batch, a column for each number of threads."""
    threads = sorted({cell["threads"] for cell in cells})
    lines = ["| metric | pixels | pairs | " + " | ".join(f"{count} threads" for count in threads) + " |"]
    lines.append("|" + "---|" * (3 + len(threads)))
    rows: dict[tuple[str, int, int], dict[int, str]] = {}
    for cell in cells:
        row = rows.setdefault((cell["metric"], cell["size"], cell["batch"]), {})
        row[cell["threads"]] = shown(cell["milliseconds"], all_)
    for (metric, size, batch), row in rows.items():
        lines.append(f"| {metric} | {size} | {batch} | " + " | ".join(row.get(count, "") for count in threads) + " |")
    return "\n".join(lines)


def least(cells: list[Cell]) -> str:
    """Markdown: for each metric the least and the median of how many times ours the fastest other takes."""
    ratios: dict[str, list[tuple[float, str]]] = {}
    for cell in cells:
        said = cell["milliseconds"]
        name = fastest_other(said)
        if name is not None:
            where = f"{cell['size']} x {cell['batch']}, {cell['threads']} threads, {name}"
            ratios.setdefault(cell["metric"], []).append((said[name] / said[OURS], where))
    lines = ["| metric | least | where | median | cells |", "|" + "---|" * 5]
    for metric, found in ratios.items():
        ratio, where = min(found)
        median = statistics.median(value for value, _ in found)
        lines.append(f"| {metric} | {ratio:.2f}x | {where} | {median:.1f}x | {len(found)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--metrics", nargs="+", default=list(ours("cpu")), choices=list(ours("cpu")), metavar="NAME")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=1.5, help="for each cell, all libraries together")
    parser.add_argument("--longest", type=float, default=10, help="seconds; a library with longer runs is left out")
    parser.add_argument("--results", type=Path, help="a file of cells, which is added to; what it has is not measured")
    parser.add_argument("--all", action="store_true", help="all libraries in the table, not only the fastest other")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # the others' on how they call torchvision
    cells = []
    if options.results and options.results.exists():
        cells = [json.loads(line) for line in options.results.read_text().splitlines()]
    with torch.inference_mode():
        run(options, cells)
    print(f"\ntorch {torch.__version__}, {options.device}; milliseconds per pair: ours, fastest other (times ours)\n")
    print(table(cells, options.all), least(cells), sep="\n\n")


if __name__ == "__main__":
    main()
