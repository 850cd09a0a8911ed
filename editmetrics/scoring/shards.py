"""A run in parts, each a command of its own: `--shard 2/8` scores every eighth sample, `merge` puts the parts together.

For schedulers that start many processes and know nothing of one another. Every part has a table and a record like any
other run; it is resumed by its own command.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..files.rows import require_writable, write_frame
from ..files.writing import replacing
from .record import Record, record_path
from .results import PlanError

if TYPE_CHECKING:
    import polars

T = TypeVar("T")
LINE = "the line of a jsonl table"


@dataclass(frozen=True)
class Shard:
    """The part `index` (from 1) of `count`: the samples number index, index + count, index + 2 count, ...

    >>> Shard.parse("2/3").part_of("abcdefgh"), str(Shard.parse("2/3").output(Path("scores.csv")))
    (['b', 'e', 'h'], 'scores.2-of-3.csv')
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that "2/8" means; `PlanError` for what means none."""
        match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise PlanError(f"{text!r} is not a shard; expected I/N with I from 1 to N, such as 2/8")
        return cls(int(match[1]), int(match[2]))

    def part_of(self, samples: Sequence[T]) -> list[T]:
        """Its samples. Which they are depends on nothing but the samples' order."""
        return list(samples[self.index - 1 :: self.count])

    def output(self, path: Path) -> Path:
        """Where its table lies: `scores.csv` -> `scores.2-of-8.csv`."""
        return path.with_name(f"{path.stem}.{self.index}-of-{self.count}{path.suffix}")

    def size(self, total: int) -> int:
        """How many of `total` samples are its own."""
        return len(range(self.index - 1, total, self.count))


def samples_digest(ids: Iterable[str]) -> str:
    """A digest of all ids in their order, 32 hex digits, which differs between different sets of samples."""
    return hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Merged:
    """The result of `merge`: the numbers of parts, of samples, and of samples without some score."""

    parts: int
    samples: int
    incomplete: int


@dataclass(frozen=True)
class _Part:
    path: Path
    shard: Shard
    run: dict[str, Any]
    lines: list[bytes]


def merge(tables: Sequence[Path], output: Path, *, overwrite: bool = False) -> Merged:
    """Put the tables of all shards of a run, and their records, together: as the run in one process would have written.

    Scores are copied and nothing is computed; the merged record can be resumed, or extended by another metric.

    Raises `PlanError` when a part is missing, unfinished, of another run, or scored under another identity.
    """
    require_writable(output)
    if output.exists() and not overwrite:
        raise PlanError(f"{output} exists; give another -o, or --overwrite")
    if len({Path(path).resolve() for path in tables}) < len(tables):
        raise PlanError("a table is given twice; name each once")
    with ExitStack() as stack:
        parts = sorted((stack.enter_context(_opened(Path(path))) for path in tables), key=lambda part: part.shard.index)
        _require_one_run(parts)
        frames = [_read(part.path, output.suffix) for part in parts]
        for part, frame in zip(parts, frames, strict=True):
            _require_finished(part, frame)
        table = _interleaved(frames)
        if (doubled := table.filter(table["id"].is_duplicated())).height:
            raise PlanError(
                f"{doubled['id'][0]} is in two parts: their samples changed between the runs; score both again"
            )
        with replacing(record_path(output)) as temporary, open(temporary, "wb") as file:
            file.writelines(line for part in parts for line in part.lines)
        if output.suffix.lower() == ".jsonl":
            with replacing(output) as temporary, open(temporary, "w", encoding="utf-8") as file:
                file.writelines(table[LINE])
        else:
            write_frame(table, output)
    incomplete = table.filter(table["problems"].fill_null("") != "").height
    return Merged(len(parts), table.height, incomplete)


@contextmanager
def _opened(path: Path) -> Iterator[_Part]:
    """One part, while no run writes it."""
    journal = record_path(path)
    for needed in (path, journal):
        if not needed.is_file():
            raise PlanError(f"{needed} not found: this part is unfinished, or its record was moved")
    with Record(journal) as record:
        lines = list(record.lines())
        runs = [entry for line in lines if (entry := json.loads(line))["kind"] == "run"]
        if not runs or "shard" not in runs[-1]:
            raise PlanError(f"{path} is not a part of a run: it was not written with --shard")
        yield _Part(path, Shard(*runs[-1]["shard"]), runs[-1], lines)


