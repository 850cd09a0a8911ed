"""Planted mistakes in published assessors, for `tests/mutations.py`: name, file, old, new, tests."""

from __future__ import annotations

ANSWERS, FILES, REQUESTS, TEXT = (
    f"tests/conventions/test_{name}.py" for name in ("answers", "files", "requests", "text")
)
READ, ASKED = "editmetrics/conventions/answers.py", "editmetrics/conventions/assessor.py"
LINES = "editmetrics/judge/lines.py"
MADE, SHOWN = "editmetrics/conventions/dimensions.py", "editmetrics/conventions/shown.py"
JUNK = (f"{ANSWERS}::test_no_number_is_read_that_the_answer_does_not_state",)
ASKS = (f"{REQUESTS}::test_questions_are_those_of_the_authors",)
FOLLOW = (f"{FILES}::test_dimensions_follow_from_values",)

MUTATIONS = (
    ("a number outside its scale is read", READ, "if not form.low <= number <= form.high:", "if False:", JUNK),
    ("the first of two answers is read", READ, "if not len(pieces) == begun == 1:", "if not pieces:",
     (f"{ANSWERS}::test_numbers_behind_an_answer_in_tags_may_correct_it",)),
    ("numbers behind an answer in tags are passed by", READ,
     'refuse_numbers(answer, re.split(rf"(?i)</{tag}>", rest, maxsplit=1)[1], f"</{tag}>")', "",
     (f"{ANSWERS}::test_numbers_behind_an_answer_in_tags_may_correct_it",)),
    ("a line that counts something stands for a rating", LINES, "if not len(numbers) == len(alike) == count:",
     "if len(numbers) != count:", (f"{ANSWERS}::test_a_line_that_is_not_one_number_is_not_made_up_for_by_another",)),
    ("a box is read whatever the rating before it says", READ,
     "if any(plain_number(piece) != number for piece in stated):", "if False:",
     (f"{ANSWERS}::test_a_boxed_rating_is_stated_once_and_not_contradicted",)),
    ("an aspect that was not asked for stands for the last one", READ,
     "if headings > 1 or _NEXT_SECTION.match(line):", "if _NEXT_SECTION.match(line):",
     (f"{ANSWERS}::test_an_aspect_that_was_not_asked_for_does_not_stand_in_for_the_last_one",)),
    ("images of a batch share one guess", "editmetrics/mllm/heads.py", "guessed = self.guess(hidden).sigmoid()",
     "guessed = self.guess(hidden).sigmoid().mean(0, keepdim=True).expand(len(hidden), 1)",
     ("tests/conventions/test_state.py::test_hpsv3_plus_scores_each_image_by_its_own_guess",)),
    ("an answer of this machine that was cut off is read", "editmetrics/judge/local.py",
     'finish="length" if isinstance(text, CutOff) else None', "finish=None",
     ("tests/judge/test_local.py::test_an_answer_that_was_cut_off_is_no_number",)),
    ("every answer of this machine is whole", "editmetrics/mllm/prefix_cache.py",
     "CutOff(text) if len(answer) == max_tokens else text", "text",
     ("tests/mllm/test_prefix_cache.py::test_an_answer_that_used_up_its_tokens_says_so",)),
    ("rounds of a question have one seed", "editmetrics/judge/local.py",
     "seeds = [self.seed + questions[row].round for row in rows]", "seeds = [self.seed for row in rows]",
     ("tests/judge/test_local.py::test_rounds_of_a_question_are_drawn_together_and_other_questions_apart",)),
    ("all questions begin like the first", "editmetrics/mllm/shared_prefix.py",
     "cache.repeated([starts.index(read_as[row]) for row in range(len(prompts))])",
     "cache.repeated([0] * len(prompts))",
     ("tests/mllm/test_sampling.py::test_what_questions_about_one_picture_begin_with_is_read_once",)),
    ("an adapter is named by its settings", "editmetrics/conventions/adapted.py",
     "sorted(adapter_checksums(source).values())", "[min(adapter_checksums(source).values())]",
     (f"{TEXT}::test_an_adapter_of_another_content_is_another_adapter",)),
    ("digits of any script are digits", LINES, "re.fullmatch(NUMBER, bare, re.ASCII)", "re.fullmatch(NUMBER, bare)",
     JUNK),
    ("a summary's number is the last section's", READ, "if headings > 1 or _NEXT_SECTION.match(line):",
     "if headings > 1:",
     (f"{ANSWERS}::test_sections_end_where_the_next_begins_and_summaries_are_not_read",)),
    ("images stand before the text, whatever the authors do", ASKED,
     'parts = [*together, *pieces] if rule.order == "images_first" else [*pieces, *together]',
     "parts = [*together, *pieces]", ASKS),
    ("images have no label", ASKED,
     '[label.replace("{n}", str(number)), images[field]] if label else [images[field]]', "[images[field]]", ASKS),
    ("a mark in a sample's words is an image", ASKED,
     'self._filled(name, sample, rule.mark if rule.order == "inline" else "")',
     'self._filled(name, sample)[0].split(rule.mark)',
     (f"{REQUESTS}::test_words_of_a_sample_stay_as_they_are_where_images_stand_in_the_text",)),
    ("images keep their size", SHOWN, "            pixels = resized(pixels, *qwen_size(height, width, rule))",
     "            pass", ASKS),
    ("a mean is of what could be read", MADE, "absent = _left_out(conventions, values)", "absent = known", FOLLOW),
    ("a weighted mean is a weighted sum", MADE, "return total / sum(rule.weights)", "return total",
     (f"{FILES}::test_a_weighted_mean_is_one_for_any_weights",)),
    ("the authors' sampling comes before the options", "editmetrics/conventions/text.py",
     "{**published, **super().sampling()}", "{**super().sampling(), **published}",
     (f"{TEXT}::test_options_come_before_the_authors_way_of_drawing",)),
    ("a changed prompt is asked", "editmetrics/conventions/reading.py", "!= prompt.sha256:", '== "":',
     (f"{FILES}::test_what_is_wrong_is_named_with_its_line",)),
    ("sampling is not in the checksum", "editmetrics/conventions/reading.py", 'DESCRIPTIVE | {"models"}',
     'DESCRIPTIVE | {"models", "sampling"}', (f"{FILES}::test_the_checksum_is_that_of_what_changes_numbers",)),
    ("the token that crosses top_p is not drawn", "editmetrics/mllm/prefix_cache.py",
     "ordered.cumsum(1) - ordered >= top_p", "ordered.cumsum(1) >= top_p",
     ("tests/mllm/test_sampling.py::test_the_tokens_to_draw_are_those_of_transformers",)),
)  # fmt: skip
