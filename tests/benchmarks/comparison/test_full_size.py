"""EvalMi-50K at its full size, with made-up ratings and scores: every table of the paper in seconds."""

from pathlib import Path

import numpy as np
import polars

from editmetrics.benchmarks.catalogue import benchmark
from editmetrics.benchmarks.comparison.compute import ComputeOptions
from editmetrics.benchmarks.comparison.redo import TableRequest, redo
from editmetrics.benchmarks.evalmi_50k.reader import PROMPTS, PROMPTS_OF_TASK, SYSTEMS
from editmetrics.benchmarks.load import Copy
from editmetrics.sample import Sample


def made_up():
    rng = np.random.default_rng(0)
    tasks = [task for task, count in PROMPTS_OF_TASK.items() for _ in range(count)]
    ratings = rng.normal(50, 10, (len(SYSTEMS) * PROMPTS, 2)).clip(0, 100)
    samples = []
    for number, (perception, correspondence) in enumerate(ratings.tolist()):
        prompt = number % PROMPTS
        meta = {"system": SYSTEMS[number // PROMPTS], "task": tasks[prompt], "fold": str(prompt % 5 + 1),
                "perception": perception, "correspondence": correspondence}  # fmt: skip
        samples.append(Sample(str(number), edited="x.png", prompt=f"prompt {prompt}", meta=meta))
    return Copy(benchmark("evalmi-50k"), Path(), samples, [], [], False), ratings


def test_every_figure_of_50_400_images(tmp_path):
    copy, ratings = made_up()
    table = {"id": [sample.id for sample in copy.samples]}
    for method, noise in {"NIQE": 30.0, "LMM4LMM": 5.0}.items():
        noisy = ratings + np.random.default_rng(1).normal(0, noise, ratings.shape)
        table |= {f"{method}.perception": noisy[:, 0], f"{method}.correspondence": noisy[:, 1]}
    polars.DataFrame(table).write_parquet(tmp_path / "scores.parquet")
    part = copy.chosen()
    results = redo("evalmi-50k", {"evalmi-50k": copy}, {"evalmi-50k": part},
                   TableRequest(scores=tmp_path / "scores.parquet"), ComputeOptions(tmp_path))  # fmt: skip
    assert [result.table.table for result in results] == ["Table 2", "Table 3"]
    assert [len(result.lines) for result in results] == [12, 40]  # 2 methods x 6 columns; 1 x 2 ratings x 20 tasks
    column = results[0].table.columns[0]
    line = results[0].lines["LMM4LMM", column]
    assert (line.n, line.groups) == (50_400, 5)
    exact = 6 / np.pi * np.arcsin(10 / np.hypot(10, 5) / 2)  # SRCC of a bivariate normal
    assert abs(line.value - exact) < 0.01
    assert line.low < line.value < line.high < line.low + 0.01
    test = results[0].tests["NIQE", column]
    assert test.difference < -0.4
    assert test.p == 2 / 201  # of 200 replicates
