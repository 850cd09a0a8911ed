"""A sample without a reward, as a trainer gets it: nothing, NaN, an error, or a number that teaches nothing."""

from __future__ import annotations

import math
import statistics
import threading
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Literal

from ..wording import expected_one_of, first_few, plural
from .step import Step
from .terms import RewardError

OnFailure = Literal["framework", "none", "nan", "neutral", "raise"] | float
"""What a sample without a reward is handed over as.

`framework`: what the framework itself defines, and `neutral` where it defines nothing. `none`, `nan`: None or NaN, for
a trainer that leaves such samples out. `neutral`: the mean of the rewards of its group, so that its advantage is 0.
`raise`: an error that lists the samples. A number: that number, a penalty that you chose and every log counts."""

CHOICES = ("framework", "none", "nan", "neutral", "raise")
GROUPS_KEPT = 4096
"""Groups whose rewards are remembered, for frameworks that hand over one sample at a time."""


class NoRewardError(RewardError):
    """Samples have no reward, and the trainer was to be stopped, or nothing is known that could stand for them."""


def checked_on_failure(value: OnFailure) -> OnFailure:
    """`value`, if it is one of `OnFailure`; raises `RewardError` for anything else.

    >>> checked_on_failure("nan"), checked_on_failure(-1)
    ('nan', -1.0)
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if value not in CHOICES:
        raise RewardError(f"unknown on_failure {value!r}; {expected_one_of(str(value), CHOICES)}, or a number")
    return value


class Memory:
    """The rewards of earlier samples: of each recent group the last 64, and the last 1024 of all."""

    def __init__(self, kept: int = GROUPS_KEPT) -> None:
        self.kept = kept
        self._lock = threading.Lock()
        self._groups: OrderedDict[Hashable, deque[float]] = OrderedDict()
        self._lately: deque[float] = deque(maxlen=1024)

    def keep(self, step: Step) -> None:
        """Remember the rewards of a step."""
        with self._lock:
            for group, values in step.by_group().items():
                if values:
                    self._groups.setdefault(group, deque(maxlen=64)).extend(values)
                    self._groups.move_to_end(group)
                    self._lately.extend(values)
            while len(self._groups) > self.kept:
                self._groups.popitem(last=False)

    def of_group(self, group: Hashable) -> list[float]:
        """The latest rewards of a group."""
        with self._lock:
            return list(self._groups.get(group, ()))

    def lately(self) -> list[float]:
        """The latest rewards of all groups."""
        with self._lock:
            return list(self._lately)


def filled(step: Step, on_failure: OnFailure, memory: Memory) -> list[float | None]:
    """The rewards of a step as a trainer gets them; counts in the step what stands for missing ones.

    `neutral` is the mean of the sample's group in this step, without one that of the group in earlier calls, of the
    step, and of earlier steps. Raises `NoRewardError` for `raise`, and for `neutral` if none of them exists.

    >>> step = Step([1.0, 2.0, None], [None, None, "psnr failed: broken"], {}, ["a", "a", "a"])
    >>> filled(step, "neutral", Memory()), filled(step, -1.0, Memory()), filled(step, "none", Memory())
    ([1.0, 2.0, 1.5], [1.0, 2.0, -1.0], [1.0, 2.0, None])
    """
    missing = [index for index, value in enumerate(step.values) if value is None]
    if on_failure == "none" or not missing:
        return list(step.values)
    if on_failure == "raise":
        raise NoRewardError(f"{_without(step, missing)}; on_failure is 'raise'")
    if on_failure == "nan":
        return [math.nan if value is None else value for value in step.values]
    step.substituted = len(missing)
    if isinstance(on_failure, float):
        return [on_failure if value is None else value for value in step.values]
    groups = step.by_group()
    rewards = list(step.values)
    for index in missing:
        group = step.groups[index]
        scored = (value for values in groups.values() for value in values)
        known = groups[group] or memory.of_group(group) or list(scored) or memory.lately()
        if not known:
            raise NoRewardError(
                f"{_without(step, missing)}; no reward is known yet that could stand for theirs: mend the samples, or "
                "give on_failure a number"
            )
        rewards[index] = statistics.fmean(known)
    return rewards


def _without(step: Step, missing: list[int]) -> str:
    reasons = first_few((f"{index}: {step.reasons[index]}" for index in missing), 2)
    return f"{plural(len(missing), 'sample')} of {len(step.values)} without a reward ({reasons})"
