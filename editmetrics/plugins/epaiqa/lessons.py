"""Rated edits as the tasks of the stages: which rows each stage learns from, and the truth of each."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...images import eight_bits, read_image
from ...mllm.lessons import Lesson, usable
from ...mllm.losses import soft_levels
from ...mllm.raters import rater_spreads
from ...mllm.recipe import shuffled
from ...mllm.targets import Example, TargetError, TrainingSet, read_training_set, set_aside
from ...sample import Sample, SampleError
from .answers import COMPLETION_START, LEVEL_START, read_explained
from .box import Box
from .levels import COMPLETIONS, completion_of, level_of
from .method import EPAIQAMethod, Stage

if TYPE_CHECKING:
    import numpy as np

    from ...mllm.fitting import FitJob
    from .assessor import ExplainingAssessor

logger = logging.getLogger(__name__)

OF_STAGE: dict[Stage, tuple[str, ...]] = {
    "grounding": (),
    "quantitative": ("harmony", "local_naturalness"),
    "explained": ("overall_quality", "prompt_completion"),
}
"""The dimensions that each stage learns."""

COMPLETION_SCALE = (1.0, 3.0)

KEPT = 1 << 30
"""Bytes of pixels that lessons keep in memory, so that they are prepared once; the others, each time they are due."""

RegionOf = Callable[[Sample], tuple["Box | None", str]]


@dataclass(frozen=True)
class StageTask:
    """One question about a sample, and its true answer: a box, a level word, or a whole text."""

    kind: str
    sample: Sample
    region: Box | None = None
    word: str = ""
    answer: str = ""
    soft: tuple[float, ...] = ()
    """A distribution over the levels, which is taught in place of `word`."""
    rating: float | None = None
    """Of harmony or local naturalness, 1 to 5, where the loss compares expected levels with it."""

    def lesson(self, assessor: ExplainingAssessor) -> Lesson:
        edited = pixels_of(self.sample.edited)
        if self.kind == "harmony":
            prompt = assessor.harmony(edited, self.word)
        elif self.kind == "local_naturalness":
            prompt = assessor.naturalness(edited, required(self.region), self.word)
        else:
            source = pixels_of(self.sample.source)
            if self.kind == "grounding":
                prompt = assessor.grounded(source, edited, required(self.region))
            else:
                prompt = assessor.explained(source, edited, self.sample.prompt or "", self.answer)
        group = -1 if self.rating is None else OF_STAGE["quantitative"].index(self.kind)
        soft = (self.soft,) if self.soft else ()
        return Lesson(f"{self.sample.id} ({self.kind})", prompt, self.rating, soft=soft, group=group)


class StageLessons(Sequence[Lesson]):
    """The tasks of a stage as lessons, made when they are asked for."""

    def __init__(self, assessor: ExplainingAssessor, tasks: Sequence[StageTask]) -> None:
        self.assessor, self.tasks = assessor, tasks
        self._kept: dict[int, Lesson] = {}
        self._room = KEPT

    def some(self, indices: Sequence[int]) -> StageLessons:
        """Lessons at `indices`, with what is kept of them."""
        chosen = StageLessons(self.assessor, [self.tasks[index] for index in indices])
        chosen._kept = {new: self._kept[old] for new, old in enumerate(indices) if old in self._kept}
        chosen._room = self._room
        return chosen

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, index: Any) -> Any:
        if index in self._kept:
            return self._kept[index]
        lesson = self.tasks[index].lesson(self.assessor)
        size = sum(tensor.nbytes for picture in lesson.prompt.pictures for tensor in picture.pixels.values())
        if size <= self._room:
            self._room -= size
            self._kept[index] = lesson
        return lesson


class RehearsedLessons(Sequence[Lesson]):
    """The lessons of a stage, and so many of earlier ones that they are the share `rehearsal` of all."""

    def __init__(self, lessons: StageLessons, earlier: Sequence[StageLessons], rehearsal: float, seed: int) -> None:
        before = [(each, index) for each in earlier for index in range(len(each))]
        count = round(len(lessons) * rehearsal / (1 - rehearsal)) if before else 0
        drawn = shuffled(len(before), count, seed).tolist() if count else []
        self._places = [*((lessons, index) for index in range(len(lessons))), *(before[index] for index in drawn)]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        lessons, position = self._places[index]
        return lessons[position]


@dataclass(frozen=True)
class Materials:
    """The tasks of each stage, to train and to validate on, and all that describes them.

    `ratings`: by dimension and id(sample). `left_out`: from a reason to the ids that it cost.
    """

    train: Mapping[Stage, Sequence[StageTask]]
    validation: Mapping[Stage, Sequence[StageTask]]
    dimensions: Sequence[str]
    ratings: Mapping[str, Mapping[int, float]]
    left_out: Mapping[str, Sequence[str]]
    digest: str

    def rating(self, task: StageTask, dimension: str) -> float:
        return self.ratings[dimension][id(task.sample)]

    @property
    def examples(self) -> dict[str, list[Example]]:
        """The samples of both parts, each once, with all their ratings."""
        parts = {"train": self.train, "validation": self.validation}
        samples = {name: {id(task.sample): task.sample for tasks in part.values() for task in tasks}
                   for name, part in parts.items()}  # fmt: skip
        return {
            name: [
                Example(sample, {d: ratings[key] for d, ratings in self.ratings.items() if key in ratings})
                for key, sample in of_part.items()
            ]
            for name, of_part in samples.items()
        }

    def counts(self) -> dict[str, Any]:
        """Counts as a checkpoint records them; samples are counted over all stages."""
        parts = {"train": self.train, "validation": self.validation}
        counted: dict[str, Any] = {
            name: len({id(task.sample) for tasks in part.values() for task in tasks}) for name, part in parts.items()
        }
        counted["stages"] = {stage: len(tasks) for stage, tasks in self.train.items()}
        counted["left_out"] = {reason: len(ids) for reason, ids in self.left_out.items()}
        return counted

    def lessons(self, assessor: ExplainingAssessor) -> tuple[Materials, dict[Stage, StageLessons]]:
        """The lessons of each stage; and the same materials without what the backbone cannot be asked, such as a prompt
        that is too long or an image that cannot be read."""
        left_out = {reason: list(ids) for reason, ids in self.left_out.items()}

        def those_usable(tasks: Sequence[StageTask]) -> StageLessons:
            every = StageLessons(assessor, tasks)
            return every.some(usable(range(len(tasks)), every.__getitem__, left_out, lambda k: tasks[k].sample.id))

        lessons = {stage: those_usable(tasks) for stage, tasks in self.train.items()}
        train = {stage: of_stage.tasks for stage, of_stage in lessons.items()}
        validation = {stage: those_usable(tasks).tasks for stage, tasks in self.validation.items()}
        return replace(self, train=train, validation=validation, left_out=left_out), lessons


def read_materials(job: FitJob, region_of: RegionOf) -> Materials:
    """The tasks of the job's stages from rated edits; see `EPAIQA.train_stages` for what the rows hold.

    Each stage takes the rows that have what it learns from, as in section 3.2; the split is the same for all of them.
    Raises `TargetError` where a stage has nothing to learn from.
    """
    rated = RatedRows(job, region_of)
    targets, label_scale = {name: job.targets[name] for name in job.dimensions}, job.label_scale
    parts: dict[Stage, tuple[list[StageTask], list[StageTask]]] = {}
    for stage in job.method.stages:
        if stage == "grounding":
            parts[stage] = _grounding(rated)
        elif stage == "quantitative":
            parts[stage] = _quantitative(rated, targets, label_scale, job.method)
        else:
            parts[stage] = _explained(rated, targets, label_scale, job.method.cot)
        for tasks, name in zip(parts[stage], ("train", "validate"), strict=True):
            if not tasks:
                raise TargetError(f"no row is left to {name} the stage {stage!r} with; {rated.reasons()}")
    described = [(stage, [[_described(task) for task in tasks] for tasks in both]) for stage, both in parts.items()]
    return Materials(
        {stage: both[0] for stage, both in parts.items()},
        {stage: both[1] for stage, both in parts.items()},
        list(rated.ratings),
        rated.ratings,
        rated.left_out,
        hashlib.sha256(repr(described).encode("utf-8", "surrogateescape")).hexdigest(),
    )


class RatedRows:
    """Reads the rows that rate a dimension, and remembers ratings and what was left out."""

    def __init__(self, job: FitJob, region_of: RegionOf) -> None:
        self.needs, self.region_of = job.metric.needs, region_of
        if job.val is None:
            self.train, self.val = set_aside(job.train, group=job.group, needs=self.needs, seed=job.recipe.seed)
            self.group = None  # they are apart already
        else:
            self.train, self.val, self.group = _listed(job.train), _listed(job.val), job.group
        self.ratings: dict[str, dict[int, float]] = {}
        self.left_out: dict[str, list[str]] = {}

    def rows(self, dimension: str, column: str, scale: tuple[float, float]) -> tuple[list[Sample], list[Sample]]:
        data: TrainingSet = read_training_set(
            self.train, self.val, targets={dimension: column}, label_scale=scale, group=self.group,
            needs=self.needs,
        )  # fmt: skip
        for reason, ids in data.left_out.items():
            for name in ids:
                self.leave_out(reason, name)
        self.ratings[dimension] = {id(e.sample): e.targets[dimension] for e in (*data.train, *data.validation)}
        return [e.sample for e in data.train], [e.sample for e in data.validation]

    def leave_out(self, reason: str, name: str) -> None:
        ids = self.left_out.setdefault(reason, [])
        if name not in ids:
            ids.append(name)

    def reasons(self) -> str:
        return "; ".join(f"{len(ids)} left out, {why}" for why, ids in self.left_out.items()) or "there were no more"


def _grounding(rated: RatedRows) -> tuple[list[StageTask], list[StageTask]]:
    """A task for each row with a region, rated or not."""

    def tasks(samples: Sequence[Sample]) -> list[StageTask]:
        grounding = []
        for sample in samples:
            region = _region(sample, rated, required=True)
            missing = sorted(name for name in ("source", "edited") if not sample.has(name))
            if missing:
                rated.leave_out(f"no {', no '.join(missing)}", sample.id)
            elif region is not None:
                grounding.append(StageTask("grounding", sample, region))
        return grounding

    return tasks(rated.train), tasks(rated.val)


def _quantitative(
    rated: RatedRows, targets: Mapping[str, str], scale: tuple[float, float], method: EPAIQAMethod
) -> tuple[list[StageTask], list[StageTask]]:
    """A task for each row and dimension that it rates; naturalness needs the region, too."""
    low, high = scale
    both: tuple[list[StageTask], list[StageTask]] = [], []
    for dimension in _wanted("quantitative", targets):
        for tasks, samples in zip(both, rated.rows(dimension, targets[dimension], scale), strict=True):
            widths = dict.fromkeys(map(id, samples), method.soft_width * (high - low))
            if method.level_labels == "soft" and method.rater_spread is not None and tasks is both[0]:
                rows = [Example(sample, {}) for sample in samples]
                widths = dict(rater_spreads(rows, {dimension: targets[dimension]}, method.rater_spread)[dimension])
            for sample in samples:
                region = _region(sample, rated, required=dimension == "local_naturalness")
                if region is not None or dimension == "harmony":
                    rating = rated.ratings[dimension][id(sample)]
                    soft = soft_levels(rating, widths[id(sample)], low, high) if method.level_labels == "soft" else ()
                    word = level_of(rating, low, high)
                    compared = 1 + 4 * (rating - low) / (high - low) if method.rating_loss else None
                    tasks.append(StageTask(dimension, sample, region, word, soft=tuple(soft), rating=compared))
    return both


def _explained(
    rated: RatedRows, targets: Mapping[str, str], scale: tuple[float, float], cot: str | None
) -> tuple[list[StageTask], list[StageTask]]:
    """A task for each row with overall quality, prompt completion and, in training, a chain of thought."""
    wanted = _wanted("explained", targets)
    if missing := [name for name in OF_STAGE["explained"] if name not in wanted]:
        raise TargetError(f"the stage 'explained' needs a column for {missing[0]}, too")
    scored = [rated.rows("overall_quality", targets["overall_quality"], scale)]
    scored.append(rated.rows("prompt_completion", targets["prompt_completion"], COMPLETION_SCALE))
    both: tuple[list[StageTask], list[StageTask]] = [], []
    for part, tasks in enumerate(both):
        completed = {id(sample) for sample in scored[1][part]}
        for sample in scored[0][part]:
            if id(sample) not in completed:
                continue
            completion = completion_of(rated.ratings["prompt_completion"][id(sample)])
            level = level_of(rated.ratings["overall_quality"][id(sample)], *scale)
            answer = _answer(sample, cot, completion, level, rated) if part == 0 else ""
            if answer is not None:
                tasks.append(StageTask("explained", sample, word=level, answer=answer))
    return both


def _answer(sample: Sample, cot: str | None, completion: int, level: str, rated: RatedRows) -> str | None:
    """The answer that is learned; None, with a reason, for a row whose chain of thought cannot be."""
    if cot is None:
        return f"{COMPLETION_START} {COMPLETIONS[completion - 1]}. {LEVEL_START} {level}"
    text = str(sample.meta.get(cot) or "").strip()
    if not text:
        rated.leave_out(f"no chain of thought in {cot}", sample.id)
        return None
    explained = read_explained(text)
    if explained.completion is None or explained.level is None:
        rated.leave_out(f"{cot} does not have the form of an explained answer", sample.id)
        return None
    if (explained.completion, explained.level) != (completion, level):
        rated.leave_out(f"{cot} says another completion or level than the ratings", sample.id)
        return None
    return text


def _wanted(stage: Stage, targets: Mapping[str, str]) -> list[str]:
    wanted = [dimension for dimension in OF_STAGE[stage] if dimension in targets]
    if not wanted:
        raise TargetError(f"the stage {stage!r} needs a column for {' or '.join(OF_STAGE[stage])}")
    return wanted


def _region(sample: Sample, rated: RatedRows, required: bool) -> Any:
    """The region that the row gives; a malformed one costs the row, and is told."""
    try:
        region, _ = rated.region_of(sample)
    except SampleError as error:
        rated.leave_out(str(error), sample.id)
        return None
    if region is None and required:
        rated.leave_out("no region", sample.id)
    return region


def _listed(samples: Any) -> list[Sample]:
    import os

    from ...data import SampleSet, from_manifest

    source = from_manifest(samples) if isinstance(samples, (str, os.PathLike)) else samples
    return list(source.samples if isinstance(source, SampleSet) else source)


def _described(task: StageTask) -> tuple[Any, ...]:
    known = task.kind, task.sample.id, task.region, task.word, task.answer
    more = (task.soft or None, task.rating)
    return (*known, *(one for one in more if one is not None))


def pixels_of(image: Any) -> np.ndarray:
    """An image as (H, W, 3) of uint8."""
    return eight_bits(read_image(image))


def required(value: Any) -> Any:
    """The region of a task that has one."""
    if value is None:
        raise ValueError("a task of this kind has a region")
    return value
