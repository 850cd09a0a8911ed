"""`Reward`: metrics as the reward of a training loop, callable in the form of each framework."""

from __future__ import annotations

import hashlib
import json
import operator
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..sample import Sample, Score, UnavailableError
from ..wording import expected_one_of, plural
from .batch import RewardBatch, checked_columns, groups_of
from .failures import Memory, OnFailure, checked_on_failure, filled
from .forms import Forms
from .normalising import normalised
from .pixels import TOLERANCE
from .scorers import LocalScorer, ServedScorer
from .step import Step, joined
from .terms import Reading, RewardError, Term, Transform, terms_of

if TYPE_CHECKING:
    from ..serving import Client

Normalise = Literal["group", "batch"] | None
OnStep = Callable[[dict[str, float]], object]
Render = Callable[[str, Mapping[str, Any]], Any]

STOP_AFTER = 3
"""After how many samples in a row that this machine could not score a reward raises instead of failing them."""

WINDOW = 64
"""How many samples that come one at a time are logged together."""


class Reward(Forms):
    """Metrics as a reward: `as_reward` makes one, and its documentation says what the arguments are.

    Call it as the framework calls a reward; the form is told by the arguments. Or name the form:

    | framework | form |
    |---|---|
    | flow_grpo | `flow_grpo(images, prompts, metadata, ref_images=None) -> (list[float], dict)` |
    | TRL | `trl(completions=..., prompts=..., **columns) -> list[float or None]` |
    | Flow-Factory | `flow_factory(prompt=..., image=..., condition_images=..., **fields) -> list[float]` |
    | verl, verl-omni | `verl(solution_image=..., ground_truth=..., extra_info=...) -> dict` |
    | DanceGRPO | `dance_grpo(images, prompts) -> tensor (N,)` |
    | your own loop | `rewards(samples) -> list[float or None]`; `step(samples)` with all that is known |

    `last` is the latest `Step`. It may be called by several threads at once, and loads its metrics in the first call.
    """

    def __init__(
        self,
        terms: Sequence[Term],
        *,
        scorer: LocalScorer | ServedScorer,
        normalise: Normalise = None,
        on_failure: OnFailure = "framework",
        columns: Mapping[str, str] | None = None,
        render: Render | None = None,
        tolerance: float = TOLERANCE,
        on_step: OnStep | None = None,
    ) -> None:
        if normalise not in (None, "group", "batch"):
            named = expected_one_of(str(normalise), ["group", "batch"])
            raise RewardError(f"unknown normalise {normalise!r}; {named}, or None")
        self.terms, self.scorer = list(terms), scorer
        self.normalise, self.on_failure = normalise, checked_on_failure(on_failure)
        self.columns, self.render, self.tolerance, self.on_step = checked_columns(columns), render, tolerance, on_step
        self.last: Step | None = None
        self.memory = Memory()
        self._lock = threading.Lock()
        self._steps = self._unavailable = 0
        self._pending: list[Step] = []
        self._readings: list[Reading] | None = None
        if isinstance(scorer, LocalScorer):  # a server is asked when it is needed
            _ = self.readings
        self.__name__ = "_".join(term.metric if isinstance(term.metric, str) else term.metric.label for term in terms)
        """As TRL names it in its logs."""

    @property
    def readings(self) -> list[Reading]:
        """Each term with its metric's label and dimension."""
        if self._readings is None:
            sources = self.scorer.sources()
            readings = [
                Reading(term, source.label, source.dimensions) for term, source in zip(self.terms, sources, strict=True)
            ]
            if len({reading.name for reading in readings}) < len(readings):
                raise RewardError("two terms of a reward are of one number; give it once, with their weights together")
            self._readings = readings
        return self._readings

    @property
    def needs(self) -> frozenset[str]:
        """The fields of a sample that its metrics require."""
        return frozenset().union(*(source.needs for source in self.scorer.sources()))

    @property
    def identity(self) -> dict[str, Any]:
        """All that produces a reward: each metric's identity, and what is made of its numbers. Loads the metrics."""
        return {
            "metrics": self.scorer.identities(),
            "terms": [reading.described() for reading in self.readings],
            "normalise": self.normalise,
            "on_failure": self.on_failure,
            "tolerance": self.tolerance,
        }

    @property
    def key(self) -> str:
        """The first 16 hex digits of the SHA-256 of `identity`, for the name or the log of a run."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True, default=str).encode()).hexdigest()[:16]

    # ------------------------------------------------------------------ the core

    def step(self, samples: Sequence[Sample], groups: Sequence[Hashable] | None = None, *, clamped: int = 0) -> Step:
        """Score samples and return their rewards, with reasons and statistics; nothing is logged.

        `groups` are what samples are compared in: by default those with an equal prompt and equal sources.
        A sample without a reward has None, never a number. Raises `UnavailableError` when this machine could not score
        any of them (an endpoint that is down, no GPU), nor the two before.
        """
        readings = self.readings
        groups = groups_of(samples) if groups is None else groups
        self._require_groups(groups)
        started = time.monotonic()
        scores = self.scorer.score(samples) if samples else []
        values, reasons = self._summed([_parts(readings, by_label) for by_label in scores], groups)
        names = {reading.name: reading for reading in readings}
        step = Step(
            values,
            reasons,
            {name: [_number(reading, each) for each in scores] for name, reading in names.items()},
            list(groups),
            unavailable=sum(_is_unavailable(readings, by_label) for by_label in scores),
            clamped=clamped,
            seconds=time.monotonic() - started,
        )
        self._watch(step)
        return step

    def rewards(self, samples: Sequence[Sample], groups: Sequence[Hashable] | None = None) -> list[float | None]:
        """Return the reward of each sample; None for one without, unless `on_failure` says otherwise."""
        batch = RewardBatch(list(samples), list(groups_of(samples) if groups is None else groups))
        return self.handed_over(batch, "none")[0]

    def handed_over(self, batch: RewardBatch, default: OnFailure) -> tuple[list[float | None], Step]:
        """The rewards of a batch as a trainer gets them, and its step, which is logged and reported.

        `default` is what `on_failure="framework"` means. Raises as `step` and `failures.filled` do.
        """
        step = self.step(batch.samples, batch.groups, clamped=batch.clamped)
        self.memory.keep(step)
        try:
            rewards = filled(step, default if self.on_failure == "framework" else self.on_failure, self.memory)
        finally:
            self._report(step)
        return rewards, step

    def flush(self) -> None:
        """Log and report the samples that came one at a time since the last report."""
        with self._lock:
            pending, self._pending = self._pending, []
        if pending:
            self._report_now(joined(pending))

    @property
    def stats(self) -> dict[str, float]:
        """The statistics of the latest step, `Step.stats`; empty before the first."""
        return {} if self.last is None else self.last.stats

    def __repr__(self) -> str:
        return f"Reward({self.__name__})"

    def _report(self, step: Step) -> None:
        """Log a step and hand its statistics on; single samples are collected until there are `WINDOW` of them."""
        self.last = step
        if len(step.values) != 1:
            self._report_now(step)
            return
        with self._lock:
            self._pending.append(step)
            full = len(self._pending) >= WINDOW
        if full:
            self.flush()

    def _report_now(self, step: Step) -> None:
        with self._lock:
            self._steps += 1
            step.number = self._steps
        step.log()
        self.last = step
        if self.on_step is not None:
            self.on_step(step.stats)

    def _summed(
        self, parts: Sequence[list[float | str]], groups: Sequence[Hashable]
    ) -> tuple[list[float | None], list[str | None]]:
        """The weighted sum of each sample's parts, or the reasons for which parts of it are missing.

        A sample without a reward takes no part in the normalisation of the others.
        """
        problems = ["; ".join(part for part in row if isinstance(part, str)) for row in parts]
        columns = [
            [
                value if isinstance(value, float) and not problem else None
                for value, problem in zip(column, problems, strict=True)
            ]
            for column in zip(*parts, strict=True)
        ]
        if self.normalise:
            columns = [
                normalised(column, groups if self.normalise == "group" else [0] * len(groups)) for column in columns
            ]
        weights = [term.weight for term in self.terms]
        values = [
            None if None in numbers else sum(map(operator.mul, weights, numbers))
            for numbers in zip(*columns, strict=True)
        ]
        return values, [problem or None for problem in problems]

    def _watch(self, step: Step) -> None:
        """Raise `UnavailableError` for what keeps being unavailable."""
        with self._lock:
            everything = step.unavailable and step.unavailable == len(step.values)
            self._unavailable = self._unavailable + step.unavailable if everything else 0
            stopped = self._unavailable >= STOP_AFTER
        if stopped:
            reason = next(reason for reason in step.reasons if reason)
            raise UnavailableError(f"no reward for {plural(self._unavailable, 'sample')} in a row: {reason}")

    def _require_groups(self, groups: Sequence[Hashable]) -> None:
        """Raise `RewardError` if there is nothing that terms could be normalised over."""
        sizes = Counter(groups) if self.normalise == "group" else Counter({None: len(groups)})
        if self.normalise and groups and max(sizes.values()) == 1:
            raise RewardError(
                f"normalise={self.normalise!r}, but every {self.normalise} has one sample: all rewards would be 0; "
                "hand over whole groups, or leave normalise out"
            )


def as_reward(
    metrics: str | Any,
    *,
    transform: Transform = "signed",
    clip: tuple[float, float] | None = None,
    normalise: Normalise = None,
    on_failure: OnFailure = "framework",
    url: str | Client | None = None,
    device: Any = None,
    workers: int | None = None,
    columns: Mapping[str, str] | None = None,
    render: Render | None = None,
    tolerance: float = TOLERANCE,
    on_step: OnStep | None = None,
) -> Reward:
    """Return metrics as a reward, callable in the form of flow_grpo, TRL, Flow-Factory, verl and DanceGRPO.

    The reward of a sample is the weighted sum of its terms: `weight * clip(transform(number))`.

    - `metrics`: a metric's name with options, a metric, a `Term`, several of them, or a mapping from name to weight.
    - `transform`: of each number: `signed` negates it where lower is better; `unit` maps the declared range to [0, 1],
      better is higher; or a function. `clip`: the ends to which the result is clipped.
    - `normalise`: before weights, each term minus its mean and divided by its standard deviation, over the `group`
      or the `batch`; so that terms of different ranges weigh what `weight` says.
    - `on_failure`: what a trainer gets for a sample without a reward: `framework` (what the framework itself defines,
      else `neutral`), `none`, `nan`, `neutral` (the mean of its group), `raise`, or a number.
    - `url`: a server of `editmetrics serve`, or a `Client`, that scores in place of this process.
    - `device`, `workers`: where metrics compute, and how many threads decode.
    - `columns`: names of the columns, or keys of metadata, that hold a sample's fields: `{"source": "input_image"}`.
    - `render`: for trainers of text, a function of a completion and its row that returns the edited image.
    - `tolerance`: how far outside [0, 1] values of images are clamped; an image with others has no reward.
    - `on_step`: called with the statistics of each step, one flat dictionary (`Step.stats`).

    A sample without a reward costs no other its own, and is never 0 in silence. Raises `RewardError` for terms that
    have no direction, range or name.

    >>> import numpy as np
    >>> reward = as_reward({"ssim": 1.0, "mae": 0.5}, device="cpu")
    >>> images = np.full((2, 16, 16, 3), 0.5)
    >>> images[1, 0, 0, 0] = np.nan
    >>> rewards, stats = reward.flow_grpo(images, ["a dog"] * 2, {}, np.full((2, 16, 16, 3), 0.5))
    >>> rewards, stats["reward/failed"], stats["reward/substituted"]
    ([1.0, 1.0], 1, 1)
    """
    terms = terms_of(metrics, transform, clip)
    if url is None:
        scorer: LocalScorer | ServedScorer = LocalScorer(terms, None if device is None else str(device), workers)
    else:
        from ..serving import Client

        names = list(dict.fromkeys(str(term.metric) for term in terms))
        scorer = ServedScorer(terms, Client(url, metrics=names) if isinstance(url, str) else url)
    return Reward(
        terms, scorer=scorer, normalise=normalise, on_failure=on_failure, columns=columns, render=render,
        tolerance=tolerance, on_step=on_step,
    )  # fmt: skip


def _parts(readings: Sequence[Reading], by_label: Mapping[str, Score]) -> list[float | str]:
    return [reading.part(by_label[reading.label]) for reading in readings]


def _number(reading: Reading, by_label: Mapping[str, Score]) -> float | None:
    score = by_label[reading.label]
    return score[reading.dimension.name] if score.ok and reading.dimension.name in score else None


def _is_unavailable(readings: Sequence[Reading], by_label: Mapping[str, Score]) -> bool:
    """Whether this machine is all that a sample's reward failed by."""
    return {by_label[reading.label].status for reading in readings} - {"ok"} == {"unavailable"}
