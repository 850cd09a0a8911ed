"""The table and the summary say what was scored, and what was not."""

import json
import math

import numpy as np
import polars
import pytest

from editmetrics import Dimension, Sample, Score, score
from editmetrics.tables.results import leaders, results_blocks
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
    assert leaders(results.summary()) == []


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
