"""The suite of KRIS-Bench: three or four scores a sample, averages weighted by samples over seven types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from statistics import fmean

from ..judge import Encoding
from ..sample import Dimension
from .answers import as_dual_script, as_keyed_script, keyed_scores
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
    TableLayout,
)
from .shown import ShowEach, ShowFrames

TYPES: dict[str, tuple[str, ...]] = {
    "attribute": ("count_change", "color_change", "size_adjustment", "part_completion", "anomaly_correction"),
    "spatial": ("viewpoint_change", "position_movement"),
    "temporal": ("temporal_prediction",),
    "social": ("humanities", "practical_knowledge"),
    "natural": ("biology", "chemistry", "geography", "medicine", "mathematics", "physics"),
    "logical": ("abstract_reasoning", "rule-based_reasoning"),
    "decomposition": ("multi-element_composition", "multi-instruction_execution"),
}
CATEGORIES = tuple(category for categories in TYPES.values() for category in categories)
SAMPLES = dict.fromkeys(CATEGORIES, 75) | {
    "color_change": 50, "count_change": 50, "size_adjustment": 50, "part_completion": 50, "viewpoint_change": 50,
    "position_movement": 50, "temporal_prediction": 74, "practical_knowledge": 50, "biology": 68, "medicine": 50,
    "mathematics": 50,
}  # fmt: skip
"""Samples of each category: 1,267 in all. They are the weights of the authors' averages."""

WITH_KNOWLEDGE = ("social", "natural", "logical")
KNOWLEDGE = tuple(category for name in WITH_KNOWLEDGE for category in TYPES[name])
SCORES = {name: count * (4 if name in KNOWLEDGE else 3) for name, count in SAMPLES.items()}
"""Scores of each category, which are the weights of Bagel's averages."""

TEMPORAL, ELEMENTS = ("temporal_prediction",), ("multi-element_composition",)
VIEW = ("viewpoint_change",)
COMMON = tuple(one for one in CATEGORIES if one not in (*KNOWLEDGE, *TEMPORAL, *ELEMENTS, *VIEW))

PROMPTS = "eval/gen/kris/prompts.py"
SHA256 = {
    "prompt_consist": "d4eed281e816dd4ec94bb79777bf2ffd14cd2258a86f95d3524f44161d860c14",
    "prompt_quality": "e4dd2bffe1e0db4489faeab14dbfd9df9779dbbfb10f4f26f899a55a3b225cac",
    "prompt_instruction_following": "7230580658d5411849859a3dabb3cd143881ac7e1a1343c6b34f21091a6dddf3",
    "prompt_view_instruction_following": "ec2d29e6f3c93eabcfdbf77920a29d4e2a233011ee98eb5b81e7874895bdd8f2",
    "prompt_dual_evaluation": "521866619f71b5268d097d7ec0e8f64b1d5e99770359f51936f75a00b3950564",
    "prompt_consist_temporal": "6cc203d16ac510cf1979484050af597290064bd9eca639803c2733e59b5136c9",
    "prompt_instruction_temporal": "8a96dbf10e506cccc4b0fc4783a5ab2f46a40249f987feae0df34cef957737f7",
    "prompt_consist_multi": "9b6f3b5bd3c569ef559fbcdfb6459f3d7199a179f0cee2763f5f9ab29280d1dd",
    "prompt_instruction_multi": "9a5c3a142e5fa88f7dbc128bea7d85e5095e12fc3e8c1426654d1fe314f2e55e",
}
RAW = Encoding("bytes", mime="image/jpeg")
"""The file as it is, called a JPEG, as many sources are not."""

ORIGINAL = ("This is the original image:", Show("source", RAW))
EDITED = ("This is the edited image:", Show("edited", RAW))
TRUTH = ("This is the ground truth image:", Show("reference", RAW))
FRAME_ENCODING = Encoding("jpeg", quality=85, subsampling="4:2:0")
FRAMES = ShowFrames("source", FRAME_ENCODING, captions=("Frame {number} (Reference):", "Frame {number} (Generated):"))
PARTS = (ShowEach("source", RAW, caption="Reference Image {number}:", least=2), "Predicted Image:", Show("edited", RAW))
ALONE = "This is the image to evaluate:"
SLOTS = {"{instruct}": "prompt", "{explanation}": "explain_en", "{{": "={", "}}": "=}"}


