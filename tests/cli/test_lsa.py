"""`editmetrics lsa`, ablations by `editmetrics fit`, and single images in `editmetrics score`, as a user types them."""

import csv

import pytest
from click.testing import CliRunner

from editmetrics.cli.fit import fit
from editmetrics.cli.score import score
from editmetrics.plugins.hpe_lsa.command import lsa
from editmetrics.testing import tiny_backbone
from tests.plugins.hpe_lsa.conftest import needs_toy
from tests.worlds.edits import toy_edits


@pytest.fixture(scope="module")
def edits(tmp_path_factory):
    return toy_edits(tmp_path_factory.mktemp("edits"), 12, per_source=2, seed=5)


def run(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_profile_of_any_backbone_is_shown_written_and_drawn(edits, tmp_path):
    backbone = tiny_backbone("qwen3_vl", tmp_path / "backbone")
    files = tmp_path / "profile.csv", tmp_path / "profile.svg"
    done = run(lsa, backbone, edits, "-o", files[0], "--plot", files[1], "--device", "cpu", "-q")
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(files[0].open()))
    assert [row["layer"] for row in rows] == ["1", "2", "3", "4"]
    (chosen,) = (row["layer"] for row in rows if row["chosen"] == "1")
    (line,) = (line for line in done.output.splitlines() if line.rstrip().endswith(" chosen"))
    assert line.split()[0] == chosen
    assert "note: 6 real and 12 edited images: with fewer than 100 of a class" in " ".join(done.output.split())
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1)
    assert "<svg" in files[1].read_text()
    in_python(tmp_path / "backbone", edits).write(tmp_path / "python.csv")
    assert (tmp_path / "python.csv").read_bytes() == files[0].read_bytes()


def in_python(backbone, pairs):
    """The profile with the defaults of the functions that the command calls."""
    from editmetrics.mllm.backbone import Backbone
    from editmetrics.plugins.hpe_lsa.analysis import analyse
    from editmetrics.plugins.hpe_lsa.assessor import LayerAssessor
    from editmetrics.plugins.hpe_lsa.labels import LABEL, labelled

    samples = labelled(pairs, "authenticity")
    real, edited = ([sample for sample in samples if sample.meta[LABEL] == kind] for kind in (1, 0))
    return analyse(LayerAssessor(Backbone.load(backbone, device="cpu"), None, None), real, edited)


def test_a_picture_that_cannot_be_written_is_said_before_anything_is_loaded(edits, tmp_path):
    done = run(lsa, "no/such-backbone", edits, "--plot", tmp_path / "profile.txt")
    assert ".svg" in str(done.exception)


@pytest.mark.slow  # nine trainings, a minute of a core
def test_one_command_trains_all_ablations_and_compares_them(edits, tmp_path):
    from editmetrics.plugins.hpe_lsa.metric import HPELSA

    quick = ("steps=2", "batch_size=4", "decoder_steps=5")
    other = tiny_backbone("qwen3_vl", tmp_path / "other")
    done = run(
        fit, "hpe_lsa", edits, "-o", tmp_path / "table", "--ablations", "--preset", "toy", "--backbone", "toy-internvl",
        "--target", "perceptual_quality=visual_quality", "--target", "authenticity=authenticity", "--device", "cpu",
        "-q", "--val", edits_apart(tmp_path), "--also-backbone", other,
        *(part for text in quick for part in ("--set", text)),
    )  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    rows = list(csv.DictReader((tmp_path / "table" / "ablations.csv").open()))
    assert [row["ablation"] for row in rows] == [*HPELSA.ablations, f"on {other}"]
    assert all(name in done.output for name in HPELSA.ablations)
    assert len(list((tmp_path / "table").glob("*/metric.json"))) == len(HPELSA.ablations) + 1 == 9
    assert all(0 <= float(row["authenticity auc"]) <= 1 for row in rows)
    assert [float(row["perceptual_quality n"]) for row in rows] == [8.0] * 9


def test_another_backbone_is_for_ablations(edits, tmp_path):
    done = run(fit, "hpe_lsa", edits, "-o", tmp_path / "run", "--also-backbone", "toy-internvl")
    assert done.exit_code == 2
    assert "requires --ablations" in done.output


