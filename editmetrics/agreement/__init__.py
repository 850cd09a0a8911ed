"""Scores against human ratings: how well they agree, how sure that is, and which of two scores agrees better.

Nothing here knows a metric: scores and ratings are columns of numbers, whoever made them. Whole tables are taken by
`editmetrics.evaluate`, which looks up the direction of each score; its name here leads to the same function.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .bootstrap import bootstrap_interval
from .correlation import krcc, mae, plcc, rmse, srcc
from .labels import accuracy, auc, balanced_accuracy, best_threshold, f1, f1_positive, precision, recall, specificity
from .logistic import fit_logistic
from .measure import AgreementError, UndefinedError
from .pairwise import calibrated_tie_threshold, pairwise_accuracy
from .result import Agreement
from .significance import paired_test, williams_test

if TYPE_CHECKING:
    from ..evaluation import evaluate

__all__ = [
    "Agreement",
    "AgreementError",
    "UndefinedError",
    "accuracy",
    "auc",
    "balanced_accuracy",
    "best_threshold",
    "bootstrap_interval",
    "calibrated_tie_threshold",
    "evaluate",
    "f1",
    "f1_positive",
    "fit_logistic",
    "krcc",
    "mae",
    "paired_test",
    "pairwise_accuracy",
    "plcc",
    "precision",
    "recall",
    "rmse",
    "specificity",
    "srcc",
    "williams_test",
]


def __getattr__(name: str) -> Any:
    """`evaluate` lives on a higher floor, with the registry below it; this is the same function."""
    if name != "evaluate":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("..evaluation", __name__).evaluate
