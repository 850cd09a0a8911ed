"""Every table that is written, by `score` or by `write_rows`, is read again by every reader, whatever stands in it."""

from __future__ import annotations

from pathlib import Path

import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from editmetrics import evaluate
from editmetrics.agreement.columns import read_table
from editmetrics.data import from_manifest, read_prompts
from editmetrics.files.rows import read_rows, write_frame, write_rows
from editmetrics.files.text import stripped
from editmetrics.runs.read_scores import read_scores

KINDS = [".csv", ".jsonl", ".parquet"]
HOSTILE = [
    "a\0b", "one\u2028two\u2029three\x85four", "\x0b\x0c\x1c\x1d\x1e", "x" * 131_073, 'a "quoted" cell', "a,b;c\td|e",
    "two\nlines", "two\r\nlines", "old\rlines", "=1+1", "\ue000", "\x1b[31m", "{", "[1", '["a"]', "NaN", "null",
    "#", "sep=;", "'", "\\", "\\n", "\\ud800", "\ufeffx", "\u202egnp", "a\u00a0b", "\U0001f600", "007", "1_0", "true",
    '"', '""', " x ",
]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(HOSTILE)


def written(how: str, rows: list[dict], path: Path) -> Path:
    if how == "score":
        write_frame(polars.DataFrame(rows), path)
    else:
        write_rows(rows, path)
    return path


def check(how: str, path: Path, prompts: list[str]) -> None:
    ids = [f"{n:03}" for n in range(len(prompts))]
    rows = [
        {"id": name, "edited": f"{name}.png", "prompt": prompt, "psnr": float(n), "vie_score.explanation": prompt,
         "problems": f"mae: failed: {prompt}"}
        for n, (name, prompt) in enumerate(zip(ids, prompts, strict=True))
    ]  # fmt: skip
    written(how, rows, path)
    expected = [stripped(prompt) for prompt in prompts]
    cells = [row.cells for row in read_rows(path)]
    assert [row.problem for row in read_rows(path)] == [None] * len(rows)
    assert [row.get("prompt") for row in cells] == expected
    assert [row["problems"] for row in cells] == [stripped(row["problems"]) for row in rows]
    assert [sample.prompt for sample in from_manifest(path)] == expected
    assert [sample.id for sample in from_manifest(path)] == ids
    table = read_table(path, "scores")
    assert (table.texts("id"), list(table.broken)) == (ids, [])
    scores = read_scores(path)
    assert (list(scores.ids), scores.columns[0].values.tolist()) == (ids, [float(n) for n in range(len(ids))])
    if any(expected):
        assert list(scores.prompts) == expected
        assert scores.other["vie_score.explanation"] == expected
    if path.suffix != ".parquet":
        assert read_prompts(path) == {name: prompt for name, prompt in zip(ids, expected, strict=True) if prompt}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["score", "write_rows"])
def test_hostile_texts(tmp_path, how, kind):
    check(how, tmp_path / f"t{kind}", [text for text in HOSTILE if stripped(text)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["score", "write_rows"])
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompts=st.lists(TEXT, min_size=1, max_size=4))
def test_any_texts(tmp_path, how, kind, prompts):
    check(how, tmp_path / f"t{kind}", prompts)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(TEXT.map(stripped).filter(bool), min_size=1, max_size=4, unique=True))
def test_any_names_of_columns_and_ids(tmp_path, kind, names):
    columns = [f"x{name}" for name in names]
    rows = [{"id": f"i{name}", **dict.fromkeys(columns, 1.5)} for name in names]
    write_rows(rows, tmp_path / f"t{kind}")
    found = [row.cells for row in read_rows(tmp_path / f"t{kind}")]
    assert [cells["id"] for cells in found] == [row["id"] for row in rows]
    assert [{name: float(cells[name]) for name in columns} for cells in found] == [dict.fromkeys(columns, 1.5)] * len(
        rows
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["score", "write_rows"])
def test_evaluate_reads_them(tmp_path, how, kind):
    rows = [{"id": str(n), "prompt": text, "psnr": float(n)} for n, text in enumerate(HOSTILE)]
    ratings = {"id": [row["id"] for row in rows], "mos": [2.0 * row["psnr"] for row in rows]}
    found = evaluate(written(how, rows, tmp_path / f"t{kind}"), ratings, pairs={"psnr": "mos"})
    assert len(found.pairs[0]) == len(rows)
