"""The metrics of docs/plugins.md that run any model of timm and of open_clip by its name."""

from __future__ import annotations

import json
import re
from typing import Any

import open_clip
import pytest
import skimage.data
import timm
import torch
from PIL import Image

from editmetrics.plugins.conformance.preference import TINY_OPEN_CLIP
from tests.test_layout import ROOT

PHOTOGRAPH = skimage.data.chelsea()[:160, :200]


@pytest.fixture(scope="module")
def by_name() -> dict[str, Any]:
    """The names of the block `by_name.py` of the page."""
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    block = re.search(r"^```python file=by_name.py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": "by_name"}
    exec(compile(block.group(1), "by_name.py", "exec"), names)
    return names


@pytest.mark.parametrize("architecture", ["test_efficientnet", "test_vit"])
def test_a_model_of_timm_is_a_metric_of_its_own(by_name, architecture):
    metric = by_name["TimmQuality"](architecture=architecture).to("cpu")
    assert metric.label == f"timm_quality:architecture={architecture}"
    assert metric.checkpoints() == (f"{architecture}-quality",)
    torch.manual_seed(0)
    network = timm.create_model(architecture, num_classes=1).eval()
    metric.use(metric.network())
    metric.load()
    metric.module.load_state_dict(network.state_dict())  # its own network, strictly
    settings = timm.data.resolve_model_data_config(network) | {"crop_pct": 1.0, "crop_mode": "squash"}
    theirs = timm.data.create_transform(**settings | {"interpolation": "bicubic"})(Image.fromarray(PHOTOGRAPH))
    with torch.inference_mode():
        expected = network(theirs[None]).sigmoid().item()
    assert float(metric(PHOTOGRAPH)) == pytest.approx(expected, abs=1e-5)
    _is_a_reward(metric)


def test_a_model_of_open_clip_is_one_too(by_name, tmp_path):
    (tmp_path / "tiny-by-name.json").write_text(json.dumps(TINY_OPEN_CLIP))
    open_clip.add_model_config(tmp_path)
    metric = by_name["PromptMatch"](architecture="tiny-by-name").to("cpu")
    torch.manual_seed(0)
    network, _, preprocess = open_clip.create_model_and_transforms("tiny-by-name")
    metric.use(metric.network())
    metric.load()
    metric.module.load_state_dict(network.state_dict())
    with torch.inference_mode():
        seen = network.eval().encode_image(preprocess(Image.fromarray(PHOTOGRAPH))[None])
        read = network.encode_text(open_clip.get_tokenizer("tiny-by-name")(["a cat"]))
    expected = torch.cosine_similarity(seen, read).item()
    assert float(metric(PHOTOGRAPH, prompt="a cat")) == pytest.approx(expected, abs=1e-5)
    _is_a_reward(metric, prompt=["a cat"])


def _is_a_reward(metric: Any, **fields: Any) -> None:
    image = (torch.from_numpy(PHOTOGRAPH.copy()).permute(2, 0, 1)[None] / 255).requires_grad_()
    reward = metric.tensors(image, **fields)
    texts = {name: texts[0] for name, texts in fields.items()}
    assert reward.item() == pytest.approx(float(metric(PHOTOGRAPH, **texts)), abs=2e-3)  # pixels are rounded to 8 bits
    reward.sum().backward()
    assert image.grad.abs().max() > 0
