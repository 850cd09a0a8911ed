"""Which data sets there are, by name; each is imported when it is asked for."""

from __future__ import annotations

import importlib

from ..wording import expected_one_of
from .benchmark import Benchmark, BenchmarkError

MODULES = {
    "agiqa-3k": "agiqa_3k",
    "ebench-18k": "ebench_18k",
    "epaiqa-15k": "epaiqa_15k",
    "evalmi-50k": "evalmi_50k",
    "hpe-bench": "hpe_bench",
    "ntire-x-aigc-2": "ntire_x_aigc_2",
}
"""From a data set's name to its module here, which holds a `BENCHMARK`."""


def benchmark(name: str) -> Benchmark:
    """The data set called `name`. Raises `BenchmarkError` with the nearest names for another.

    >>> benchmark("agiqa-3k").size
    2982
    """
    if name not in MODULES:
        raise BenchmarkError(f"no data set is named {name!r}; {expected_one_of(name, MODULES)}")
    found: Benchmark = importlib.import_module(f".{MODULES[name]}", __package__).BENCHMARK
    return found
