"""A number is identified by all that produced it, and by nothing else; no author has to remember it."""

from __future__ import annotations

import json
from importlib import metadata
from typing import Any

import polars
import pytest

from editmetrics import Sample, Score, create_metric, score, weights
from editmetrics.scoring import PlanError
from editmetrics.scoring.results import Column, packages_of
from editmetrics.scoring.shards import Shard, merge, samples_digest

from .toys import Brightness, samples_of, write_images


class Weighted(Brightness):
    """Brightness times the first byte of a weights file; its author has not thought of identities."""

    def checkpoints(self):
        return ("lpips-alexnet",)

    def load(self):
        self.factor = weights.path("lpips-alexnet").read_bytes()[0]

    def score_batch(self, batch):
        return [Score({"brightness": item.mean() / self.factor}) for item in batch]


@pytest.fixture
def samples(tmp_path):
    return samples_of(write_images(tmp_path / "images", 4))


@pytest.fixture
def other_weights(tmp_path):
    """A context in which the checkpoint's file begins with the given byte."""

    def other(byte):
        folder = tmp_path / f"weights-{byte}"
        folder.mkdir()
        (folder / weights.checkpoint("lpips-alexnet").files[0].path).write_bytes(bytes([byte]))
        return weights.substitute("lpips-alexnet", folder)

    return other


def test_other_weights_give_other_numbers_and_not_those_of_the_last_run(samples, tmp_path, other_weights):
    output = tmp_path / "scores.csv"
    with other_weights(2):
        first = score(samples, Weighted(), output=output)
    with other_weights(5):
        second = score(samples, Weighted(), output=output)
    assert second.reused == 0
    assert [float(s) for s in second["brightness"]] == [float(s) * 2 / 5 for s in first["brightness"]]


class Patient(Brightness):
    """Brightness with options that change no number beside one that does."""

    runtime_options = frozenset({"parallel", "cache"})

    def __init__(self, *, offset: float = 0.0, parallel: int = 1, cache: bool = True) -> None:
        super().__init__(offset=offset)
        self.parallel, self.cache = parallel, cache


@pytest.mark.parametrize("options", [{"parallel": 8}, {"cache": False}, {"parallel": 3, "cache": False}])
def test_what_changes_no_number_is_in_neither_the_identity_nor_the_column(samples, tmp_path, options):
    plain, patient = Column(Patient()), Column(Patient(**options))
    assert (patient.key, patient.label, patient.names) == (plain.key, plain.label, plain.names)
    assert Column(Patient(offset=1.0)).key != plain.key
    output = tmp_path / "scores.csv"
    score(samples, Patient(), output=output)
    assert score(samples, Patient(**options), output=output).reused == len(samples)
    assert patient.metric.options == {
        "offset": 0.0,
        "parallel": 1,
        "cache": True,
        **options,
    }  # they travel all the same


def test_the_version_of_a_plugins_package_is_a_part_of_its_numbers(monkeypatch):
    versions = {"editmetrics-example": "0.1"}
    monkeypatch.setattr("editmetrics.scoring.results.providers_of", lambda name: dict(versions))
    before = Column(Brightness()).key
    versions["editmetrics-example"] = "9.9"
    assert Column(Brightness()).key != before


def test_the_package_of_a_metric_that_is_registered_nowhere_is_the_one_of_its_module():
    cls = type("Foreign", (Brightness,), {"__module__": "polars.metrics", "name": "foreign"})
    assert packages_of(cls()) == {"polars": metadata.version("polars")}


class Choosy(Brightness):
    """Brightness that honours a mask where an option asks for it."""

    uses = frozenset({"mask"})

    def __init__(self, *, offset: float = 0.0, masked: bool = False) -> None:
        super().__init__(offset=offset)
        self.masked = masked

    def fields(self):
        return frozenset({"edited", "mask"} if self.masked else {"edited"})


