"""Preference models beside diffsynth's modules: a batch in memory, and a folder as its example reads it.

    python -m tests.speed.preference                            # 8 images of 512 x 512, encoders of ViT-B's size
    python -m tests.speed.preference --layers 2 --only pick_score

Both have the same architecture with random weights and one thread of torch: encoders 768 wide in the place of ViT-H,
beside which all that differs would be lost. The batch: both get the images and the prompts at once. The folder: ours is
`score`, which decodes once, in threads, and fills batches; theirs opens a file, and gives its image and its prompt to
the model. Processor time and time by the clock, in turns; on a busy machine the first says more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

from editmetrics import Metric, Sample, create_metric, score
from editmetrics.plugins import blip, transformers_networks
from tests.speed.sets import processor_seconds

PROMPTS = [f"a painting of {count} foxes in the snow, warm light" for count in ("two", "three", "some", "many")]
WIDTH = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
Call = Callable[[list[str], list[Image.Image]], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[*MAKERS])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    prompts = [PROMPTS[index % len(PROMPTS)] for index in range(arguments.images)]
    with tempfile.TemporaryDirectory() as name:
        paths = pictures(Path(name), arguments)
        pixels = [np.asarray(Image.open(path)) for path in paths]
        images = [Image.fromarray(one) for one in pixels]
        print("| model | batch: ours, ms an image | theirs | ratio | folder: ours | theirs | ratio | by the clock |")
        print("|---|---|---|---|---|---|---|---|")
        for model in arguments.only:
            metric, theirs = MAKERS[model](arguments.layers)
            samples = [
                [
                    Sample(str(index), edited=one, prompt=text)
                    for index, (one, text) in enumerate(zip(*both, strict=True))
                ]
                for both in ((pixels, prompts), (paths, prompts))
            ]
            busy, clock = in_turns(four_calls(metric, theirs, samples, prompts, images, paths), arguments.rounds)
            busy = [1000 * seconds / arguments.images for seconds in busy]
            cells = (f"{busy[0]:.0f} | {busy[1]:.0f} | {busy[1] / busy[0]:.2f}x", f"{busy[2]:.0f} | {busy[3]:.0f}")
            print(f"| `{model}` | {' | '.join(cells)} | {busy[3] / busy[2]:.2f}x | {clock[3] / clock[2]:.2f}x |")


def four_calls(
    metric: Metric,
    theirs: Call,
    samples: list[list[Sample]],
    prompts: list[str],
    images: list[Image.Image],
    paths: list[Path],
) -> list[Callable[[], Any]]:
    """A batch by ours and by theirs, a folder by ours and by theirs."""
    of_arrays, of_files = samples
    return [
        lambda: metric.score(of_arrays),
        lambda: theirs(prompts, images),
        lambda: score(of_files, [metric]),
        lambda: [theirs([text], [Image.open(path)]) for path, text in zip(paths, prompts, strict=True)],
    ]


def in_turns(calls: list[Callable[[], Any]], rounds: int) -> tuple[list[float], list[float]]:
    """The median processor seconds of each call, and those of the clock, after a round that is not counted."""
    busy: list[list[float]] = [[] for _ in calls]
    clock: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for number, call in enumerate(calls):
            before, start = processor_seconds(), time.perf_counter()
            call()
            if turn:
                busy[number].append(processor_seconds() - before)
                clock[number].append(time.perf_counter() - start)
    return [median(times) for times in busy], [median(times) for times in clock]


def pictures(folder: Path, arguments: argparse.Namespace) -> list[Path]:
    """PNG files of smooth noise."""
    random = np.random.default_rng(0)
    paths = [folder / f"{index}.png" for index in range(arguments.images)]
    for path in paths:
        coarse = random.integers(0, 256, (arguments.size // 8, arguments.size // 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((arguments.size, arguments.size), Image.Resampling.BICUBIC).save(path)
    return paths


def diffsynth(module: str) -> Any:
    """A module of diffsynth, whose import asks for modelscope, which downloads and is not needed here."""
    from importlib import import_module

    stand_in = types.ModuleType("modelscope")
    stand_in.snapshot_download = None  # type: ignore[attr-defined]
    with mock.patch.dict(sys.modules, {"modelscope": stand_in}):
        return import_module(f"diffsynth.models.{module}")


def clip_parts(layers: int) -> tuple[Any, Any]:
    """A CLIP of transformers with random weights, and its processor."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    from editmetrics.plugins.text_image import _tokenizer

    side = {**WIDTH, "num_hidden_layers": layers, "hidden_act": "gelu"}
    text = {**side, "hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2048, "eos_token_id": 2}
    vision = {**side, "image_size": 224, "patch_size": 32}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision)).eval().requires_grad_(False)
    tokenizer = _tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    return model, CLIPProcessor(image_processor=CLIPImageProcessor(), tokenizer=tokenizer)


def pick_score(layers: int) -> tuple[Metric, Call]:
    model, processor = clip_parts(layers)
    metric: Any = create_metric("pick_score", device="cpu")
    metric.use(model)
    return metric, diffsynth("pickscore").PickScoreModel(model, processor)


def hps_v2(layers: int) -> tuple[Metric, Call]:
    from open_clip import CLIP

    model, processor = clip_parts(layers)
    vision = {"layers": layers, "width": 768, "head_width": 64, "patch_size": 32, "image_size": 224}
    metric: Any = create_metric("hps_v2:fit=crop,scale=logit", device="cpu")
    metric.use(CLIP(512, vision, {"layers": layers, "width": 512, "heads": 8}))
    return metric, diffsynth("hpsv2").HPSv2Model(model, processor)


def image_reward(layers: int) -> tuple[Metric, Call]:
    """A BLIP with a smaller vision encoder; the vocabulary of both has the words of the prompts."""
    from editmetrics.plugins.conformance.preference import WORDS

    side = {**WIDTH, "num_hidden_layers": layers}
    with (
        mock.patch.object(blip, "VISION", {"large": side}),
        mock.patch.object(blip, "TEXT", {**side, "vocab_size": 30524}),
        mock.patch.object(transformers_networks, "without_numbers", lambda build: build()),
        mock.patch.object(blip, "without_numbers", lambda build: build()),
    ):
        metric: Any = create_metric("image_reward", device="cpu")
        metric.use(metric.network())
        other: Any = blip.BLIPMetric.network(metric)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as vocabulary:
        words = " ".join(PROMPTS).replace(",", "").split()
        vocabulary.write("\n".join(dict.fromkeys([*WORDS, *words])) + "\n")
    metric.reads = lambda text: blip.bert_tokens(text, 35, vocabulary.name)
    tokenizer = blip._tokenizer(vocabulary.name)
    return metric, diffsynth("image_reward").ImageRewardModel(other, tokenizer).eval()


MAKERS = {"pick_score": pick_score, "hps_v2": hps_v2, "image_reward": image_reward}


if __name__ == "__main__":
    main()
