"""How long the bootstrap of each measure takes, beside a plain loop over scipy on the same resamples.

    python tests/speed/agreement.py [--items 3672 50000] [--replicates 1000] [--loop 20]

Seconds are those of the processor, which a busy machine does not change; ours is spread over up to four threads. The
loop is timed on `--loop` replicates and scaled; its values and ours must be the same to 1e-9. The last line of a size
is `evaluate` as a whole, from files: every measure over all items and in 17 systems, with sources as clusters.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from editmetrics.agreement import auc, evaluate, krcc, plcc, srcc
from editmetrics.agreement.bootstrap import resample
from editmetrics.agreement.measure import Measure
from editmetrics.agreement.pairwise import pairwise_measure

LOOPS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "srcc": lambda x, y: stats.spearmanr(x, y).statistic,
    "krcc": lambda x, y: stats.kendalltau(x, y).statistic,
    "plcc": lambda x, y: stats.pearsonr(x, y).statistic,
    "auc": lambda x, y: stats.mannwhitneyu(x[y == 1], x[y == 0]).statistic / ((y == 1).sum() * (y == 0).sum()),
}


def row(measure: Measure, x: np.ndarray, y: np.ndarray, replicates: int, loop: int) -> str:
    start = time.process_time()
    resample(np.arange(len(x)), lambda counts: measure.resampled(x, y, counts)[None], replicates, seed=0)
    ours = time.process_time() - start
    if measure.name not in LOOPS:
        return f"{measure.name:18} {len(x):6} {ours:7.2f} s"
    counts = np.random.default_rng(0).multinomial(len(x), np.full(len(x), 1 / len(x)), size=loop)
    start = time.process_time()
    expected = [LOOPS[measure.name](np.repeat(x, c), np.repeat(y, c)) for c in counts]
    theirs = (time.process_time() - start) * replicates / loop
    if not np.allclose(measure.resampled(x, y, counts), expected, atol=1e-9):
        return f"{measure.name:18} {len(x):6} DIFFERS from scipy"
    return f"{measure.name:18} {len(x):6} {ours:7.2f} s   scipy {theirs:7.1f} s ({theirs / ours:.1f}x)"


def whole(items: int, replicates: int) -> str:
    rng = np.random.default_rng(0)
    quality = rng.normal(50, 10, size=items)
    columns = {
        "id": [f"item{index}" for index in range(items)],
        "system": [f"m{index % 17}" for index in range(items)],
        "source": [f"s{index // 17}" for index in range(items)],
    }
    import polars

    with tempfile.TemporaryDirectory() as folder:
        scores, ratings = Path(folder) / "scores.parquet", Path(folder) / "ratings.csv"
        polars.DataFrame(columns | {"score": quality + 10 * rng.normal(size=items)}).write_parquet(scores)
        polars.DataFrame({"id": columns["id"], "mos": np.round(quality, 2)}).write_csv(ratings)
        start, clock = time.process_time(), time.perf_counter()
        evaluate(scores, ratings, group_by=["system"], cluster="source", replicates=replicates)
        used, waited = time.process_time() - start, time.perf_counter() - clock
        return f"{'evaluate, all':18} {items:6} {used:7.2f} s   {waited:.1f} s on the clock"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[3672, 50_000])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--loop", type=int, default=20)
    options = parser.parse_args()
    print(f"{options.replicates} replicates")
    rng = np.random.default_rng(0)
    for items in options.items:
        quality = rng.normal(size=items)
        y = np.round(quality, 2)
        x = y + rng.normal(size=items)
        labels = (rng.uniform(size=items) < 1 / (1 + np.exp(-quality))).astype(float)
        for measure in (srcc, krcc, plcc):
            print(row(measure, x, y, options.replicates, options.loop), flush=True)
        print(row(auc, x, labels, options.replicates, options.loop), flush=True)
        print(row(pairwise_measure(0.1), x, y, options.replicates, options.loop), flush=True)
        print(whole(items, options.replicates), flush=True)


if __name__ == "__main__":
    main()
