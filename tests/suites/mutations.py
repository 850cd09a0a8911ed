"""Planted mistakes in suites and in how judges are asked, for `tests/mutations.py`: name, file, old, new, tests."""

from __future__ import annotations

AGGREGATION, REQUESTS, RUN, BAD_INPUT = (
    f"tests/suites/test_{name}.py" for name in ("aggregation", "requests", "run", "bad_input")
)
STREAMS = "tests/scoring/test_streams.py"
MEANS, GEDIT = "editmetrics/suites/aggregation.py", "editmetrics/suites/gedit.py"
GPT = (f"{REQUESTS}::test_gedit_asks_gpt_as_its_script_does",)
REFUSED = (f"{RUN}::test_rows_of_another_benchmark_are_refused_before_anything_is_asked",)

MUTATIONS = (
    (
        "a group without a number is left out of the mean", MEANS,
        "any(value is None for value in values)", "all(value is None for value in values)",
        (f"{AGGREGATION}::test_a_task_without_a_number_leaves_the_mean_empty_and_is_named",),
    ),
    (
        "what the judge has not answered yet follows the published rule", MEANS,
        'status in ("unavailable", "skipped")', 'status == "skipped"',
        (f"{AGGREGATION}::test_unavailable_samples_are_in_no_number",),
    ),
    (
        "the published rule forgets what the script reads", MEANS,
        "known = {**row.answers, **row.script_reads}", "known = {**row.answers}",
        (f"{AGGREGATION}::test_an_answer_that_only_the_script_reads_counts_in_the_published_rule_alone",),
    ),
    (
        "a guess is the mean of its ends", MEANS,
        "expected = completed(lambda every: every)", "expected = completed(lambda every: (min(every), max(every)))",
        (f"{AGGREGATION}::test_the_mean_of_a_guess_is_exact",),
    ),
    (
        "means are not rounded as the script rounds them", MEANS,
        "return mean if level.digits is None else round(mean, level.digits)", "return mean",
        (f"{AGGREGATION}::test_imgedit_rounds_as_its_script_and_leaves_out_what_it_cannot_read",),
    ),
    ("gedit: GPT sees the images first", GEDIT, "text_first=True)", "text_first=False)", GPT),
    ("gedit: JPEG with all colours", GEDIT, 'subsampling="4:2:0"', 'subsampling="4:4:4"', GPT),
    ("gedit: the edit keeps its size", GEDIT, 'Show("edited", encoding, size="source")', 'Show("edited", encoding)',
     GPT),
    (
        "a task of another benchmark is a task", "editmetrics/suites/rows.py",
        "return value if not field.values or value in field.values else None", "return value", REFUSED,
    ),
    ("rows are not checked", "editmetrics/scoring/suite_runs.py", "    check_rows(suite, samples)\n", "", REFUSED),
    (
        "a text of another version is asked", "editmetrics/files/official_copies.py",
        "if expected not in (", "if not expected and data not in (",
        (f"{REQUESTS}::test_texts_come_from_the_repository_by_checksum",),
    ),
    (
        "a model of another name is not noted", "editmetrics/scoring/suite_results.py",
        "if not name.lower().startswith(asked.lower())", "if not name",
        (f"{BAD_INPUT}::test_a_judge_that_is_another_model",),
    ),
    (
        "judges are asked in batches", "editmetrics/bases/judge.py",
        "self.streams = backbone is None", "self.streams = False",
        (f"{RUN}::test_all_requests_that_may_be_under_way_are_whatever_the_size_of_images",),
    ),
    (
        "a judge without credit is asked for every sample", "editmetrics/scoring/loop.py",
        "watch=lambda score: self.availability.watch(column.label, score)", "watch=lambda score: None",
        (f"{BAD_INPUT}::test_a_quota_that_ends_in_the_middle_asks_no_question_twice",),
    ),
    (
        "a sample that fails costs those beside it", "editmetrics/scoring/streams.py",
        "for ticket, item in held.values():", "for ticket, item in ():",
        (f"{STREAMS}::test_a_sample_that_fails_costs_no_other",),
    ),
    (
        "a run that is stopped waits for the judge", "editmetrics/scoring/streams.py",
        "        self._streaming.interrupt()\n", "",
        (f"{STREAMS}::test_a_run_that_is_stopped_waits_for_nothing_and_keeps_what_was_scored",),
    ),
)  # fmt: skip
