"""`train` on the `Trainer` of transformers: what it leaves open, and what a run that may be killed at any time needs.

This module imports torch and transformers at its top, and is itself only imported inside functions.

Two things make a resumed run end as an uninterrupted one does. The order of examples and the random numbers of a step
are functions of the seed, the step and the process, not of what was drawn before. And a checkpoint counts only if its
last file, the trainer's state, is there and whole.
"""

from __future__ import annotations

import errno
import json
import math
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.checkpoint import CheckpointError
from torch.utils.data import Dataset, Sampler, SequentialSampler
from transformers.trainer_callback import PrinterCallback, TrainerCallback

from . import run_folder
from .processes import is_main_process, on_main_process
from .recipe import Progress, Recipe, TrainingError, TrainingRun, shuffled
from .run_folder import HISTORY, TRAINED, History

T = TypeVar("T")
VALIDATION = "eval_validation"


def train(
    module: nn.Module,
    examples: Sequence[Any],
    run: TrainingRun,
    *,
    collate: Callable[[list[Any]], Mapping[str, Any]],
    length: Callable[[Any], int] | None = None,
    validate: Callable[[], float | None] | None = None,
) -> History:
    """Train the parameters of `module` that have `requires_grad`, leave it with the best of them, in eval mode.

    - `module`: `module(**batch)` returns `{"loss": mean over the batch, ...}`; the other scalars are parts that are
      written down. It stands on the device on which it is to be trained.
    - `examples`: anything that can be indexed; those with an `id` are called by it in messages. `collate` makes a batch
      of some of them: a mapping of tensors, or of objects that `module` understands. Examples are shuffled anew in each
      epoch, in an order that depends on the recipe's seed alone, not on the number of processes.
    - `run`: the recipe, the folder, and whether to resume; see `TrainingRun`.
    - `length`: the tokens of an example. Where an update takes several micro-batches, a process puts its examples of
      like length together (`by_length`), so that little is padded; the update is the same to rounding, if the loss of
      an example does not depend on its neighbours. Dropout, which is drawn for each micro-batch, differs.
    - `validate`: a correlation (higher is better; None or NaN where it is undefined) every `recipe.evaluate_every`
      steps; called in every process, without gradients, in eval mode. The weights of the best one are kept; without
      `validate`, the last ones. `validation.predictions` shares its work among processes.

    Raises `TrainingError`: nothing to train, a loss that is no number (with the step and the samples), a folder of
    another training; `RecipeError` for a batch that the processes cannot share.

    Several processes: `accelerate launch -m editmetrics fit ...`. Losses are means over the batch, so they are those of
    one process to rounding; dropout differs.
    """
    with _full_disk_in_words(run.folder):
        return _run(module, examples, run, collate=collate, length=length, validate=validate)


def _run(
    module: nn.Module,
    examples: Sequence[Any],
    run: TrainingRun,
    *,
    collate: Callable[[list[Any]], Mapping[str, Any]],
    length: Callable[[Any], int] | None,
    validate: Callable[[], float | None] | None,
) -> History:
    recipe, folder = run.recipe, run.folder
    parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
    if not parameters:
        raise TrainingError("no parameter of the module has requires_grad; there is nothing to train")
    if not len(examples):
        raise TrainingError("there is no example to train on")
    device = next(iter(parameters.values())).device
    bfloat16 = recipe.dtype == "bfloat16" or (recipe.dtype == "auto" and device.type != "cpu")
    with _undisturbed(), _precision(bfloat16):
        arguments = _arguments(recipe, len(examples), folder, device, bfloat16, validate)
        shapes = {name: list(parameter.shape) for name, parameter in parameters.items()}
        settings = run_folder.settings(recipe, len(examples), shapes, run.about)
        on_main_process(lambda: run_folder.make_ready(folder, settings, run.resume))
        if (folder / TRAINED).is_file():
            load(module, folder / TRAINED)
            module.eval()
            return History.read(folder / HISTORY)
        start = run_folder.last_checkpoint(folder)
        every = recipe.steps_between_validations(len(examples))
        on_main_process(lambda: run_folder.cut_history(folder / HISTORY, start))
        trainer = _Trainer(module, arguments, recipe, examples, collate, length, validate, run.progress)
        if start is None or not _out_of_patience(run_folder.state(start), recipe, every):
            with _gradient_checkpointing(module, recipe.gradient_checkpointing):
                try:
                    trainer.train(resume_from_checkpoint=None if start is None else str(start))
                except CheckpointError as error:
                    raise TrainingError(
                        "with gradient_checkpointing, the backward pass computed another network than the forward; "
                        "an adapter must be at work in both (`lora.trainable` sees to that)"
                    ) from error
                finally:  # mixed precision has wrapped the module's forward
                    trainer.accelerator.unwrap_model(trainer.model_wrapped, keep_fp32_wrapper=False)
        last = run_folder.last_checkpoint(folder)
        if last is not None and (best := run_folder.state(last)["best_global_step"]):
            load(module, folder / f"checkpoint-{best}" / TRAINED)
        module.eval()
        on_main_process(lambda: _finish(module, folder))
    return History.read(folder / HISTORY)


NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextmanager
def _full_disk_in_words(folder: Path) -> Iterator[None]:
    """Say what to do where a library could not save what was trained: `torch.save` raises a RuntimeError then."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        full = isinstance(error, SafetensorError) or getattr(error, "errno", None) in NO_ROOM
        if not full and "PytorchStreamWriter" not in str(error) and "inline_container" not in str(error):
            raise
        raise TrainingError(
            f"the training in {folder} stopped, because a file could not be written ({error}); make room, and run the "
            "same command again: it goes on from the last checkpoint"
        ) from error


def by_length(examples: Sequence[T], length: Callable[[T], int], size: int) -> list[list[T]]:
    """`examples` in groups of `size`, the longest ones first, so that a group that is padded to its longest is padded
    little, and memory that does not suffice is noticed at once; of equal ones the first comes first.

    >>> by_length(["four", "a", "seven..", "be"], len, 2)
    [['seven..', 'four'], ['be', 'a']]
    """
    order = sorted(examples, key=length, reverse=True)  # stable, also when it is reversed
    return [order[start : start + size] for start in range(0, len(order), size)]


def save(module: nn.Module, file: Path) -> None:
    """Write the parameters that are trained, and no others."""
    tensors = {name: p.detach().cpu().contiguous() for name, p in module.named_parameters() if p.requires_grad}
    save_file(tensors, str(file), metadata={"format": "pt"})


def load(module: nn.Module, file: Path) -> None:
    """Read the trained parameters back into `module`; `TrainingError` when they are not those of the file."""
    tensors = load_file(str(file))
    own = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if own.keys() != tensors.keys():
        different = sorted(own.keys() ^ tensors.keys())
        raise TrainingError(f"{file} holds other parameters than those that are trained, {different[0]} first")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])


class _Stream(Dataset[Any]):
    """All examples of a training in their order, each with its name."""

    def __init__(self, examples: Sequence[Any], order: np.ndarray) -> None:
        self.examples, self.order = examples, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> tuple[str, Any]:
        index = int(self.order[place])
        example = self.examples[index]
        return str(getattr(example, "id", f"example {index}")), example


class _Collate:
    """The caller's `collate`, and beside its batch the names of what is in it."""

    def __init__(self, collate: Callable[[list[Any]], Mapping[str, Any]]) -> None:
        self.collate = collate

    def __call__(self, named: list[tuple[str, Any]]) -> dict[str, Any]:
        return {"names": [name for name, _ in named], "batch": self.collate([example for _, example in named])}


