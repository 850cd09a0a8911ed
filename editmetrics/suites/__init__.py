"""Suites: benchmarks as published, by name. Built in, or of other packages (entry points `editmetrics.suites`)."""

from __future__ import annotations

from .definition import (
    Ask,
    FailureRule,
    Level,
    PeopleRatings,
    PromptChoice,
    PromptText,
    ProtocolDifference,
    RowBlock,
    RowField,
    Sampling,
    Show,
    Suite,
    SuiteColumn,
    SuiteError,
    SuiteJudge,
    SuiteSource,
    SystemText,
    TableLayout,
    UnknownSuiteError,
)
from .table_of_suites import SUITES, broken_suites, suite, suite_of_spec

__all__ = [
    "SUITES",
    "Ask",
    "FailureRule",
    "Level",
    "PeopleRatings",
    "PromptChoice",
    "PromptText",
    "ProtocolDifference",
    "RowBlock",
    "RowField",
    "Sampling",
    "Show",
    "Suite",
    "SuiteColumn",
    "SuiteError",
    "SuiteJudge",
    "SuiteSource",
    "SystemText",
    "TableLayout",
    "UnknownSuiteError",
    "broken_suites",
    "suite",
    "suite_of_spec",
]
