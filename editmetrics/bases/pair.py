"""`PairMetric`, the base of metrics that compare two edits of one source, asked in both orders."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..metric import Metric
from ..sample import Dimension, Sample, Score

if TYPE_CHECKING:
    from ..pairs.battles import BattleOutcome

ORDERS = ("edited_first", "rival_first")
"""The two orders in which a pair is shown, by the edit that is shown first."""

PREFERENCE = Dimension(
    "preference", low=-1, high=1, primary=True, description="1: the edited image is better; -1: the rival; 0: neither"
)
CONSISTENT = Dimension("consistent", low=0, high=1, description="1 where both orders of the two edits give one answer")


@dataclass(frozen=True)
class Preference:
    """The answer about one order: `value` from 1 (the edit shown first is better) to -1 (the one shown second)."""

    value: float
    explanation: str = ""


class PairMetric(Metric):
    """Base of metrics that compare the edited image of a sample with its `rival`, a second edit of the same source.

    A subclass gives `name`, `version`, `prepare_order` and `prefer`, for one order of the two edits. This class asks
    both orders of every pair, and makes one score of the two answers (`pair_score`): the preference for the edited
    image, and whether the orders agree. How the pair ended is in `details["outcome"]`: `win`, `loss`, `tie`, or
    `inconsistent` where the answer changed with the order, which is neither a tie nor a failure.

    >>> class Darker(PairMetric):
    ...     name, version = "darker", 1
    ...     def prepare_order(self, sample):
    ...         from editmetrics.images import read_image
    ...         return [read_image(image).mean() for image in (sample.edited, sample.rival)]
    ...     def prefer(self, batch):
    ...         return [Preference(float(first < second) - float(second < first)) for first, second in batch]
    >>> cat, dog = "docs/examples/edited/cat.jpg", "docs/examples/source/cat.jpg"
    >>> score = Darker()(Sample("cat", source=dog, edited=cat, rival=cat, prompt="blue eyes"))
    >>> score, score.details["outcome"]
    (Score(preference=0, consistent=1), 'tie')
    """

    needs = frozenset({"source", "edited", "rival", "prompt"})
    dimensions = (PREFERENCE, CONSISTENT)

    @abstractmethod
    def prepare_order(self, sample: Sample) -> Any:
        """Prepare one order: `sample.edited` is shown first, `sample.rival` second. As `Metric.prepare`: pure, CPU."""

    @abstractmethod
    def prefer(self, batch: list[Any]) -> list[Preference]:
        """Return the preference for the edit shown first of each prepared order, in their order."""

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Return the pair in both orders."""
        return {order: self.prepare_order(shown) for order, shown in both_orders(sample).items()}

    def score_batch(self, batch: list[dict[str, Any]]) -> list[Score]:
        answers = self.prefer([item[order] for item in batch for order in ORDERS])
        if len(answers) != 2 * len(batch):
            raise RuntimeError(f"{self.name}.prefer returned {len(answers)} preferences for {2 * len(batch)} orders")
        return [pair_score(*answers[at : at + 2]) for at in range(0, len(answers), 2)]


def both_orders(sample: Sample) -> dict[str, Sample]:
    """Return a sample as it is, and with its two edits exchanged, by the names of `ORDERS`.

    >>> [(one.edited, one.rival) for one in both_orders(Sample("cat", edited="a.png", rival="b.png")).values()]
    [('a.png', 'b.png'), ('b.png', 'a.png')]
    """
    return dict(zip(ORDERS, (sample, replace(sample, edited=sample.rival, rival=sample.edited)), strict=True))


def pair_score(edited_first: Preference, rival_first: Preference) -> Score:
    """Return the score of a pair from the answers in both orders, each for the edit that it was shown first.

    The preference is half the difference of the two, so that whatever favours a position cancels.

    >>> score = pair_score(Preference(1.0, "sharper"), Preference(1.0, "sharper"))  # always the first
    >>> score, score.details["outcome"], score.details["orders"]
    (Score(preference=0, consistent=0), 'inconsistent', [1, -1])
    """
    values = [(edited_first.value, -rival_first.value)]
    texts = zip(ORDERS, (edited_first.explanation, rival_first.explanation), strict=True)
    explanation = "\n".join(f"{order.replace('_', ' ')}: {text}" for order, text in texts if text)
    return Score(summary_of(values), explanation=explanation or None, details=details_of(values))


def summary_of(rounds: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Return preference and consistency, as means over rounds of both orders' preferences for the edited image."""
    preference = sum(one + other for one, other in rounds) / (2 * len(rounds))
    consistent = sum(sign(one) == sign(other) for one, other in rounds) / len(rounds)
    return {"preference": preference, "consistent": consistent}


def details_of(rounds: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return the outcome of a pair and the two answers behind it, each the sign of its mean over rounds."""
    orders = [sign(sum(values)) for values in zip(*rounds, strict=True)]
    return {"outcome": outcome_of(*orders), "orders": orders}


def outcome_of(edited_first: int, rival_first: int) -> BattleOutcome:
    """Return how a pair ended for the edited image, from the signs of both orders' preferences for it.

    >>> outcome_of(1, 1), outcome_of(-1, -1), outcome_of(0, 0), outcome_of(1, -1), outcome_of(1, 0)
    ('win', 'loss', 'tie', 'inconsistent', 'inconsistent')
    """
    if edited_first != rival_first:
        return "inconsistent"
    return "win" if edited_first > 0 else "loss" if edited_first < 0 else "tie"


def sign(value: float) -> int:
    """Return 1, 0 or -1."""
    return int(value > 0) - int(value < 0)