class _SeedEachStep(TrainerCallback):
    """Random numbers of a step depend on the seed, the step and the process alone, so a resumed run draws the same."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        words = np.random.SeedSequence([args.seed, state.global_step, args.process_index]).generate_state(1, np.uint64)
        torch.manual_seed(int(words[0]))


class _Trainer(transformers.Trainer):
    """The trainer of transformers with this project's data order, loss parts, validation, and checkpoints."""

    def __init__(
        self,
        module: nn.Module,
        arguments: transformers.TrainingArguments,
        recipe: Recipe,
        examples: Sequence[Any],
        collate: Callable[[list[Any]], Mapping[str, Any]],
        length: Callable[[Any], int] | None,
        validate: Callable[[], float | None] | None,
        progress: Progress | None,
    ) -> None:
        self.collate = _Collate(collate)
        # one micro-batch is the whole update: there is nothing to regroup
        self.length = length if arguments.gradient_accumulation_steps > 1 else None
        as_they_are: Any = list  # they are collated when all micro-batches of an update are there
        self.stream = _Stream(examples, shuffled(len(examples), arguments.max_steps * recipe.batch_size, recipe.seed))
        super().__init__(
            model=module,
            args=arguments,
            data_collator=as_they_are if self.length else self.collate,
            train_dataset=self.stream,
            eval_dataset=[] if validate else None,  # validation is the caller's; the trainer insists on a data set
            callbacks=[_SeedEachStep()],
        )
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False  # a loss is a mean over its batch, also when forward takes **keywords
        self.module, self.recipe, self.validate, self.progress = module, recipe, validate, progress
        self.folder = Path(str(arguments.output_dir))
        self.every = recipe.steps_between_validations(len(examples))
        self.epochs_per_step = recipe.batch_size / len(examples)
        self.parts: dict[str, torch.Tensor] = {}
        self.last: dict[str, Any] = {"loss": math.nan, "parts": {}, "validation": None}

    def _get_train_sampler(self, *_: Any) -> Sampler[int]:
        return SequentialSampler(self.stream)  # it is in its order already

    def get_batch_samples(self, *given: Any) -> tuple[list[Any], Any]:
        """The micro-batches of this process's next update."""
        batches, count = super().get_batch_samples(*given)
        if self.length is not None:
            named, length = [pair for batch in batches for pair in batch], self.length
            groups = by_length(named, lambda pair: length(pair[1]), self.args.per_device_train_batch_size)
            batches = [self.collate(group) for group in groups]
        return batches, count

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *_: Any, **__: Any) -> torch.Tensor:
        given = model(**inputs["batch"])
        loss: torch.Tensor = given["loss"]
        step = self.state.global_step + 1
        if not torch.isfinite(loss):
            parts = {name: value.item() for name, value in given.items() if name != "loss" and _is_scalar(value)}
            said = "".join(f", {name} {value:g}" for name, value in parts.items())
            raise TrainingError(
                f"step {step}: the loss is {loss.item():g}{said}, for the samples {', '.join(inputs['names'])}; "
                "look at these samples, or lower the learning rate"
            )
        for name, value in given.items():
            if name != "loss" and _is_scalar(value):
                share = value.detach().float() / self.current_gradient_accumulation_steps
                self.parts[name] = self.parts.get(name, torch.zeros_like(share)) + share
        return loss

    def log(self, logs: dict[str, float], *_: Any) -> None:
        if "learning_rate" not in logs:
            return  # the summary at the end, which the history makes superfluous
        step, norm = self.state.global_step, float(logs.get("grad_norm", 0.0))
        if not math.isfinite(norm):
            raise TrainingError(
                f"step {step}: the loss is {logs['loss']:g}, but the norm of its gradient is {norm:g}; "
                "lower the learning rate, or train in float32"
            )
        self.last |= {"loss": logs["loss"], "parts": self._mean_parts()}
        self._write(
            {
                "step": step,
                "epoch": step * self.epochs_per_step,
                "loss": logs["loss"],
                "parts": self.last["parts"],
                "learning_rate": logs["learning_rate"],
                "gradient_norm": norm,
            }
        )

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        self.module.eval()
        with torch.no_grad():
            value = self.validate() if self.validate else None
        value = _of_main_process(None if value is None or math.isnan(value) else float(value))
        self.last["validation"] = value
        step = self.state.global_step
        self._write({"step": step, "epoch": step * self.epochs_per_step, "validation": value})
        metrics = {VALIDATION: -math.inf if value is None else value}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        best = self.state.best_metric
        if best is not None and metrics[VALIDATION] <= best:
            self.control.should_training_stop = _out_of_patience(vars(self.state), self.recipe, self.every)
        return metrics

    def _mean_parts(self) -> dict[str, float]:
        """The parts of the step's loss, averaged over its micro-batches and the processes."""
        names, values = list(self.parts), list(self.parts.values())
        self.parts = {}
        if not names:
            return {}
        means = self.accelerator.reduce(torch.stack(values), reduction="mean")
        return dict(zip(names, means.tolist(), strict=True))

    def _write(self, record: dict[str, Any]) -> None:
        if not is_main_process():
            return
        with (self.folder / HISTORY).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")
        if self.progress is not None:
            last = self.last
            self.progress(record["step"], self.args.max_steps, last["loss"], last["parts"], last["validation"])

    # ------------------------------------------------------------------ checkpoints: what is trained, as safetensors

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        save(self.module, folder / TRAINED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load(self.module, Path(resume_from_checkpoint) / TRAINED)

    def _save_rng_state(self, output_dir: str) -> None:
        """Nothing to keep: see `_SeedEachStep`."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Nothing to restore: see `_SeedEachStep`."""


def _arguments(
    recipe: Recipe, examples: int, folder: Path, device: torch.device, bfloat16: bool, validate: Any
) -> transformers.TrainingArguments:
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    micro, accumulation = recipe.accumulation(processes)
    on_cpu = device.type == "cpu"
    if processes == 1 and device.type == "cuda" and (device.index or 0) != 0:
        raise TrainingError(
            f"the model is on {device}, and one process trains on the first GPU that it sees; "
            f"start it with CUDA_VISIBLE_DEVICES={device.index} and --device cuda"
        )
    steps = recipe.total_steps(examples)
    every = recipe.steps_between_validations(examples)
    schedules = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=accumulation,
        optim="adamw_torch",
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        adam_beta1=recipe.betas[0],
        adam_beta2=recipe.betas[1],
        max_grad_norm=recipe.clip,
        lr_scheduler_type=schedules[recipe.schedule],
        warmup_steps=math.ceil(recipe.warmup_ratio * steps),
        bf16=bfloat16,
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and processes > 1 else None,
        ddp_find_unused_parameters=False,
        seed=recipe.seed,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,  # the last one and the best
        eval_strategy="steps" if validate else "no",
        eval_steps=every,
        metric_for_best_model=VALIDATION if validate else None,
        greater_is_better=True,
        dataloader_num_workers=recipe.workers,
        dataloader_pin_memory=not on_cpu,
        remove_unused_columns=False,
        label_names=[],
        report_to="none",
        disable_tqdm=True,
        log_level="error",
    )
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # several GPUs are several processes; transformers would copy the module to each of them
    return arguments


