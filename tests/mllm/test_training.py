"""The training loop: a recipe means what it says, a killed run ends as if nothing had happened, processes agree."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from editmetrics.mllm import lora
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.loop import train
from editmetrics.mllm.lora import add_lora, trainable, using
from editmetrics.mllm.processes import process_group, rank_and_count, shared, training_device
from editmetrics.mllm.recipe import Recipe, RecipeError, TrainingError, TrainingRun, shuffled
from editmetrics.mllm.run_folder import History
from tests.mllm.processes import launched

ROOT = Path(__file__).parents[2]
COUNT = 50


class Lesson:
    def __init__(self, index):
        self.id = f"lesson{index}"
        self.x = torch.randn(8, generator=torch.Generator().manual_seed(index))
        self.y = self.x[:3].sum().square()


class Net(nn.Module):
    """Some frozen, some trained parameters, with dropout in between."""

    def __init__(self, dropout=0.0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.frozen = nn.Linear(8, 16).requires_grad_(False)
            self.trained = nn.Sequential(nn.Linear(16, 24), nn.Dropout(dropout), nn.GELU(), nn.Linear(24, 1))

    def forward(self, x, y):
        error = self.trained(self.frozen(x))[:, 0] - y
        return {"loss": error.square().mean(), "l1": error.abs().mean()}

    def quality(self):
        with torch.no_grad():
            return -float(self(**collate(LESSONS))["loss"])


def collate(lessons):
    return {"x": torch.stack([lesson.x for lesson in lessons]), "y": torch.stack([lesson.y for lesson in lessons])}


LESSONS = [Lesson(index) for index in range(COUNT)]
RECIPE = Recipe(steps=12, batch_size=8, micro_batch_size=4, learning_rate=1e-2, evaluate_every=4)


def fit(folder, recipe=RECIPE, dropout=0.0, validate=True, **more):
    net = Net(dropout)
    history = train(
        net, LESSONS, TrainingRun(recipe, folder, **more), collate=collate,
        validate=net.quality if validate else None,
    )  # fmt: skip
    return net, history


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


# ---------------------------------------------------------------------- what one step does


def by_hand(recipe, steps):
    """The same training in plain torch: full batches, no Trainer, no accelerate."""
    net = Net()
    optimizer = torch.optim.AdamW(
        [p for p in net.parameters() if p.requires_grad], lr=recipe.learning_rate, betas=recipe.betas,
        weight_decay=recipe.weight_decay,
    )  # fmt: skip
    total, warmup = recipe.total_steps(COUNT), math.ceil(recipe.warmup_ratio * recipe.total_steps(COUNT))
    order, losses = shuffled(COUNT, total * recipe.batch_size, recipe.seed), []
    for step in range(steps):
        done = max(step - warmup, 0) / max(total - warmup, 1)
        factor = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}[recipe.schedule]
        optimizer.param_groups[0]["lr"] = recipe.learning_rate * (step / warmup if step < warmup else factor)
        chosen = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
        loss = net(**collate([LESSONS[i] for i in chosen]))["loss"]
        optimizer.zero_grad()
        loss.backward()
        if recipe.clip:
            nn.utils.clip_grad_norm_(net.parameters(), recipe.clip)
        optimizer.step()
        losses.append(loss.item())
    return net, losses


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        Recipe(epochs=1.5, batch_size=10, learning_rate=1e-2, schedule="linear", warmup_ratio=0.3, clip=0.5),
        Recipe(steps=9, batch_size=8, micro_batch_size=2, learning_rate=5e-3, schedule="constant", clip=0, seed=5,
               betas=(0.8, 0.95)),
    ],
    ids=["cosine, accumulated", "linear, clipped", "constant"],
)  # fmt: skip
def test_it_is_adamw_on_the_recipe_written_out_in_plain_torch(tmp_path, recipe):
    net, history = fit(tmp_path, recipe, validate=False)
    plain, losses = by_hand(recipe, recipe.total_steps(COUNT))
    # float32: sums over micro-batches in another order, twelve steps
    np.testing.assert_allclose(history.losses, losses, rtol=1e-4)
    torch.testing.assert_close(weights(net), weights(plain), rtol=1e-4, atol=1e-5)
    assert not net.training


def test_weight_decay_spares_biases(tmp_path):
    net, _ = fit(tmp_path / "a", RECIPE.adjusted(weight_decay=0.0), validate=False)
    decayed, _ = fit(tmp_path / "b", RECIPE.adjusted(weight_decay=0.5), validate=False)
    assert decayed.trained[0].weight.norm() < net.trained[0].weight.norm()


def test_each_epoch_has_every_example_once_in_another_order():
    order = shuffled(7, 21, seed=3).reshape(3, 7)
    assert all(sorted(epoch) == list(range(7)) for epoch in order.tolist())
    assert len({tuple(epoch) for epoch in order.tolist()}) == 3
    assert not np.array_equal(order, shuffled(7, 21, seed=4).reshape(3, 7))
    assert np.array_equal(shuffled(7, 10, seed=3), order.flatten()[:10])


@pytest.mark.parametrize("validate", [False, True])
def test_frozen_parameters_stay_and_are_in_no_file(tmp_path, validate):
    from safetensors.torch import load_file

    folders = []
    net, _ = fit(tmp_path, validate=validate,
                 progress=lambda step, *_: folders.extend(tmp_path.glob("checkpoint-*/*.safetensors")))  # fmt: skip
    assert torch.equal(net.frozen.weight, Net().frozen.weight)
    trained = {f"trained.{name}" for name, _ in net.trained.named_parameters()}
    assert set(load_file(tmp_path / "trained.safetensors")) == trained
    assert folders
    assert sorted(file.name for file in tmp_path.iterdir()) == ["history.jsonl", "settings.json", "trained.safetensors"]


# ---------------------------------------------------------------------- what is kept and told


def test_the_history_has_a_line_for_each_step_and_validation(tmp_path):
    told = []
    _, history = fit(tmp_path, progress=lambda *said: told.append(said))
    assert history.records == History.read(tmp_path / "history.jsonl").records
    steps = [record for record in history.records if "loss" in record]
    assert [record["step"] for record in steps] == list(range(1, 13))
    assert steps[5]["epoch"] == pytest.approx(6 * 8 / COUNT)
    assert steps[0].keys() == {"step", "epoch", "loss", "parts", "learning_rate", "gradient_norm"}
    assert [step for step, _ in history.validations] == [4, 8, 12]
    assert [said[0] for said in told] == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 12]
    assert told[0] == (1, 12, steps[0]["loss"], steps[0]["parts"], None)
    assert told[-1][4] == history.validations[-1][1]


def test_parts_are_means_over_the_whole_batch(tmp_path):
    _, history = fit(tmp_path, RECIPE.adjusted(micro_batch_size=2, steps=1), validate=False)
    (record,) = history.records
    first = [LESSONS[i] for i in shuffled(COUNT, 8, 0)]
    assert record["parts"]["l1"] == pytest.approx(Net()(**collate(first))["l1"].item(), rel=1e-5)


@pytest.mark.parametrize("better_at", [4, 8, 12])
def test_the_weights_of_the_best_validation_are_kept(tmp_path, better_at):
    net, seen = Net(), {}

    def validate():
        step = 4 * (len(seen) + 1)
        seen[step] = weights(net).clone()
        return 1.0 if step == better_at else 0.5

    history = train(net, LESSONS, TrainingRun(RECIPE, tmp_path), collate=collate, validate=validate)
    assert history.best == (better_at, 1.0)
    assert torch.equal(weights(net), seen[better_at])


def test_without_validation_the_last_weights_are_kept(tmp_path):
    net, history = fit(tmp_path, validate=False)
    assert history.best is None
    torch.testing.assert_close(weights(net), weights(by_hand(RECIPE, 12)[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("undefined", [None, math.nan])
def test_an_undefined_correlation_is_written_as_none_and_never_best(tmp_path, undefined):
    values = iter([undefined, -0.5, undefined])
    net = Net()
    history = train(net, LESSONS, TrainingRun(RECIPE, tmp_path), collate=collate, validate=lambda: next(values))
    assert history.validations == [(4, None), (8, -0.5), (12, None)]
    assert history.best == (8, -0.5)
    torch.testing.assert_close(weights(net), weights(by_hand(RECIPE, 8)[0]), rtol=1e-4, atol=1e-5)


def test_the_last_step_is_validated_even_between_two_validations(tmp_path):
    _, history = fit(tmp_path, RECIPE.adjusted(steps=6))
    assert [step for step, _ in history.validations] == [4, 6]


@pytest.mark.parametrize(
    ("values", "patience", "stops"),
    [([1, 0, 0, 2, 2], 2, 12), ([0, 0, 0, 0, 9], 3, 16), ([0, 1, 0, 0, 0], 3, 20), ([0, 1, 2, 3, 4], 1, 20)],
)
def test_patience_stops_after_so_many_validations_without_a_better_one(tmp_path, values, patience, stops):
    left = iter(values)
    recipe = RECIPE.adjusted(steps=20, patience=patience)
    net = Net()
    history = train(net, LESSONS, TrainingRun(recipe, tmp_path), collate=collate, validate=lambda: float(next(left)))
    assert history.records[-1]["step"] == stops
    best = 4 * (1 + int(np.argmax(values[: stops // 4])))
    assert history.best is not None
    assert history.best[0] == best
    torch.testing.assert_close(weights(net), weights(by_hand(recipe, best)[0]), rtol=1e-4, atol=1e-5)


def test_the_world_around_is_left_as_it_was(tmp_path, capfd):
    import transformers

    before = torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1].copy(), dict(os.environ)
    verbosity = transformers.logging.get_verbosity()
    fit(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])
    assert dict(os.environ) == before[3]
    assert transformers.logging.get_verbosity() == verbosity
    assert torch.is_grad_enabled()
    said = capfd.readouterr()
    assert said.out == said.err == ""


# ---------------------------------------------------------------------- precision and memory


def test_bfloat16_is_another_training_and_the_next_one_is_float32_again(tmp_path):
    exact, exact_history = fit(tmp_path / "a", validate=False)
    coarse, coarse_history = fit(tmp_path / "b", RECIPE.adjusted(dtype="bfloat16"), validate=False)
    again, again_history = fit(tmp_path / "c", RECIPE.adjusted(dtype="float32"), validate=False)
    assert again_history.losses == exact_history.losses
    assert coarse_history.losses != exact_history.losses
    np.testing.assert_allclose(coarse_history.losses, exact_history.losses, rtol=0.1)  # 8 bits of mantissa
    for net in (exact, coarse, again):
        assert {p.dtype for p in net.parameters()} == {torch.float32}
        assert net.trained(net.frozen(LESSONS[0].x[None])).dtype == torch.float32


def test_the_environment_of_a_launcher_does_not_change_the_precision(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    _, history = fit(tmp_path / "a", validate=False)
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    assert history.losses == fit(tmp_path / "b", validate=False)[1].losses


class Words(nn.Module):
    """An adapter on a backbone, trained on text alone; counts how often the first layer is computed."""

    def __init__(self, folder):
        super().__init__()
        self.backbone = Backbone.load(folder, device="cpu")
        self.model, self.calls = self.backbone.model, 0
        add_lora(self.backbone, "a", dropout=0.0)
        trainable(self.backbone, "a")
        self.backbone.language.layers[0].self_attn.register_forward_hook(self.count)

    def count(self, *_):
        self.calls += 1

    def forward(self, prompts):
        with using(self.backbone, "a"):
            return {"loss": self.backbone.forward(prompts).hidden.square().mean()}


def fit_words(folders, tmp_path, name, unset=False, **settings):
    module = Words(shutil.copytree(folders["qwen3_vl"], tmp_path / f"backbone_{name}"))
    if unset:
        lora._set_active(module.backbone, None)
    prompts = [module.backbone.prompt([("user", [text])]) for text in ("good", "bad or poor", "fair")]
    recipe = Recipe(steps=3, batch_size=2, learning_rate=1e-2, **settings)
    history = train(module, prompts, TrainingRun(recipe, tmp_path / name), collate=lambda some: {"prompts": list(some)})
    return module, history


def test_gradient_checkpointing_computes_twice_and_changes_nothing(folders, tmp_path):
    (plain, expected), (twice, found) = (
        fit_words(folders, tmp_path, str(wanted), gradient_checkpointing=wanted) for wanted in (False, True)
    )
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-6)
    assert found.losses[2] < found.losses[0]
    assert (plain.calls, twice.calls) == (3, 6)
    assert not any(getattr(part, "gradient_checkpointing", False) for part in twice.model.modules())


def test_an_adapter_that_rests_in_the_backward_pass_is_noticed(folders, tmp_path):
    with pytest.raises(TrainingError, match="an adapter must be active in both"):
        fit_words(folders, tmp_path, "a", unset=True, gradient_checkpointing=True)


# ---------------------------------------------------------------------- micro-batches of like length


class Answers(Words):
    """The same, with the mean over prompts of each one's mean cross-entropy."""

    def forward(self, prompts):
        with using(self.backbone, "a"):
            hidden = self.backbone.forward(prompts).hidden
        losses = [
            nn.functional.cross_entropy(self.backbone.logits(states[: len(prompt) - 1]), prompt.ids[1:])
            for states, prompt in zip(hidden, prompts, strict=True)
        ]
        return {"loss": torch.stack(losses).mean()}


