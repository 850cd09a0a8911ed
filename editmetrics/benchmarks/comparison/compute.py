"""The methods of a comparison table computed: scored as they are, or trained on the data set's own training part.

Everything goes into one folder, from which the same call resumes:

    scores/DATA/METRIC.csv               the scores of a metric, and its record
    trained/METRIC/RATING/fold_K/        a checkpoint of `fit`
    scores/DATA/METRIC.RATING.fold_K.csv the scores of a trained metric on its test part
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...agreement.measure import AgreementError
from ...learned_metric import LearnedMetric
from ...sample import EditMetricsError, Sample
from ...wording import error_in_one_line, first_few, plural
from ..benchmark import Benchmark, BenchmarkError
from ..load import Copy, EvaluatedPart, drawing_order
from .combined_scores import combined_scores
from .method_scores import (
    MeasuredMethod,
    MethodScores,
    RatedPart,
    joined_scores,
    paired_dimensions,
    read_scores_of,
)
from .paper_table import CombinedScores, TableMethod

if TYPE_CHECKING:
    from ...metric import Metric
    from ...scoring import Results

logger = logging.getLogger(__name__)

LONGEST_NAME = 60
"""Characters of a file's name."""

FEWEST_TRAINED, FEWEST_VALIDATED = 20, 5
"""Samples of a rehearsed training: a fifth of them is set aside for validation, which takes three or more."""


class NotComputedError(EditMetricsError):
    """A method has no scores; the message is the reason."""


@dataclass(frozen=True)
class ComputeOptions:
    """How methods are computed.

    - `folder`: everything is written here. `limit`: rehearse on so many samples, and train on as many for an epoch.
    - `device`, `workers`, `overwrite`, `retry`: as for `score`.
    - `run`: scores samples with metrics, by default `editmetrics.score`; `training`: gives the progress of a training.
    """

    folder: Path
    limit: int | None = None
    device: str | None = None
    workers: int | None = None
    overwrite: bool = False
    retry: Sequence[str] = ()
    run: Callable[..., Results] | None = None
    training: Callable[[], AbstractContextManager[Any]] = nullcontext


class TrainingPart(NamedTuple):
    """One training: what it trains and validates on, and what it is tested on. `name`: of its folder."""

    name: str
    train: list[Sample]
    val: list[Sample] | None
    test: list[Sample]


