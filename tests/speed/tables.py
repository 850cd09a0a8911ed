"""A paper's table at full size, and combinations of many scores: seconds of the processor, and memory.

    python -m tests.speed.tables                      # --methods 35, --rows 10000, --columns 20
    python -m tests.speed.tables --whole ridge svr    # the whole command for these regressors: minutes

The table is LMM4LMM's Table 2, with made-up ratings of EvalMi-50K's 50,400 images and made-up scores of each method,
from a file: read, measured with intervals and paired tests, and written. A combination is of rows of four edits a
source; `one fit` is on four fifths of the rows, and what `editmetrics combine` does is as many of them as it says.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars

from editmetrics.benchmarks.comparison.compute import ComputeOptions
from editmetrics.benchmarks.comparison.paper_table import paper_tables
from editmetrics.benchmarks.comparison.redo import TableRequest, redo
from editmetrics.combining import combine
from editmetrics.combining.regressors import REGRESSORS, fit_regressor
from tests.benchmarks.comparison.test_full_size import made_up

NAME, FOLDS = "evalmi-50k", 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", type=int, default=35)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--whole", nargs="*", choices=list(REGRESSORS), default=["ridge"])
    arguments = parser.parse_args()
    print("| | processor |\n|---|---|")
    if arguments.methods:
        table(arguments.methods)
    combination(arguments.rows, arguments.columns, arguments.whole)
    print(f"\n{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most (of Python and all of this)")


def table(count: int) -> None:
    copy, ratings = made_up()
    methods = paper_tables(NAME)[0].methods
    scores: dict[str, Any] = {"id": [sample.id for sample in copy.samples]}
    for number, method in enumerate(methods[len(methods) - count :]):  # the last is the paper's own
        noisy = ratings + np.random.default_rng(number).normal(0, 3 + 2 * number, ratings.shape)
        scores |= {f"{method.name}.perception": noisy[:, 0], f"{method.name}.correspondence": noisy[:, 1]}
    part = copy.chosen()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scores.parquet")
        polars.DataFrame(scores).write_parquet(path)
        request = TableRequest(scores=path, tables=["Table 2"])
        report(
            f"Table 2, {count} methods, {len(part.samples):,} images",
            lambda: redo(NAME, {NAME: copy}, {NAME: part}, request, ComputeOptions(Path(folder))),
        )


def combination(rows: int, columns: int, whole: list[str]) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(rows, columns))
    ratings = scores[:, :5].sum(axis=1) + scores[:, 0] * scores[:, -1] + rng.normal(0, 2, rows)
    train = rows * (FOLDS - 1) // FOLDS
    fits = FOLDS + FOLDS * columns + FOLDS + 1  # held out, without each column, for shuffles, and on all
    for name in REGRESSORS:
        fitted = report(
            f"{name}: one fit of {fits}", lambda name=name: fit_regressor(name, scores[:train], ratings[:train])
        )
        report(f"{name}: one prediction", lambda fitted=fitted: fitted.predict(scores[train:]))
    ids = list(range(rows))
    table = {"id": ids, "source": [row // 4 for row in ids], **{f"m{c}": scores[:, c] for c in range(columns)}}
    names = [f"m{column}" for column in range(columns)]
    for name in whole:
        report(
            f"`combine --regressor {name}`, {rows:,} x {columns}",
            lambda name=name: combine(table, {"id": ids, "mos": ratings}, metrics=names, regressors=[name]),
        )


def report(title: str, call: Callable[[], Any]) -> Any:
    start = time.process_time()
    result = call()
    print(f"| {title} | {time.process_time() - start:.2f} s |", flush=True)
    return result


if __name__ == "__main__":
    main()