@pytest.fixture
def answers(folders, tmp_path, monkeypatch):
    """Trains `Answers` on texts of 1 to 40 words; gives its history, the gradients of its updates, how much was padded,
    and the lengths of each micro-batch."""

    def go(name, grouped, folder=None, **more):
        folder = folder or tmp_path / name
        module = Answers(shutil.copytree(folders["qwen3_vl"], tmp_path / f"backbone_{name}"))
        random = np.random.default_rng(0)
        words = np.array(["good", "bad", "poor", "fair"])
        texts = [" ".join(words[random.integers(0, 4, count)]) for count in random.integers(1, 41, 24)]
        prompts = [module.backbone.prompt([("user", [text])]) for text in texts]
        gradients, lengths = [], []

        def spied(optimizer, *given, **named):
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            gradients.append(torch.cat([p.grad.flatten() for p in parameters]))
            return step(optimizer, *given, **named)

        def collate(some):
            lengths.append([len(prompt) for prompt in some])
            return {"prompts": list(some)}

        step = torch.optim.AdamW.step
        with monkeypatch.context() as patch:
            patch.setattr(torch.optim.AdamW, "step", spied)
            history = train(
                module, prompts,
                TrainingRun(Recipe(steps=5, batch_size=8, micro_batch_size=2, clip=0), folder, **more),
                collate=collate, length=len if grouped else None,
            )  # fmt: skip
        return history, torch.stack(gradients), sum(max(some) * len(some) - sum(some) for some in lengths), lengths

    return go


