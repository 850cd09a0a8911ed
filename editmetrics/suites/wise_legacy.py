"""The suite of WISE's first edition: three scores from 0 to 2 a generated image, and their weighted sum, WiScore."""

from __future__ import annotations

from collections.abc import Mapping

from ..sample import Dimension
from .definition import (
    Ask,
    PromptText,
    ProtocolDifference,
    RowBlock,
    RowField,
    Sampling,
    Suite,
    SuiteJudge,
    SuiteSource,
    SystemText,
    TableLayout,
)
from .short_answers import LABELS, as_labelled_script, labelled_scores
from .wise import FAILURE, FUNCTION, INCOMPLETE, MISSING, SHOWN, SLOTS, columns

CATEGORIES = {
    "CULTURE": (1, 400),
    "TIME": (401, 567),
    "SPACE": (568, 700),
    "BIOLOGY": (701, 800),
    "PHYSICS": (801, 900),
    "CHEMISTRY": (901, 1000),
}
"""The first and the last prompt_id of each category."""

WEIGHTS = dict(zip(CATEGORIES, (0.4, 0.167, 0.133, 0.1, 0.1, 0.1), strict=True))
FILE = "WISE_legacy/gpt_eval.py"
SYSTEM = PromptText(
    "system", "1034e394de55d899eb78e5ad09835de551cefa5bfeb0ba4bf452c83f6285ffc0", {}, file=FILE, key=FUNCTION
)
QUESTION = PromptText(
    "user", "76f6efe6506725cf2aaf3860f0595deb29e68b57649d9a584712fbd39da9bb54", SLOTS, file=FILE, key=FUNCTION
)


def numbers(values: Mapping[str, float]) -> dict[str, float]:
    """The three scores, and WiScore = (0.7 * consistency + 0.2 * realism + 0.1 * aesthetic_quality) / 2 of all three.

    >>> round(numbers({"consistency": 2, "realism": 1, "aesthetic_quality": 0})["WiScore"], 3)
    0.8
    """
    if not {*LABELS.values()} <= values.keys():
        return dict(values)
    score = 0.7 * values["consistency"] + 0.2 * values["realism"] + 0.1 * values["aesthetic_quality"]
    return {"WiScore": score / 2, **values}


SUITE = Suite(
    name="wise-legacy",
    about="WISE's table as first published: WiScore, 0 to 1, of consistency, realism and aesthetic quality, 0 to 2 "
    "each, in six categories, which the prompt_id tells, and their weighted mean. The images are edited images "
    "without a source, called ID.png; the prompt is the data's Prompt, and Explanation a column as it is. Its ids from "
    "401 on are other prompts than those of the verified edition, the suite wise.",
    source=SuiteSource(
        "Niu et al., WISE, 2025, arXiv:2503.07265",
        "PKU-YuanGroup/WISE",
        "eb51174483a5de2e34e8614cf9dfb3319ee7fcd0",
        {
            FILE: "06fd6dcd7cf45a638fe8a3634b880d936077f161f3641002e58d7bf51daa2407",
            "WISE_legacy/Calculate.py": "6302f116867d3d35c1a0d6a0366963c974cd40107bffa790b1270fc1efa3ccd5",
        },
        read_on="2026-11-30",
    ),
    needs=frozenset({"edited", "prompt"}),
    fields=(RowField("category", ("prompt_id",), tuple(CATEGORIES), numbered=CATEGORIES),),
    judges=(
        SuiteJudge(
            "G",
            "GPT-4o",
            "gpt-4o-2024-05-13",
            "gpt-4o-2024-05-13",
            (
                Ask(
                    "scores",
                    (QUESTION, SHOWN),
                    labelled_scores(0, 2),
                    as_labelled_script,
                    0,
                    2,
                    value_names=tuple(LABELS.values()),
                    system=SystemText(SYSTEM, listed=True),
                ),
            ),
            Sampling(temperature=0, max_tokens=2000),
        ),
    ),
    values=(
        Dimension("WiScore", low=0, high=1, primary=True, description="the weighted sum of the three"),
        *(Dimension(name, low=0, high=2) for name in LABELS.values()),
    ),
    derive=numbers,
    failure=FAILURE,
    tables=(TableLayout("", columns("WiScore", WEIGHTS, 2), (RowBlock("First edition", rows=1000),)),),
    rows=1000,
    differences=(
        INCOMPLETE,
        ProtocolDifference(
            "reading an answer",
            "the last digit after each name, of any size; else the first three lines with a digit",
            "one whole number from 0 to 2 for each name, or three such lines and nothing else",
            "answers that only the script would read are counted under the table",
        ),
        MISSING,
    ),
    unchecked="images",
)
