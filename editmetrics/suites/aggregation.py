"""From the numbers of samples to a benchmark's table: means of means, what is missing, and what a guess would do."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from ..sample import Status
from .definition import Ask, Level, RowBlock, Suite, SuiteColumn, TableLayout
from .rows import selected

Fields = Mapping[str, str]
Items = list[tuple[Fields, float | None]]


@dataclass(frozen=True)
class SuiteRow:
    """One sample of a suite: the fields of its row, its numbers, and what came of each question.

    - `values`: its numbers, by dimension (or by the spec of the metric).
    - `answers`: the values of questions that could be read; `unread`: the status of each question that could not.
    - `script_reads`: the values that the published script reads in the answers of those.
    - `ratios`: its part of each pooled number, as numerator and denominator; `script_ratios`, of a sample without a
      number: its part by the published script.
    - `people`: the numbers that people gave it, by dimension.
    """

    fields: Fields
    values: Mapping[str, float]
    answers: Mapping[str, float] = field(default_factory=dict)
    unread: Mapping[str, Status] = field(default_factory=dict)
    script_reads: Mapping[str, float] = field(default_factory=dict)
    ratios: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    people: Mapping[str, float] = field(default_factory=dict)
    script_ratios: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def number(self, column: SuiteColumn) -> float | None:
        """Its number in a column; None where it has none."""
        return (self.people if column.of_people else self.values).get(column.value)


@dataclass(frozen=True)
class PublishedRule:
    """A number of the table by the published rule for failures: from `low` to `high`, `expected` on average."""

    low: float | None
    expected: float | None
    high: float | None


@dataclass(frozen=True)
class SuiteCell:
    """A number of the table as it is printed, with the count of samples behind it; None with the reason for it.

    `published` is there where answers are missing, and the published script would have made numbers of them. `infinite`
    numbers, such as the PSNR of equal images, are left out of the mean; of `total` rows, `n` are in it.
    """

    value: float | None
    n: int
    reason: str = ""
    published: PublishedRule | None = None
    infinite: int = 0
    total: int = 0


@dataclass(frozen=True)
class BlockResult:
    """One line of a benchmark's table: its cells, and how many of its samples were read, and were not, by status."""

    block: RowBlock
    system: str | None
    total: int
    cells: tuple[SuiteCell, ...]
    unread: Mapping[str, int]
    script_reads: int

    @property
    def read(self) -> int:
        """The number of samples with every number."""
        return self.total - sum(self.unread.values())


@dataclass(frozen=True)
class TableResult:
    """One table of a benchmark, filled."""

    layout: TableLayout
    headings: tuple[str, ...]
    lines: tuple[BlockResult, ...]


def mean_by_levels(items: Items, levels: Sequence[Level]) -> float | None:
    """Return the mean of means of `items`, fields with a number each; None where a group has no number.

    Samples without a number are left out of the first step's means; no later step leaves anything out. A step without
    `groups` has those that its items have.

    >>> items = [({"task": "a"}, 1.0), ({"task": "a"}, 3.0), ({"task": "b"}, 6.0), ({"task": "b"}, None)]
    >>> mean_by_levels(items, [Level(("task",)), Level()]), mean_by_levels(items, [Level()])
    (4.0, 3.3333333333333335)
    >>> mean_by_levels(items, [Level(("task",), groups=("a", "b", "c")), Level()]) is None
    True
    """
    return _steps([(fields, value) for fields, value in items if value is not None], levels)


def _steps(items: Items, levels: Sequence[Level]) -> float | None:
    for level in levels:
        groups: dict[tuple[str, ...], Items] = {(name,): [] for name in level.groups}
        if not level.by:
            groups[()] = []
        for fields, value in items:
            groups.setdefault(tuple(fields.get(name, "") for name in level.by), []).append((fields, value))
        items = [(dict(zip(level.by, key, strict=True)), _mean(group, level)) for key, group in groups.items()]
    if len(items) != 1:
        raise ValueError(f"the last step of an aggregation has no fields, so that one number is left; got {len(items)}")
    return items[0][1]


