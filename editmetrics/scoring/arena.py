"""Arenas: systems that edited the same sources, asked about two by two, or scored one by one and then compared."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from ..agreement.systems import tasks_of
from ..files.headings import TASK_COLUMNS
from ..metric import Metric
from ..pairs.asking import Asking, Duel, balanced_order, most_informative
from ..pairs.battles import Battle, Battles, battles_of
from ..registry import create_metric
from ..sample import Sample
from ..wording import expected_one_of, first_few
from .beside import compares_pairs
from .results import Column, PlanError, Results
from .run import score

ROUNDS = 10
"""Parts of a budget that adaptive questions are asked in; after each, the next are chosen."""


@dataclass(frozen=True)
class ArenaOptions:
    """Which pairs are asked about, and how scores of single images become battles.

    - `ask`: "all" pairs of two systems with a task in common; "sampled", a random part of which each two systems have
      equally many; or "adaptive", those that tell most about the ratings, chosen in parts by the answers so far.
    - `budget`: the number of pairs at most; a judge answers two requests for each pair, round and aspect.
    - `seed`: of the sampling.
    - `tie_threshold`: scores of single images that differ by no more are a tie.
    - `task`: the column that names the kind of edit; by default `task`, `task_type`, `edit_type` or `category`.

    Raises `PlanError` for a part of all pairs without a budget.
    """

    ask: Asking = "all"
    budget: int | None = None
    seed: int = 0
    tie_threshold: float = 0.0
    task: str | None = None

    def __post_init__(self) -> None:
        if self.ask not in ("all", "sampled", "adaptive"):
            raise PlanError(f"ask is {self.ask!r}; expected all, sampled or adaptive")
        if (self.budget is None) != (self.ask == "all"):
            raise PlanError("a budget goes with ask=sampled and ask=adaptive, and both need one: the number of pairs")
        if self.budget is not None and self.budget < 1:
            raise PlanError(f"the budget is {self.budget}; expected 1 pair or more")


@dataclass(frozen=True)
class ArenaPlan:
    """The samples that `arena` would score.

    - `samples`: pairs, of which `rival` is the second edit; or single images. `duels`: the number of pairs of each two
      systems. `known`: how many of the pairs are known beforehand; which others are asked about depends on the answers,
      so that these stand for as many.
    """

    samples: Sequence[Sample]
    duels: Mapping[tuple[str, str], int]
    known: int


@dataclass(frozen=True)
class ArenaRun:
    """The result of `arena`: the scores, and the battles of all judges that they make (None where there are none)."""

    results: Results
    battles: Battles | None

    def by_judge(self) -> Iterator[tuple[str, Battles]]:
        """Yield the battles of each judge, by the label of its metric."""
        for column in self.results.columns:
            if self.battles is not None and (chosen := self.battles.judges == column.label).any():
                yield column.label, replace(self.battles.where(chosen), left_out=self.left_out(column))

    def left_out(self, column: Column) -> Mapping[str, int]:
        """Return how many pairs, or samples, have no score, by status."""
        scores = (self.results.get(index, column) for index in range(len(self.results)))
        counted = Counter(score.status for score in scores if not score.ok)
        return {f"{status}, by {column.label}": count for status, count in counted.items()}


Compute = Callable[[Sequence[Sample], Sequence[Metric]], Results]


def arena(
    samples: Sequence[Sample],
    metrics: str | Metric | Sequence[str | Metric],
    options: ArenaOptions | None = None,
    *,
    run: Compute | None = None,
    **run_options: Any,
) -> ArenaRun:
    """Compare systems two by two on the tasks that both have.

    - samples: with `meta["system"]`; a task is a sample's id without the system, or its source and prompt.
    - metrics: those that compare two edits (`pair_judge`) are asked about pairs; any others score each image once, and
      the better score wins the pair. A run has metrics of one kind.
    - run_options: of `score`, such as `output="battles.csv"`, from whose record the same call resumes.
    - run: called in place of `score` with samples and metrics, to show progress.

    Raises `PlanError` for a single system, systems without a task in common, and metrics of both kinds or without a
    direction.

    >>> from editmetrics.data import find_samples
    >>> found = find_samples(["docs/examples/source", "docs/examples/edited", "docs/examples/edited_b"])
    >>> battles = arena(list(found), "ssim").battles
    >>> battles.systems, len(battles)
    (('edited', 'edited_b'), 9)
    """
    chosen = options or ArenaOptions()
    created = _created(metrics, run_options.get("device"))
    field, of_pairs = _field(samples, created, chosen)
    compute: Compute = run or (lambda rows, columns: score(rows, columns, **run_options))
    if of_pairs:
        return _asked(field, created, chosen, compute)
    results = compute([*samples], created)
    battles = [battle for column in results.columns for battle in _by_score(field, results, column, chosen)]
    return ArenaRun(results, _joined(battles, field))


def arena_plan(
    samples: Sequence[Sample], metrics: str | Metric | Sequence[str | Metric], options: ArenaOptions | None = None
) -> ArenaPlan:
    """Return what `arena` would score or ask about, with its arguments; nothing is read or computed.

    Raises `PlanError` as `arena` does.

    >>> from editmetrics.data import find_samples
    >>> found = find_samples(["docs/examples/source", "docs/examples/edited", "docs/examples/edited_b"])
    >>> arena_plan(list(found), "pair_judge", ArenaOptions("sampled", 4)).duels
    {('edited', 'edited_b'): 4}
    """
    chosen = options or ArenaOptions()
    field, of_pairs = _field(samples, _created(metrics, None), chosen)
    if not of_pairs:
        duels = {tuple(field.systems[n] for n in duel): len(tasks) for duel, tasks in field.duels().items()}
        return ArenaPlan([*samples], duels, sum(duels.values()))  # type: ignore[arg-type]
    order = _order(field, chosen)[: chosen.budget]
    known = _first_part(field, chosen) if chosen.ask == "adaptive" and chosen.budget else len(order)
    counted = Counter((field.systems[one], field.systems[other]) for (one, other), _ in order)
    return ArenaPlan([field.pair(duel, task) for duel, task in order], dict(counted), min(known, len(order)))


def _created(metrics: str | Metric | Sequence[str | Metric], device: str | None) -> list[Metric]:
    specs = [metrics] if isinstance(metrics, (str, Metric)) else list(metrics)
    return [spec if isinstance(spec, Metric) else create_metric(spec, device=device) for spec in specs]


def _field(samples: Sequence[Sample], metrics: Sequence[Metric], options: ArenaOptions) -> tuple[_Field, bool]:
    """The systems and their tasks, and whether the metrics compare pairs; `PlanError` for options that do not fit."""
    kinds = {"rival" in metric.required() for metric in metrics}
    if len(kinds) != 1:
        names = first_few([metric.label for metric in metrics])
        raise PlanError(f"an arena takes metrics of pairs or of single images, one kind in a run; it has {names}")
    field = _Field.of(samples, options.task)
    if True not in kinds and options.ask != "all":
        raise PlanError("scores of single images compare all pairs at no cost; leave out ask and budget")
    return field, True in kinds


@dataclass(frozen=True)
class _Field:
    """The systems of an arena, and the sample of each in each task; `tasks`: the kind of edit of each sample."""

    systems: list[str]
    samples: list[dict[str, int]]
    all: Sequence[Sample]
    task: str | None

    @classmethod
    def of(cls, samples: Sequence[Sample], task: str | None) -> _Field:
        systems = [sample.meta.get("system") for sample in samples]
        names = [str(name) for name in dict.fromkeys(systems) if name is not None]
        if len(names) < 2 or None in systems:
            raise PlanError(
                f"an arena needs two systems or more; these samples have {first_few(names) or 'none'}: give a folder "
                "for each, sources/ model_a/ model_b/, or a column system (--map system=COLUMN)"
            )
        sources = [_path(sample.source) for sample in samples]
        items = tasks_of([s.id for s in samples], [str(s) for s in systems], sources, [s.prompt for s in samples]).items
        rows: list[dict[str, int]] = [{} for _ in names]
        for index, (system, item) in enumerate(zip(systems, items, strict=True)):
            if item is not None:
                rows[names.index(str(system))][repr(item)] = index
        columns = dict.fromkeys(key for sample in samples for key in sample.meta)
        if task is not None and task not in columns:
            raise PlanError(f"no sample has the column {task!r}; {expected_one_of(task, columns)}")
        column = task or next((name for name in TASK_COLUMNS if name in columns), None)
        return cls(names, rows, samples, column)

    def duels(self) -> dict[Duel, list[str]]:
        """The tasks that each two systems have in common."""
        pairs = combinations(range(len(self.systems)), 2)
        shared = {(a, b): [name for name in self.samples[a] if name in self.samples[b]] for a, b in pairs}
        if not any(shared.values()):
            raise PlanError("no two systems have a task in common: neither ids without the system, nor sources agree")
        return {duel: names for duel, names in shared.items() if names}

    def pair(self, duel: Duel, task: str) -> Sample:
        """The sample of two systems: the edit of the first, with that of the second as its rival."""
        one, other = (self.all[self.samples[system][task]] for system in duel)
        rival = self.systems[duel[1]]
        return replace(one, id=f"{one.id} vs {rival}", rival=other.edited, meta={**one.meta, "rival_system": rival})

    def facts(self, sample: Sample, task: str) -> dict[str, Any]:
        """Source and kind of edit of a battle."""
        kind = sample.meta.get(self.task) if self.task else None
        return {"source": _path(sample.source) or task, "task": None if kind is None else str(kind)}


def _asked(field: _Field, metrics: Sequence[Metric], options: ArenaOptions, compute: Compute) -> ArenaRun:
    """Ask about pairs; adaptively in parts, each with all that was asked before, which the record answers."""
    order = _order(field, options)
    if options.ask != "adaptive" or options.budget is None:
        return _answered(field, order[: options.budget], metrics, compute)
    size = _first_part(field, options)
    chosen, waiting = order[:size][: options.budget], order[size:]
    while True:
        ran = _answered(field, chosen, metrics, compute)
        count = min(size, options.budget - len(chosen))
        if count < 1 or not waiting or ran.results.unavailable:
            return ran
        points = np.zeros((len(field.systems),) * 2)
        if ran.battles is not None:
            names = [field.systems.index(name) for name in ran.battles.systems]
            points[np.ix_(names, names)] = ran.battles.points()
        for duel in most_informative(points, Counter(duel for duel, _ in waiting), count):
            following = next(entry for entry in waiting if entry[0] == duel)
            waiting.remove(following)
            chosen.append(following)


def _order(field: _Field, options: ArenaOptions) -> list[tuple[Duel, str]]:
    """All pairs of two systems, in the order in which they are asked about."""
    duels = field.duels()
    if options.ask == "all":
        return [(duel, task) for duel, tasks in duels.items() for task in tasks]
    return balanced_order(duels, options.seed)


def _first_part(field: _Field, options: ArenaOptions) -> int:
    """The number of pairs in each part of a budget that is spent adaptively."""
    return max(len(field.systems), -(-(options.budget or 0) // ROUNDS))


def _answered(
    field: _Field, order: Sequence[tuple[Duel, str]], metrics: Sequence[Metric], compute: Compute
) -> ArenaRun:
    pairs = [field.pair(duel, task) for duel, task in order]
    results = compute(pairs, metrics)
    battles = []
    for column in filter(compares_pairs, results.columns):
        for index, (duel, task) in enumerate(order):
            ended = results.get(index, column)
            if ended.ok and "outcome" in ended.details:
                one, other = (field.systems[system] for system in duel)
                orders = tuple(ended.details["orders"]) if ended.details.get("orders") else None
                facts = field.facts(pairs[index], task)
                name = f"{task} {one} {other}"
                battles.append(
                    Battle(one, other, ended.details["outcome"], judge=column.label, id=name, orders=orders, **facts)
                )
    return ArenaRun(results, _joined(battles, field))


def _by_score(field: _Field, results: Results, column: Column, options: ArenaOptions) -> Iterator[Battle]:
    """The battles of a metric of single images: the better score wins, close ones tie."""
    dimension = column.metric.primary()
    if dimension.higher_is_better is None:
        raise PlanError(f"{column.label} has no known direction, so that no score of it is better than another")
    values = results.values(column, dimension.name) * (1 if dimension.higher_is_better else -1)
    for (a, b), tasks in field.duels().items():
        for task in tasks:
            one, other = field.samples[a][task], field.samples[b][task]
            if np.isnan(values[one]) or np.isnan(values[other]):
                continue
            lead = 0.0 if values[one] == values[other] else float(values[one] - values[other])  # both may be infinite
            outcome: Any = "tie" if abs(lead) <= options.tie_threshold else "win" if lead > 0 else "loss"
            facts = field.facts(field.all[one], task)
            name = f"{task} {field.systems[a]} {field.systems[b]}"
            yield Battle(field.systems[a], field.systems[b], outcome, judge=column.label, id=name, **facts)


def _path(source: Any) -> str | None:
    """The path of a source; None for images in memory, and for several."""
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else None


def _joined(battles: list[Battle], field: _Field) -> Battles | None:
    """All battles as arrays; None without any. Where both orders were asked, positions are known."""
    asked = any(battle.orders is not None for battle in battles)
    return battles_of(battles, systems=field.systems, positions=asked) if battles else None
