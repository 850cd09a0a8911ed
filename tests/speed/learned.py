"""Learned assessors against the plain way: transformers' `generate` for one dimension after the other.

    python tests/speed/learned.py                                    # a random backbone of 60 million parameters
    python tests/speed/learned.py --backbone Qwen/Qwen3-VL-8B-Instruct --device cuda --side 1024 --batch 16

Time and memory do not depend on the values of weights, so random ones of the right shapes do. Both sides see the same
images and prompts, in one process, in alternation; preparation of images and texts is not counted on either side.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

import numpy as np
import torch

from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.targets import Example
from editmetrics.plugins.ds_ieqa.assessor import Assessor
from editmetrics.plugins.ds_ieqa.digit_scale import DigitScale
from editmetrics.plugins.ds_ieqa.feedback import Feedback
from editmetrics.plugins.ds_ieqa.prompts import START_DEFINITIONS
from editmetrics.sample import Sample
from editmetrics.testing import tiny_backbone

MIDDLE = {
    "hidden": 512, "layers": 12, "heads": 8, "key_value_heads": 2, "vision_hidden": 512, "vision_layers": 8,
    "image": 224, "patch": 14, "context": 8192,
}  # fmt: skip
ANSWER = 12
"""Tokens of "Visual quality score: 4.38" in the tokenizers of Qwen and InternVL, about."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", help="hub id or folder; default: random, 60 million parameters")
    parser.add_argument("--family", default="internvl", help="of the random backbone")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=448, help="pixels along a side of the images")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        path = arguments.backbone or tiny_backbone(arguments.family, folder, **MIDDLE)
        backbone = Backbone.load(path, device=arguments.device, image_tokens=1280)
        run(backbone, arguments)


def run(backbone: Backbone, arguments: argparse.Namespace) -> None:
    random = np.random.default_rng(0)
    images = [
        [random.integers(0, 256, (arguments.side, arguments.side, 3), dtype=np.uint8) for _ in range(2)]
        for _ in range(arguments.batch)
    ]
    assessor = Assessor(backbone, START_DEFINITIONS, DigitScale(0, 100))
    batch = [assessor.prepare(source, edited, "make the sky red") for source, edited in images]
    plain = [native_inputs(backbone, assessor, images, dimension) for dimension in START_DEFINITIONS]

    def ours() -> None:
        assessor.read(batch)

    def theirs() -> None:
        for inputs in plain:
            backbone.model.generate(**inputs, max_new_tokens=ANSWER, min_new_tokens=ANSWER, do_sample=False)

    parameters = sum(parameter.numel() for parameter in backbone.model.parameters())
    tokens = len(batch[0]["visual_quality"])
    print(f"{backbone!r}: {parameters / 1e6:.0f} million parameters, {torch.get_num_threads()} threads")
    print(f"{arguments.batch} pairs of {arguments.side} pixels, {tokens} tokens a prompt, three dimensions")
    seconds = alternated([ours, theirs], arguments.rounds)
    report("three scores, from logits", seconds[0], arguments.batch)
    report("transformers' generate, one after the other", seconds[1], arguments.batch)
    print(f"ratio {seconds[1] / seconds[0]:.1f}")

    pairs = {f"{row}": assessor.see(*pair) for row, pair in enumerate(images)}
    examples = [Example(Sample(f"{row}", edited=None, prompt="make the sky red"), {"visual_quality": 50.0})
                for row in range(arguments.batch)]  # fmt: skip
    feedback = Feedback(assessor, "visual_quality", examples, lambda sample: pairs[sample.id])
    cached, anew = alternated(
        [
            lambda: feedback("Say how sharp the target image is."),
            lambda: Feedback(assessor, "visual_quality", examples, lambda sample: pairs[sample.id])(
                "Say how sharp it is."
            ),
        ],
        arguments.rounds,
    )
    print(f"one definition of FDMPO: {cached:.2f} s with cached images, {anew:.2f} s anew; ratio {anew / cached:.1f}")


def native_inputs(backbone: Backbone, assessor: Assessor, images: list, dimension: str) -> dict:
    """The same prompts as transformers' own processor makes them, without the begun answer."""
    from editmetrics.mllm.backbone import IMAGE
    from editmetrics.plugins.ds_ieqa.prompts import chat

    ((role, parts),) = chat(IMAGE, "make the sky red", dimension, START_DEFINITIONS[dimension], assessor.scale)
    content = [{"type": "image"} if part is IMAGE else {"type": "text", "text": part} for part in parts]
    text = backbone.processor.apply_chat_template(
        [{"role": role, "content": content}], add_generation_prompt=True, tokenize=False
    )
    backbone.tokenizer.padding_side = "left"
    inputs = backbone.processor(text=[text] * len(images), images=[*images], padding=True, return_tensors="pt")
    return {name: tensor.to(backbone.device) for name, tensor in inputs.items()}


def alternated(calls: list, rounds: int) -> list[float]:
    """The median seconds of each call, in turns, after one that is not counted."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for number, call in enumerate(calls):
            start = time.perf_counter()
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                times[number].append(time.perf_counter() - start)
    return [statistics.median(of_call) for of_call in times]


def report(name: str, seconds: float, pairs: int) -> None:
    peak = f", peak {torch.cuda.max_memory_allocated() / 1e9:.1f} GB" if torch.cuda.is_available() else ""
    print(f"{pairs / seconds:8.2f} pairs a second: {name}{peak}")


if __name__ == "__main__":
    main()
