"""Batch norms: their statistics belong to the weights of a step, when a run is resumed and when the best are chosen."""

from __future__ import annotations

import json
import os

import pytest
import torch
from torch import nn

from editmetrics.mllm.loop import train
from editmetrics.mllm.norm_statistics import norm_statistics
from editmetrics.mllm.processes import process_group
from editmetrics.mllm.recipe import Recipe, TrainingRun
from tests.mllm.processes import launched

RECIPE = Recipe(steps=8, batch_size=4, learning_rate=1e-2, evaluate_every=2)
EXAMPLES = [torch.randn(3, generator=torch.Generator().manual_seed(index)) for index in range(20)]


class Net(nn.Module):
    """A batch norm before a layer: in evaluation its output depends on the statistics."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1, bias=False))
        with torch.no_grad():
            self.layers[1].weight.fill_(0.1)

    def forward(self, x):
        return {"loss": (self.layers(x)[:, 0] - x.sum(1)).square().mean()}


class Killed(BaseException):
    pass


def fit(folder, values=(), progress=None):
    """Train; returns the network, and its output at each validation, which has the next of `values`."""
    net, seen, left = Net(), [], iter(values)

    def validate():
        seen.append(output(net))
        return next(left, 0.0)

    run = TrainingRun(RECIPE, folder, progress=progress)
    train(net, EXAMPLES, run, collate=lambda some: {"x": torch.stack(some)}, validate=validate)
    return net, seen


def output(net):
    with torch.no_grad():
        return net.layers(torch.stack(EXAMPLES))


def test_the_best_weights_have_the_statistics_of_their_step(tmp_path):
    net, seen = fit(tmp_path, [0.1, 0.9, 0.2, 0.3])
    assert torch.equal(output(net), seen[1])
    again, none = fit(tmp_path)  # finished: loaded from its file
    assert not none
    assert torch.equal(output(again), seen[1])


def test_a_killed_run_resumes_with_its_statistics(tmp_path):
    def kill(step, *_):
        if step == 5:
            raise Killed

    whole, _ = fit(tmp_path / "whole", [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(Killed):
        fit(tmp_path / "killed", [0.1, 0.2], kill)
    resumed, _ = fit(tmp_path / "killed", [0.3, 0.4])
    assert all(torch.equal(one, norm_statistics(whole)[name]) for name, one in norm_statistics(resumed).items())
    assert torch.equal(output(resumed), output(whole))


def report(folder):
    """What one of several processes does: the statistics at each validation, and at the end."""
    net, seen = Net(), []

    def validate():
        seen.append([tensor.tolist() for tensor in norm_statistics(net).values()])
        return 0.0

    with process_group("cpu"):
        run = TrainingRun(RECIPE, folder / "run")
        train(net, EXAMPLES, run, collate=lambda some: {"x": torch.stack(some)}, validate=validate)
    (folder / f"rank{os.environ['RANK']}.json").write_text(json.dumps(seen))


@pytest.mark.slow
def test_two_processes_validate_with_the_same_statistics(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("from pathlib import Path\nfrom tests.mllm.test_norm_statistics import report\n"
                       "report(Path(__file__).parent)\n")  # fmt: skip
    launched([str(program)], tmp_path)
    one, other = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert len(one) == 4
    assert one == other
