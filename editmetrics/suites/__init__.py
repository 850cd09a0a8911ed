"""Suites: the metrics that a benchmark reports, by its name, in the variants of its published script."""

from __future__ import annotations

from ..lazy_table import LazyTable
from ..wording import expected_one_of
from .definition import Reported, Suite, UnknownSuiteError

SUITES: LazyTable[Suite] = LazyTable(
    {
        "pie-bench": "editmetrics.suites.pie_bench",
        "magicbrush": "editmetrics.suites.magicbrush",
        "gedit": "editmetrics.suites.gedit",
    },
    "SUITE",
)
"""From a suite's name to its module here, which is imported on access."""

__all__ = ["SUITES", "Reported", "Suite", "UnknownSuiteError", "suite"]


def suite(name: str) -> Suite:
    """Return the suite called `name`. Raises `UnknownSuiteError` with the closest names for another.

    >>> suite("magicbrush").specs[0]
    'mae:against=reference,resize=edited'
    """
    if name not in SUITES:
        raise UnknownSuiteError(f"no suite is named {name!r}; {expected_one_of(name, SUITES)}")
    return SUITES[name]
