"""Variants: the arithmetic of published scripts, under the name of the paper or toolkit that has it.

A variant is a value of a metric's option `variant`, beside the correct default. It fixes some of the other options;
what it does beyond that stands in the metric's own file. See docs/conventions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..metric import Metric
from ..sample import EditMetricsError

Variants = Mapping[str, Mapping[str, Any]]
"""From the name of a variant to the options that it fixes."""


def chosen(metric: Metric, variants: Variants) -> dict[str, Any]:
    """The value of each option of `metric`, with those that its `variant` fixes; all options are set already.

    Raises `EditMetricsError` for an option that was given another value than the variant has.

    >>> from editmetrics import create_metric
    >>> create_metric("ssim:variant=pie-bench,channels=y8")
    Traceback (most recent call last):
    editmetrics.sample.EditMetricsError: ssim: variant=pie-bench has channels=rgb; channels=y8 contradicts it
    """
    values = metric.options
    fixed = variants.get(values["variant"], {})
    for option in metric.option_list():
        value = values[option.name]
        if option.name in fixed and value not in (option.default, fixed[option.name]):
            raise EditMetricsError(
                f"{metric.name}: variant={values['variant']} has {option.name}={fixed[option.name]}; "
                f"{option.name}={value} contradicts it"
            )
    return {**values, **fixed}
