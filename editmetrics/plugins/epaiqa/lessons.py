"""Rated edits as the tasks of the stages: which rows each stage learns from, and the truth of each."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...mllm.targets import TargetError, TrainingSet, read_training_set, set_aside
from ...sample import Sample, SampleError
from .answers import COMPLETION_START, LEVEL_START, read_explained
from .levels import COMPLETIONS, completion_of, level_of
from .method import Stage

if TYPE_CHECKING:
    from .assessor import Assessor
    from .learner import Lessons, Task
    from .metric import EPAIQA

logger = logging.getLogger(__name__)

OF_STAGE: dict[Stage, tuple[str, ...]] = {
    "grounding": (),
    "quantitative": ("harmony", "local_naturalness"),
    "explained": ("overall_quality", "prompt_completion"),
}
"""The dimensions that each stage learns."""

COMPLETION_SCALE = (1.0, 3.0)


@dataclass(frozen=True)
class Materials:
    """The tasks of each stage, to train and to validate on, and all that describes them.

    `ratings`: by dimension and id(sample). `left_out`: from a reason to the ids that it cost.
    """

    train: Mapping[Stage, Sequence[Task]]
    validation: Mapping[Stage, Sequence[Task]]
    dimensions: Sequence[str]
    ratings: Mapping[str, Mapping[int, float]]
    left_out: Mapping[str, Sequence[str]]
    digest: str

    def rating(self, task: Task, dimension: str) -> float:
        return self.ratings[dimension][id(task.sample)]

    def counts(self) -> dict[str, Any]:
        """As a checkpoint records it; the counts of samples are those of all stages together."""
        parts = {"train": self.train, "validation": self.validation}
        counted: dict[str, Any] = {
            name: len({id(task.sample) for tasks in part.values() for task in tasks}) for name, part in parts.items()
        }
        counted["stages"] = {stage: len(tasks) for stage, tasks in self.train.items()}
        counted["left_out"] = {reason: len(ids) for reason, ids in self.left_out.items()}
        return counted

    def lessons(self, assessor: Assessor) -> tuple[Materials, dict[Stage, Lessons]]:
        """The lessons of each stage; and the same materials without what the backbone cannot be asked, such as a prompt
        that is too long or an image that cannot be read."""
        from .learner import Lessons

        left_out = {reason: list(ids) for reason, ids in self.left_out.items()}

        def usable(tasks: Sequence[Task]) -> Lessons:
            every = Lessons(assessor, tasks)
            kept = []
            for index, task in enumerate(tasks):
                try:
                    _ = every[index]
                except SampleError as error:
                    left_out.setdefault(str(error), []).append(task.sample.id)
                    logger.warning("%s is left out: %s", task.sample.id, error)
                else:
                    kept.append(index)
            return every.some(kept)

        lessons = {stage: usable(tasks) for stage, tasks in self.train.items()}
        train = {stage: of_stage.tasks for stage, of_stage in lessons.items()}
        validation = {stage: usable(tasks).tasks for stage, tasks in self.validation.items()}
        return replace(self, train=train, validation=validation, left_out=left_out), lessons


def read_materials(
    metric: EPAIQA,
    train: Any,
    val: Any,
    *,
    stages: Sequence[Stage],
    targets: Mapping[str, str],
    label_scale: tuple[float, float],
    group: str | None,
    cot: str | None,
    seed: int,
) -> Materials:
    """The tasks of `stages` from rated edits; see `EPAIQA.fit` for what the rows hold.

    Each stage takes the rows that have what it learns from, as in section 3.2; the split is the same for all of them.
    Raises `TargetError` where a stage has nothing to learn from.
    """
    if val is None:
        train, val = set_aside(train, group=group, needs=metric.needs, seed=seed)
        group = None  # they are apart already
    else:
        train, val = _listed(train), _listed(val)
    rated = _Rated(train, val, metric, group, label_scale)
    parts: dict[Stage, tuple[list[Task], list[Task]]] = {}
    for stage in stages:
        if stage == "grounding":
            parts[stage] = _grounding(metric, rated)
        elif stage == "quantitative":
            parts[stage] = _quantitative(metric, rated, targets, label_scale)
        else:
            parts[stage] = _explained(rated, targets, label_scale, cot)
        for tasks, name in zip(parts[stage], ("train", "validate"), strict=True):
            if not tasks:
                raise TargetError(f"no row is left to {name} the stage {stage!r} with; {rated.reasons()}")
    said = [(stage, [[_said(task) for task in tasks] for tasks in both]) for stage, both in parts.items()]
    return Materials(
        {stage: both[0] for stage, both in parts.items()},
        {stage: both[1] for stage, both in parts.items()},
        list(rated.ratings),
        rated.ratings,
        rated.left_out,
        hashlib.sha256(repr(said).encode("utf-8", "surrogateescape")).hexdigest(),
    )


class _Rated:
    """Reads the rows that rate a dimension, and remembers ratings and what was left out."""

    def __init__(
        self, train: list[Sample], val: list[Sample], metric: EPAIQA, group: str | None, scale: tuple[float, float]
    ) -> None:
        self.train, self.val, self.metric, self.group, self.scale = train, val, metric, group, scale
        self.ratings: dict[str, dict[int, float]] = {}
        self.left_out: dict[str, list[str]] = {}

    def rows(self, dimension: str, column: str, scale: tuple[float, float]) -> tuple[list[Sample], list[Sample]]:
        found: TrainingSet = read_training_set(
            self.train, self.val, targets={dimension: column}, label_scale=scale, group=self.group,
            needs=self.metric.needs,
        )  # fmt: skip
        for reason, ids in found.left_out.items():
            for name in ids:
                self.leave_out(reason, name)
        self.ratings[dimension] = {id(e.sample): e.targets[dimension] for e in (*found.train, *found.validation)}
        return [e.sample for e in found.train], [e.sample for e in found.validation]

    def leave_out(self, reason: str, name: str) -> None:
        ids = self.left_out.setdefault(reason, [])
        if name not in ids:
            ids.append(name)

    def reasons(self) -> str:
        return "; ".join(f"{len(ids)} left out, {why}" for why, ids in self.left_out.items()) or "there were no more"


def _grounding(metric: EPAIQA, rated: _Rated) -> tuple[list[Task], list[Task]]:
    """A task for each row with a region, rated or not."""
    from .learner import Task

    def tasks(samples: Sequence[Sample]) -> list[Task]:
        found = []
        for sample in samples:
            region = _region(metric, sample, rated, required=True)
            missing = sorted(name for name in ("source", "edited") if not sample.has(name))
            if missing:
                rated.leave_out(f"no {', no '.join(missing)}", sample.id)
            elif region is not None:
                found.append(Task("grounding", sample, region))
        return found

    return tasks(rated.train), tasks(rated.val)


def _quantitative(
    metric: EPAIQA, rated: _Rated, targets: Mapping[str, str], scale: tuple[float, float]
) -> tuple[list[Task], list[Task]]:
    """A task for each row and dimension that it rates; naturalness needs the region, too."""
    from .learner import Task

    both: tuple[list[Task], list[Task]] = [], []
    for dimension in _wanted("quantitative", targets):
        for tasks, samples in zip(both, rated.rows(dimension, targets[dimension], scale), strict=True):
            for sample in samples:
                region = _region(metric, sample, rated, required=dimension == "local_naturalness")
                if region is not None or dimension == "harmony":
                    word = level_of(rated.ratings[dimension][id(sample)], *scale)
                    tasks.append(Task(dimension, sample, region, word))
    return both


def _explained(
    rated: _Rated, targets: Mapping[str, str], scale: tuple[float, float], cot: str | None
) -> tuple[list[Task], list[Task]]:
    """A task for each row with overall quality, prompt completion and, in training, a chain of thought."""
    from .learner import Task

    wanted = _wanted("explained", targets)
    if missing := [name for name in OF_STAGE["explained"] if name not in wanted]:
        raise TargetError(f"the stage 'explained' needs a column for {missing[0]}, too")
    scored = [rated.rows("overall_quality", targets["overall_quality"], scale)]
    scored.append(rated.rows("prompt_completion", targets["prompt_completion"], COMPLETION_SCALE))
    both: tuple[list[Task], list[Task]] = [], []
    for part, tasks in enumerate(both):
        completed = {id(sample) for sample in scored[1][part]}
        for sample in scored[0][part]:
            if id(sample) not in completed:
                continue
            completion = completion_of(rated.ratings["prompt_completion"][id(sample)])
            level = level_of(rated.ratings["overall_quality"][id(sample)], *scale)
            answer = _answer(sample, cot, completion, level, rated) if part == 0 else ""
            if answer is not None:
                tasks.append(Task("explained", sample, word=level, answer=answer))
    return both


def _answer(sample: Sample, cot: str | None, completion: int, level: str, rated: _Rated) -> str | None:
    """The answer that is learned; None, with a reason, for a row whose chain of thought cannot be."""
    if cot is None:
        return f"{COMPLETION_START} {COMPLETIONS[completion - 1]}. {LEVEL_START} {level}"
    text = str(sample.meta.get(cot) or "").strip()
    if not text:
        rated.leave_out(f"no chain of thought in {cot}", sample.id)
        return None
    said = read_explained(text)
    if said.completion is None or said.level is None:
        rated.leave_out(f"{cot} does not have the form of an explained answer", sample.id)
        return None
    if (said.completion, said.level) != (completion, level):
        rated.leave_out(f"{cot} says another completion or level than the ratings", sample.id)
        return None
    return text


def _wanted(stage: Stage, targets: Mapping[str, str]) -> list[str]:
    wanted = [dimension for dimension in OF_STAGE[stage] if dimension in targets]
    if not wanted:
        raise TargetError(f"the stage {stage!r} needs a column for {' or '.join(OF_STAGE[stage])}")
    return wanted


def _region(metric: EPAIQA, sample: Sample, rated: _Rated, required: bool) -> Any:
    """The region that the row gives; a malformed one costs the row, and is told."""
    try:
        region, _ = metric.region_of(sample)
    except SampleError as error:
        rated.leave_out(str(error), sample.id)
        return None
    if region is None and required:
        rated.leave_out("no region", sample.id)
    return region


def _listed(samples: Any) -> list[Sample]:
    import os

    from ...data import SampleSet, from_manifest

    given = from_manifest(samples) if isinstance(samples, (str, os.PathLike)) else samples
    return list(given.samples if isinstance(given, SampleSet) else given)


def _said(task: Task) -> tuple[Any, ...]:
    return task.kind, task.sample.id, task.region, task.word, task.answer
