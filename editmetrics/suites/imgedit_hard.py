"""The suite of ImgEdit-Bench's hard part (UGE): one question, whose format names no score line."""

from __future__ import annotations

from ..sample import Dimension
from .answers import as_lines_script, last_score
from .definition import (
    Ask,
    Level,
    PromptText,
    ProtocolDifference,
    RowBlock,
    Show,
    Suite,
    SuiteColumn,
    SuiteJudge,
    TableLayout,
)
from .imgedit import AS_IS, DROPPED, GPT_VARIANTS, SHARED_DIFFERENCES, SOURCE

QUESTION = PromptText(
    "UGE",
    "6cbfbab32009ec5b00d3ed923c147527d9b1365f48b3ea6e8111339a39336da6",
    {"<edit_prompt>": "prompt"},
    file="Benchmark/UGE/UGE_bench.py",
    key="prompt",
)
ASKS = (
    Ask(
        "score",
        (QUESTION, Show("source", AS_IS), Show("edited", AS_IS)),
        last_score("score", 1, 5),
        as_lines_script,
        1,
        5,
    ),
)

SUITE = Suite(
    name="imgedit-hard",
    about="ImgEdit-Bench's hard part (UGE, 47 samples): one score from 1 to 5, the mean over samples. The question "
    "asks for no line with the score, so that models write it as they like; the published script reads few of them.",
    source=SOURCE,
    needs=frozenset({"source", "edited", "prompt"}),
    judges=(SuiteJudge("G", "GPT-4.1", "gpt-4o", "gpt-4.1-2025-04-14", ASKS, variants=GPT_VARIANTS),),
    values=(Dimension("score", low=1, high=5, primary=True),),
    failure=DROPPED,
    tables=(
        TableLayout("", (SuiteColumn("UGE", "score", (Level(digits=2),), digits=2),), (RowBlock("Hard", rows=47),)),
    ),
    rows=47,
    differences=(
        *(one for one in SHARED_DIFFERENCES if one.judge != "J"),
        ProtocolDifference(
            "reading an answer",
            "lines 'Name: digits' only, which misses both examples of its own readme",
            "the one score from 1 to 5 that the word score stands before",
            "published numbers are means over the few samples that the script could read",
        ),
    ),
    unchecked="the images",
)
