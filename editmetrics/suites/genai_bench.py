"""The suite of GenAI-Bench: a judge sees two images and says which is better, and people's votes say if it is right."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial

from ..judge import Encoding
from ..sample import Dimension
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
    SystemText,
    TableLayout,
)
from .genai_bench_prompts import EDITION, GENERATION, SYSTEM
from .short_answers import agrees, as_verdict_script

TASKS = {"image_generation": ("Image Generation", 1735, "no"), "image_edition": ("Image Editing", 919, "yes")}
"""Of each task its heading, its rows, and whether they are edits, which have a target_prompt."""

VOTES = {
    "leftvote": ("left", ("A>B", "A>>B")),
    "rightvote": ("right", ("B>A", "B>>A")),
    "tievote": ("tie", ("A=B", "A=B=Good")),
    "bothbad_vote": ("both bad", ("A=B", "A=B=Bad")),
}
"""Of each vote of people, its name here, and the verdicts that agree with it."""

SLOTS = {"<source_prompt>": "source_prompt", "<target_prompt>": "target_prompt", "<instruct_prompt>": "prompt"}
FILE = Encoding("bytes")
SHOWN = {
    "image_generation": (Show("edited", FILE), Show("rival", FILE)),
    "image_edition": (Show("source", FILE), Show("edited", FILE), Show("rival", FILE)),
}


def _parts(task: str) -> tuple[PromptText | Show, ...]:
    """Texts and images in turn, beginning and ending with a text."""
    slots = SLOTS if task == "image_edition" else {"<prompt>": "prompt"}
    parts: list[PromptText | Show] = []
    for number, text in enumerate(EDITION if task == "image_edition" else GENERATION):
        digest = hashlib.sha256(text.encode()).hexdigest()
        parts.append(PromptText(f"{task}_{number}", digest, slots if number == 0 else {}, text))
        parts += SHOWN[task][number : number + 1]
    return tuple(parts)


PARTS = {task: _parts(task) for task in TASKS}
ASKS = tuple(
    Ask(
        name,
        PARTS[task],
        agrees(name, right),
        partial(as_verdict_script, right=right),
        0,
        1,
        {"edit": (edit,), "vote": (vote,)},
        system=SystemText(SYSTEM, listed=True),
    )
    for vote, (name, right) in VOTES.items()
    for task, (_, _, edit) in TASKS.items()
)


def numbers(values: Mapping[str, float]) -> dict[str, float]:
    """Whether the judge agrees with people, 0 or 1; its name in `values` is that of their vote."""
    return {"agrees": next(iter(values.values()))} if values else {}


def _share(heading: str, where: Mapping[str, tuple[str, ...]]) -> SuiteColumn:
    return SuiteColumn(heading, "agrees", where=where, times=100, digits=2, failed=0)


SUITE = Suite(
    name="genai-bench",
    about="GenAI-Bench's table (TIGER-Lab's, a benchmark of judges): the share of pairs, in percent, in which a judge "
    "says of two images what people said: the left one, the right one, both good or both bad. The edited image is the "
    "left one and the rival the right one; edits have a source, the prompt is the instruct_prompt (or the prompt), "
    "source_prompt and target_prompt are columns as they are. A row with a target_prompt is an edit.",
    source=SuiteSource(
        "Jiang et al., GenAI Arena, NeurIPS 2024, arXiv:2406.04485",
        "TIGER-AI-Lab/GenAI-Bench",
        "f0b0334d414074c6b1c97e2c60ad8d8a592bda9f",
        {
            "inference.py": "8f665436f70f92d211b21349bb6efc783f6f7d13236ea82d496acf18b9929e01",
            "show_results.py": "da362e152a803e02a549cc3c75c2160ca592898a33ef8d5b8141e6aacb6a4ef0",
            "genaibench/templates/image_edition/pairwise.txt": (
                "2ed07537214b733b922acec1703ceeb64b45d7a0aa2b50194d7ce5416be38c71"
            ),
            "genaibench/templates/image_generation/pairwise.txt": (
                "cde56b9546e5fa3cc98d19b36be6922c89ccb49b56edf0b65f098e6774ce1222"
            ),
            "genaibench/mllm_tools/gpt4_eval.py": "f3a509ec4d21563de5940450a7b273ce0eff7127a267e3c79948055c6cee21c9",
            "genaibench/mllm_tools/model_utils/openai_utils.py": (
                "f8e0c7fadb4bd30357e723d6ad28f9a987c3ada1e208eae8fbbca7c6fb730a52"
            ),
        },
        code_licence="MIT",
        prompt_licence="MIT",
        data_licence="on the card of TIGER-Lab/GenAI-Bench",
        read_on="2026-11-30",
    ),
    needs=frozenset({"edited", "rival", "prompt"}),
    fields=(
        RowField("edit", ("target_prompt",), presence=True),
        RowField("vote", ("vote_type",), tuple(VOTES)),
    ),
    judges=(
        SuiteJudge(
            "G",
            "GPT-4o",
            "gpt-4o-2024-05-13",
            "gpt-4o-2024-05-13",
            ASKS,
            Sampling(temperature=0, max_tokens=1000, extra={"top_p": 1.0}),
            variants={"mini": "gpt-4o-mini-2024-07-18"},
            most=(2654, 6227),
        ),
    ),
    values=(Dimension("agrees", low=0, high=1, primary=True, description="the judge says what people said"),),
    derive=numbers,
    failure=FailureRule("counts the pair as wrong"),
    tables=(
        TableLayout(
            "",
            tuple(_share(heading, {"edit": (edit,)}) for heading, _, edit in TASKS.values()),
            (RowBlock("Accuracy, percent", rows=2654),),
        ),
        TableLayout(
            "By the vote of people",
            tuple(_share(name, {"vote": (vote,)}) for vote, (name, _) in VOTES.items()),
            tuple(RowBlock(heading, {"edit": (edit,)}, rows) for heading, rows, edit in TASKS.values()),
        ),
    ),
    rows=2654,
    headings={
        "edited": ("left_output_image", "left_image"),
        "rival": ("right_output_image", "right_image"),
        "source": ("source_image",),
        "prompt": ("instruct_prompt",),
    },
    differences=(
        ProtocolDifference(
            "an answer without a verdict",
            "counts as wrong, which is a number",
            "the pair is left out, counted and named",
            "printed with the table",
        ),
        ProtocolDifference(
            "reading an answer",
            "all from the first [[ to the last ]] of a line; what is not one of the choices is wrong",
            "one of the choices between brackets, the same wherever it stands",
            "answers that only the script would read are counted under the table",
        ),
        ProtocolDifference(
            "JPEG images",
            "are decoded, and encoded once more by Pillow with its quality of 75",
            "travel as they are",
            "small; none for PNG",
        ),
        ProtocolDifference("n", "sent as 1, which is the endpoint's default", "not sent", "none"),
        ProtocolDifference(
            "the video task, and the average",
            "of 1,069 pairs of videos, and of the three rounded numbers",
            "is not there",
            "none on the other columns",
        ),
    ),
    unchecked="the images on the hub and their format",
)
