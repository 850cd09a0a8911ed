"""Processes that train together: work that one does for all, errors that reach all, means over some examples."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch
from torch import nn

from editmetrics.mllm.loop import train
from editmetrics.mllm.losses import RatingLoss
from editmetrics.mllm.processes import (
    ProcessError,
    gathered,
    is_main_process,
    on_main_process,
    process_group,
    rank_and_count,
    shared,
)
from editmetrics.mllm.recipe import Recipe, TrainingRun, shuffled
from editmetrics.mllm.run_folder import RunFolder
from tests.mllm.processes import launched

COUNT, STEPS, BATCH = 12, 6, 4
RECIPE = Recipe(
    steps=STEPS, batch_size=BATCH, learning_rate=0.05, schedule="constant", warmup_ratio=0, clip=0, dtype="float32",
    evaluate_every=2,
)  # fmt: skip
INPUTS = torch.from_numpy(np.random.default_rng(3).normal(size=(COUNT, 3)).astype(np.float32))


class TwoHeads(nn.Module):
    """One head learns from all examples, the other from every third; the loss has a mean over each."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.all, self.some = nn.Linear(3, 1), nn.Linear(3, 1)

    def forward(self, rows, chosen, counts):
        every = (self.all(rows) - 1.0).square().mean()
        some = (self.some(rows[chosen]) - 2.0).square().sum() / (counts["chosen"] or 1.0)
        return {"loss": every + some, "every": every, "some": some}


def collate(numbers):
    chosen = [number % 3 == 0 for number in numbers]
    return {"rows": INPUTS[numbers], "chosen": torch.tensor(chosen), "counts": {"chosen": sum(chosen)}}


def weights(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()]).tolist()


def trained(folder, module=None, recipe=RECIPE, **more):
    module = module or TwoHeads()
    train(module, range(COUNT), TrainingRun(recipe, folder, **more), collate=collate, validate=lambda: 0.5)
    return weights(module)


@pytest.mark.parametrize("micro", [None, 2, 1])
def test_a_mean_over_some_examples_is_over_the_whole_batch_however_it_is_divided(tmp_path, micro):
    """Against a plain loop of torch; `validate` keeps the weights of its first call."""
    module = TwoHeads()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.05, weight_decay=0.0)
    for batch in shuffled(COUNT, 2 * BATCH, seed=0).reshape(2, BATCH).tolist():
        optimizer.zero_grad()
        errors = (module.some(INPUTS[[n for n in batch if n % 3 == 0]]) - 2.0).square()
        (module.all(INPUTS[batch]) - 1.0).square().mean().backward()
        (errors.mean() if len(errors) else errors.sum()).backward()
        optimizer.step()
    recipe = RECIPE.adjusted(micro_batch_size=micro)
    np.testing.assert_allclose(trained(tmp_path, recipe=recipe), weights(module), rtol=1e-5, atol=1e-6)


def test_alone_everything_is_done_here(monkeypatch):
    with process_group("cpu"), process_group("cpu"):
        assert rank_and_count() == (0, 1)
        assert on_main_process(lambda: "done") == "done"
    assert shared("abc", lambda some: [letter * 2 for letter in some]) == ["aa", "bb", "cc"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert not is_main_process()
    with pytest.raises(ProcessError, match="outside process_group"):
        on_main_process(lambda: pytest.fail("nobody waits for it"))
    for variable in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ProcessError, match=r"WORLD_SIZE=2\), but cannot join.*torchrun"), process_group("cpu"):
        pytest.fail("it is alone")


# ---------------------------------------------------------------------- on two processes


class OneHead(TwoHeads):
    """Its second head does not take part in a batch without chosen examples."""

    def forward(self, rows, chosen, counts):
        every = (self.all(rows) - 1.0).square().mean()
        return {"loss": every + self.some(rows[chosen]).square().mean() if chosen.any() else every}


def failing():
    raise FileNotFoundError("no definitions.jsonl")


def error_of(action):
    """The error that `action` ends with, inside a group of its own."""
    try:
        with process_group("cpu"):
            action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def leave(rank):
    if rank == 1:
        raise KeyError("one")
    on_main_process(failing)


def late_load(self, *arguments, plain=RunFolder.load):
    """The best weights, loaded by the second process after the first would have removed them, if it did not wait."""
    if not is_main_process():
        Event().wait(0.3)
    plain(self, *arguments)


def compared(rows):
    """The loss of a process that holds some rows of twelve, and its gradient."""
    random = torch.Generator().manual_seed(5)
    predicted, ratings, shares = torch.rand(3, 12, generator=random)
    own = predicted[rows].clone().requires_grad_()
    groups = torch.arange(12) // 6
    loss = RatingLoss.parse("l1+plcc+0.5*rank")(own, ratings[rows], shares[rows], groups[rows])["loss"]
    loss.backward()
    return loss.item(), own.grad.tolist()


def report(folder):
    """What a process sees; two of them write it each into a file."""
    facts = {}
    with process_group("cpu"):
        rank, _ = rank_and_count()
        facts["shared"] = shared(range(5), lambda own: [[rank, number] for number in own])
        facts["from main"] = on_main_process(lambda: f"by {rank}")
        row = torch.tensor([[2.0 + rank, 1.0]], requires_grad=True)
        (gathered(row).square().sum(0) * row).mean().backward()
        facts["gradient"] = row.grad.tolist()
        facts["compared"] = compared(slice(rank, None, 2))
    facts["main fails"] = error_of(lambda: on_main_process(failing))
    facts["one leaves"] = error_of(lambda: leave(rank))
    facts["conditional"] = error_of(lambda: trained(folder / "conditional", OneHead()))
    RunFolder.load = late_load
    facts["weights"] = trained(folder / "run")
    facts["losses"] = RunFolder(folder / "run").history().losses
    (folder / f"rank{rank}.json").write_text(json.dumps(facts))


def test_two_processes_wait_share_fail_and_train_together(tmp_path):
    launched([__file__, str(tmp_path)], tmp_path)
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert first["shared"] == second["shared"] == [[0, 0], [1, 1], [0, 2], [1, 3], [0, 4]]
    assert first["from main"] == second["from main"] == "by 0"
    assert first["main fails"] == "FileNotFoundError: no definitions.jsonl"
    assert second["main fails"] == (
        "ProcessError: process 1 stops, because process 0 stopped: FileNotFoundError: no definitions.jsonl"
    )
    assert first["one leaves"].startswith("ProcessError: process 0 lost the others")
    assert second["one leaves"] == "KeyError: 'one'"
    refusals = f"{first['conditional']} {second['conditional']}"
    assert "does not depend on some.weight (2 such parameters)" in refusals
    alone = trained(tmp_path / "alone")
    for each in (first, second):
        np.testing.assert_allclose(each["weights"], alone, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first["losses"], RunFolder(tmp_path / "alone").history().losses, rtol=1e-5)
    rows = torch.tensor([[2.0, 1.0], [3.0, 1.0]], requires_grad=True)  # the sum of both losses, by one process
    (rows.square().sum(0) * rows).mean(1).sum().backward()
    assert [first["gradient"][0], second["gradient"][0]] == rows.grad.tolist()
    loss, gradient = compared(slice(None))  # the examples of both processes are compared with one another
    assert first["compared"][0] == second["compared"][0] == pytest.approx(loss, rel=1e-5)
    halves = np.array([first["compared"][1], second["compared"][1]])  # the mean over processes is what is trained on
    np.testing.assert_allclose(halves.T.flatten() / 2, gradient, rtol=1e-4, atol=1e-6)


if __name__ == "__main__":
    report(Path(sys.argv[1]))
