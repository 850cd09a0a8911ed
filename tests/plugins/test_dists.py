"""DISTS against piq, torchmetrics and pyiqa, with the same random VGG-16 and random weights of channels."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import piq
import pytest
import torch

from editmetrics import SampleError, create_metric, weights
from editmetrics.plugins.dists import BACKBONE, CHANNELS, WEIGHTS, dists
from tests.plugins.photographs import pairs, tensors
from tests.random_checkpoints import write_random_checkpoint

pytestmark = pytest.mark.filterwarnings(
    "ignore:The parameter 'pretrained'", "ignore:Arguments other than a weight enum"
)
PHOTOGRAPHS = ("noise", "shift")  # 200 x 252 pixels, and 400 x 420, which are scaled down


@pytest.fixture(scope="module", autouse=True)
def channels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torch") / "hub" / "checkpoints"
    write_random_checkpoint(BACKBONE, folder)
    rng = torch.Generator().manual_seed(1)
    drawn = {name: torch.rand(1, sum(CHANNELS), 1, 1, generator=rng) for name in ("alpha", "beta")}
    torch.save(drawn, folder / "weights.pt")
    total = sum(tensor.sum() for tensor in drawn.values())  # what piq downloads sums up to 1 already
    torch.save({name: tensor / total for name, tensor in drawn.items()}, folder / "dists_weights.pt")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("TORCH_HOME", str(folder.parents[1]))
        for name in (BACKBONE, WEIGHTS):
            stack.enter_context(weights.substitute(name, folder))
        yield drawn


@pytest.fixture(scope="module")
def metric():
    metric = create_metric("dists", device="cpu")
    metric.load()
    return metric


@pytest.mark.parametrize("edit", PHOTOGRAPHS)
def test_equals_piq(edit, metric):
    other = create_metric("dists:scale=piq", device="cpu")
    expected = float(piq.DISTS(reduction="none")(*reversed(tensors(edit))))
    assert float(other(*pairs()[edit])) == pytest.approx(expected, rel=1e-4)  # float32, variances otherwise summed


def test_equals_torchmetrics(metric, channels):
    import torchmetrics.functional.image.dists as functions

    network = functions.DISTSNetwork(load_weights=False)
    network.alpha.data, network.beta.data = channels["alpha"], channels["beta"]
    source, edited = tensors("shift")
    other = create_metric("dists:scale=none", device="cpu")
    assert float(other(*pairs()["shift"])) == pytest.approx(float(network(source, edited)), rel=1e-4)


def test_the_papers_scale_is_pillows(metric):
    """The authors' script resizes by Pillow's bilinear filter, to 256 pixels on the shorter side."""
    from PIL import Image

    source, edited = pairs()["shift"]
    size = (round(256 * source.shape[1] / source.shape[0]), 256)
    smaller = [np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)) for image in (source, edited)]
    # Pillow rounds to 8 bits
    assert float(metric(source, edited)) == pytest.approx(float(metric(*smaller)), rel=5e-3)


def test_identical_images_are_at_0_and_a_region_looks_where_it_is(metric):
    source, _ = pairs()["noise"]
    assert float(metric(source, source)) == pytest.approx(0, abs=1e-6)
    edited = source.copy()
    edited[:, :100] = 255 - edited[:, :100]
    mask = np.zeros(source.shape[:2], bool)
    mask[:, :100] = True
    values = {}
    for region in ("inside", "outside"):
        other = create_metric(f"dists:region={region}", device="cpu")
        values[region] = float(other(source, edited, mask=mask))
    assert values["outside"] < values["inside"] / 2


def test_a_mask_of_all_is_the_whole(metric):
    x, y = tensors("noise")
    everything = torch.ones(1, 1, *x.shape[2:], dtype=torch.bool)
    torch.testing.assert_close(dists(x, y, metric._module, everything), dists(x, y, metric._module))
    with pytest.raises(SampleError, match="no position"):
        dists(x, y, metric._module, ~everything)
    with pytest.raises(SampleError, match="at least 16 x 16"):
        dists(x[..., :15], y[..., :15], metric._module)