def filled_table(
    suite: Suite, layout: TableLayout, rows: Mapping[str | None, Sequence[SuiteRow]], judge: str = ""
) -> TableResult:
    """Return the table `layout` of `suite` over `rows`, by system. A block without any sample has no line."""
    asks = suite.judge(judge).asks if suite.judges else ()
    lines = []
    by_system = {None: [row for own in rows.values() for row in own]} if layout.together else rows
    for block in layout.blocks:
        for system, own in by_system.items():
            chosen = [row for row in own if selected(row.fields, block.where)]
            if chosen:
                lines.append(_line(suite, layout, block, system, chosen, asks))
    name = suite.judge(judge).name if suite.judges else ""
    headings = tuple(column.heading.replace("{judge}", name) for column in layout.columns)
    return TableResult(layout, headings, tuple(lines))


def _line(
    suite: Suite,
    layout: TableLayout,
    block: RowBlock,
    system: str | None,
    rows: Sequence[SuiteRow],
    asks: Sequence[Ask],
) -> BlockResult:
    unread: Counter[str] = Counter()
    for row in rows:
        if row.unread:
            unread[_worst(row.unread)] += 1
    cells = tuple(_cell(suite, column, rows, asks) for column in layout.columns)
    return BlockResult(block, system, len(rows), cells, dict(unread), sum(bool(row.script_reads) for row in rows))


def _cell(suite: Suite, column: SuiteColumn, rows: Sequence[SuiteRow], asks: Sequence[Ask]) -> SuiteCell:
    chosen = [row for row in rows if selected(row.fields, column.where)]
    if column.pooled:
        return _pooled(column, chosen)
    value = _number(column, chosen, lambda row: row.number(column))
    numbers = [number for row in chosen if (number := row.number(column)) is not None]
    n = sum(map(math.isfinite, numbers))
    infinite = len(numbers) - n
    if value is None:
        return SuiteCell(None, n, _why_empty(column, chosen), infinite=infinite, total=len(chosen))
    published = None
    missing = not column.of_people and any(row.number(column) is None and _answered(row) for row in chosen)
    if missing and suite.failure.published:
        published = _by_published_rule(suite, column, chosen, {ask.name: ask for ask in asks})
    return SuiteCell(value, n, published=published, infinite=infinite, total=len(chosen))


def _pooled(column: SuiteColumn, rows: Sequence[SuiteRow]) -> SuiteCell:
    def ratio(pairs: Sequence[tuple[float, float]]) -> float:
        above, below = (math.fsum(numbers) for numbers in zip(*pairs, strict=True))
        return column.times * above / below + column.plus

    pairs = [row.ratios[column.value] for row in rows if column.value in row.ratios]
    pairs = [(above, below) for above, below in pairs if below > 0]
    if not pairs:
        return SuiteCell(None, 0, "no sample has a number" if rows else "no sample")
    by_script = [row.script_ratios[column.value] for row in rows if column.value in row.script_ratios]
    published = PublishedRule(*[ratio([*pairs, *by_script])] * 3) if by_script else None
    return SuiteCell(ratio(pairs), len(pairs), published=published, total=len(pairs) + len(by_script))


def _number(column: SuiteColumn, rows: Sequence[SuiteRow], value: Callable[[SuiteRow], float | None]) -> float | None:
    numbered = [(row, number) for row in rows if (number := value(row)) is not None and math.isfinite(number)]
    if column.levels[0].how == "spearman":
        mean = _steps(_correlations(numbered, column), column.levels[1:])
    else:
        mean = mean_by_levels([(row.fields, number) for row, number in numbered], column.levels)
    return None if mean is None else column.times * mean + column.plus


