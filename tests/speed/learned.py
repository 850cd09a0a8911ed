"""Learned assessors against the plain way: transformers' `generate`, one question after the other.

    python -m tests.speed.learned                                  # a random backbone of N million parameters
    python -m tests.speed.learned --backbone Qwen/Qwen3-VL-8B-Instruct --device cuda --side 1024 --batch 16

Time and memory do not depend on the values of weights, so random ones of the right shapes do, adapters included. Both
sides get the same prompts and pixels, prepared beforehand, in batches of the same size, in one process and in
alternation; the plain way writes as many tokens as the answer has, or as ours writes. What a row compares is said at
its function. `--mixed 48` adds pairs of all sizes: batches of like length against batches as they come.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.flop_counter import FlopCounterMode

from editmetrics.mllm.backbone import IMAGE, Backbone, Prompt
from editmetrics.mllm.lora import adapters, add_lora, remove_lora, using
from editmetrics.mllm.prompts import length_class
from editmetrics.plugins.ds_ieqa.assessor import DigitAssessor as Digits
from editmetrics.plugins.ds_ieqa.digit_scale import DigitScale
from editmetrics.plugins.ds_ieqa.prompts import START_DEFINITIONS
from editmetrics.plugins.epaiqa.assessor import BOX_TOKENS
from editmetrics.plugins.epaiqa.assessor import ExplainingAssessor as Explainer
from editmetrics.plugins.epaiqa.box import Box
from editmetrics.plugins.hpe_lsa.assessor import LayerAssessor as Layer
from editmetrics.plugins.lmm4lmm.assessor import TaskAssessor as Tasks
from editmetrics.testing import tiny_backbone
from tests.speed.stages import native_pictures

MIDDLE = {
    "hidden": 512, "layers": 12, "heads": 8, "key_value_heads": 2, "vision_hidden": 192, "vision_layers": 4,
    "image": 224, "patch": 14, "context": 8192, "vocabulary": 4000,
}  # fmt: skip
"""The vision tower takes about a fifth of the work, as InternVL3-8B's."""

INSTRUCTION = "replace the red car on the left by a small tree, and keep everything else as it is"
QUESTIONS = ("Is there a tree in the image?", "Is the tree small?", "Is the car gone?")
ANSWER, EXPLANATION = 12, 64
"""Tokens of "Visual quality score: 4.38", about, and of the chain of thought that both sides write."""

Call = Callable[[], object]


@dataclass
class Case:
    """One row: what ours does with a batch, what the plain way does, and the prompts that it asks."""

    name: str
    ours: Call
    plain: Call
    asked: Sequence[Sequence[Prompt]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", help="hub id or folder; default: random, 46 million parameters")
    parser.add_argument("--family", default="internvl", help="of the random backbone")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=448, help="pixels along a side of the images")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--mixed", type=int, default=0, metavar="N", help="also N pairs of all sizes, by length or not")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.backbone or tiny_backbone(arguments.family, folder, corpus=corpus(), **MIDDLE)
        backbone = Backbone.load(path, device=arguments.device, image_tokens=1280)
        run(backbone, arguments)


def run(backbone: Backbone, arguments: argparse.Namespace) -> None:
    random = np.random.default_rng(0)
    pairs = [_pair(random, arguments.side, arguments.side) for _ in range(arguments.batch)]
    peak = matmul_flops(backbone)
    parameters = sum(parameter.numel() for parameter in backbone.model.parameters()) / 1e6
    print(f"{backbone!r}: {parameters:.0f} million parameters, {torch.get_num_threads()} threads,")
    print(
        f"batches of {arguments.batch} pairs of {arguments.side} pixels; a large product of matrices: {peak:.3g} FLOP/s"
    )
    print(f"\n{'':24} {'tokens':>6} {'pairs/s':>8} {'plain':>8} {'ratio':>6} {'tokens/s':>9} {'of peak':>8}")
    for name in arguments.cases:
        case = CASES[name](backbone, pairs)
        operations = flops(case.ours)
        ours, plain = alternated([case.ours, case.plain], arguments.rounds)
        tokens = sum(len(prompt) for prompts in case.asked for prompt in prompts)
        share = operations / ours / peak
        print(f"{name:24} {tokens / len(pairs):6.0f} {len(pairs) / ours:8.2f} {len(pairs) / plain:8.2f} "
              f"{plain / ours:5.1f}x {tokens / ours:9.0f} {share:8.0%}")  # fmt: skip
        for adapter in adapters(backbone):
            remove_lora(backbone, adapter)
    if arguments.mixed:
        by_length(backbone, arguments.mixed, arguments.batch, arguments.rounds)


# ---------------------------------------------------------------------- the rows


def zero_shot_digits(backbone: Backbone, pairs: Sequence[Any]) -> Case:
    """ds_ieqa, raw backbone: three dimensions, images once, digits from logits. Plain: three times `generate`."""
    assessor = Digits(backbone, START_DEFINITIONS, DigitScale(0, 100))
    batch = [assessor.prepare(*pair, INSTRUCTION) for pair in pairs]
    asked = [[prepared[dimension] for prepared in batch] for dimension in START_DEFINITIONS]
    return Case("ds_ieqa", lambda: assessor.read(batch), _generating(backbone, asked, ANSWER), asked)


