"""The suite of OneIG-Bench's alignment: yes-or-no questions about each tile of a grid of images."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

from ..judge import Encoding
from ..sample import Dimension, Sample, SampleError, Score
from .definition import (
    Ask,
    FailureRule,
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
from .of_suite import with_its_row
from .prompt_files import text_of
from .question_graph import GraphJudge, QuestionGraph, Tiles, grid_of, tiles_of
from .row_judge import RowQuestions, key_of
from .rows import fields_of

CATEGORIES = {
    "anime": "Anime_Stylization",
    "human": "Portrait",
    "object": "General_Object",
    "multilingualism": "Multilingualism",
}
PROMPTS = {"anime": 245, "human": 244, "object": 206, "multilingualism": 200}
"""Prompts of each category; the last in Chinese only."""

QUESTIONS = {("en", name): f"scripts/alignment/Q_D/{name}.json" for name in ("anime", "human", "object")} | {
    ("zh", name): f"scripts/alignment/Q_D/{name}_zh.json" for name in CATEGORIES
}
TILE = Encoding("jpeg", quality=75, subsampling="4:2:0")
QUESTION = PromptText(
    "question",
    "343786ab3658cc4314408d0cba87e593d1feed7031bcfdc15a45110e7cee9c7c",
    {"{question}": "one of the row's questions"},
    file="scripts/utils/inference.py",
    key="Qwen2_5VLBatchInferencer",
)
Rows = dict[tuple[str, str], dict[str, QuestionGraph]]


class Alignment(GraphJudge):
    """Alignment of a grid of images with their prompt: the share of the prompt's questions answered with yes, 0 to 1.

    A question counts 0 where one that it depends on is answered with no. The number is the mean over questions, then
    over tiles that are not black; `details` has that of each tile.

    Options:
        grid: Columns and rows of tiles in an image, as in 2x2; 1x1 for a single one.

    Source: Chang et al., OneIG-Bench, 2025, arXiv:2506.07977.

    >>> from editmetrics.suites.judged import suite_metric
    >>> suite_metric("oneig:grid=1x1").tiles
    (1, 1)
    """

    def __init__(self, *, grid: str = "2x2", **options: Any) -> None:
        super().__init__(**options)
        self.grid, self.tiles = grid, grid_of(grid)

    def read_rows(self, files: Mapping[str, bytes]) -> Rows:
        return {
            key: {number: _graph(row) for number, row in json.loads(files[file]).items()}
            for key, file in QUESTIONS.items()
        }

    def row_key(self, sample: Sample) -> str:
        fields = fields_of(self.definition, sample)
        return f"{fields['language']}/{fields['category']}/{key_of(sample, ('prompt_id',))[:3]}"

    def row_keys(self) -> dict[str, str]:
        return {f"{language}/{name}/{key}": language for (language, name), own in self.rows().items() for key in own}

    def asked(self, sample: Sample, rows: Rows) -> RowQuestions:
        language, category, key = self.row_key(sample).split("/", 2)
        row = rows.get((language, category), {}).get(key)
        if row is None:
            raise SampleError(
                f"{key_of(sample, ('prompt_id',))!r} names no prompt of OneIG-Bench's {category} in {language}; "
                "expected the prompt's three digits first, as in 017.png, or a column prompt_id",
                "skipped",
            )
        tiles = [tile for tile in tiles_of(sample, *self.tiles) if tile.any()]
        if not tiles:
            raise SampleError("every tile of its image is black, which stands for failed generations")
        template = text_of(self.definition, QUESTION, self.repository)
        return self.questions_about(row, (TILE.encode(tile) for tile in tiles), template)

    def yes(self, text: str) -> bool:
        if text == "Yes":
            return True
        if text.strip().rstrip(".").lower() == "no":
            return False
        raise SampleError(f"the answer is {text!r}; expected 'Yes' or 'No'", "unparseable")

    def of_tiles(self, row: QuestionGraph, tiles: Tiles) -> Score:
        numbers = [fmean(row.direct(answers).values()) for answers in tiles]
        return Score({"alignment": fmean(numbers)}, details={"tiles": numbers})

    def option_differences(self) -> Iterator[ProtocolDifference]:
        yield from super().option_differences()
        if self.grid != "2x2":
            yield ProtocolDifference("tiles of an image", "2x2 by default", self.grid, "none where images have so many")


def _graph(row: Mapping[str, str]) -> QuestionGraph:
    questions, parents = (json.loads(row[name]) for name in ("question", "dependency"))
    return QuestionGraph(
        {int(number): text for number, text in questions.items()},
        {int(number): tuple(map(int, own)) for number, own in parents.items()},
    )


def _blocks() -> Iterator[RowBlock]:
    for language, name in QUESTIONS:
        where = {"language": (language,), "category": (name,)}
        yield RowBlock(f"{CATEGORIES[name].replace('_', ' ')}, {language.upper()}", where, PROMPTS[name])


SUITE = Suite(
    name="oneig",
    about="OneIG-Bench's alignment: the share of each prompt's questions that are answered with yes about the tiles of "
    "its image, and the mean over all prompts of a language together. The edited image is the grid of generated ones; "
    "its file begins with the prompt's three digits. Text, reasoning, style and diversity are not computed.",
    source=SuiteSource(
        "Chang et al., OneIG-Bench, 2025, arXiv:2506.07977",
        "OneIG-Bench/OneIG-Benchmark",
        "41b49831e79e6dde5323618c164da1c4cf0f699d",
        {
            QUESTIONS["en", "anime"]: "21ea3d0360e69d72bc5f4cbb93b203d293d16f5c2f626634a52b990119e0a6e3",
            QUESTIONS["en", "human"]: "0e92b25c6bc4091cac05fa0f4269b3b37465a7cd43ca2768f55f56149cdbf13b",
            QUESTIONS["en", "object"]: "350dfdf72c2da143c78a7544d4c554faf6698c1ba4fcd27c7a9cc9199d487e0e",
            QUESTIONS["zh", "anime"]: "171740d2d7158f0da2d907481b5cd97380398e4a45b53f0976ad4d91e01151d4",
            QUESTIONS["zh", "human"]: "819f13b1efab67bdfba9ca633a37e009013350d148323f5d65b2a467f1789c64",
            QUESTIONS["zh", "object"]: "19f69cfdf17119ff5400919341c930468a0de5ee06b9c91d8f16ba2365f51498",
            QUESTIONS["zh", "multilingualism"]: "63614e72dbd86f1e56ed625a55f73d509323d34b68fb27d8fed0f87a49f69db9",
            QUESTION.file: "cbb8f67e09f40b48e950890cb228adbc757823078b3c6bf86966620bb06097cf",
            "scripts/alignment/alignment_score.py": "4438d58983db71730b5f6c809b2142b0c6d0e964989e5ceb7d7d7dc3d6d1b8da",
        },
        read_on="2026-11-30",
    ),
    needs=frozenset({"edited"}),
    fields=(
        RowField("language", ("language", "mode"), ("en", "zh"), {"EN": "en", "ZH": "zh", "cn": "zh"}),
        RowField("category", ("category",), tuple(CATEGORIES), {title: name for name, title in CATEGORIES.items()}),
    ),
    judges=(
        SuiteJudge(
            "Qwen",
            "Qwen2.5-VL-7B on this machine",
            "Qwen/Qwen2.5-VL-7B-Instruct",
            "Qwen/Qwen2.5-VL-7B-Instruct",
            (Ask("alignment", (Show("edited", TILE), QUESTION), with_its_row, lambda text: None, 0, 1),),
            Sampling(max_tokens=128),
            weights="Qwen/Qwen2.5-VL-7B-Instruct",
            local=True,
            most=(25053 * 4, 25053 * 4),
        ),
    ),
    metric=Alignment,
    values=(Dimension("alignment", low=0, high=1, primary=True, description="share of questions answered with yes"),),
    data=tuple(QUESTIONS.values()),
    failure=FailureRule("takes every answer but the bare word Yes for a no"),
    tables=(
        TableLayout(
            "",
            (SuiteColumn("alignment", "alignment"),),
            (RowBlock("EN", {"language": ("en",)}, 695), RowBlock("ZH", {"language": ("zh",)}, 895)),
        ),
        TableLayout("By category", (SuiteColumn("alignment", "alignment"),), tuple(_blocks())),
    ),
    rows=1590,
    differences=(
        ProtocolDifference(
            "reading an answer",
            "'Yes' is a yes, and all else a no, 'Yes.' and 'yes' too",
            "'Yes' is a yes, 'No' a no, with or without a full stop; a prompt with any other answer has no number",
            "printed below the number",
        ),
        ProtocolDifference(
            "repetition penalty and temperature",
            "those of the checkpoint's generation settings: 1.05, and next to 0",
            "none, and 0, on this machine; an endpoint's own",
            "none for answers of one word",
        ),
        ProtocolDifference("attention", "flash attention", "PyTorch's own, on this machine", "rounding"),
        ProtocolDifference(
            "an image that is missing, or there twice", "its prompt is dropped", "is counted; each is scored", "unknown"
        ),
    ),
    unchecked="the model itself",
)
