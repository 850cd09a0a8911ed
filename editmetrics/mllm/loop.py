"""The training loop that every learned metric uses: a module that gives a loss, its examples, and a run.

    run = TrainingRun(Recipe(epochs=3), Path("runs/a"))
    history = train(module, examples, run, collate=collate, validate=srcc)

The same call trains on one processor, on one GPU, or on several, see `process_group`. A killed run resumes with the
same call, and ends with the same weights: the order of the examples and the random numbers of a step depend on the
seed, the step and the process alone, and a checkpoint counts only if its last file is complete.

This module imports torch, transformers and accelerate at its top; import it inside functions.
"""

from __future__ import annotations

import errno
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import transformers
from accelerate.utils import send_to_device, set_seed  # type: ignore[import-untyped]
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import CheckpointError
from torch.utils.data import DataLoader, Dataset

from .norm_statistics import average_statistics
from .processes import is_main_process, on_main_process, process_group, rank_and_count
from .recipe import Recipe, TrainingError, TrainingRun, shuffled
from .run_folder import History, RunFolder, TrainingState, load, settings_of

T = TypeVar("T")
NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
UNDECAYED = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)")
"""Names of parameters that weight decay spares."""

ALL_AT_ONCE = 1 << 30
"""More numbers than these are updated tensor by tensor: all at once takes another four bytes of memory for each."""


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

    - `module`: `module(**batch)` returns `{"loss": mean over the batch, ...}`; the other scalars are recorded as parts
      of the loss. It is trained on the device where it is.
    - `examples`: anything that can be indexed; messages name those with an `id` by it. `collate` makes a batch of some
      of them: a mapping of tensors, or of objects that `module` understands. Examples are shuffled anew in each epoch,
      in an order that depends on the recipe's seed alone, not on the number of processes.
      Where a part of the loss is a mean over some of the examples only, `collate` adds how many those are,
      `{"counts": {"quality": 3}, ...}`, and the module divides the part's sum by the count that it gets: the mean over
      all micro-batches of the update, so that the update is that of the whole batch.
    - `run`: the recipe, the folder, and whether to resume; see `TrainingRun`.
    - `length`: the tokens of an example. Where an update takes several micro-batches, a process puts its examples of
      similar length together (`by_length`), so that little is padded; the update is the same to rounding, if the loss
      of an example does not depend on its neighbours. Dropout, which is drawn for each micro-batch, differs.
    - `validate`: a correlation (higher is better; None or NaN where it is undefined) every `recipe.evaluate_every`
      steps; called in every process, without gradients, in eval mode. The weights of the best one are kept; without
      `validate`, the last ones. `processes.shared` divides its work among processes.

    Raises `TrainingError`: nothing to train, a loss that is not finite (with the step and the samples), a folder of
    another training; `RecipeError` for a batch that the processes cannot share; `ProcessError` if one of them stops.

    Several processes, see `process_group`: losses are means over the batch, so they equal those of one process to
    rounding; dropout differs, and so do batch norms, which see a micro-batch. Every parameter must take part in every
    batch, if only with a gradient of zero.
    """
    device = next((p.device for p in module.parameters() if p.requires_grad), torch.device("cpu"))
    with _full_disk_in_words(run.folder), _undisturbed(), process_group(str(device)):
        return _run(module, examples, run, collate=collate, length=length, validate=validate)


def by_length(examples: Sequence[T], length: Callable[[T], int], size: int) -> list[list[T]]:
    """Group `examples` by `size`, the longest ones first (equal ones in their order).

    A group that is padded to its longest member is then padded little, and too little memory shows at once.

    >>> by_length(["four", "a", "seven..", "be"], len, 2)
    [['seven..', 'four'], ['be', 'a']]
    """
    order = sorted(examples, key=length, reverse=True)  # stable, also when reversed
    return [order[start : start + size] for start in range(0, len(order), size)]


def _run(module: nn.Module, examples: Sequence[Any], run: TrainingRun, **functions: Any) -> History:
    trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if not trained:
        raise TrainingError("nothing to train: no parameter of the module has requires_grad")
    if not len(examples):
        raise TrainingError("nothing to train on: the training set is empty")
    device, recipe = next(iter(trained.values())).device, run.recipe
    folder = RunFolder(run.folder)
    shapes = {name: list(parameter.shape) for name, parameter in trained.items()}
    settings = settings_of(recipe, len(examples), shapes, run.about)
    loop = _Loop(module, examples, run, folder, device, **functions)
    on_main_process(lambda: folder.make_ready(settings, run.resume))
    if on_main_process(folder.trained.is_file):
        load(module, folder.trained)
        module.eval()
        return folder.history()
    state = on_main_process(folder.state)
    on_main_process(lambda: folder.cut_history(state.global_step))
    set_seed(recipe.seed)
    if not state.out_of_patience(recipe, loop.every):
        with _gradient_checkpointing(module, recipe.gradient_checkpointing):
            try:
                state = loop.continued(state)
            except CheckpointError as error:
                raise TrainingError(
                    "with gradient_checkpointing, the backward pass computed another network than the forward pass; "
                    "an adapter must be active in both (`lora.trainable` sees to that)"
                ) from error
    if state.best_global_step:
        folder.load(module, state.best_global_step)
    module.eval()
    on_main_process(lambda: folder.finish(module))
    return folder.history()


class _Loop:
    """The updates of one training in one process, and what is recorded of them."""

    def __init__(
        self,
        module: nn.Module,
        examples: Sequence[Any],
        run: TrainingRun,
        folder: RunFolder,
        device: torch.device,
        *,
        collate: Callable[[list[Any]], Mapping[str, Any]],
        length: Callable[[Any], int] | None,
        validate: Callable[[], float | None] | None,
    ) -> None:
        self.module, self.run, self.folder, self.device = module, run, folder, device
        self.recipe, self.collate, self.validate = run.recipe, collate, validate
        self.rank, self.processes = rank_and_count()
        self.micro, self.accumulation = run.recipe.accumulation(self.processes)
        self.trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.length = length if self.accumulation > 1 else None  # a single micro-batch has nothing to regroup
        self.total = run.recipe.total_steps(len(examples))
        self.every = run.recipe.steps_between_validations(len(examples))
        self.epochs_per_step = run.recipe.batch_size / len(examples)
        self.data = _MicroBatches(examples, self._order(len(examples)))
        self.bfloat16 = self.recipe.dtype == "bfloat16" or (self.recipe.dtype == "auto" and device.type != "cpu")
        self.loss, self.parts = math.nan, dict[str, float]()
        self.validation: float | None = None

    def continued(self, state: TrainingState) -> TrainingState:
        """Train from `state` to the end of the recipe, or of its patience."""
        optimizer = _adamw(self.module, self.recipe)
        if state.global_step:
            self.folder.load(self.module, state.global_step, optimizer)
        model = self.module
        if self.processes > 1:
            model = DistributedDataParallel(_TrainedParameters(self.module), gradient_as_bucket_view=True)
        batches = iter(
            DataLoader(
                self.data,
                batch_size=None,
                sampler=range(state.global_step * self.accumulation, len(self.data)),
                num_workers=self.recipe.workers,
                collate_fn=list,
            )
        )
        for step in range(state.global_step, self.total):
            self._update(model, optimizer, step, [next(batches) for _ in range(self.accumulation)])
            state = replace(state, global_step=step + 1)
            if (step + 1) % self.every and step + 1 < self.total:
                continue
            average_statistics(self.module, self.processes)
            if self.validate is not None:
                state = state.validated(self._validate(step + 1))
            on_main_process(lambda: self.folder.save(self.module, optimizer, state))  # noqa: B023
            if state.out_of_patience(self.recipe, self.every):
                break
        return state

    def _order(self, examples: int) -> np.ndarray:
        """The indices of this process's examples: (micro-batches, examples of each)."""
        order = shuffled(examples, self.total * self.recipe.batch_size, self.recipe.seed)
        return order.reshape(-1, self.processes, self.micro)[:, self.rank]

    def _update(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, step: int, examples: list[list[tuple[str, Any]]]
    ) -> None:
        """One step of the optimizer, on `examples` by micro-batch, each with its name."""
        if (length := self.length) is not None:
            together = [pair for micro_batch in examples for pair in micro_batch]
            examples = by_length(together, lambda pair: length(pair[1]), self.micro)
        micro_batches = [
            ([name for name, _ in pairs], self.collate([example for _, example in pairs])) for pairs in examples
        ]
        counts = self._mean_counts([batch["counts"] for _, batch in micro_batches if "counts" in batch])
        words = np.random.SeedSequence([self.recipe.seed, step, self.rank]).generate_state(1, np.uint64)
        torch.manual_seed(int(words[0]))  # a resumed run draws the same numbers
        self.module.train()
        losses: dict[str, Tensor] = {}
        for number, (names, batch) in enumerate(micro_batches, 1):
            last, batch = number == self.accumulation, {**batch, **counts}
            with nullcontext() if last or model is self.module else model.no_sync():  # type: ignore[operator]
                for name, value in self._backward(model, step + 1, names, batch).items():
                    losses[name] = losses.get(name, torch.zeros_like(value)) + value
        if self.processes > 1:
            self._require_gradients(step + 1)
        norm = nn.utils.clip_grad_norm_(self.trained, self.recipe.clip or math.inf).item()
        rate = self.recipe.learning_rate_at(step, self.total)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        optimizer.step()
        optimizer.zero_grad()
        self.loss, *parts = self._mean(torch.stack(list(losses.values()))).tolist()
        self.parts = dict(zip(list(losses)[1:], parts, strict=True))
        if not math.isfinite(norm):
            raise TrainingError(
                f"step {step + 1}: the loss is {self.loss:g}, but the norm of its gradient is {norm:g}; "
                "lower the learning rate, or train in float32"
            )
        self._record(step + 1, loss=self.loss, parts=self.parts, learning_rate=rate, gradient_norm=norm)

    def _backward(self, model: nn.Module, step: int, names: list[str], batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Add the gradient of one micro-batch; returns its share of the loss and of the loss's parts."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            output = model(**send_to_device(batch, self.device))
        scalars = {name: value.float().reshape(()) for name, value in output.items() if _is_scalar(value)}
        loss = scalars.pop("loss")
        if not torch.isfinite(loss):
            parts = "".join(f", {name} {value.item():g}" for name, value in scalars.items())
            raise TrainingError(
                f"step {step}: the loss is {loss.item():g}{parts}, for the samples {', '.join(names)}; "
                "look at these samples, or lower the learning rate"
            )
        share = loss / self.accumulation
        share.backward()
        return {"loss": share.detach()} | {name: s.detach() / self.accumulation for name, s in scalars.items()}

    def _mean_counts(self, counts: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        """The mean of `counts` over the micro-batches of an update in all processes, as an argument of the module."""
        if not counts:
            return {}
        sums = torch.tensor([[each[name] for name in counts[0]] for each in counts], dtype=torch.float64).mean(0)
        return {"counts": dict(zip(counts[0], self._mean(sums).tolist(), strict=True))}

    def _mean(self, values: Tensor) -> Tensor:
        """The mean of `values` over the processes."""
        if self.processes == 1:
            return values
        distributed.all_reduce(values)
        return values / self.processes

    def _require_gradients(self, step: int) -> None:
        """Several processes can only average gradients that all of them have."""
        missing = [name for name, p in self.module.named_parameters() if p.requires_grad and p.grad is None]
        if missing:
            raise TrainingError(
                f"step {step}: the loss of process {self.rank} does not depend on {missing[0]} ({len(missing)} such "
                "parameters), so the gradients of the processes cannot be averaged; train on one process, or exclude "
                "these parameters from training (requires_grad_(False))"
            )

    def _validate(self, step: int) -> float | None:
        self.module.eval()
        with torch.no_grad():
            value = self.validate() if self.validate else None
        value = None if value is None or math.isnan(value) else float(value)
        self.validation = on_main_process(lambda: value)  # all processes must agree which weights are best
        self._record(step, validation=self.validation)
        return self.validation

    def _record(self, step: int, **values: Any) -> None:
        if not is_main_process():
            return
        self.folder.append({"step": step, "epoch": step * self.epochs_per_step, **values})
        if self.run.progress is not None:
            self.run.progress(step, self.total, self.loss, self.parts, self.validation)


class _TrainedParameters(nn.Module):
    """A module as processes share it: all begin with the trained parameters of the first one, and average gradients.

    The rest of a backbone is not sent: it may be large, and hold adapters of others in one process only.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.trained = nn.ParameterList(p for p in module.parameters() if p.requires_grad)
        self.call = module.__call__  # the module itself would be a part of this one

    def forward(self, **batch: Any) -> Any:
        return self.call(**batch)


@dataclass(frozen=True)
class _MicroBatches(Dataset[Any]):
    """The micro-batches of one process in their order, each a list of examples with their names."""

    examples: Sequence[Any]
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, number: int) -> list[tuple[str, Any]]:
        chosen = [(index, self.examples[index]) for index in self.order[number].tolist()]
        return [(str(getattr(example, "id", f"example {index}")), example) for index, example in chosen]


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1


def _adamw(module: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW, whose weight decay spares biases and norms.

    Of a module with `learning_rate_factors`, parameters whose name begins with one of its keys have the recipe's rate
    times that factor.
    """
    factors = getattr(module, "learning_rate_factors", {})
    norms = {id(p) for part in module.modules() if isinstance(part, nn.LayerNorm) for p in part.parameters()}
    groups: dict[float, tuple[list[nn.Parameter], list[nn.Parameter]]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            factor = next((factor for prefix, factor in factors.items() if name.startswith(prefix)), 1.0)
            of_factor = groups.setdefault(factor, ([], []))
            of_factor[bool(UNDECAYED.search(name.lower())) or id(parameter) in norms].append(parameter)
    trained = sum(parameter.numel() for of_factor in groups.values() for some in of_factor for parameter in some)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": decay, "factor": factor}
            for factor, of_factor in groups.items()
            for parameters, decay in zip(of_factor, (recipe.weight_decay, 0.0), strict=True)
        ],
        lr=recipe.learning_rate,
        betas=recipe.betas,
        foreach=False if trained > ALL_AT_ONCE else None,
    )


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
def _undisturbed() -> Iterator[None]:
    """Put back the random states of the process, all of which training seeds."""
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


@contextmanager
def _full_disk_in_words(folder: Path) -> Iterator[None]:
    """Explain a full disk: libraries raise errors of several kinds for it, `torch.save` a RuntimeError."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        full = isinstance(error, SafetensorError) or getattr(error, "errno", None) in NO_ROOM
        if not full and "PytorchStreamWriter" not in str(error) and "inline_container" not in str(error):
            raise
        raise TrainingError(
            f"the training in {folder} stopped because a file could not be written ({error}); make room, and run the "
            "same command again: it resumes from the last checkpoint"
        ) from error