def test_micro_batches_of_like_length_pad_less_and_give_the_same_gradient(answers):
    plain, expected, much, _ = answers("plain", grouped=False)
    grouped, found, little, lengths = answers("grouped", grouped=True)
    assert little < much / 2
    for update in range(5):
        of_update = [one for micro in lengths[4 * update : 4 * update + 4] for one in micro]
        assert of_update == sorted(of_update, reverse=True)
    # the same sums in another order, in float32: 1e-5 of the largest entry
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    np.testing.assert_allclose(grouped.losses, plain.losses, rtol=1e-5)


def test_micro_batches_of_like_length_are_the_same_ones_after_a_kill(answers, tmp_path):
    whole, _, _, lengths = answers("whole", grouped=True)

    def kill(now, *_):
        if now == 3:
            raise Killed

    with pytest.raises(Killed):
        answers("killed", grouped=True, progress=kill)
    again, _, _, rest = answers("again", grouped=True, folder=tmp_path / "killed")
    assert rest == lengths[-len(rest) :]
    assert again.losses == whole.losses


# ---------------------------------------------------------------------- killed and resumed


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", [1, 4, 6, 8, 11, 12])
def test_a_killed_run_ends_as_an_uninterrupted_one(tmp_path, step):
    whole, history = fit(tmp_path / "whole", dropout=0.3)

    def kill(now, *_):
        if now == step:
            raise Killed

    with pytest.raises(Killed):
        fit(tmp_path / "killed", dropout=0.3, progress=kill)
    torch.manual_seed(123)  # another process has other random numbers
    steps = []
    resumed, again = fit(tmp_path / "killed", dropout=0.3, progress=lambda now, *_: steps.append(now))
    assert torch.equal(weights(resumed), weights(whole))
    assert again.records == history.records
    assert min(steps) == (step - 1) // 4 * 4 + 1  # it went on from the last checkpoint, not from the beginning


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path):
    whole, _ = fit(tmp_path / "whole")

    def kill(now, *_):
        if now == 10:
            raise Killed

    with pytest.raises(Killed):
        fit(tmp_path / "killed", progress=kill)
    checkpoint = tmp_path / "killed" / "checkpoint-8"
    half = tmp_path / "killed" / "checkpoint-12"
    half.mkdir()
    (half / "trained.safetensors").write_bytes((checkpoint / "trained.safetensors").read_bytes()[:50])
    (half / "trainer_state.json").write_text('{"global_step": 1')
    with (tmp_path / "killed" / "history.jsonl").open("a") as file:
        file.write('{"step": 11, "epo')
    resumed, history = fit(tmp_path / "killed")
    assert torch.equal(weights(resumed), weights(whole))
    assert len(history.losses) == 12