def trained_digits(backbone: Backbone, pairs: Sequence[Any]) -> Case:
    """ds_ieqa after `fit`: an adapter on the language model for each dimension; the vision tower's work is shared."""
    for dimension in START_DEFINITIONS:
        add_lora(backbone, dimension)
    assessor = Digits(backbone, START_DEFINITIONS, DigitScale(0, 100), {name: name for name in START_DEFINITIONS})
    batch = [assessor.prepare(*pair, INSTRUCTION) for pair in pairs]
    asked = [[prepared[dimension] for prepared in batch] for dimension in START_DEFINITIONS]
    plain = _generating(backbone, asked, ANSWER, list(START_DEFINITIONS))
    return Case("ds_ieqa trained", lambda: assessor.read(batch), plain, asked)


def early_layer(backbone: Backbone, pairs: Sequence[Any]) -> Case:
    """hpe_lsa: the state after two thirds of the layers. Plain: one forward pass, for the states of all layers."""
    add_lora(backbone, "tuned", parts=("vision", "language"))
    assessor = Layer(backbone, "tuned", layer=backbone.num_layers * 2 // 3)
    prompts = [assessor.pair(*pair, INSTRUCTION) for pair in pairs]
    inputs = native_inputs(backbone, prompts)

    def plain() -> None:
        with torch.inference_mode(), using(backbone, "tuned"):
            backbone.model(**inputs, output_hidden_states=True)

    return Case("hpe_lsa", lambda: assessor.states(prompts), plain, [prompts])


def tasks(backbone: Backbone, pairs: Sequence[Any]) -> Case:
    """lmm4lmm after `fit`: two dimensions and three questions, an adapter on both parts for each dimension and for the
    questions. Plain: `generate` of one token for each of the five."""
    names = ("perception", "correspondence", "questions")
    for name in names:
        add_lora(backbone, name, parts=("vision", "language"))
    heads = {name: torch.nn.Linear(backbone.hidden_size, 1).to(backbone.device, backbone.dtype) for name in names[:2]}
    assessor = Tasks(backbone, 448, names[:2], heads, {name: name for name in names})
    batch = [assessor.prepare(edited, INSTRUCTION, QUESTIONS) for _, edited in pairs]
    scored = [[prepared["scored"][name] for prepared in batch] for name in names[:2]]
    asked = [[prepared["questions"][number] for prepared in batch] for number in range(len(QUESTIONS))]

    def ours() -> None:
        with torch.inference_mode():
            for name, prompts in zip(names, scored, strict=False):
                with assessor.at_work(name):
                    assessor.rate(name, prompts)
            with assessor.at_work("questions"):
                assessor.answer([prepared["questions"] for prepared in batch])

    plain = _generating(backbone, [*scored, *asked], 1, [*names[:2], *["questions"] * len(QUESTIONS)])
    return Case("lmm4lmm", ours, plain, [*scored, *asked])


def explained(backbone: Backbone, images: Sequence[Any], grounds: bool = False) -> Case:
    """epaiqa, region given or asked for: levels from logits, a chain of thought of 64 tokens. Plain: `generate` of a
    level's words twice, of the chain of thought, and of the region."""
    assessor = Explainer(backbone, max_tokens=EXPLANATION)
    region = Box(0.5, 0.5, 0.5, 0.5)
    batch = [assessor.prepare(*pair, INSTRUCTION, region) for pair in images]
    harmony, cut, chain = ([getattr(each, kind) for each in batch] for kind in ("harmony", "naturalness", "explained"))
    grounding = [each.grounding for each in batch]

    def ours() -> None:
        pairs = assessor.read_pairs(batch) if grounds else None
        if pairs is not None:
            assessor.ground(grounding, pairs.repeated(range(len(batch))))
        assessor.read_level(harmony)
        assessor.read_level(cut)
        assessor.explain(chain, pairs)

    questions = [_generating(backbone, [harmony, cut], 6), _generating(backbone, [chain], EXPLANATION)]
    if grounds:
        questions.append(_generating(backbone, [grounding], BOX_TOKENS))
    asked = [harmony, cut, chain, *([grounding] if grounds else [])]
    return Case("epaiqa", ours, lambda: [question() for question in questions], asked)


CASES: dict[str, Callable[[Backbone, Sequence[Any]], Case]] = {
    "ds_ieqa, zero-shot": zero_shot_digits,
    "ds_ieqa, trained": trained_digits,
    "hpe_lsa": early_layer,
    "lmm4lmm": tasks,
    "epaiqa, region given": explained,
    "epaiqa, region asked": lambda backbone, pairs: explained(backbone, pairs, grounds=True),
}


# ---------------------------------------------------------------------- the plain way


def _generating(backbone: Backbone, asked: Sequence[Sequence[Prompt]], tokens: int, names: Sequence[str] = ()) -> Call:
    """`generate` for one question after the other, each with the adapter of its name."""
    given = [native_inputs(backbone, prompts) for prompts in asked]

    def call() -> None:
        for number, inputs in enumerate(given):
            with using(backbone, names[number] if names else None):
                backbone.model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)

    return call


