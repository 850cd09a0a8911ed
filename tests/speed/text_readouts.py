"""Published assessors that answer in words: pairs per second, ours and the authors' loop, on one small random model.

    python -m tests.speed.text_readouts

The authors' loop: each question of each pass is a chat of its own, whose images go through the vision tower and, with
all of the text, through the language model, before transformers' `generate` writes the answer. Ours looks at an image
once for all questions that show the same ones, reads what they begin with once, draws all passes of a question from one
reading, and writes answers in a batch. The model has the proportions of a Qwen2.5-VL-7B. Every answer has the same
number of tokens on both sides. Greedy answers are first compared: with the authors' loop's answers behind the prompts,
the logits of each token must be those of transformers up to rounding. A random model's likeliest two tokens are
sometimes closer than that, and the answers then go on differently: such answers are counted.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from editmetrics import Sample, create_metric
from editmetrics.judge import Image as Shown
from editmetrics.testing import tiny_backbone

from .learned import alternated
from .reward_models import FEW, SMALL

CASES = {
    "unified_reward_edit": "unified_reward_edit:checkpoint=qwen-7b",
    "firm_edit": "firm_edit",
    "mllm_rating": "mllm_rating:checkpoint=qwen2_5-vl-7b",
    "edit_score, 1 pass": "edit_score",
    "edit_score, 4 passes": "edit_score:rounds=4",
}
CLOSE = 1e-3
"""float32 logits of a random model, around 10 at most, in other orders of summation."""


def written(folder: Path, sizes: dict[str, int]) -> Path:
    """Write a model that knows the words of the questions, and never ends an answer by itself."""
    metrics = [create_metric(spec) for spec in CASES.values()]
    words = " ".join(prompt.text or "" for metric in metrics for prompt in metric.conventions.prompts.values())
    tiny_backbone("qwen2_5_vl", folder, patch=14, image=448, context=8192, corpus=words, vocabulary=2000, **sizes)
    tensors = load_file(folder / "model.safetensors")
    head = tensors["lm_head.weight"]
    head[2000:] = 0  # control tokens: never the likeliest of two thousand, nor of the first twenty
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def opened(spec: str, folder: Path, tokens: int) -> Any:
    """Load a metric on the model; an adapter of its own is left out on both sides."""
    from editmetrics.judge import open_judge
    from editmetrics.mllm.backbone import Backbone

    metric = create_metric(spec, device="cpu", max_tokens=tokens)
    options = {**metric.sampling(), **metric.local_options()}
    metric.use(open_judge(backbone=Backbone.load(folder, device="cpu"), cache=False, **options))
    return metric


@torch.no_grad()
def authors_loop(metric: Any, samples: list[Sample], kept: list[Any] | None = None) -> list[str | None]:
    """Answer each question of each pass by itself with transformers' `generate`; `kept` gets (token ids, logits)."""
    backbone = metric.judge.backend.backbone
    drawn, texts = metric.sampling(), []
    how: dict[str, Any] = {"do_sample": False}
    if drawn["temperature"]:
        how = {"do_sample": True, **{name: drawn[name] for name in ("temperature", "top_p", "top_k") if name in drawn}}
    for sample in samples:
        for _ in range(metric.rounds):
            for question in metric.questions(sample).values():
                turns = [
                    {"role": message.role, "content": [
                        {"type": "image", "image": Image.fromarray(part.pixels())} if isinstance(part, Shown)
                        else {"type": "text", "text": part} for part in message.parts
                    ]} for message in question.messages
                ]  # fmt: skip
                batch = backbone.processor.apply_chat_template(
                    turns, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
                )
                written = backbone.model.generate(
                    **batch, max_new_tokens=drawn["max_tokens"], return_dict_in_generate=True,
                    output_logits=kept is not None, **how
                )  # fmt: skip
                ids = written.sequences[0, batch["input_ids"].shape[1] :]
                texts.append(backbone.tokenizer.decode(ids, skip_special_tokens=True))
                if kept is not None:
                    kept.append((ids.tolist(), torch.cat(written.logits)))
    return [text if text.strip() else None for text in texts]  # blanks alone are no answer to a judge


def ours(metric: Any, samples: list[Sample]) -> list[str | None]:
    """Answer as the metric does; the texts of all questions in order."""
    questions = list(metric._ask(metric.prepare(sample) for sample in samples))
    return [answer.text for answer in metric.judge.ask_all(questions)]


def greedy_difference(metric: Any, samples: list[Sample]) -> tuple[float, int]:
    """Return how far logits are from those of transformers at most, and how many answers differ, see the module."""
    from editmetrics.mllm.shared_prefix import read_together

    backbone, kept, calls = metric.judge.backend.backbone, [], []
    generate = backbone.generate
    backbone.generate = lambda prompts, *how, **more: calls.append(prompts) or generate(prompts, *how, **more)
    wanted, answers = authors_loop(metric, samples, kept), ours(metric, samples)
    backbone.generate = generate
    largest, rows = 0.0, iter(kept)
    for prompts in calls:
        theirs = [next(rows) for _ in prompts]
        for (mine,), (_, logits) in zip(
            read_together(backbone, prompts).continued([[ids] for ids, _ in theirs]), theirs, strict=True
        ):
            largest = max(largest, (mine - logits).abs().max().item())
    return largest, sum(one != other for one, other in zip(wanted, answers, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64, help="of an answer")
    parser.add_argument("--side", type=int, default=512, help="pixels along a side of an image")
    parser.add_argument("--few", action="store_true", help="a model of no weight, to see that the script runs")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    shape = (arguments.pairs, 2, arguments.side, arguments.side, 3)
    samples = [
        Sample(str(row), edited=edited, source=source, prompt=f"make object {row} red, and keep all of the others")
        for row, (edited, source) in enumerate(rng.integers(0, 256, shape, dtype=np.uint8))
    ]
    print(
        "| | answers a pair | authors' loop, pairs/s | ours | ratio | greedy: logits within, answers parted at a tie |"
    )
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = written(Path(name), FEW if arguments.few else SMALL)
        for case in arguments.cases:
            metric = opened(CASES[case], folder, arguments.tokens)
            note = "drawn"
            if metric.sampling()["temperature"] == 0:
                largest, other = greedy_difference(metric, samples)
                if largest > CLOSE:
                    raise SystemExit(f"{case}: a logit differs by {largest:.2g} from that of transformers")
                note = f"{largest:.1g}, {other}"
            calls = [lambda metric=metric: authors_loop(metric, samples), lambda metric=metric: ours(metric, samples)]
            theirs, mine = (arguments.pairs / seconds for seconds in alternated(calls, arguments.rounds))
            count = metric.rounds * len(metric.conventions.questions)
            print(f"| {case} | {count} | {theirs:.3f} | {mine:.3f} | {mine / theirs:.1f}x | {note} |", flush=True)


if __name__ == "__main__":
    main()
