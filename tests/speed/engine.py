"""How long `editmetrics score` takes over the sum of its parts, and how much memory it holds.

    python tests/speed/engine.py                 # 1,000 pairs of 512x512 PNG; a few minutes on two cores
    python tests/speed/engine.py --pairs 100 --skip-memory

Prints ratios: the command against decoding alone plus computing alone (both on all cores, in this process), against one
run of the command for each metric, and, where pyiqa is installed, against its command; and the peak memory of
1,000 and 10,000 pairs (the same files under ten names).
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

METRICS = ("psnr", "ssim", "ms_ssim")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pyiqa", default=shutil.which("pyiqa"), help="pyiqa's command, when installed elsewhere")
    parser.add_argument("--pyiqa-pairs", type=int, default=100, help="pyiqa is run on so many pairs, and scaled")
    parser.add_argument("--skip-memory", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        print(f"making {arguments.pairs} pairs of {arguments.size}x{arguments.size} PNG", flush=True)
        make_pairs(root, arguments.pairs, arguments.size)
        pairs = sorted((root / "source").iterdir()), sorted((root / "edited").iterdir())
        sums, runs = [], []
        for _ in range(arguments.rounds):
            decode, compute = decode_alone(*pairs), compute_alone(*pairs, count=min(100, arguments.pairs))
            run, _ = command(root, METRICS)
            sums.append(decode + compute)
            runs.append(run)
            print(
                f"decode {decode:.1f} s, compute {compute:.1f} s, command {run:.1f} s: {run / (decode + compute):.2f}",
                flush=True,
            )
        ratio = statistics.median(run / parts for run, parts in zip(runs, sums, strict=True))
        print(f"the command over decoding plus computing: {ratio:.2f} (median; goal: at most 1.15)")
        apart = sum(command(root, (name,))[0] for name in METRICS)
        print(f"one run for each metric: {apart:.1f} s, {apart / statistics.median(runs):.2f} times as long")
        if arguments.pyiqa:
            against_pyiqa(root, arguments, statistics.median(runs))
        if not arguments.skip_memory:
            memory(root)


def make_pairs(root: Path, count: int, size: int) -> None:
    """Photographs of scikit-image at random crops, with noise, so that PNG compresses them as it does photographs."""
    import numpy as np
    from PIL import Image
    from skimage import data

    rng = np.random.default_rng(0)
    photographs = [
        Image.fromarray(image).resize((1024, 1024)) for image in (data.astronaut(), data.coffee(), data.chelsea())
    ]
    photographs = [np.asarray(image) for image in photographs]
    for name in ("source", "edited"):
        (root / name).mkdir()
    for index in range(count):
        top, left = rng.integers(0, 1024 - size, 2) if size < 1024 else (0, 0)
        crop = np.resize(photographs[index % 3][top : top + size, left : left + size], (size, size, 3))
        edited = np.clip(crop + rng.normal(0, 5, crop.shape), 0, 255).astype(np.uint8)
        Image.fromarray(crop).save(root / "source" / f"{index:05d}.png", compress_level=6)
        Image.fromarray(edited).save(root / "edited" / f"{index:05d}.png", compress_level=6)


def decode_alone(sources: list[Path], edits: list[Path]) -> float:
    """Seconds to read and decode all files, on all cores."""
    from editmetrics.images import read_image

    started = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(
            lambda pair: (read_image(pair[0]).shape, read_image(pair[1]).shape), zip(sources, edits, strict=True)
        ):
            pass
    return time.perf_counter() - started


def compute_alone(sources: list[Path], edits: list[Path], count: int) -> float:
    """Seconds to compute all metrics on decoded pairs, on all cores: measured on `count` of them, scaled to all."""
    import torch

    from editmetrics import Sample, create_metric
    from editmetrics.images import read_image

    metrics = [create_metric(name, device="cpu") for name in METRICS]
    for metric in metrics:
        metric.load()
    samples = [
        Sample("", edited=read_image(e), source=read_image(s))
        for s, e in zip(sources[:count], edits[:count], strict=True)
    ]

    def compute(sample: Sample) -> None:
        for metric in metrics:
            metric.score_or_why_not([metric.prepare(sample)])

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    started = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compute, samples))
    torch.set_num_threads(threads)
    return (time.perf_counter() - started) * len(sources) / count


def command(root: Path, metrics: tuple[str, ...], manifest: Path | None = None) -> tuple[float, float]:
    """Seconds and peak memory in MB of the command, from start to end."""
    paths = [str(manifest)] if manifest else [str(root / "source"), str(root / "edited")]
    wanted = [word for name in metrics for word in ("-m", name)]
    output = root / "scores.csv"
    for left in (output, output.with_suffix(".record.jsonl")):
        left.unlink(missing_ok=True)
    program = [
        sys.executable,
        "-m",
        "editmetrics",
        "score",
        *paths,
        *wanted,
        "-o",
        str(output),
        "-q",
        "--device",
        "cpu",
    ]
    started = time.perf_counter()
    child = subprocess.Popen(program, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    took = time.perf_counter() - started
    if status:
        sys.exit(f"{' '.join(program)} failed")
    return took, usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def against_pyiqa(root: Path, arguments: argparse.Namespace, ours: float) -> None:
    few = root / "few"
    for name in ("source", "edited"):
        (few / name).mkdir(parents=True)
        for path in sorted((root / name).iterdir())[: arguments.pyiqa_pairs]:
            (few / name / path.name).symlink_to(path)
    theirs = 0.0
    for name in METRICS:
        started = time.perf_counter()
        subprocess.run(
            [arguments.pyiqa, name, "-t", str(few / "edited"), "-r", str(few / "source"), "--device", "cpu"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        took = time.perf_counter() - started
        theirs += took
        print(f"pyiqa {name}: {took:.1f} s for {arguments.pyiqa_pairs} pairs", flush=True)
    theirs *= arguments.pairs / arguments.pyiqa_pairs
    print(f"pyiqa's three runs over the one command: {theirs / ours:.1f} times as long (scaled; goal: at least 20)")


def memory(root: Path) -> None:
    files = sorted(path.name for path in (root / "source").iterdir())
    peaks = {}
    for count in (len(files), 10 * len(files)):
        manifest = root / f"{count}.csv"
        with manifest.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "source", "edited"])
            for index in range(count):
                name = files[index % len(files)]
                rows.writerow([f"{index:06d}", f"source/{name}", f"edited/{name}"])
        took, peaks[count] = command(root, ("psnr", "ssim"), manifest)
        print(f"{count} pairs: peak {peaks[count]:.0f} MB, {took:.1f} s", flush=True)
    few, many = peaks.values()
    print(f"peak memory of ten times the pairs: {many / few:.3f} times")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
