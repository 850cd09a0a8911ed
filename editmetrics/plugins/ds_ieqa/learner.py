"""One adapter of DS-IEQA in training: lessons in, loss out; and how far its scores agree with people.

This module imports torch at its top, and is itself only imported inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from ...mllm import raters
from ...mllm.features import FeatureStore
from ...mllm.lessons import Lesson, predicted
from ...mllm.lora import trainable, using
from ...mllm.losses import soft_digits
from ...mllm.pictures import PreparedPictures
from ...mllm.readouts import meant
from ...mllm.targets import Example
from ...mllm.validation import agreement, merit
from ...sample import Sample
from .assessor import DigitAssessor
from .digit_scale import DigitScale
from .method import DSIEQAMethod

if TYPE_CHECKING:
    from ...mllm.backbone import Backbone, Picture, Prompt


class ReadAgreement(NamedTuple):
    """SRCC, PLCC and count of each of the two read-outs; None where undefined."""

    generated: dict[str, Any]
    expected: dict[str, Any]
    unparseable: int
    """Samples for which the model was not about to write digits: they are measured, but would not get a score."""

    @property
    def better(self) -> str:
        """The read-out with the higher mean of SRCC and PLCC; the paper's where they are equal or undefined."""
        merits = {read: merit(getattr(self, read), "mean") for read in ("generated", "expected")}
        known = {read: value for read, value in merits.items() if value is not None}
        return max(known, key=lambda read: known[read], default="generated")  # of equal ones the first

    def of(self, read: str) -> dict[str, Any]:
        """The measures of "generated", "expected", or "auto", the better one."""
        measures: dict[str, Any] = getattr(self, self.better if read == "auto" else read)
        return measures

    def all(self, read: str) -> dict[str, Any]:
        """The measures of `read`, those of both read-outs by their names, and the number of unparseable ones."""
        named = {f"{name}_{m}": getattr(self, name)[m] for name in ("generated", "expected") for m in ("srcc", "plcc")}
        return {**self.of(read), "unparseable": self.unparseable, **named}