def _correlations(numbered: Sequence[tuple[SuiteRow, float]], column: SuiteColumn) -> Items:
    """The rank correlation with people's ratings in each group of the first step; None where it is undefined."""
    from ..agreement import UndefinedError, srcc

    level, groups = column.levels[0], dict[tuple[str, ...], list[tuple[float, float]]]()
    for row, number in numbered:
        if column.value in row.people:
            key = tuple(row.fields.get(name, "") for name in level.by)
            groups.setdefault(key, []).append((number, row.people[column.value]))
    items: Items = []
    for key, pairs in groups.items():
        try:
            rho = float(srcc(*map(list, zip(*pairs, strict=True))))
        except UndefinedError:  # few, or all alike
            rho = None
        items.append((dict(zip(level.by, key, strict=True)), rho))
    return items


def _by_published_rule(
    suite: Suite, column: SuiteColumn, rows: Sequence[SuiteRow], asks: Mapping[str, Ask]
) -> PublishedRule:
    """The cell with the published script's numbers in the place of answers that it could not read either.

    The mean of a guess is exact: every number that the script may draw counts, for each question of a sample.
    """
    guesses = suite.failure.guesses

    def completed(choose: Callable[[Sequence[float]], Sequence[float]]) -> float | None:
        def value(row: SuiteRow) -> float | None:
            if not _answered(row):
                return row.number(column)
            known = {**row.answers, **row.script_reads}
            names = [value for name in row.unread if name in asks for value in asks[name].values]
            missing = [name for name in names if name not in known]
            if column.failed is not None and missing:
                return column.failed
            if missing and not guesses:
                return None
            draws = itertools.product(*(choose(guesses) for _ in missing))
            drawn = [suite.derive({**known, **dict(zip(missing, draw, strict=True))}) for draw in draws]
            numbers = [values[column.value] for values in drawn if column.value in values]
            return fmean(numbers) if numbers else None

        return _number(column, rows, value)

    expected = completed(lambda every: every)
    if not guesses:
        return PublishedRule(expected, expected, expected)
    low, high = completed(lambda _: (min(guesses),)), completed(lambda _: (max(guesses),))
    return PublishedRule(low, expected, high)


def _answered(row: SuiteRow) -> bool:
    """Tell whether the judge has answered every question, if only by refusing; unavailable ones are asked again."""
    return not any(status in ("unavailable", "skipped") for status in row.unread.values())


def _why_empty(column: SuiteColumn, rows: Sequence[SuiteRow]) -> str:
    if (column.of_people or column.levels[0].how == "spearman") and not any(row.people for row in rows):
        return "no ratings of people"
    for level in column.levels:
        numbered = [row for row in rows if math.isfinite(_or_nan(row.number(column)))]
        present = {tuple(row.fields.get(name, "") for name in level.by) for row in numbered}
        if absent := [name for name in level.groups if (name,) not in present]:
            return f"no number for {', '.join(absent)}"
    return "no sample has a number" if rows else "no sample"


def _or_nan(number: float | None) -> float:
    return math.nan if number is None else number


def _worst(unread: Mapping[str, Status]) -> Status:
    order: tuple[Status, ...] = ("unavailable", "refused", "unparseable", "failed", "skipped")
    return min(unread.values(), key=order.index)


def _mean(group: Items, level: Level) -> float | None:
    values = [value for _, value in group]
    if not values or any(value is None for value in values):
        return None
    if level.how == "fisher":
        mean = math.tanh(fmean(_artanh(value) for value in values if value is not None))
    elif level.weights is None:
        mean = fmean(value for value in values if value is not None)
    else:
        weights = [level.weights[next(iter(fields.values()))] for fields, _ in group]
        mean = math.fsum(w * v for w, v in zip(weights, values, strict=True) if v is not None) / math.fsum(weights)
    if level.how == "tanh":
        mean = math.tanh(mean)
    return mean if level.digits is None else round(mean, level.digits)


def _artanh(value: float) -> float:
    return math.atanh(value) if abs(value) < 1 else math.copysign(math.inf, value)
