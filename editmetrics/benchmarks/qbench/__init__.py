"""Questions on images, with one right answer or a judge's: Q-Bench-Portrait, Q-Bench, A-Bench, AesBench, and others.

    questions = read_benchmark("data/")
    outcomes, about = ask(questions, open_judge("any", endpoint="http://localhost:8000/v1"), "results/")
    report = write_results(Path("results/"), outcomes, about)

See `docs/qbench.md`.
"""

from __future__ import annotations

from ..benchmark import BenchmarkError
from .asking import AskOptions, ask
from .formats import FORMATS, Format
from .outcomes import Outcome
from .questions import Item, Prompts, read_prompts
from .reader import ProblemsError, QuestionSet, read_benchmark
from .results import compare, read_results, write_results
from .tables import score_tables

__all__ = [
    "FORMATS",
    "AskOptions",
    "BenchmarkError",
    "Format",
    "Item",
    "Outcome",
    "ProblemsError",
    "Prompts",
    "QuestionSet",
    "ask",
    "compare",
    "read_benchmark",
    "read_prompts",
    "read_results",
    "score_tables",
    "write_results",
]
