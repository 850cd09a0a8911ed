"""Ratings on any scale as X.XX, three digits that a language model can write one by one, and back."""

from __future__ import annotations

from dataclasses import dataclass

from ...sample import EditMetricsError

TOP = 9.99
"""The largest number that the pattern X.XX can hold."""


@dataclass(frozen=True)
class DigitScale:
    """The ratings' scale, from `low` to `high`, and its image on 0.00 to 9.99.

    A scale that lies within 0 to 9.99 (1 to 5, say) is written as it is. Any other is mapped linearly, `low` to 0.00
    and `high` to 9.99: a rating r becomes 9.99 (r - low) / (high - low). Nothing is clamped, and rank and linear
    correlation are what they were. One step of the last digit is (high - low) / 999.

    >>> DigitScale(0, 100).digits(57.3), DigitScale(1, 5).digits(4.4)
    ((5, 7, 2), (4, 4, 0))
    >>> DigitScale(0, 100).rating(5.72)
    57.25725725725726
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high or self.high - self.low == float("inf"):
            raise EditMetricsError(
                f"the label scale is {self.low:g} to {self.high:g}; expected two numbers, the lower first"
            )

    @property
    def as_it_is(self) -> bool:
        """True if ratings are written unchanged."""
        return self.low >= 0 and self.high <= TOP

    @property
    def ends(self) -> tuple[str, str]:
        """Ends of the scale, as the prompt states them."""
        return (f"{self.low:.2f}", f"{self.high:.2f}") if self.as_it_is else ("0.00", f"{TOP:.2f}")

    def number(self, rating: float) -> float:
        """The rating as X.XX. Raises `EditMetricsError` for one outside the scale."""
        if not self.low <= rating <= self.high:
            raise EditMetricsError(f"the rating {rating:g} is outside the label scale {self.low:g} to {self.high:g}")
        number = rating if self.as_it_is else TOP * (rating - self.low) / (self.high - self.low)
        return round(number, 2)

    def digits(self, rating: float) -> tuple[int, int, int]:
        """The three digits of the rating."""
        whole = round(self.number(rating) * 100)
        return whole // 100, whole // 10 % 10, whole % 10

    def rating(self, number: float) -> float:
        """Rating for the number X.XX; it may lie outside the scale if ratings are written unchanged."""
        return number if self.as_it_is else self.low + (self.high - self.low) * number / TOP

    def steps(self, difference: float) -> float:
        """A difference between two ratings as one between numbers X.XX."""
        return difference if self.as_it_is else TOP * difference / (self.high - self.low)

    def size(self, difference: float) -> float:
        """A difference between two numbers X.XX as one between ratings."""
        return difference if self.as_it_is else (self.high - self.low) * difference / TOP
