"""The suite of DPG-Bench: a graph of questions about each tile of an image, as published and with its slips mended."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
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
from .question_graph import GraphJudge, QuestionGraph, Tiles, grid_of, tiles_of
from .recorded import RecordedAnswers
from .row_judge import RowQuestions, key_of

DATA = "dpg_bench/dpg_bench.csv"
CATEGORIES = ("global", "entity", "attribute", "relation", "other")
ASKED = "Answer with yes or no only."
QUESTION = PromptText(
    "question",
    "386bdf57ab7774f939eebdd16cffc8bffaae3356681306d70887d69d7b722e12",
    {"{question}": "one of the row's questions"},
    "{question} " + ASKED,
)
MPLUG = "damo/mplug_visual-question-answering_coco_large_en"


@dataclass(frozen=True)
class PropositionGraph(QuestionGraph):
    """The propositions of one prompt: their broad categories, and those that the published script reads."""

    categories: Mapping[int, str]
    read_by_script: frozenset[int]


class Propositions(GraphJudge):
    """DPG-Bench's score of a grid of images: the share of the prompt's propositions that hold, 0 to 1.

    A proposition counts 0 where one that it depends on has become 0; then the mean over propositions and tiles.
    `official` leaves out what the published script does not read; `corrected` does not. `details` has the sums by
    category: of the last tile (official), of all tiles (corrected).

    Options:
        grid: Columns and rows of tiles in an image, as in 2x2; 1x1 for a single one.
        answers: The file ..._detail.txt that the official script wrote, whose answers are taken instead of asking.

    Source: Hu et al., ELLA, 2024, arXiv:2403.05135.

    >>> from editmetrics.suites.judged import suite_metric
    >>> suite_metric("dpg:judged_by=Qwen").label
    'dpg_Qwen'
    """

    runtime_options = GraphJudge.runtime_options | {"answers"}  # known by its checksum

    def __init__(self, *, grid: str = "2x2", answers: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.grid, self.tiles = grid, grid_of(grid)
        self.answers = answers
        self._recorded: RecordedAnswers | None = None

    def identity(self) -> dict[str, Any]:
        recorded = {} if self.answers is None else {"answers": hashlib.sha256(_read(self.answers)).hexdigest()}
        return {**super().identity(), **recorded}

    def load(self) -> None:
        """Read the rows and the recorded answers, or open the judge. Raises `SuiteError` where there is neither."""
        self.rows()
        if self.answers is not None:
            if self._recorded is None:
                self._recorded = RecordedAnswers(_read(self.answers).decode(), MPLUG)
            self.use(self._recorded)
        elif self.protocol.name == "mPLUG":
            raise SuiteError(
                "the suite dpg does not run mPLUG; run the official script, and give the file ..._detail.txt that it "
                "writes: --suite dpg:answers=FILE. For the table of a newer model: --suite dpg:judged_by=Qwen"
            )
        super().load()

    def read_rows(self, files: Mapping[str, bytes]) -> dict[str, PropositionGraph]:
        return propositions_of(files[DATA])

    def row_key(self, sample: Sample) -> str:
        return key_of(sample, ("item_id",)).split(".")[0]

    def row_keys(self) -> dict[str, str]:
        return dict.fromkeys(self.rows(), "")

    def asked(self, sample: Sample, rows: Mapping[str, PropositionGraph]) -> RowQuestions:
        key = self.row_key(sample)
        row = rows.get(key)
        if row is None:
            raise SampleError(
                f"{key!r} names no prompt of DPG-Bench; expected a file called by its item_id, or a column item_id",
                "skipped",
            )
        if self._recorded is not None:
            asked = {number: row.questions[number] for number in row.questions if number in row.read_by_script}
            return RowQuestions(self._recorded.about(key, asked), row)
        encoding = Encoding("png")
        return self.questions_about(
            row, (encoding.encode(tile) for tile in tiles_of(sample, *self.tiles)), str(QUESTION.text)
        )

    def yes(self, text: str) -> bool:
        if self.protocol.name == "mPLUG":
            return text == "yes"
        word = text.strip().rstrip(".").lower()
        if word in ("yes", "no"):
            return word == "yes"
        raise SampleError(f"the answer is {text!r}; expected yes or no", "unparseable")

    def yes_by_script(self, text: str) -> bool:
        return text == "yes"

    def of_tiles(self, row: PropositionGraph, tiles: Tiles) -> Score:
        kept = {number: row.questions[number] for number in row.questions if number in row.read_by_script}
        values: dict[str, float] = {}
        ratios: dict[str, tuple[float, int]] = {}
        official = QuestionGraph(kept, row.parents)
        if all(parent in {0, *kept} for number in kept for parent in row.parents[number]):
            values["official"] = _mean(official, [{number: tile[number] for number in kept} for tile in tiles])
            ratios |= _sums("official", row, tiles[-1:], kept)
        if all(number in tile for tile in tiles for number in row.questions):
            values["corrected"] = _mean(row, tiles)
            ratios |= _sums("corrected", row, tiles, row.questions)
        missing = [name for name in ("official", "corrected") if name not in values]
        if missing:
            reason = "the published script loses the first row of the data, and with it this image"
            return Score(values, "skipped", reason, details={"ratios": ratios})
        return Score(values, details={"ratios": ratios})

    def option_differences(self) -> Iterator[ProtocolDifference]:
        yield from super().option_differences()
        if self.protocol.name != "mPLUG":
            asked = self.backbone or self.model
            yield ProtocolDifference("the model that is asked", MPLUG, asked, "another table: columns bear its name")
            yield ProtocolDifference("the question", "as it stands in the data", f"and {ASKED!r}", "unknown")
        if self.grid != "2x2":
            yield ProtocolDifference("tiles of an image", "four, or the first alone", self.grid, "unknown")


def propositions_of(data: bytes) -> dict[str, PropositionGraph]:
    """Return the propositions of each item of the benchmark's table; the script reads all but the table's first row."""
    items: dict[str, list[dict[str, str]]] = {}
    table = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    for row in table:
        items.setdefault(row["item_id"], []).append(row)
    graphs = {}
    for item, rows in items.items():
        numbers = [int(row["proposition_id"]) for row in rows]
        graphs[item] = PropositionGraph(
            dict(zip(numbers, (row["question_natural_language"] for row in rows), strict=True)),
            dict(zip(numbers, (tuple(map(int, row["dependency"].split(","))) for row in rows), strict=True)),
            dict(zip(numbers, (re.split(r"[(-]", row["tuple"])[0].strip().lower() for row in rows), strict=True)),
            frozenset(number for number, row in zip(numbers, rows, strict=True) if row is not table[0]),
        )
    return graphs


def _mean(graph: QuestionGraph, tiles: Tiles) -> float:
    return fmean(fmean(graph.chained(tile).values()) for tile in tiles)


def _sums(kind: str, row: PropositionGraph, tiles: Tiles, numbers: Mapping[int, str]) -> dict[str, tuple[float, int]]:
    """The answers before any became 0, by broad category: how many are yes, and how many there are."""
    sums: dict[str, tuple[float, int]] = {}
    for tile in tiles:
        for number in numbers:
            name = f"{kind} {row.categories[number]}"
            yes, count = sums.get(name, (0, 0))
            sums[name] = (yes + tile[number], count + 1)
    return sums


def _read(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise SuiteError(f"{path} cannot be read ({error.strerror}); expected the official script's file") from error


def _table(kind: str, title: str) -> TableLayout:
    categories = (
        SuiteColumn(f"{{judge}} {name.capitalize()}", f"{kind} {name}", times=100, digits=2, pooled=True)
        for name in CATEGORIES
    )
    overall = SuiteColumn("{judge} Overall", kind, times=100, digits=2)
    return TableLayout(title, (*categories, overall), (RowBlock("All", rows=1065),))


SUITE = Suite(
    name="dpg",
    about="DPG-Bench's table, of the answers that mPLUG gave the official script (answers=FILE); or a table of its "
    "questions asked of a newer model (judged_by=Qwen), whose columns bear that model's name. The edited image is the "
    "grid of four generated ones, called by its item_id.",
    source=SuiteSource(
        "Hu et al., ELLA, 2024, arXiv:2403.05135",
        "TencentQQGYLab/ELLA",
        "3c228f1dc6c4d3cad0a47493816151a419f14db3",
        {
            DATA: "git:98457fc9901943f51ff9a30367250fc292533bed",
            "dpg_bench/compute_dpg_bench.py": "0b2aa9977974e6df26efe93eef056f39aa9e1e3a517126ed329745e7ff37e03d",
        },
        code_licence="Apache-2.0",
        prompt_licence="Apache-2.0",
        data_licence="Apache-2.0",
        read_on="2026-11-30",
    ),
    needs=frozenset({"edited"}),
    judges=(
        SuiteJudge(
            "mPLUG",
            "mPLUG, by the script's answers",
            MPLUG,
            MPLUG,
            (Ask("official", (Show("edited", Encoding("png")), QUESTION), with_its_row, lambda text: None, 0, 1),),
            counted=False,
        ),
        SuiteJudge(
            "Qwen",
            "Qwen2.5-VL-7B on this machine (unpublished)",
            MPLUG,
            "Qwen/Qwen2.5-VL-7B-Instruct",
            (Ask("official", (Show("edited", Encoding("png")), QUESTION), with_its_row, lambda text: None, 0, 1),),
            Sampling(max_tokens=16),
            weights="Qwen/Qwen2.5-VL-7B-Instruct",
            local=True,
            counted=False,
        ),
    ),
    metric=Propositions,
    values=(
        Dimension("official", low=0, high=1, primary=True, description="share of propositions, as the script reads it"),
        Dimension("corrected", low=0, high=1, description="share of all propositions"),
    ),
    ratios=tuple(f"{kind} {name}" for kind in ("official", "corrected") for name in CATEGORIES),
    data=(DATA,),
    failure=FailureRule("takes every answer but the bare word yes for a no"),
    tables=(
        _table("official", ""),
        _table("corrected", "Corrected: every row of the data, categories over every tile"),
    ),
    rows=1065,
    differences=(
        ProtocolDifference(
            "the size of a tile",
            "given by hand; a wrong one cuts the image elsewhere, without a word",
            "the image's size by the grid",
            "none where the given one was right",
        ),
        ProtocolDifference(
            "categories with several processes",
            "each process lists them in an order of its own, and they are summed by position",
            "as the script does with one process",
            "published numbers by category of several processes are mixed up",
        ),
        ProtocolDifference(
            "an image without a row, or that cannot be read", "is dropped with a line of text", "is counted", "none"
        ),
    ),
    unchecked="mPLUG, and the table of propositions, which no copy here has; it is known by git's checksum",
)