@pytest.mark.slow
def test_a_run_that_is_really_killed_goes_on(tmp_path):
    """SIGKILL to a process in the middle of a step, three times."""
    program = (
        "import sys; from pathlib import Path; from tests.mllm.test_training import *\n"
        "go = lambda now, *_: now == int(sys.argv[2]) and os.kill(os.getpid(), 9)\n"
        "fit(Path(sys.argv[1]), dropout=0.3, progress=go)\n"
    )
    for step in ("3", "7", "12"):
        done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a"), step], cwd=ROOT, check=False)
        assert done.returncode == -9
    resumed, history = fit(tmp_path / "a", dropout=0.3)
    whole, expected = fit(tmp_path / "b", dropout=0.3)
    assert torch.equal(weights(resumed), weights(whole))
    assert history.records == expected.records


def test_a_killed_run_that_was_out_of_patience_trains_no_further(tmp_path, monkeypatch):
    from editmetrics.mllm.run_folder import RunFolder

    values = [1.0, 0.5, 0.5, 9.0, 9.0]
    recipe = RECIPE.adjusted(steps=20, patience=2)

    def go(folder, left):
        net = Net()
        return net, train(net, LESSONS, TrainingRun(recipe, folder), collate=collate, validate=lambda: next(left))

    whole, _ = go(tmp_path / "whole", iter(values))
    left = iter(values)
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "finish", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            go(tmp_path / "killed", left)
    resumed, history = go(tmp_path / "killed", left)
    assert torch.equal(weights(resumed), weights(whole))
    assert history.records[-1]["step"] == 12


