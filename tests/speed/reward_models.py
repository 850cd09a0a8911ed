"""Published reward models: pairs per second, ours and the authors' loop, on one small model with random weights.

    python -m tests.speed.reward_models

The authors' loop, for each pair and each question: the vision tower sees both images, the language model the whole chat
up to its end, and the head every token, as the inference code of HPSv3 and EditReward has it. Ours sees images once for
all questions, computes what the questions begin with once, ends at the control token, and batches pairs. The model has
the proportions of a Qwen2.5-VL-7B: the vision tower computes a third of what the language model does for an image.
Numbers are first checked to be equal.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from editmetrics import Sample, create_metric
from editmetrics.plugins.conformance.reward_models import EDIT_REWARD_HEADS, HPSV3_HEADS, TOKEN, write_reward_model
from editmetrics.testing import tiny_backbone

from .learned import alternated

SMALL = {"hidden": 512, "layers": 8, "heads": 8, "key_value_heads": 2, "vision_hidden": 256, "vision_layers": 5}
FEW = {"hidden": 64, "layers": 2}
CLOSE = 1e-4
"""float32 numbers of a head, in other orders of summation."""


def written(name: str, folder: Path, sizes: dict[str, int]) -> Path:
    """Write a checkpoint whose processor lets 256 tokens of an image through, as the real one does."""
    family, heads = {"hpsv3": ("qwen2_vl", HPSV3_HEADS), "edit_reward": ("qwen2_5_vl", EDIT_REWARD_HEADS)}[name]
    words = " ".join(prompt.text or "" for prompt in create_metric(name).conventions.prompts.values())
    tiny_backbone(family, folder, patch=14, image=448, context=8192, corpus=words, vocabulary=2000, **sizes)
    config = folder / "processor_config.json"
    settings = json.loads(config.read_text(encoding="utf-8"))
    settings["image_processor"]["size"] = {"shortest_edge": 3136, "longest_edge": 12845056}
    config.write_text(json.dumps(settings), encoding="utf-8")
    write_reward_model(folder, folder / "whole.safetensors", heads)
    (folder / "model.safetensors").unlink()
    return folder


@torch.no_grad()
def authors_loop(metric: Any, samples: list[Sample]) -> list[float]:
    """Score each sample by itself as the published code does: every question is a chat of its own from the start."""
    backbone, numbers = metric._backbone, []
    model, processor = backbone.model, backbone.processor
    for sample in samples:
        outputs = []
        for question, head in zip(metric.asked(sample).values(), metric._heads.values(), strict=True):
            *images, text = question.messages[0].parts
            pictures = [Image.fromarray(image.pixels()) for image in images]
            content = [*({"type": "image", "image": one} for one in pictures), {"type": "text", "text": text}]
            chat = [{"role": "user", "content": content}]
            prompt = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
            batch = processor(text=[prompt], images=pictures, return_tensors="pt")
            embedded = model.get_input_embeddings()(batch["input_ids"])
            seen = model.model.visual(batch["pixel_values"], grid_thw=batch["image_grid_thw"]).pooler_output
            embedded = embedded.masked_scatter((batch["input_ids"] == model.config.image_token_id)[..., None], seen)
            states = model.model(inputs_embeds=embedded, attention_mask=batch["attention_mask"]).last_hidden_state
            outputs.append(head(states)[0, batch["input_ids"][0] == backbone.token(TOKEN), 0])
        numbers.append(float(torch.cat(outputs).mean()))
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--few", action="store_true", help="a model of no weight, to see that the script runs")
    parser.add_argument("--metrics", nargs="+", default=["edit_reward", "hpsv3"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    samples = [
        Sample(str(row), edited=edited, source=source, prompt=f"make object {row} red, and keep all of the others")
        for row, (edited, source) in enumerate(rng.integers(0, 256, (arguments.pairs, 2, 512, 512, 3), dtype=np.uint8))
    ]
    print("| metric | questions | authors' loop, pairs/s | ours, one at a time | ours, a batch |")
    print("|---|---|---|---|---|")
    for name in arguments.metrics:
        with tempfile.TemporaryDirectory() as folder:
            weights = written(name, Path(folder), FEW if arguments.few else SMALL)
            metric = create_metric(name, weights=str(weights), device="cpu")
            metric.load()

            def batched(metric: Any = metric) -> list[Any]:
                return metric.score_batch([metric.prepare(sample) for sample in samples])

            def alone(metric: Any = metric) -> list[Any]:
                return [metric.score_batch([metric.prepare(sample)])[0] for sample in samples]

            wanted = authors_loop(metric, samples)
            for scores in (batched(), alone()):
                worst = max(abs(float(one) - other) for one, other in zip(scores, wanted, strict=True))
                if worst > CLOSE:
                    raise SystemExit(f"{name} differs from the authors' loop by {worst}")
            calls = [lambda metric=metric: authors_loop(metric, samples), alone, batched]
            theirs, *ours = (arguments.pairs / seconds for seconds in alternated(calls, arguments.rounds))
            cells = [f"{speed:.2f} ({speed / theirs:.2f}x)" for speed in ours]
            print(f"| {name} | {len(metric.conventions.questions)} | {theirs:.2f} | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    main()
