"""Runs in parts: which samples a shard has, and that what is merged is what one run writes."""

import itertools
import shutil

import pytest

from editmetrics import score
from editmetrics.scoring import PlanError
from editmetrics.scoring.record import record_path
from editmetrics.scoring.shards import Shard, merge

from .toys import Brightness, Captioned, samples_of, write_images


@pytest.fixture(params=[".csv", ".jsonl", ".parquet"])
def run(request, tmp_path):
    """Ten samples, one of them broken: `run(shard)` scores a part, `run.whole()` all of them in one run."""
    paths = write_images(tmp_path / "images", 10)
    paths[6].write_bytes(b"broken")
    samples = samples_of(paths, prompt="a fish", meta={"system": "s"})

    def go(shard, metrics=(Brightness, Captioned)):
        about = {"shard": [shard.index, shard.count], "total": len(samples)}
        path = shard.output(go.output)
        score(shard.part_of(samples), [metric() for metric in metrics], output=path, about=about)
        return path

    def whole():
        path = go.output.with_name(f"whole{request.param}")
        score(samples, [Brightness(), Captioned()], output=path)
        return path

    go.output, go.samples, go.whole = tmp_path / f"scores{request.param}", samples, whole
    return go


@pytest.mark.parametrize("count", [1, 3, 10])
def test_merged_parts_are_what_one_run_writes(run, count):
    parts = [run(Shard(index, count)) for index in range(1, count + 1)]
    found = merge(parts[::-1], run.output)  # in any order
    assert (found.parts, found.samples, found.incomplete) == (count, 10, 1)
    assert run.output.read_bytes() == run.whole().read_bytes()

    again = score(run.samples, [Brightness(), Captioned()], output=run.output)
    assert again.reused == 20  # the merged record is one that a run goes on from


def test_every_sample_is_in_exactly_one_shard():
    for total, count in itertools.product((0, 1, 7, 20), (1, 3, 8)):
        shards = [Shard(index, count) for index in range(1, count + 1)]
        assert sorted(itertools.chain(*(shard.part_of(range(total)) for shard in shards))) == list(range(total))
        assert [len(shard.part_of(range(total))) for shard in shards] == [shard.size(total) for shard in shards]


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "-1/3", "1/0", "a/b", "1/2/3"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(PlanError, match="not a shard; expected I/N"):
        Shard.parse(text)


class Newer(Brightness):
    version = 2


def test_parts_that_do_not_fit_are_refused_by_name(run):
    one, two = run(Shard(1, 2)), run(Shard(2, 2))
    with pytest.raises(PlanError, match="shard 2 of 2 is missing"):
        merge([one], run.output)
    with pytest.raises(PlanError, match="a table is given twice"):
        merge([one, one, two], run.output)
    copy = one.with_name(f"copy{one.suffix}")
    shutil.copy(one, copy)
    shutil.copy(record_path(one), record_path(copy))
    with pytest.raises(PlanError, match="shard 1 of 2 is given twice"):
        merge([one, copy, two], run.output)
    with pytest.raises(PlanError, match="of a run of 3 shards"):
        merge([one, run(Shard(2, 3))], run.output)
    with pytest.raises(PlanError, match="not found: this part is unfinished"):
        merge([one, two.with_name(f"scores.9-of-9{two.suffix}")], run.output)
    with pytest.raises(PlanError, match="is not a part of a run"):
        merge([run.whole()], run.output)
    assert not run.output.exists()


def test_parts_that_were_scored_by_other_versions_are_refused(run):
    parts = [run(Shard(1, 2)), run(Shard(2, 2), metrics=(Newer, Captioned))]
    with pytest.raises(PlanError, match=r"not scored alike: brightness differs"):
        merge(parts, run.output)


def test_a_part_whose_run_was_stopped_is_refused(run):
    one, two = run(Shard(1, 2)), run(Shard(2, 2))
    record = record_path(two)
    lines = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(b"".join(lines[:-2]))  # as if the table were that of an earlier, smaller run
    with pytest.raises(PlanError, match=r"not finished; resume it with its command \(--shard 2/2\)"):
        merge([one, two], run.output)


def test_a_table_that_is_there_is_not_replaced_unasked(run):
    parts = [run(Shard(1, 2)), run(Shard(2, 2))]
    run.output.write_text("precious")
    with pytest.raises(PlanError, match="exists; give another -o"):
        merge(parts, run.output)
    assert run.output.read_text() == "precious"
    assert merge(parts, run.output, overwrite=True).samples == 10
