"""A look ahead at a run (`--dry-run` of `score` and `arena`): its pairs, metrics, downloads and requests.

Nothing is read or loaded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape

from ..data import ImageSet
from ..images.read import FileBytes
from ..listing import Download, asked, downloads
from ..sample import FIELDS, IMAGE_FIELDS, Sample, images_of
from ..tables.table import Block, Cell, DataTable, numbers, text
from ..wording import in_words, plural
from .machine_readable import SCHEMA, print_json

if TYPE_CHECKING:
    from ..metric import Metric
    from ..scoring.arena import ArenaPlan

SHOWN = 3
"""Pairs that the preview shows of each system."""

COUNTED = 1000
"""Samples whose questions are counted; the others are taken to have as many on average."""


@dataclass(frozen=True)
class Requests:
    """Requests to a judge, without regard to its cache, with the images and the characters of text in all of them."""

    model: str
    requests: int
    images: int
    text: int


@dataclass(frozen=True)
class Planned:
    """One metric of a run: how many samples it scores, for how many each field is missing, and what it requires.

    `hub_checkpoints`: those that were fetched already, since they state the metric's dimensions.
    """

    metric: str
    samples: int
    missing: dict[str, int]
    downloads: tuple[Download, ...]
    requests: Requests | None
    hub_checkpoints: tuple[str, ...] = ()


def planned(metric: Metric, samples: Sequence[Sample]) -> Planned:
    """Plan the run of one metric over `samples`.

    >>> from editmetrics import create_metric
    >>> cat, dog = Sample("cat", edited="cat.png", source="c.png"), Sample("dog", edited="dog.png")
    >>> planned(create_metric("psnr"), [cat, dog])
    Planned(metric='psnr', samples=1, missing={'source': 1}, downloads=(), requests=None, hub_checkpoints=())
    """
    required = metric.required()
    missing = {name: sum(not sample.has(name) for sample in samples) for name in FIELDS if name in required}
    single = [name for name in IMAGE_FIELDS if name in metric.fields() - metric.several]
    missing |= {f"a single {name}": sum(isinstance(getattr(one, name), tuple) for one in samples) for name in single}
    usable = [
        sample
        for sample in samples
        if all(map(sample.has, required)) and not any(isinstance(getattr(sample, name), tuple) for name in single)
    ]
    return Planned(
        metric.label,
        len(usable),
        {name: count for name, count in missing.items() if count},
        downloads(metric),
        _requests(metric, usable),
        _hub_checkpoints(metric),
    )


def _hub_checkpoints(metric: Metric) -> tuple[str, ...]:
    """Return the checkpoints of the hub among the options of a metric, whatever its column is called."""
    from ..mllm.hub_checkpoint import is_on_hub

    texts = [value for value in metric.options.values() if isinstance(value, str)]
    return tuple(name for text in texts for name in text.split(";") if is_on_hub(name))


def _requests(metric: Metric, samples: Sequence[Sample]) -> Requests | None:
    """Count the questions of a judge, with grey images in the place of the samples' own."""
    from ..judge import Encoding

    model = asked(metric)
    questions = getattr(metric, "questions", None)
    if model is None or not callable(questions):
        return None
    grey = Encoding().encode(np.full((64, 64, 3), 128, np.uint8)).data
    counts: Counter[str] = Counter()
    counted = samples[:COUNTED]
    for sample in counted:
        images: dict[str, Any] = {
            name: [FileBytes(grey, _shown(image)) for image in images_of(getattr(sample, name))]
            for name in IMAGE_FIELDS
        }
        for question in questions(replace(sample, **images)).values():
            counts["requests"] += 1
            counts["images"] += len(question.images())
            parts = [part for message in question.messages for part in message.parts]
            counts["text"] += sum(len(part) for part in parts if isinstance(part, str))
    times = getattr(metric, "rounds", 1) * (len(samples) / len(counted) if counted else 1)
    return Requests(model, *(round(counts[name] * times) for name in ("requests", "images", "text")))


def wanted(plans: Sequence[Planned]) -> list[Download]:
    """The downloads of all metrics that are not on this machine, each once."""
    return list({one.name: one for plan in plans for one in plan.downloads if not one.here}.values())


def preview_blocks(samples: Sequence[Sample], plans: Sequence[Planned], output: Path | None) -> Iterator[Block]:
    """The preview as tables and lines."""
    systems = list(dict.fromkeys(sample.meta.get("system") for sample in samples))
    first = [sample for system in systems for sample in _of_system(samples, system)[:SHOWN]]
    fields = [name for name in IMAGE_FIELDS if any(sample.has(name) for sample in samples)]
    rows: list[Sequence[Cell]] = [[one.id, *(_shown(getattr(one, name)) for name in fields)] for one in first]
    yield DataTable(text("id", *fields), rows)
    if len(samples) > len(first):
        yield f"... and {len(samples) - len(first):,} more"
    yield ""
    counts = [plural(len(samples), "sample")]
    if len(systems) > 1:
        counts.append("by system: " + ", ".join(f"{one} {len(_of_system(samples, one)):,}" for one in systems))
    prompts = sum(sample.has("prompt") for sample in samples)
    yield escape(f"{', '.join(counts)}; {plural(prompts, 'prompt')}")
    yield ""
    yield from _plan_blocks(plans, output)


