"""The docstring of a metric that is made of a file of conventions: what `editmetrics info` and the pages show."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import replace

from .schema import Conventions, DimensionRule, HeadRule, ImageRule, QuestionRule, StateRule

WIDTH = 116


def documentation(conventions: Conventions) -> str:
    """Return the docstring: summary, notes, and the conventions in words, one paragraph each."""
    paragraphs = [conventions.summary, *conventions.notes.strip().split("\n\n"), *_facts(conventions)]
    return "\n\n".join(_wrapped(paragraph) for paragraph in paragraphs if paragraph.strip())


def licence(conventions: Conventions) -> str:
    """Return the terms of use: of this code, the prompts and the weights."""
    origin = conventions.origin
    unstated = {"none": "none stated"}
    prompts, weights = (unstated.get(terms, terms) for terms in (origin.prompt_licence, origin.weights_licence))
    return f"this code: Apache-2.0; its prompts: {prompts}; its weights: {weights}"


def _facts(conventions: Conventions) -> Iterator[str]:
    origin = conventions.origin
    models = (f"{one.name} ({one.base}{' with ' + one.weights if one.weights else ''})" for one in conventions.models)
    yield f"Checkpoints: {', '.join(models)}."
    shipped = all(prompt.text is not None for prompt in conventions.prompts.values())
    where = "shipped" if shipped else "read from your copy of the repository, by checksum (repository=FOLDER)"
    asked = "; ".join(f"{rule.name}: {_question(rule)}" for rule in conventions.questions)
    yield f"Questions, {where}: {asked}. {_sizes(conventions)}."
    if (drawn := conventions.sampling) is not None:
        likeliest = [f"{name} {value}" for name, value in (("top_p", drawn.top_p), ("top_k", drawn.top_k)) if value]
        how = ", ".join([f"temperature {drawn.temperature:g}", *likeliest]) if drawn.temperature else "greedy"
        seed = "" if drawn.seed is None else f", seed {drawn.seed}"
        yield f"Answers: {how}{seed}, at most {drawn.max_tokens} tokens."
    if conventions.state is not None:
        yield _state(conventions.state)
    if (levels := conventions.levels) is not None:
        words = ", ".join(f"{word!r} {weight:g}" for word, weight in zip(levels.words, levels.weights, strict=True))
        among = "these alone" if levels.among == "words" else "the whole vocabulary"
        behind = repr(levels.answer) if levels.chat else "the question's text, which no chat template surrounds,"
        yield f"Read: the words behind {behind} with their weights, {words}; probabilities over {among}."
    made = [rule for rule in conventions.dimensions if rule.values != (rule.name,)]  # the others are read as they are
    if made:
        yield f"Dimensions: {'; '.join(f'{rule.name} = {_formula(rule)}' for rule in made)}."
    if conventions.differences:
        yield f"Differences from the authors' code: {'; '.join(conventions.differences)}."
    if conventions.published:
        figures = (
            f"{figure.measure} {figure.value:g} on {figure.data} ({figure.checkpoint}, {figure.where})"
            for figure in conventions.published
        )
        yield f"Published: {'; '.join(figures)}."
    where = f"; {origin.repository} at {origin.commit[:7]}" if origin.repository != "none" else ""
    yield f"Source: {origin.paper}{where}, read on {origin.read_on}."


def _state(rule: StateRule) -> str:
    position = f"the token {rule.token}" if rule.token else f"token {rule.behind} from the end"
    counted = ", positions counted as in text" if rule.positions == "plain" else ""
    heads = "; ".join(
        f"{head.value} by layers of {', '.join(map(str, head.layers.values()))} ({head.activation}), "
        f"whose outputs are {' and '.join(head.outputs)}{_condition(head)}"
        for head in rule.heads
    )
    return f"Read: the last layer's state at {position} of the question{counted}; {heads}."


def _condition(head: HeadRule) -> str:
    if (condition := head.condition) is None:
        return ""
    return (
        f", of the state scaled and shifted by layers {', '.join((*condition.encoder, *condition.modulation))} "
        f"for a guess by {', '.join(condition.guess)} and the iteration {condition.iteration:g}"
    )


def _question(rule: QuestionRule) -> str:
    images = " and ".join(rule.images)
    order = {"images_first": f"{images}, then the text", "text_first": f"the text, then {images}",
             "inline": f"{images} inside the text"}[rule.order]  # fmt: skip
    if rule.answer is None:
        return order
    form = {
        "json": "a JSON object", "lines": "a line for each number", "ratings": "a line for each number",
        "sections": "a section for each number",
        "tag": f"a number in <{rule.answer.key}> tags", "tagged_json": "a JSON object in <answer> tags",
        "label": f"a number behind '{rule.answer.key}'", "boxed": "a number in \\boxed{}",
        "level": f"one of {', '.join(rule.answer.words)}",
    }[rule.answer.form]  # fmt: skip
    return f"{order}; {form}, {rule.answer.low:g} to {rule.answer.high:g}"


def _sizes(conventions: Conventions) -> str:
    """Return how images are shown; where checkpoints differ, each way with the checkpoints that have it."""
    names: dict[str, list[str]] = {}
    for model in conventions.models:
        rule = replace(conventions.images, size=model.size or conventions.images.size)
        names.setdefault(_images(rule), []).append(model.name)
    if len(names) == 1:
        return next(iter(names))
    return ". ".join(f"{how} ({', '.join(models)})" for how, models in names.items())


def _images(rule: ImageRule) -> str:
    least, most = rule.min_pixels, rule.max_pixels
    pixels = f"to about {most}" if least == most else f"{least} to {most}"
    sizes = {
        "as_is": "Images have their own size",
        "source": "The edited image is scaled to the source's size",
        "qwen": f"Images are scaled as qwen-vl-utils does, {pixels} pixels",
    }
    return sizes[rule.size] + (f", as JPEG of quality {rule.quality}" if rule.form == "jpeg" else "")


def _formula(rule: DimensionRule) -> str:
    names, product = ", ".join(rule.values), " * ".join(rule.values)
    if rule.how == "geometric":
        return f"sqrt({product})" if len(rule.values) == 2 else f"geometric mean of {names}"
    if rule.weights:
        terms = (f"{weight:g} {name}" for weight, name in zip(rule.weights, rule.values, strict=True))
        total = sum(rule.weights)
        return " + ".join(terms) if total == 1 else f"({' + '.join(terms)}) / {total:g}"
    return {"value": names, "product": product}.get(rule.how, f"{rule.how} of {names}")


def _wrapped(paragraph: str) -> str:
    if any(line.startswith((" ", "-")) for line in paragraph.splitlines()):
        return paragraph
    return textwrap.fill(" ".join(paragraph.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