def _ask(name: str, text: str, parts: tuple[str | Show, ...], categories: tuple[str, ...]) -> Ask:
    # a question that is sent as it stands keeps its doubled braces; one that is filled in loses them
    slots = {} if text == "prompt_quality" else SLOTS
    prompt = PromptText(text, SHA256[text], slots, file=PROMPTS, key=text)
    key = f"{name}_score"
    published = partial(as_keyed_script, key=key)
    return Ask(name, (prompt, *parts), keyed_scores({key: name}), published, 1, 5, {"category": categories})


def _asks() -> tuple[Ask, ...]:
    text = "prompt_dual_evaluation"
    dual = PromptText(text, SHA256[text], SLOTS, file=PROMPTS, key=text)
    names = {"instruction_score": "dual_instruction", "knowledge_score": "dual_knowledge"}
    asked = (*COMMON, *KNOWLEDGE, *VIEW)
    return (
        _ask("consistency", "prompt_consist", (*ORIGINAL, *EDITED), asked),
        _ask("instruction", "prompt_instruction_following", (*ORIGINAL, *EDITED), COMMON),
        _ask("instruction", "prompt_view_instruction_following", (*ORIGINAL, *EDITED, *TRUTH), VIEW),
        Ask(
            "dual",
            (dual, *ORIGINAL, *EDITED),
            keyed_scores(names),
            as_dual_script,
            1,
            5,
            {"category": KNOWLEDGE},
            tuple(names.values()),
        ),
        _ask("quality", "prompt_quality", EDITED, asked),
        _ask("consistency", "prompt_consist_multi", PARTS, ELEMENTS),
        _ask("instruction", "prompt_instruction_multi", PARTS, ELEMENTS),
        _ask("quality", "prompt_quality", (ALONE, Show("edited", RAW)), ELEMENTS),
        _ask("consistency", "prompt_consist_temporal", (FRAMES,), TEMPORAL),
        _ask("instruction", "prompt_instruction_temporal", (FRAMES,), TEMPORAL),
        _ask("quality", "prompt_quality", (ALONE, Show("edited", FRAME_ENCODING)), TEMPORAL),
    )


def numbers(values: Mapping[str, float]) -> dict[str, float]:
    """Visual consistency, visual quality, instruction following, knowledge plausibility, 0 to 100, and their mean.

    A score s from 1 to 5 counts (s - 1) * 25. Numbers are made only where every question has an answer.

    >>> numbers({"consistency": 5, "quality": 3, "instruction": 1})
    {'AVG': 50.0, 'VC': 100, 'VQ': 50, 'IF': 0}
    """
    names = {"VC": "consistency", "VQ": "quality", "IF": "instruction"}
    if "instruction" not in values:
        names |= {"IF": "dual_instruction", "KP": "dual_knowledge"}
    if not set(names.values()) <= values.keys():
        return {}
    scores = {short: (values[name] - 1) * 25 for short, name in names.items()}
    return {"AVG": fmean(scores.values()), **scores}


def _weighted(heading: str, types: tuple[str, ...], weights: Mapping[str, int]) -> SuiteColumn:
    """The mean over the categories of `types`, all of which have to be there, by their weights."""
    categories = tuple(category for name in types for category in TYPES[name])
    levels = (Level(("category",), categories), Level(weights=weights))
    return SuiteColumn(heading, "AVG", levels, {"type": types}, digits=2)


GROUPS = {
    "Factual": ("attribute", "spatial", "temporal"),
    "Conceptual": ("social", "natural"),
    "Procedural": ("logical", "decomposition"),
}
ALL_TYPES = tuple(TYPES)
TYPE_HEADINGS = dict(
    zip(
        TYPES,
        ("Attribute", "Spatial", "Temporal", "Social", "Natural", "Logical", "Instruction decomposition"),
        strict=True,
    )
)


