"""Scores meet ratings under the paper's protocol; expected values are scipy's."""

import numpy as np
import polars
import pytest
from scipy import stats

from editmetrics.agreement.measure import AgreementError
from editmetrics.benchmarks.benchmark import BenchmarkError
from editmetrics.benchmarks.evaluation import evaluate
from editmetrics.benchmarks.load import load


def part_of(copies, name, split=None):
    return load(name, copies[name], images=False).chosen(split, partial=True)


def noisy(part, rating, seed=0):
    rng = np.random.default_rng(seed)
    return [s.meta[rating] + rng.normal(0, 15) for s in part.samples]


def ids(part):
    return [sample.id for sample in part.samples]


def test_the_real_ratings_of_ebench_against_scipy(real_ebench):
    part = load("ebench-18k", real_ebench, images=False).chosen()
    assert part.caveat is None
    quality = np.array([s.meta["visual_quality"] for s in part.samples])
    kept = np.array([s.meta["attribute_preservation"] for s in part.samples])
    given = ["Yes" if s.meta["editing_alignment"] > 45 else "No" for s in part.samples]
    scores = {"id": ids(part), "m.visual_quality": kept, "m.answer": given, "gmsd": -quality + 0.2 * kept}
    found = evaluate(part, scores).agreement
    value = found.value
    assert value("m", "srcc", "visual_quality") == pytest.approx(stats.spearmanr(quality, kept).statistic, abs=1e-12)
    assert value("m", "krcc", "visual_quality") == pytest.approx(stats.kendalltau(quality, kept).statistic, abs=1e-12)
    assert value("m", "plcc", "visual_quality") == pytest.approx(stats.pearsonr(quality, kept).statistic, abs=1e-12)
    assert value("m", "rmse", "visual_quality") == pytest.approx(np.sqrt(np.mean((quality - kept) ** 2)), abs=1e-9)
    right = np.mean([g.lower() == s.meta["answer"] for g, s in zip(given, part.samples, strict=True)])
    assert value("m", "accuracy", "answer") == pytest.approx(right, abs=1e-12)
    rain = np.array([s.meta["task"] == "deraining" for s in part.samples])
    expected = stats.spearmanr(quality[rain], kept[rain]).statistic
    assert value("m", "srcc", "visual_quality", "task=deraining") == pytest.approx(expected, abs=1e-12)
    systems = np.array([s.meta["system"] for s in part.samples])
    means = [(quality[systems == name].mean(), kept[systems == name].mean()) for name in sorted(set(systems))]
    expected = stats.spearmanr(*zip(*means, strict=True)).statistic
    assert value("m", "srcc", "visual_quality", "system level") == pytest.approx(expected, abs=1e-12)
    # a metric with one number meets all three ratings, in the direction of quality
    turned = stats.spearmanr(quality - 0.2 * kept, quality).statistic
    assert value("gmsd", "srcc", "visual_quality") == pytest.approx(turned, abs=1e-12)
    assert {line.rating for line in found.lines if line.score == "gmsd"} == {
        "visual_quality", "editing_alignment", "attribute_preservation"
    }  # fmt: skip


def test_evalmi_averages_over_folds_and_knows_what_meets_what(copies):
    part = part_of(copies, "evalmi-50k")
    perception = np.array(noisy(part, "perception"))
    answers = [1.0 if s.meta["answer"] == "yes" else 0.0 for s in part.samples]
    answers[0] = 1 - answers[0]
    scores = {
        "id": ids(part),
        "lmm4lmm:weights=toy.perception": perception,
        "lmm4lmm:weights=toy.correspondence": noisy(part, "correspondence", 1),
        "lmm4lmm:weights=toy.accuracy": answers,
        "lmm4lmm:weights=toy.explanation": ["good"] * len(answers),
    }
    found = evaluate(part, scores)
    metric = "lmm4lmm:weights=toy"
    assert found.columns[metric] == {
        "perception": f"{metric}.perception",
        "correspondence": f"{metric}.correspondence",
        "answer": f"{metric}.accuracy",
    }
    rated, folds = (np.array([s.meta[name] for s in part.samples]) for name in ("perception", "fold"))
    single = [stats.spearmanr(perception[folds == fold], rated[folds == fold]).statistic for fold in "234"]
    assert found.agreement.value(metric, "srcc", "perception", "average over fold") == pytest.approx(np.mean(single))
    assert found.agreement.value(metric, "accuracy", "answer") == pytest.approx(1 - 1 / len(answers))


