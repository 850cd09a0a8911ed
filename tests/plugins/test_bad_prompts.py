"""Prompts of no characters and of ten thousand, for every metric that reads a prompt through an encoder of its own."""

from __future__ import annotations

import pytest
import skimage.data

from editmetrics import Sample, create_metric
from editmetrics.testing import offline_weights

CAT = skimage.data.chelsea()[:60, :80]
READ = {"pick_score": "CLIP reads 77", "hps_v2": "CLIP reads 77", "mps": "CLIP reads 77",
        "image_reward": "35 are read", "blip_score": "35 are read"}  # fmt: skip
LONG = {"words": "a red fox " * 1_000, "one word": "x" * 10_000, "signs": "\N{FOX FACE}\x00\u202e\ud800 " * 2_000}


@pytest.mark.parametrize("name", READ)
def test_an_empty_prompt_is_skipped_and_the_end_of_a_long_one_is_cut_off(name):
    metric = create_metric(name, device="cpu")
    with offline_weights(metric.checkpoints()):
        texts = ["", " \n", *LONG.values()]
        empty, blank, *long = metric.score([Sample("x", edited=CAT, prompt=text) for text in texts])
    for score in (empty, blank):
        assert (score.status, "requires prompt" in (score.reason or "")) == ("skipped", True)
    for kind, score in zip(LONG, long, strict=True):
        assert score.ok, (kind, score)
        unknown = kind == "one word" and "35" in READ[name]  # to BERT a word of over 100 letters is one unknown token
        assert (READ[name] in score.details.get("note", "")) != unknown, kind
