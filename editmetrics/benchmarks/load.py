"""A local copy of a data set, read and checked: its samples, everything that is wrong, and what it lacks."""

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
from typing import Any

from ..images import ImageError, read_image
from ..sample import IMAGE_FIELDS, Sample
from ..wording import first_few
from .benchmark import Benchmark, BenchmarkError
from .catalogue import benchmark
from .findings import KINDS, Findings, Problem, by_kind

logger = logging.getLogger(__name__)

MANY = 5000
"""More image files than this take seconds to look at, and a line says so."""

SHOWN = 10
"""So many problems of a kind are listed in a message; the rest is counted."""

POINTER = b"version https://git-lfs.github.com"
ENDS = {b"\x89PNG\r\n\x1a\n": b"IEND\xaeB`\x82", b"\xff\xd8\xff": b"\xff\xd9"}
"""From the first bytes of a kind of file to its last ones."""


@dataclass(frozen=True)
class Copy:
    """What was found in `folder`.

    - `samples`: all rows, with their ratings in `meta`; also those that `problems` spoil.
    - `problems`: what is wrong. `missing`: what a complete copy has beyond this one, a line each.
    - `images_checked`: whether the image files were looked at.
    """

    benchmark: Benchmark
    folder: Path
    samples: Sequence[Sample]
    problems: Sequence[Problem]
    missing: Sequence[str]
    images_checked: bool

    @property
    def complete(self) -> bool:
        return not self.problems and not self.missing

    @property
    def splits(self) -> dict[str, int]:
        """How many samples each split has; empty where there are none."""
        column = self.benchmark.split
        found = Counter(str(s.meta[column]) for s in self.samples if column and s.meta.get(column) is not None)
        return {name: found[name] for name in sorted(found)}

    def chosen(self, split: str | None = None, limit: int | None = None, partial: bool = False) -> Part:
        """The rated samples that are to be evaluated, and what they are a part of.

        - `split`: a value of the data set's split column, or "all"; by default the one that the paper evaluates.
        - `limit`: so many of them, drawn by a hash of their ids: the same on every machine, spread over all groups.
        - `partial`: go on with what is usable when something is wrong or missing.

        Raises `BenchmarkError`, with everything that is wrong, unless the copy is complete or `partial` is asked for.
        """
        self._require(partial)
        column, wanted = self.benchmark.split, split or self.benchmark.evaluated
        samples, said = [s for s in self.samples if any(name in s.meta for name in self.benchmark.ratings)], []
        if split is not None and column is None:
            raise BenchmarkError(f"{self.benchmark.title} has no splits; leave --split away")
        if column is not None and wanted not in (None, "all"):
            if wanted not in self.splits:
                raise BenchmarkError(
                    f"{self.folder} has no {column} {wanted!r}; there are {', '.join(self.splits) or 'none'}, and all"
                )
            samples = [sample for sample in samples if str(sample.meta.get(column)) == wanted]
        of = len(samples)
        if wanted != self.benchmark.evaluated:
            said.append(f"every {column}" if wanted == "all" else f"{column} {wanted} alone")
        spoiled = {problem.row for problem in self.problems}
        samples = [sample for sample in samples if sample.id not in spoiled]
        if len(samples) < of:
            said.append(f"{of - len(samples):,} of {of:,} rows left out for what is wrong with them")
        if self.missing:
            said.append("of an incomplete copy")
        if limit is not None and limit < len(samples):
            drawn = set(sorted((s.id for s in samples), key=_drawn)[:limit])
            said.insert(0, f"{limit:,} of {len(samples):,} samples")
            samples = [sample for sample in samples if sample.id in drawn]
        if not samples:
            raise BenchmarkError(f"{self.folder}: nothing is left to evaluate ({'; '.join(said) or 'no rows'})")
        return Part(self.benchmark, samples, "; ".join(said) or None)

    def _require(self, partial: bool) -> None:
        if any(problem.row is None for problem in self.problems):
            raise BenchmarkError(f"{self.folder} cannot be used:\n{self.report()}")
        if not partial and not self.complete:
            raise BenchmarkError(
                f"{self.folder} is no complete copy of {self.benchmark.title}:\n{self.report()}\n"
                "Mend or complete it, or use --partial to go on with what is usable, marked as a part."
            )

    def report(self, shown: int | None = SHOWN) -> str:
        """Everything that is wrong or missing: kinds with their counts, the first `shown` of each (None: all)."""
        lines = []
        for kind, problems in by_kind(self.problems).items():
            found = list(dict.fromkeys(map(str, problems)))  # one image may cost many rows
            lines.append(f"  {KINDS[kind]} ({len(found):,}):")
            lines += [f"    {said}" for said in found[:shown]]
            if shown is not None and len(found) > shown:
                lines.append(f"    ... and {len(found) - shown:,} more")
        if self.missing:
            lines.append(f"  missing from a complete copy ({len(self.missing):,}):")
            lines += [f"    {said}" for said in self.missing[:shown]]
            if shown is not None and len(self.missing) > shown:
                lines.append(f"    ... and {len(self.missing) - shown:,} more")
        return "\n".join(lines)