def test_agiqa_is_measured_overall_and_for_each_model(copies):
    part = part_of(copies, "agiqa-3k")
    alignment, scores = np.array([s.meta["alignment"] for s in part.samples]), np.array(noisy(part, "alignment"))
    found = evaluate(part, {"id": ids(part), "lmm4lmm.correspondence": scores}).agreement
    for name, measure in (("srcc", stats.spearmanr), ("krcc", stats.kendalltau), ("plcc", stats.pearsonr)):
        expected = measure(scores, alignment)
        assert found.value("lmm4lmm", name, "alignment") == pytest.approx(expected.statistic, abs=1e-12)
        glide = np.array([s.meta["system"] == "glide" for s in part.samples])
        expected = measure(scores[glide], alignment[glide])
        assert found.value("lmm4lmm", name, "alignment", "system=glide") == pytest.approx(expected.statistic, abs=1e-12)
    assert found.line("lmm4lmm", "srcc", "alignment", "system level").groups == 6


def test_samples_that_nobody_rated_are_not_scored(copy_of):
    folder = copy_of("epaiqa-15k")
    table = polars.read_csv(folder / "ratings.csv", infer_schema=False)
    empty = polars.lit(None, polars.String)
    rated = polars.int_range(polars.len()) % 4 > 0
    columns = ("harmony", "local_naturalness", "overall_quality", "split")
    table.with_columns(polars.when(rated).then(polars.col(name)).otherwise(empty).alias(name) for name in columns
                       ).write_csv(folder / "ratings.csv")  # fmt: skip
    copy = load("epaiqa-15k", folder)
    assert copy.problems == []
    assert (len(copy.samples), len(copy.chosen("all", partial=True).samples)) == (36, 27)
    assert "27 of 9,132 rated edits" in copy.missing


def test_an_answer_that_is_neither_yes_nor_no_is_left_out(copies):
    part = part_of(copies, "evalmi-50k")
    given = [0.5, None, "perhaps", *(s.meta["answer"].upper() for s in part.samples[3:])]
    line = evaluate(part, {"id": ids(part), "mine.answer": given}).agreement.line("mine", "accuracy", "answer")
    assert (line.value, line.n, line.excluded) == (1.0, len(given) - 3, 3)


@pytest.mark.parametrize(
    ("name", "metric", "meets"),
    [
        ("ebench-18k", "ds_ieqa:weights=toy", {"editing_fidelity": "editing_alignment",
                                               "visual_quality": "visual_quality",
                                               "content_preservation": "attribute_preservation"}),
        ("hpe-bench", "hpe_lsa:weights=toy", {"perceptual_quality": "perceptual_quality", "authenticity": "authentic",
                                              "editing_alignment": "editing_alignment"}),
        ("ntire-x-aigc-2", "hpe_lsa", {"perceptual_quality": "visual_quality", "editing_alignment": "editing_fidelity",
                                       "attribute_preservation": "content_preservation"}),
        ("agiqa-3k", "lmm4lmm", {"perception": "perception", "correspondence": "alignment"}),
    ],
)  # fmt: skip
def test_the_papers_metrics_meet_the_ratings_of_other_papers(copies, name, metric, meets):
    part = part_of(copies, name)
    rng = np.random.default_rng(0)
    scores = {"id": ids(part)} | {f"{metric}.{d}": rng.uniform(0, 1, len(part.samples)) for d in meets}
    assert evaluate(part, scores).columns == {metric: {to: f"{metric}.{d}" for d, to in meets.items()}}


def test_a_metric_that_was_asked_for_one_dimension_meets_that_rating_alone(copies):
    part = part_of(copies, "hpe-bench")
    column = "hpe_lsa:weights=toy,dimension=authenticity"
    scores = {"id": ids(part), column: [float(s.meta["authentic"]) for s in part.samples]}
    found = evaluate(part, scores)
    assert found.columns == {column: {"authentic": column}}
    assert found.agreement.value(column, "balanced_accuracy", "authentic") == 1.0


