"""What reading an early layer saves: time and memory of scoring, all layers against those up to the chosen one.

    python -m tests.speed.layers                                    # a random backbone of 24 layers of 512
    python -m tests.speed.layers --backbone OpenGVLab/InternVL3_5-8B-HF --device cuda --side 1024

Time and memory do not depend on the values of weights, so random ones of the right shapes do. Time: a batch of edits,
in one process and in alternation, so that whatever else the machine does weighs on all alike; on the CPU it is the
processor's, for the same reason. Memory: of a process of its own, which loads the layers that are needed
(`layers=needed`) or all of them, and scores a batch.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from editmetrics.mllm.backbone import Backbone, Prompt
from editmetrics.plugins.hpe_lsa.assessor import LayerAssessor as Assessor
from editmetrics.testing import tiny_backbone

BIG = {
    "hidden": 512, "layers": 24, "heads": 8, "key_value_heads": 2, "vision_hidden": 256, "vision_layers": 6,
    "image": 224, "patch": 14, "context": 8192,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", help="hub id or folder; default: random, 24 layers of 512")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=448, help="pixels along a side of the images")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs=2, type=int, metavar=("LOAD", "LAYER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(*memory(arguments.backbone, *arguments.only, arguments))
        return
    with tempfile.TemporaryDirectory() as folder:
        run(arguments.backbone or str(tiny_backbone("internvl", folder, **BIG)), arguments)


def run(path: str, arguments: argparse.Namespace) -> None:
    backbone = Backbone.load(path, device=arguments.device, image_tokens=1280)
    count = backbone.num_layers
    layers = sorted({max(1, count * share // 4) for share in (1, 2, 3, 4)})
    asked = prompts(backbone, arguments)
    seconds = times(backbone, asked, layers, arguments.rounds)
    print(f"{backbone!r}: {count} layers, {len(asked[0])} tokens, {torch.get_num_threads()} threads")
    print("layer  time of a pair            weights loaded and peak memory, layers=needed")
    whole = apart(path, count, count, arguments)
    for layer in reversed(layers):
        ratio = statistics.median(one / all_ for one, all_ in zip(seconds[layer], seconds[count], strict=True))
        ms = 1000 * statistics.median(seconds[layer]) / arguments.batch
        weights, peak = whole if layer == count else apart(path, layer, layer, arguments)
        print(
            f"{layer:5}  {ms:8.0f} ms ({ratio:4.0%} of all)   {weights:6.0f} MB ({weights / whole[0]:4.0%})   "
            f"{peak:6.0f} MB ({peak / whole[1]:4.0%})",
            flush=True,
        )


def prompts(backbone: Backbone, arguments: argparse.Namespace) -> list[Prompt]:
    random, side = np.random.default_rng(0), arguments.side
    images = [
        [random.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(2)] for _ in range(arguments.batch)
    ]
    assessor = Assessor(backbone)
    return [assessor.pair(source, edited, "make the sky red") for source, edited in images]


def times(backbone: Backbone, asked: list[Prompt], layers: list[int], rounds: int) -> dict[int, list[float]]:
    readers = {layer: Assessor(backbone, layer=layer) for layer in layers}
    clock = time.process_time if backbone.device.type == "cpu" else time.perf_counter
    seconds: dict[int, list[float]] = {layer: [] for layer in layers}
    for _ in range(rounds + 1):
        for layer, assessor in readers.items():
            began = clock()
            assessor.states(asked).cpu()
            seconds[layer].append(clock() - began)
    return {layer: taken[1:] for layer, taken in seconds.items()}  # the first round warms up


def apart(path: str, load: int, layer: int, arguments: argparse.Namespace) -> tuple[float, float]:
    """`memory` in a process of its own."""
    command = [sys.executable, "-m", "tests.speed.layers", "--backbone", path, "--only", str(load), str(layer)]
    command += [f"--{name}={getattr(arguments, name)}" for name in ("device", "side", "batch")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    weights, peak = map(float, done.stdout.split()[-2:])
    return weights, peak


def memory(path: str, load: int, layer: int, arguments: argparse.Namespace) -> tuple[float, float]:
    """MB of weights with `load` layers loaded; MB at the peak of loading and of scoring with `layer` of them, over the
    empty process."""
    from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: F401 - part of the empty process

    cuda = arguments.device.startswith("cuda")
    before = 0.0 if cuda else resident("VmRSS")
    backbone = Backbone.load(path, device=arguments.device, image_tokens=1280, layers=load)
    Assessor(backbone, layer=layer).states(prompts(backbone, arguments)).cpu()
    weights = sum(p.numel() * p.element_size() for p in backbone.model.parameters()) / 1e6
    return weights, torch.cuda.max_memory_allocated() / 1e6 if cuda else resident("VmHWM") - before


def resident(kind: str) -> float:
    """MB of memory that this process has ("VmRSS") or at most had ("VmHWM"); of Linux.

    Not `resource.getrusage`, whose peak a child inherits from the process that started it.
    """
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(kind))
    return float(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
