"""Checks of a metric on a second device, which need no GPU: placement, waiting, and settings of other code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..metric import Metric
from ..sample import EditMetricsError, Sample, Score
from ..wording import plural
from . import rehearsal
from .subject import NotApplicable, Subject

if TYPE_CHECKING:
    from torch import Tensor

FEW, MANY = 2, 5
"""Sizes of the batches whose waits are compared."""


def second_device(subject: Subject) -> Iterator[str]:
    """On a device that is not the CPU it computes there, the same scores, in batches; `to` moves what is loaded."""
    subject.require_scores()
    _require_device(subject)
    metric = _on_device(subject)
    _draw_there()
    state = _device_state()
    with _as_gpus_are(), rehearsal.watch() as seen:
        metric.load()
        together = metric.score(subject.samples)
    if not seen.operations:
        if _computes_with_torch(subject):
            yield (
                f"device is {rehearsal.NAME!r}, and nothing is computed there: move what score_batch gets, and the "
                "weights, with .to(self.device)"
            )
            return
        raise NotApplicable("it does not compute with torch, so that a device changes nothing")
    if _device_state() != state:
        yield (
            "loading or scoring changes the random state of a GPU, and so the training that it is called in: "
            "torch.manual_seed seeds all devices, and fork_rng() restores those alone that it is told; draw from a "
            "torch.Generator, or seed torch.random.default_generator alone and set its state back"
        )
    differences = list(subject.differences(subject.scores, together))
    with _as_gpus_are():
        alone = list(subject.differences(subject.scores, subject.alone(subject.samples, metric))) if differences else []
    for difference in (alone or differences)[:1]:
        if alone:
            advice = "make and move every tensor of score_batch with device=self.device or .to(self.device)"
            yield f"on a second device: {difference} on the CPU; {advice}"
        else:
            yield f"in one batch on a second device: {difference} alone; nothing may be averaged over a batch"
    if not differences:
        yield from _moves(subject)


def synchronisations(subject: Subject) -> Iterator[str]:
    """`score_batch` waits for the device as often as `host_reads` declares, and not more often for a larger batch."""
    subject.require_scores()
    _require_device(subject)
    metric = _on_device(subject)
    metric.load()
    alike = metric.host_reads is None  # texts of unlike samples differ in length
    try:
        watches = {size: _watched(metric, _batch(subject, metric, size, alike)) for size in (1, FEW, MANY)}
    except Exception as error:
        raise NotApplicable("it fails on a second device (see the check 'second_device')") from error
    if not watches[FEW].operations:
        raise NotApplicable("nothing is computed on the device (see the check 'second_device')")
    module = f"/{subject.cls.__module__.replace('.', '/')}.py"
    one, few, many = (
        Counter((event.kind, event.site(module)) for event in watches[size].events) for size in (1, FEW, MANY)
    )
    for (kind, site), count in many.items():
        each = few[kind, site] - one[kind, site]
        if each > 0 and count - few[kind, site] == each * (MANY - FEW):  # else it grows with a text, or in parts
            action = "copies to the device" if "upload" in kind else "waits for the device"
            yield f"it {action} {plural(each, 'time')} for each sample, at {site}: {_ADVICE[kind]}"
    reads = watches[FEW].reads
    if metric.host_reads is not None and len(reads) > metric.host_reads:
        sites = Counter(f"{event.kind} at {event.site(module)}" for event in reads)
        places = "; ".join(f"{count} x {site}" for site, count in sites.items())
        yield (
            f"score_batch waits {plural(len(reads), 'time')} for the device, and host_reads declares "
            f"{metric.host_reads}: {places}; read all results at once at the end, or declare what it takes"
        )
    copies = watches[FEW].uploads
    if metric.host_copies is not None and len(copies) > metric.host_copies:
        sites = Counter(event.site(module) for event in copies)
        places = "; ".join(f"{count} x {site}" for site, count in sites.items())
        yield (
            f"score_batch copies {plural(len(copies), 'time')} to the device, and host_copies declares "
            f"{metric.host_copies}: {places}; copy a batch by editmetrics.transfer.stacked and keep what never "
            "changes there (transfer.constant), or declare what it takes"
        )


_ADVICE = {
    "item": "compute for the whole batch, and read the results once with .tolist()",
    "download": "copy the results of the whole batch to the host at once",
    "size": "use torch.where or a sum over a mask, whose sizes do not depend on the values",
    "upload": "stack on the host, and copy the batch at once",
    "async upload": "stack on the host, and copy the batch at once",
}


def surroundings(subject: Subject) -> Iterator[str]:
    """Autocast, torch's default dtype and device, and TF32 in the code around it change no score."""
    subject.require_scores()
    device = subject.device
    if device == "cpu" and rehearsal.why_unavailable() is None:
        rehearsal.install()
        device = rehearsal.NAME
    settings = _surroundings(device or "cpu")
    if not _changes(subject, device, settings.values()):
        return
    if _changes(subject, device, []):
        raise NotApplicable("its scores differ on a second device (see the check 'second_device')")
    for name, setting in settings.items():
        for difference in _changes(subject, device, [setting])[:1]:
            yield (
                f"under {name}: {difference} without it; compute in load, prepare and score_batch alone, which run "
                "in a clean room (editmetrics.clean_room)"
            )