def arena_preview_blocks(plan: ArenaPlan, plans: Sequence[Planned], log: Path | None) -> Iterator[Block]:
    """The preview of an arena: which two edits are compared, and how often any two systems are."""
    of_pairs = any(sample.has("rival") for sample in plan.samples)
    fields = ("edited", "rival") if of_pairs else ("edited",)
    first = plan.samples[:SHOWN]
    yield DataTable(text("id", *fields), [[one.id, *(_shown(getattr(one, name)) for name in fields)] for one in first])
    if len(plan.samples) > len(first):
        yield f"... and {len(plan.samples) - len(first):,} more"
    yield ""
    total = sum(plan.duels.values())
    counts = list(plan.duels.values())
    spread = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
    systems = len({name for duel in plan.duels for name in duel})
    yield f"{plural(total, 'pair')} of {plural(systems, 'system')}, {spread} of each two"
    if plan.known < total:
        yield f"The first {plan.known:,} are known; which others are asked about depends on the answers."
    yield ""
    yield from _plan_blocks(plans, log)


def _plan_blocks(plans: Sequence[Planned], output: Path | None) -> Iterator[Block]:
    """Metrics, costs, and an earlier record."""
    yield DataTable([*text("metric"), *numbers("samples"), *text("missing", "downloads", "asks")], [*map(_row, plans)])
    yield ""
    yield from _costs(plans)
    if output is not None:
        from ..scoring.record import record_path

        if record_path(output).exists():
            yield escape(f"{record_path(output)} exists: scores of unchanged samples are reused.")
    on_hub = {name for one in plans for name in one.hub_checkpoints}
    but = f", except {plural(len(on_hub), 'checkpoint')} of the hub" if on_hub else ""
    yield f"Dry run: nothing was computed, loaded or downloaded{but}."


def _of_system(samples: Sequence[Sample], system: Any) -> list[Sample]:
    return [sample for sample in samples if sample.meta.get("system") == system]


def _shown(image: Any) -> str:
    if isinstance(image, ImageSet):
        return f"{image.name} ({plural(len(image), 'image')})"
    if isinstance(image, tuple):
        return ", ".join(map(_shown, image))
    return "-" if image is None else str(image) if isinstance(image, (str, Path)) else f"({type(image).__name__})"


def _row(plan: Planned) -> Sequence[Cell]:
    missing = ", ".join(f"{name} ({count:,})" for name, count in plan.missing.items())
    names = ", ".join(f"{one.name} {'(here)' if one.here else in_words(one.megabytes)}" for one in plan.downloads)
    asks = "-" if plan.requests is None else f"{plan.requests.model}, {plural(plan.requests.requests, 'request')}"
    return [plan.metric, plan.samples, missing or "-", names or "-", asks]


def _costs(plans: Sequence[Planned]) -> Iterator[str]:
    """Lines on what would be downloaded, and on what judges would be asked."""
    missing = wanted(plans)
    if missing:
        known = sum(one.megabytes for one in missing if one.megabytes is not None)
        unknown = [one.name for one in missing if one.megabytes is None]
        more = f", and {', '.join(unknown)} of unknown size" if unknown else ""
        licences = ", ".join(dict.fromkeys(one.licence or "unknown" for one in missing))
        yield escape(f"To download: {known / 1000:.2f} GB{more} (licence: {licences}).")
    else:
        yield "To download: nothing."
    for requests in filter(None, (plan.requests for plan in plans)):
        tokens = f"about {round(requests.text / 4, -2):,.0f} tokens of text"
        yield escape(
            f"To ask {requests.model}: {plural(requests.requests, 'request')}, {plural(requests.images, 'image')}, "
            f"{tokens}; answers in the cache are not asked for again. The price is the provider's."
        )


def preview_as_json(samples: Sequence[Sample], plans: Sequence[Planned], about: Mapping[str, Any]) -> dict[str, Any]:
    """The document of `score --dry-run --json`, which docs/results.md describes."""
    missing = wanted(plans)
    complete = all(one.megabytes is not None for one in missing)
    fields = [name for name in IMAGE_FIELDS if any(sample.has(name) for sample in samples)]
    pairs = [{"id": one.id, **{name: _shown(getattr(one, name)) for name in fields}} for one in samples]
    return {
        "schema": SCHEMA,
        "dry_run": True,
        "samples": len(samples),
        **about,
        "pairs": pairs,
        "metrics": [asdict(plan) for plan in plans],
        "download_megabytes": sum(one.megabytes or 0 for one in missing) if complete else None,
    }


def preview(
    samples: Sequence[Sample], metrics: Sequence[Metric], about: Mapping[str, Any], output: Path | None, as_json: bool
) -> None:
    """Print what a run would do; then raises `PlanError` for one that could not start, and `ConventionsError` for
    prompts that are not here."""
    from ..tables.table import show

    plans = [planned(metric, samples) for metric in metrics]
    if as_json:
        facts = {name: about.get(name) for name in ("limit", "unmatched")}
        print_json(preview_as_json(samples, plans, {**facts, "output": output and str(output)}))
    else:
        show(preview_blocks(samples, plans, output))
    _require_startable(samples, metrics)


def preview_arena(plan: ArenaPlan, metrics: Sequence[Metric], log: Path | None) -> None:
    """Print what an arena would ask or score; raises as `preview` for one that could not start."""
    from ..tables.table import show

    show(arena_preview_blocks(plan, [planned(metric, plan.samples) for metric in metrics], log))
    _require_startable(plan.samples, metrics)


def _require_startable(samples: Sequence[Sample], metrics: Sequence[Metric]) -> None:
    from ..conventions.assessor import ConventionMetric
    from ..scoring.run import plan

    plan(samples, metrics)
    for metric in metrics:
        if isinstance(metric, ConventionMetric):
            metric.check_texts()
