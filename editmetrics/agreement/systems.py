"""Is one system better than another? The systems of one run, compared on the samples that both have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..data.do_nothing import DO_NOTHING
from ..files.tabular import Tabular
from ..wording import first_few, plural
from .bootstrap import BY_DEFAULT, Resampling
from .differences import Difference, Differences
from .measure import AgreementError

if TYPE_CHECKING:
    import polars


class Scores(NamedTuple):
    """One metric and dimension over all samples: (n,) float, NaN where missing; `known`: False without a direction."""

    name: str
    values: np.ndarray
    higher_is_better: bool = True
    known: bool = True


class Tasks(NamedTuple):
    """The samples of a run, (n,) each.

    - `systems`: the system of each sample, or None. `items`: its task, equal for all systems that solved it, or None.
    - `clusters`: integers from 0; rows of one are drawn together. `clustered_by`: `source`, `sample` or `row`.
    """

    systems: Sequence[str | None]
    items: Sequence[Any]
    clusters: np.ndarray
    clustered_by: str

    def of_rows(self, rows: np.ndarray) -> Tasks:
        """The tasks of these rows."""
        chosen = rows.tolist()
        clusters = np.unique(self.clusters[rows], return_inverse=True)[1]
        return Tasks([self.systems[r] for r in chosen], [self.items[r] for r in chosen], clusters, self.clustered_by)


@dataclass(frozen=True)
class SystemDifference(Difference):
    """`system` against `other` in one column, over the samples that both have: their difference is system - other.

    `mean_a` is the mean of `other`, `mean_b` that of `system`; so a line that is `better` says that `system` is.
    """

    column: str
    system: str | None
    other: str | None

    @property
    def winner(self) -> str | None:
        """The better system; None if the two cannot be told apart."""
        return {"better": self.system, "worse": self.other}.get(self.verdict)


@dataclass(frozen=True)
class Contest:
    """One column: with two systems the first against the second, else the one with the best mean against each other."""

    column: str
    higher_is_better: bool
    lines: Sequence[SystemDifference]

    @property
    def best(self) -> str | None:
        """The system that is better than every other by more than noise; None if there is none."""
        winners = {line.winner for line in self.lines}
        return winners.pop() if len(winners) == 1 else None

    @property
    def closest(self) -> SystemDifference:
        """The line that is hardest to tell apart: by p, then by the size of the effect."""

        def doubt(line: SystemDifference) -> tuple[bool, float, float]:
            return line.verdict == "too few", 1.0 if line.p is None else line.p, -abs(line.effect or 0)

        return max(self.lines, key=doubt)

    @property
    def not_told_apart(self) -> list[str | None]:
        """The systems that are no more than noise away from the leading one."""
        return [line.other for line in self.lines if line.winner is None]


class SystemComparison(Tabular):
    """The result of `compare_systems`: a contest for each column of scores.

    - `systems`: the compared ones. `contests`: by column, in the order of the table. `samples`: the number of tasks
      that all of these systems have.
    - `resampling`: settings of the bootstrap, with the number of resamples that were drawn.

    >>> from editmetrics import score
    >>> results = score("docs/examples/source", "docs/examples/edited", "docs/examples/edited_b", metrics=["mae"])
    >>> results.compare()
    SystemComparison(edited - edited_b, 9 samples)
      mae: +0.01734 (-0.07868 to 0.1192), p = 0.76, cannot be told apart
    """

    def __init__(
        self,
        systems: Sequence[str | None],
        contests: Sequence[Contest],
        samples: int,
        resampling: Resampling,
        clustered_by: str,
    ) -> None:
        self.systems, self.contests, self.samples = list(systems), list(contests), samples
        self.resampling, self.clustered_by = resampling, clustered_by

    def __getitem__(self, column: str) -> Contest:
        for contest in self.contests:
            if contest.column == column:
                return contest
        raise KeyError(f"{column!r}; compared: {', '.join(contest.column for contest in self.contests)}")

    def __iter__(self) -> Iterator[Contest]:
        return iter(self.contests)

    def __len__(self) -> int:
        return len(self.contests)

    @property
    def best(self) -> dict[str, str | None]:
        """By column, the system that is better than every other by more than noise; None if there is none."""
        return {contest.column: contest.best for contest in self.contests}

    def table(self) -> polars.DataFrame:
        """A row for each line of each contest: column, system, other, difference, low, high, p, effect, n, verdict."""
        import polars

        names = ("column", "system", "other", "difference", "low", "high", "p", "effect", "n", "verdict")
        lines = [asdict(line) for contest in self.contests for line in contest.lines]
        columns = {name: [line[name] for line in lines] for name in names}
        return polars.DataFrame(columns, strict=False, infer_schema_length=None)

    def overview(self) -> polars.DataFrame:
        return self.table()

    def __repr__(self) -> str:
        names = [str(name) for name in self.systems]
        versus = f"{names[0]} - {names[1]}" if len(names) == 2 else ", ".join(names)
        lines = [f"SystemComparison({versus}, {plural(self.samples, 'sample')})"]
        return "\n  ".join([*lines, *(_sentence(contest, len(names)) for contest in self.contests)])


def _sentence(contest: Contest, systems: int) -> str:
    line = contest.closest
    which = "" if systems == 2 else f"{line.system} - {line.other} "
    if line.difference is None or line.p is None:
        return f"{contest.column}: {which}too few samples in both"
    verdict = f"{line.winner} is better" if line.winner else "cannot be told apart"
    interval = f"({line.low:.4g} to {line.high:.4g})"
    return f"{contest.column}: {which}{line.difference:+.4g} {interval}, p = {line.p:.2g}, {verdict}"


def compare_systems(
    columns: Sequence[Scores],
    tasks: Tasks,
    systems: Collection[str] = (),
    resampling: Resampling | None = None,
) -> SystemComparison:
    """Compare the systems of a run, two by two, on the samples that both have finite scores of.

    With two systems, each column is the first minus the second; with more, the one with the best mean minus each other.
    Intervals and p are of a paired bootstrap that draws tasks of one source together, and verdicts follow Holm's
    correction for all lines of all columns, as in `editmetrics compare`. A column without a known direction ranks
    nothing and is left out, and so is the system that does nothing.

    - systems: the names of those to compare; by default all.

    Raises `AgreementError` for a system that the run does not have.
    """
    resampling = resampling or BY_DEFAULT
    present = list(dict.fromkeys(tasks.systems))
    if unknown := [name for name in systems if name not in present]:
        names = first_few([str(name) for name in present], 8)
        raise AgreementError(f"no system is named {unknown[0]!r}; expected {names}")
    chosen: list[str | None] = list(systems) or [name for name in present if name != DO_NOTHING]
    rows_of = {name: _by_item(name, tasks) for name in dict.fromkeys(chosen)}
    differences = Differences(tasks.clusters, resampling)
    drafts: list[tuple[Scores, list[tuple[str | None, str | None]]]] = []
    for column in columns:
        scored = _leader_first(column, rows_of) if column.known else []
        pairs = [(scored[0], other) for other in scored[1:]]
        for one, other in pairs:
            shared = [item for item in rows_of[one] if item in rows_of[other]]
            rows, rivals = (np.array([rows_of[name][item] for item in shared], int) for name in (one, other))
            differences.add(rows, column.values[rivals], column.values[rows], column.higher_is_better)
        if pairs:
            drafts.append((column, pairs))
    judged = iter(differences.judged() if drafts else ())
    contests = [
        Contest(
            column.name,
            column.higher_is_better,
            [SystemDifference(**vars(next(judged)), column=column.name, system=a, other=b) for a, b in pairs],
        )
        for column, pairs in drafts
    ]
    shared_by_all = set.intersection(*map(set, rows_of.values())) if rows_of else set()
    settings = Resampling(differences.replicates, resampling.level, resampling.seed)
    return SystemComparison(list(rows_of), contests, len(shared_by_all), settings, tasks.clustered_by)


def _by_item(system: str | None, tasks: Tasks) -> dict[Any, int]:
    """The row of each task that a system solved."""
    return {
        item: row
        for row, (name, item) in enumerate(zip(tasks.systems, tasks.items, strict=True))
        if name == system and item is not None
    }


def _leader_first(column: Scores, rows_of: Mapping[str | None, Mapping[Any, int]]) -> list[str | None]:
    """The systems with a finite score: of two in their order, of more the one with the best mean before the others."""
    means: dict[str | None, float] = {}
    for system, by_item in rows_of.items():
        values = column.values[list(by_item.values())]
        if np.isfinite(values).any():
            means[system] = float(values[np.isfinite(values)].mean())
    if len(rows_of) == 2 or not means:
        return list(means)
    leader = (max if column.higher_is_better else min)(means, key=means.__getitem__)
    return [leader, *(system for system in means if system != leader)]


def tasks_of(
    ids: Sequence[str], systems: Sequence[str | None], sources: Sequence[str | None], prompts: Sequence[str | None]
) -> Tasks:
    """The tasks behind the samples of a run, and which of them a bootstrap draws together.

    A task is the id without the system, or else the source and prompt. Edits of one source are alike, and so are
    several systems' answers to one instruction; where every row has a source of its own, one picture may lie under
    another path for each system, and the task is the better name.
    """
    items = _items(ids, systems, sources, prompts)
    if all(sources) and len(set(sources)) < len(sources):
        names, kind = [str(source) for source in sources], "source"
    elif all(item is not None for item in items) and len(set(items)) < len(items):
        names, kind = [repr(item) for item in items], "sample"
    else:
        return Tasks(systems, items, np.arange(len(items)), "row")
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}  # as in a run of one system alone
    return Tasks(systems, items, np.array([codes[name] for name in names]), kind)


def _items(
    ids: Sequence[str], systems: Sequence[str | None], sources: Sequence[str | None], prompts: Sequence[str | None]
) -> list[Any]:
    if all(system and name.startswith(f"{system}/") for name, system in zip(ids, systems, strict=True)):
        return [name.removeprefix(f"{system}/") for name, system in zip(ids, systems, strict=True)]
    if len(set(systems)) < 2:
        return list(ids)
    tasks = list(zip(sources, prompts, strict=True))
    unique = Counter(zip(systems, tasks, strict=True)).most_common(1)[0][1] == 1
    return [task if unique and any(task) else None for task in tasks]
