"""Each metric in one line, for `editmetrics list`, for completion and for the docs: cheap to make, imports no torch."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Literal

from .learned_metric import LearnedMetric
from .metric import Metric
from .registry import metric_class
from .sample import FIELDS
from .wording import in_words

TITLE = 40
"""Characters of the longest title that a list shows."""


@dataclass(frozen=True)
class Download:
    """Something that a metric downloads at its first use: an entry of the weights registry, or a model of the hub.

    `megabytes` and `licence` are None where they are not known. `here` says whether it is on this machine.
    """

    name: str
    kind: Literal["weights", "model"]
    megabytes: float | None
    licence: str | None
    here: bool


@dataclass(frozen=True)
class Listed:
    """A metric with its default options, as a list shows it.

    - `title`: what it is, in a few words. `needs`, `uses`: fields of a sample that it requires, and honours on request.
    - `higher_is_better`: of its primary dimension. `dimensions`: the names of all.
    - `downloads`: what its first use downloads. `judge`: the chat model that it asks, or None.
    - `of_sets`: whether it scores sets of images.
    - `trains`: whether it learns from ratings. `ready`: whether it gives scores without being trained by its user.
    """

    name: str
    title: str
    summary: str
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    higher_is_better: bool | None
    dimensions: tuple[str, ...]
    downloads: tuple[Download, ...]
    judge: str | None
    trains: bool
    ready: bool
    of_sets: bool = False

    @property
    def cost(self) -> str:
        """The size of the downloads in a few characters ("training" and "judge" for what else it takes); "-" for none.

        >>> listed("dists").cost, listed("edit_hf").cost, listed("vie_score").cost, listed("psnr").cost
        ('553 MB', '>17.1 GB', 'judge', '-')
        """
        if self.judge or not self.ready:
            return "judge" if self.judge else "training"
        sizes = [download.megabytes for download in self.downloads]
        known = sum(size for size in sizes if size is not None)
        if sizes and not known:
            return "size ?"
        return f"{'>' if None in sizes else ''}{in_words(known)}" if sizes else "-"


def listed(name: str) -> Listed:
    """The metric `name` with its default options.

    >>> listed("psnr").title, listed("psnr").needs, listed("psnr").downloads
    ('peak signal-to-noise ratio', ('source', 'edited'), ())
    """
    cls = metric_class(name)
    metric = cls()
    needs = metric.required()
    summary = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    return Listed(
        name,
        cls.title or shortened(summary),
        summary,
        tuple(field for field in FIELDS if field in needs),
        tuple(field for field in FIELDS if field in (cls.needs | cls.uses) - needs),
        next((dimension.higher_is_better for dimension in cls.dimensions if dimension.primary), None),
        tuple(dimension.name for dimension in cls.dimensions),
        downloads(metric),
        asked(metric),
        issubclass(cls, LearnedMetric),
        getattr(cls, "zero_shot_scores", True),
        cls.of_sets,
    )


def downloads(metric: Metric) -> tuple[Download, ...]:
    """Return the downloads of the first use of `metric` with its options, and whether each is on this machine.

    >>> from editmetrics import create_metric
    >>> [download.name for download in downloads(create_metric("lpips:net=vgg"))]
    ['lpips-vgg16']
    """
    from .checkpoints import bundled_folder, size_and_licence
    from .hub import is_cached
    from .weights import find

    wanted = [
        Download(name, "weights", *size_and_licence(name), find(name) is not None)
        for name in metric.checkpoints()
        if bundled_folder(name) is None
    ]
    if model := metric.hub_model():
        from .mllm.hub_models import HUB_MODELS

        facts = HUB_MODELS.get(model)
        size, licence = (facts.megabytes, facts.licence) if facts else (None, None)
        wanted.append(Download(model, "model", size, licence, is_cached(model)))
    return tuple(wanted)


def asked(metric: Metric) -> str | None:
    """The chat model at an endpoint that `metric` asks; None for a metric without one."""
    from .bases.judge import JudgeMetric

    if not isinstance(metric, JudgeMetric) or metric.is_local():
        return None
    return metric.endpoint_model()


def shortened(summary: str) -> str:
    """The beginning of a summary, up to where it says more than the name of the thing.

    >>> shortened("Feature similarity of the edited image to the source, in [0, 1]; 1 for identical images.")
    'feature similarity'
    """
    first = summary.rstrip(".")
    for end in (": ", "; ", ", ", " of the ", " between the "):
        first = first.partition(end)[0]
    first = first if first[1:2].isupper() else first[:1].lower() + first[1:]
    return first if len(first) <= TITLE else f"{first[: TITLE - 3].rpartition(' ')[0]}..."
