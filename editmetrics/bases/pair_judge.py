"""`PairJudgeMetric`, the base of metrics that show two edits of one source to a chat model and ask which is better."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

from ..sample import Dimension, Sample, SampleError
from .judge import JudgeMetric, Verdict
from .pair import CONSISTENT, ORDERS, PREFERENCE, Preference, both_orders, details_of, sign, summary_of

if TYPE_CHECKING:
    from ..judge import Answer, Question

OVERALL = "overall"


class PairJudgeMetric(JudgeMetric):
    """Base of metrics that ask a chat model which of two edits is better; `edited` and `rival` of a sample.

    A subclass gives `name`, `version`, `prompts`, and the methods `ask` and `choose`, for one order of the two edits;
    and `aspects`, where it asks about several. This class asks both orders, in every round, and keeps the reasons of
    each answer; all else is as in `JudgeMetric`. A pair of which one order has no readable answer has a status and no
    number. Where the two orders contradict each other, `details["outcome"]` is `inconsistent`, and no tie.

    >>> from editmetrics.judge import Answer, Judge, Question, read_choice
    >>> class Better(PairJudgeMetric):
    ...     name, version = "better", 1
    ...     prompts = ("Which edit of the first image is better, A or B? Answer with the letter.",)
    ...     def ask(self, aspect, sample):
    ...         return Question.of(self.prompts[0], [sample.source, sample.edited, sample.rival])
    ...     def choose(self, aspect, answer):
    ...         return Preference({"A": 1.0, "B": -1.0}[read_choice(answer, ["A", "B"]).value])
    >>> class Scripted:  # in place of a chat model
    ...     parallel = batch_size = 1
    ...     def identity(self): return {"judge": "scripted"}
    ...     def answer(self, questions, stop): return [Answer("A") for _ in questions]
    >>> metric = Better()
    >>> metric.use(Judge(Scripted()))
    >>> image = "docs/examples/edited/cat.jpg"
    >>> metric(Sample("cat", source=image, edited=image, rival=image, prompt="blue eyes")).details["outcome"]
    'inconsistent'
    """

    needs = frozenset({"source", "edited", "rival", "prompt"})
    dimensions: ClassVar[tuple[Dimension, ...]] = (PREFERENCE, CONSISTENT)

    @abstractmethod
    def ask(self, aspect: str, sample: Sample) -> Question:
        """Return the question about an aspect in one order: `sample.edited` is shown first, `sample.rival` second."""

    @abstractmethod
    def choose(self, aspect: str, answer: Answer) -> Preference:
        """Read an answer as a preference for the edit shown first; raise `SampleError` if it is unreadable."""

    def aspects(self) -> Sequence[str]:
        """Return the aspects that are asked about, one by one; their mean is the preference."""
        return (OVERALL,)

    def questions(self, sample: Sample) -> dict[str, Question]:
        orders = both_orders(sample)
        return {f"{aspect}, {order}": self.ask(aspect, orders[order]) for aspect in self.aspects() for order in ORDERS}

    def read(self, name: str, answer: Answer) -> Verdict:
        aspect, _, order = name.partition(", ")
        choice = self.choose(aspect, answer)
        value = choice.value if order == ORDERS[0] else -choice.value
        return Verdict({name: value}, choice.explanation, f"[{_letter(choice.value)}]")

    def combine(self, values: dict[str, float]) -> dict[str, float]:
        """Return preference, consistency and, where several are asked about, each aspect; nothing of half a pair."""
        pairs = self._pairs(values)
        if len(pairs) < len(self.aspects()):
            return {}
        combined = summary_of([_mean(list(pairs.values()))])
        return combined | ({aspect: fmean(pair) for aspect, pair in pairs.items()} if len(pairs) > 1 else {})

    def more_details(self, names: Sequence[str], answers: Sequence[Answer]) -> dict[str, Any]:
        """Return the outcome, and the answers in both orders, over all rounds that could be read whole."""
        rounds = []
        for start in range(0, len(answers), len(names)):
            values: dict[str, float] = {}
            for name, answer in zip(names, answers[start : start + len(names)], strict=True):
                if self._reads(name, answer):
                    values |= self.read(name, answer).values
            pairs = self._pairs(values)
            if len(pairs) == len(self.aspects()):
                rounds.append(_mean(list(pairs.values())))
        return details_of(rounds) if rounds else {}

    def _pairs(self, values: dict[str, float]) -> dict[str, tuple[float, float]]:
        """The preferences for the edited image in both orders, of each aspect that has both."""
        names = {aspect: [f"{aspect}, {order}" for order in ORDERS] for aspect in self.aspects()}
        return {
            aspect: (values[one], values[other])
            for aspect, (one, other) in names.items()
            if one in values and other in values
        }


def chosen(letter: str) -> float:
    """Return the preference of an answer that is "A" (shown first), "B" or "tie"; raise `SampleError` for others.

    >>> chosen("A"), chosen("b"), chosen("Tie")
    (1.0, -1.0, 0.0)
    """
    values = {"a": 1.0, "b": -1.0, "tie": 0.0}
    if letter.casefold() not in values:
        raise SampleError(f"the answer {letter!r} is neither A nor B nor tie", "unparseable")
    return values[letter.casefold()]


def _mean(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return fmean(one for one, _ in pairs), fmean(other for _, other in pairs)


def _letter(value: float) -> str:
    return {1: "A", -1: "B", 0: "tie"}[sign(value)]
