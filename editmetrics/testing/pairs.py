"""Checks of metrics that compare two edits: the order in which they are shown decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..bases.pair import PREFERENCE, both_orders
from ..pairs.battles import BATTLE_OUTCOMES
from .subject import NotApplicable, Subject

MIRRORED = {"win": "loss", "loss": "win"}


def exchanged_edits(subject: Subject) -> Iterator[str]:
    """A pair with its edits exchanged has the opposite preference and outcome; an edit beats itself never."""
    if "rival" not in subject.metric.required():
        raise NotApplicable("it does not compare two edits")
    subject.require_scores()
    for sample, score in zip(subject.samples, subject.scores, strict=True):
        outcome = score.details.get("outcome")
        if outcome not in BATTLE_OUTCOMES:
            yield f"details['outcome'] is {outcome!r}; expected one of {', '.join(BATTLE_OUTCOMES)}"
            continue
        _, swapped = both_orders(sample).values()
        (other,) = subject.alone([swapped])
        expected = MIRRORED.get(outcome, outcome)
        if other.details.get("outcome") != expected:
            yield f"with its edits exchanged a {outcome} is a {other.details.get('outcome')}; expected {expected}"
        if PREFERENCE.name in score and not subject.close(PREFERENCE.name, -score[PREFERENCE.name], float(other)):
            yield f"with its edits exchanged the preference is {float(other)!r}; expected {-score[PREFERENCE.name]!r}"
        (same,) = subject.alone([replace(sample, rival=sample.edited)])
        if same.ok and same.details.get("outcome") in MIRRORED:
            yield f"an edit against itself is a {same.details['outcome']}; expected a tie, or inconsistent"