def _require_one_run(parts: Sequence[_Part]) -> None:
    """Raise unless the parts are all shards of one run, each once, with the same samples and identities."""
    if not parts:
        raise PlanError("there is nothing to merge; name the tables of all shards")
    first = parts[0]
    for part in parts[1:]:
        for name, count in (("shards", part.shard.count), ("samples", part.run["total"])):
            if count != (expected := first.shard.count if name == "shards" else first.run["total"]):
                raise PlanError(f"{part.path} is of a run of {count} {name}, {first.path} of one of {expected}")
        digests = part.run.get("samples_digest"), first.run.get("samples_digest")
        if None not in digests and digests[0] != digests[1]:
            raise PlanError(
                f"{part.path} and {first.path} are parts of other sets of samples: some were added, removed or renamed "
                "between the runs. Run the commands of all shards again; only what changed is scored"
            )
        if (own := _identities(part)) != (others := _identities(first)):
            other = sorted(name for name in own.keys() | others.keys() if own.get(name) != others.get(name))
            raise PlanError(
                f"{part.path} and {first.path} were not scored alike: {', '.join(other)} differs in version, options, "
                "weights or decoder; their records say in what. Score them again with the same versions"
            )
    indices = [part.shard.index for part in parts]
    if missing := sorted(set(range(1, first.shard.count + 1)) - set(indices)):
        raise PlanError(f"shard {', '.join(map(str, missing))} of {first.shard.count} is missing")
    if twice := sorted({index for index in indices if indices.count(index) > 1}):
        raise PlanError(f"shard {twice[0]} of {first.shard.count} is given twice")


def _identities(part: _Part) -> dict[str, str]:
    return {metric["label"]: metric["identity"] for metric in part.run["metrics"]}


def _require_finished(part: _Part, frame: polars.DataFrame) -> None:
    """Raise unless the table has every sample of the shard, and the record every score of the table."""
    expected = part.shard.size(part.run["total"])
    wanted = {
        (id_, metric["identity"], dimension)
        for id_ in frame["id"]
        for metric in part.run["metrics"]
        for dimension in metric["dimensions"]
    }
    missing: set[tuple[str, str, str]] = set(wanted)
    for line in part.lines:
        entry = json.loads(line)
        if entry["kind"] == "score":
            key = (entry["id"], entry["identity"], entry["dimension"])
            (missing.add if entry["status"] == "unavailable" else missing.discard)(key)
    wanted &= missing
    if frame.height != expected or wanted:
        shard = f"{part.shard.index}/{part.shard.count}"
        raise PlanError(f"{part.path} is not finished; resume it with its command (--shard {shard})")


def _read(path: Path, suffix: str) -> polars.DataFrame:
    """A table as it stands: of a csv the text and of a jsonl its lines, so that no digit is lost."""
    import polars

    if path.suffix.lower() != suffix.lower():
        raise PlanError(f"{path} is merged into a table of the same format; give -o a name that ends in {path.suffix}")
    if suffix.lower() == ".csv":
        return polars.read_csv(path, infer_schema=False)
    if suffix.lower() == ".parquet":
        return polars.read_parquet(path)
    lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: a prompt may hold other line separators
    lines = [f"{line}\n" for line in lines if line]
    rows = [json.loads(line) for line in lines]
    return polars.DataFrame({name: [row.get(name) for row in rows] for name in ("id", "problems")} | {LINE: lines})


def _interleaved(frames: Iterable[polars.DataFrame]) -> polars.DataFrame:
    """The rows in the order of the run's samples: the first of each part, the second of each, ..."""
    import polars

    order = "row of its part"
    numbered = [frame.with_row_index(order) for frame in frames]
    whole = polars.concat(numbered, how="diagonal_relaxed").sort(order, maintain_order=True).drop(order)
    last = [name for name in whole.columns if name == "problems"]  # a column that the first part lacks comes after it
    return whole.select([name for name in whole.columns if name not in last] + last)
