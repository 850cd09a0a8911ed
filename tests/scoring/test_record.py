"""The journal: a run that was stopped anywhere goes on, scores nothing twice and loses nothing."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import polars
import pytest
from PIL import Image

from editmetrics import Sample, score
from editmetrics.files.writing import JournalError, write_all
from editmetrics.scoring.record import Record
from editmetrics.scoring.run import record_path

from .toys import Brightness, Captioned, InlineBrightness, samples_of, write_images


@pytest.fixture
def run(tmp_path):
    """A small run with two metrics and everything a score can carry."""
    paths = write_images(tmp_path / "images", 4)
    paths[2].write_bytes(b"broken")
    prompts = ["a fish", "refuse this", "half of it", "ünïcödé\nline"]
    samples = [
        Sample(p.stem, edited=p, prompt=text, meta={"system": "s"}) for p, text in zip(paths, prompts, strict=True)
    ]
    output = tmp_path / "scores.csv"

    def go(**options):
        return score(samples, [Brightness(), Captioned()], output=output, **options)

    go.samples, go.output, go.record = samples, output, record_path(output)
    return go


def test_a_record_cut_at_any_byte_goes_on(run):
    run()
    whole, table = run.record.read_bytes(), run.output.read_bytes()
    first_line = whole.index(b"\n") + 1
    # Every byte of the run's line is alike; of the scores, every eleventh offset meets each kind of place many times.
    for cut in [0, 1, first_line - 1, first_line, *range(first_line + 1, len(whole), 11), len(whole)]:
        run.record.write_bytes(whole[:cut])
        rows = [json.loads(line) for line in whole[:cut].split(b"\n")[:-1]]
        done = {
            (r["id"], r["metric"]) for r in rows if r["kind"] == "score" and r["dimension"] in ("brightness", "vowels")
        }
        results = run()
        assert results.reused == len(done), cut
        assert run.output.read_bytes() == table, cut
        lines = [json.loads(line) for line in run.record.read_bytes().splitlines()]
        scored = [(r["id"], r["metric"], r["dimension"]) for r in lines if r["kind"] == "score"]
        assert len(set(scored)) == 12
        assert len(scored) - len(set(scored)) <= 1, cut  # a row cut between its two dimensions is written again


def test_a_column_that_a_metric_reads_is_part_of_what_was_scored(run):
    class Placed(Brightness):
        name = "placed"
        columns = frozenset({"region"})

    def placed(region):
        samples = [Sample("a", edited=run.samples[0].edited, meta={"region": region, "note": region})]
        return score(samples, [Placed(), Brightness()], output=run.output).reused

    assert [placed(region) for region in ("left", "left", "right")] == [0, 2, 1]


def test_everything_a_score_carries_survives(run):
    first = run()
    again = run()
    assert again.reused == 8
    for label in ("brightness", "captioned"):
        assert again[label] == first[label]
    refused, half, scored = (again["captioned"][i] for i in (1, 2, 0))
    assert refused.details == {"answer": "no"}
    assert (half["length"], half.status) == (10.0, "unparseable")
    assert scored.uncertainty == {"vowels": 0.5}
    assert scored.explanation == "read 'a fish'"


def test_the_first_line_describes_the_run(run):
    run()
    first, second, *_ = (json.loads(line) for line in run.record.read_text(encoding="utf-8").splitlines())
    assert first["kind"] == "run"
    identity = first["identities"][second["identity"]]
    assert identity["metric"] == "brightness"
    assert identity["options"] == {"offset": 0.0}
    assert identity["images"].startswith("Pillow")
    assert first["versions"]["pillow"]


def test_infinite_scores_stay_valid_json(tmp_path):
    class Infinite(Brightness):
        dimensions = (Brightness.dimensions[0].__class__("brightness", primary=True),)

        def score_batch(self, batch):
            return [type(s)({"brightness": float("inf")}) for s in super().score_batch(batch)]

    output = tmp_path / "scores.jsonl"
    samples = samples_of(write_images(tmp_path / "images", 1))
    for _ in range(2):
        assert float(score(samples, Infinite(), output=output)["brightness"][0]) == float("inf")

    def refuse(constant):
        raise AssertionError(constant)

    for path in (output, record_path(output)):
        for line in path.read_text().splitlines():
            json.loads(line, parse_constant=refuse)


def test_only_what_changed_is_scored_again(tmp_path):
    paths = write_images(tmp_path / "images", 4)
    output = tmp_path / "scores.csv"

    def go(prompt="same", metric=None):
        Brightness.batches.clear()
        Captioned.calls = 0
        samples = samples_of(paths, prompt=prompt)
        score(samples, [metric or Brightness(), Captioned()], output=output, batch_pixels=1)
        return len(Brightness.batches), Captioned.calls

    assert go() == (4, 4)
    assert go() == (0, 0)
    Image.fromarray(np.full((6, 8, 3), 77, np.uint8)).save(paths[1])
    assert go() == (1, 1)
    assert polars.read_csv(output)["brightness"].to_list() == [0.0, 77.0, 20.0, 30.0]
    assert go(prompt="other") == (0, 4)
    assert go(prompt="other", metric=Brightness(offset=1.0)) == (4, 0)
    paths[0].touch()
    assert go(prompt="other") == (0, 0)

    class NewVersion(Brightness):
        version = 2

    assert go(prompt="other", metric=NewVersion()) == (4, 0)


def test_retry_and_overwrite(tmp_path):
    samples = samples_of(write_images(tmp_path / "images", 3), prompt="refuse")
    output = tmp_path / "scores.csv"

    def calls(**options):
        Captioned.calls = 0
        score(samples, Captioned(), output=output, **options)
        return Captioned.calls

    assert calls() == 3
    assert calls() == 0
    assert calls(retry=["failed"]) == 0
    assert calls(retry=["refused"]) == 3
    assert calls(overwrite=True) == 3
    assert (
        len(record_path(output).read_text().splitlines()) == 1 + 3 * 2
    )  # afresh: one run, three scores of two dimensions


def test_one_run_at_a_time(run):
    run()
    with Record(run.record), pytest.raises(JournalError, match="another run"):
        run()
    run()


def test_what_is_not_ours_is_not_replaced(run):
    run.output.write_text("id,mos\n1,3\n")
    with pytest.raises(JournalError, match="--overwrite"):
        run()
    assert run.output.read_text() == "id,mos\n1,3\n"
    run(overwrite=True)
    assert "brightness" in run.output.read_text()


@pytest.mark.parametrize("line", ["no json", '{"kind": "score"}', "[1, 2]"])
def test_a_spoilt_line_is_named(run, line):
    run()
    lines = run.record.read_text().splitlines()
    run.record.write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n")
    with pytest.raises(JournalError, match="line 3"):
        run()


def test_a_table_that_cannot_be_written_leaves_the_old_one(run, monkeypatch):
    run()
    before = run.output.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        run(overwrite=True)
    assert run.output.read_bytes() == before
    assert {p.name for p in run.output.parent.iterdir()} == {
        "images",
        "scores.csv",
        "scores.record.jsonl",
        ".scores.record.jsonl.lock",
    }


STOPPING = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {root!r})
    from editmetrics import score
    from editmetrics.scoring import Interrupted
    from tests.scoring.toys import {metric}, samples_of

    class Stopping({metric}):
        def score_batch(self, batch):
            if any(item.mean() == 120 for item in batch) and Path({flag!r}).exists():
                Path({flag!r}).unlink()
                os.kill(os.getpid(), signal.{how})
            return super().score_batch(batch)

    try:
        samples = samples_of(sorted(Path({images!r}).iterdir()))
        results = score(samples, Stopping(), output={output!r}, workers=2, batch_pixels=96)
        print(results.reused)
    except Interrupted as stopped:
        print(stopped)
        sys.exit(1)
"""


