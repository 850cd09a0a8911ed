"""Match score columns with rating columns, and read the numbers of both over the rated items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..files.headings import MOS_NAMES, headed
from ..files.notes import note_once
from ..wording import first_few
from .columns import Table
from .join import Join
from .measure import AgreementError, Floats

Pairs = Mapping[str, str] | Sequence[tuple[str, str]] | None


def match_columns(scores: Table, ratings: Table, pairs: Pairs, positive: str | None = None) -> list[tuple[str, str]]:
    """Return (score column, rating column) pairs: `pairs`, else equal names, else all scores with the only rating (or
    the only one called `mos`, `score`, `rating`, ...).

    For `METRIC.DIMENSION`, the dimension alone is an equal name, too. Raises `AgreementError` when no columns match.
    """
    if pairs:
        listed = list(pairs.items() if isinstance(pairs, Mapping) else pairs)
        for score, rating in listed:
            scores.column(score)
            ratings.column(rating)
        return listed
    scored = scores.measured()
    rated = ratings.measured()
    if positive is not None:
        rated += [name for name in ratings.columns if name not in rated and positive in ratings.texts(name)]
    for table, measured in ((scores, scored), (ratings, rated)):
        if not measured:
            raise AgreementError(
                f"{table.name} has no column of numbers or labels; its columns: {', '.join(table.columns)}"
            )
    if len(rated) == 1 and scored != rated:
        return [(score, rated[0]) for score in scored if score != rated[0]]
    matched = [(score, rating) for score in scored for rating in (score, score.partition(".")[2]) if rating in rated]
    if not matched and len(named := headed(rated, MOS_NAMES)) == 1:
        note_once(f"{ratings.name}: {named[0]!r} is taken as the rating (--pair SCORE=RATING chooses another)")
        return [(score, named[0]) for score in scored if score != named[0]]
    if not matched:
        raise AgreementError(
            f"no score is named after a rating; name the columns: --pair {scored[0]}={rated[0]} (pairs= in Python). "
            f"Scores: {', '.join(scored)}; ratings: {', '.join(rated)}"
        )
    return matched


class RatedItems:
    """The rows of the ratings, with their cells in both tables."""

    def __init__(self, scores: Table, ratings: Table, joined: Join) -> None:
        self.scores, self.ratings, self.joined = scores, ratings, joined

    def __len__(self) -> int:
        return len(self.ratings)

    def has(self, column: str) -> bool:
        return column in self.ratings or column in self.scores

    def texts(self, column: str) -> np.ndarray:
        """Return a descriptive column (rated,) as text, of the ratings or else of the scores; None for empty cells."""
        if column in self.ratings:
            return np.array(self.ratings.texts(column), dtype=object)
        if column not in self.scores:
            raise AgreementError(
                f"neither {self.ratings.name} nor {self.scores.name} has a column {column!r}; they have "
                f"{', '.join(dict.fromkeys([*self.ratings.columns, *self.scores.columns]))}"
            )
        cells = np.array([*self.scores.texts(column), None], dtype=object)
        return cells[self.joined.score_row]  # -1, for no row, is the None at the end

    def are_labels(self, rating: str, positive: str | None) -> bool:
        """Whether a rating column holds labels: yes and no, 1 and 0, or words of which `positive` is one."""
        return self._is_positive(rating, positive) or self.ratings.are_labels(rating)

    def numbers(
        self, score: str, rating: str, scale: tuple[float, float] | None, positive: str | None
    ) -> tuple[Floats, Floats, np.ndarray]:
        """Return scores and ratings (rated,), NaN for missing ones, and why each item is left out (rated,), else ""."""
        if self._is_positive(rating, positive):
            y, problems = self._positives(rating, positive)
        else:
            y, problems = self.ratings.numbers(rating)
        reasons = np.array([_reason(problem, "rating") for problem in problems], dtype=object)
        if scale is not None:
            outside = (reasons == "") & ~((y >= scale[0]) & (y <= scale[1]))
            reasons[outside] = f"rating out of the scale {scale[0]:g} to {scale[1]:g}"
        values, problems = self.scores.numbers(score)
        row = self.joined.score_row
        x = np.where(row >= 0, values[row], np.nan)
        score_problems = np.where(row >= 0, problems[row], "no row")
        for item in np.flatnonzero((reasons == "") & (score_problems != "")):
            reasons[item] = _reason(score_problems[item], "score")
        return x, y, reasons

    def excluded(self, reasons: np.ndarray, score: str, rating: str) -> list[str]:
        """Return a note for each reason to leave out items: their number, and the first of them."""
        return [
            f"{score} with {rating}: {int((reasons == reason).sum())} left out, {reason}: "
            f"{first_few(self.joined.ids[reasons == reason])}"
            for reason in dict.fromkeys(reasons.tolist())
            if reason and reason != NO_ROW  # the join notes these once for all columns
        ]

    def _is_positive(self, rating: str, positive: str | None) -> bool:
        return positive is not None and positive in self.ratings.texts(rating)

    def _positives(self, rating: str, positive: str | None) -> tuple[Floats, np.ndarray]:
        cells = self.ratings.texts(rating)
        values = np.array([np.nan if cell is None else float(cell == positive) for cell in cells])
        return values, np.where(np.isnan(values), "missing", "").astype(object)


NO_ROW = "no row in the scores"


def _reason(problem: str, noun: str) -> str:
    words = {
        "": "",
        "no row": NO_ROW,
        "missing": f"no {noun}",
        "infinite": f"infinite {noun}",
        "not a number": f"{noun} is not a number",
    }
    return words[problem]
