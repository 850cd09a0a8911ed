"""Small costs around a backbone's passes, each against the plain way: ratios of processor time, in alternation.

    python -m tests.speed.assessors                     # --only CASE ..., --rounds, --layers, --size

`using`: an adapter switched on and off on a model with as many modules as an 8B one, against peft's own switches on all
modules. `lsa`: a batch of eight images counted, against moving every histogram whose lowest bin changes with
`numpy.add.at`, as version 0.1 did. `tower`: LLaVA-OneVision's vision tower with the one layer that is read, against all
hidden states (time, and bytes that are kept). `triplets`: the first epoch of triplets with kept pictures, against
preparing each; the next ones cost nothing as long as all fit.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.lora import add_lora, using
from editmetrics.mllm.pictures import PreparedPictures
from editmetrics.plugins.hpe_lsa.lsa import LayerStatistics
from tests.speed.shapes import random_backbone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES), metavar="CASE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=36, help="of the model and of the analysed states")
    parser.add_argument("--size", type=int, default=4096, help="of the analysed states")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    for name in arguments.only:
        print(f"{name:9} {CASES[name](arguments)}", flush=True)


def compared(ours: Callable[[], object], plain: Callable[[], object], rounds: int) -> str:
    """Milliseconds of both, the median of the rounds, and their ratio."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for taken, action in zip(seconds, (ours, plain), strict=True):
            began = time.process_time()
            action()
            taken.append(time.process_time() - began)
    own, theirs = map(statistics.median, seconds)
    return f"{1000 * own:.2f} ms, plain {1000 * theirs:.2f} ms ({theirs / own:.1f}x)"


def switching(arguments: argparse.Namespace) -> str:
    from peft.tuners.tuners_utils import BaseTunerLayer

    backbone = _deep(arguments.layers)
    for name in "abc":
        add_lora(backbone, name, parts={"language", "vision"}, rank=1)

    def ours() -> None:
        with using(backbone, "b"):
            pass

    def switch(name: str | None) -> None:
        layers: list[Any] = [part for part in backbone.model.modules() if isinstance(part, BaseTunerLayer)]
        gradients = [(p, p.requires_grad) for layer in layers for p in layer.parameters()]
        for layer in [part for part in backbone.model.modules() if isinstance(part, BaseTunerLayer)]:
            layer.enable_adapters(name is not None)
            layer.set_adapter([] if name is None else [name])
        for parameter, had in gradients:
            parameter.requires_grad_(had)

    def plain() -> None:
        switch("b")
        switch(None)

    def nested() -> None:
        with using(backbone, None):
            pass

    return f"{compared(ours, plain, arguments.rounds)}; when it is at work already {compared(nested, plain, 3)}"


def analysing(arguments: argparse.Namespace) -> str:
    shape = (8, arguments.layers, arguments.size)
    random = np.random.default_rng(0)
    batches = [random.standard_t(3, shape).astype(np.float32) for _ in range(2 * arguments.rounds)]
    ours, plain = LayerStatistics(*shape[1:]), _Moving(*shape[1:])
    own, theirs = iter(batches), iter(batches)
    return compared(
        lambda: ours.add(next(own), edited=False), lambda: plain.add(next(theirs), edited=False), 2 * arguments.rounds
    )


class _Moving(LayerStatistics):
    """Histograms that begin at the lowest bin, and are moved whenever it changes."""

    def add(self, states: Any, *, edited: bool) -> None:
        values = np.asarray(states, np.float64)
        if not np.isfinite(values).all():
            raise ValueError("not finite")
        self._add_moments(int(edited), values)
        before, exponents = self._first, self._exponent
        self._make_room(values)
        moved = (before != self._first) | (exponents != self._exponent)
        for layer in map(int, np.flatnonzero(moved.any(1))) if self._histogram.any() else ():
            where = moved[layer]
            column = np.tile(np.arange(self._fine), (int(where.sum()), 1))
            for kind in (0, 1):
                counts = self._histogram[kind, layer, where]
                merged = np.zeros_like(counts)
                np.add.at(merged, (np.arange(len(column))[:, None], column), counts)
                self._histogram[kind, layer, where] = merged
        bins = np.floor(np.ldexp(values, -self._exponent)).astype(np.int64) - self._first.astype(np.int64)
        each = np.arange(self._low.size).reshape(self._low.shape) * self._fine
        np.add.at(self._histogram[int(edited)].reshape(-1), (each + np.clip(bins, 0, self._fine - 1)).reshape(-1), 1)


def seeing(arguments: argparse.Namespace) -> str:
    backbone = random_backbone("small-llava")
    model: Any = backbone.model
    side = model.config.vision_config.image_size
    side = side if isinstance(side, int) else side[0]
    tiles = torch.rand(10, 3, side, side)
    with torch.no_grad():
        states = model.model.vision_tower(tiles, output_hidden_states=True).hidden_states

        def plain() -> None:
            kept = model.model.vision_tower(tiles, output_hidden_states=True).hidden_states
            model.model.multi_modal_projector(kept[-1])

        times = compared(lambda: backbone.family._tile_features(model, tiles), plain, arguments.rounds)
    return f"{times}; keeps 1 of {len(states)} hidden states of {states[0].nbytes / 1e6:.1f} MB"


def preparing(arguments: argparse.Namespace) -> str:
    """24 edits of four sources, of which each triplet takes two."""
    from PIL import Image

    backbone = random_backbone("small-internvl")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.png" for number in range(28)]
        for number, file in enumerate(files):
            pixels = np.random.default_rng(number).integers(0, 256, (512, 512, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(file)
        epoch = [
            image for number in range(24) for image in (files[number % 4], files[(number + 1) % 4], files[4 + number])
        ]

        def prepared(memory: int) -> None:
            pictures = PreparedPictures(backbone, memory)
            for image in epoch:
                pictures(image)

        return compared(lambda: prepared(1 << 30), lambda: prepared(0), 3)


def _deep(layers: int) -> Backbone:
    """A narrow backbone with many layers."""
    from editmetrics.testing import tiny_backbone

    folder = tempfile.mkdtemp()
    return Backbone.load(tiny_backbone("internvl", folder, layers=layers, vision_layers=24), device="cpu")


CASES: dict[str, Callable[[argparse.Namespace], str]] = {
    "using": switching, "lsa": analysing, "tower": seeing, "triplets": preparing,
}  # fmt: skip


if __name__ == "__main__":
    main()