def edits_apart(folder):
    return toy_edits(folder / "apart", 8, per_source=2, seed=6)


def test_a_metric_without_ablations_says_so(edits, tmp_path, monkeypatch):
    monkeypatch.setattr("editmetrics.plugins.epaiqa.metric.EPAIQA.ablations", {})
    done = run(fit, "epaiqa", edits, "-o", tmp_path / "run", "--ablations", "--backbone", "toy-internvl")
    assert done.exit_code == 2
    assert "declares no ablations" in done.output


def test_folds_keep_real_images_with_their_edits_and_measure_detection_as_labels(tmp_path):
    """Real rows have no source, ratings or prompt."""
    manifest = toy_edits(tmp_path / "edits", 24, per_source=3, seed=8)
    rows = [{**row, "authenticity": 0} for row in csv.DictReader(manifest.open())]
    for source in sorted({row["source"] for row in rows}):
        rows.append({"id": f"real {source}", "edited": source, "authenticity": 1})
    mixed = manifest.with_name("mixed.csv")
    with mixed.open("w", newline="") as file:
        table = csv.DictWriter(file, [*rows[0]])
        table.writeheader()
        table.writerows(rows)
    done = run(
        fit, "hpe_lsa", mixed, "-o", tmp_path / "folds", "--folds", "2", "--preset", "toy",
        "--backbone", "toy-internvl", "--target", "perceptual_quality=visual_quality", "--target",
        "authenticity=authenticity", "--device", "cpu", "-q", "--set", "vision_lora=false", "--set",
        "language_lora=false", "--set", "layer=2", "--set", "decoder_steps=20", "--set", "decoder_batch_size=8",
    )  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    source_of = {row["id"]: row.get("source") or row["edited"] for row in rows}
    label_of = {row["id"]: row["authenticity"] for row in rows}
    scores = [list(csv.DictReader((tmp_path / "folds" / f"fold_{n}.csv").open())) for n in (1, 2)]
    groups = [{source_of[row["id"]] for row in fold} for fold in scores]
    assert not groups[0] & groups[1]
    assert sum(map(len, scores)) == len(rows)
    written = csv.DictReader((tmp_path / "folds" / "folds.csv").open())
    measured = {(row["fold"], row["dimension"], row["measure"]): row for row in written}
    for number, fold in enumerate(scores, 1):
        (column,) = [name for name in fold[0] if name.endswith(".authenticity")]
        of_kind = [[float(row[column]) for row in fold if label_of[row["id"]] == kind] for kind in (1, 0)]
        above = sum((a > b) + (a == b) / 2 for a in of_kind[0] for b in of_kind[1])
        right = sum(x >= 0.5 for x in of_kind[0]) / len(of_kind[0]), sum(x < 0.5 for x in of_kind[1]) / len(of_kind[1])
        kinds = measured[str(number), "authenticity", "auc"], measured[str(number), "authenticity", "balanced_accuracy"]
        assert float(kinds[0]["value"]) == pytest.approx(above / len(of_kind[0]) / len(of_kind[1]))
        assert float(kinds[1]["value"]) == pytest.approx(sum(right) / 2)
        assert int(kinds[0]["n"]) == len(fold)
        assert int(measured[str(number), "perceptual_quality", "srcc"]["n"]) == len(of_kind[1])
    assert {measure for _, name, measure in measured if name == "authenticity"} == {"auc", "balanced_accuracy"}


@needs_toy
def test_a_folder_of_single_images_gets_its_authenticity(edits, tmp_path):
    table = tmp_path / "scores.csv"
    done = run(
        score, edits.parent / "edited", "-m", "hpe_lsa:weights=toy", "--dimension", "authenticity", "-o", table, "-q",
        "--device", "cpu",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (column,) = [name for name in next(csv.reader(table.open())) if "authenticity" in name]
    chances = [float(row[column]) for row in csv.DictReader(table.open())]
    assert len(chances) == 12
    assert all(0 <= chance <= 1 for chance in chances)