def native_inputs(backbone: Backbone, prompts: Sequence[Prompt]) -> dict[str, torch.Tensor]:
    """Prompts as transformers' own processor hands them to the model: padded on the left, pixels side by side."""
    ids = pad_sequence([prompt.ids.flip(0) for prompt in prompts], batch_first=True, padding_value=-1).flip(1)
    inputs = {"input_ids": ids.clamp(min=0), "attention_mask": (ids >= 0).long()}
    inputs |= native_pictures(backbone, prompts, ids)
    return {name: tensor.to(backbone.device) for name, tensor in inputs.items()}


# ---------------------------------------------------------------------- batches of all lengths


def by_length(backbone: Backbone, count: int, batch: int, rounds: int) -> None:
    """Pairs of all sizes in batches of like length, as the engine makes them, against batches as they come."""
    random = np.random.default_rng(1)
    assessor = Digits(backbone, START_DEFINITIONS, DigitScale(0, 100))
    sides = np.exp(random.uniform(np.log(96), np.log(640), (count, 2))).astype(int)
    prepared = [assessor.prepare(*_pair(random, height, width), INSTRUCTION) for height, width in sides]
    groups: dict[int, list[Any]] = {}
    for each in prepared:
        groups.setdefault(length_class(each.values()), []).append(each)
    alike = [group[start : start + batch] for group in groups.values() for start in range(0, len(group), batch)]
    as_they_come = [prepared[start : start + batch] for start in range(0, count, batch)]
    ours, plain = alternated(
        [lambda: [assessor.read(some) for some in alike], lambda: [assessor.read(some) for some in as_they_come]],
        rounds,
    )
    print(f"\n{count} pairs of 96 to 640 pixels a side, batches of up to {batch}:")
    for said, seconds, batches in (("of like length", ours, alike), ("as they come", plain, as_they_come)):
        print(f"{said:16} {count / seconds:6.2f} pairs/s, {_padding(batches):4.0%} padding, {len(batches)} batches")
    print(f"ratio {plain / ours:.2f}")


def _padding(batches: Sequence[Sequence[dict[str, Prompt]]]) -> float:
    lengths = [[len(next(iter(each.values()))) for each in some] for some in batches]
    return 1 - sum(map(sum, lengths)) / sum(max(some) * len(some) for some in lengths)


# ---------------------------------------------------------------------- measuring


def matmul_flops(backbone: Backbone) -> float:
    """FLOP/s of a large product of matrices in the backbone's dtype: what this device can do, as seen from torch."""
    size = 8192 if backbone.device.type == "cuda" else 2048
    matrix = torch.randn(size, size, device=backbone.device, dtype=backbone.dtype)
    (seconds,) = alternated([lambda: matrix @ matrix], 5)
    return 2 * size**3 / seconds


def flops(call: Call) -> int:
    """Floating-point operations of the matrix products and attentions of one call."""
    attentions = {
        getattr(torch.ops.aten, name): _attention_flops
        for name in (
            "_scaled_dot_product_flash_attention", "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention", "_scaled_dot_product_flash_attention_for_cpu",
        )
        if hasattr(torch.ops.aten, name)
    }  # fmt: skip
    with FlopCounterMode(display=False, custom_mapping=attentions) as counter, torch.inference_mode():
        call()
    return int(counter.get_total_flops())


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Both products of attention, from its shapes. torch's own count refuses keys with fewer heads than queries."""
    batch, heads, asking, width = query
    return int(2 * batch * heads * asking * key[-2] * (width + value[-1]))


def alternated(calls: list[Call], rounds: int) -> list[float]:
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


def _pair(random: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    source, edited = (random.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(2))
    return source, edited


def corpus() -> str:
    """What the random backbone's tokenizer knows in few tokens, as a real one does: the words of the prompts."""
    from editmetrics.mllm.levels import LEVELS
    from editmetrics.plugins.ds_ieqa.prompts import chat
    from editmetrics.plugins.epaiqa.levels import COMPLETIONS
    from editmetrics.plugins.epaiqa.prompts import EXPLAINED, GROUNDING, HARMONY, NATURALNESS
    from editmetrics.plugins.hpe_lsa.assessor import PAIR
    from editmetrics.plugins.lmm4lmm.prompts import question

    scale = DigitScale(0, 100)
    digits = [chat(IMAGE, INSTRUCTION, name, said, scale)[0][1] for name, said in START_DEFINITIONS.items()]
    texts = [part for parts in digits for part in parts if part is not IMAGE]
    texts += [f" {word}. " * 20 for word in (*COMPLETIONS, *LEVELS)]
    texts += [EXPLAINED, GROUNDING, HARMONY, NATURALNESS, *PAIR, question("perception", INSTRUCTION), *QUESTIONS]
    return " ".join(texts) * 3


if __name__ == "__main__":
    main()
