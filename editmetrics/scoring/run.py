"""A run: plan, open the record, load, score every sample, write the table."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..builtin import CLASSIC
from ..data import find_samples
from ..data.frames import set_of_rows
from ..data.image_sets import find_sets, sets_of
from ..data.sample_set import SampleSet
from ..files.rows import require_writable
from ..files.writing import JournalError
from ..machine import machine_fault
from ..metric import Metric
from ..registry import create_metric, metric_class, parse_spec, split_alias
from ..sample import FIELDS, STATUSES, EditMetricsError, Sample, Score
from ..wording import expected_one_of
from .loop import Availability, Loop
from .record import Done, Record, record_path
from .results import Column, PlanError, Results

if TYPE_CHECKING:
    from .ray_engine import Cluster
    from .suite_runs import SuiteRun

logger = logging.getLogger(__name__)

Profile = Literal["ignore", "convert"]

BATCH_PIXELS = 16 * 512 * 512
"""How many pixels a batch holds, all images of its samples counted."""


OF_PATHS = ("prompts", "prompt", "masks", "references", "root", "pair_by", "columns", "split")
"""Keywords that say more about paths, see `data.find_samples`."""

OnRow = Callable[[Sample, dict[str, Score]], None]


@dataclass(frozen=True)
class RunOptions:
    """The options of `score`.

    - `output`: the table to write (csv, jsonl or parquet, by suffix), with a record beside it.
    - `device`: where metrics compute; without it, the first GPU if there is one.
    - `workers`: decoding threads (default: the processors that this process may use), or actors of Ray.
    - `batch_pixels`: pixels in a batch, over all images of its samples.
    - `profile`: "convert" converts images with a colour profile to sRGB.
    - `engine`: "ray" scores over a Ray cluster, with equal results; `ray_address` is its address (default: RAY_ADDRESS,
      or a new cluster on this machine).
    - `overwrite`: start afresh. `retry`: statuses ("failed", "refused", ...) that are tried again.
    - `on_row`: called with each finished sample and its scores. `progress`: show a bar, in a terminal or a notebook.
    - `about`: facts for the first line of the record.
    """

    output: str | os.PathLike[str] | None = None
    device: str | None = None
    workers: int | None = None
    batch_pixels: int = BATCH_PIXELS
    profile: Profile = "ignore"
    engine: Literal["local", "ray"] = "local"
    ray_address: str | None = None
    overwrite: bool = False
    retry: Collection[str] = ()
    on_row: OnRow | None = None
    progress: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := set(self.retry) - set(STATUSES):
            names = ", ".join(sorted(unknown))
            raise PlanError(f"retry: {names} is not a status; expected one of {', '.join(STATUSES)}")

    def changed(self, **changes: Any) -> RunOptions:
        """These options with other values for some. Raises `TypeError` for a name that is not an option."""
        names = [option.name for option in fields(self)]
        for name in changes.keys() - set(names):
            raise TypeError(f"score has no option {name!r}; {expected_one_of(name, names)}")
        return replace(self, **changes)


def score(
    samples: Any,
    *more: Any,
    metrics: str | Metric | Iterable[str | Metric] | None = None,
    suites: str | Iterable[str] | None = None,
    options: RunOptions | None = None,
    **changes: Any,
) -> Results:
    """Score every sample with every metric, and record each score as soon as it is known.

    `samples` are `Sample`s, a data frame or other rows with columns of the same names (`data.from_rows`), or paths as
    on the command line: `score("sources/", "edited_a/", "edited_b/", metrics=["psnr"])`, with `prompts`, `prompt`,
    `masks`, `references`, `root`, `pair_by` and `split` of `data.find_samples`; what finds no partner is logged.
    `columns` names the columns of a table or of rows: `columns={"prompt": "task"}`. After samples or rows, `metrics`
    and `options` may also go by position. Without `metrics` or `suites` the classic ones compute.
    `suites` are benchmarks, such as "gedit", of which `results.suite("gedit")` gives the table.
    `options` are `RunOptions`; each may also be a keyword: `score(samples, "psnr", output="scores.csv")`.

    With `output`, each score goes to `OUTPUT.record.jsonl` at once, and the table is written at the end. The same call
    resumes where it stopped: a score is reused if the content of the sample and the identity of the metric are equal. A
    sample that cannot be scored costs its own row, never the run. What this machine cannot do (no GPU, no network, an
    endpoint that is down) stops that metric alone: its scores are `unavailable`, and the same call tries them again.

    Raises `PlanError` or `DataError` for a run that cannot start, `JournalError` for a record and `EngineError` for a
    cluster that cannot be used, `Interrupted` for a keyboard interrupt.

    >>> from editmetrics import score
    >>> results = score("docs/examples/source", "docs/examples/edited", metrics=["psnr", "ssim"])
    >>> results["psnr"][0].ok
    True
    """
    asked = _request(samples, more, metrics, options, {**changes, "suites": suites})
    chosen, samples = (asked.options or RunOptions()).changed(**asked.changes), asked.samples
    runs, wanted = _wanted(asked, chosen.device)
    results = Results(samples, plan(samples, wanted, chosen.device, chosen.profile), runs)
    path = Path(chosen.output) if chosen.output is not None else None
    with _open_record(path, chosen.overwrite) as record, _told(chosen, len(samples)) as on_row:
        cluster = None
        unavailable: dict[str, str] = {}
        if chosen.engine == "ray":
            cluster = _cluster(results, chosen)
        else:
            results.columns, unavailable = loaded(results.columns)
        for column in results.columns:
            column.metric.retried = frozenset(chosen.retry)
        done: Done = {}
        if record is not None:
            done = record.read(results.columns, forget={*chosen.retry, "unavailable"})
            of_suites = {"suites": [run.suite.name for run in runs]} if runs else {}
            about = {**asked.about, **of_suites, **chosen.about}
            record.start(results.columns, samples=len(samples), batch_pixels=chosen.batch_pixels, **about)
        run = Loop(samples, results.columns, results, record, done, chosen.batch_pixels, on_row)
        run.availability.stopped |= unavailable
        if cluster is None:
            run.go(chosen.workers or available_processors())
        else:
            run.go_over(cluster)
        if path is not None:
            results.write(path)
    return results


def _wanted(asked: _Request, device: str | None) -> tuple[Sequence[SuiteRun], Any]:
    """The suites of a run, and all metrics that it computes."""
    if asked.suites:
        from .suite_runs import suites_and_metrics

        return suites_and_metrics(asked.suites, asked.samples, asked.metrics, device)
    return (), metrics_for(asked.samples, None, device) if asked.metrics is None else asked.metrics


class _Request(NamedTuple):
    """The samples, the metrics, and the options with changes to them."""

    samples: list[Sample]
    metrics: Any
    options: Any
    changes: dict[str, Any]
    about: Mapping[str, Any]
    suites: list[str]


def _request(first: Any, more: Sequence[Any], metrics: Any, options: Any, keywords: Mapping[str, Any]) -> _Request:
    """Tell samples, metrics and options of a call apart."""
    changes = dict(keywords)
    metrics, *more = (list(one) if isinstance(one, Iterator) else one for one in (metrics, *more))
    suites = changes.pop("suites")
    suites = [suites] if isinstance(suites, str) else [*(suites or ())]
    if isinstance(first, (str, os.PathLike)):
        paths = [first, *more]
        if not all(isinstance(path, (str, os.PathLike)) for path in paths):
            raise PlanError("after paths, metrics go by keyword: score('sources/', 'edited/', metrics=['psnr'])")
        find: Callable[..., SampleSet] = find_sets if scores_sets(metrics) else find_samples
        if suites:
            from .suite_runs import suite_finder

            find = suite_finder(suites)
        sample_set = find(paths, **{name: changes.pop(name) for name in OF_PATHS if name in changes})
        for problem in sample_set.problems():
            logger.warning("%s", problem)
    else:
        sample_set = first if isinstance(first, SampleSet) else set_of_rows(first, changes.pop("columns", None))
        by_position = dict(zip(("metrics", "options"), more, strict=False))
        by_keyword = {"metrics": metrics, "options": options}
        if len(more) > 2 or any(by_keyword[name] is not None for name in by_position):
            raise PlanError("score takes samples, metrics and options, each once")
        metrics, options = ({**by_keyword, **by_position}[name] for name in ("metrics", "options"))
    samples = sets_of(sample_set) if scores_sets(metrics) else list(sample_set)
    return _Request(samples, metrics, options, changes, sample_set.about(), suites)


def plan(
    samples: Sequence[Sample],
    metrics: str | Metric | Iterable[str | Metric],
    device: str | None = None,
    profile: Profile = "ignore",
) -> list[Column]:
    """A column for each metric, in order; a metric named twice is computed once.

    Raises `PlanError` when two samples share an id, two metrics a label, or no sample has a field that a metric needs;
    and when all sets have too few images.
    """
    if isinstance(metrics, (str, Metric)):
        metrics = [metrics]
    columns: dict[str, Column] = {}
    for spec in metrics:
        metric = spec if isinstance(spec, Metric) else create_metric(spec, device=device)
        column = Column(metric, profile=profile)
        other = columns.get(column.label, column).metric
        if (column.metric.name, column.metric.options) != (other.name, other.options):
            raise PlanError(f"two metrics are labelled {column.label}; score them in two runs")
        columns.setdefault(column.label, column)
    if not columns:
        raise PlanError("no metric to score with; name one, for instance psnr")
    require_unique_ids(samples)
    for column in columns.values():
        absent = [name for name in FIELDS if name in column.metric.required() and not any(s.has(name) for s in samples)]
        if samples and (absent or column.metric.of_sets):
            from .fields import require_some

            require_some(column.metric, absent, samples)
    return list(columns.values())


def metrics_for(
    samples: Sequence[Sample],
    specs: Iterable[str] | None,
    device: str | None = None,
    shared: Mapping[str, Any] | None = None,
) -> list[Metric]:
    """Create the metrics to compute; without names, the classic ones, which need no download, if the fields are there.

    `shared` are options for those metrics that have them and whose `name:option=value` leaves them open.

    >>> [metric.name for metric in metrics_for([Sample("cat", edited="b.png", source="a.png")], None)][:3]
    ['fsim', 'gmsd', 'mae']
    """
    classic = specs is None
    names = CLASSIC if specs is None else specs
    metrics = []
    for spec in names:
        name, options = parse_spec(split_alias(spec)[1])
        unset = {option.name for option in metric_class(name).option_list()} - options.keys()
        inherited = {option: value for option, value in (shared or {}).items() if option in unset}
        metrics.append(create_metric(spec, device=device, **inherited))
    fields = {name for name in ("source", "edited") if any(sample.has(name) for sample in samples)}
    usable = [metric for metric in metrics if not classic or metric.required() <= fields]
    if not usable:
        raise PlanError("the classic metrics require source images; name a metric: -m NAME ('editmetrics list')")
    return usable


def require_unique_ids(samples: Iterable[Sample]) -> None:
    """Raise `PlanError` when two samples share an id."""
    if twice := [name for name, count in Counter(sample.id for sample in samples).items() if count > 1]:
        raise PlanError(f"{len(twice)} ids stand for more than one sample, {twice[0]!r} among them; ids must be unique")


def scores_sets(metrics: str | Metric | Iterable[str | Metric] | None) -> bool:
    """Return whether these metrics score sets of images, so that a sample is a system.

    Raises `PlanError` when some do and others score single images.

    >>> scores_sets(["fid"]), scores_sets("psnr"), scores_sets(None)
    (True, False, False)
    """
    specs = [metrics] if isinstance(metrics, (str, Metric)) else list(metrics or ())
    kinds: dict[bool, Any] = {}
    for spec in specs:
        with suppress(EditMetricsError, TypeError):  # the run says later that it does not know the name
            name = spec.name if isinstance(spec, Metric) else parse_spec(split_alias(spec)[1])[0]
            kinds.setdefault(spec.of_sets if isinstance(spec, Metric) else metric_class(name).of_sets, name)
    if len(kinds) == 2:
        raise PlanError(
            f"metrics of sets of images ({kinds[True]}) and of single ones ({kinds[False]}) do not go together; "
            "compute them in two runs, with two output files"
        )
    return True in kinds


def _cluster(results: Results, options: RunOptions) -> Cluster:
    """The cluster of the run, whose workers tell the identities of the columns."""
    from .ray_engine import Cluster, LocalEngine

    work = LocalEngine(options.batch_pixels, options.profile)
    metrics = [column.metric for column in results.columns]
    cluster = Cluster(metrics, work, options.ray_address, options.workers)
    identities = zip(metrics, cluster.identities(), strict=True)
    results.columns = [Column(metric, identity, options.profile) for metric, identity in identities]
    return cluster


def score_loaded(
    metrics: Sequence[Metric], samples: Sequence[Sample], *, workers: int = 1, batch_pixels: int = BATCH_PIXELS
) -> list[dict[str, Score]]:
    """Each sample's scores by the label of the metric: the engine without plan, record and table.

    For callers that keep metrics loaded and receive samples a few at a time. Scores equal those of `score`.
    """
    columns = [Column(metric, {"metric": metric.label}) for metric in metrics]  # without a record, no more is needed
    results = score_columns(columns, samples, workers=workers, batch_pixels=batch_pixels)
    return [scores for _, scores in results]


def score_columns(
    columns: Sequence[Column],
    samples: Sequence[Sample],
    *,
    workers: int | None = None,
    batch_pixels: int = BATCH_PIXELS,
    availability: Availability | None = None,
) -> Results:
    """Score samples with loaded metrics, without a record; metrics that `availability` has stopped stay so."""
    results = Results(samples, columns)
    run = Loop(samples, columns, results, None, {}, batch_pixels, None)
    run.availability = availability or run.availability
    run.go(workers or available_processors())
    return results


def available_processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _told(options: RunOptions, total: int) -> Iterator[OnRow | None]:
    """The function to call with each finished sample: the caller's, and a bar if one is wanted."""
    if not options.progress:
        yield options.on_row
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, desc="score", unit=" samples") as bar:

        def on_row(sample: Sample, scores: dict[str, Score]) -> None:
            bar.update()
            if options.on_row is not None:
                options.on_row(sample, scores)

        yield on_row


