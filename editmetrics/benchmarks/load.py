"""A local copy of a data set, read and checked: its samples, its problems, and what is missing."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..images import ImageError, read_image
from ..images.stand_ins import Deferred
from ..sample import IMAGE_FIELDS, Sample, images_of
from ..wording import first_few, plural
from .benchmark import Benchmark, BenchmarkError
from .catalogue import benchmark
from .checks import KINDS, CopyChecks, Problem, by_kind

if TYPE_CHECKING:
    from ..metric import Metric

logger = logging.getLogger(__name__)

MANY = 5000
"""From this number of image files, a log line announces the check, which then takes seconds."""

SHOWN = 10
"""How many problems of a kind a message lists; others are counted."""

POINTER = b"version https://git-lfs.github.com"
ENDS = {b"\x89PNG\r\n\x1a\n": b"IEND\xaeB`\x82", b"\xff\xd8\xff": b"\xff\xd9"}
"""From the first bytes of a kind of file to its last ones."""


@dataclass(frozen=True)
class Copy:
    """The contents of `folder`.

    - `samples`: all rows, with their ratings in `meta`; also those that `problems` spoil.
    - `missing`: what a complete copy has beyond this one, a line each.
    - `images_checked`: whether the image files were checked.
    - `notes`: contradictions within the authors' own copy, which spoil no sample; a line each.
    """

    benchmark: Benchmark
    folder: Path
    samples: Sequence[Sample]
    problems: Sequence[Problem]
    missing: Sequence[str]
    images_checked: bool
    notes: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """True if the copy has no problems and nothing is missing."""
        return not self.problems and not self.missing

    @property
    def splits(self) -> dict[str, int]:
        """The number of samples in each split; empty without splits."""
        column = self.benchmark.split
        counts = Counter(str(s.meta[column]) for s in self.samples if column and s.meta.get(column) is not None)
        return {name: counts[name] for name in sorted(counts)}

    def chosen(self, split: str | None = None, limit: int | None = None, partial: bool = False) -> EvaluatedPart:
        """Return the rated samples to evaluate, and what they are a part of.

        - `split`: a value of the data set's split column, or "all"; by default the one that the paper evaluates.
        - `limit`: the largest number of samples, drawn by a hash of their ids: reproducible, spread over all groups.
        - `partial`: use what is usable of a copy with problems or missing samples.

        Raises `BenchmarkError`, listing all problems, unless the copy is complete or `partial` is set.
        """
        self._require(partial)
        column, wanted = self.benchmark.split, split or self.benchmark.evaluated
        samples, caveats = [s for s in self.samples if any(name in s.meta for name in self.benchmark.ratings)], []
        if split is not None and column is None:
            raise BenchmarkError(f"{self.benchmark.title} has no splits; omit --split")
        if column is not None and wanted not in (None, "all"):
            if wanted not in self.splits:
                raise BenchmarkError(
                    f"{self.folder} has no {column} {wanted!r}; expected one of {', '.join([*self.splits, 'all'])}"
                )
            samples = [sample for sample in samples if str(sample.meta.get(column)) == wanted]
        total = len(samples)
        if wanted != self.benchmark.evaluated:
            caveats.append(f"every {column}" if wanted == "all" else f"{column} {wanted} alone")
        spoiled = {problem.row for problem in self.problems}
        samples = [sample for sample in samples if sample.id not in spoiled]
        if len(samples) < total:
            caveats.append(f"{total - len(samples):,} of {total:,} rows left out because of problems")
        unread = spoiled - {sample.id for sample in self.samples}
        if self.missing:
            caveats.append("of an incomplete copy")
        elif unread:
            caveats.append(f"without {plural(len(unread), 'row')} that cannot be read")
        if limit is not None and limit < len(samples):
            drawn = set(sorted((s.id for s in samples), key=drawing_order)[:limit])
            caveats.insert(0, f"{limit:,} of {len(samples):,} samples")
            samples = [sample for sample in samples if sample.id in drawn]
        if not samples:
            raise BenchmarkError(f"{self.folder}: nothing is left to evaluate ({'; '.join(caveats) or 'no rows'})")
        return EvaluatedPart(self.benchmark, samples, "; ".join(caveats) or None)

    def _require(self, partial: bool) -> None:
        if any(problem.row is None for problem in self.problems):
            raise BenchmarkError(f"{self.folder} cannot be used:\n{self.report()}")
        if not partial and not self.complete:
            raise BenchmarkError(
                f"{self.folder} is not a complete copy of {self.benchmark.title}:\n{self.report()}\n"
                "Correct or complete it, or use --partial to evaluate what is usable, marked as a part."
            )

    def report(self, shown: int | None = SHOWN) -> str:
        """Return all problems and what is missing: kinds with their counts, the first `shown` of each (None: all)."""
        lines = []
        for kind, problems in by_kind(self.problems).items():
            lines += _listed(
                KINDS[kind], list(dict.fromkeys(map(str, problems))), shown
            )  # one image may spoil many rows
        if self.missing:
            lines += _listed("missing from a complete copy", self.missing, shown)
        return "\n".join(lines)


@dataclass(frozen=True)
class EvaluatedPart:
    """The samples that are evaluated. `caveat` says what they are a part of; None for all that the paper evaluates."""

    benchmark: Benchmark
    samples: Sequence[Sample]
    caveat: str | None

    def unrated(self) -> list[Sample]:
        """Return the samples without their ratings, as metrics and tables of scores get them."""
        known = {*self.benchmark.ratings}
        return [replace(s, meta={k: v for k, v in s.meta.items() if k not in known}) for s in self.samples]

    def edits(self) -> list[Sample]:
        """Return every edit of a data set of pairs once, for metrics of one edit; without ratings, and no rival."""
        edits: dict[str, Sample] = {}
        for sample in self.samples:
            for name, image in ((sample.meta["edit"], sample.edited), (sample.meta["rival_edit"], sample.rival)):
                edits.setdefault(name, Sample(name, edited=image, source=sample.source, prompt=sample.prompt))
        return list(edits.values())

    def samples_for(self, metrics: Sequence[Metric]) -> list[Sample]:
        """Return the samples that `metrics` score: of a data set of pairs, its pairs or, for other metrics, its edits.

        Raises `BenchmarkError` for metrics of both kinds.
        """
        of_pairs = [metric.name for metric in metrics if "rival" in metric.needs]
        if not self.benchmark.pairs or len(of_pairs) == len(metrics):
            return self.unrated()
        if of_pairs:
            raise BenchmarkError(
                f"{', '.join(of_pairs)} compare two edits, and the other metrics score one; evaluate them in two runs"
            )
        return self.edits()

    def rows(self, folder: Path) -> list[dict[str, Any]]:
        """Return the samples as rows of a manifest in `folder`, with their ratings, as `editmetrics fit` reads them.

        Raises `BenchmarkError` for images that are no files.
        """
        rows = []
        for sample in self.samples:
            images = {name: getattr(sample, name) for name in ("source", "edited", "rival")}
            if any(isinstance(image, Deferred) for image in images.values()):
                raise BenchmarkError(
                    f"the images of {self.benchmark.title} are inside its parquet files, which a manifest cannot name"
                )
            row = {name: os.path.relpath(os.path.realpath(path), folder) for name, path in images.items() if path}
            row |= {"prompt": sample.prompt} if sample.prompt else {}
            row |= {"questions": json.dumps(list(sample.questions))} if sample.questions else {}
            rows.append({"id": sample.id, **row, **sample.meta})
        return rows


def load(name: str, folder: str | os.PathLike[str], images: bool = True) -> Copy:
    """Read and check the copy of the data set `name` in `folder`; nothing is downloaded or changed.

    With `images`, every image file is checked: does it exist, and is it complete? Raises `BenchmarkError` for an
    unknown name and for a folder that does not exist; other problems are in the copy's `problems`.
    """
    bench, folder = benchmark(name), Path(folder)
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise BenchmarkError(
            f"{folder} {problem}; expected the folder of {bench.title}: {bench.obtain} See {bench.page}"
        )
    checks = CopyChecks(folder)
    samples = bench.read(folder, checks)
    if not samples and not checks.unusable:
        checks.add("file", str(folder), "has no rows")
    _require_own_images(samples, checks)
    if images:
        _check_images(samples, checks)
    missing = [] if checks.unusable else bench.missing(samples)
    return Copy(bench, folder, samples, checks.problems, missing, images, checks.notes)


def _require_own_images(samples: Sequence[Sample], checks: CopyChecks) -> None:
    """Record samples that judge one image file under several names: it was entered twice.

    An image of a ranked set is in several pairs, under the one name of its edit.
    """
    names: dict[str, dict[str, list[str]]] = {}
    for sample in samples:
        judged = [(sample.edited, "edit"), (sample.rival, "rival_edit")]
        for image, key in judged:
            if isinstance(image, str):
                name = str(sample.meta.get(key, sample.id))
                names.setdefault(os.path.normpath(image), {}).setdefault(name, []).append(sample.id)
    for path, ids in names.items():
        if len(ids) > 1:
            message = f"is judged more than once, as {first_few(ids, 4)}"
            for row in (row for rows in ids.values() for row in rows):
                checks.add("twice", os.path.relpath(path, checks.folder), message, row)


def _check_images(samples: Sequence[Sample], checks: CopyChecks) -> None:
    """Record every image file that is missing or damaged, for each row that it spoils."""
    rows: dict[str, list[str]] = {}
    for sample in samples:
        for field in IMAGE_FIELDS:
            for image in images_of(getattr(sample, field)):
                if isinstance(image, str):
                    rows.setdefault(image, []).append(sample.id)
                elif isinstance(image, Deferred) and (problem := _stored_damage(image)):
                    checks.add("image", f"{sample.id}, {image.column}", problem, sample.id)
    if len(rows) > MANY:
        logger.info("checking %s image files in %s", f"{len(rows):,}", checks.folder)
    for path, problem in damaged(rows).items():
        location = os.path.relpath(path, checks.folder)
        for row in rows[path]:
            checks.add("image", location, problem, row)


def _listed(heading: str, messages: Sequence[str], shown: int | None) -> list[str]:
    more = 0 if shown is None else len(messages) - shown
    return [
        f"  {heading} ({len(messages):,}):",
        *(f"    {message}" for message in messages[:shown]),
        *([f"    ... and {more:,} more"] if more > 0 else []),
    ]


def drawing_order(name: str) -> str:
    """Return the key by which samples are drawn: the same on every machine, in no order of their names."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def damaged(paths: Iterable[str]) -> dict[str, str]:
    """Return why files cannot be used, by path, for those that cannot.

    A download that broke off leaves files that are missing, empty, a pointer in place of a large file, or cut short.
    """
    listed = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(8) as threads:
        return {path: problem for path, problem in zip(listed, threads.map(damage, listed), strict=True) if problem}


def damage(path: str) -> str | None:
    """Return why a file is not a complete image; None if it is one.

    A PNG ends with its IEND chunk and a JPEG with its end marker; only a file that does not is decoded.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            first = file.read(64)
            file.seek(max(size - 12, 0))
            last = file.read()
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not size:
        return "is empty: its download was interrupted"
    if first.startswith(POINTER):
        return "is a Git LFS pointer instead of the image: fetch the files with 'git lfs pull'"
    return None if _is_whole(first, last) else _unreadable(path)


def _stored_damage(image: Deferred) -> str | None:
    """Return why an image inside a table is not complete; None if it is."""
    data = image.read()
    if isinstance(data, bytes) and _is_whole(data[:64], data[-12:]):
        return None
    return _unreadable(data)


def _is_whole(first: bytes, last: bytes) -> bool:
    return any(first.startswith(start) and last.endswith(end) for start, end in ENDS.items())


def _unreadable(image: Any) -> str | None:
    """Return the reason if an image cannot be decoded."""
    try:
        read_image(image)
    except ImageError as error:
        name = image if isinstance(image, str) else ""
        return f"is damaged: {str(error).removeprefix(name).lstrip(': ')}"
    return None
