"""One step of a reward: the number of each sample, the reasons of those without one, and what a log shows of it."""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from ..wording import first_few, plural

logger = logging.getLogger(__name__)


@dataclass
class Step:
    """The rewards of a batch.

    - `values`: the reward of each sample, None where it has none; `reasons`: the reason then, else None.
    - `terms`: by the name of each term the metric's numbers before transform, weight and clip; None where missing.
    - `groups`: the group of each sample: what a trainer compares it with.
    - `unavailable`: of how many samples only this machine could not compute the reward.
    - `clamped`: how many edited images had values slightly outside [0, 1]. `seconds`: how long the scores took.
    - `substituted`: how many samples were handed to the trainer with a number in place of a reward.
    """

    values: list[float | None]
    reasons: list[str | None]
    terms: dict[str, list[float | None]]
    groups: Sequence[Hashable]
    unavailable: int = 0
    clamped: int = 0
    seconds: float = 0.0
    substituted: int = 0
    number: int = field(default=0, compare=False)
    """Which step of its reward it is, from 1."""

    @property
    def stats(self) -> dict[str, float]:
        """All that a tracker logs of the step, as one flat dictionary of numbers.

        `reward/mean`, `/std` (n - 1), `/min`, `/max` are over the samples with a reward; `/samples`, `/failed`,
        `/substituted`, `/clamped` count samples; `/flat_groups` is the share of groups of at least two rewards whose
        rewards are all equal, from which a group's advantage learns nothing; `/seconds` the time of the scores. For
        each term `reward/NAME/mean`, `/std` and `/failed` are of the metric's own numbers. A mean of nothing has no
        key.

        >>> stats = Step([0.5, None], [None, "psnr failed"], {"psnr": [20.0, None]}, ["a", "a"]).stats
        >>> stats["reward/mean"], stats["reward/failed"], "reward/std" in stats
        (0.5, 1, False)
        """
        numbers = [value for value in self.values if value is not None]
        stats: dict[str, float] = _spread("reward", numbers)
        if numbers:
            stats |= {"reward/min": min(numbers), "reward/max": max(numbers)}
        stats["reward/samples"] = len(self.values)
        stats["reward/failed"] = len(self.values) - len(numbers)
        stats["reward/substituted"] = self.substituted
        stats["reward/clamped"] = self.clamped
        members = [group for group in self.by_group().values() if len(group) > 1]
        if members:
            stats["reward/flat_groups"] = sum(len(set(group)) == 1 for group in members) / len(members)
        stats["reward/seconds"] = self.seconds
        for name, values in self.terms.items():
            present = [value for value in values if value is not None]
            stats |= _spread(f"reward/{name}", [value for value in present if math.isfinite(value)])
            stats[f"reward/{name}/failed"] = len(values) - len(present)
        return stats

    def by_group(self) -> dict[Hashable, list[float]]:
        """The rewards of each group, without those that are missing."""
        groups: dict[Hashable, list[float]] = {group: [] for group in self.groups}
        for group, value in zip(self.groups, self.values, strict=True):
            if value is not None:
                groups[group].append(value)
        return groups

    def log(self) -> None:
        """Write one line: information, or a warning where samples have no reward."""
        stats = self.stats
        failed = int(stats["reward/failed"])
        number = f" {self.number}" if self.number else ""
        counted = f"{len(self.values) - failed} of {plural(len(self.values), 'sample')}"
        mean = f"mean {stats['reward/mean']:.4g}" if "reward/mean" in stats else "no mean"
        spread = f", standard deviation {stats['reward/std']:.4g}" if "reward/std" in stats else ""
        terms = "".join(
            f"; {name} {stats[f'reward/{name}/mean']:.4g}" for name in self.terms if f"reward/{name}/mean" in stats
        )
        text = f"reward step{number}: {mean}{spread} over {counted}{terms}"
        if failed:
            reasons = [f"{index}: {reason}" for index, reason in enumerate(self.reasons) if reason]
            text += f"; {failed} without a reward"
            text += f" ({self.substituted} handed over with a substitute)" if self.substituted else ""
            text += f": {first_few(reasons, 2)}"
        logger.log(logging.WARNING if failed else logging.INFO, "%s", text)


def _spread(name: str, numbers: Sequence[float]) -> dict[str, float]:
    """Mean and standard deviation, as far as there are numbers for them."""
    spread = {f"{name}/mean": statistics.fmean(numbers)} if numbers else {}
    return spread | ({f"{name}/std": statistics.stdev(numbers)} if len(numbers) > 1 else {})


def joined(steps: Sequence[Step]) -> Step:
    """Several steps as one, for samples that came one at a time."""
    return Step(
        [value for step in steps for value in step.values],
        [reason for step in steps for reason in step.reasons],
        {name: [value for step in steps for value in step.terms[name]] for name in steps[0].terms},
        [group for step in steps for group in step.groups],
        unavailable=sum(step.unavailable for step in steps),
        clamped=sum(step.clamped for step in steps),
        seconds=sum(step.seconds for step in steps),
        substituted=sum(step.substituted for step in steps),
    )