# ---------------------------------------------------------------------- the device


def _require_device(subject: Subject) -> None:
    """Install the device. Raises `NotApplicable` with the reason where that cannot be, or none is needed."""
    if subject.device != "cpu":
        raise NotApplicable(f"it is checked on {subject.device} already")
    if reason := rehearsal.why_unavailable():
        raise NotApplicable(reason)
    rehearsal.install()


def _on_device(subject: Subject) -> Metric:
    """Return a fresh instance that shall compute on the device."""
    return subject.make().to(rehearsal.NAME)


@contextmanager
def _as_gpus_are() -> Iterator[None]:
    """Refuse float64 as Apple's GPUs do, and round convolutions to TF32 unless that is switched off."""
    with rehearsal.conditions(float64=False, tf32=True):
        yield


def _device_state() -> bytes:
    import torch

    module: Any = torch
    state: Tensor = module.rehearsal.get_rng_state()
    return state.numpy().tobytes()


def _draw_there() -> None:
    """Draw a number on the device: from then on, no seed gives the state that it has."""
    import torch

    torch.rand(1, device=rehearsal.NAME)


def _moves(subject: Subject) -> Iterator[str]:
    """Check that a metric which is loaded on one device computes on the other after `to`, or refuses to move."""
    for start, end in (("cpu", rehearsal.NAME), (rehearsal.NAME, "cpu")):
        metric = subject.make().to(start)
        metric.load()
        try:
            metric.to(end).load()
        except EditMetricsError:
            continue
        with rehearsal.watch() as seen:
            scores = metric.score(subject.samples[:1])
        if bool(seen.operations) != (end == rehearsal.NAME):
            yield (
                f"loaded on {start}, it still computes there after to({end!r}); forget in unload() what load() has "
                "made, so that it is made again on the other device"
            )
        for difference in subject.differences(subject.scores[:1], scores):
            yield f"loaded on {start} and moved by to({end!r}): {difference}; move all that load() has made"


def _computes_with_torch(subject: Subject) -> bool:
    """Return whether `score_batch` starts any operation of torch, wherever that is."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, operation: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
            Count.count += 1
            return operation(*arguments, **(keywords or {}))

    prepared = [subject.metric.prepare(sample) for sample in subject.samples[:1]]
    with Count():
        subject.metric.score_batch(prepared)
    return Count.count > 0


# ---------------------------------------------------------------------- batches, settings


def _batch(subject: Subject, metric: Metric, size: int, alike: bool) -> list[Any]:
    """Return prepared samples that may share a batch: of unlike pictures and equal texts, or all alike."""
    first = subject.sample(0)
    texts = {"prompt": first.prompt, "questions": first.questions, "source_prompt": first.source_prompt}
    samples: list[Sample] = [replace(subject.sample(0 if alike else seed), **texts) for seed in range(size)]  # type: ignore[arg-type]
    return [metric.prepare(sample) for sample in samples]


def _watched(metric: Metric, batch: list[Any]) -> rehearsal.Watch:
    """Return the events of one batch."""
    with rehearsal.watch() as seen:
        metric.score_batch(batch)
    return seen


def _surroundings(device: str) -> dict[str, Callable[[], AbstractContextManager[object]]]:
    """Return settings that other code may have made, by the words for each."""
    import torch

    @contextmanager
    def default_dtype() -> Iterator[None]:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.bfloat16)
        try:
            yield
        finally:
            torch.set_default_dtype(before)

    kind = torch.device(device).type
    settings: dict[str, Callable[[], AbstractContextManager[object]]] = {
        f"torch.autocast({kind!r}, torch.bfloat16)": lambda: torch.autocast(kind, torch.bfloat16),
        "torch.set_default_dtype(torch.bfloat16)": default_dtype,
    }
    if kind != "cpu":
        settings[f"torch.set_default_device({kind!r})"] = lambda: torch.device(kind)
    if kind == rehearsal.NAME:
        settings["TF32, which is torch's default for convolutions"] = lambda: rehearsal.conditions(tf32=True)
    return settings


def _changes(subject: Subject, device: str | None, settings: Any) -> list[str]:
    """Return how the scores of a fresh instance under `settings` differ from those on the CPU without."""
    metric = subject.make().to(device)  # with its stand-in, which no user makes under these settings
    with ExitStack() as inside:
        for setting in settings:
            inside.enter_context(setting())
        try:
            scores = subject.alone(subject.samples[:2], metric)
        except Exception as error:
            scores = [Score.unscored("failed", f"{type(error).__name__}: {error}")] * 2
    return list(subject.differences(subject.scores[:2], scores))
