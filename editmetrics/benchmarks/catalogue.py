"""Which data sets there are, by name; each is imported when it is asked for."""

from __future__ import annotations

import difflib
import importlib

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
        near = difflib.get_close_matches(name.lower(), MODULES, n=1, cutoff=0.4)
        advice = f"did you mean {near[0]}? " if near else ""
        raise BenchmarkError(f"there is no data set {name!r}; {advice}There are {', '.join(MODULES)}")
    found: Benchmark = importlib.import_module(f".{MODULES[name]}", __package__).BENCHMARK
    return found