def _open_record(path: Path | None, overwrite: bool) -> Any:
    if path is None:
        return nullcontext()
    require_writable(path)
    record = Record(record_path(path))
    try:
        if overwrite:
            record.path.unlink(missing_ok=True)
        elif path.exists() and not record.path.exists():
            raise JournalError(
                f"{path} exists without {record.path.name} beside it, so it is not a table of editmetrics to replace; "
                "give another -o, or --overwrite"
            )
    except BaseException:
        record.close()
        raise
    return record


def loaded(columns: Sequence[Column]) -> tuple[list[Column], dict[str, str]]:
    """The columns with their metrics loaded, and from the label of each that this machine cannot load to the reason."""
    ready: list[Column] = []
    unavailable: dict[str, str] = {}
    for column in columns:
        try:
            column.metric.load()
            _ = column.key
        except Exception as error:
            reason = machine_fault(error)
            if reason is None:
                raise
            unavailable[column.label] = reason
            column = _identified(column)
        ready.append(column)
    return ready, unavailable


def _identified(column: Column) -> Column:
    """The column of a metric that is not loaded: with its identity, if that can be told, so that scores are reused."""
    try:
        _ = column.key
        return column
    except Exception as error:
        reason = machine_fault(error)
        if reason is None:
            raise
        return Column(column.metric, {"metric": column.label, "unavailable": reason}, column.profile)
