"""Planted mistakes in the rules of sets of preferences, for `tests/mutations.py`: name, file, old, new, tests."""

from __future__ import annotations

SETS, CHOICES = "tests/benchmarks/test_preference_sets.py", "tests/agreement/test_preferences.py"
BENCHMARKS, FIGURES = "editmetrics/benchmarks", "editmetrics/agreement/protocols/pair_figures.py"
PICKAPIC, IMAGEREWARD = f"{BENCHMARKS}/pickapic_v1/protocol.py", f"{BENCHMARKS}/imagereward_db/protocol.py"
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
)  # fmt: skip
