"""Scores against human ratings: how well they agree, how sure that is, and which of two scores agrees better.

Nothing here knows a metric: scores and ratings are columns of numbers, whoever made them.
"""

from __future__ import annotations

from .bootstrap import bootstrap_interval
from .correlation import krcc, mae, plcc, rmse, srcc
from .evaluate import evaluate
from .labels import accuracy, auc, balanced_accuracy, best_threshold, f1, f1_positive, precision, recall, specificity
from .logistic import fit_logistic
from .measure import AgreementError, UndefinedError
from .pairwise import calibrated_tie_threshold, pairwise_accuracy
from .result import Agreement
from .significance import paired_test, williams_test

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
