"""Means over samples, as a dictionary of floats that knows what they are over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..sample import Dimension, NotScoredError


@dataclass(frozen=True)
class Summary:
    """One metric and dimension over the samples of one system (or all): what a table of results shows of it.

    Mean, spread (standard deviation, n-1) are over the finite scores, the median over all; `infinite` says how many
    are not finite (PSNR of identical images). What was not scored is in none of them: `unscored` counts it by status,
    and as "without it" the samples that have no such dimension.
    """

    column: str
    label: str
    dimension: Dimension
    system: str | None
    n: int
    unscored: dict[str, int]
    infinite: int
    mean: float | None
    median: float | None
    spread: float | None
    best: str | None
    worst: str | None

    @property
    def finite(self) -> int:
        """The number of scores that the mean is over."""
        return self.n - self.infinite

    @property
    def left_out(self) -> dict[str, int]:
        """How many samples are not in the mean, by status; "infinite" for infinite scores."""
        return {**self.unscored, **({"infinite": self.infinite} if self.infinite else {})}


class Mean(float):
    """Mean of one metric and dimension over samples, in its unit: a float, with what it is over.

    - `n`: how many finite scores it is the mean of. `left_out`: how many samples are not in it, by status; `infinite`
      counts infinite scores (PSNR of identical images).
    - `summary`: median, standard deviation, best and worst sample (`Summary`).
    """

    def __new__(cls, summary: Summary) -> Mean:
        return super().__new__(cls, summary.mean)  # type: ignore[arg-type] # `Means` has none without a mean

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.n = summary.finite
        self.left_out = summary.left_out

    def __getnewargs__(self) -> tuple[Summary]:  # type: ignore[override] # for copies
        return (self.summary,)

    def __repr__(self) -> str:
        return f"Mean({_shown(self.summary)})"

    def __str__(self) -> str:
        return float.__repr__(self)


class Means(dict[str, Mean]):
    """From each metric and dimension, named as the columns of a table are, to its `Mean`.

    A metric without a single finite score has no entry: a number is not made up, and a logger is given none. To ask
    for it raises `NotScoredError`, which says why. `summaries` and the `repr` have all.

    >>> from editmetrics import Sample, score
    >>> images = {"edited": "docs/examples/edited/cat.jpg", "source": "docs/examples/source/cat.jpg"}
    >>> means = score([Sample("cat", **images), Sample("dog", **{**images, "source": None})], ["psnr"]).means()
    >>> means
    Means(psnr=28.32 (n=1; 1 skipped))
    >>> f"{means['psnr']:.1f}", means["psnr"].n, means["psnr"].left_out
    ('28.3', 1, {'skipped': 1})
    """

    def __init__(self, summaries: Iterable[Summary]) -> None:
        self.summaries = list(summaries)
        super().__init__({line.column: Mean(line) for line in self.summaries if line.mean is not None})

    def __missing__(self, name: str) -> Mean:
        for line in self.summaries:
            if line.column == name:
                raise NotScoredError(f"{name} has no mean: {counts_of(line.left_out) or 'no samples'}")
        raise KeyError(f"{name!r}; expected one of {', '.join(line.column for line in self.summaries)}")

    def __reduce__(self) -> tuple[type[Means], tuple[list[Summary]]]:
        return type(self), (self.summaries,)

    def __repr__(self) -> str:
        return f"Means({', '.join(f'{line.column}={_shown(line)}' for line in self.summaries)})"


def counts_of(missing: dict[str, int]) -> str:
    """Return the counts in words: "2 failed, 1 skipped"."""
    return ", ".join(f"{count} {status}" for status, count in missing.items())


def _shown(line: Summary) -> str:
    mean = "no number" if line.mean is None else f"{line.mean:.4g}"
    counts = counts_of(line.left_out)
    return f"{mean} (n={line.finite}{f'; {counts}' if counts else ''})"