@dataclass
class Computation:
    """Computes methods on local copies, each once.

    - `copies`, `parts`: by the name of a data set, what was read of it and what of it is evaluated.
    - `targets`: from a dimension to the rating that regressors of any rating are trained on, one by one.
    - `methods`: by their names, those whose scores others combine.
    - `known`: scores that are at hand and not computed, by a method's name and the data set.
    """

    copies: Mapping[str, Copy]
    parts: Mapping[str, EvaluatedPart]
    options: ComputeOptions
    targets: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, TableMethod] = field(default_factory=dict)
    known: Mapping[str, Mapping[str, MethodScores]] = field(default_factory=dict)
    _done: dict[tuple[Any, ...], MethodScores | str] = field(default_factory=dict)
    _rated: dict[str, RatedPart] = field(default_factory=dict)
    _measured: dict[tuple[int, str], MeasuredMethod | str] = field(default_factory=dict)

    def scores(self, method: TableMethod, data: str, own: str) -> MethodScores:
        """Return the scores of a method on the data set `data`; trained methods are trained on the set `own`.

        Raises `NotComputedError` with the reason: it is in print only, this machine cannot, the set has no such part.
        """
        if (known := self.known.get(method.name, {}).get(data)) is not None:
            return known
        if method.reason is not None:
            raise NotComputedError(method.reason)
        trained_on = method.trained_on or own if method.train else None
        chosen = tuple(tuple(sorted(each.items())) for each in (method.settings, method.targets))
        key = (method.metric or method.train or method.combine, chosen, trained_on, data)
        if key not in self._done:
            try:
                if method.combine is None:
                    self._done[key] = self._compute(method, data, trained_on)
                else:
                    self._done[key] = self._combined(method, method.combine, data, own)
            except (EditMetricsError, AgreementError) as error:
                self._done[key] = str(error)
            except Exception as error:
                # a training of others' code can fail in any way; it costs its row, never the table
                logger.info("%s failed", method.name, exc_info=True)
                self._done[key] = error_in_one_line(error)
        result = self._done[key]
        if isinstance(result, str):
            raise NotComputedError(result)
        return result

    def measured(self, method: TableMethod, data: str, own: str) -> MeasuredMethod:
        """Return the figures of a method on a data set.

        Raises `NotComputedError` with the reason, as `scores` does, or because the protocol has no figure of it.
        """
        scores = self.scores(method, data, own)
        key = id(scores), data
        if key not in self._measured:
            try:
                self._measured[key] = MeasuredMethod(self.rated(data), method.name, scores)
            except AgreementError as error:
                self._measured[key] = str(error)
        result = self._measured[key]
        if isinstance(result, str):
            raise NotComputedError(result)
        return result

    def rated(self, data: str) -> RatedPart:
        """Return the rated samples of a data set, read once."""
        if data not in self._rated:
            self._rated[data] = RatedPart(self.parts[data])
        return self._rated[data]

    def _combined(self, method: TableMethod, row: CombinedScores, data: str, own: str) -> MethodScores:
        """Scores that a regressor makes of those of other methods, each of which may have a reason for none."""
        scores: dict[str, MethodScores] = {}
        names = dict.fromkeys(score.method for score in row.scores)
        for name in sorted(names, key=lambda name: self.methods[name].reason is None):  # in print only: known at once
            try:
                scores[name] = self.scores(self.methods[name], data, own)
            except NotComputedError as error:
                raise NotComputedError(f"it combines scores of {name}, which has none: {error}") from error
        return combined_scores(self.rated(data), row, [scores[score.method] for score in row.scores], method.how)

    def _compute(self, method: TableMethod, data: str, trained_on: str | None) -> MethodScores:
        from ...registry import create_metric

        if data not in self.parts:
            raise NotComputedError(f"no copy of {data} was given (--also {data}=PATH)")
        metric = create_metric(str(method.metric or method.train), device=self.options.device)
        if trained_on is None:
            return self._scored(metric, self.parts[data], _file_name(str(method.metric)))
        if trained_on not in self.copies:
            raise NotComputedError(
                f"it is trained on {trained_on}, of which no copy was given (--also {trained_on}=PATH)"
            )
        if not isinstance(metric, LearnedMetric):
            raise NotComputedError(f"{metric.name} is not a learned metric")
        bench = self.copies[trained_on].benchmark
        parts = list(self._training_parts(trained_on, data))
        scores = [
            self._trained(metric, method, targets, rating, part, bench, data)
            for rating, targets in _targets(metric, bench, method.targets or self.targets).items()
            for part in parts
        ]
        return replace(joined_scores(scores), spec=method.how)

    def _training_parts(self, trained_on: str, data: str) -> Iterator[TrainingPart]:
        """The trainings that score a data set: by its folds or split, or one on all that another set trains on."""
        copy, part = self.copies[trained_on], self.parts[data]
        usable = _usable(copy)
        if trained_on != data:
            column = copy.benchmark.split if copy.benchmark.evaluated else None
            train = [s for s in usable if column is None or s.meta.get(column) == "train"]
            yield TrainingPart("whole", train, None, list(part.samples))
        elif copy.benchmark.split is None:
            raise NotComputedError(f"{copy.benchmark.title} has no split to train by")
        elif copy.benchmark.evaluated is None:
            yield from self._folds(copy.benchmark, usable, part)
        else:
            column, chosen = copy.benchmark.split, {sample.id for sample in part.samples}
            by_split = {name: [s for s in usable if s.meta.get(column) == name] for name in ("train", "val")}
            if overlap := [s.id for s in by_split["train"] if s.id in chosen]:
                raise NotComputedError(f"{plural(len(overlap), 'evaluated sample')} would be trained on")
            if not by_split["train"]:
                raise NotComputedError(f"the copy has no training part ({column} train)")
            yield TrainingPart("split", by_split["train"], by_split["val"] or None, list(part.samples))

    def _folds(self, bench: Benchmark, usable: Sequence[Sample], part: EvaluatedPart) -> Iterator[TrainingPart]:
        column = str(bench.split)
        without = [sample.id for sample in part.samples if sample.meta.get(column) is None]
        names = sorted({str(s.meta[column]) for s in usable if s.meta.get(column) is not None})
        if without or len(names) < 2:
            lacking = f"{plural(len(without), 'sample')} have none ({first_few(without)}); " if without else ""
            raise NotComputedError(
                f"trained by {column}, and {lacking}the copy has {f'{column} ' if names else f'no {column}'}"
                f"{', '.join(names)}; add the file of each missing {column}: {bench.page}"
            )
        for name in names:
            test = [sample for sample in part.samples if str(sample.meta[column]) == name]
            train = [s for s in usable if s.meta.get(column) is not None and str(s.meta[column]) != name]
            if test:
                yield TrainingPart(f"{column}_{name}", train, None, test)

    def _limited(self, samples: list[Sample], least: int) -> list[Sample]:
        if self.options.limit is None:
            return samples
        return sorted(samples, key=lambda sample: drawing_order(sample.id))[: max(self.options.limit, least)]

    def _trained(
        self,
        metric: LearnedMetric,
        method: TableMethod,
        targets: Mapping[str, str],
        rating: str,
        training: TrainingPart,
        bench: Benchmark,
        data: str,
    ) -> MethodScores:
        """Train on one part, and score its test part."""
        name = _file_name(str(method.train), method.settings)
        kind = "trained" if self.options.limit is None else f"trained-{self.options.limit}"
        folder = self.options.folder / kind / name / rating / training.name
        aspects = {target: bench.ratings[target] for target in targets.values() if not bench.ratings[target].labels}
        scales = {(aspect.low, aspect.high) for aspect in aspects.values()} or {(0.0, 1.0)}
        if len(scales) > 1:
            named = ", ".join(f"{target} {aspect.low:g} to {aspect.high:g}" for target, aspect in aspects.items())
            raise NotComputedError(f"it learns ratings of one scale at once, and they are {named}; 'editmetrics fit' "
                                   "trains it on one of them, and --scores takes its scores")  # fmt: skip
        train, val = (
            self._limited(_rated(samples or (), targets.values()), least)
            for samples, least in ((training.train, FEWEST_TRAINED), (training.val, FEWEST_VALIDATED))
        )
        # a validation part of the data set's own is taken as it is, whatever it shares with the training part
        group = None if val else _kept_apart(train)
        with self.options.training() as progress:
            trained = metric.fit(
                train,
                val or None,
                targets=targets,
                label_scale=scales.pop(),
                output_dir=str(folder),
                resume=not self.options.overwrite,
                progress=progress,
                group=group,
                **method.settings,
                **({} if self.options.limit is None else _one_epoch(metric, method.settings)),
            )
        part = replace(self.parts[data], samples=training.test)
        wanted = {target: dimension for dimension, target in targets.items()}
        if part.benchmark is not bench:
            wanted = _crossed(wanted, part.benchmark)
        return self._scored(trained, part, f"{name}.{rating}.{training.name}", wanted)

    def _scored(
        self, metric: Metric, part: EvaluatedPart, name: str, dimensions: Mapping[str, str] | None = None
    ) -> MethodScores:
        """Score a part; `dimensions` are compared with ratings, from a rating to a dimension, by default by name."""
        from ...scoring import score

        run = self.options.run or score
        results = run(
            part.samples_for([metric]),
            [metric],
            output=self.options.folder / "scores" / part.benchmark.name / f"{name}.csv",
            workers=self.options.workers,
            overwrite=self.options.overwrite,
            retry=self.options.retry,
        )
        (column,) = results.columns
        wanted = dimensions
        if wanted is None:
            wanted = paired_dimensions([dimension.name for dimension in metric.dimensions], part.benchmark)
        if not wanted:
            raise NotComputedError(f"{metric.name} has no dimension that {part.benchmark.title} rates")
        if all(np.isnan(results.values(column, dimension)).all() for dimension in wanted.values()):
            reason = next((reason for _, _, reason in results.problems()), "no reason is known")
            raise NotComputedError(f"no sample has a score: {reason}")
        lower = {d.name for d in metric.dimensions if d.higher_is_better is False}
        columns = {rating: column.names[dimension] for rating, dimension in wanted.items()}
        return read_scores_of(part, results, columns, not lower & set(wanted.values()), metric.label)


