"""The table and the summary say what was scored, and what was not."""

import io
import json
import math
import re

import numpy as np
import polars
import pytest
from rich.console import Console

from editmetrics import Dimension, Sample, Score, score
from editmetrics.agreement.systems import Scores, compare_systems, tasks_of
from editmetrics.tables.results import results_blocks
from editmetrics.tables.systems import systems_blocks
from editmetrics.tables.table import show

from .toys import Brightness, Captioned, samples_of, write_images


@pytest.fixture
def samples(tmp_path):
    paths = write_images(tmp_path / "images", 4)
    prompts = ["a fish", "refuse, please", 'half, and "quoted"', None]
    return [
        Sample(p.stem, edited=p, prompt=text, meta={"system": "ab"[i % 2], "group": "colour", "order": i})
        for i, (p, text) in enumerate(zip(paths, prompts, strict=True))
    ]


def test_columns_of_the_table(samples, tmp_path):
    table = score(samples, [Brightness(), Captioned()]).table()
    assert table.columns == [
        "id", "system", "edited", "prompt", "group", "order", "brightness",
        "captioned.length", "captioned.vowels", "captioned.explanation", "problems",
    ]  # fmt: skip
    assert table["captioned.length"].to_list() == [6.0, None, 18.0, None]
    assert table["captioned.vowels"].to_list() == [2.0, None, None, None]
    assert table["order"].to_list() == [0, 1, 2, 3]
    assert table["problems"].to_list() == [
        "",
        "captioned: refused: would rather not",
        "captioned: unparseable: no vowels told",
        "captioned: skipped: captioned requires prompt, which this sample does not have",
    ]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_files_hold_full_precision(samples, tmp_path, suffix):
    metric = Brightness(offset=math.pi)
    output = tmp_path / f"scores{suffix}"
    table = score(samples, [metric, Captioned()], output=output).table()
    if suffix == ".csv":
        read = polars.read_csv(output, schema=table.schema)
    elif suffix == ".jsonl":
        read = polars.DataFrame([json.loads(line) for line in output.read_text().splitlines()], schema=table.schema)
    else:
        read = polars.read_parquet(output)
    assert read.equals(table.with_columns(polars.col(polars.String)))
    assert read[metric.label][3] == 30 + math.pi


class Given(Brightness):
    """Scores a sample with the number in its id."""

    dimensions = (Dimension("brightness", low=0, higher_is_better=False, primary=True),)

    def prepare(self, sample):
        return float(sample.id)

    def score_batch(self, batch):
        return [Score.unscored("refused", "below zero") if v < 0 else Score({"brightness": v}) for v in batch]


def test_summary_against_numpy():
    values = [3.0, 1.5, 8.25, 4.0, -1.0, 2.0]
    (line,) = score([Sample(str(v), edited=b"") for v in values], Given()).summary()
    scored = [v for v in values if v >= 0]
    assert (line.mean, line.median) == (np.mean(scored), np.median(scored))
    assert line.spread == pytest.approx(np.std(scored, ddof=1), abs=1e-12)  # rounding of one pass against another
    assert (line.best, line.worst) == ("1.5", "8.25")  # lower is better
    assert (line.n, line.unscored) == (5, {"refused": 1})


def test_a_number_without_a_direction_ranks_nothing(capsys):
    class Undirected(Given):
        dimensions = (Dimension("brightness", low=0, higher_is_better=None, primary=True),)

    samples = [Sample(f"{i}", edited=b"", meta={"system": "even" if i % 2 == 0 else "odd"}) for i in range(6)]
    results = score(samples, Undirected())
    assert [(line.mean, line.best, line.worst) for line in results.summary()] == [(2.0, None, None), (3.0, None, None)]
    show(results_blocks(results))
    assert not {"↑", "↓"} & set(capsys.readouterr().out)
    assert results.compare().best == {}


def test_infinite_scores_are_in_the_median_and_not_in_the_mean():
    (line,) = score([Sample(v, edited=b"") for v in ("1", "2", "inf")], Given()).summary()
    assert (line.mean, line.median, line.infinite, line.n) == (1.5, 2.0, 1, 3)


def test_nothing_scored_is_no_number():
    (line,) = score([Sample("-1", edited=b"")], Given()).summary()
    assert (line.mean, line.median, line.spread, line.best, line.n) == (None, None, None, None, 0)