def test_dimensions_that_meet_nothing_are_said(copies):
    part = part_of(copies, "agiqa-3k")
    rng = np.random.default_rng(0)
    scores = {"id": ids(part)} | {f"ds_ieqa.{d}": rng.uniform(0, 1, len(ids(part)))
                                  for d in ("visual_quality", "content_preservation")}  # fmt: skip
    with pytest.raises(BenchmarkError, match="--pair SCORE=RATING"):
        evaluate(part, scores)
    found = evaluate(part, scores | {"mine": rng.uniform(0, 1, len(ids(part)))})
    assert found.columns == {"mine": {"perception": "mine", "alignment": "mine"}}
    assert sum("matches no rating of AGIQA-3K" in note for note in found.agreement.notes) == 2
    paired = evaluate(part, scores, pairs=[("ds_ieqa.visual_quality", "perception")])
    assert paired.columns == {"ds_ieqa": {"perception": "ds_ieqa.visual_quality"}}


def test_ratings_are_no_scores(copies):
    part = part_of(copies, "agiqa-3k")
    scores = {"id": ids(part), "perception": [s.meta["perception"] for s in part.samples]}
    with pytest.raises(BenchmarkError, match="holds the ratings themselves"):
        evaluate(part, scores)
    scores["perception"] = [f"{value!r}0" for value in scores["perception"]]
    with pytest.raises(BenchmarkError, match="holds the ratings themselves"):
        evaluate(part, scores)
    scores["perception"] = noisy(part, "perception")
    assert evaluate(part, scores).columns == {"score": {"perception": "perception"}}


def test_what_a_metric_sees_has_no_ratings(copies):
    for name in copies:
        part = part_of(copies, name)
        for sample in part.unrated():
            assert not set(sample.meta) & set(part.benchmark.ratings)


def test_samples_without_a_score_are_counted(copies):
    part = part_of(copies, "agiqa-3k")
    scores = noisy(part, "perception")
    scores[:4] = [None] * 4
    line = evaluate(part, {"id": ids(part), "mine": scores}).agreement.line("mine", "srcc", "perception")
    assert (line.n, line.excluded) == (len(scores) - 4, 4)
    fewer = {"id": ids(part)[2:], "mine": scores[2:]}
    line = evaluate(part, fewer).agreement.line("mine", "srcc", "perception")
    assert (line.n, line.excluded) == (len(scores) - 4, 4)


def test_ntire_needs_both_distributions(copies):
    part = part_of(copies, "ntire-x-aigc-2", "train")
    assert part.caveat == "split train alone"
    with pytest.raises(AgreementError, match="requires the column 'split'"):
        evaluate(part, {"id": ids(part), "mine": noisy(part, "visual_quality")})


def test_a_part_is_drawn_by_hash_and_says_so(copies):
    copy = load("evalmi-50k", copies["evalmi-50k"], images=False)
    ten, again, twenty = (copy.chosen(limit=n, partial=True) for n in (10, 10, 20))
    assert ids(ten) == ids(again)
    assert set(ids(ten)) < set(ids(twenty))
    assert len({s.meta["system"] for s in twenty.samples}) > 8  # not the first model's images
    assert ten.caveat == "10 of 72 samples; of an incomplete copy"
    fold = copy.chosen("3", partial=True)
    assert {s.meta["fold"] for s in fold.samples} == {"3"}
    assert fold.caveat == "fold 3 alone; of an incomplete copy"


def test_the_rows_that_are_written_tell_ours_from_theirs(copies):
    part = part_of(copies, "evalmi-50k")
    rows = evaluate(part, {"id": ids(part), "mine.perception": noisy(part, "perception")}).rows()
    ours, theirs = ([row for row in rows if bool(row["published"]) is which] for which in (False, True))
    assert {row["score"] for row in ours} == {"mine"}
    assert {row["part"] for row in ours} == {"of an incomplete copy"}
    assert all(row["published"].startswith("LMM4LMM (arXiv 2504.08358), Table ") for row in theirs)
    assert "mine" not in {row["score"] for row in theirs}
