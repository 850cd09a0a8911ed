"""Several weights of a learned metric as one: each member scores a sample, and the mean of their scores counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from ..sample import Dimension, EditMetricsError, Score, first_is_primary, plain


def averaged(scores: Sequence[Score], names: Sequence[str]) -> Score:
    """Return the mean of the members' scores of one sample; `names` are those of their weights.

    A dimension's value is mean_k x_k, and its uncertainty sqrt(mean_k s_k^2 + mean_k (x_k - x)^2), the standard
    deviation of the mixture: s_k is the member's own uncertainty, 0 where it knows none. A dimension without a number
    of every member has none, and the score then has the status of the first member without it: a mean of fewer members
    would be another metric. `details["members"]` has each member's weights, values and details; details that all
    members share stand beside it. The explanation is that of the first member that has one.

    >>> score = averaged([Score({"quality": 40.0}), Score({"quality": 60.0})], ["a", "b"])
    >>> score["quality"], score.uncertainty, [member["values"] for member in score.details["members"]]
    (50.0, {'quality': 10.0}, [{'quality': 40.0}, {'quality': 60.0}])
    """
    count = len(scores)
    values = {name: sum(s[name] for s in scores) / count for name in scores[0] if all(name in s for s in scores)}
    spreads = {
        name: sum((dict(s.uncertainty or {}).get(name, 0.0) ** 2 + (s[name] - value) ** 2) / count for s in scores)
        ** 0.5
        for name, value in values.items()
    }
    members = [{"weights": name, "values": dict(s), **s.details} for name, s in zip(names, scores, strict=True)]
    first, *others = (dict(score.details) for score in scores)
    details = {key: value for key, value in first.items() if all(key in d and _same(d[key], value) for d in others)}
    failed = [(name, score) for name, score in zip(names, scores, strict=True) if not score.ok]
    reason = "; ".join(f"{name}: {score.reason}" for name, score in failed)
    return Score(
        values,
        failed[0][1].status if failed else "ok",
        f"{len(failed)} of {count} members gave no score: {reason}" if failed else None,
        explanation=next((score.explanation for score in scores if score.explanation), None),
        uncertainty=spreads,
        details={**details, "members": members},
    )


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, default=plain, sort_keys=True) == json.dumps(other, default=plain, sort_keys=True)


def shared_dimensions(metric: str, members: Sequence[Any]) -> tuple[Dimension, ...]:
    """Return the dimensions that all members have, the first one primary.

    Raises `EditMetricsError` if a dimension has different scales, or if none is shared.
    """
    by_name = [{dimension.name: dimension for dimension in member.dimensions} for member in members]
    shared = [d for name, d in by_name[0].items() if all(name in of_member for of_member in by_name)]
    if not shared:
        raise EditMetricsError(f"{metric}: the weights {members[0].weights} and others have no dimension in common")
    for dimension in shared:
        scales = sorted({(of_member[dimension.name].low, of_member[dimension.name].high) for of_member in by_name})
        if len(scales) > 1:
            described = " and ".join(f"{low:g} to {high:g}" for low, high in scales)
            raise EditMetricsError(
                f"{metric}: the weights were trained on different scales ({described}) of {dimension.name}; only equal "
                "ones are averaged"
            )
    return first_is_primary(shared)


def _prepare(metric: Any, sample: Any) -> list[Any]:
    return [member.prepare(sample) for member in metric.members]


def _batch_key(metric: Any, prepared: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(member.batch_key(own) for member, own in zip(metric.members, prepared, strict=True))


def _score_batch(metric: Any, batch: Sequence[Sequence[Any]]) -> list[Score]:
    names = [member.weights for member in metric.members]
    by_member = [
        member.score_batch([prepared[index] for prepared in batch]) for index, member in enumerate(metric.members)
    ]
    return [averaged(scores, names) for scores in zip(*by_member, strict=True)]


def _active_dimensions(metric: Any) -> tuple[Dimension, ...]:
    return shared_dimensions(metric.name, metric.members)


ENSEMBLED: dict[str, Callable[..., Any]] = {
    "prepare": _prepare,
    "batch_key": _batch_key,
    "score_batch": _score_batch,
    "active_dimensions": _active_dimensions,
}
"""The methods that a metric of several weights leaves to its members, and how."""


def over_members(method: Callable[..., Any], of_members: Callable[..., Any]) -> Callable[..., Any]:
    """`method` of a metric with weights of its own, `of_members` of one that has members."""

    @wraps(method)
    def chosen(metric: Any, *arguments: Any) -> Any:
        return of_members(metric, *arguments) if metric.members else method(metric, *arguments)

    return chosen
