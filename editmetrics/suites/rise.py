"""The suite of RISEBench: up to three questions a sample, and the share of samples that are right in all of them."""

from __future__ import annotations

from collections.abc import Mapping

from ..judge import Encoding
from ..sample import Dimension
from .answers import as_final_score_script, final_score
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

CATEGORIES = {
    "temporal_reasoning": ("Temporal", 85),
    "causal_reasoning": ("Causal", 90),
    "spatial_reasoning": ("Spatial", 100),
    "logical_reasoning": ("Logical", 85),
}
SHA256 = {
    "prompt_consist": "84b272d821670cd2466866e27d80bed659dc677964a62a2c1459ad673c4eaf70",
    "prompt_reasoning": "2a1a3394442065a25958b03047158bf670dbb0c771c5d9a7d299cdc02eb0c25b",
    "prompt_reasoning_w_input": "b781425c015b41a646eae87dea188b871f89a4749a8911281e1e3ac52f050cd0",
    "prompt_generation": "2d607960deffa2e1b5178bfbf9f06c865654ddbe35b249caa9e59c616ff6c916",
    "prompt_spatial_ref": "df84b77e28183eddb0e822170970bec0a85302844ffae3c4a0effde7ada5279b",
    "prompt_spatial_ref_img": "4e043b8e696d40a4be73538134b4182dc5a87a354e5878983c943a536e22e25d",
    "prompt_spatial_ref_w_input": "444d3a201c30fb2fe2a88e48aca355c4f075f655c2edc4ae50a6e1fb263c668d",
    "prompt_spatial_qual": "3bead46a4b0bcf295700caec5c116809dd72d4a03a750f7bb9da3e2563123c80",
    "prompt_spatial_cons": "b20ca629d36da9cf2fa591ef3c1dd5909177b4d245172479345d6fa137c4c55e",
    "prompt_logical_cons_ans": "28a6dd5a2e714acf681455acbf8dc01491559ecdcc54523e50a382d1c4689aaf",
    "prompt_logical_cons": "49b6870dfb1b4cb64e303d27845794e403d48ef877b85178fea9c48a425475c1",
    "prompt_logical_txt": "6719763c72ab8ef9e015ed4efe3ef96c4cd01c0c2cda8457cad1a91ac69eb956",
    "prompt_logical_img_wo_q": "8cd49d5335cd303c810affa011b21dcd1416fcbb76df00f175ee3af949dcaa8d",
}
SLOTS = {"{instruct}": "prompt", "{reference}": "reference_text"}
LOGICAL_SLOTS = {"{instruct}": "prompt", "{reference}": "reference_txt"}
AS_SHOWN = Encoding("jpeg", quality=75, subsampling="4:2:0", detail="high")
BEFORE = Show("source", AS_SHOWN, "thumbnail", 768)
AFTER = Show("edited", AS_SHOWN, "thumbnail", 768)
TARGET = Show("reference", AS_SHOWN, "thumbnail", 768)
TIMELY = ("temporal_reasoning", "causal_reasoning")
SPATIAL, LOGICAL = ("spatial_reasoning",), ("logical_reasoning",)
YES, NO = ("yes",), ("no",)
Where = Mapping[str, tuple[str, ...]]


def _ask(name: str, text: str, shown: tuple[Show, ...], when: Where, *, low: int = 1, high: int = 5) -> Ask:
    slots = LOGICAL_SLOTS if text.startswith("prompt_logical") else SLOTS
    prompt = PromptText(text, SHA256[text], slots, file="utils.py", key=text)
    return Ask(name, (prompt, *shown), final_score(name, low, high), as_final_score_script, low, high, when)


def _reasoning(free: bool) -> list[Ask]:
    """The questions about reasoning, under a name of their own where consistency is not asked for."""
    name = "reasoning_alone" if free else "reasoning"
    timely: Where = {"category": TIMELY, "consistency_free": YES if free else NO}
    spatial: Where = {**timely, "category": SPATIAL}
    unlike: Where = {**spatial, "reference_img": NO}
    return [
        _ask(name, "prompt_reasoning", (AFTER,), {**timely, "reasoning_img": NO}),
        _ask(name, "prompt_reasoning_w_input", (BEFORE, AFTER), {**timely, "reasoning_img": YES}),
        _ask(name, "prompt_spatial_ref_img", (TARGET, AFTER), {**spatial, "reference_img": YES}),
        _ask(name, "prompt_spatial_ref_w_input", (BEFORE, AFTER), {**unlike, "reasoning_img": YES}),
        _ask(name, "prompt_spatial_ref", (AFTER,), {**unlike, "reasoning_img": NO}),
    ]


