"""How far what is being trained agrees with the validation samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...mllm.targets import Example
from ...mllm.validation import agreement as agreement_of
from ...mllm.validation import predictions

if TYPE_CHECKING:
    from ...mllm.backbone import Picture
    from ...sample import Sample
    from .assessor import Assessor

BATCH = 16
"""Samples that are validated together."""

Pictures = Callable[["Sample"], "Picture"]


def agreement(
    assessor: Assessor, pictures: Pictures, examples: Sequence[Example], dimension: str, read: Callable[[str, Any], Any]
) -> dict[str, Any]:
    """SRCC and PLCC of what `read(dimension, prompts)` gives with the ratings, None where undefined; of how many."""

    def predict(some: Sequence[Example]) -> list[float]:
        import torch

        said: list[float] = []
        with torch.no_grad():
            for start in range(0, len(some), BATCH):
                samples = [example.sample for example in some[start : start + BATCH]]
                prompts = [assessor.scored(pictures(s), dimension, s.prompt or "") for s in samples]
                said += read(dimension, prompts).tolist()
        return said

    said = predictions(examples, predict)
    ratings = [example.targets[dimension] for example in examples]
    return agreement_of(said, ratings)


def accuracy(assessor: Assessor, pictures: Pictures, asked: Sequence[tuple[Example, str, str]]) -> dict[str, Any]:
    """The share of questions, each with its example and answer, that are answered right, and of how many."""

    def predict(some: Sequence[tuple[Example, str, str]]) -> list[float]:
        right: list[float] = []
        for start in range(0, len(some), BATCH):
            batch = some[start : start + BATCH]
            prompts = [[assessor.asked(pictures(example.sample), text)] for example, text, _ in batch]
            for read, (_, _, said) in zip(assessor.answer(prompts), batch, strict=True):
                right.append(float((float(read.yes[0]) > 0.5) == (said == "yes")))
        return right

    right = predictions(asked, predict)
    return {"n": len(asked), "accuracy": sum(right) / len(right) if right else None}
