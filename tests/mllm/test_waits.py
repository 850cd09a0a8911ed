"""How often the host waits for a device, and copies to it: to look at pictures, read prompts and write a token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from editmetrics.mllm.backbone import IMAGE, Backbone
from editmetrics.testing import rehearsal, tiny_backbone

UNAVAILABLE = rehearsal.why_unavailable()


@pytest.mark.skipif(UNAVAILABLE is not None, reason=str(UNAVAILABLE))
@pytest.mark.parametrize("family", ["qwen3_vl", "qwen2_5_vl", "qwen2_vl", "internvl"])
def test_nothing_waits_in_a_layer_and_a_token_is_one_copy(family: str, tmp_path: Path) -> None:
    rehearsal.install()
    folder = tiny_backbone(family, tmp_path)
    expected = None
    for device in ("cpu", rehearsal.NAME):
        backbone, draw = Backbone.load(folder, device=device), np.random.default_rng(0)
        pictures = [backbone.see(draw.integers(0, 256, (64 + 28 * n, 96, 3), np.uint8)) for n in range(3)]
        words = ["Is it good?", "Is it good or bad?", "Good?"]
        prompts = [backbone.prompt([("user", [IMAGE, text])], [p]) for text, p in zip(words, pictures, strict=True)]
        with rehearsal.watch() as looking, torch.inference_mode():
            features = backbone.look(pictures)
        with rehearsal.watch() as reading:
            cache = backbone.read(prompts, [[each] for each in features])
        with rehearsal.watch() as writing:
            cache.extend([[5], [6], [7]])
        cache.extend([[5], [], [7, 8]])
        counted = [(len(watch.reads), len(watch.uploads)) for watch in (looking, reading, writing)]
        results = [*(each.tokens.cpu() for each in features), cache.logits.cpu()]
        if expected is None:
            expected = results
            continue
        for result, other in zip(results, expected, strict=True):
            torch.testing.assert_close(result, other, atol=1e-5, rtol=1e-4)
        # pixels, and the layout of Qwen's pictures; transformers asks for the size of two masks in each inner level of
        # Qwen3-VL; and for a token it looks at the mask
        qwen = int(family.startswith("qwen"))
        assert counted == [(0, 1 + qwen), (4 if family == "qwen3_vl" else 0, 1), (1, 1)]