def _logical() -> list[Ask]:
    """The questions about logical samples, whose answers are 0 or 1."""
    text: Where = {"category": LOGICAL, "reference_txt": YES}
    image: Where = {"category": LOGICAL, "reference_txt": NO}
    return [
        _ask("logical_consistency", "prompt_logical_cons_ans", (BEFORE, AFTER), text, low=0, high=1),
        _ask("logical_consistency", "prompt_logical_cons", (TARGET, AFTER), image, low=0, high=1),
        _ask("logical_reasoning", "prompt_logical_txt", (AFTER,), text, low=0, high=1),
        _ask("logical_reasoning", "prompt_logical_img_wo_q", (TARGET, AFTER), image, low=0, high=1),
    ]


def _asks() -> tuple[Ask, ...]:
    bound: Where = {"consistency_free": NO}
    spatial: Where = {**bound, "category": SPATIAL}
    return (
        _ask("consistency", "prompt_consist", (BEFORE, AFTER), {**bound, "category": TIMELY}),
        _ask("consistency", "prompt_spatial_cons", (BEFORE, AFTER), {**spatial, "reference_img": NO}),
        _ask("consistency", "prompt_spatial_cons", (TARGET, AFTER), {**spatial, "reference_img": YES}),
        *_reasoning(free=False),
        *_reasoning(free=True),
        _ask("quality", "prompt_generation", (AFTER,), {"category": TIMELY}),
        _ask("quality", "prompt_spatial_qual", (AFTER,), {"category": SPATIAL}),
        *_logical(),
    )


BOUND = {"consistency": 0.3, "reasoning": 0.5, "quality": 0.2}
FREE = {"reasoning": 0.8, "quality": 0.2}
OF_LOGIC = {"consistency": 0.3, "reasoning": 0.7}
"""Weights of the score: of samples that are asked about consistency, of those that are not, and of logical ones."""


def numbers(values: Mapping[str, float]) -> dict[str, float]:
    """The numbers of a sample, which are there only where every question has an answer.

    - reasoning, consistency, quality: 1 to 5; a logical answer is 0 or 1, which counts as 1 or 5.
    - complete: whether all that were asked for are 5. complete_2025: of the scorer of May 2025, for which a sample that
      is not asked about consistency never is.
    - score: their weighted mean; half of it, but 1 at the least, where reasoning is 1. score_by_script: with the
      weights that the script takes once the data has a column consistency_free, 0.8 and 0.2 for all but logical ones.

    >>> numbers({"consistency": 3, "reasoning": 5, "quality": 5})
    {'complete': 0.0, 'complete_2025': 0.0, 'score': 4.4, 'score_by_script': 5.0, 'reasoning': 5, 'consistency': 3, \
'quality': 5}
    >>> numbers({"consistency": 5, "quality": 5})
    {}
    """
    if {"reasoning", "consistency", "quality"} <= values.keys():
        scores = {name: values[name] for name in ("reasoning", "consistency", "quality")}
        weights = BOUND
    elif {"reasoning_alone", "quality"} <= values.keys():
        scores, weights = {"reasoning": values["reasoning_alone"], "quality": values["quality"]}, FREE
    elif {"logical_consistency", "logical_reasoning"} <= values.keys():
        scores = {name: 4 * min(values[f"logical_{name}"], 1) + 1 for name in ("reasoning", "consistency")}
        weights = OF_LOGIC
    else:
        return {}
    complete = float(all(score == 5 for score in scores.values()))
    by_script = OF_LOGIC if weights is OF_LOGIC else FREE
    return {
        "complete": complete,
        "complete_2025": complete if "consistency" in scores else 0.0,
        "score": _weighted(scores, weights),
        "score_by_script": _weighted(scores, by_script),
        **scores,
    }


