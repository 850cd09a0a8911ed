"""Several threads on one backbone: each gets the numbers of one thread alone, and no adapter stays at work."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from editmetrics import Sample, create_metric
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.lora import adapters, add_lora, remove_lora, trainable, using
from editmetrics.mllm.projector import projector_tensors, using_projector
from editmetrics.sample import UnavailableError

SPECS = ("ds_ieqa:weights=toy", "hpe_lsa:weights=toy", "lmm4lmm:weights=toy", "vqa_score:backbone=toy-internvl")
"""All on one backbone: three with adapters, one of them with a projector of its own, and one without any."""


def samples():
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(4)]
    return [
        Sample(id=word, source=source, edited=edited, prompt=f"paint it {word}")
        for word, source, edited in zip(("red", "blue"), images[:2], images[2:], strict=True)
    ]


def numbers(metric):
    return [dict(score) for score in metric.score(samples(), batch_size=2)]


def made(spec):
    return create_metric(spec).to("cpu")


@pytest.fixture(scope="module")
def alone():
    """What each metric says when nobody else is there."""
    return {spec: numbers(made(spec)) for spec in SPECS}


def active(backbone):
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in backbone.model.modules() if isinstance(module, BaseTunerLayer)]
    return {tuple(layer.active_adapters) for layer in layers if not layer.disable_adapters}


def at_once(count, work):
    """`work(number)` in `count` threads that start together."""
    barrier = threading.Barrier(count)

    def one(number):
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@pytest.mark.parametrize("spec", SPECS)
def test_one_metric_in_six_threads(spec, alone):
    metric = made(spec)
    assert at_once(6, lambda _: numbers(metric)) == [alone[spec]] * 6


def test_one_metric_for_each_thread_loaded_and_used_at_once(alone):
    gc.collect()  # whatever other tests left: the backbone is loaded here
    specs = [SPECS[number % len(SPECS)] for number in range(8)]
    held = [made(spec) for spec in specs]
    assert at_once(8, lambda number: numbers(held[number])) == [alone[spec] for spec in specs]
    backbone = Backbone.load("toy-internvl", device="cpu")
    assert adapters(backbone)
    assert active(backbone) == set()
    assert numbers(made(SPECS[3])) == alone[SPECS[3]]


def test_asyncio(alone):
    metrics = [made(spec) for spec in SPECS]

    async def all_at_once():
        return await asyncio.gather(*(asyncio.to_thread(numbers, metric) for metric in metrics * 2))

    assert asyncio.run(all_at_once()) == [alone[spec] for spec in SPECS] * 2


def own_backbone(folders):
    return Backbone.load(folders["internvl"], device="cpu", own=True)


def shaken(backbone, name, seed):
    add_lora(backbone, name, parts={"language", "vision"}, rank=2, seed=seed)
    with torch.no_grad():
        for key, parameter in backbone.model.named_parameters():
            if f".lora_B.{name}." in key:
                parameter.fill_(0.05 * (seed + 1))


def hidden(backbone):
    with torch.no_grad():
        return backbone.forward([backbone.prompt([("user", ["Is the edit good?"])])]).hidden.sum().item()


def test_adapters_projectors_and_layers_do_not_cross(folders):
    """The pieces that plugins are made of: each thread uses another one of them, many times."""
    backbone = own_backbone(folders)
    for seed, name in enumerate(("a", "b")):
        shaken(backbone, name, seed)
    other = {name: tensor + 1 for name, tensor in projector_tensors(backbone).items()}
    prompt = backbone.prompt([("user", ["Is it?"])])

    def with_adapter(name):
        with using(backbone, name):
            return hidden(backbone)

    def with_projector():
        with using_projector(backbone, other):
            return float(sum(tensor.sum() for tensor in projector_tensors(backbone).values()))

    works = [
        lambda: with_adapter("a"), lambda: with_adapter("b"), lambda: hidden(backbone),
        lambda: float(sum(tensor.sum() for tensor in projector_tensors(backbone).values())), with_projector,
        lambda: backbone.forward([prompt], layer=1).hidden.sum().item(),
        lambda: backbone.generate([prompt], max_tokens=4)[0],
    ]  # fmt: skip
    expected = [[work() for _ in range(10)] for work in works]
    assert at_once(len(works), lambda number: [works[number]() for _ in range(10)]) == expected
    assert active(backbone) == set()


def test_adapters_come_and_go_while_others_compute(folders):
    backbone = own_backbone(folders)
    shaken(backbone, "stays", 0)
    with using(backbone, "stays"):
        expected = hidden(backbone)
    raw = hidden(backbone)

    def work(number):
        if number % 3 == 0:
            for round_ in range(4):
                add_lora(backbone, f"passing_{number}_{round_}", rank=2)
                remove_lora(backbone, f"passing_{number}_{round_}")
            return True
        if number % 3 == 1:
            return {hidden(backbone) for _ in range(8)} == {raw}
        found = set()
        for _ in range(8):
            with using(backbone, "stays"):
                found.add(hidden(backbone))
        return found == {expected}

    assert all(at_once(6, work))
    assert adapters(backbone) == ["stays"]


def test_the_random_state_of_the_process_survives_threads_that_seed(folders):
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    backbones = [own_backbone(folders) for _ in range(3)]
    at_once(3, lambda number: [add_lora(backbones[number], f"a{n}", rank=2, seed=number) for n in range(3)])
    assert torch.equal(torch.random.get_rng_state(), before)
    first, second = own_backbone(folders), backbones[1]
    add_lora(first, "a0", rank=2, seed=1)
    drawn = [
        next(p for key, p in backbone.model.named_parameters() if ".lora_A.a0." in key) for backbone in (first, second)
    ]
    assert torch.equal(*drawn)


def test_a_backbone_in_training_is_refused_to_other_threads(folders):
    backbone = own_backbone(folders)
    add_lora(backbone, "learns", rank=2)
    trainable(backbone, "learns")
    hidden(backbone)  # the thread that trains it goes on
    with pytest.raises(UnavailableError, match=r"is being trained by another thread \(adapter 'learns'\); wait until"):
        at_once(1, lambda _: hidden(backbone))
    remove_lora(backbone, "learns")
    assert at_once(1, lambda _: hidden(backbone)) == [hidden(backbone)]


# ---------------------------------------------------------------------- fork


def in_a_fork(work, seconds=60):
    """Whether `work()` is true in a forked process, which must end in time."""
    process = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(0 if work() else 1))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        pytest.fail("the forked process gave no answer")
    return process.exitcode == 0


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)  # or there is no pool that a fork could lose
    yield
    torch.set_num_threads(before)


pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@needs_fork
def test_a_metric_that_computed_computes_on_in_a_fork(two_threads):
    metric = made(SPECS[1])
    expected = numbers(metric)
    in_child = [[pytest.approx(value, rel=1e-4) for value in row.values()] for row in expected]
    assert in_a_fork(lambda: [list(row.values()) for row in numbers(metric)] == in_child)


@needs_fork
def test_a_fork_while_another_thread_computes_is_refused(folders):
    backbone = own_backbone(folders)
    inside, leave = threading.Event(), threading.Event()

    def compute():
        with backbone.exclusive():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=compute)
    thread.start()
    inside.wait()

    def refused():
        try:
            hidden(backbone)
        except UnavailableError as error:
            return "was in use by another thread when this process was forked" in str(error)
        return False

    try:
        assert in_a_fork(refused)
    finally:
        leave.set()
        thread.join()


@needs_fork
def test_a_fork_while_another_thread_loads_can_load(folders):
    from editmetrics.mllm.turns import LOADING

    inside, leave = threading.Event(), threading.Event()

    def load():
        with LOADING:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=load)
    thread.start()
    inside.wait()
    try:
        assert in_a_fork(lambda: own_backbone(folders).num_layers > 0)
    finally:
        leave.set()
        thread.join()
