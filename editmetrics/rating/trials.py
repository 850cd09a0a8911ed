"""Questions to a rater: one edit on a scale, or two edits of one source side by side."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from ..files.headings import TASK_COLUMNS
from ..images import Unreadable
from ..sample import EditMetricsError, Sample, images_of
from ..wording import first_few

Mode = Literal["pairs", "single"]

WINNERS = {"A": "image_a", "B": "image_b", "tie": "tie"}
"""The answers to a pair, and how a log of battles has them."""

PREFERENCES = {"A": "A is better", "tie": "Tie", "B": "B is better"}
"""The answers to a pair as the page has them."""

SCALE = {"1": "Bad", "2": "Poor", "3": "Fair", "4": "Good", "5": "Excellent"}
"""The answers to a single edit: the quality scale of ITU-R BT.500."""


class RatingError(EditMetricsError, ValueError):
    """Votes cannot be collected: nothing can be shown, or the file of votes is of another kind."""


@dataclass(frozen=True)
class Edit:
    """One edit that is shown: the name of its item in the votes, its system, and the image."""

    item: str
    system: str | None
    image: Any


@dataclass(frozen=True)
class RatingTrial:
    """One question: one edit, or two; with the sources and the prompt that are shown beside them.

    `key` is the name of the question in the votes: the id of a sample, or those of both samples in their order.
    """

    key: str
    edits: tuple[Edit, ...]
    sources: tuple[Any, ...] = ()
    prompt: str | None = None
    source_name: str | None = None
    task: str | None = None

    def problem(self) -> str | None:
        """Return the reason why an image can never be shown, such as a path outside the manifest's folder."""
        images = (*(edit.image for edit in self.edits), *self.sources)
        return next((image.reason for image in images if isinstance(image, Unreadable)), None)


def trials_of(
    samples: Iterable[Sample], mode: Mode | None = None, root: str | os.PathLike[str] = ""
) -> list[RatingTrial]:
    """Return the questions about samples.

    - `mode`: "pairs" asks which of two edits is better: `edited` and `rival` of a sample that has one, and otherwise
      every two systems' edits of one source by one prompt. "single" asks about each edit by itself. By default pairs,
      where there are any.
    - `root`: the folder that names of images without an id are relative to.

    Raises `RatingError` for pairs without a pair, and for systems whose names are answers.

    >>> edits = [Sample(f"{name}/cat", edited=f"{name}/cat.png", source="cat.png", meta={"system": name})
    ...          for name in ("ours", "theirs")]
    >>> [trial.key for trial in trials_of(edits)], [trial.key for trial in trials_of(edits, "single")]
    (['ours/cat | theirs/cat'], ['ours/cat', 'theirs/cat'])
    """
    samples = list(samples)
    if mode == "single":
        return [_single(sample, root) for sample in samples]
    trials = list(_pairs(samples, root))
    if not trials and mode == "pairs":
        raise RatingError(
            "the samples form no pair; expected a column rival, or a column system and several systems for one source "
            "and prompt; --mode single asks about each edit"
        )
    systems = {edit.system for trial in trials for edit in trial.edits}
    if reserved := systems & set(WINNERS.values()):
        raise RatingError(f"a system is called {first_few(sorted(map(str, reserved)))}, which is an answer; rename it")
    return trials or [_single(sample, root) for sample in samples]


def mode_of(trials: Sequence[RatingTrial]) -> Mode:
    """Return whether trials are pairs or single edits."""
    return "pairs" if any(len(trial.edits) == 2 for trial in trials) else "single"


def _single(sample: Sample, root: str | os.PathLike[str]) -> RatingTrial:
    edit = Edit(sample.id, _text(sample.meta.get("system")), sample.edited)
    return RatingTrial(sample.id, (edit,), **_beside(sample, root))


def _pairs(samples: Sequence[Sample], root: str | os.PathLike[str]) -> Iterator[RatingTrial]:
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        if sample.rival is not None:
            other = _text(sample.meta.get("rival_system")) or _text(sample.meta.get("rival_model")) or "rival"
            first = Edit(_name(sample.edited, root, sample.id), _text(sample.meta.get("system")) or "edited",
                         sample.edited)  # fmt: skip
            second = Edit(_name(sample.rival, root, f"{sample.id} rival"), other, sample.rival)
            yield RatingTrial(sample.id, (first, second), **_beside(sample, root))
        elif sample.source is not None or sample.has("prompt"):
            groups.setdefault((repr(sample.source), str(sample.prompt)), []).append(sample)
    for group in groups.values():
        for one, two in combinations(group, 2):
            systems = [_text(sample.meta.get("system")) for sample in (one, two)]
            if None not in systems and systems[0] != systems[1]:
                edits = tuple(Edit(s.id, system, s.edited) for s, system in zip((one, two), systems, strict=True))
                yield RatingTrial(" | ".join(sorted((one.id, two.id))), edits, **_beside(one, root))


def _beside(sample: Sample, root: str | os.PathLike[str]) -> dict[str, Any]:
    sources = images_of(sample.source)
    names = [_name(source, root, sample.id) for source in sources]
    kinds = (_text(sample.meta.get(name)) for name in TASK_COLUMNS)
    prompt = sample.prompt if isinstance(sample.prompt, str) and sample.has("prompt") else None
    return {
        "sources": sources,
        "prompt": prompt,
        "source_name": ", ".join(names) or None,
        "task": next(filter(None, kinds), None),
    }


def _name(image: Any, root: str | os.PathLike[str], otherwise: str) -> str:
    """The path of an image below `root`, with "/"; `otherwise` for one that is not a file."""
    if not isinstance(image, (str, os.PathLike)):
        return otherwise
    path = os.fsdecode(image)
    return (os.path.relpath(path, root) if root else path).replace(os.sep, "/")


def _text(cell: Any) -> str | None:
    return None if cell is None or str(cell).strip() == "" else str(cell).strip()
