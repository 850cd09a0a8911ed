"""`Collection`: several metrics over the batches of a training or evaluation loop."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..batches import named_fields, samples_of_batch
from ..data import from_rows
from ..metric import Metric
from ..mllm.processes import rank_and_count
from ..sample import FIELDS, IMAGE_FIELDS, TEXT_FIELDS, Sample
from ..wording import plural
from .decode import Opened
from .loop import Availability
from .means import Means, counts_of
from .results import Column, PlanError, Results
from .rows import ScoredRow, in_turn, once_each, results_of, rows_from_json, rows_to_json, without_images
from .run import BATCH_PIXELS, loaded, plan, require_unique_ids, score_columns

logger = logging.getLogger(__name__)


class Collection:
    """Several metrics over batches: `update` scores one, `compute` returns the means over all, `reset` begins again.

    - `metrics`: names with options, or metrics, as in `score`. `device`: where they compute; without it, the first GPU.
    - `workers`, `batch_pixels`: as in `RunOptions`.
    - `sync_on_compute`: where torch.distributed has a process group, `compute` and `gathered` are over the samples of
      all its processes, each of which must call it and gets the same.

    Scores and means equal those of `score`. A sample that cannot be scored costs its own row: it is in no mean, and the
    mean counts it. Samples are kept without images that are in memory.

    >>> import numpy as np
    >>> collection = Collection(["psnr", "mse"])
    >>> _ = collection.update(np.zeros((2, 8, 8, 3)), np.full((2, 8, 8, 3), 0.5))
    >>> collection.compute()
    Means(psnr=6.021 (n=2), mse=0.25 (n=2))
    """

    def __init__(
        self,
        metrics: str | Metric | Iterable[str | Metric],
        *,
        device: Any = None,
        workers: int | None = None,
        batch_pixels: int = BATCH_PIXELS,
        sync_on_compute: bool = True,
    ) -> None:
        self._columns = plan([], metrics, None if device is None else str(device))
        self.metrics = [column.metric for column in self._columns]
        self.workers, self.batch_pixels, self.sync_on_compute = workers, batch_pixels, sync_on_compute
        self.reset()

    def reset(self) -> None:
        """Forget all samples. Metrics stay loaded; what this machine could not compute is tried again."""
        self._rows: list[ScoredRow] = []
        self._ids: set[str] = set()
        self._availability: Availability | None = None

    def update(self, *images: Any, **fields: Any) -> Results:
        """Score a batch, keep its scores, and return them: `results["psnr"]` is a list of one score a sample.

        `update(source, edited, prompt=[...], mask=..., id=[...])`: fields as `batches.samples_of_batch` takes them, or
        `update(samples)` with `Sample`s or rows. Ids name the samples; without them, samples are numbered. With several
        processes give ids, so that samples which a sampler repeats count once.

        Raises `BatchError` for fields of different lengths; `PlanError` for an id that was there before, and in the
        first batch for a field that a metric needs and no sample has. Nothing is kept of such a batch.
        """
        samples, named = self._samples(images, fields)
        require_unique_ids(samples)
        if not self._rows and samples:
            self._require_fields(samples)
        if twice := [sample.id for sample in samples if named and sample.id in self._ids]:
            raise PlanError(f"the id {twice[0]!r} was scored before; ids are unique until reset()")
        results = score_columns(
            self._loaded(), samples, workers=self.workers, batch_pixels=self.batch_pixels,
            availability=self._availability,
        )  # fmt: skip
        self._rows += [
            ScoredRow(without_images(sample), scores, self._inputs(sample) if named else None)
            for sample, scores in results
        ]
        self._ids |= {sample.id for sample in samples if named}
        return results

    def __call__(self, *images: Any, **fields: Any) -> Means:
        """Score and keep a batch as `update` does, and return its means, those of this process alone."""
        return self.update(*images, **fields).means()

    def compute(self) -> Means:
        """Return the mean of each metric and dimension: a dictionary of floats, each with its `n` and `left_out`.

        The first process logs a warning for samples that a mean leaves out. Raises as `gathered` does.
        """
        results = self.gathered() if self.sync_on_compute else self.results
        means = results.means()
        if rank_and_count()[0] == 0:
            _warn_of_missing(results, means)
        return means

    @property
    def results(self) -> Results:
        """Every score of this process since `reset`, without images that were in memory."""
        return results_of(self._columns, once_each(self._rows))

    def gathered(self) -> Results:
        """Return every score of all processes of torch.distributed; all of them call it, and all get the same.

        Rows of the processes alternate, which is the order of the data set if it was not shuffled. An id that several
        processes scored counts once, with the score of the first, and a warning says how many there were.

        Raises `PlanError` if an id stands for different samples of two processes, or if the metrics of two processes
        have different identities (weights, versions).
        """
        if rank_and_count()[1] == 1:
            return self.results
        from torch import distributed

        states: list[str] = [""] * rank_and_count()[1]
        distributed.all_gather_object(states, json.dumps(self.state_dict()))
        parts = [json.loads(state) for state in states]
        _require_one_identity(parts)
        rows = in_turn([list(rows_from_json(part["rows"])) for part in parts])
        kept = once_each(rows)
        if len(kept) < len(rows) and rank_and_count()[0] == 0:
            logger.warning("%s that several processes scored count once", plural(len(rows) - len(kept), "sample"))
        return results_of(self._columns, kept)

    def state_dict(self) -> dict[str, Any]:
        """Return everything since `reset` as JSON: for a checkpoint, or for `merge_state` of another collection."""
        keys = {column.label: self._key(column) for column in self._columns}
        return {"identities": keys, "rows": rows_to_json(self._rows)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a `state_dict`. Raises `PlanError` if the metrics would give other numbers than its own."""
        self.reset()
        self.merge_state(state)

    def merge_state(self, incoming: Collection | Mapping[str, Any]) -> None:
        """Add the samples of another collection, or of its `state_dict`; an id that both have counts once.

        Raises `PlanError` if an id stands for different samples, or if the metrics differ.
        """
        state = incoming.state_dict() if isinstance(incoming, Collection) else incoming
        self._loaded()
        _require_one_identity([self.state_dict(), state])
        self._rows = once_each([*self._rows, *rows_from_json(state["rows"])])
        self._ids = {row.sample.id for row in self._rows if row.inputs is not None}

    def __len__(self) -> int:
        """The number of samples since `reset`, of this process."""
        return len(self._rows)

    def __bool__(self) -> bool:
        return True  # an empty collection is still one

    def __repr__(self) -> str:
        return f"Collection({', '.join(column.label for column in self._columns)}; {plural(len(self), 'sample')})"

    def _samples(self, images: Sequence[Any], fields: Mapping[str, Any]) -> tuple[list[Sample], bool]:
        """The samples of a batch, and whether they have ids of their own."""
        rows = images[0] if len(images) == 1 else None
        if isinstance(rows, (Sample, Mapping)):
            rows = [rows]
        if not (isinstance(rows, (list, tuple)) and rows and all(isinstance(one, (Sample, Mapping)) for one in rows)):
            return samples_of_batch(named_fields("update", images, fields), first=len(self)), "id" in fields
        if fields:
            raise TypeError(f"update(samples) takes no {', '.join(fields)}: its samples have them")
        return from_rows(rows), True

    def _require_fields(self, samples: Sequence[Sample]) -> None:
        """Raise `PlanError` for a field that a metric needs and no sample has."""
        for metric in self.metrics:
            needed = [name for name in FIELDS if name in metric.required()]
            if absent := [name for name in needed if not any(sample.has(name) for sample in samples)]:
                call = ", ".join(name if name in ("source", "edited") else f"{name}=..." for name in needed)
                raise PlanError(f"{metric.label} requires {' and '.join(absent)}: update({call})")

    def _loaded(self) -> list[Column]:
        if self._availability is None:
            self._columns, stopped = loaded(self._columns)
            self._availability = Availability()
            self._availability.stopped |= stopped
        return self._columns

    def _inputs(self, sample: Sample) -> str:
        """A hash of all that the sample has besides its edited image, as far as a metric looks at it."""
        images = {name for column in self._columns for name in column.fields if name in IMAGE_FIELDS} - {"edited"}
        fields = (*sorted(images), *TEXT_FIELDS)
        return Opened(sample, fields).fingerprint(fields)

    def _key(self, column: Column) -> str | None:
        """The identity of a metric that is loaded; None where this machine could not, or has not yet."""
        return column.key if self._availability is not None and column.told is None else None


def _warn_of_missing(results: Results, means: Means) -> None:
    """Log, for each mean that leaves samples out, how many and the first one's reason."""
    reasons: dict[str, str] = {}
    for (label, _, reason), ids in results.problems().items():
        reasons.setdefault(label, f"; {ids[0]}: {reason}")
    for line in means.summaries:
        if missing := line.left_out:
            total = plural(line.n + sum(line.unscored.values()), "sample")
            text = f"the mean of {line.column} is over {line.finite} of {total}: {counts_of(missing)}"
            logger.warning("%s%s", text, reasons.get(line.label, ""))


def _require_one_identity(states: Iterable[Mapping[str, Any]]) -> None:
    """Raise `PlanError` unless all states have the same metrics with equal identities, as far as they are known."""
    first: dict[str, str | None] | None = None
    for state in states:
        keys = state["identities"]
        first = first or dict.fromkeys(keys)
        if keys.keys() != first.keys():
            raise PlanError(f"collections of different metrics: {', '.join(first)}, and {', '.join(keys)}")
        for label, key in keys.items():
            if None not in (key, first[label]) and key != first[label]:
                raise PlanError(
                    f"{label} of two collections would give different numbers: versions, weights or options differ"
                )
            first[label] = first[label] or key