def test_a_finished_training_is_loaded_and_not_repeated(tmp_path):
    net, history = fit(tmp_path)
    again, same = fit(tmp_path, progress=lambda *_: pytest.fail("it trained again"))
    assert torch.equal(weights(again), weights(net))
    assert same.records == history.records
    assert not again.training
    fresh, _ = fit(tmp_path, resume=False, recipe=RECIPE.adjusted(steps=2))
    assert not torch.equal(weights(fresh), weights(net))


@pytest.mark.parametrize(
    ("recipe", "more", "message"),
    [
        (RECIPE.adjusted(learning_rate=0.5), {}, "recipe.learning_rate was 0.01 and is 0.5"),
        (RECIPE, {"about": {"prompt": "b"}}, "about.prompt was 'a' and is 'b'"),
    ],
)
def test_a_folder_of_another_training_is_refused(tmp_path, recipe, more, message):
    fit(tmp_path, about={"prompt": "a"})
    with pytest.raises(TrainingError, match=message):
        fit(tmp_path, recipe, **{"about": {"prompt": "a"}, **more})
    fit(tmp_path, RECIPE.adjusted(micro_batch_size=2, workers=1), about={"prompt": "a"})  # which only move the rounding


# ---------------------------------------------------------------------- what goes wrong


def test_a_loss_that_is_no_number_names_the_step_and_the_samples(tmp_path):
    lessons = [Lesson(index) for index in range(COUNT)]
    lessons[7].y = torch.tensor(math.nan)
    place = shuffled(COUNT, 96, 0).tolist().index(7)
    with pytest.raises(
        TrainingError, match=rf"step {place // 8 + 1}: the loss is nan, l1 nan, for .*lesson7\b"
    ) as caught:
        train(Net(), lessons, TrainingRun(RECIPE, tmp_path), collate=collate)
    assert str(caught.value).count("lesson") == 4  # the micro-batch, not all of the batch


