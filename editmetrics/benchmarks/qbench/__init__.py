"""Questions on images, with one right answer or a judge's: Q-Bench-Portrait, Q-Bench, A-Bench, AesBench, one's own.

    benchmark = read_benchmark("data/")
    outcomes, about = ask(benchmark, open_judge("any", endpoint="http://localhost:8000/v1"), "results/")
    report = write_results(Path("results/"), outcomes, about)

See `docs/qbench.md`.
"""

from __future__ import annotations

from .asking import ask
from .formats import FORMATS, Format
from .items import BenchmarkError, Item
from .outcomes import Outcome
from .prompts import Prompts, read_prompts
from .reader import Benchmark, ProblemsError, read_benchmark
from .results import compare, read_results, write_results
from .tables import score_tables

__all__ = [
    "FORMATS",
    "Benchmark",
    "BenchmarkError",
    "Format",
    "Item",
    "Outcome",
    "ProblemsError",
    "Prompts",
    "ask",
    "compare",
    "read_benchmark",
    "read_prompts",
    "read_results",
    "score_tables",
    "write_results",
]