def _weighted(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    score = sum(weight * scores[name] for name, weight in weights.items())
    return max(score * 0.5, 1.0) if scores["reasoning"] == 1 else score


def _by_category(value: str, *, times: float, plus: float, failed: float | None) -> tuple[SuiteColumn, ...]:
    columns = [
        SuiteColumn(heading, value, where={"category": (name,)}, times=times, plus=plus, digits=1, failed=failed)
        for name, (heading, _) in CATEGORIES.items()
    ]
    return (*columns, SuiteColumn("Overall", value, times=times, plus=plus, digits=1, failed=failed))


PERCENT = (RowBlock("Percent", rows=360),)

SUITE = Suite(
    name="rise",
    about="RISEBench's table: the share of samples, in percent, that are right in reasoning, appearance consistency "
    "and visual plausibility (5 of 5 each; logical ones have no plausibility), by category and over all samples. The "
    "prompt is the instruction. The data's reference_img is the reference image and its reference the column "
    "reference_text; reference_txt, reasoning_img and consistency_free are columns as they are.",
    source=SuiteSource(
        "Zhao et al., RISEBench, 2025, arXiv:2504.02826",
        "PhoenixZ810/RISEBench",
        "5f226519b25c005bb32fb83864bbd1845ab85c23",
        {
            "gpt_eval.py": "a67c2253da860e3e0e6aa71a9187fefc3137092b645a7f70030fc07425161fe9",
            "utils.py": "c8a693294768b7ceb355d98d3bc71f40c4fe51979a2e84ffc07f829764b676a3",
            "data/data_total.json": "8c60e730429e9f18df98e200fcefb9c246a4edeec17772eb1613076af2cb90c7",
        },
        data_licence="on the card of PhoenixZ/RISEBench",
        read_on="2026-11-30",
    ),
    needs=frozenset({"source", "edited", "prompt"}),
    fields=(
        RowField("category", ("category",), tuple(CATEGORIES)),
        RowField("reference_img", ("reference",), presence=True),
        RowField("reference_txt", ("reference_txt",), presence=True),
        RowField("reasoning_img", ("reasoning_img",), presence=True),
        RowField("consistency_free", ("consistency_free",), presence=True),
    ),
    judges=(
        SuiteJudge(
            "G",
            "GPT-4.1",
            "gpt-4.1-2025-04-14",
            "gpt-4.1-2025-04-14",
            _asks(),
            Sampling(temperature=0, max_tokens=4096),
            most=(995, 1715),
        ),
    ),
    values=(
        Dimension("complete", low=0, high=1, primary=True, description="all that is asked for is 5 of 5"),
        Dimension("complete_2025", low=0, high=1, description="the same, by the scorer of May 2025"),
        Dimension("score", low=1, high=5, description="weighted mean, with the weights as they are meant"),
        Dimension("score_by_script", low=1, high=5, description="weighted mean, with the script's weights"),
        Dimension("reasoning", low=1, high=5),
        Dimension("consistency", low=1, high=5, optional=True),
        Dimension("quality", low=1, high=5, optional=True),
    ),
    derive=numbers,
    failure=FailureRule("counts the sample as not complete, and leaves it out of the other means"),
    tables=(
        TableLayout(
            "",
            _by_category("complete", times=100, plus=0, failed=0),
            (RowBlock("Accuracy, percent", rows=360),),
        ),
        TableLayout(
            "Accuracy by the scorer of May 2025",
            _by_category("complete_2025", times=100, plus=0, failed=0),
            PERCENT,
        ),
        TableLayout(
            "By question",
            (
                SuiteColumn("Instruction Reasoning", "reasoning", times=25, plus=-25, digits=1),
                SuiteColumn("Appearance Consistency", "consistency", times=25, plus=-25, digits=1),
                SuiteColumn("Visual Plausibility", "quality", times=25, plus=-25, digits=1),
            ),
            PERCENT,
        ),
        TableLayout(
            "Score",
            (
                *_by_category("score_by_script", times=25, plus=-25, failed=None),
                SuiteColumn("Overall, weights as meant", "score", times=25, plus=-25, digits=1),
            ),
            PERCENT,
        ),
    ),
    rows=360,
    differences=(
        ProtocolDifference("n", "sent as 1, which is the endpoint's default", "not sent", "none"),
        ProtocolDifference(
            "an answer without a score",
            "the sample counts as not complete, which is a number",
            "the sample is left out, counted and named",
            "printed with the table",
        ),
        ProtocolDifference(
            "reading an answer",
            "any whole number after 'Final Score'; two different ones stop the script",
            "one number from 1 to 5 (0 or 1 for logical samples)",
            "answers that only the script would read are counted under the table",
        ),
        ProtocolDifference(
            "logical samples with a reference image",
            "two texts, by whether the data has a column reasoning_wo_ins",
            "the text without the question, as with the whole data set",
            "unknown",
        ),
        ProtocolDifference(
            "the score in percent",
            "weights of 0.8 and 0.2 for all but logical samples once the data has a column consistency_free, a slip",
            "printed so, as the data has that column; Overall once more with the weights as they are meant",
            "none on the accuracy",
        ),
        ProtocolDifference(
            "images in grey or CMYK", "are sent in their own colour mode", "are sent as RGB", "none for colour images"
        ),
        ProtocolDifference("a missing image", "stops the run", "is named before the run", "none"),
    ),
    unchecked="the file of 360 rows and its extra columns, which are on the hub",
)