class DigitLearner(nn.Module):
    """The backbone with one adapter at work, as the training loop takes it: lessons in, loss out.

    The adapter is that of the dimensions of `assessor`: of one, or of all of them together.
    """

    def __init__(self, assessor: DigitAssessor, method: DSIEQAMethod, store: FeatureStore | None) -> None:
        super().__init__()
        self.model = assessor.backbone.model
        self.assessor, self.loss, self.store = assessor, method.digit_loss, store
        self.dimensions = list(assessor.definitions)
        self.adapter = assessor.adapters[self.dimensions[0]]
        trainable(assessor.backbone, self.adapter)

    def forward(
        self,
        prompts: Sequence[Prompt],
        numbers: Tensor,
        groups: Tensor,
        weights: Tensor | None = None,
        soft: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The loss of taught prompts and its parts; `numbers` are those that their answers say, `groups` dimensions."""
        backbone = self.assessor.backbone
        features = None if self.store is None else [self.store.get(prompt.pictures) for prompt in prompts]
        with using(backbone, self.adapter):
            hidden = backbone.forward(prompts, features).hidden
        weights, soft = (None if tensor is None else tensor.to(hidden.device) for tensor in (weights, soft))
        parts: dict[str, Tensor] = {}
        first = hidden.new_zeros(len(prompts), dtype=torch.float32)
        for rows in _alike(prompts):  # dimensions together have answers of several lengths
            logits, answers = _answers(backbone, hidden, [prompts[row] for row in rows], rows)
            index = torch.tensor(rows, device=hidden.device)
            chosen = (None if tensor is None else tensor[index] for tensor in (soft, weights))
            for name, value in self.loss.of_answers(logits, answers, self.assessor.digits, *chosen).items():
                parts[name] = parts.get(name, 0.0) + value * (len(rows) / len(prompts))
            if self.loss.terms is not None:
                first = first.index_copy(0, index, _expected_first_digit(logits, answers, self.assessor.digits))
        if self.loss.terms is not None:
            compared = self.loss.terms(first, numbers, weights, groups)
            parts["comparing"] = compared["loss"]
            parts["loss"] = parts["loss"] + compared["loss"]
        return parts

    def agreement(self, pairs: Pairs, examples: Sequence[Example], batch_size: int) -> dict[str, ReadAgreement]:
        """By dimension, how far the scores agree with the ratings."""

        def predict(batch: Sequence[Example]) -> list[tuple[Any, ...]]:
            numbers = self.assessor.read([self._prepared(pairs, example) for example in batch]).values()
            columns = [
                zip(n.value.tolist(), n.expectation.tolist(), n.mass.min(-1).values.tolist(), strict=True)
                for n in numbers
            ]
            return list(zip(*columns, strict=True))

        rows = predicted(examples, predict, batch_size)
        measured = {}
        for column, name in enumerate(self.dimensions):
            ratings = [example.targets[name] for example in examples]
            generated, expected, masses = zip(*(row[column] for row in rows), strict=True)
            measured[name] = ReadAgreement(
                agreement(generated, ratings), agreement(expected, ratings), sum(not meant(mass) for mass in masses)
            )
        return measured

    def lesson(self, pairs: Pairs, example: Example, dimension: str, spread: Spread | None = None) -> Lesson:
        """The example with its rating as the answer; of the raters' spread, the weight or the width of soft labels."""
        sample, scale = example.sample, self.assessor.scale
        rating = example.targets[dimension]
        prompt = self.assessor.taught(pairs(sample), sample.prompt or "", dimension, rating)
        number = scale.number(rating)
        soft: Sequence[Sequence[float]] = ()
        if self.loss.base == "soft" and spread is not None:
            soft = soft_digits(number, scale.steps(spread.width))
        weight = None if spread is None else spread.weight
        return Lesson(example.id, prompt, number, weight, soft, self.dimensions.index(dimension))

    def _prepared(self, pairs: Pairs, example: Example) -> dict[str, Prompt]:
        sample = example.sample
        pictures = pairs(sample)
        return {name: self.assessor.prompt(pictures, sample.prompt or "", name) for name in self.dimensions}


class Spread(NamedTuple):
    """How sure a rating is: the weight of its lesson, None for 1, and the width of its soft label, in points."""

    weight: float | None
    width: float


def spreads_of(
    examples: Sequence[Example], targets: Mapping[str, str], method: DSIEQAMethod, scale: DigitScale
) -> dict[str, list[Spread]]:
    """The `Spread` of each example, by dimension."""
    soft = method.digit_loss.base == "soft"
    if method.rater_spread is None:
        return {name: [Spread(None, method.soft_width * (scale.high - scale.low))] * len(examples) for name in targets}
    columns = raters.rater_spreads(examples, targets, method.rater_spread)
    spreads = {}
    for name, column in columns.items():
        widths = [column[id(example.sample)] for example in examples]
        shares = [None] * len(widths) if soft else raters.weights(widths)
        spreads[name] = [Spread(weight, width) for weight, width in zip(shares, widths, strict=True)]
    return spreads


def collate(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """Lessons as the arguments of `DigitLearner`."""
    weights = [lesson.weight for lesson in lessons]
    return {
        "prompts": [lesson.prompt for lesson in lessons],
        "numbers": torch.tensor([lesson.rating for lesson in lessons]),
        "groups": torch.tensor([lesson.group for lesson in lessons]),
        "weights": None if None in weights else torch.tensor(weights),
        "soft": torch.tensor([lesson.soft for lesson in lessons]) if lessons[0].soft else None,
    }


def _alike(prompts: Sequence[Prompt]) -> list[list[int]]:
    """The rows of the prompts whose answers have equally many tokens."""
    rows: dict[int, list[int]] = {}
    for row, prompt in enumerate(prompts):
        rows.setdefault(len(prompt) - prompt.answer_start, []).append(row)
    return list(rows.values())


def _answers(
    backbone: Backbone, hidden: Tensor, prompts: Sequence[Prompt], rows: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """The logits (N, A, vocabulary) that predict the answers of `prompts`, the `rows` of `hidden`; and their tokens."""
    answers = torch.stack([prompt.ids[prompt.answer_start :] for prompt in prompts]).to(hidden.device)
    before = torch.tensor([prompt.answer_start - 1 for prompt in prompts], device=hidden.device)
    positions = before[:, None] + torch.arange(answers.shape[1], device=hidden.device)
    return backbone.logits(hidden[torch.tensor(rows, device=hidden.device)[:, None], positions]), answers


def _expected_first_digit(logits: Tensor, answers: Tensor, digits: Sequence[int]) -> Tensor:
    """(N,): sum_k k P(d_0 = k) over the ten digits."""
    ids = torch.tensor(digits, device=answers.device)
    position = torch.isin(answers, ids).int().argmax(-1)
    chosen = logits[torch.arange(len(answers), device=answers.device), position][:, ids].float().softmax(-1)
    return (chosen * torch.arange(10, device=chosen.device)).sum(-1)


class Pairs:
    """The two pictures of a sample; those whose features a store keeps are seen once, and held without their pixels.

    `memory`: without a store, the bytes of pixels that stay in memory, see `PreparedPictures`.
    """

    def __init__(self, assessor: DigitAssessor, store: FeatureStore | None, memory: int = 0) -> None:
        self.assessor, self.store = assessor, store
        self.pictures = PreparedPictures(assessor.backbone, memory if store is None else 0)
        self._kept: dict[int, tuple[Picture, Picture]] = {}  # by id(sample): names may repeat in the validation data

    def __call__(self, sample: Sample) -> tuple[Picture, Picture]:
        if id(sample) in self._kept:
            return self._kept[id(sample)]
        pair = self.pictures(sample.source, 2), self.pictures(sample.edited, 2)
        if self.store is None:
            return pair
        self._kept[id(sample)] = self.store.keep(pair[0]), self.store.keep(pair[1])
        return self._kept[id(sample)]
