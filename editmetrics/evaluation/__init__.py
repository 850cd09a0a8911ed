"""Scores against human ratings, as whole tables: the one function behind `editmetrics.evaluate` and the command line.

It stands above the registry of metrics, because the direction of a score is a part of its number: the formulas of
`editmetrics.agreement` take arrays, and know no metric.
"""

from __future__ import annotations

from .options import AgreementOptions
from .protocol import evaluate_protocol
from .tables import evaluate

__all__ = ["AgreementOptions", "evaluate", "evaluate_protocol"]