def test_summary_of_each_system():
    samples = [Sample(f"{i}", edited=b"", meta={"system": "even" if i % 2 == 0 else "odd"}) for i in range(6)]
    lines = {line.system: line for line in score(samples, Given()).summary()}
    assert {system: line.mean for system, line in lines.items()} == {"even": 2.0, "odd": 3.0}
    assert lines["odd"].best == "1"


class Kept(Given):
    """A plugin that measures how little changed: it says so itself."""

    def rewards_no_change(self):
        return True


def of_systems(gap, n=20):
    """Two systems and doing nothing on `n` tasks; lower is better, and `b` is `gap` lower."""
    noise = np.random.default_rng(0).uniform(0, 1, (2, n))
    scores = {"a": 5 + noise[0], "b": 5 - gap + noise[1], "(do nothing)": np.arange(n) / 1000}
    return [
        Sample(f"{value}", edited=b"", source=b"", prompt=f"task {k}", meta={"system": system})
        for system, values in scores.items()
        for k, value in enumerate(values)
    ]


@pytest.mark.parametrize(("gap", "bold"), [(1, ["b"]), (0.01, [])])
def test_bold_is_better_than_every_other_by_more_than_noise(gap, bold):
    """As `compare` and the star of a report say it; doing nothing, which is best of all here, is not ranked."""
    console = Console(width=80, record=True, file=io.StringIO(), force_terminal=True, highlight=False)
    results = score(of_systems(gap), Kept())
    show(results_blocks(results, written=True), console=console)
    lines = console.export_text(styles=True).splitlines()
    plain = [re.sub("\\x1b\\[[0-9;]*m", "", line) for line in lines]
    systems = zip(lines[1:4], ["a", "b", "(do nothing)"], strict=True)
    assert [name for line, name in systems if "\x1b[1m" in line] == bold
    assert "It measures how little changed, not whether the instruction was followed." in plain
    verdict = next(line for line in plain if line.startswith("brightness ↓  ") and " to " in line).split("  ")
    assert [part for part in verdict if part.strip()][-1].strip() == (bold[0] if bold else "cannot be told apart")
    assert max(map(len, (line.rstrip() for line in plain))) <= 80
    assert results.compare().best == {"brightness": bold[0] if bold else None}


def test_three_systems_are_a_line_for_each_metric_at_80_columns():
    """Long names are letters; the best of each metric against the one that is hardest to tell apart from it."""
    random = np.random.default_rng(0)
    names = ["a system with a long name", "another one with a long name", "a third"]
    tasks = [f"{name}/{k}" for name in names for k in range(40)]
    columns = [
        Scores("clear", np.repeat([1.0, 0.0, 0.1], 40) + random.normal(0, 0.1, 120)),
        Scores("a_judge.semantic_consistency", random.normal(size=120)),
    ]
    of_tasks = tasks_of(tasks, [name for name in names for _ in range(40)], [None] * 120, [None] * 120)
    console = Console(width=80, record=True, file=io.StringIO(), highlight=False)
    show(systems_blocks(compare_systems(columns, of_tasks), {}), console=console)
    text = console.export_text()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert re.search(r"^clear +A - [BC] +\+0\.[89]\d.* yes *$", text, re.MULTILINE)
    assert "A: a system with a long name, B: another one with a long name, C: a third" in " ".join(text.split())
    assert text.count("cannot be told") == 1


def test_problems_are_grouped_by_reason(tmp_path):
    results = score([Sample(str(v), edited=b"") for v in (-1, -2, 5)], Given())
    assert results.problems() == {("brightness", "refused", "below zero"): ["-1", "-2"]}


def test_notes_are_shown_beside_the_scores(capsys):
    class Noting(Given):
        def score_batch(self, batch):
            return [
                Score({"brightness": value}, details={"note": "cut [short]"} if value > 1 else {}) for value in batch
            ]

    results = score([Sample(str(v), edited=b"") for v in (1, 2, 3)], Noting())
    assert results.notes() == {("brightness", "cut [short]"): ["2", "3"]}
    show(results_blocks(results))
    assert "note (brightness): cut [short] (2, 3)" in capsys.readouterr().out


def test_unknown_column_names_those_there_are(tmp_path):
    results = score(samples_of(write_images(tmp_path, 1)), Brightness())
    with pytest.raises(KeyError, match="brightness"):
        results["psnr"]