def _targets(metric: LearnedMetric, bench: Benchmark, one_by_one: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The trainings by name, each from dimensions to ratings: of all of them at once, or one by one."""
    names = [dimension.name for dimension in metric.dimensions]
    if one_by_one and set(one_by_one) <= set(names):
        return {rating: {name: rating} for name, rating in one_by_one.items()}
    matched = {
        rating: name
        for rating, name in paired_dimensions(names, bench).items()
        if not bench.ratings[rating].labels or name in metric.label_dimensions
    }
    if not matched:
        raise BenchmarkError(f"{metric.name} learns no rating of {bench.title}")
    if len(names) == 1:
        return {rating: {name: rating} for rating, name in matched.items()}
    return {"all": {name: rating for rating, name in matched.items()}}


def _crossed(dimensions: Mapping[str, str], other: Benchmark) -> dict[str, str]:
    """The dimension for each rating of another set that means what it was trained on; else its first, for quality."""
    named = {other.pairing.get(rating, rating): dimension for rating, dimension in dimensions.items()}
    matched = {rating: dimension for rating, dimension in named.items() if rating in other.ratings}
    first = next(iter(dimensions.values()))
    return matched or {rating: first for rating, aspect in other.ratings.items() if aspect.quality}


def _kept_apart(samples: Sequence[Sample]) -> str | None:
    """The field by which samples are set aside for validation: their source, or their prompt where they have none."""
    return next((name for name in ("source", "prompt") if all(getattr(sample, name) for sample in samples)), None)


def _one_epoch(metric: LearnedMetric, settings: Mapping[str, Any]) -> dict[str, int]:
    """Settings of a rehearsed training: one epoch of each of its stages."""
    every = metric.effective_settings(settings)
    return {name: 1 for name, value in every.items() if name.endswith("epochs") and value and name not in settings}


def _rated(samples: Iterable[Sample], ratings: Collection[str]) -> list[Sample]:
    return [sample for sample in samples if any(rating in sample.meta for rating in ratings)]


def _usable(copy: Copy) -> list[Sample]:
    """The samples of a copy that no problem spoils."""
    spoiled = {problem.row for problem in copy.problems}
    return [sample for sample in copy.samples if sample.id not in spoiled]


def _file_name(spec: str, settings: Mapping[str, Any] | None = None) -> str:
    """A name for the files of a metric: its text, and some digits of its hash where that is not a file's name.

    >>> _file_name("niqe"), _file_name("lpips:net=vgg")
    ('niqe', 'lpips-net-vgg-c57a4c')
    """
    text = ",".join([spec, *(f"{name}={value}" for name, value in sorted((settings or {}).items()))])
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", text)[:LONGEST_NAME]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
