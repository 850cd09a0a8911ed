"""The suite of OmniContext: generation from one or several images, prompt following and subject consistency."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from ..judge import Encoding
from ..sample import Dimension
from .answers import bare_integer, quoted, single_rating
from .definition import (
    Ask,
    FailureRule,
    Level,
    PromptChoice,
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
from .omnicontext_prompts import CONSISTENCY, CONSISTENCY_IN_SCENE, CONTEXT, FOLLOWING
from .shown import ShowEach

TASKS = {
    "single_character": "Single, character",
    "single_object": "Single, object",
    "multi_character": "Multiple, character",
    "multi_object": "Multiple, object",
    "multi_character_object": "Multiple, character and object",
    "scene_character": "Scene, character",
    "scene_object": "Scene, object",
    "scene_character_object": "Scene, character and object",
}
PER_TASK = 50
SLOTS = {"<instruction>": "prompt"}
PF_TEXT = PromptText(
    "PF", "f91db247df9db7bb784b4cb213e5e5da8ff7bf55de3b8035be9fdc808f7d4d5b", SLOTS, CONTEXT + FOLLOWING
)
SC_TEXT = PromptText(
    "SC", "fe3c9a31f40869ca768e4cf723c56a324616615fecf8566d1239f90fab33df9a", SLOTS, CONTEXT + CONSISTENCY
)
SC_SCENE_TEXT = PromptText(
    "SC, scene",
    "e42c5976dfae1a474eb94aafac573c235439351fb88caa6fae1f363c14a90a06",
    SLOTS,
    CONTEXT + CONSISTENCY_IN_SCENE,
)
SC_TEXTS = PromptChoice("task", {task: SC_SCENE_TEXT if "scene" in task else SC_TEXT for task in TASKS})

AS_SHOWN = Encoding("jpeg", quality=75, subsampling="4:2:0")
IMAGES = (ShowEach("source", AS_SHOWN, "area", 1024 * 1024), Show("edited", AS_SHOWN))


def as_omnicontext_script(text: str) -> float | None:
    """Return what OmniContext's script makes of an answer: the score of its JSON, whatever its size.

    None where it finds none and asks again, and where it stops: JSON that it has to mend gets lists for numbers, of
    which its statistics cannot take a root.

    >>> as_omnicontext_script('{"score": 11}'), as_omnicontext_script("7"), as_omnicontext_script("{score: 7}")
    (11.0, 7.0, None)
    """
    start, end = text.find("{"), text.rfind("}") + 1
    if start == -1 or end == 0:
        return bare_integer(text)
    content = text[start:end].strip().replace("\n", "")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        try:
            data = json.loads(quoted(content))
        except (ValueError, RecursionError):
            return None
    score = data.get("score") if isinstance(data, dict) else None
    return float(score) if isinstance(score, (int, float)) and not isinstance(score, bool) else None


def overall(values: Mapping[str, float]) -> dict[str, float]:
    """PF, SC, and O = sqrt(PF * SC) where both are there.

    >>> overall({"PF": 4, "SC": 9})
    {'O': 6.0, 'PF': 4, 'SC': 9}
    """
    both = {"O": math.sqrt(values["PF"] * values["SC"])} if {"PF", "SC"} <= values.keys() else {}
    return {**both, **values}


MACRO = (Level(("task",), tuple(TASKS)), Level())
HEADINGS = {"PF": "PF", "SC": "SC", "Overall": "O"}
ENGLISH = {"language": ("en",)}

SUITE = Suite(
    name="omnicontext",
    about="OmniContext's table: prompt following (PF), subject consistency (SC) and their geometric mean for each "
    "sample (Overall), 0 to 10; the average is the mean of eight task means. The sources are the data's input_images, "
    "in their order (in a csv a list, as JSON); the prompt is its instruction, the edited image what a model "
    "generated, 1024 x 1024 in the paper.",
    source=SuiteSource(
        "Wu et al., OmniGen2, 2025, arXiv:2506.18871",
        "VectorSpaceLab/OmniGen2",
        "0f72fa92564d9f8ba76f53fcc3c05aca2372458f",
        {
            "omnicontext/calculate_statistics.py": "cc88d2e434e25c721370bf9f0df38b8c5728b6e618d34c68be0187923418735a",
            "omnicontext/json_util.py": "a0779f76f08a3cd6ac8c66b24d01eb9c3cf976cf53f8684d607c41d64cefa644",
            "omnicontext/omnicontext_score.py": "7e09a6ae07fd80a9e5b35923c86fbf387dd405c17d29c570feaab9a72724df82",
            "omnicontext/openai_util.py": "b234d4378a1de11a7bd9155de3b3de6275c9677ceda769947a0c50cdba1b91ed",
            "omnicontext/prompt_generator.py": "a8f2976f9ceff9f0ae7d80f604dd272d491f846ab434fa033530c797583505a1",
            "omnicontext/test_omnicontext_score.py": "b25fbc9c7765f486b5b83352240a2efb14edc1e919ef8ffbdc09ca12ed1575d5",
        },
        code_licence="Apache-2.0",
        prompt_licence="Apache-2.0",
        data_licence="on the card of OmniGen2/OmniContext",
        read_on="2026-11-30",
    ),
    needs=frozenset({"source", "edited", "prompt"}),
    headings={"source": ("input_images",), "prompt": ("instruction",)},
    fields=(
        RowField("task", ("task_type", "task"), tuple(TASKS)),
        RowField(
            "language", ("instruction_language", "language"), ("en", "cn"), {"zh": "cn"}, needed=False, default="en"
        ),
    ),
    judges=(
        SuiteJudge(
            "G",
            "GPT-4.1",
            "gpt-4.1",
            "gpt-4.1-2025-04-14",
            (
                Ask("PF", (PF_TEXT, *IMAGES), single_rating("PF"), as_omnicontext_script, 0, 10),
                Ask("SC", (SC_TEXTS, *IMAGES), single_rating("SC"), as_omnicontext_script, 0, 10),
            ),
            Sampling(max_tokens=1400),
            variants={"published": "gpt-4.1"},
            most=(2 * PER_TASK * len(TASKS), 2 * 4 * PER_TASK * len(TASKS)),
        ),
    ),
    values=(
        Dimension("O", low=0, high=10, primary=True, description="sqrt(PF * SC)"),
        Dimension("PF", low=0, high=10, description="the instruction is followed"),
        Dimension("SC", low=0, high=10, description="subjects, and scenes, are those of the sources"),
    ),
    derive=overall,
    failure=FailureRule("asks three times, then puts a random integer from 0 to 10 in its place", tuple(range(11))),
    tables=(
        TableLayout(
            "",
            tuple(SuiteColumn(heading, value, MACRO) for heading, value in HEADINGS.items()),
            (RowBlock("Average", ENGLISH, PER_TASK * len(TASKS)),),
        ),
        TableLayout(
            "By task",
            tuple(SuiteColumn(heading, value) for heading, value in HEADINGS.items()),
            tuple(RowBlock(title, {**ENGLISH, "task": (task,)}, PER_TASK) for task, title in TASKS.items()),
        ),
    ),
    rows=PER_TASK * len(TASKS),
    differences=(
        ProtocolDifference(
            "how often a sample is asked",
            "three times, as its loop does not end with a success; the last answers that can be read count",
            "once",
            "the same distribution at a third of the cost",
        ),
        ProtocolDifference(
            "an answer without a score",
            "a random integer from 0 to 10 takes its place after three of them",
            "gives no number; the sample is left out, counted and named",
            "printed with the table, as the range that the guess may take",
        ),
        ProtocolDifference(
            "reading an answer",
            "a score of any size; JSON that has to be mended stops the statistics",
            "one score from 0 to 10; broken JSON is mended where that changes no word and no number",
            "answers that only the script would read are counted under the table",
        ),
        ProtocolDifference(
            "a task without samples",
            "is left out of the average silently",
            "the average is empty",
            "none where all eight are there",
        ),
        ProtocolDifference("a missing image", "its row is dropped with a line", "is named before the run", "none"),
        ProtocolDifference(
            "transparent sources, and those with a palette",
            "are scaled in their own colour mode, and lose their alpha channel",
            "are laid on white before",
            "none for others",
        ),
    ),
    unchecked="the rows on the hub, their number by task and of images a row (at most three is assumed for the cost)",
)