@dataclass(frozen=True)
class Part:
    """The samples that are evaluated. `said` is what they are a part of, in words; None for the whole of what the paper
    evaluates."""

    benchmark: Benchmark
    samples: Sequence[Sample]
    said: str | None

    def unrated(self) -> list[Sample]:
        """The samples without their ratings: what a metric sees, and what a table of scores tells."""
        known = {*self.benchmark.ratings}
        return [replace(s, meta={k: v for k, v in s.meta.items() if k not in known}) for s in self.samples]

    def rows(self, folder: Path) -> list[dict[str, Any]]:
        """The samples as rows of a manifest in `folder`, with their ratings: what `editmetrics fit` trains on."""
        rows = []
        for sample in self.samples:
            images = {name: getattr(sample, name) for name in ("source", "edited")}
            row = {name: os.path.relpath(os.path.realpath(path), folder) for name, path in images.items() if path}
            row |= {"prompt": sample.prompt} if sample.prompt else {}
            row |= {"questions": json.dumps(list(sample.questions))} if sample.questions else {}
            rows.append({"id": sample.id, **row, **sample.meta})
        return rows


def load(name: str, folder: str | os.PathLike[str], images: bool = True) -> Copy:
    """Read and check the copy of the data set `name` in `folder`; nothing is downloaded, nothing is changed.

    `images` looks at every image file, too: is it there, and is it whole? Raises `BenchmarkError` for an unknown name
    and for a folder that is not there; whatever else is wrong is in the copy's `problems`.
    """
    found, folder = benchmark(name), Path(folder)
    if not folder.is_dir():
        said = "is a file" if folder.exists() else "does not exist"
        raise BenchmarkError(f"{folder} {said}; expected the folder of {found.title}: {found.obtain} See {found.page}")
    findings = Findings(folder)
    samples = found.read(folder, findings)
    if not samples and not findings.unusable:
        findings.add("file", str(folder), "has no rows")
    _require_own_images(samples, findings)
    if images:
        _check_images(samples, findings)
    missing = [] if findings.unusable else found.missing(samples)
    return Copy(found, folder, samples, findings.problems, missing, images)


def _require_own_images(samples: Sequence[Sample], findings: Findings) -> None:
    """Say which samples judge the same image file: one of them was entered twice, under two names."""
    rows: dict[str, list[str]] = {}
    for sample in samples:
        if isinstance(sample.edited, str):
            rows.setdefault(os.path.normpath(sample.edited), []).append(sample.id)
    for path, ids in rows.items():
        if len(set(ids)) > 1:
            said = f"is judged more than once, as {first_few(ids, 4)}"
            for row in ids:
                findings.add("twice", os.path.relpath(path, findings.folder), said, row)


def _check_images(samples: Sequence[Sample], findings: Findings) -> None:
    """Every image file that is missing or damaged, said once, and what rows it costs."""
    rows: dict[str, list[str]] = {}
    for sample in samples:
        for field in IMAGE_FIELDS:
            image = getattr(sample, field)
            if isinstance(image, str):
                rows.setdefault(image, []).append(sample.id)
    if len(rows) > MANY:
        logger.info("looking at %s image files in %s", f"{len(rows):,}", findings.folder)
    for path, said in damaged(rows).items():
        place = os.path.relpath(path, findings.folder)
        for row in rows[path]:
            findings.add("image", place, said, row)


def _drawn(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def damaged(paths: Iterable[str]) -> dict[str, str]:
    """For each file that cannot be used, why. Files are looked at by several threads."""
    listed = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(8) as threads:
        return {path: said for path, said in zip(listed, threads.map(damage, listed), strict=True) if said}


def damage(path: str) -> str | None:
    """Why the file `path` is no whole image; None when it is one."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            first = file.read(64)
            file.seek(max(size - 12, 0))
            last = file.read()
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not size:
        return "is empty: its download broke off"
    if first.startswith(POINTER):
        return "is a pointer of Git LFS and not the image: fetch the files with 'git lfs pull'"
    if any(first.startswith(start) and last.endswith(end) for start, end in ENDS.items()):
        return None
    try:
        read_image(path)
    except ImageError as error:
        return f"is damaged: {str(error).removeprefix(path).lstrip(': ')}"
    return None
