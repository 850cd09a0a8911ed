"""The suite of WISE, verified edition: one binary question a generated image, six categories with weights."""

from __future__ import annotations

from ..judge import Encoding
from ..sample import Dimension
from .definition import (
    Ask,
    FailureRule,
    Level,
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
from .short_answers import as_binary_script, binary_score

CATEGORIES = {
    "CULTURE": (1, 400),
    "TIME": (401, 520),
    "SPACE": (521, 640),
    "BIOLOGY": (641, 760),
    "PHYSICS": (761, 880),
    "CHEMISTRY": (881, 1000),
}
"""The first and the last prompt_id of each category."""

WEIGHTS = {name: 0.4 if name == "CULTURE" else 0.12 for name in CATEGORIES}
SLOTS = {"{prompt_data['Prompt']}": "prompt", "{prompt_data['Explanation']}": "Explanation"}
SHOWN = Show("edited", Encoding("bytes", mime="image/png"))
FUNCTION = "build_evaluation_messages"
SYSTEM = PromptText(
    "system", "c9b9e5e189408801a05c600dfc385addc37bb1ebe9b933c74202ea72eb415f8c", {}, file="vllm_eval.py", key=FUNCTION
)
QUESTION = PromptText(
    "user",
    "b72932ce0313711651a182fc57a89c66393f9e4d7030ce24ca2c403f1aec1ae2",
    SLOTS,
    file="vllm_eval.py",
    key=FUNCTION,
)
INCOMPLETE = ProtocolDifference(
    "a sample without a number",
    "is asked for up to three times and then left out; Overall is printed only where no id is missing",
    "is left out, counted and named; Overall is there where each category has a number",
    "none where every sample has a number",
)
MISSING = ProtocolDifference("a missing image", "is left out with a warning", "is named before the run", "none")
FAILURE = FailureRule("asks up to three times, then leaves the sample out and prints no Overall")


def columns(value: str, weights: dict[str, float], digits: int) -> tuple[SuiteColumn, ...]:
    """Return the columns of WISE's table: the weighted mean of six categories, then each category."""
    levels = (Level(("category",), tuple(weights)), Level(weights=weights))
    overall = SuiteColumn("Overall", value, levels, digits=digits)
    return (overall, *(SuiteColumn(name, value, where={"category": (name,)}, digits=digits) for name in weights))


SUITE = Suite(
    name="wise",
    about="WISE's table, verified edition: the share of generated images that a judge finds right, 0 to 1, in six "
    "categories, which the prompt_id tells (culture 1 to 400, then 120 each). Overall is their mean with the weights "
    "0.4 and 5 x 0.12. The images are edited images without a source, called ID.png; the prompt is the data's Prompt, "
    "and Explanation a column as it is. The first edition, whose prompts are others, is the suite wise-legacy.",
    source=SuiteSource(
        "Niu et al., WISE, 2025, arXiv:2503.07265",
        "PKU-YuanGroup/WISE",
        "eb51174483a5de2e34e8614cf9dfb3319ee7fcd0",
        {
            "vllm_eval.py": "e6c51c2ae81e4eb0465755b248cbcefeef3fb8340e281bb3ac43ea9689e32192",
            "calculate_verified.py": "384cae62f42665671617d34bf5fd0eb46741e778398763c7dbb28569d0603065",
            "data_verified/merge.json": "10f2690624ed8f03f21bd3e9c535e26f791da8bab67ac857903bede65985b82d",
        },
        read_on="2026-11-30",
    ),
    needs=frozenset({"edited", "prompt"}),
    fields=(RowField("category", ("prompt_id",), tuple(CATEGORIES), numbered=CATEGORIES),),
    judges=(
        SuiteJudge(
            "Q",
            "Qwen3.5-35B-A3B",
            "Qwen3.5-35B-A3B",
            "Qwen3.5-35B-A3B",
            (
                Ask(
                    "score",
                    (QUESTION, SHOWN),
                    binary_score("score"),
                    as_binary_script,
                    0,
                    1,
                    system=SystemText(SYSTEM, listed=True),
                ),
            ),
            Sampling(temperature=0, max_tokens=500, extra={"chat_template_kwargs": {"enable_thinking": False}}),
            weights="Qwen/Qwen3.5-35B-A3B",
        ),
    ),
    values=(Dimension("score", low=0, high=1, primary=True, description="the image shows what is meant"),),
    failure=FAILURE,
    tables=(TableLayout("", columns("score", WEIGHTS, 4), (RowBlock("Verified", rows=1000),)),),
    rows=1000,
    differences=(
        INCOMPLETE,
        ProtocolDifference(
            "reading an answer",
            "the first 0 or 1 after 'Score' (of 0.5 the 0), or the only line with one",
            "one number after 'Score', 0 or 1, or nothing but the digit",
            "answers that only the script would read are counted under the table",
        ),
        MISSING,
    ),
    unchecked="the judge; images",
)
