"""Seconds per update and peak memory of each stage of the four trainings, against a plain Trainer with LoRA.

    python -m tests.speed.training                                    # every stage on a small random backbone, CPU
    python -m tests.speed.training --size 8b --device cuda --side 1024 --batch 16 --micro 4
    python -m tests.speed.training --only "epaiqa 3" --grouping       # micro-batches of like length, and not
    python -m tests.speed.memory                                      # what the papers' recipes need: computed

Both sides have the same images, prompts, answers, LoRA, batch, micro-batch, optimizer and gradient checkpointing; see
`stages.py` for what plain is. That their losses are equal is checked first, example by example. Images are cut and
texts tokenised beforehand on both sides. Time: one process, in turns; memory: of a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from editmetrics.mllm.loop import by_length, train
from editmetrics.mllm.recipe import Recipe, TrainingRun
from tests.speed.layers import resident
from tests.speed.shapes import random_backbone
from tests.speed.stages import STAGES, Asked, Plain, Stage, edits, native_inputs, plain_model

LARGE = {"qwen3-vl": "qwen3-vl-8b", "internvl": "internvl3.5-8b", "llava": "llava-onevision-7b"}
"""The backbones of `--size 8b`, by family."""


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("toy", "small", "8b"), default="small", help="of the random backbones")
    parser.add_argument("--only", nargs="+", choices=list(STAGES), default=list(STAGES), metavar="STAGE")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=224, help="pixels along a side of the images")
    parser.add_argument("--image-tokens", type=int, default=1280, help="the most tokens of an image")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--micro", type=int, default=4)
    parser.add_argument("--updates", type=int, default=2, help="of each side in a round, after one that is not counted")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-checkpointing", action="store_true", help="of gradients: more memory, less time")
    parser.add_argument("--no-memory", action="store_true", help="leave the processes that measure it out")
    parser.add_argument("--grouping", action="store_true", help="ours with and without micro-batches of like length")
    parser.add_argument("--apart", choices=("ours", "plain", "nothing"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    warnings.filterwarnings("ignore")
    if arguments.apart:
        print(memory(arguments.only[0], arguments.apart, arguments))
        return
    print(
        f"{arguments.size} backbones on {arguments.device}, {torch.get_num_threads()} threads, {arguments.side} pixels"
    )
    print(
        f"batch {arguments.batch} in micro-batches of {arguments.micro}, checkpointing {not arguments.no_checkpointing}"
    )
    for name in arguments.only:
        if arguments.grouping:
            grouping(name, arguments)
        else:
            compare(name, arguments)


def compare(name: str, arguments: argparse.Namespace) -> None:
    """One row: losses that are equal, seconds an update, and memory."""
    off = check(name, arguments)
    with ours(name, arguments) as (stage, ours_runs), plain(name, arguments) as plain_runs:
        seconds = in_turns([ours_runs, plain_runs], arguments)
        tokens = statistics.fmean(len(p) for lesson in stage.lessons for p in stage.prompts(lesson))
    ratio = statistics.median(theirs / own for own, theirs in zip(*seconds, strict=True))
    line = f"{name:10} {tokens:5.0f} tokens; loss off by {off:.0e}; {statistics.median(seconds[0]):7.2f} s an update, "
    line += f"plain {statistics.median(seconds[1]):7.2f} s ({ratio:.2f}x)"
    if not arguments.no_memory:
        own, theirs = (apart(name, side, arguments) for side in ("ours", "plain"))
        line += f"; peak {own:6.0f} MB, plain {theirs:6.0f} MB ({theirs / own:.2f}x)"
    print(line, flush=True)


def grouping(name: str, arguments: argparse.Namespace) -> None:
    """One row: seconds an update with and without micro-batches of like length, and the share of padded tokens."""
    with ours(name, arguments) as (stage, grouped), ours(name, arguments, grouped=False) as (_, apart_):
        seconds = in_turns([grouped, apart_], arguments)
        length: Any = stage.length
        lessons = list(stage.lessons)[: arguments.batch]
        micro = arguments.micro
        shares = [
            1 - sum(map(length, lessons)) / sum(max(map(length, some)) * len(some) for some in groups)
            for groups in (
                by_length(lessons, length, micro),
                [lessons[start : start + micro] for start in range(0, len(lessons), micro)],
            )
        ]
    ratio = statistics.median(theirs / own for own, theirs in zip(*seconds, strict=True))
    print(
        f"{name:10} like lengths together {statistics.median(seconds[0]):.2f} s an update, {shares[0]:.0%} padding; as "
        f"they come {statistics.median(seconds[1]):.2f} s, {shares[1]:.0%} ({ratio:.2f}x)",
        flush=True,
    )


def check(name: str, arguments: argparse.Namespace) -> float:
    """How far the two losses differ at most, relatively, over the first examples; `SystemExit` where that is too far.

    Without dropout, and with adapters that are new, which change nothing.
    """
    losses = []
    for side in ("ours", "plain"):
        with made(name, arguments, dropout=0.0) as (backbone, stage), torch.no_grad():
            lessons = list(stage.lessons)[:2]
            if side == "ours":
                module = stage.module.eval()
                losses.append([float(module(**stage.collate([one]))["loss"]) for one in lessons])
            else:
                module = Plain(plain_model(fresh(backbone, arguments), stage), stage).eval()
                losses.append([float(module(**plain_batch(backbone, stage, [one]))) for one in lessons])
    off = max(abs(own - theirs) / abs(theirs) for own, theirs in zip(*losses, strict=True))
    if off > (1e-4 if arguments.device == "cpu" else 2e-2):  # float32 in another order; bfloat16 has 8 bits
        raise SystemExit(f"{name}: the losses are {losses[0]} and plain {losses[1]}; they should be equal")
    return off


# ---------------------------------------------------------------------- the two sides


@contextlib.contextmanager
def made(name: str, arguments: argparse.Namespace, dropout: float | None = None) -> Iterator[tuple[Any, Stage]]:
    """A backbone, and the stage on it."""
    family, make = STAGES[name]
    with tempfile.TemporaryDirectory() as folder:
        backbone = random_backbone(shape_of(family, arguments), arguments.device, arguments.image_tokens)
        with make(backbone, edits(arguments.batch, arguments.side), Path(folder), dropout) as stage:
            yield backbone, stage


def shape_of(family: str, arguments: argparse.Namespace) -> str:
    return LARGE[family] if arguments.size == "8b" else f"{arguments.size}-{family}"


def fresh(backbone: Any, arguments: argparse.Namespace) -> Any:
    """Another backbone like it, without adapters."""
    return random_backbone(backbone.name, arguments.device, arguments.image_tokens)


def recipe(arguments: argparse.Namespace) -> Recipe:
    return Recipe(
        steps=arguments.updates + 1, batch_size=arguments.batch, micro_batch_size=arguments.micro,
        gradient_checkpointing=not arguments.no_checkpointing, schedule="constant",
        evaluate_every=arguments.updates + 1,  # no checkpoint is written before the last update
    )  # fmt: skip


Run = Callable[[], list[float]]
"""Trains some updates, and gives the seconds of each but the first."""


@contextlib.contextmanager
def ours(name: str, arguments: argparse.Namespace, grouped: bool = True) -> Iterator[tuple[Stage, Run]]:
    with made(name, arguments) as (_, stage):

        def run() -> list[float]:
            ends: list[float] = []
            with tempfile.TemporaryDirectory() as folder:
                train(
                    stage.module.train(), stage.lessons,
                    TrainingRun(recipe(arguments), Path(folder), progress=lambda *_: ends.append(clock(arguments))),
                    collate=stage.collate, length=stage.length if grouped else None,
                )  # fmt: skip
            return [after - before for before, after in itertools.pairwise(ends)]

        yield stage, run


@contextlib.contextmanager
def plain(name: str, arguments: argparse.Namespace) -> Iterator[Run]:
    import transformers
    from transformers.trainer_callback import PrinterCallback

    with made(name, arguments) as (backbone, stage):
        if backbone.device.type == "cpu":
            backbone, other = fresh(backbone, arguments), backbone
        else:  # of the two, the one with our adapter has to go: memory is for one
            other, backbone = backbone, fresh(backbone, arguments)
        model = Plain(plain_model(backbone, stage), stage)
        stage.module = torch.nn.Module()  # our learner, and its backbone with it
        lessons = list(stage.lessons)
        del other

        class Trainer(transformers.Trainer):
            def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
                return model(**inputs)

        class Ends(transformers.TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                ends.append(clock(arguments))

        ends: list[float] = []
        settings = recipe(arguments)

        def run() -> list[float]:
            ends.clear()
            checkpointed = model.model if settings.gradient_checkpointing else None
            if checkpointed is not None:
                checkpointed.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            with tempfile.TemporaryDirectory() as folder:
                trainer = Trainer(
                    model=model.train(),
                    args=transformers.TrainingArguments(
                        output_dir=folder, max_steps=settings.steps, per_device_train_batch_size=arguments.micro,
                        gradient_accumulation_steps=arguments.batch // arguments.micro, learning_rate=1e-4,
                        bf16=arguments.device != "cpu", use_cpu=arguments.device == "cpu", report_to="none",
                        save_strategy="no", logging_strategy="no", remove_unused_columns=False, disable_tqdm=True,
                        dataloader_pin_memory=False,  # its batches are on the device already
                    ),
                    data_collator=lambda some: plain_batch(backbone, stage, some),
                    train_dataset=lessons,
                    callbacks=[Ends()],
                )  # fmt: skip
                trainer.remove_callback(PrinterCallback)
                trainer.model_accepts_loss_kwargs = False  # a mean over each micro-batch, as ours
                trainer.train()
            return [after - before for before, after in itertools.pairwise(ends)]

        yield run


def plain_batch(backbone: Any, stage: Stage, lessons: list[Any]) -> dict[str, Any]:
    """Lessons as `Plain` takes them; where a lesson has several prompts, the first of all come first, as ours do."""
    prompts = [prompt for role in zip(*map(stage.prompts, lessons), strict=True) for prompt in role]
    inputs = {name: tensor.to(backbone.device) for name, tensor in native_inputs(backbone, prompts).items()}
    return {"inputs": inputs, "asked": Asked(prompts, lessons)}


# ---------------------------------------------------------------------- time and memory


def in_turns(runs: Sequence[Run], arguments: argparse.Namespace) -> list[list[float]]:
    """The seconds of each update of each side, the sides in turns."""
    seconds: list[list[float]] = [[] for _ in runs]
    for turn in range(arguments.rounds):
        for number, run in list(enumerate(runs))[:: 1 if turn % 2 == 0 else -1]:
            seconds[number] += run()
    return seconds


def clock(arguments: argparse.Namespace) -> float:
    if arguments.device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def apart(name: str, side: str, arguments: argparse.Namespace) -> float:
    """`memory` in a process of its own."""
    command = [sys.executable, "-m", "tests.speed.training", "--only", name, "--apart", side]
    for option in ("size", "device", "side", "image_tokens", "batch", "micro"):
        command.append(f"--{option.replace('_', '-')}={getattr(arguments, option)}")
    command += ["--no-checkpointing"] if arguments.no_checkpointing else []
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    return float(done.stdout.split()[-1])


def memory(name: str, side: str, arguments: argparse.Namespace) -> float:
    """MB at the peak of two updates; on a CPU, over what the process had before there was a backbone."""
    import transformers  # noqa: F401 - part of the empty process

    arguments.updates = 1
    cuda = arguments.device != "cpu"
    before = 0.0 if cuda else resident("VmRSS")
    if side == "ours":
        with ours(name, arguments) as (_, run):
            run()
    else:
        with plain(name, arguments) as run:
            run()
    return torch.cuda.max_memory_allocated() / 1e6 if cuda else resident("VmHWM") - before


if __name__ == "__main__":
    main()
