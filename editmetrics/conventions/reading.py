"""A file of conventions -> `Conventions`: every key is known and of its type, every name has what it names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from ..file_hashes import sha256_of_json
from ..files.typed_toml import Problem, read_typed_toml
from ..sample import FIELDS, EditMetricsError
from ..wording import expected_one_of
from .schema import Conventions, QuestionRule

DESCRIPTIVE = frozenset({"title", "summary", "notes", "differences", "published", "origin", "version", "name"})
"""Fields that change no number: they are not in the checksum."""


class ConventionsError(EditMetricsError, ValueError):
    """A file of conventions cannot be used; the message names the file, the line and the key."""


def read_conventions(file: str | Path) -> Conventions:
    """Read and check a file of conventions. Raises `ConventionsError`, which names the line.

    >>> read_conventions(Path(__file__).with_name("edit_score.toml")).models[0].family
    'qwen2_5_vl'
    """
    return read_typed_toml(file, Conventions, ConventionsError, problems_of)


def digest_of(conventions: Conventions) -> str:
    """Return the SHA-256 of all that changes numbers: everything but names, notes and provenance.

    Checkpoints are left out, too: the one that is used stands in a metric's identity by itself.
    """
    content = {name: value for name, value in asdict(conventions).items() if name not in DESCRIPTIVE | {"models"}}
    return sha256_of_json(content)


# ---------------------------------------------------------------------- what belongs together


def problems_of(conventions: Conventions) -> Iterator[Problem]:
    """Yield what is wrong with conventions whose types are right: the key, and the problem in words."""
    for row, requires in enumerate(conventions.requires):
        if requires not in FIELDS:
            yield ("requires", row), f"unknown field {requires!r}; {expected_one_of(requires, FIELDS)}"
    for group in ("models", "questions", "dimensions"):
        names = [each.name for each in getattr(conventions, group)]
        if not names:
            yield (group,), "expected one at least"
        for row, name in enumerate(names):
            if name in names[:row]:
                yield (group, row, "name"), f"there are two of the name {name!r}"
    yield from _prompt_problems(conventions)
    for row, question in enumerate(conventions.questions):
        yield from ((("questions", row, *key), text) for key, text in _question_problems(conventions, question))
    yield from _readout_problems(conventions)
    yield from _dimension_problems(conventions)


def _prompt_problems(conventions: Conventions) -> Iterator[Problem]:
    for name, prompt in conventions.prompts.items():
        key = ("prompts", name)
        if (prompt.text is None) == (not prompt.file):
            yield key, "expected its text, or the file of the repository that has it"
        elif prompt.text is None:
            if prompt.file not in conventions.origin.files:
                yield (*key, "file"), f"origin.files has no SHA-256 of {prompt.file}"
        elif (digest := hashlib.sha256(prompt.text.encode()).hexdigest()) != prompt.sha256:
            yield (*key, "sha256"), f"that of the text is {digest}; was the text changed by mistake?"
        for slot in prompt.slots:
            if prompt.text is not None and slot not in prompt.text:
                yield (*key, "slots", slot), "it is not in the text"


def _question_problems(conventions: Conventions, question: QuestionRule) -> Iterator[Problem]:
    for field, names in (("texts", question.texts), ("system", (question.system,) if question.system else ())):
        for name in names:
            if name not in conventions.prompts:
                yield (field,), f"no prompt is named {name!r}; {expected_one_of(name, conventions.prompts)}"
    if bool(question.texts) == bool(question.chosen_by):
        yield ("texts",), "expected texts, or the column chosen_by that names one"
    for image in question.images:
        if image not in conventions.requires:
            yield ("images",), f"it shows {image}, which is not in 'requires'"
    answer = question.answer
    if answer is None:
        return
    if not answer.low < answer.high:
        yield ("answer", "low"), f"it is {answer.low:g}; expected less than high, {answer.high:g}"
    if answer.titles and len(answer.titles) != len(answer.values):
        yield ("answer", "titles"), f"expected {len(answer.values)}, one for each of the values"
    if (answer.form == "level") != bool(answer.words) or len(answer.words) > answer.high - answer.low + 1:
        yield ("answer", "words"), "the form 'level', and no other, has words, one for each number from low to high"
    if unknown := set(answer.optional) - set(answer.values):
        yield ("answer", "optional"), f"unknown values {', '.join(sorted(unknown))}"


def _readout_problems(conventions: Conventions) -> Iterator[Problem]:
    needed = {"text": "sampling", "state": "state", "levels": "levels"}
    for readout, table in needed.items():
        present = getattr(conventions, table) is not None
        if present != (readout == conventions.readout):
            verb = "requires" if readout == conventions.readout else "does not read"
            yield (table,), f"the read-out {conventions.readout!r} {verb} the table [{table}]"
    for row, question in enumerate(conventions.questions):
        if (question.answer is not None) != (conventions.readout == "text"):
            yield (
                ("questions", row),
                "the read-out 'text', and no other, has a table [questions.answer] in each question",
            )
    names = [question.name for question in conventions.questions]
    for row, head in enumerate(conventions.state.heads if conventions.state else ()):
        if head.question not in names:
            yield ("state", "heads", row, "question"), f"unknown; {expected_one_of(head.question, names)}"
        if head.outputs.count("mean") != 1:
            yield ("state", "heads", row, "outputs"), "expected 'mean' once"
        if not head.layers or list(head.layers.values())[-1] != len(head.outputs):
            yield (
                ("state", "heads", row, "layers"),
                f"expected {len(head.outputs)} outputs of the last one, as 'outputs' has",
            )
        for part in ("guess", "encoder", "modulation") if head.condition else ():
            if len(getattr(head.condition, part)) != 2:
                yield ("state", "heads", row, "condition", part), "expected the names of two linear layers"
    levels = conventions.levels
    if levels and len(levels.words) != len(levels.weights):
        yield ("levels", "weights"), f"expected {len(levels.words)}, one for each of the words"
    if levels and levels.answer and not levels.chat:
        yield ("levels", "answer"), "with chat = false it is the end of the question's text"
    if levels and len(conventions.questions) > 1:
        yield ("questions", 1), "the read-out 'levels' asks one question"


def values_of(conventions: Conventions) -> list[str]:
    """List the names of the numbers that the read-out gives, of which dimensions are made."""
    if conventions.state is not None:
        return [head.value for head in conventions.state.heads]
    if conventions.levels is not None:
        return [conventions.levels.value]
    return [value for question in conventions.questions if question.answer for value in question.answer.values]


def _dimension_problems(conventions: Conventions) -> Iterator[Problem]:
    values = values_of(conventions)
    for name in values:
        if values.count(name) > 1:
            yield ("questions",), f"two values are named {name!r}"
    rules: Mapping[str, tuple[str, ...]] = {rule.name: rule.values for rule in conventions.dimensions}
    for row, rule in enumerate(conventions.dimensions):
        key = ("dimensions", row)
        if rule.how == "value" and len(rule.values) != 1:
            yield (*key, "values"), f"how = 'value' takes one name, not {len(rule.values)}"
        if rule.weights and (rule.how != "mean" or len(rule.weights) != len(rule.values)):
            yield (*key, "weights"), f"expected {len(rule.values)}, one for each of the values of how = 'mean'"
        if not rule.low < rule.high:
            yield (*key, "low"), f"it is {rule.low:g}; expected less than high, {rule.high:g}"
        for name in rule.values:
            if name not in values and name not in rules:
                yield (*key, "values"), f"unknown value {name!r}; {expected_one_of(name, [*values, *rules])}"
        if _reaches(rule.name, rules, values):
            yield (*key, "values"), "it is made out of its own number"


def _reaches(name: str, rules: Mapping[str, tuple[str, ...]], values: list[str]) -> bool:
    """Tell whether a dimension depends on its own number; a name is a value's before it is a dimension's."""
    seen: set[str] = set()
    waiting = [each for each in rules.get(name, ()) if each not in values]
    while waiting:
        each = waiting.pop()
        if each == name:
            return True
        if each not in seen:
            seen.add(each)
            waiting += [inner for inner in rules.get(each, ()) if inner not in values]
    return False
