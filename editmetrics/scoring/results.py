"""The results of a run and its columns, one for each metric: every score, their summary, and the table of samples."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from ..files.rows import write_frame
from ..files.tabular import Tabular
from ..files.text import escaped
from ..images import decoder
from ..metric import Metric
from ..registry import providers_of
from ..sample import FIELDS, Dimension, EditMetricsError, Sample, Score, images_of, plain
from ..weights import checksums
from ..wording import plural
from .means import Means, Summary

if TYPE_CHECKING:
    import polars

    from ..agreement.bootstrap import Resampling
    from ..agreement.systems import SystemComparison
    from .suite_results import SuiteResult
    from .suite_runs import SuiteRun


class PlanError(EditMetricsError, ValueError):
    """A run that cannot be started as it was asked for."""


class EngineError(EditMetricsError):
    """Samples cannot be scored over a cluster; the message says why and what to do."""


@dataclass(frozen=True)
class Column:
    """One metric of a run: under its `label` in the table, under its `key` in the record.

    `told` is the identity where another machine has loaded the metric and told it.
    """

    metric: Metric
    told: dict[str, Any] | None = field(default=None, compare=False)
    profile: Literal["ignore", "convert"] = "ignore"
    """How colour profiles of images are handled."""

    @property
    def label(self) -> str:
        return self.metric.label

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields of a sample that its score may depend on."""
        wanted = self.metric.fields()
        return tuple(name for name in FIELDS if name in wanted)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that produces its numbers: what the metric declares, and what the engine adds (the checksums of
        its weights, the version of a plugin's package, how images are read)."""
        if self.told is not None:
            return self.told
        return {
            **self.metric.identity(),
            "checkpoints": checksums(names) if (names := self.metric.checkpoints()) else {},
            "packages": packages_of(self.metric),
            "images": decoder(self.profile),
        }

    @cached_property
    def key(self) -> str:
        """The first 16 hex digits of the SHA-256 of `identity`, as canonical JSON."""
        try:
            text = json.dumps(self.identity, sort_keys=True, default=plain, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise PlanError(f"the identity of {self.label} is not JSON ({error}); tell its author") from error
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def names(self) -> dict[str, str]:
        """From dimension to the column of the table: a metric with one dimension is named alone."""
        dimensions = self.metric.dimensions
        return {d.name: self.label if len(dimensions) == 1 else f"{self.label}.{d.name}" for d in dimensions}


def packages_of(metric: Metric) -> dict[str, str]:
    """The installed package that a third party's metric comes from, and its version; empty for our own.

    >>> from editmetrics import create_metric
    >>> packages_of(create_metric("psnr"))
    {}
    """
    package = type(metric).__module__.partition(".")[0]
    return {} if package == "editmetrics" else providers_of(metric.name) or _distributions_of(package)


@cache
def _distributions_of(package: str) -> dict[str, str]:
    names = metadata.packages_distributions().get(package, [])
    return {name: metadata.version(name) for name in sorted(set(names))}


class ScoredSample(NamedTuple):
    """A sample of a run and its scores, by the label of the metric."""

    sample: Sample
    scores: dict[str, Score]


class Results(Tabular):
    """Every score of a run.

    `results["psnr"]` lists one `Score` a sample, in the order of `results.samples`; `results[0]` is the first sample
    with its scores, and a loop goes through all of them.

    >>> from editmetrics import Sample, score
    >>> cat = Sample("cat", edited="docs/examples/edited/cat.jpg", source="docs/examples/source/cat.jpg")
    >>> results = score([cat], ["psnr"])
    >>> results
    Results(1 sample; psnr)
    >>> [f"{sample.id}: {scores['psnr']:.1f} dB" for sample, scores in results]
    ['cat: 28.3 dB']
    """

    def __init__(self, samples: Sequence[Sample], columns: Sequence[Column], runs: Sequence[SuiteRun] = ()) -> None:
        self.samples, self.columns, self.suite_runs = list(samples), list(columns), tuple(runs)
        self.reused = 0
        """How many scores were taken over from an earlier run."""
        self.reused_failures = 0
        """How many of them are failures, which are not tried again unless they are asked for."""
        self._values = {c.label: np.full((len(samples), len(c.metric.dimensions)), np.nan) for c in columns}
        self._more: dict[str, dict[int, Score]] = {c.label: {} for c in columns}

    def put(self, index: int, column: Column, score: Score) -> None:
        """Keep the score of sample `index`; a plain number costs eight bytes, anything said beside it is kept whole."""
        for position, dimension in enumerate(column.metric.dimensions):
            if dimension.name in score:
                self._values[column.label][index, position] = score[dimension.name]
        if not score.ok or score.explanation or score.uncertainty or score.details:
            self._more[column.label][index] = score

    def get(self, index: int, column: Column) -> Score:
        """The score of sample `index`."""
        if index in self._more[column.label]:
            return self._more[column.label][index]
        values = self._values[column.label][index]
        numbers = zip(column.metric.dimensions, values, strict=True)
        return Score({d.name: value for d, value in numbers if not (d.optional and math.isnan(value))})

    @overload
    def __getitem__(self, key: str) -> list[Score]: ...
    @overload
    def __getitem__(self, key: int) -> ScoredSample: ...
    @overload
    def __getitem__(self, key: slice) -> list[ScoredSample]: ...
    def __getitem__(self, key: str | int | slice) -> list[Score] | ScoredSample | list[ScoredSample]:
        if isinstance(key, slice):
            return [self[index] for index in range(len(self))[key]]
        if not isinstance(key, str):
            row = range(len(self))[key]
            return ScoredSample(self.samples[row], {column.label: self.get(row, column) for column in self.columns})
        column = next((column for column in self.columns if column.label == key), None)
        if column is None:
            raise KeyError(f"{key!r}; this run has {', '.join(column.label for column in self.columns)}")
        return [self.get(index, column) for index in range(len(self.samples))]

    def __iter__(self) -> Iterator[ScoredSample]:
        return (self[index] for index in range(len(self)))

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        missing = sum(not score.ok for more in self._more.values() for score in more.values())
        text = f"{plural(len(self), 'sample')}; {', '.join(column.label for column in self.columns)}"
        return f"Results({text}{f'; {missing} not scored' if missing else ''})"

    @property
    def systems(self) -> list[str | None]:
        """The systems whose images were judged, in order of appearance; [None] when none is named."""
        return list(dict.fromkeys(sample.meta.get("system") for sample in self.samples)) or [None]

    @property
    def all_scored(self) -> bool:
        return all(score.ok for unscored in self._more.values() for score in unscored.values())

    @property
    def unavailable(self) -> bool:
        """Whether this machine could not compute some of the scores."""
        return any(score.status == "unavailable" for more in self._more.values() for score in more.values())

    def values(self, column: Column, dimension: str) -> np.ndarray:
        """The numbers of one dimension, one a sample, NaN where there is none."""
        names = [d.name for d in column.metric.dimensions]
        return self._values[column.label][:, names.index(dimension)]

    def problems(self) -> dict[tuple[str, str, str], list[str]]:
        """The ids of samples without a score, by (metric, status, reason)."""
        return self._ids_by(lambda score: None if score.ok else (score.status, score.reason or ""))

    def notes(self) -> dict[tuple[str, str], list[str]]:
        """The ids of samples with a `details["note"]`, such as "prompt truncated", by (metric, note)."""
        return self._ids_by(lambda score: (str(note),) if (note := score.details.get("note")) else None)

    def _ids_by(self, key: Callable[[Score], tuple[str, ...] | None]) -> dict[Any, list[str]]:
        ids: dict[Any, list[str]] = {}
        for column in self.columns:
            for index, score in sorted(self._more[column.label].items()):
                if (group := key(score)) is not None:
                    ids.setdefault((column.label, *group), []).append(self.samples[index].id)
        return ids

    def summary(self) -> list[Summary]:
        """A line for each metric, dimension and system."""
        systems = np.array([sample.meta.get("system") for sample in self.samples], dtype=object)
        return [
            self._summarise(column, dimension, system, np.flatnonzero(systems == system))
            for column in self.columns
            for dimension in column.metric.dimensions
            for system in self.systems
        ]

    def means(self) -> Means:
        """The mean of each metric and dimension over all samples: a dictionary of floats that know their n."""
        every = np.arange(len(self))
        return Means(self._summarise(c, d, None, every) for c in self.columns for d in c.metric.dimensions)

    def compare(self, *systems: str, resampling: Resampling | None = None) -> SystemComparison:
        """Is one system better than another? Compare the systems of this run, or those that are named.

        For each metric: the difference of two systems on the samples that both have, its 95 % interval, p, effect size
        and verdict, corrected for all metrics; see `SystemComparison`.
        """
        from ..agreement.systems import Scores, compare_systems, tasks_of

        columns = []
        for column in self.columns:
            for d in column.metric.dimensions:
                name, higher = column.names[d.name], d.higher_is_better
                columns.append(Scores(name, self.values(column, d.name), higher is not False, higher is not None))
        source = _path("source")
        fields = [(sample.id, _system(sample), source(sample), _prompt(sample)) for sample in self.samples]
        ids, names, sources, prompts = map(list, zip(*fields, strict=True))
        return compare_systems(columns, tasks_of(ids, names, sources, prompts), systems, resampling)

    def suite(self, name: str | None = None) -> SuiteResult:
        """The tables of a suite of this run, or the only one, by its name or judge ("gedit_Q"); else `SuiteError`."""
        from .suite_results import chosen_result

        return chosen_result(self, name)

    def overview(self) -> polars.DataFrame:
        """The summary as a table: a row for each metric, dimension and system."""
        import polars

        rows = [
            {
                "metric": line.column, **({} if line.system is None else {"system": line.system}), "mean": line.mean,
                "median": line.median, "sd": line.spread, "best": line.best, "worst": line.worst, "n": line.n,
                "not scored": sum(line.unscored.values()),
            }
            for line in self.summary()
        ]  # fmt: skip
        return polars.DataFrame(rows, infer_schema_length=None)

    def table(self) -> polars.DataFrame:
        """One row a sample: id, system, source, edited, prompt, each metric and dimension, explanations, problems."""
        return _frame(self)

    def write(self, path: Path) -> None:
        """Write the table to `path` (csv, jsonl or parquet) atomically."""
        write_frame(self.table(), path)

    def _summarise(self, column: Column, dimension: Dimension, system: str | None, rows: np.ndarray) -> Summary:
        values = self.values(column, dimension.name)[rows]
        scored = rows[~np.isnan(values)]
        values = values[~np.isnan(values)]
        finite = values[np.isfinite(values)]
        missing = np.setdiff1d(rows, scored, assume_unique=True)
        statuses: Counter[str] = Counter(self.get(int(index), column).status for index in missing)
        if left := statuses.pop("ok", 0):  # an optional dimension that these samples do not have
            statuses["without it"] = left
        ranked = scored[np.argsort(-values if dimension.higher_is_better else values, kind="stable")]
        ends: dict[str, Any] = {"best": None, "worst": None}
        if len(ranked) and dimension.higher_is_better is not None:
            ends = {"best": self.samples[ranked[0]].id, "worst": self.samples[ranked[-1]].id}
        return Summary(
            column=column.names[dimension.name],
            label=column.label,
            dimension=dimension,
            system=system,
            n=len(values),
            unscored=dict(statuses),
            infinite=len(values) - len(finite),
            mean=float(finite.mean()) if len(finite) else None,
            median=float(np.median(values)) if len(values) else None,
            spread=float(finite.std(ddof=1)) if len(finite) > 1 else None,
            **ends,
        )


def _frame(results: Results) -> polars.DataFrame:
    """The table of `results`; a column is left out when no sample has anything to put there (problems excepted)."""
    import polars

    columns = [_series("id", [sample.id for sample in results.samples])]
    text = {"system": _system, "source": _path("source"), "edited": _path("edited"), "rival": _path("rival")}
    text |= {"prompt": _prompt} | _other_columns(results, {"id", "prompt", *text, "problems"})
    for name, get in text.items():
        values = [get(sample) for sample in results.samples]
        if any(value is not None for value in values):
            columns.append(_series(name, values))
    for column in results.columns:
        for dimension, name in column.names.items():
            columns.append(polars.Series(name, results.values(column, dimension), polars.Float64).fill_nan(None))
    if any(column.metric.of_sets or "rival" in column.fields for column in results.columns):
        from .beside import columns_beside

        columns += [_series(name, values) for name, values in columns_beside(results).items()]
    problems: list[list[str]] = [[] for _ in results.samples]
    for column in results.columns:
        scores = [results.get(index, column) for index in range(len(results))]
        if any(score.explanation for score in scores):
            columns.append(_series(f"{column.label}.explanation", [score.explanation for score in scores]))
        for row, score in zip(problems, scores, strict=True):
            if not score.ok:
                row.append(f"{column.label}: {score.status}: {score.reason}")
    columns.append(_series("problems", ["; ".join(row) for row in problems]))
    return polars.DataFrame(columns)


def _other_columns(results: Results, taken: set[str]) -> dict[str, Any]:
    """The columns of a manifest that are kept; one with a name that the table has itself is `manifest.NAME` there."""
    taken |= {name for column in results.columns for name in column.names.values()}
    taken |= {f"{column.label}.explanation" for column in results.columns}
    columns: dict[str, Any] = {}
    for key in dict.fromkeys(key for sample in results.samples for key in sample.meta if key != "system"):
        name = str(key)
        while name in taken | columns.keys():
            name = f"manifest.{name}"
        columns[name] = _meta(key)
    return columns


def _system(sample: Sample) -> str | None:
    system = sample.meta.get("system")
    return None if system is None else str(system)


def _path(field: str) -> Any:
    def get(sample: Sample) -> str | None:
        images = images_of(getattr(sample, field))
        if not images or not all(isinstance(image, (str, os.PathLike)) for image in images):
            return None
        paths = [os.fsdecode(image) for image in images]
        return paths[0] if len(paths) == 1 else json.dumps(paths, ensure_ascii=False)  # as a manifest has it

    return get


def _prompt(sample: Sample) -> str | None:
    return sample.prompt if sample.has("prompt") else None


def _meta(key: str) -> Any:
    return lambda sample: sample.meta.get(key)


def _series(name: str, values: list[Any]) -> polars.Series:
    """A column of numbers when all values are numbers, else of text (lists and such as JSON)."""
    import polars

    if all(value is None or type(value) in (int, float) for value in values):
        return polars.Series(name, values, strict=False)
    text = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False, default=str) for v in values]
    return polars.Series(name, [None if v is None else escaped(v) for v in text], polars.String)
