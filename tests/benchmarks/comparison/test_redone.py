"""A table redone on a small copy: figures by another library, reasons, trainings by split and fold, and resuming."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from editmetrics import builtin, score
from editmetrics.benchmarks.comparison.compute import Computation, ComputeOptions
from editmetrics.benchmarks.comparison.paper_table import TableMethod, paper_tables
from editmetrics.benchmarks.comparison.redo import TableRequest, beyond_print, cross_table, redo
from editmetrics.benchmarks.comparison.result import compare
from editmetrics.benchmarks.load import load

from . import brightness


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    monkeypatch.setenv("EDITMETRICS_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(builtin.BUILTIN, "brightness", "tests.benchmarks.comparison.brightness:Brightness")
    brightness.TRAININGS.clear()
    brightness.EPOCHS.clear()


def with_methods(table, *methods):
    """A table with these methods in place of its first ones."""
    return replace(table, methods=[*methods, table.methods[-1]])


def redone(copy, folder, *methods, table=0, limit=None, split=None, targets=None, own=None, **options):
    name = copy.benchmark.name
    part = copy.chosen(split, limit, partial=True)
    computation = Computation({name: copy}, {name: part}, ComputeOptions(folder, limit=limit, **options), targets or {})
    chosen = with_methods(paper_tables(name)[table], *methods)
    return compare(replace(chosen, own=own or chosen.own), computation)


def column_of(result, rating, measure="srcc", group="all"):
    (column,) = [c for c in result.table.columns if (c.rating, c.measure, c.group) == (rating, measure, group)]
    return column


PSNR = TableMethod("PSNR", "classic", "classic", metric="psnr")
MSE = TableMethod("MSE", "classic", "classic", metric="mse")
TRAINED = TableMethod("DBCNN (fine-tuned)", "deep", "deep", train="brightness")


def test_figures_are_those_of_scipy_beside_the_printed_ones(copies, tmp_path):
    copy = load("hpe-bench", copies["hpe-bench"])
    result = redone(copy, tmp_path / "out", PSNR, MSE, table=1, split="all", own="PSNR")
    edits = [sample for sample in copy.samples if "perceptual_quality" in sample.meta]
    values = [float(s) for s in score(edits, "psnr")["psnr"]]
    for rating in ("perceptual_quality", "attribute_preservation"):
        ratings = [sample.meta[rating] for sample in edits]
        for measure, correlation in (("srcc", spearmanr), ("plcc", pearsonr)):
            column = column_of(result, rating, measure)
            line = result.lines["PSNR", column]
            assert line.value == pytest.approx(correlation(values, ratings)[0], abs=1e-9)
            assert (line.n, line.excluded) == (51, 0)
            printed = result.table.values["PSNR", column]
            assert result.difference("PSNR", column) == pytest.approx(line.value - printed)
    column = column_of(result, "perceptual_quality")
    # lower is better, so MSE agrees exactly as PSNR does, and the paired test finds no difference
    assert result.value("MSE", column) == pytest.approx(result.value("PSNR", column))
    test = result.tests["MSE", column]
    assert (test.difference, test.low, test.high, test.p, test.n) == (0, 0, 0, 1, 51)
    line = result.lines["PSNR", column]
    assert line.low < line.value < line.high
    assert result.lines["PSNR", column_of(result, "perceptual_quality", "plcc")].low is None


def test_intervals_and_tests_draw_the_edits_of_a_source_together(copies, tmp_path):
    """Twice as many copies of every edit are no more sources: intervals drawn one by one would shrink by a third."""
    copy = load("hpe-bench", copies["hpe-bench"])
    edits = [sample for sample in copy.samples if "perceptual_quality" in sample.meta]
    twice = replace(copy, samples=[*edits, *(replace(sample, id=f"{sample.id}-again") for sample in edits)])
    widths = []
    for number, each in enumerate((replace(copy, samples=edits), twice)):
        result = redone(each, tmp_path / f"{number}", PSNR, table=1, split="all")
        line = result.lines["PSNR", column_of(result, "perceptual_quality")]
        widths.append(line.high - line.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.02)


def test_each_method_that_has_no_scores_says_why(copies, tmp_path):
    copy = load("hpe-bench", copies["hpe-bench"])
    methods = [
        PSNR,
        TableMethod("FSIM", "classic", "classic", reason="MATLAB only"),
        TableMethod("BRISQUE", "classic", "classic", metric="brisque"),
        TableMethod("ST-LPIPS", "deep", "deep", metric="pyiqa/stlpips"),
        TableMethod("SSIM", "classic", "classic", metric="ssin"),
        TableMethod("LPIPS", "deep", "deep", train="psnr"),
        TableMethod("AHIQ (fine-tuned)", "deep", "deep", train="brightness", settings={"fail": True}),
        TableMethod("CLIPScore", "deep", "deep", train="brightness", settings={"what": 1}),
        TableMethod("CVRKD (fine-tuned)", "deep", "deep", train="brightness", trained_on="agiqa-3k"),
    ]
    result = redone(copy, tmp_path / "out", *methods, table=1)
    assert result.lines["PSNR", column_of(result, "perceptual_quality")].value is not None
    reasons = {method: reason for (method, _), reason in result.reasons.items()}
    for method, words in {
        "FSIM": "MATLAB only",
        "BRISQUE": "brisque-live was not downloaded: EDITMETRICS_OFFLINE=1",
        "ST-LPIPS": "pip install pyiqa",
        "SSIM": "Did you mean 'ssim'",
        "LPIPS": "psnr is not a learned metric",
        "AHIQ (fine-tuned)": "the training was told to fail",
        "CLIPScore": "TypeError: Brightness.fit() got an unexpected keyword argument 'what'",
        "CVRKD (fine-tuned)": "it is trained on agiqa-3k, of which no copy was given",
        "HPE-LSA": "InternVL3_5-8B-HF",
    }.items():
        assert words in reasons[method], method
    assert not result.complete
    assert str(result.untested).startswith("no paired tests against HPE-LSA: ")


def test_a_split_is_trained_on_its_own_part(copies, tmp_path):
    copy = load("hpe-bench", copies["hpe-bench"])
    targets = {"visual_quality": "perceptual_quality", "editing_alignment": "editing_alignment"}
    result = redone(copy, tmp_path, TRAINED, table=1, targets=targets)
    assert [(folder.parent.name, wanted) for folder, _, wanted, _ in brightness.TRAININGS] == [
        ("perceptual_quality", {"visual_quality": "perceptual_quality"}),
        ("editing_alignment", {"editing_alignment": "editing_alignment"}),
    ]
    split = {sample.id: sample.meta["split"] for sample in copy.samples}
    for _, ids, _, scale in brightness.TRAININGS:
        assert {split[name] for name in ids} == {"train"}
        assert scale == (0, 100)
    line = result.lines["DBCNN (fine-tuned)", column_of(result, "perceptual_quality")]
    rated = [s for s in copy.samples if s.meta["split"] == "test" and "perceptual_quality" in s.meta]
    assert line.n == len(rated)
    assert ("DBCNN (fine-tuned)", column_of(result, "attribute_preservation")) not in result.lines
    overlap = redone(copy, tmp_path / "all", TRAINED, table=1, split="all", targets=targets)
    assert "would be trained on" in overlap.reasons["DBCNN (fine-tuned)", "hpe-bench"]


def test_detectors_learn_authenticity_and_assessors_the_ratings(copies, tmp_path, monkeypatch):
    monkeypatch.setitem(builtin.BUILTIN, "detector", "tests.benchmarks.comparison.brightness:Detector")
    copy, tables = load("hpe-bench", copies["hpe-bench"]), paper_tables("hpe-bench")
    part = copy.chosen(None, None, partial=True)
    computation = Computation({"hpe-bench": copy}, {"hpe-bench": part}, ComputeOptions(tmp_path), HPE_TARGETS)
    cnnspot, univ = (method for method in tables[0].methods if method.name in ("CNNSpot", "Univ"))
    assert [dict(method.settings) for method in (cnnspot, univ)] == [{"preset": "cnnspot"}, {"preset": "univfd"}]
    learned = replace(cnnspot, train="detector", settings={})
    result = compare(replace(tables[0], methods=[learned]), computation)
    ((_, ids, wanted, scale),) = brightness.TRAININGS
    assert (wanted, scale) == ({"authenticity": "authentic"}, (0, 1))
    train = [sample.id for sample in copy.samples if sample.meta["split"] == "train"]
    assert ids == train
    assert any(name.startswith("real_") for name in ids)
    every = column_of(result, "authentic", "Table I Acc", "average over system")
    assert 0 <= result.value("CNNSpot", every) <= 1
    assert result.difference("CNNSpot", every) is not None
    assessor = TableMethod("DBCNN (fine-tuned)", "deep", "deep", train="detector")  # the same metric, other targets
    compare(with_methods(tables[1], assessor), computation)
    assert [list(wanted) for *_, wanted, _ in brightness.TRAININGS[1:]] == [[name] for name in HPE_TARGETS]


HPE_TARGETS = paper_tables("hpe-bench")[1].targets
TARGETS = {"visual_quality": "perception", "editing_alignment": "correspondence"}


def test_folds_train_on_the_others_and_average(copies, tmp_path):
    copy = load("evalmi-50k", copies["evalmi-50k"])
    result = redone(copy, tmp_path, TRAINED, targets=TARGETS)
    assert set(brightness.EPOCHS) == {40}
    fold = {sample.id: sample.meta["fold"] for sample in copy.samples}
    folds = sorted(set(fold.values()))
    trained = [(folder, ids) for folder, ids, wanted, _ in brightness.TRAININGS if "visual_quality" in wanted]
    assert [folder.name for folder, _ in trained] == [f"fold_{name}" for name in folds]
    for folder, ids in trained:
        assert {fold[name] for name in ids} == set(folds) - {folder.name.removeprefix("fold_")}
    line = result.lines["DBCNN (fine-tuned)", column_of(result, "perception")]
    assert (line.group, line.groups, line.n) == ("average over fold", len(folds), len(copy.samples))
    scores = {}
    for name in folds:
        with next((tmp_path / "scores" / "evalmi-50k").glob(f"*perception.fold_{name}.csv")).open() as file:
            scores |= {
                row["id"]: float(next(v for k, v in row.items() if k.endswith(".visual_quality")))
                for row in csv.DictReader(file)
            }
    by_hand = [
        spearmanr(
            *zip(*((scores[s.id], s.meta["perception"]) for s in copy.samples if fold[s.id] == name), strict=True)
        )[0]
        for name in folds
    ]
    assert line.value == pytest.approx(np.mean(by_hand))


def test_a_set_with_a_missing_fold_file_trains_nothing(copies, tmp_path):
    copy = load("evalmi-50k", copies["evalmi-50k"])
    without = [
        replace(s, meta={k: v for k, v in s.meta.items() if k != "fold"}) if s.meta["fold"] == "2" else s
        for s in copy.samples
    ]
    niqe = TableMethod("NIQE", "classic", "classic", metric="brightness")
    count = sum("fold" not in sample.meta for sample in without)
    result = redone(replace(copy, samples=without), tmp_path, TRAINED, niqe, targets=TARGETS)
    assert f"{count} samples have none" in result.reasons["DBCNN (fine-tuned)", "evalmi-50k"]
    assert brightness.TRAININGS == []
    unsplit = replace(
        copy, samples=[replace(s, meta={k: v for k, v in s.meta.items() if k != "fold"}) for s in without]
    )
    assert "the copy has no fold; add" in redone(unsplit, tmp_path, TRAINED).reasons["DBCNN (fine-tuned)", "evalmi-50k"]


def test_a_killed_run_resumes_with_what_it_has(copies, tmp_path):
    copy = load("hpe-bench", copies["hpe-bench"])
    reused, calls = [], []

    def run(samples, metrics, **options):
        results = score(samples, metrics, **options)
        reused.append((metrics[0].name, results.reused))
        return results

    def killed(samples, metrics, **options):
        calls.append(metrics[0].name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(samples, metrics, **options)

    methods = [TRAINED, PSNR, MSE]
    with pytest.raises(KeyboardInterrupt):
        redone(copy, tmp_path, *methods, table=1, run=killed)
    assert calls == ["psnr", "mse", "brightness"]  # the cheap ones first
    reused.clear()
    result = redone(copy, tmp_path, *methods, table=1, run=run)
    counts = dict(reused)
    assert counts["psnr"] == counts["mse"] == len(copy.chosen(None, None, True).samples)
    assert counts["brightness"] == 0
    assert len(brightness.TRAININGS) == 2  # before and after, into one folder, of which the second is only read
    again = redone(copy, tmp_path, *methods, table=1, run=run)
    assert again.lines == result.lines


def test_a_rehearsal_scores_and_trains_on_few_images(copies, tmp_path):
    copy = load("evalmi-50k", copies["evalmi-50k"])
    result = redone(copy, tmp_path, TRAINED, limit=10, targets=TARGETS)
    assert {len(ids) for _, ids, _, _ in brightness.TRAININGS} == {20}  # the fewest with a validation part
    assert set(brightness.EPOCHS) == {1}
    assert {folder.parents[2].name for folder, *_ in brightness.TRAININGS} == {"trained-10"}
    assert result.caveats == ["10 of 72 samples; of an incomplete copy"]
    column = column_of(result, "perception")
    # too few images in a fold for a correlation: there is none, and the line says so
    assert "requires at least 3 items" in result.lines["DBCNN (fine-tuned)", column].note


def test_three_rated_images_have_figures_and_no_interval(copies, tmp_path):
    copy = load("agiqa-3k", copies["agiqa-3k"])
    few = replace(copy, samples=copy.samples[:3])
    name = "agiqa-3k"
    table = replace(paper_tables("hpe-bench")[1], data=name)
    columns = [replace(c, data=name, rating="perception") for c in table.columns[:3]]
    table = replace(table, columns=columns, values={}, methods=[TableMethod("bright", "deep", "deep", metric="gmsd")])
    part = replace(few.chosen(partial=True), samples=few.samples)
    known = {"bright": {name: brightness_scores(few.samples)}}
    result = compare(table, Computation({name: few}, {name: part}, ComputeOptions(tmp_path), known=known))
    for column in columns:
        line = result.lines["bright", column]
        assert line.n == 3
        assert line.value == pytest.approx(1)
        assert line.low is None


def brightness_scores(samples, missing=()):
    from editmetrics.benchmarks.comparison.method_scores import MethodScores

    return MethodScores(
        {"perception": {s.id: s.meta["perception"] for s in samples if s.id not in missing}}, spec="made"
    )


def test_scores_in_a_file_fill_the_rows_that_they_name(run, copies, tmp_path):
    edits = [s for s in load("hpe-bench", copies["hpe-bench"]).samples if "perceptual_quality" in s.meta]
    path = tmp_path / "scores.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "mse", "HPE-LSA.perceptual_quality", "mine.perceptual_quality"])
        for number, sample in enumerate(edits):
            mos = sample.meta["perceptual_quality"]
            writer.writerow([sample.id, 100 - mos, mos + number % 5, "" if number % 4 == 0 else mos])
    folder = tmp_path / "out"
    ran = run("benchmark", "hpe-bench", copies["hpe-bench"], "--table", "--partial", "--only-table", "Table II",
              "--split", "all", "--scores", path, "-o", folder)  # fmt: skip
    assert ran.code == 3, ran.err
    with (folder / "numbers.csv").open(newline="", encoding="utf-8") as file:
        rows = {(r["method"], r["rating"], r["measure"]): r for r in csv.DictReader(file)}
    mse = rows["MSE", "perceptual_quality", "srcc"]
    assert float(mse["value"]) == pytest.approx(1)  # lower is better, and known to be
    assert float(mse["difference"]) == pytest.approx(1 - 0.0268)
    assert (mse["rank"], mse["published_rank"]) == ("1", "30")
    mine = rows["mine", "perceptual_quality", "srcc"]
    assert (mine["n"], mine["left_out"], mine["published"]) == ("38", "13", "")
    assert float(mine["p_against_own"]) < 0.05
    assert rows["mine", "editing_alignment", "srcc"]["value"] == ""
    assert rows["BRISQUE", "perceptual_quality", "srcc"]["reason"] == f"not in {path}"
    assert rows["CVRKD (fine-tuned)", "perceptual_quality", "srcc"]["published"] == "0.774"
    assert "Paired tests against HPE-LSA" in ran.out
    for name in ("tables.md", "tables.tex", "tables.html"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "0.0268" in text
        assert "DIVINE" in text
        assert "Paired tests against" in text


def test_lines_fit_a_terminal_of_80_columns(run, copies, tmp_path, monkeypatch):
    ran = run("benchmark", "hpe-bench", copies["hpe-bench"], "--table", "--partial", "--split", "all", "--only-table",
              "Table II", "--only", "classic", "-m", "gmsd", "-o", tmp_path / "out", "--quiet")  # fmt: skip
    assert ran.code == 3, ran.err
    lines = ran.out.splitlines()
    table = [line.rstrip() for line in lines if line[:30].strip() and "  " in line.strip()]
    assert len(table) > 30
    assert max(map(len, table)) <= 80
    assert "not downloaded" in ran.out


def test_options_that_exclude_each_other(run, copies):
    for options, words in (
        (("--only", "classic"), "--only requires --table"),
        (("--table", "--figures", "f.csv"), "--figures and --table exclude each other"),
        (("--table", "--scores", "s.csv", "-m", "psnr"), "--scores computes nothing"),
    ):
        ran = run("benchmark", "agiqa-3k", copies["agiqa-3k"], *options)
        assert ran.code == 2
        assert words in ran.err


def crossed(copies, folder, names, method):
    sets = {name: load(name, copies[name]) for name in names}
    parts = {name: copy.chosen(None, None, partial=True) for name, copy in sets.items()}
    request = TableRequest(tables=["Table II"] if names[0] == "hpe-bench" else ["Table 5"])
    first = paper_tables(names[0])
    (table,) = [table for table in first if table.table in request.tables]
    chosen = beyond_print(table if table.crossed else cross_table(table, parts), parts)
    return compare(
        replace(chosen, methods=[method], own=None), Computation(sets, parts, ComputeOptions(folder), TARGETS)
    )


def test_trained_on_one_set_and_evaluated_on_others(copies, tmp_path):
    """On the set itself by its folds, on another by one training on all of it, on pairs by the share that is right."""
    names = ["evalmi-50k", "agiqa-3k", "editreward-bench-tiger"]
    method = TableMethod("LMM4LMM", "trained", "mllm", train="brightness")
    result = crossed(copies, tmp_path, names, method)
    line = {column: result.lines.get(("LMM4LMM", column)) for column in result.table.columns}
    by_set = {(c.data, c.rating, c.measure): value for c, value in line.items() if value is not None}
    assert by_set["evalmi-50k", "correspondence", "srcc"].group == "average over fold"
    assert by_set["agiqa-3k", "alignment", "srcc"].n == 18
    pairs = {measure: value for (data, _, measure), value in by_set.items() if data == "editreward-bench-tiger"}
    assert len(pairs) > 1
    assert all(0 <= line.value <= 1 for line in pairs.values())
    whole = {
        folder.parent.name: (ids, scale) for folder, ids, _, scale in brightness.TRAININGS if folder.name == "whole"
    }
    assert set(whole) == {"perception", "correspondence"}
    assert {len(ids) for ids, _ in whole.values()} == {72}
    assert {scale for _, scale in whole.values()} == {(0, 100)}
    assert result.table.values["LMM4LMM", column_of_set(result, "agiqa-3k", "srcc")] == 0.8011


def column_of_set(result, data, measure):
    (column,) = [c for c in result.table.columns if (c.data, c.measure) == (data, measure)]
    return column


def test_labels_of_another_scale_are_trained_on_their_own(copies, tmp_path):
    """AGIQA-3K has no split to train by; trained on all of it and evaluated elsewhere, the scale is 0 to 5."""
    names = ["hpe-bench", "agiqa-3k"]
    method = TableMethod("DBCNN (fine-tuned)", "deep", "deep", train="brightness", trained_on="agiqa-3k")
    sets = {name: load(name, copies[name]) for name in names}
    parts = {name: copy.chosen(None, None, partial=True) for name, copy in sets.items()}
    computation = Computation(sets, parts, ComputeOptions(tmp_path), {"visual_quality": "perception"})
    scores = computation.scores(method, "hpe-bench", "hpe-bench")
    assert [scale for _, _, _, scale in brightness.TRAININGS] == [(0, 5)]
    assert set(scores.cells) == {"perceptual_quality"}
    assert max(scores.cells["perceptual_quality"].values()) < 10


def test_other_sets_are_named_on_the_command_line(run, copies, tmp_path):
    ran = run("benchmark", "evalmi-50k", copies["evalmi-50k"], "--table", "--partial", "--only-table", "Table 5",
              "--also", f"agiqa-3k={copies['agiqa-3k']}", "-o", tmp_path / "out", "--quiet",
              "--row", "PickScore=brightness", "--only", "deep")  # fmt: skip
    assert ran.code == 3, ran.err
    with (tmp_path / "out" / "numbers.csv").open(newline="", encoding="utf-8") as file:
        rows = {(r["method"], r["data"], r["measure"]): r for r in csv.DictReader(file)}
    assert "no dimension that AGIQA-3K rates" in rows["PickScore", "agiqa-3k", "srcc"]["reason"]
    assert rows["CLIPScore", "richhf-18k", "srcc"]["published"] == "0.057"


def test_redo_writes_what_it_returns(copies, tmp_path):
    name = "ntire-x-aigc-2"
    copy = load(name, copies[name])
    part = copy.chosen(partial=True)
    request = TableRequest(only=["classic"], metrics=["psnr"], tables=["Table 1"], rows={"LPIPS": "gmsd"})
    with pytest.raises(Exception, match="no table of ntire-x-aigc-2 has a method that is classic"):
        redo(name, {name: copy}, {name: part}, request, ComputeOptions(tmp_path))
    request = replace(request, only=["deep"])
    (result,) = redo(name, {name: copy}, {name: part}, request, ComputeOptions(tmp_path))
    final = [column for column in result.table.columns if column.measure == "final score"]
    assert {method for method, column in result.lines if column in final} == {"LPIPS", "EditScore", "psnr"} - {
        "EditScore"
    }
    with (tmp_path / "numbers.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "psnr" and row["measure"] == "final score"]
    assert float(rows[0]["value"]) == pytest.approx(result.value("psnr", final[0]))
    assert rows[0]["computed_by"] == "psnr"
