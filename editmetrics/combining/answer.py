"""The answer in plain sentences: which metrics, together, predict people's ratings, and which of them could go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..agreement.significance import Comparison
from ..wording import plural
from .statistics import BASELINE

if TYPE_CHECKING:
    from .cross_validation import ColumnImportance, Combined

BASELINE_WORDS = "ridge regression on image statistics, which look at no content"


def sentences(combined: Combined) -> Iterator[str]:
    """Yield the sentences: the agreement, beside the best single column and the baseline; then the columns."""
    measure, line = combined.measure.upper(), combined.line(combined.best)
    unseen = f"images whose {combined.items.grouped_by or 'row'} was held out"
    ends = "" if line.low is None else f" ({line.low:.2f} to {line.high:.2f})"
    columns = combined.items.columns
    together = f"{combined.best} of {columns[0] if len(columns) == 1 else plural(len(columns), 'metric')}"
    yield f"{together} predicts {combined.items.rating} of {unseen} with {measure} {line.value:.2f}{ends}."
    against = {
        combined.single: f"{combined.single}, the best single metric",
        BASELINE: BASELINE_WORDS,
    }
    for name, words in against.items():
        if test := combined.test(name):
            yield _compared(test, words, combined.line(name).value)
    if len(columns) > 1:
        yield from _columns(combined.importance, measure)


def _compared(test: Comparison, words: str, value: float | None) -> str:
    alone = "" if value is None else f" ({value:.2f})"
    interval = f"{test.low:+.2f} to {test.high:+.2f}"
    if test.low == test.high == 0:
        return f"It ranks images as {words}, does{alone}."
    if test.low > 0:
        return f"That is {test.difference:.2f} more than {words}{alone}; the difference is {interval}."
    if test.high < 0:
        return f"That is {-test.difference:.2f} less than {words}{alone}: do not use it; the difference is {interval}."
    shown = f"{test.n:,} items show differences from {test.minimum_detectable:.2f} on"
    return f"It is not detectably better than {words}{alone}: the difference is {interval}, and {shown}."


def _columns(importance: Sequence[ColumnImportance], measure: str) -> Iterator[str]:
    """Needed columns, harmful ones, and those that could go one at a time."""
    needed = sorted((one for one in importance if one.needed), key=lambda one: -one.loss)
    harmful = [one for one in importance if one.harmful]
    rest = [one for one in importance if not one.needed and not one.harmful]
    if needed:
        named = ", ".join(f"{one.column} ({one.loss:.2f})" for one in needed)
        yield f"Needed, with what {measure} loses without it: {named}."
    else:
        yield "No metric is needed: without any one of them, the others do as well, as far as so few items tell."
    if harmful:
        yield f"Better left out: {', '.join(one.column for one in harmful)}."
    if rest:
        names = ", ".join(one.column for one in rest)
        yield f"Nothing detectable is lost without {names if len(rest) == 1 else f'any one of: {names}'}."
    twins = {frozenset((one.column, one.alike[0])): one.alike[1] for one in rest if one.alike}
    for pair, value in twins.items():
        first, second = sorted(pair)
        yield f"{first} and {second} rank images alike (SRCC {value:.2f}), so keep only one of them."
