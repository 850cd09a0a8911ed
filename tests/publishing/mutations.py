"""Planted mistakes in leaderboards, uploads and the demo, for `tests/mutations.py`: name, file, old, new, tests."""

from __future__ import annotations

RECORD, CHECKPOINT = "tests/publishing/test_record.py", "tests/publishing/test_checkpoint.py"
BOARD, FORM = "tests/report/test_leaderboard.py", "tests/demo/test_form.py"
SCRUB, UPLOAD = "editmetrics/publishing/scrub.py", "editmetrics/publishing/upload.py"
JSON = "editmetrics/report/leaderboard_json.py"
ARRIVES = (f"{RECORD}::test_what_arrives_is_the_run_without_paths_and_images",)
IMAGES = (f"{RECORD}::test_images_hide_in_texts_and_leave_only_with_consent",)
OTHERS = (f"{RECORD}::test_a_repository_with_other_content_is_left_alone",)

MUTATIONS = (
    ("paths leave", SCRUB, "return self._paths.sub(lambda match: self._path(match[0]), text)", "return text",
     (f"{RECORD}::test_secrets_are_refused_and_paths_shortened",)),
    ("images leave", SCRUB, "image[0] if self.images else NO_IMAGE", "image[0]", IMAGES),
    ("reasons of missing pictures name paths", "editmetrics/publishing/record.py",
     "key: scrubber.text(reason)", "key: reason", IMAGES),
    ("names are not looked for", SCRUB, "elif words and (match", "elif False and words and (match",
     (f"{RECORD}::test_a_name_of_this_machine_is_refused_with_its_line",)),
    ("everything is public", UPLOAD, "private=plan.private, space_sdk", "private=False, space_sdk", ARRIVES),
    ("a private upload goes public", UPLOAD, "if plan.private and not info.private:", "if False:", OTHERS),
    ("what others wrote is replaced", UPLOAD, "(others or not own)", "others", OTHERS),
    ("nobody is asked", "editmetrics/cli/push.py", "    if not yes:", "    if False:",
     (f"{RECORD}::test_nothing_leaves_without_a_yes",)),
    ("any file is fetched", "editmetrics/mllm/hub_checkpoint.py",
     "if odd := [path for path in files if PurePosixPath(path).suffix not in SUFFIXES]:", "if odd := []:",
     (f"{CHECKPOINT}::test_only_files_that_cannot_run_code_leave_or_come",)),
    ("checksums of changed files are as before", "editmetrics/publishing/checkpoint.py",
     'described["files"] = {**checkpoint.files, **changed}', 'described["files"] = {**checkpoint.files}',
     (f"{CHECKPOINT}::test_paths_in_its_description_are_shortened_and_it_still_loads",)),
    ("a prompt is markup", "editmetrics/demo/form.py", "escape_html(line.text).replace", "line.text.replace",
     (f"{FORM}::test_explanations_stand_beside_their_number_and_nothing_is_markup",)),
    ("other sites may use the demo", "editmetrics/serving/own_page.py", 'and origin == f"http://{host}"', "",
     ("tests/serving/test_own_page.py::test_other_sites_are_refused",)),
    ("a file that changed is sent", UPLOAD, "if file.sha256 and operation", "if False and operation",
     (f"{CHECKPOINT}::test_a_file_that_changes_after_it_was_shown_is_not_sent",)),
    ("more lines of an image leave", SCRUB, '"{60,}={0,2}" + WRAPPED', '"{60,}={0,2}"',
     ("tests/publishing/test_scrub.py::test_images_are_found_in_every_encoding",)),
    ("infinite scores are not counted", JSON, '"infinite": cell.infinite,', '"infinite": 0,',
     (f"{BOARD}::test_the_numbers_of_each_system_are_those_of_its_rows",)),
    ("a digest is of all samples", JSON, "_inputs(table, column, line.rows)",
     "_inputs(table, column, range(len(table)))",
     (f"{BOARD}::test_what_produced_a_number_stands_beside_it",)),
)  # fmt: skip