def test_a_gradient_that_is_no_number_stops_the_training(tmp_path):
    class Root(Net):
        def forward(self, x, y):
            given = super().forward(x, y)
            return {"loss": given["loss"] + (self.trained[0].bias.sum() * 0).sqrt()}  # 0, with slope infinity times 0

    with pytest.raises(TrainingError, match=r"step 1: .* the norm of its gradient is nan; lower the learning rate"):
        train(Root(), LESSONS, TrainingRun(RECIPE, tmp_path), collate=collate)


def test_nothing_to_train_is_said(tmp_path):
    with pytest.raises(TrainingError, match="nothing to train"):
        train(Net().requires_grad_(False), LESSONS, TrainingRun(RECIPE, tmp_path), collate=collate)
    with pytest.raises(TrainingError, match="training set is empty"):
        train(Net(), [], TrainingRun(RECIPE, tmp_path), collate=collate)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rat": 1}, "no 'learning_rat'; .* Did you mean 'learning_rate'"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"schedule": "step"}, "schedule"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"betas": "[0.9]"}, "betas"),
        ({"patience": 0}, "patience"),
    ],
)
def test_a_recipe_refuses_what_it_cannot_be(settings, message):
    with pytest.raises(RecipeError, match=message):
        Recipe().adjusted(**settings)


def test_a_recipe_reads_text():
    read = Recipe().adjusted(
        learning_rate="3e-4", steps="100", betas="[0.9, 0.95]", patience="none", gradient_checkpointing="true"
    )
    assert read == Recipe(learning_rate=3e-4, steps=100, betas=(0.9, 0.95), gradient_checkpointing=True)


def test_a_batch_must_be_shared_evenly():
    assert Recipe(batch_size=128).accumulation(processes=8) == (16, 1)
    assert Recipe(batch_size=128, micro_batch_size=4).accumulation(processes=8) == (4, 4)
    with pytest.raises(RecipeError, match="multiple of 12"):
        Recipe(batch_size=128, micro_batch_size=4).accumulation(processes=3)


# ---------------------------------------------------------------------- several processes


def test_alone_a_process_does_all_the_work():
    assert shared(list(range(5)), lambda some: [10.0 * x for x in some]) == [0.0, 10.0, 20.0, 30.0, 40.0]
    assert training_device("cpu") == "cpu"


def report(folder):
    """What one of several processes does; the main one writes what it saw."""
    net = Net()
    seen = []

    def validate():
        lossy = shared(LESSONS, lambda some: [seen.append(1) or -float(net(**collate([e]))["loss"]) for e in some])
        return sum(lossy) / COUNT

    with process_group("cpu"):
        history = train(net, LESSONS, TrainingRun(RECIPE, folder / "run"), collate=collate, validate=validate)
        _, processes = rank_and_count()
    facts = {
        "processes": processes,
        "validated": len(seen),
        "losses": history.losses,
        "validations": history.validations,
        "weights": weights(net).tolist(),
    }
    (folder / f"rank{os.environ.get('RANK', '0')}.json").write_text(json.dumps(facts))


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path):
    report(tmp_path)
    alone = json.loads((tmp_path / "rank0.json").read_text())
    program = tmp_path / "program.py"
    program.write_text("from pathlib import Path\nfrom tests.mllm.test_training import report\n"
                       "report(Path(__file__).parent / 'two')\n")  # fmt: skip
    (tmp_path / "two").mkdir()
    launched([str(program)], tmp_path)
    both = [json.loads((tmp_path / "two" / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    assert [found["processes"] for found in both] == [2, 2]
    assert [found["validated"] for found in both] == [3 * COUNT / 2] * 2  # each did half of every validation
    assert both[0]["weights"] == both[1]["weights"]
    # float32, means of two halves instead of one sum
    np.testing.assert_allclose(both[0]["losses"], alone["losses"], rtol=1e-4)
    np.testing.assert_allclose([v for _, v in both[0]["validations"]], [v for _, v in alone["validations"]], rtol=1e-4)
    np.testing.assert_allclose(both[0]["weights"], alone["weights"], rtol=1e-4, atol=1e-5)
    assert len(History.read(tmp_path / "two" / "run" / "history.jsonl").losses) == 12  # one process writes
