"""The services of `NetworkMetric` to its subclasses: weights, sharing, the caller's random state, notes, stand-ins."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from editmetrics import Dimension, Sample, weights
from editmetrics.bases.network import NetworkMetric
from editmetrics.registry import BUILTIN
from editmetrics.testing import toys
from editmetrics.testing.hooks import declared_for


class Brightness(NetworkMetric):
    """A linear network on the mean colour; its weights take the place of the small file of `dists`."""

    name, version = "brightness", 1
    dimensions = (Dimension("brightness", primary=True),)

    def checkpoints(self):
        return ("dists",)

    def network(self):
        return nn.Linear(3, 1)

    def prepare(self, sample):
        return {"colour": super().prepare(sample)["edited"].mean((1, 2)), "note": sample.prompt}

    def forward(self, batch):
        return self.module(batch["colour"])[:, 0]


@pytest.fixture
def folder(tmp_path):
    torch.save(
        {"weight": torch.ones(1, 3), "bias": torch.zeros(1)}, tmp_path / weights.checkpoint("dists").files[0].path
    )
    with weights.substitute("dists", tmp_path):
        yield tmp_path


def sample(level):
    return Sample("a", edited=torch.full((3, 4, 4), level), prompt="a note")


def test_the_scores_are_those_of_the_network_with_the_weights_of_the_file(folder):
    metric = Brightness().to("cpu")
    scores = metric.score([sample(0.25), sample(0.5)])
    assert [float(score) for score in scores] == pytest.approx([0.75, 1.5])
    assert scores[0].details == {"note": "a note"}
    assert not metric.module.training
    assert not metric.module.weight.requires_grad


def test_the_callers_random_state_stays_as_it_was(folder):
    before = torch.random.get_rng_state()
    Brightness().to("cpu").load()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_equal_metrics_share_one_network(folder):
    first, second = Brightness().to("cpu"), Brightness().to("cpu")
    first.load()
    second.load()
    assert first.module is second.module


@pytest.mark.parametrize("wrong", [{"weight": torch.ones(1, 3)}, {"weight": torch.ones(2, 3), "bias": torch.zeros(1)}])
def test_weights_that_do_not_fit_are_refused(folder, wrong):
    torch.save(wrong, folder / weights.checkpoint("dists").files[0].path)
    with pytest.raises(weights.WeightsError, match="does not fit the network of brightness"):
        Brightness().to("cpu").load()


def test_a_stand_in_takes_the_place_of_the_weights():
    network = nn.Linear(3, 1)
    metric = Brightness().to("cpu")
    metric.use(network)
    colour = torch.full((1, 3), 0.5)
    assert float(metric(sample(0.5))) == pytest.approx(network(colour).item())


def test_a_new_built_in_needs_no_stand_in_of_its_own(monkeypatch):
    monkeypatch.setitem(BUILTIN, "brightness", f"{__name__}:Brightness")
    declared = declared_for("brightness")
    with declared.imitating(["dists"]):
        (score,) = Brightness().to("cpu").score([toys.sample(0)])
    assert score.ok