def _finish(module: nn.Module, folder: Path) -> None:
    temporary = folder / "trained.tmp"
    save(module, temporary)
    os.replace(temporary, folder / TRAINED)
    run_folder.remove_checkpoints(folder)


def _out_of_patience(state: Mapping[str, Any], recipe: Recipe, every: int) -> bool:
    """Whether so many validations have passed without a better one that training stops."""
    if recipe.patience is None or not state["best_global_step"]:
        return False
    return bool(state["global_step"] - state["best_global_step"] >= recipe.patience * every)


def _of_main_process(value: float | None) -> float | None:
    """The main process's value, in every process: all must decide alike which weights are best."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def _is_scalar(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.numel() == 1


@contextmanager
def _gradient_checkpointing(module: nn.Module, wanted: bool) -> Iterator[None]:
    """Have every transformers model inside `module` compute its activations again in the backward pass."""
    models = [part for part in module.modules() if isinstance(part, transformers.PreTrainedModel)] if wanted else []
    inner = {id(part) for model in models for part in model.modules() if part is not model}
    models = [model for model in models if id(model) not in inner]
    for model in models:
        if hasattr(model, "activation_checkpointing_enable"):  # its name since transformers 5
            model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        else:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    try:
        yield
    finally:
        for model in models:
            disable = getattr(model, "activation_checkpointing_disable", None) or model.gradient_checkpointing_disable
            disable()


@contextmanager
def _precision(bfloat16: bool) -> Iterator[None]:
    """Let the recipe alone decide: a launcher's configuration may ask for mixed precision, by this variable."""
    variable = "ACCELERATE_MIXED_PRECISION"
    before = os.environ.get(variable)
    os.environ[variable] = "bf16" if bfloat16 else "no"
    try:
        yield
    finally:
        os.environ.pop(variable)
        if before is not None:
            os.environ[variable] = before


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Training seeds every random state of the process and quietens transformers; both are put back."""
    states = random.getstate(), np.random.get_state()
    verbosity = transformers.logging.get_verbosity()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        transformers.logging.set_verbosity(verbosity)
