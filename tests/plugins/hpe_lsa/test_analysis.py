"""The analysis of a backbone's images: which state of a layer it takes, and what it does with images it cannot read."""

import numpy as np
import pytest
import torch

from editmetrics import Sample
from editmetrics.mllm.backbone import Backbone
from editmetrics.plugins.hpe_lsa.analysis import analyse
from editmetrics.plugins.hpe_lsa.assessor import LayerAssessor
from editmetrics.plugins.hpe_lsa.criterion import LSAError
from editmetrics.plugins.hpe_lsa.labels import LABEL, labelled
from editmetrics.testing import tiny_backbone


@pytest.fixture(scope="module")
def kinds(samples):
    """Twelve real and twelve edited images."""
    images = labelled(samples[:24])
    return [[image for image in images if image.meta[LABEL] == kind][:12] for kind in (1, 0)]


@pytest.mark.parametrize("family", ["internvl", "qwen3_vl"])
def test_the_norm_at_the_end_changes_nothing(family, kinds, tmp_path):
    """It scales the last layer alone, and each dimension by another weight."""
    assessor = LayerAssessor(Backbone.load(tiny_backbone(family, tmp_path / family), device="cpu"))
    before = analyse(assessor, *kinds)
    with torch.no_grad():
        assessor.backbone.language.norm.weight.mul_(torch.linspace(-3, 100, assessor.backbone.hidden_size))
    after = analyse(assessor, *kinds)
    for name in ("kl", "ldr", "entropy"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


def test_the_size_of_batches_changes_rounding_alone(kinds):
    assessor = LayerAssessor(Backbone.load("toy-internvl", device="cpu", image_tokens=1280))
    seen = []
    one, five = (analyse(assessor, *kinds, batch_size=size, on_images=seen.append) for size in (1, 5))
    assert sum(seen) == 2 * 24
    np.testing.assert_allclose(five.ldr, one.ldr, rtol=1e-3)
    np.testing.assert_allclose(five.total, one.total, atol=0.05)


def test_an_image_that_cannot_be_read_is_left_out_and_no_image_of_a_class_is_an_error(kinds, tmp_path, caplog):
    assessor = LayerAssessor(Backbone.load("toy-internvl", device="cpu", image_tokens=1280))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    broken = Sample("broken", edited=tmp_path / "broken.png")
    profile = analyse(assessor, [*kinds[0], broken], kinds[1])
    assert (profile.real, profile.edited) == (12, 12)
    assert "broken is left out" in caplog.text
    with pytest.raises(LSAError, match="number of real images: 0"):
        analyse(assessor, [broken], kinds[1])
