"""Training manifests: which rows are used, which are left out and why, what is refused, and what is kept apart."""

from __future__ import annotations

import csv
import logging

import numpy as np
import pytest
from PIL import Image

from editmetrics import Sample
from editmetrics.data import from_manifest
from editmetrics.mllm.targets import TargetError, read_training_set, set_aside

TARGETS = {"quality": "mos"}


def picture(number: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.fixture
def manifest(tmp_path):
    """Writes a manifest of rows {column: cell}; sources are pictures by number, edits are made for each row."""

    def write(rows, name="train.csv"):
        for index, row in enumerate(rows):
            row.setdefault("id", f"row{index}")
            row.setdefault("edited", f"{row['id']}.png")
            if "source" in row:
                Image.fromarray(picture(int(row["source"]))).save(tmp_path / f"s{row['source']}.png")
                row["source"] = f"s{row['source']}.png"
            if not (tmp_path / row["edited"]).exists() and not row["edited"].startswith(("..", "no")):
                Image.fromarray(picture(1000 + index)).save(tmp_path / row["edited"])
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        return tmp_path / name

    return write


def rated(count, per_source=2, **more):
    return [{"source": index // per_source, "mos": f"{10 + index}", **more} for index in range(count)]


def ids(examples):
    return [example.id for example in examples]


def test_text_of_a_csv_becomes_numbers_and_every_row_is_used_once(manifest):
    found = read_training_set(manifest(rated(20)), targets=TARGETS)
    assert sorted(ids(found.train) + ids(found.validation)) == sorted(f"row{n}" for n in range(20))
    assert {e.id: e.targets for e in [*found.train, *found.validation]} == {
        f"row{n}": {"quality": 10.0 + n} for n in range(20)
    }
    assert found.left_out == {}
    assert found.counts() == {"train": len(found.train), "validation": len(found.validation), "left_out": {}}


@pytest.mark.parametrize("kind", ["csv", "samples", "set", "parquet", "jsonl"])
def test_a_manifest_a_sample_set_and_samples_give_the_same(manifest, tmp_path, kind):
    path = manifest(rated(20))
    train = path
    if kind in ("samples", "set"):
        train = from_manifest(path)
        train = list(train) if kind == "samples" else train
    elif kind in ("parquet", "jsonl"):
        import polars

        table = polars.read_csv(path)
        train = tmp_path / f"train.{kind}"
        table.write_parquet(train) if kind == "parquet" else table.write_ndjson(train)
    found, expected = (read_training_set(data, targets=TARGETS) for data in (train, path))
    assert ids(found.train) == ids(expected.train)
    assert found.digest() == expected.digest()


@pytest.mark.parametrize(
    ("cell", "reason"),
    [("", "no rating in mos"), ("n/a", "no number in mos"), ("nan", "no number in mos"), ("inf", "no number in mos"),
     ("  ", "no rating in mos"), ("5,3", "no number in mos")],
)  # fmt: skip
def test_a_row_without_a_number_is_left_out_and_counted(manifest, cell, reason, caplog):
    rows = rated(20)
    rows[3]["mos"] = cell
    with caplog.at_level(logging.WARNING):
        found = read_training_set(manifest(rows), targets=TARGETS)
    assert found.left_out == {reason: ["row3"]}
    assert "row3" not in ids([*found.train, *found.validation])
    assert found.problems() == [f"1 left out, {reason}: row3"]
    assert f"1 left out, {reason}: row3" in caplog.text


@pytest.mark.parametrize("value", [True, None, [5], {"a": 1}, "five"])
def test_values_of_samples_that_are_no_numbers_are_left_out(value):
    samples = [Sample(str(n), edited=picture(n), meta={"mos": value if n == 0 else n}) for n in range(20)]
    found = read_training_set(samples, targets=TARGETS, group=None)
    assert list(found.left_out.values()) == [["0"]]


def test_rows_whose_images_cannot_be_used_are_left_out(manifest, tmp_path):
    rows = rated(20)
    (tmp_path / "broken.png").write_bytes(b"no image")
    rows[2]["edited"], rows[5]["edited"], rows[7]["edited"] = "nothing.png", "broken.png", "../outside.png"
    del rows[9]["source"]
    found = read_training_set(manifest(rows), targets=TARGETS, needs={"edited", "source"})
    assert found.left_out == {"an image cannot be read": ["row2", "row5", "row7"], "no source": ["row9"]}


def test_every_field_that_the_metric_needs_must_be_there(manifest):
    rows = rated(20, prompt="make it red")
    rows[4]["prompt"] = ""
    found = read_training_set(manifest(rows), targets=TARGETS, needs={"edited", "prompt"})
    assert found.left_out == {"no prompt": ["row4"]}


@pytest.mark.parametrize(("value", "scale"), [("101", (0, 100)), ("-0.5", (0, 100)), ("10", (1, 5))])
def test_ratings_outside_the_scale_are_refused_and_named(manifest, value, scale):
    rows = rated(20)
    rows[6]["mos"] = value
    with pytest.raises(TargetError, match=r"ratings in mos are outside the label scale .*row") as caught:
        read_training_set(manifest(rows), targets=TARGETS, label_scale=scale)
    if scale == (0, 100):
        assert "1 of 20" in str(caught.value)
        assert f"row6 ({float(value):g})" in str(caught.value)


def test_ratings_on_the_ends_of_the_scale_are_inside(manifest):
    rows = rated(20)
    rows[0]["mos"], rows[1]["mos"] = "0", "100"
    assert not read_training_set(manifest(rows), targets=TARGETS).left_out


@pytest.mark.parametrize("scale", [(5, 5), (5, 1), (0, float("inf")), (float("nan"), 1)])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(TargetError, match="label scale"):
        read_training_set([Sample("a", edited=picture(0), meta={"mos": 1})], targets=TARGETS, label_scale=scale)


def test_a_column_that_is_not_there_is_answered_with_the_nearest(manifest):
    with pytest.raises(TargetError, match=r"no column 'moss', which is to rate quality; .* Did you mean 'mos'"):
        read_training_set(manifest(rated(20)), targets={"quality": "moss"})


@pytest.mark.parametrize("seed", range(5))
def test_no_source_is_on_both_sides(manifest, seed):
    found = read_training_set(manifest(rated(40, per_source=4)), targets=TARGETS, seed=seed)
    sides = [{int(e.id[3:]) // 4 for e in part} for part in (found.train, found.validation)]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]
    assert len(found.validation) == 8  # a fifth of 40, in sources of 4


def test_copies_of_a_source_under_other_names_stay_together(tmp_path, manifest):
    """As in data sets that keep a copy of each source for each system."""
    rows = [{"mos": 10 + n, "id": f"row{n}"} for n in range(20)]
    for n in range(20):
        Image.fromarray(picture(n // 2)).save(tmp_path / f"copy{n}.png")
    path = manifest(rows)
    table = path.read_text(encoding="utf-8").splitlines()
    lines = [table[0] + ",source", *(f"{line},copy{n}.png" for n, line in enumerate(table[1:]))]
    path.write_text("\n".join(lines), encoding="utf-8")
    for seed in range(5):
        found = read_training_set(path, targets=TARGETS, seed=seed)
        sides = [{int(e.id[3:]) // 2 for e in part} for part in (found.train, found.validation)]
        assert not sides[0] & sides[1]


def test_a_given_validation_set_that_shares_sources_is_refused_unless_allowed(manifest):
    train = manifest(rated(10))
    val = manifest([{"id": f"v{n}", "source": 4 + n, "mos": 20 + n} for n in range(4)], "val.csv")
    with pytest.raises(TargetError, match=r"1 of 4 validation samples share their source .*: v0"):
        read_training_set(train, val, targets=TARGETS)
    found = read_training_set(train, val, targets=TARGETS, group=None)
    assert (len(found.train), len(found.validation)) == (10, 4)


def test_a_column_can_be_the_group(manifest):
    rows = [{"mos": 10 + n, "scene": f"scene {n % 4}"} for n in range(20)]
    found = read_training_set(manifest(rows), targets=TARGETS, group="scene", ratio=(3, 1))
    assert len(found.validation) == 5
    assert len({int(e.id[3:]) % 4 for e in found.validation}) == 1
    with pytest.raises(TargetError, match="20 of 20 rows have no 'place' to be grouped by"):
        read_training_set(manifest(rows), targets=TARGETS, group="place")


def test_the_split_is_the_same_for_the_same_seed_and_another_for_another(manifest):
    path = manifest(rated(60))
    splits = [ids(read_training_set(path, targets=TARGETS, seed=seed).validation) for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


def test_what_leaves_nothing_to_learn_is_refused(manifest):
    with pytest.raises(TargetError, match="same rating 5 in mos"):
        read_training_set(manifest([{"source": n, "mos": 5} for n in range(40)]), targets=TARGETS)
    with pytest.raises(TargetError, match="nothing to set aside"):
        read_training_set(manifest([{"source": 0, "mos": n} for n in range(10)]), targets=TARGETS)
    train = manifest([{"source": n, "mos": n} for n in range(10)])
    val = manifest([{"id": f"v{n}", "source": 20 + n, "mos": n if n < 2 else "?"} for n in range(5)], "val.csv")
    with pytest.raises(TargetError, match=r"2 samples left for validation, .*3 left out, no number in mos"):
        read_training_set(train, val, targets=TARGETS)
    with pytest.raises(TargetError, match="no target is given"):
        read_training_set([Sample("a", edited=picture(0))], targets={})
    with pytest.raises(TargetError, match="the training data has no rows"):
        read_training_set([], targets=TARGETS)


def test_the_digest_changes_with_a_rating_and_with_a_side(manifest):
    path = manifest(rated(20))
    first = read_training_set(path, targets=TARGETS).digest()
    assert read_training_set(path, targets=TARGETS).digest() == first
    assert read_training_set(path, targets=TARGETS, seed=3).digest() != first
    rows = rated(20)
    rows[0]["mos"] = "10.5"
    assert read_training_set(manifest(rows), targets=TARGETS).digest() != first


def test_samples_set_aside_once_serve_several_targets():
    """Rows of one source stay together, rated or not, and rows without a readable image are left to the training."""
    samples = [
        Sample(str(n), edited=np.full((4, 4, 3), n, np.uint8), source=np.full((4, 4, 3), n // 3, np.uint8))
        for n in range(30)
    ]
    samples.append(Sample("lost", edited="nowhere.png", source="nowhere.png"))
    train, val = set_aside(samples, needs=("edited", "source"), seed=3)
    assert {s.id for s in train} | {s.id for s in val} == {s.id for s in samples}
    assert not {int(s.id) // 3 for s in train if s.id != "lost"} & {int(s.id) // 3 for s in val}
    assert len(val) == 6
    assert "lost" in {s.id for s in train}
    assert [s.id for s in set_aside(samples, needs=("edited", "source"), seed=3)[1]] == [s.id for s in val]


def test_other_headings_give_the_same_training_set_and_are_recorded(manifest, tmp_path):
    rows = [{"source": str(number // 2), "prompt": "red", "mos": str(number)} for number in range(20)]
    plain = read_training_set(manifest(rows), targets=TARGETS)
    text = (tmp_path / "train.csv").read_text()
    (tmp_path / "theirs.tsv").write_text(
        text.replace(",", "\t")
        .replace("source", "original")
        .replace("prompt", "Edit Instruction")
        .replace("mos", "Note")
    )
    theirs = from_manifest(tmp_path / "theirs.tsv", columns={"mos": "Note"})
    again = read_training_set(theirs, targets=TARGETS)
    assert again.digest() == plain.digest()
    assert "columns_read_as" not in plain.counts()
    assert again.counts()["columns_read_as"] == {"source": "original", "prompt": "Edit Instruction", "mos": "Note"}
    with pytest.raises(TargetError, match=r"theirs\.tsv has no column 'quality'"):
        read_training_set(theirs, targets={"quality": "quality"})
