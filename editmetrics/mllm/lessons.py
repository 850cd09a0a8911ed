"""Rated examples as a training module takes them: prompts, made when they are asked for, and how well it reads them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..sample import SampleError
from .processes import shared

if TYPE_CHECKING:
    from .prompts import Prompt
    from .targets import Example, TrainingSet

logger = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")


class Lesson(NamedTuple):
    """A prompt to learn from, with its answer.

    - `rating`: the target of a regression. `weight`: of the lesson, with a mean of 1; None for 1.
    - `soft`: distributions that are taught in place of the answer's words.
    - `group`: lessons of one group are compared with one another, by losses that compare; those of -1 with none.
    """

    id: str
    prompt: Prompt
    rating: float | None = None
    weight: float | None = None
    soft: Sequence[Sequence[float]] = ()
    group: int = 0


class Lessons(Sequence[Lesson]):
    """Lessons that are made each time they are asked for."""

    def __init__(self, makers: Sequence[Callable[[], Lesson]]) -> None:
        self.makers = makers

    def __len__(self) -> int:
        return len(self.makers)

    def __getitem__(self, index: Any) -> Any:
        return self.makers[index]()


def collate(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """Lessons as the arguments of a training module."""
    return {"prompts": [lesson.prompt for lesson in lessons]}


def tokens(lesson: Lesson) -> int:
    """The length of a lesson."""
    return len(lesson.prompt)


def in_batches(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """`items` in groups of `size`; the last one may be smaller.

    >>> in_batches([1, 2, 3], 2)
    [[1, 2], [3]]
    """
    return [items[start : start + size] for start in range(0, len(items), size)]


def predicted(items: Sequence[T], predict: Callable[[Sequence[T]], Iterable[R]], size: int) -> list[R]:
    """A number, or several, for each item, which `predict` reads in batches of `size`; processes share the work."""
    return shared(items, lambda own: [number for batch in in_batches(own, size) for number in predict(batch)])


def usable(
    items: Sequence[T], ask: Callable[[T], Any], left_out: dict[str, list[str]], name: Callable[[T], str]
) -> list[T]:
    """The items that `ask` accepts; for the others, which raise `SampleError`, `left_out` gains the reason and name.

    Processes that train together share the work; `ask` may keep what it has made for later, features for instance.
    """

    def problem(item: T) -> str | None:
        try:
            ask(item)
        except SampleError as error:
            return str(error)
        return None

    kept = []
    problems = shared(items, lambda own: [problem(item) for item in own])
    for item, reason in zip(items, problems, strict=True):
        if reason is None:
            kept.append(item)
        else:
            left_out.setdefault(reason, []).append(name(item))
            logger.warning("%s is left out: %s", name(item), reason)
    return kept


def without_unusable(data: TrainingSet, ask: Callable[[Example], Any]) -> TrainingSet:
    """`data` without the examples that the backbone cannot be asked about, which are counted by reason.

    `ask` raises `SampleError` for those: a prompt that is too long, an image that cannot be read.
    """
    left_out = {reason: list(ids) for reason, ids in data.left_out.items()}
    train, validation = (
        usable(examples, ask, left_out, lambda example: example.id) for examples in (data.train, data.validation)
    )
    return replace(data, train=train, validation=validation, left_out=left_out)
