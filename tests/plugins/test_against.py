"""Comparison with a ground-truth reference instead of the source, as MagicBrush's L1 and L2 have it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from editmetrics import Sample, create_metric
from tests.plugins.photographs import pairs


def test_l1_and_l2_of_magicbrush():
    """nn.L1Loss and nn.MSELoss of ToTensor images, the generated one resized as Pillow does by default."""
    target, generated = pairs()["pasted"]
    generated = np.array(Image.fromarray(generated).resize((300, 220)))
    resized = np.array(Image.fromarray(generated).resize((target.shape[1], target.shape[0])))
    ours, theirs = (torch.from_numpy(image.copy()).permute(2, 0, 1) / 255 for image in (resized, target))
    sample = Sample("x", edited=generated, source=255 - target, reference=target)
    expected = {"mae": torch.nn.L1Loss()(ours, theirs), "mse": torch.nn.MSELoss()(ours, theirs)}
    for name, value in expected.items():
        metric = create_metric(f"{name}:against=reference,resize=edited", device="cpu")
        assert metric.required() == {"edited", "reference"}
        assert float(metric(sample)) == pytest.approx(float(value), rel=1e-5)
