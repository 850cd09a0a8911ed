"""Registered checkpoints and backbones that are on this machine, or may be downloaded: checksums, scores, batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, get_args, get_origin

from .. import weights
from ..checkpoints import WeightsEntry, registered
from ..registry import create_metric, metric_class
from .metrics import alone_and_together
from .rows import Report

ZERO_SHOT = ("ds_ieqa", "vqa_score")
"""Metrics that need a backbone of the hub and no weights of their own."""


def check_weights(report: Report, device: str, download: Callable[[WeightsEntry], bool]) -> None:
    """Add rows for each downloaded checkpoint: its checksums, and what its metric gives.

    `download` is asked for each that is missing, and may show its size and licence to the user.
    """
    for name, entry in registered().items():
        if entry.source.package is not None:
            continue
        about = f"{entry.size}; licence: {entry.licence}" + f"; not confirmed: {entry.doubts}" * bool(entry.doubts)
        if weights.find(name) is None:
            if not download(entry):
                report.skip("weights", name, f"not on this machine ({about}); --download fetches it")
                continue
            if not report.attempt("download", name, lambda name=name: _nothing(weights.pull(name))):  # type: ignore[misc]
                continue
        if report.attempt("checksums", name, lambda name=name: _nothing(weights.verify(name))):  # type: ignore[misc]
            spec = spec_of(entry)
            if spec is None:
                report.skip("scores", name, f"no option of {entry.metric} chooses it alone")
            else:
                report.attempt("scores", f"{spec}, batch and alone", partial(alone_and_together, spec, device), device)


def check_backbones(report: Report, device: str) -> None:
    """Add a row for each metric that asks a backbone of the hub, where it is cached: scores in a batch and alone."""
    from huggingface_hub import try_to_load_from_cache

    for name in ZERO_SHOT:
        backbone: str = vars(metric_class(name))["BACKBONE"]
        if isinstance(try_to_load_from_cache(backbone, "config.json"), str):
            report.attempt("scores", f"{name}, batch and alone", partial(alone_and_together, name, device), device)
        else:
            report.skip("scores", name, f"its backbone {backbone} is not in the hub's cache; `hf download {backbone}`")


def spec_of(entry: WeightsEntry) -> str | None:
    """A metric that loads the checkpoint, with the option that chooses it.

    >>> spec_of(registered()["lpips-vgg16"]), spec_of(registered()["clip-vit-b-16-openai"])
    ('lpips:net=vgg', 'clip_score:model=ViT-B-16')
    """
    return next((spec for spec in _specs(entry) if entry.name in create_metric(spec).checkpoints()), None)


def _specs(entry: WeightsEntry) -> Iterator[str]:
    yield entry.metric
    _, dot, part = entry.name.rpartition(".")
    for option in metric_class(entry.metric).option_list():
        yield from (f"{entry.metric}:{option.name}={choice}" for choice in _words(option.hint))
        if dot and option.name in ("checkpoint", "weights"):
            yield f"{entry.metric}:{option.name}={part}"


def _words(hint: Any) -> Iterator[str]:
    """The texts that a type of an option allows: those of a `Literal`, also beside None."""
    if get_origin(hint) is Literal:
        yield from (word for word in get_args(hint) if isinstance(word, str))
    else:
        for inner in get_args(hint):
            yield from _words(inner)


def _nothing(_: Any) -> None:
    return None
