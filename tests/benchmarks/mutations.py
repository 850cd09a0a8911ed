"""Planted mistakes in preferences and comparison tables, for `tests/mutations.py`: name, file, old, new, tests."""

from __future__ import annotations

SETS, CHOICES = "tests/benchmarks/test_preference_sets.py", "tests/agreement/test_preferences.py"
BENCHMARKS, FIGURES = "editmetrics/benchmarks", "editmetrics/agreement/protocols/pair_figures.py"
PICKAPIC, IMAGEREWARD = f"{BENCHMARKS}/pickapic_v1/protocol.py", f"{BENCHMARKS}/imagereward_db/protocol.py"
COMPARISON, TABLES = f"{BENCHMARKS}/comparison", "tests/benchmarks/comparison"
BAD, COMBINED, REDONE = (f"{TABLES}/test_{name}.py" for name in ("bad_scores", "combined_scores", "redone"))
HELD_OUT = (f"{COMBINED}::test_a_source_is_never_learned_by_heart",)
OF_IMAGEREWARD = (f"{SETS}::test_imagereward_db_over_pairs_and_by_prompt",)

MUTATIONS = (
    (
        "HPD v2: what people tie is a pair like others", f"{BENCHMARKS}/hpd_v2/protocol.py",
        "np.where(people == 0, tied, correct(chosen, people))", "correct(chosen, people)",
        (f"{SETS}::test_hpd_v2_is_the_mean_over_prompts_of_pairs_that_are_not_turned",),
    ),
    (
        "ImageRewardDB: pairs of equal rank count", IMAGEREWARD,
        "~np.isnan(people) & (people != 0)", "~np.isnan(people)", OF_IMAGEREWARD,
    ),
    (
        "ImageRewardDB: the mean of prompts is that of pairs", IMAGEREWARD,
        "*means_by_item(right, items)", "right, items", OF_IMAGEREWARD,
    ),
    (
        "MMRB2: only the first order counts", f"{BENCHMARKS}/mmrb2_images/protocol.py",
        "for answer in orders]", "for answer in orders[:1]]",
        (f"{SETS}::test_mmrb2_counts_each_order_s_answer_by_itself",),
    ),
    (
        "Pick-a-Pic: the threshold is chosen on what it is tested on", PICKAPIC,
        "credits[:, known].mean", "credits[:, test].mean",
        (f"{SETS}::test_pickapic_takes_the_threshold_of_the_other_split",),
    ),
    (
        "Pick-a-Pic: half for a contradiction where the user ties", PICKAPIC,
        " & (chosen != CONTRADICTION)", "",
        (f"{SETS}::test_pickapic_gives_a_contradiction_nothing_even_where_the_user_ties",),
    ),
    (
        "one tie threshold for all groups", FIGURES,
        "tie_threshold(joined, dimension, rows)", "tie_threshold(joined, dimension, ~np.isnan(people))",
        (f"{SETS}::test_genai_bench_has_both_kinds_of_tie_and_a_threshold_for_each_task",),
    ),
    (
        "rank 1 is the worst", f"{BENCHMARKS}/pair_layout.py",
        "float((self.ranks[one] < self.ranks[other]) - (self.ranks[one] > self.ranks[other]))",
        "float((self.ranks[one] > self.ranks[other]) - (self.ranks[one] < self.ranks[other]))",
        (f"{SETS}::test_tiger_s_own_files_give_the_pairs_of_its_parquet_files",),
    ),
    (
        "an infinite rank has a place", "editmetrics/pairs/choices.py",
        "if number is None or not math.isfinite(number) else number", "if number is None else number",
        (f"{CHOICES}::test_a_rank_that_has_no_place_among_others_is_left_out",),
    ),
    (
        "a table trains on the fold that it tests", f"{COMPARISON}/compute.py",
        "if s.meta.get(column) is not None and str(s.meta[column]) != name]", "]",
        (f"{REDONE}::test_folds_train_on_the_others_and_average",),
    ),
    (
        "a table trains on the evaluated split", f"{COMPARISON}/compute.py",
        'for name in ("train", "val")}', 'for name in ("test", "val")}',
        (f"{REDONE}::test_a_split_is_trained_on_its_own_part",),
    ),
    (
        "the difference to the printed number has the wrong sign", f"{COMPARISON}/result.py",
        "else value - printed", "else printed - value",
        (f"{COMBINED}::test_the_forest_is_scikit_learns_fitted_to_the_other_sources",),
    ),
    (
        "equal numbers share the worse rank", f"{COMPARISON}/result.py",
        "1 + sum(other > value for", "sum(other >= value for",
        (f"{TABLES}/test_paper_tables.py::test_equal_numbers_share_the_better_rank_and_errors_are_better_when_lower",),
    ),
    (
        "the largest error is the best", f"{COMPARISON}/result.py",
        "-value if measure in ERRORS else value", "value",
        (f"{TABLES}/test_paper_tables.py::test_equal_numbers_share_the_better_rank_and_errors_are_better_when_lower",),
    ),
    (
        "folds of a combined row part a source", f"{COMPARISON}/combined_scores.py",
        "split([source_of[name] for name in names]", "split(list(names)", HELD_OUT,
    ),
    (
        "a regressor is fitted to what it predicts", "editmetrics/combining/cross_validation.py",
        "usable & (fold != number), usable", "usable, usable", HELD_OUT,
    ),
    (
        "scores meet ratings by position", f"{COMPARISON}/method_scores.py",
        'table[f"score.{rating}"] = [cells.get(name) for name in self.table["id"]]',
        'table[f"score.{rating}"] = [*cells.values(), *self.table["id"]][: len(self.table["id"])]',
        (f"{BAD}::test_methods_are_tested_on_the_samples_that_both_scored",
         f"{BAD}::test_rows_without_a_sample_count_nowhere_and_are_named"),
    ),
    (
        "a paired test has samples that one method did not score", f"{COMPARISON}/method_scores.py",
        "[one & two for", "[one | two for",
        (f"{BAD}::test_methods_are_tested_on_the_samples_that_both_scored",),
    ),
)  # fmt: skip
