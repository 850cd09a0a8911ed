"""The suite of UniGenBench: test points of a prompt that a judge finds met in an image, pooled by dimension."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..bases.judge import Verdict
from ..judge import Encoding
from ..sample import Dimension, Sample, SampleError, Score
from .definition import (
    Ask,
    FailureRule,
    PromptChoice,
    PromptText,
    ProtocolDifference,
    RowBlock,
    RowField,
    Sampling,
    Show,
    Suite,
    SuiteColumn,
    SuiteError,
    SuiteJudge,
    SuiteSource,
    TableLayout,
)
from .of_suite import with_its_row
from .row_judge import RowJudge, RowQuestions, key_of
from .rows import fields_of
from .unigenbench_answers import DIMENSIONS, POINTS, dimension_of, lists_in, scores_of, script_scores

if TYPE_CHECKING:
    from ..judge import Answer

TEXTS = "eval/src/eval_common.py"
FILES = {category: f"data/test_prompts_{category}.csv" for category in ("en", "en_long", "zh", "zh_long")}
HEADERS = {
    "en": ("Checkpoints Defination", "Checkpoints Description", "Testpoints", "Testpoint Description"),
    "zh": ("考点说明", "考点描述说明", "考点", "考点对应描述"),
}
"""By language: what stands before explanations and descriptions in a question, and the keys of both in a row."""

SHORT = {
    "Relationship": "Relation",
    "Entity Layout": "Layout",
    "World Knowledge": "Knowledge",
    "Text Generation": "Text",
    "Logical Reasoning": "Logic",
}
"""Headings of dimensions with long names, so that a line of the table fits a terminal."""

SLOTS = {
    "{prompt}": "the row's prompt",
    "{testpoint}": "the row's test points",
    "{explanation}": "their explanations",
    "{test_explanation}": "their descriptions",
}
ENGLISH = PromptText(
    "English",
    "9554ee938feaaf928d9086ba959e19063bcb027be086821d7dcb45e55ad40f14",
    SLOTS,
    file=TEXTS,
    key="SYSTEM_PROMPT_EN_TEMPLATE",
)
CHINESE = PromptText(
    "Chinese",
    "03ccae681043f88291c14036b98ee99fbe34ac7659fe2186244afec075698926",
    SLOTS,
    file=TEXTS,
    key="SYSTEM_PROMPT_ZH_TEMPLATE",
)
QUESTION = PromptChoice("category", {"en": ENGLISH, "en_long": ENGLISH, "zh": CHINESE, "zh_long": CHINESE})


@dataclass(frozen=True)
class PromptPoints:
    """The test points of one prompt, by their English names, and the words for the slots of a question."""

    names: tuple[str, ...]
    words: Mapping[str, str]


Rows = dict[tuple[str, str], PromptPoints]


class PointJudge(RowJudge):
    """Share of the test points of a prompt that a judge finds met in its image, 0 to 1; one question asks them all.

    `details` has the `ratios` of each dimension and sub-dimension: test points met, and asked about.

    Source: Wang et al., UniGenBench++, 2025, arXiv:2510.18701.

    >>> from editmetrics.suites.judged import suite_metric
    >>> metric = suite_metric("unigenbench:judged_by=Gemini,repository=UniGenBench")
    >>> metric.label, metric.model, metric.max_tokens
    ('unigenbench_Gemini', 'gemini-2.5-pro', 4096)
    """

    def read_rows(self, files: Mapping[str, bytes]) -> Rows:
        rows: Rows = {}
        for category, file in FILES.items():
            language = category[:2]
            explained = explanations_in(files[TEXTS], f"EXPLANATION_DICT_{language.upper()}")
            for row in csv.DictReader(io.StringIO(files[file].decode("utf-8"), newline="")):
                prompt, cell = row[f"prompt_{language}"], row[f"sub_dims_{language}"]
                rows[category, row["index"]] = points_of_row(prompt, cell, explained, language)
        return rows

    def row_key(self, sample: Sample) -> str:
        return f"{fields_of(self.definition, sample)['category']}/{key_of(sample, ('index',)).split('_')[0]}"

    def row_keys(self) -> dict[str, str]:
        return {f"{category}/{index}": category for category, index in self.rows()}

    def asked(self, sample: Sample, rows: Rows) -> RowQuestions:
        category, index = self.row_key(sample).split("/", 1)
        row = rows.get((category, index))
        if row is None:
            raise SampleError(
                f"{key_of(sample, ('index',))!r} names no prompt of UniGenBench's {category}; expected the prompt's "
                "index first, as in 17.png or 17_2.png, or a column index",
                "skipped",
            )
        filled = replace(sample, meta={**sample.meta, **row.words})
        return RowQuestions(super(RowJudge, self).questions(filled), row)

    def read(self, name: str, answer: Answer) -> Verdict:
        lists_in(answer.required())
        return Verdict({})

    def scored(self, row: PromptPoints, answers: Mapping[str, Answer]) -> Score:
        answer = answers["score"]
        try:
            analysis, scores = scores_of(answer.required(), len(row.names))
        except SampleError as error:
            details: dict[str, Any] = {"unread": {"score": error.status}}
            if answer.text and (by_script := script_scores(answer.text, len(row.names))):
                details["script_ratios"] = ratios_of(row.names, by_script)
            return Score.unscored(error.status, str(error), details=details)
        explanation = "\n".join(f"{name}: {text}" for name, text in zip(row.names, analysis, strict=True))
        met = {"score": sum(scores) / len(scores)}
        return Score(met, explanation=explanation, details={"ratios": ratios_of(row.names, scores)})


def ratios_of(names: Sequence[str], scores: Sequence[Any]) -> dict[str, tuple[int, int]]:
    """Return how many test points of each dimension and sub-dimension are met (score 1), and how many there are.

    >>> ratios_of(["Style", "Attribute - Size", "Attribute - Color"], [1, 0, 1])
    {'Style': (1, 1), 'Attribute': (1, 2), 'Attribute - Size': (0, 1), 'Attribute - Color': (1, 1)}
    """
    ratios: dict[str, tuple[int, int]] = {}
    for name, score in zip(names, scores, strict=True):
        for group in dict.fromkeys((dimension_of(name), name)):
            met, total = ratios.get(group, (0, 0))
            ratios[group] = met + (score == 1), total + 1
    return ratios


def explanations_in(code: bytes, variable: str) -> dict[str, str]:
    """Return the explanations of test points, a dictionary in the published code, which is read and not run."""
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == variable:
            return dict(ast.literal_eval(node.value))
    raise SuiteError(f"{TEXTS} has no {variable}; expected the explanations of test points")


def points_of_row(prompt: str, cell: str, explained: Mapping[str, str], language: str) -> PromptPoints:
    """Return the test points of a row, and the words of its question as the published script puts them.

    A comma is missing in one cell of the data; with it, points and descriptions are as many.
    """
    before_explanations, before_descriptions, points_key, descriptions_key = HEADERS[language]
    try:
        parsed = json.loads(cell)
    except json.JSONDecodeError:
        parsed = json.loads(cell.replace('" "', '", "'))
    points, descriptions = parsed[points_key], parsed[descriptions_key]
    texts = (
        prompt,
        str(points),
        _listed(before_explanations, points, [explained[point] for point in points]),
        _listed(before_descriptions, points, descriptions),
    )
    names = tuple(POINTS.get(point, point) for point in points)
    return PromptPoints(names, dict(zip(SLOTS.values(), texts, strict=True)))


def _listed(header: str, points: Sequence[str], texts: Sequence[str]) -> str:
    lines = "".join(f"\n{point}: {text}" for point, text in zip(points, texts, strict=True))
    return f"{header}:「{lines}\n」"


def _tables() -> Iterator[TableLayout]:
    """The table of dimensions, then one of sub-dimensions for each dimension that has some."""
    titles = {"en": "English", "en_long": "English, long", "zh": "Chinese", "zh_long": "Chinese, long"}
    blocks = tuple(RowBlock(title, {"category": (category,)}, 2400) for category, title in titles.items())
    columns = (SuiteColumn(SHORT.get(name, name), name, times=100, digits=2, pooled=True) for name in DIMENSIONS)
    yield TableLayout("", tuple(columns), blocks)
    for dimension in DIMENSIONS:
        parts = {
            name: name.removeprefix(f"{dimension} - ").split(" (")[0]
            for name in DIMENSIONS[dimension]
            if name != dimension
        }
        if parts:
            columns = (SuiteColumn(part, name, times=100, digits=2, pooled=True) for name, part in parts.items())
            yield TableLayout(dimension, tuple(columns), blocks)


def _ask(*parts: PromptChoice | Show) -> tuple[Ask, ...]:
    return (Ask("score", parts, with_its_row, lambda text: None, 0, 1),)


SUITE = Suite(
    name="unigenbench",
    about="UniGenBench's tables: the percentage of test points that a judge finds met in generated images, by ten "
    "dimensions and 27 sub-dimensions, for English and Chinese prompts, short and long. One question asks all test "
    "points of a prompt. The edited image is the generated one; its file is called by the prompt's index, 17.png or "
    "17_2.png, in a folder en, en_long, zh or zh_long. The protocol has four images for each prompt.",
    source=SuiteSource(
        "Wang et al., UniGenBench++, 2025, arXiv:2510.18701",
        "CodeGoat24/UniGenBench",
        "49d0bcebb0b9418d975d3957c2fee10f34811d14",
        {
            TEXTS: "c26c91cc65be7ed4234f07a310eed8812888c83b8b83b1934b77b1f48c463eb9",
            "eval/src/vllm_request.py": "4f20e42ddd30ed47faeb0959c0e99525d1e6ceef6887f71f6f7f75123682b7c3",
            FILES["en"]: "f82e8ce854985ef963378eaaf8ce12f2e3a57dd6f53e1aea84a61fbeadfe4459",
            FILES["en_long"]: "5d2c3d642cc4923504b662ad15b425c2d161a137884701881e00c2691a697253",
            FILES["zh"]: "7ff2d2131e68e6182f43a28ecf03d070f7735788f3c5420db3f83141492e8cb3",
            FILES["zh_long"]: "6e281a5781878584db932a3bfd16dc51afb195566eb7a30c17fb9c09fd3b1776",
        },
        data_licence="CC-BY-4.0",
        read_on="2026-11-30",
    ),
    needs=frozenset({"edited"}),
    fields=(RowField("category", ("category",), tuple(FILES)),),
    judges=(
        SuiteJudge(
            "Qwen",
            "UniGenBench-EvalModel-qwen-72b-v1 behind an endpoint of your own",
            "QwenVL",
            "QwenVL",
            _ask(Show("edited", Encoding("jpeg", quality=95, subsampling="4:2:0")), QUESTION),
            Sampling(max_tokens=4096, extra={"do_sample": False}),
            weights="CodeGoat24/UniGenBench-EvalModel-qwen-72b-v1",
        ),
        SuiteJudge(
            "Gemini",
            "Gemini 2.5 Pro",
            "gemini-2.5-pro",
            "gemini-2.5-pro",
            _ask(QUESTION, Show("edited", Encoding("bytes"))),
            Sampling(max_tokens=4096),
        ),
    ),
    metric=PointJudge,
    values=(
        Dimension("score", low=0, high=1, primary=True, description="share of the prompt's test points that are met"),
    ),
    ratios=tuple(dict.fromkeys(name for own in DIMENSIONS for name in (own, *DIMENSIONS[own]))),
    data=(TEXTS, *FILES.values()),
    failure=FailureRule("asks up to eleven times, then leaves the image out"),
    tables=tuple(_tables()),
    rows=9600,
    differences=(
        ProtocolDifference(
            "a score that is neither 0 nor 1",
            "counts as not met",
            "gives the image no number",
            "printed below the number",
        ),
        ProtocolDifference(
            "an answer that cannot be read",
            "is asked for again, up to ten times",
            "is counted; --retry unparseable asks again",
            "none where every image has a number",
        ),
        ProtocolDifference(
            "row 509 of en_long, which lacks a comma",
            "stops the script before anything is asked",
            "is read with the comma, as the Chinese row is",
            "none of the published commit to compare with",
        ),
        ProtocolDifference(
            "the name of the model",
            "QwenVL, by which its readme serves the evaluation model of 72B and a later one of 32B",
            "the same; nothing tells which of them the endpoint has",
            "other numbers",
            judge="Qwen",
        ),
        ProtocolDifference(
            "an image that is missing",
            "stops the script",
            "is named; the table says of how many images it is",
            "unknown",
        ),
    ),
    unchecked="the judges; images",
)
