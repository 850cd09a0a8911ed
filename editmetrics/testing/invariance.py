"""Checks that a score depends on its sample alone: not on the batch, the call, the thread or undeclared fields."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from ..sample import FIELDS, IMAGE_FIELDS
from ..scoring import score as score_all
from .subject import Subject, undisturbed

_NOTHING_OVER_A_BATCH = "nothing may be averaged, normalised or padded over a batch"


def batch_invariance(subject: Subject) -> Iterator[str]:
    """A sample scores the same alone, in a batch, in another order, with other neighbours and with larger ones.

    Also as a GPU computes a batch, where a metric cuts it up on a CPU.
    """
    alone, samples, score = subject.scores, subject.samples, subject.metric.score
    other = [subject.sample(10), subject.sample(11)]
    larger = [subject.larger_sample(20), subject.larger_sample(21)]
    by_batch = {
        "in one batch": score(samples),
        "in batches of two": score(samples, batch_size=2),
        "in reverse order": score(samples[::-1])[::-1],
        "after other samples": score([*other, *samples])[len(other) :],
        "among larger images": score([larger[0], *samples, larger[1]])[1:-1],
    }
    for how, scores in by_batch.items():
        for difference in subject.differences(alone, scores):
            yield f"{how}: {difference} alone; {_NOTHING_OVER_A_BATCH}"
    yield from _as_a_gpu_does(subject)


def _as_a_gpu_does(subject: Subject) -> Iterator[str]:
    """Check that a batch which a metric splits on a CPU (`cut_on_cpu`) scores the same as a whole, for all fields."""
    if not getattr(subject.metric, "cut_on_cpu", False):
        return
    for metric in subject.by_required_fields():
        metric.load()
        samples = subject.samples[:2]
        alone = subject.scores[:2] if metric is subject.metric else subject.alone(samples, metric)
        if not all(score.ok for score in alone):
            continue  # another check tells
        batch = [metric.prepare(sample) for sample in samples]
        metric.cut_on_cpu = False  # type: ignore[attr-defined]
        try:
            together = metric.checked(metric.score_batch(batch), len(batch))  # `score` would try the halves of it
        except Exception as error:
            yield f"{metric.label}, in one batch as on a GPU: {type(error).__name__}: {error}"
            continue
        finally:
            metric.cut_on_cpu = True  # type: ignore[attr-defined]
        for difference in subject.differences(alone, together, metric):
            yield f"{metric.label}, in one batch as on a GPU: {difference} alone; {_NOTHING_OVER_A_BATCH}"


def engine_invariance(subject: Subject) -> Iterator[str]:
    """A run of `editmetrics.score` gives the same scores as single calls, in small batches and in large ones."""
    alone = subject.scores
    larger = subject.larger_sample(20)
    for batch_pixels in (1, 10**9):
        results = score_all([larger, *subject.samples], subject.metric, batch_pixels=batch_pixels, workers=1)
        for difference in subject.differences(alone, results[subject.label][1:]):
            yield f"scored with batch_pixels={batch_pixels}: {difference} alone"


def determinism(subject: Subject) -> Iterator[str]:
    """A second call, a second load() and a second instance give the same scores."""
    first = subject.alone(subject.samples)
    for difference in subject.differences(first, subject.alone(subject.samples)):
        yield (
            f"at the second call: {difference}; "
            "draw no random numbers, or from a generator that starts anew for each sample"
        )
        return
    metric = subject.make()
    metric.load()
    metric.load()
    for difference in subject.differences(first, subject.alone(subject.samples, metric)):
        yield f"from another instance with the same options, loaded twice: {difference}"


def undeclared_fields(subject: Subject) -> Iterator[str]:
    """Fields that it neither requires nor declares in `uses`, and the id and meta of a sample (but for `columns`),
    change nothing."""
    subject.require_scores()
    first = subject.metric.score(subject.samples)
    declared = subject.metric.required() | subject.cls.uses
    other = subject.sample(30)
    columns = {name: value for name, value in subject.sample(0).meta.items() if name in subject.metric.columns}
    named: dict[str, Any] = {"id": "another", "meta": {"system": "another", "size": 3, **columns}}
    named |= {name: getattr(other, name) for name in FIELDS if name not in declared}
    together = [replace(sample, **named) for sample in subject.samples]
    if not list(subject.differences(first, subject.metric.score(together))):
        return
    for name, value in named.items():
        changed = [replace(sample, **{name: value}) for sample in subject.samples]
        for difference in subject.differences(first, subject.metric.score(changed)):
            yield (
                f"with another {name}: {difference}; "
                "a score may depend on declared fields alone, or a resumed run reuses a wrong one"
            )


def inputs_unmodified(subject: Subject) -> Iterator[str]:
    """It changes no array or tensor that it is given, and accepts read-only arrays."""
    import torch

    subject.require_scores()
    sample = subject.sample(0)
    images = [name for name in IMAGE_FIELDS if sample.has(name)]
    arrays = {name: getattr(sample, name).copy() for name in images}
    subject.metric.score([replace(sample, **arrays)])
    if changed := [name for name in images if (arrays[name] != getattr(sample, name)).any()]:
        yield f"it writes into the array of {', '.join(changed)}; work on a copy"
    planes = {name: getattr(sample, name).transpose(2, 0, 1) for name in images if name != "mask"}
    tensors: dict[str, Any] = {name: torch.from_numpy(plane.copy()) for name, plane in planes.items()}
    subject.metric.score([replace(sample, **tensors)])
    if changed := [name for name in tensors if (tensors[name].numpy() != planes[name]).any()]:
        yield f"it writes into the tensor of {', '.join(changed)}; work on a copy"
    locked = {name: getattr(sample, name).copy() for name in images}
    for array in locked.values():
        array.setflags(write=False)
    for difference in subject.differences(subject.scores[:1], subject.metric.score([replace(sample, **locked)])):
        yield f"with read-only arrays: {difference}"


def threads(subject: Subject) -> Iterator[str]:
    """`prepare` in four threads at once, and `score_batch` of a `concurrent` metric, give the same scores."""
    metric, alone = subject.metric, subject.scores
    concurrent = subject.cls.concurrent
    several = [index % len(alone) for index in range(15)]

    def prepared(index: int) -> Any:
        item, _ = metric.prepare_or_why_not(subject.samples[index])
        return metric.score_or_why_not([item])[0] if concurrent else item

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # so that threads meet in the middle of things
    try:
        with ThreadPoolExecutor(4) as pool:
            items = list(pool.map(prepared, several))
    finally:
        sys.setswitchinterval(before)
    if concurrent:
        where, scores = "score_batch in four threads", items
    else:
        where, scores = "prepare in four threads", [metric.score_or_why_not([item])[0] for item in items]
    for difference in subject.differences([alone[index] for index in several], scores):
        yield f"{where}: {difference} alone; keep nothing of a sample on the metric itself"


def side_effects(subject: Subject) -> Iterator[str]:
    """Loading and scoring print nothing on standard output and leave random states and torch's settings alone."""
    import io
    from contextlib import redirect_stdout

    with undisturbed():
        subject.require_scores()  # what its load() changes is set back
        metric = subject.make()
    with undisturbed():
        _draw()  # from here on no seed gives the states that there are
        states, settings = _random_states(), _torch_settings()
        with redirect_stdout(io.StringIO()) as printed:
            metric.load()
            metric.score(subject.samples[:1])
        if printed.getvalue():
            yield f"it prints {printed.getvalue()[:80]!r}; use logging, standard output belongs to results"
        changed = [name for name, state in _random_states().items() if state != states[name]]
        if changed:
            yield (
                f"it changes the random state of {', '.join(changed)}, and so the training run that it is called in; "
                "use a generator of your own, and torch.random.fork_rng() around what draws weights"
            )
        for name, value in _torch_settings().items():
            if value != settings[name]:
                yield f"it changes {name} from {settings[name]} to {value}; set it back, or use the context manager"


def _draw() -> None:
    import random

    import numpy as np
    import torch

    random.random(), np.random.random(), torch.rand(1)  # noqa: S311


def _random_states() -> dict[str, Any]:
    import random

    import numpy as np
    import torch

    legacy: Any = np.random.get_state()
    return {
        "random": random.getstate(),
        "numpy": [part.tobytes() if isinstance(part, np.ndarray) else part for part in legacy],
        "torch": torch.get_rng_state().numpy().tobytes(),
    }


def _torch_settings() -> dict[str, Any]:
    import torch

    return {
        "torch.get_default_dtype()": torch.get_default_dtype(),
        "torch.get_num_threads()": torch.get_num_threads(),
        "torch.is_grad_enabled()": torch.is_grad_enabled(),
        "torch.get_float32_matmul_precision()": torch.get_float32_matmul_precision(),
        "torch.are_deterministic_algorithms_enabled()": torch.are_deterministic_algorithms_enabled(),
        "torch.backends.cudnn.benchmark": torch.backends.cudnn.benchmark,
        "torch.backends.cudnn.allow_tf32": torch.backends.cudnn.allow_tf32,
    }
