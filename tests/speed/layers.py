"""What reading an early layer saves: time and memory of scoring, all layers against those up to the chosen one.

    python tests/speed/layers.py                                    # a random backbone of 60 million parameters
    python tests/speed/layers.py --backbone OpenGVLab/InternVL3_5-8B-HF --device cuda --side 1024

Time and memory do not depend on the values of weights, so random ones of the right shapes do. For each layer: the time
of a batch of pairs, in one process and in alternation, and the bytes of weights that are loaded with `layers=LAYER`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

import numpy as np
import torch

from editmetrics.mllm.backbone import Backbone
from editmetrics.plugins.hpe_lsa.assessor import Assessor
from editmetrics.testing import tiny_backbone
from tests.speed.learned import MIDDLE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", help="hub id or folder; default: random, 60 million parameters")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=448, help="pixels along a side of the images")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.backbone or tiny_backbone("internvl", folder, **MIDDLE)
        run(str(path), arguments)


def run(path: str, arguments: argparse.Namespace) -> None:
    random = np.random.default_rng(0)
    side = arguments.side
    images = [
        [random.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(2)] for _ in range(arguments.batch)
    ]
    backbone = Backbone.load(path, device=arguments.device, image_tokens=1280)
    layers = sorted({max(1, backbone.num_layers * share // 4) for share in (1, 2, 3, 4)})
    readers = {layer: Assessor(backbone, layer=layer) for layer in layers}
    prompts = [readers[layers[0]].pair(source, edited, "make the sky red") for source, edited in images]
    seconds: dict[int, list[float]] = {layer: [] for layer in layers}
    for _ in range(arguments.rounds + 1):
        for layer, assessor in readers.items():
            began = time.perf_counter()
            assessor.states(prompts).cpu()
            seconds[layer].append(time.perf_counter() - began)
    whole = statistics.median(seconds[layers[-1]][1:])
    print(f"{backbone!r}: {backbone.num_layers} layers, {len(prompts[0])} tokens, {torch.get_num_threads()} threads")
    for layer in layers:
        part = Backbone.load(path, device=arguments.device, image_tokens=1280, layers=layer)
        megabytes = sum(p.numel() * p.element_size() for p in part.model.parameters()) / 1e6
        median = statistics.median(seconds[layer][1:])
        share = f"{median / whole:.0%} of the time"
        print(f"layer {layer}: {1000 * median / arguments.batch:.0f} ms a pair, {share}; {megabytes:.0f} MB of weights")


if __name__ == "__main__":
    main()
