"""The card of a trained metric: what people should know of it, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .baseline import beside_baseline, comparisons


def card(facts: Mapping[str, Any]) -> str:
    """The text of `card.md` for the contents of a checkpoint's `metric.json`; see `TrainedCheckpoint`.

    >>> facts = {"metric": "ds_ieqa", "version": 1, "dimensions": ["quality"], "label_scale": [0, 100],
    ...         "backbone": None, "validation": {"quality": {"srcc": 0.8123, "n": 40}},
    ...         "data": {"train": 360, "validation": 40}}
    >>> print(card(facts))  # doctest: +ELLIPSIS
    # ds_ieqa, trained
    <BLANKLINE>
    Scores quality of edited or generated images, from 0 to 100. Trained on 360 samples and validated on 40.
    ...
    """
    low, high = facts["label_scale"]
    counts = facts.get("data", {})
    lines = [
        f"# {facts['metric']}, trained",
        "",
        f"Scores {', '.join(facts['dimensions'])} of edited or generated images, from {low:g} to {high:g}. "
        f"Trained on {counts.get('train', '?')} samples and validated on {counts.get('validation', '?')}.",
        "",
        "## Use",
        "",
        "    from editmetrics import create_metric",
        "",
        f'    metric = create_metric("{facts["metric"]}", weights="PATH OF THIS FOLDER")',
        '    print(metric("source.png", "edited.png", prompt="what the edit should do"))',
        "",
        "## How well it agrees with the ratings of the validation samples",
        "",
        *_validation(facts.get("validation", {}), counts.get("baseline", {})),
        "",
        "These samples chose the weights that were kept, so the numbers flatter; a test set tells more.",
        "",
        "## What it stands on",
        "",
        *_table("part", facts.get("backbone") or {"backbone": "none"}),
        "",
        "Whoever passes this checkpoint on is bound by the licences of the backbone and of the training data.",
        "",
        "## How it was trained",
        "",
        *_table("setting", facts.get("recipe", {})),
        "",
        *_confounds(counts.get("confounds", {})),
        *_left_out(counts.get("left_out", {})),
        *_prompts(facts.get("prompts", {})),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _validation(validation: Mapping[str, Mapping[str, Any]], baseline: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not validation:
        return ["Not measured."]
    lines = beside_baseline(validation, baseline)
    measures = list(dict.fromkeys(measure for _, measured in lines for measure in measured))
    rows = [f"| dimension | {' | '.join(map(_cell, measures))} |", "|---" * (len(measures) + 1) + "|"]
    for label, measured in lines:
        rows.append(f"| {_cell(label)} | {' | '.join(_cell(measured.get(measure)) for measure in measures)} |")
    if not baseline:
        return rows
    compared = comparisons(validation, baseline)
    worse = [f"**{_cell(one)}.**" for one in compared if not one.beaten]
    rows += ["", "The baseline is a ridge regression on statistics of the images (colours, contrast, sharpness, noise, "
             "size), which know nothing of their content."]  # fmt: skip
    return rows + ([line for each in worse for line in ("", each)] or ["", "The metric beats it in every dimension."])


def _confounds(confounds: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    lines = []
    for dimension, named in confounds.items():
        columns = ", ".join(f"{one['column']} ({one['measure']} {one['value']:.2f})" for one in named)
        lines.append(f"- {_cell(dimension)}: {_cell(columns)}")
    return ["What the size or format of the images alone tells of the ratings:", "", *lines, ""] if lines else []


def _table(heading: str, values: Mapping[str, Any]) -> list[str]:
    return [f"| {heading} | |", "|---|---|", *(f"| {_cell(name)} | {_cell(value)} |" for name, value in values.items())]


def _left_out(left_out: Mapping[str, int]) -> list[str]:
    if not left_out:
        return []
    return ["Left out of the training data:", "", *(f"- {count}: {_cell(why)}" for why, count in left_out.items()), ""]


def _prompts(prompts: Mapping[str, Any]) -> list[str]:
    lines = ["## Prompts", ""] if prompts else []
    for name, text in prompts.items():
        lines += [f"{_cell(name)}:", "", *(f"    {line}" for line in str(text).splitlines()), ""]
    return lines


def _cell(value: Any) -> str:
    """A value as Markdown text: numbers to four digits, and nothing that would be taken for markup."""
    if value is None:
        return "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(text.split()))
