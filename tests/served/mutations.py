"""Planted mistakes in what is asked of servers, for `tests/mutations.py`: name, file, old, new, tests."""

from __future__ import annotations

CHECKS, READING, EXPORT = (f"tests/served/test_{name}.py" for name in ("checks", "reading", "export"))
SERVER, PROBE = "editmetrics/served/server.py", "editmetrics/served/probe.py"

MUTATIONS = (
    ("what a server left out counts as impossible", SERVER,
     "if missing := [text for token, text in zip(step.tokens, step.texts, strict=True) if token not in logprobs]:",
     "logprobs = {**dict.fromkeys(step.tokens, -50.0), **logprobs}\n    if missing := []:",
     (f"{READING}::test_a_server_that_keeps_the_likeliest_alone_gives_no_number",)),
    ("what a server does not know counts as impossible", SERVER, "if not value <= NO_LOGPROB}", "}",
     (f"{READING}::test_a_probability_that_a_server_does_not_know_is_not_zero",)),
    ("a probe of another dimension is taken", "editmetrics/bases/served.py", "if known.part != part:", "if False:",
     (f"{EXPORT}::test_a_trained_assessor_is_served_as_it_was_trained",)),
    ("an address that is left out is OpenAI's", "editmetrics/served/__init__.py", 'if "" in values:', "if False:",
     (f"{CHECKS}::test_options_for_several_models_are_one_each",)),
    ("a folder of other files is written to", "editmetrics/served/export.py",
     'raise EditMetricsError(f"{home} is not empty', 'print(f"{home} is not empty',
     (f"{EXPORT}::test_nothing_is_written_outside_the_folder_or_over_another_model",)),
    ("tokens behind another digit than the likeliest are read", SERVER, "if token.token != step.tokens[best]:",
     "if False:", (f"{READING}::test_digits_are_those_of_this_machine",)),
    ("a prompt of another length is read", SERVER, "if length != question.length + len(read):", "if False:",
     (f"{READING}::test_images_that_a_server_makes_otherwise_are_seen",)),
    ("levels share the probability of all other tokens", "editmetrics/served/reading.py",
     "rest = 1.0 - sum(map(math.exp, values))", "rest = 0.0",
     (f"{READING}::test_words_that_the_model_was_not_about_to_say_are_no_score",)),
    ("one near log-probability passes the probe", PROBE, "if not max(differences) <= self.tolerance:",
     "if not min(differences) <= self.tolerance:",
     (f"{CHECKS}::test_the_tolerance_is_between_what_differs_and_what_does_not",)),
    ("a served adapter is asked without a probe", SERVER, "if adapter:", "if False:",
     (f"{CHECKS}::test_a_server_that_would_give_other_numbers_is_not_asked",)),
    ("the checkpoint's own sampling is left on", SERVER, '{**NEUTRAL, **(options.get("extra") or {})}',
     '{**(options.get("extra") or {})}', (f"{CHECKS}::test_text_is_asked_with_all_sampling_named",)),
    ("limits of image sizes go with every request", "editmetrics/served/vllm.py", '"temperature": 0,',
     '"temperature": 0, "mm_processor_kwargs": dict(question.limits),',
     (f"{READING}::test_levels_are_those_of_this_machine",)),
    ("an adapter is merged without its scale", "editmetrics/mllm/merging.py", " * layer.scaling[adapter]", "",
     (f"{EXPORT}::test_a_merged_model_says_what_the_adapter_says",)),
)  # fmt: skip