@pytest.mark.parametrize(("masked", "reused"), [(False, 4), (True, 0)])
def test_a_field_that_a_number_does_not_use_changes_nothing(samples, tmp_path, masked, reused):
    output = tmp_path / "scores.csv"
    score(samples, Choosy(masked=masked), output=output)
    with_masks = [Sample(s.id, edited=s.edited, mask=s.edited) for s in samples]
    assert score(with_masks, Choosy(masked=masked), output=output).reused == reused


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ("psnr", {"edited", "source"}),
        ("psnr:region=outside", {"edited", "source", "mask"}),
        ("ssim:against=reference", {"edited", "reference"}),
        ("lpips", {"edited", "source"}),
        ("clip_image", {"edited", "source"}),
        ("clip_image:region=inside", {"edited", "source", "mask"}),
        ("clip_text", {"edited", "prompt"}),
        ("dino_image:against=reference", {"edited", "reference"}),
        ("epaiqa:weights=toy", {"edited", "source", "prompt"}),
        ("hpe_lsa:weights=toy", {"edited", "source", "prompt"}),
    ],
)
def test_an_instance_looks_at_what_its_options_ask_for(spec, fields):
    assert create_metric(spec).fields() == fields


# ---------------------------------------------------------------------- parts of one run


def write_shards(samples_of_parts: list[list[Sample]], folder, metric: Any = None, suffix=".csv"):
    paths = []
    for index, samples in enumerate(samples_of_parts, 1):
        shard = Shard(index, len(samples_of_parts))
        digest = samples_digest(sample.id for sample in samples)
        about = {"shard": [index, shard.count], "total": len(samples), "samples_digest": digest}
        paths.append(shard.output(folder / f"scores{suffix}"))
        score(shard.part_of(samples), metric or Brightness(), output=paths[-1], about=about)
    return paths


@pytest.mark.parametrize("change", ["added and removed", "renamed", "another order"])
def test_parts_of_changed_samples_are_not_merged(samples, tmp_path, change):
    other = {
        "added and removed": [*samples[1:], Sample("zz", edited=samples[0].edited)],
        "renamed": [Sample(f"x{s.id}", edited=s.edited) for s in samples],
        "another order": samples[::-1],
    }[change]
    parts = write_shards([samples, other], tmp_path)
    with pytest.raises(PlanError, match="parts of other sets of samples"):
        merge(parts, tmp_path / "merged.csv")


def test_doubled_rows_are_seen_also_in_records_without_a_digest(samples, tmp_path):
    parts = write_shards([samples, samples[1:] + samples[:1]], tmp_path)
    for part in parts:
        record = part.with_suffix(".record.jsonl")
        entries = [json.loads(line) for line in record.read_text().splitlines()]
        for entry in entries:
            entry.pop("samples_digest", None)
        record.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    with pytest.raises(PlanError, match="is in two parts"):
        merge(parts, tmp_path / "merged.csv")


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0c", "\x1e", "\n"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_prompt_may_hold_any_separator(samples, tmp_path, separator, suffix):
    samples = [Sample(s.id, edited=s.edited, prompt=f"one{separator}two") for s in samples]
    merged = tmp_path / f"merged{suffix}"
    merge(write_shards([samples, samples], tmp_path, suffix=suffix), merged)
    table = polars.read_csv(merged, infer_schema=False) if suffix == ".csv" else polars.read_ndjson(merged)
    assert table["id"].to_list() == [s.id for s in samples]
    assert set(table["prompt"]) == {f"one{separator}two"}


def test_a_part_that_a_machine_could_not_finish_is_not_merged(samples, tmp_path):
    class Down(Brightness):
        def score_batch(self, batch):
            raise ConnectionRefusedError("down")

    class Up(Brightness):
        pass

    with pytest.raises(PlanError, match="is not finished"):
        merge(write_shards([samples, samples], tmp_path, Down()), tmp_path / "merged.csv")
    parts = write_shards([samples, samples], tmp_path, Up())
    assert merge(parts, tmp_path / "merged.csv").samples == 4
