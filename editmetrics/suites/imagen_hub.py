"""The suite of ImagenHub: VIEScore's questions about seven tasks, and how its answers agree with people's ratings."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from ..judge import Encoding
from ..sample import Dimension
from .answers import as_viescore_script, viescore_rating
from .definition import (
    Ask,
    FailureRule,
    Level,
    PeopleRatings,
    PromptText,
    ProtocolDifference,
    RowBlock,
    RowField,
    Sampling,
    Show,
    Suite,
    SuiteColumn,
    SuiteJudge,
    SuiteSource,
    TableLayout,
)
from .imagen_hub_prompts import QUALITY, QUESTIONS

TASKS = {
    "t2i": ("Text-Guided_IG", 197, 5),
    "mie": ("Mask-Guided_IE", 179, 4),
    "tie": ("Text-Guided_IE", 179, 8),
    "sdie": ("Subject-Driven_IE", 154, 3),
    "sdig": ("Subject-Driven_IG", 150, 4),
    "msdig": ("Multi-Concept_IC", 102, 3),
    "cig": ("Control-Guided_IG", 150, 2),
}
"""The folder of each task in ImagenMuseum, its samples of one model, and the models with ratings of people."""

SHA256 = {
    "t2i": "17cc0818cedb3bf27b342aefcc9c43819740ba00422696aa4e02beaf67717d1a",
    "mie": "5518ccad41d54499d7a377e40961c142a93c2a5a948baa214299153f17a025d9",
    "tie": "8f529562c2f89f8db51a3f7cc4d487686f676909c21010b67b0e65ec78150de5",
    "sdie": "8013c1e7970326272e62c964ae5838cd7153600d9abdce5a6b723dee0524ed85",
    "sdig": "30d25a64a162c1eafd7551321521e534ec0c99f4e93d61a486b69fd8bcfae329",
    "msdig": "0d77ac543572ca79aa6e7ba0e268772ca11760ff49283c9bab7115b0f9e7755f",
    "cig": "b5b2a1ece5d379da209a3b3d8fe9a66eeb44ec7998b253f0ba4f8c8daea3a17b",
}
SCORES = {"t2i": 1, "msdig": 3}
"""The number of scores in an answer about semantic consistency, where it is not 2."""

JPEG = Encoding("jpeg", quality=75, subsampling="4:2:0")
BEFORE, TOKEN, AFTER = Show("source", JPEG), Show("reference", JPEG), Show("edited", JPEG)
SHOWN = {"t2i": (AFTER,), "sdie": (BEFORE, TOKEN, AFTER)}
SLOT = {"mie": "<instruction>", "tie": "<instruction>", "sdie": "<subject>"}
REWRITES = {"sdig": {"<token> ": ""}, "sdie": {"_": " "}}
BY_SCRIPT = partial(as_viescore_script, mends=False)
VALUES = ("SC", "PQ", "O")


def _consistency(task: str) -> Ask:
    text = PromptText(
        f"SC_{task}",
        SHA256[task],
        {SLOT.get(task, "<prompt>"): "prompt"},
        QUESTIONS[task],
        rewrites=REWRITES.get(task, {}),
    )
    reader = viescore_rating(f"SC_{task}", SCORES.get(task, 2))
    return Ask(f"SC_{task}", (text, *SHOWN.get(task, (BEFORE, AFTER))), reader, BY_SCRIPT, 0, 10, {"task": (task,)})


PQ_TEXT = PromptText("PQ", hashlib.sha256(QUALITY.encode()).hexdigest(), {}, QUALITY)
ASKS = (*map(_consistency, TASKS), Ask("PQ", (PQ_TEXT, AFTER), viescore_rating("PQ"), BY_SCRIPT, 0, 10))


def numbers(values: Mapping[str, float]) -> dict[str, float]:
    """SC and PQ, 0 to 1: a tenth of the score, whose decimals are cut off; O = sqrt(SC * PQ). Nothing without both.

    >>> numbers({"SC_tie": 5, "PQ": 5.7})
    {'O': 0.5, 'SC': 0.5, 'PQ': 0.5}
    """
    scores = {name.partition("_")[0]: min(max(int(value) / 10, 0.0), 1.0) for name, value in values.items()}
    if not {"SC", "PQ"} <= scores.keys():
        return {}
    return {"O": math.sqrt(scores["SC"] * scores["PQ"]), **scores}


def ratings(cells: Sequence[str]) -> dict[str, float]:
    """The means over people of their SC, PQ, and sqrt(SC * PQ), of cells such as "[1, 0.5]".

    Summed up one after the other, as the script does: its ranks of O depend on the last digit.

    >>> ratings(["[1, 1]", "[0.5,0]"])
    {'SC': 0.75, 'PQ': 0.5, 'O': 0.5}
    """
    pairs = []
    for cell in cells:
        try:
            consistency, quality = (float(number) for number in json.loads(cell))
        except (ValueError, TypeError) as error:
            raise ValueError(f"expected two numbers such as [1, 0.5], got {cell!r}") from error
        if not (0 <= consistency <= 1 and 0 <= quality <= 1):
            raise ValueError(f"expected two numbers from 0 to 1, got {cell!r}")
        pairs.append((consistency, quality))
    return {
        "SC": sum(consistency for consistency, _ in pairs) / len(pairs),
        "PQ": sum(quality for _, quality in pairs) / len(pairs),
        "O": sum(math.sqrt(consistency * quality) for consistency, quality in pairs) / len(pairs),
    }


def _correlations(*steps: tuple[str, ...]) -> tuple[SuiteColumn, ...]:
    """Averages of each model's correlation, by the published rule and by Fisher's z; `steps` are groups to average."""
    columns = []
    ways: tuple[tuple[Literal["tanh", "fisher"], str], ...] = (("tanh", "{}"), ("fisher", "{}, Fisher's z"))
    for how, heading in ways:
        means = (Level(("task",) if groups else (), groups, how=how) for groups in steps)
        levels = (Level(("task", "model"), how="spearman"), *means)
        columns += [SuiteColumn(heading.format(name), name, levels, digits=4) for name in VALUES]
    return tuple(columns)


BLOCKS = {task: RowBlock(folder, {"task": (task,)}, rows) for task, (folder, rows, _) in TASKS.items()}
POOLED = tuple(RowBlock(folder, {"task": (task,)}, rows * models) for task, (folder, rows, models) in TASKS.items())

SUITE = Suite(
    name="imagen-hub",
    about="VIEScore's table on ImagenHub: how a judge's semantic consistency (SC), perceptual quality (PQ) and O = "
    "sqrt(SC * PQ) agree with three people, as Spearman's correlation of each model's samples, averaged over the "
    "models of a task and over seven tasks; and each model's means, 0 to 1. The source is the image in ImagenMuseum's "
    "folder input, the reference that in its folder token; the prompt is the instruction, prompt, text or subject; the "
    "column system names the model. People's cells are those of ImagenHub's tables, such as [1, 0.5].",
    source=SuiteSource(
        "Ku et al., VIEScore, ACL 2024, arXiv:2312.14867",
        "TIGER-AI-Lab/VIEScore",
        "2cbea4e8ce5721425a8772590ecdbe7d2edd1721",
        {
            "paper_implementation/run.py": "e0d0e51ad2a0ea3db88e1ea9f53bef9a929aa825a589972a54882eb0ec849701",
            "paper_implementation/analyze_json.ipynb": (
                "c74378d1535eb5c95fa6b4d315bcd00ea5b9c3d542f8f1e89d0339befbed0d1b"
            ),
            "paper_implementation/imagen_museum/utils.py": (
                "83ecbb56318ec9a6a2efa82e02abd59b48b4eb8845f2523f9a2acd0453e74ac9"
            ),
            "paper_implementation/_questions/context_no_delimit.txt": (
                "446482c9035af15092f48235470d6daf29c9930e3f9faa2cd0f722363c74adde"
            ),
        },
        code_licence="MIT",
        prompt_licence="MIT",
        data_licence="MIT (people's ratings; TIGER-AI-Lab/ImagenHub)",
        read_on="2026-11-30",
    ),
    needs=frozenset({"edited", "prompt"}),
    fields=(
        RowField(
            "task",
            ("task",),
            tuple(TASKS),
            {name: task for task, (folder, _, _) in TASKS.items() for name in (folder, f"ImagenHub_{folder}")},
        ),
        RowField("model", ("system",), needed=False),
    ),
    judges=(
        SuiteJudge(
            "G", "GPT-4o", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13", ASKS, Sampling(max_tokens=1400), most=(9602, 13880)
        ),
    ),
    values=(
        Dimension("O", low=0, high=1, primary=True, description="sqrt(SC * PQ)"),
        Dimension("SC", low=0, high=1, description="the prompt is followed, no more is changed"),
        Dimension("PQ", low=0, high=1, description="the image is natural and free from artifacts"),
    ),
    derive=numbers,
    people=PeopleRatings(("rater1", "rater2", "rater3"), ratings),
    failure=FailureRule("asks up to three times, then leaves the sample out"),
    tables=(
        TableLayout(
            "", _correlations(tuple(TASKS), ()), (RowBlock("Correlation, seven tasks", rows=4801),), together=True
        ),
        TableLayout("Correlation by task", _correlations(()), POOLED, together=True),
        TableLayout(
            "Means",
            (
                *(SuiteColumn(name, name) for name in VALUES),
                *(SuiteColumn(f"people's {name}", name, of_people=True) for name in VALUES),
            ),
            tuple(BLOCKS.values()),
        ),
    ),
    rows=4801,
    differences=(
        ProtocolDifference(
            "an answer without scores",
            "is asked for up to three times; the sample is left out, and so are samples in whose answer words such as "
            "'sorry' stand",
            "is left out, counted and named; words change nothing where there are scores",
            "small",
        ),
        ProtocolDifference(
            "reading an answer",
            "any length and any size of the list of scores",
            "one score of text-to-image, three of several subjects, else two, from 0 to 10",
            "answers that only the script would read are counted under the table",
        ),
        ProtocolDifference(
            "the average of correlations",
            "tanh of the mean, called Fisher's; once more over the tasks",
            "the same, and beside it the mean by Fisher's z",
            "tanh makes 0.450 of a mean of 0.485",
        ),
        ProtocolDifference(
            "a correlation that is undefined",
            "makes every average undefined",
            "leaves its cell and every average over it empty",
            "none",
        ),
        ProtocolDifference(
            "transparent images", "the alpha channel is dropped", "are laid on white", "none for opaque images"
        ),
    ),
    unchecked="the images, which are in ImagenMuseum; GPT-4V's older questions, and those with an example",
)
