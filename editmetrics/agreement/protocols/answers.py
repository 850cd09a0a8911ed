"""Answers of yes or no compared with those of most people."""

from __future__ import annotations

import numpy as np

from ..labels import accuracy
from ..result import Line
from .joined import Joined


def answer_accuracy(joined: Joined, dimension: str, rows: np.ndarray | None, group: str) -> Line:
    """The share of answers that are those of most people, capitals and blanks at the ends apart.

    `rows` (rows,) of bool are those of `group`; None for all.
    """
    given, right = joined.texts(f"score.{dimension}"), joined.texts(f"rating.{dimension}")
    rated = np.array([answer is not None for answer in right], bool)
    rated = rated if rows is None else rated & rows
    used = rated & np.array([answer is not None for answer in given], bool)
    correct = [g.strip().casefold() == r.strip().casefold() for g, r in zip(given[used], right[used], strict=True)]
    left_out = int(rated.sum()) - len(correct)
    return joined.line(
        dimension, group, accuracy.name, lambda: accuracy(correct, np.ones(len(correct))), len(correct), left_out
    )