SUITE = Suite(
    name="kris",
    about="KRIS-Bench's table: visual consistency, visual quality, instruction following and, for knowledge, its "
    "plausibility, each rescaled to 0 to 100. A sample counts with the mean of its three or four scores. The averages "
    "are weighted by samples, as in the authors' tables; the last column by scores, as in Bagel's. The prompt is the "
    "data's ins_en, explain_en a column, the reference its gt_img. Rows of several images have a list of sources "
    "(ori_img), in a csv as JSON; those of temporal_prediction are called by their frames, as in the data (7-3.png), "
    "or the column frame has the number of the edited one.",
    source=SuiteSource(
        "Wu et al., KRIS-Bench, 2025, arXiv:2505.16707; github.com/mercurystraw/Kris_Bench, as in Bagel's copy",
        "ByteDance-Seed/Bagel",
        "056b5fd51a88c1eb4547318609e25d40080fcf87",
        {
            PROMPTS: "5c4efd450ffcc85c4088d5d6966df24e1d9f56ac8c17a10d04f65893cc915a45",
            "eval/gen/kris/summarize.py": "b6998b4c9d683f9d307d56bf51cde12ebb834345023aefc0738dbd58795bbaab",
            "eval/gen/kris/final_data.json": "ce608b8af49cccc79ddb83ff847c178c079427fc92109e4046828e5dcb2d6134",
        },
        code_licence="Apache-2.0",
        prompt_licence="Apache-2.0, by the headers of Bagel's copy",
        data_licence="on the card of Liang0223/KRIS_Bench",
        read_on="2026-11-30",
    ),
    needs=frozenset({"source", "edited", "prompt"}),
    headings={"source": ("ori_img",), "prompt": ("ins_en",), "reference": ("gt_img",)},
    fields=(
        RowField("category", ("category", "type"), CATEGORIES),
        RowField("type", ("category", "type"), ALL_TYPES, {one: name for name, own in TYPES.items() for one in own}),
    ),
    judges=(
        SuiteJudge(
            "G",
            "GPT-4o",
            "gpt-4o",
            "gpt-4o-2024-11-20",
            _asks(),
            Sampling(max_tokens=1000),
            variants={"published": "gpt-4o", "bagel": "gpt-4o-2024-11-20"},
            most=(1267 * 3, 1118 * 5 + 50 + 149 * 9),
        ),
    ),
    values=(
        Dimension("AVG", low=0, high=100, primary=True, description="the mean of the sample's scores"),
        Dimension("VC", low=0, high=100, description="visual consistency"),
        Dimension("VQ", low=0, high=100, description="visual quality"),
        Dimension("IF", low=0, high=100, description="instruction following"),
        Dimension("KP", low=0, high=100, description="knowledge plausibility; of knowledge samples", optional=True),
    ),
    derive=numbers,
    failure=FailureRule("leaves the sample out, or takes the first lone digit from 1 to 5 in the answer"),
    tables=(
        TableLayout(
            "",
            (
                *(_weighted(TYPE_HEADINGS[name], (name,), SAMPLES) for name in TYPES),
                *(_weighted(heading, types, SAMPLES) for heading, types in GROUPS.items()),
                _weighted("Overall", ALL_TYPES, SAMPLES),
                _weighted("Overall, scores", ALL_TYPES, SCORES),
            ),
            (RowBlock("All", rows=1267),),
        ),
        TableLayout(
            "By score",
            tuple(SuiteColumn(name, name, digits=2) for name in ("VC", "VQ", "IF", "KP")),
            tuple(
                RowBlock(TYPE_HEADINGS[name], {"type": (name,)}, sum(SAMPLES[one] for one in own))
                for name, own in TYPES.items()
            ),
        ),
    ),
    rows=1267,
    differences=(
        ProtocolDifference("stream", "sent as false, which is the endpoint's default", "not sent", "none"),
        ProtocolDifference(
            "frames with transparency or an orientation mark (EXIF)",
            "the alpha channel and the mark are dropped",
            "are laid on white and turned",
            "none for others",
        ),
        ProtocolDifference(
            "sources of temporal_prediction whose names have no numbers",
            "the edited frame is taken for the last one, or the script stops",
            "the column frame has its number, or the row is skipped",
            "none with the data's own names",
        ),
        ProtocolDifference(
            "models that take one image",
            "a type without any score has no cell; some have printed 0",
            "its cell is empty, and with it Factual, Procedural and Overall",
            "none",
        ),
        ProtocolDifference(
            "viewpoint_change",
            "the authors' script never shows the ground truth, by a slip; Bagel's does",
            "shows it",
            "unknown",
        ),
        ProtocolDifference(
            "the caption of the image that is rated for quality",
            "'the edited image' in the authors' script; 'the original image' for seven categories in Bagel's",
            "'This is the edited image:'",
            "unknown",
        ),
        ProtocolDifference(
            "reading an answer",
            "JSON, else a named score, else the first lone digit from 1 to 5 anywhere, such as that of a list",
            "one number from 1 to 5 after the name of the score",
            "answers that only the script would read are counted under the table",
        ),
        ProtocolDifference(
            "a missing image", "its row is dropped with a line in a log", "is named before the run", "none"
        ),
    ),
    unchecked="the authors' repository as a whole (its scripts were read file by file) and the data on the hub",
)