@pytest.mark.parametrize("metric", ["Brightness", "InlineBrightness"])
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_a_run_that_was_really_stopped_goes_on(tmp_path, how, metric):
    write_images(tmp_path / "images", 25)
    flag, output = tmp_path / "stop", tmp_path / "scores.csv"
    flag.touch()
    program = textwrap.dedent(STOPPING).format(
        root=str(Path(__file__).parents[2]),
        metric=metric,
        how=how,
        flag=str(flag),
        images=str(tmp_path / "images"),
        output=str(output),
    )

    def go():
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)

    stopped = go()
    assert stopped.returncode == (-signal.SIGKILL if how == "SIGKILL" else 1), stopped.stderr
    if how == "SIGINT":
        assert "resumes" in stopped.stdout
    assert not output.exists()
    kept = len(record_path(output).read_text().splitlines()) - 1
    assert 5 <= kept < 25
    finished = go()
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == str(kept)
    assert polars.read_csv(output, schema_overrides={"id": polars.String})[metric_column(metric)].to_list() == [
        10.0 * i for i in range(25)
    ]


def metric_column(metric):
    return {"Brightness": "brightness", "InlineBrightness": "inline_brightness"}[metric]


def test_inline_metrics_resume_too(tmp_path):
    samples = samples_of(write_images(tmp_path / "images", 5))
    output = tmp_path / "scores.parquet"
    score(samples, InlineBrightness(), output=output)
    assert score(samples, InlineBrightness(), output=output).reused == 5
    assert InlineBrightness.batches == [1] * 5


@pytest.mark.parametrize("content", ["notes of mine", '{"name": "mine"}\n', "a,b\n1,2\n", "x", "\n", '{"kinds": 1}\n'])
def test_a_file_of_somebody_else_is_not_touched(run, content):
    run.record.write_text(content)
    with pytest.raises(JournalError, match="is not a run record"):
        run()
    assert run.record.read_text() == content


@pytest.mark.parametrize("content", ['{"ki', '{"kind": "run", "sta', ""])
def test_a_first_line_that_was_cut_is_begun_anew(run, content):
    run.record.write_text(content)
    assert run().reused == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("value", -5), ("value", 256.5), ("value", "inf"), ("value", True), ("value", [1]), ("value", {}),
        ("explanation", 5), ("details", [1]), ("uncertainty", "nan"), ("inputs", 5), ("inputs", None),
    ],
)  # fmt: skip
def test_a_recorded_score_that_the_metric_could_not_give_is_told_with_its_line(run, name, value):
    run()
    lines = run.record.read_text().splitlines()
    number = next(index for index, line in enumerate(lines) if '"status": "ok"' in line)
    lines[number] = json.dumps({**json.loads(lines[number]), name: value})
    run.record.write_text("\n".join(lines) + "\n")
    with pytest.raises(JournalError, match=f"line {number + 1} is not valid here"):
        run()


def test_a_line_that_is_nested_deep_is_told(run):
    run()
    with run.record.open("a") as file:
        file.write('{"kind": ' + "[" * 100_000 + "]" * 100_000 + "}\n")
    with pytest.raises(JournalError, match="is not valid here"):
        run()


def test_a_run_that_ends_leaves_its_lock_so_that_two_runs_never_hold_it(run):
    run()
    lock = run.record.with_name(f".{run.record.name}.lock")
    before = lock.stat().st_ino
    run()
    assert lock.stat().st_ino == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_full_disk_names_the_journal(run):
    said = f"No space left on device: '{re.escape(str(run.record))}'"
    with open("/dev/full", "ab", buffering=0) as file, pytest.raises(OSError, match=said):
        write_all(file, b"a line\n", run.record)
