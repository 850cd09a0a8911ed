"""The monotone logistic curve from scores to ratings, with 4 or 5 parameters, fitted alike on every scale.

A metric's scores and people's ratings need not be on a line for the metric to be right, so PLCC and RMSE are also taken
after a monotone curve has been fitted. How it is fitted changes the numbers: from the usual first guess, the search for
a curve of 0-100 scores can stop early and report a correlation that is lower by .01 and more.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from .bootstrap import LEVEL, cluster_codes
from .measure import AgreementError, Floats, UndefinedError, paired

Direction = Literal["increasing", "decreasing"]

CENTRES, WIDTHS = 9, (0.05, 0.15, 0.5, 1.5, 5.0)
"""The starts: centres over the range of the scores and beyond, widths in standard deviations of the scores."""

SEARCHED = 4
"""The number of starts, the best ones, that are searched from."""

NARROWEST, WIDEST, BEYOND = 0.01, 30.0, 3.0
"""The curves considered: from a step to a straight line; the centre up to so many deviations outside the scores."""

FAINTEST = 1e-10
"""A sigmoid with a smaller variance over the scores is constant but for rounding."""

SAME_LOSS, FLAT_GRADIENT = 1e-8, 1e-5
"""Parts of the ratings' variance: the difference in squared error that two starts may have, and a flat minimum's."""


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """A fitted curve: `fit(scores)` are the ratings it predicts, `fit.interval(scores)` the uncertainty of the curve.

    - `parameters`: b1, b2, ... in the units of scores and ratings.
      4: f(x) = b2 + (b1 - b2) / (1 + exp(-(x - b3) / b4)), from b2 on the left to b1 on the right, b4 > 0;
      5: f(x) = b1 (1/2 - 1 / (1 + exp(b2 (x - b3)))) + b4 x + b5, b2 > 0, b1 and b4 not of opposite signs.
    - `direction`: "increasing" or "decreasing".
    - `converged`: whether at least two starts led to this curve, and it is a minimum. `edge` says so in words when the
      best curve is at the edge of those considered, such as a straight line.
    - `covariance`: of the parameters, robust to unequal spread, and to clusters where given.
    """

    parameters: tuple[float, ...]
    direction: Direction
    converged: bool
    edge: str | None
    covariance: np.ndarray

    def __call__(self, scores: ArrayLike) -> Floats:
        x = np.asarray(scores, dtype=np.float64)
        if len(self.parameters) == 4:
            b1, b2, b3, b4 = self.parameters
            return b2 + (b1 - b2) * _sigmoid((x - b3) / b4)
        b1, b2, b3, b4, b5 = self.parameters
        return b1 * (_sigmoid(b2 * (x - b3)) - 0.5) + b4 * x + b5

    def interval(self, scores: ArrayLike, level: float = LEVEL) -> tuple[Floats, Floats]:
        """The ends of the pointwise confidence interval of the curve at `scores`, by the delta method."""
        jacobian = _jacobian(self.parameters, np.asarray(scores, dtype=np.float64))
        variance = np.einsum("...i,ij,...j->...", jacobian, self.covariance, jacobian)
        reach = NormalDist().inv_cdf((1 + level) / 2) * np.sqrt(np.maximum(variance, 0))
        curve = self(scores)
        return curve - reach, curve + reach


def fit_logistic(
    scores: ArrayLike,
    ratings: ArrayLike,
    parameters: Literal[4, 5] = 4,
    direction: Direction | None = None,
    clusters: ArrayLike | None = None,
) -> LogisticFit:
    """The monotone logistic curve with the least squared error; `LogisticFit` has the formulas.

    - scores, ratings: (n,), finite, n > parameters. Both are standardised first, so their scale does not matter.
    - direction: the way the curve must go; None tries both and takes the better, and the result says which.
    - clusters: (n,); items with the same one are not taken as independent in the curve's interval.

    Only the centre and the width of the curve are searched for, from 45 starts; its heights follow from these by linear
    least squares. Raises `UndefinedError` for constant scores or ratings, too few items, and when no curve of that
    direction is better than a constant. Sources: VQEG, final report of FR-TV phase II, 2003 (4 parameters); Sheikh,
    Sabir & Bovik, IEEE TIP 2006, eq. 10 (5), here kept monotone.

    >>> x = np.linspace(20, 40, 50)
    >>> fit = fit_logistic(x, 80 / (1 + np.exp(-(x - 30) / 2)) + 10)
    >>> fit.direction, fit.converged, [round(float(b), 3) for b in fit.parameters]
    ('increasing', True, [90.0, 10.0, 30.0, 2.0])
    """
    x, y = paired(scores, ratings)
    if parameters not in (4, 5):
        raise AgreementError(f"a logistic curve of {parameters} parameters; expected 4 or 5")
    if direction is not None and direction not in get_args(Direction):
        raise AgreementError(f"direction is {direction!r}; expected increasing, decreasing or None")
    if len(x) <= parameters:
        raise UndefinedError(f"a curve of {parameters} parameters requires more than {parameters} items; got {len(x)}")
    for name, values in (("scores", x), ("ratings", y)):
        if np.ptp(values) == 0:
            raise UndefinedError(f"no curve can be fitted: all {name} are {values[0]:g}")
    searches = [_Search(x, y, parameters == 5, way) for way in ([direction] if direction else get_args(Direction))]
    best = min(searches, key=lambda search: search.loss)
    if best.flat:
        raise UndefinedError(f"no {direction or 'monotone'} curve is better than a constant")
    fitted = best.parameters()
    return LogisticFit(
        parameters=fitted,
        direction=best.direction,
        converged=best.converged,
        edge=best.edge(),
        covariance=_covariance(fitted, x, y, cluster_codes(clusters, len(x))),
    )


class _Search:
    """The best curve of one direction, standardised: v = base + height * sigmoid((z - centre) / width) + slope * z."""

    def __init__(self, x: Floats, y: Floats, with_slope: bool, direction: Direction) -> None:
        from scipy.optimize import minimize

        self.direction, self.with_slope = direction, with_slope
        self.sign = 1.0 if direction == "increasing" else -1.0  # a decreasing curve is an increasing one of -x
        self.centre_x, self.scale_x, self.centre_y, self.scale_y = x.mean(), x.std(), y.mean(), y.std()
        self.z = self.sign * (x - self.centre_x) / self.scale_x
        self.v = (y - self.centre_y) / self.scale_y
        low, high = self.z.min() - BEYOND, self.z.max() + BEYOND
        self.bounds = [(low, high), (np.log(NARROWEST), np.log(WIDEST))]
        inside = np.quantile(self.z, np.linspace(0.02, 0.98, CENTRES - 2))
        starts = [(c, np.log(w)) for c in (low, *inside, high) for w in WIDTHS]
        starts.sort(key=lambda start: self.loss_and_gradient(start)[0])
        options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500}
        searches = [
            minimize(self.loss_and_gradient, start, jac=True, method="L-BFGS-B", bounds=self.bounds, options=options)
            for start in starts[:SEARCHED]
        ]
        searches.sort(key=lambda result: result.fun)
        self.at = tuple(searches[0].x)
        self.loss, gradient = self.loss_and_gradient(self.at)
        free = [
            abs(slope) if low < at < high else max(0.0, slope if at >= high else -slope)
            for slope, at, (low, high) in zip(gradient, self.at, self.bounds, strict=True)
        ]
        agreed = searches[1].fun - searches[0].fun <= SAME_LOSS
        self.converged = bool(agreed and max(free) <= FLAT_GRADIENT)
        self.flat = self._heights(self._shape(self.at)) == (0.0, 0.0)

    def loss_and_gradient(self, at: tuple[float, float]) -> tuple[float, Floats]:
        """The mean squared error with the best heights, and its gradient by centre and log width."""
        width = np.exp(at[1])
        shape = self._shape(at)
        height, slope = self._heights(shape)
        residual = self.v - height * (shape - shape.mean()) - slope * self.z
        steepness = height * shape * (1 - shape)
        pull = -2 * residual * steepness / len(residual)
        return float(np.mean(residual**2)), np.array([-pull.sum() / width, -(pull * (self.z - at[0])).sum() / width])

    def parameters(self) -> tuple[float, ...]:
        """The parameters of `LogisticFit`, in the units of scores and ratings."""
        shape = self._shape(self.at)
        height, slope = self._heights(shape)
        base = -height * float(shape.mean())  # v and z have mean 0
        centre = self.centre_x + self.sign * self.at[0] * self.scale_x
        width = float(np.exp(self.at[1])) * self.scale_x
        low, high = (self.centre_y + self.scale_y * end for end in (base, base + height))
        if not self.with_slope:
            right, left = (high, low) if self.sign > 0 else (low, high)
            return tuple(float(b) for b in (right, left, centre, width))
        steep = self.sign * slope * self.scale_y / self.scale_x
        b1 = self.sign * height * self.scale_y
        return tuple(float(b) for b in (b1, 1 / width, centre, steep, (low + high) / 2 - steep * self.centre_x))

    def edge(self) -> str | None:
        (low, high), (narrow, wide) = self.bounds
        if self.at[1] >= wide:
            return "it is a straight line"
        if self.at[1] <= narrow:
            return "it is a step"
        return "it has one bend only" if not low < self.at[0] < high else None

    def _shape(self, at: tuple[float, float]) -> Floats:
        return _sigmoid((self.z - at[0]) / np.exp(at[1]))

    def _heights(self, shape: Floats) -> tuple[float, float]:
        """The height of the curve and, with 5 parameters, the slope of the line: least squares, neither below 0."""
        s = shape - shape.mean()
        ss, sv = float(s @ s), float(s @ self.v)
        usable = ss > FAINTEST * len(s)
        alone = (max(sv / ss, 0.0) if usable else 0.0, 0.0)
        if not self.with_slope:
            return alone
        zz, zv, sz = float(self.z @ self.z), float(self.z @ self.v), float(s @ self.z)
        determinant = ss * zz - sz * sz
        if usable and determinant > 1e-12 * ss * zz:
            both = ((sv * zz - zv * sz) / determinant, (zv * ss - sv * sz) / determinant)
            if min(both) >= 0:
                return both
        line = (0.0, max(zv / zz, 0.0))
        return max(alone, line, key=lambda heights: heights[0] * sv + heights[1] * zv)


def _sigmoid(u: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * u)))  # which cannot overflow


def _jacobian(parameters: tuple[float, ...], x: Floats) -> Floats:
    """The derivatives of the curve at x by its parameters: (n, parameters)."""
    if len(parameters) == 4:
        b1, b2, b3, b4 = parameters
        shape = _sigmoid((x - b3) / b4)
        steepness = (b1 - b2) * shape * (1 - shape) / b4
        return np.stack([shape, 1 - shape, -steepness, -steepness * (x - b3) / b4], axis=-1)
    b1, b2, b3, _, _ = parameters
    shape = _sigmoid(b2 * (x - b3))
    steepness = b1 * shape * (1 - shape)
    return np.stack([shape - 0.5, steepness * (x - b3), -steepness * b2, x, np.ones_like(x)], axis=-1)


def _covariance(parameters: tuple[float, ...], x: Floats, y: Floats, clusters: np.ndarray) -> np.ndarray:
    """The sandwich estimate (J'J)^-1 (sum over clusters of g g') (J'J)^-1 with g = sum of J r over a cluster.

    Directions that the items say nothing of (of a curve that is nearly a straight line, say) are left out: the curve
    does not depend on them.
    """
    jacobian = _jacobian(parameters, x)
    scale = np.linalg.norm(jacobian, axis=0)
    scale[scale == 0] = 1.0
    basis, strength, turn = np.linalg.svd(jacobian / scale, full_matrices=False)
    kept = strength > 1e-7 * strength[0]
    model = len(parameters)
    residual = y - LogisticFit(parameters, "increasing", True, None, np.empty(0))(x)
    number = int(clusters.max()) + 1
    pulls = np.stack([np.bincount(clusters, basis[:, k] * residual, number) for k in np.flatnonzero(kept)], axis=1)
    correction = number / max(number - 1, 1) * (len(x) - 1) / (len(x) - model)
    back = (turn[kept].T / strength[kept]) / scale[:, None]
    return np.asarray(correction * back @ (pulls.T @ pulls) @ back.T)
