"""A run: plan, open the record, load, score every sample, write the table."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from ..files.journal import JournalError
from ..files.rows import require_writable
from ..machine import machine_fault
from ..metric import Metric
from ..sample import STATUSES, Sample, Score
from .loop import Loop
from .plan import Column, PlanError, plan
from .record import Done, Record, record_path
from .results import Results

Profile = Literal["ignore", "convert"]

BATCH_PIXELS = 16 * 512 * 512
"""How many pixels a batch holds, all images of its samples counted."""


def score(
    samples: Iterable[Sample],
    metrics: str | Metric | Iterable[str | Metric],
    *,
    output: str | os.PathLike[str] | None = None,
    device: str | None = None,
    workers: int | None = None,
    batch_pixels: int = BATCH_PIXELS,
    profile: Profile = "ignore",
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    overwrite: bool = False,
    retry: Collection[str] = (),
    on_row: Callable[[Sample, dict[str, Score]], None] | None = None,
    about: dict[str, Any] | None = None,
) -> Results:
    """Score every sample with every metric, and keep what is known at every moment.

    With `output` (csv, jsonl or parquet, by suffix) each score goes to `OUTPUT.record.jsonl` as soon as it is known and
    the table is written at the end. The same call resumes where it stopped: a score is reused when the content
    of the sample and the identity of the metric are the same. `overwrite` starts afresh; `retry` names statuses
    ("failed", "refused", ...) that are tried again. A sample that cannot be scored costs its own row, never the run.
    What this machine cannot do (no GPU, no network, an endpoint that is down) stops that metric alone: its scores are
    `unavailable`, and the same call tries them again.

    `engine` "ray" scores over a Ray cluster (`ray_address`; without one, RAY_ADDRESS names it or one is started here),
    with equal results. `workers` is the number of decoding threads (default: the processors this process may use), or
    of Ray's actors; `batch_pixels` how many pixels a batch holds, `on_row` is called with each finished sample and its
    scores, `about` goes into the record's first line. `profile` "convert" converts what has a colour profile to sRGB.

    Raises `PlanError` or `DataError` for a run that cannot start, `JournalError` for a record that cannot be used,
    `EngineError` for a cluster that cannot be used, `Interrupted` for a keyboard interrupt.

    >>> from editmetrics import Sample, score
    >>> folder = "docs/examples"
    >>> results = score([Sample("cat", f"{folder}/edited/cat.jpg", f"{folder}/source/cat.jpg")], ["psnr", "ssim"])
    >>> results["psnr"][0].ok
    True
    """
    samples = list(samples)
    if unknown := set(retry) - set(STATUSES):
        raise PlanError(f"retry: {', '.join(sorted(unknown))} is not a status; expected one of {', '.join(STATUSES)}")
    columns = plan(samples, metrics, device, profile)
    results = Results(samples, columns)
    path = Path(output) if output is not None else None
    with _open_record(path, overwrite) as record:
        cluster = None
        unavailable: dict[str, str] = {}
        if engine == "ray":
            from .ray_engine import Cluster, LocalEngine

            work = LocalEngine(batch_pixels, profile)
            cluster = Cluster([column.metric for column in columns], work, ray_address, workers)
            columns = [Column(c.metric, i, profile) for c, i in zip(columns, cluster.identities(), strict=True)]
            results.columns = columns
        else:
            columns, unavailable = loaded(columns)
            results.columns = columns
        done: Done = {}
        if record is not None:
            done = record.read(columns, forget={*retry, "unavailable"})
            record.start(columns, samples=len(samples), batch_pixels=batch_pixels, **(about or {}))
        run = Loop(samples, columns, results, record, done, batch_pixels, on_row)
        run.availability.stopped |= unavailable
        if cluster is None:
            run.go(workers or available_processors())
        else:
            run.go_over(cluster)
        if path is not None:
            results.write(path)
    return results


def score_loaded(
    metrics: Sequence[Metric], samples: Sequence[Sample], *, workers: int = 1, batch_pixels: int = BATCH_PIXELS
) -> list[dict[str, Score]]:
    """Each sample's scores by the label of the metric: the engine without plan, record and table.

    For callers that keep metrics loaded and receive samples a few at a time. Scores equal those of `score`.
    """
    columns = [Column(metric, {"metric": metric.label}) for metric in metrics]  # without a record, no more is needed
    results = Results(samples, columns)
    Loop(samples, columns, results, None, {}, batch_pixels, None).go(workers)
    return [{column.label: results.get(index, column) for column in columns} for index in range(len(samples))]


def available_processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
