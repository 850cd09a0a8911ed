"""The suite of GEdit-Bench: VIEScore's questions to GPT-4.1 (G) and to Qwen2.5-VL-72B (Q), means of eleven tasks."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from ..judge import Encoding
from ..plugins.vie_score.prompts import PERCEPTUAL_QUALITY, SEMANTIC_CONSISTENCY
from ..sample import Dimension
from .answers import as_viescore_script, viescore_rating
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

TASKS = (
    "background_change", "color_alter", "material_alter", "motion_change", "ps_human", "style_change", "subject-add",
    "subject-remove", "subject-replace", "text_change", "tone_transfer",
)  # fmt: skip
LANGUAGES = {"en": "English", "cn": "Chinese"}
PER_TASK = dict(zip(TASKS, (40, 40, 40, 40, 70, 60, 60, 57, 60, 99, 40), strict=True))
"""Rows of each task in one language: 606 in all."""

SC_TEXT = PromptText(
    "SC",
    "8f529562c2f89f8db51a3f7cc4d487686f676909c21010b67b0e65ec78150de5",
    {"<instruction>": "prompt"},
    SEMANTIC_CONSISTENCY,
)
PQ_TEXT = PromptText("PQ", "2473ff2c7406e06545c5c039ceb039ff2604ebacf150868a48f0bf07c9e733b0", {}, PERCEPTUAL_QUALITY)


def _asks(encoding: Encoding, *, text_first: bool) -> tuple[Ask, ...]:
    """The two questions: about source and edited image, and about the edited one alone, scaled to the source's size."""
    source, edited = Show("source", encoding), Show("edited", encoding, size="source")
    consistency = (SC_TEXT, source, edited) if text_first else (source, edited, SC_TEXT)
    quality = (PQ_TEXT, edited) if text_first else (edited, PQ_TEXT)
    return (
        Ask("SC", consistency, viescore_rating("SC"), as_viescore_script, 0, 10),
        Ask("PQ", quality, viescore_rating("PQ"), as_viescore_script, 0, 10),
    )


def _overall(values: Mapping[str, float]) -> dict[str, float]:
    """SC, PQ, and O = sqrt(SC * PQ) where both are there."""
    both = {"O": math.sqrt(values["SC"] * values["PQ"])} if "SC" in values and "PQ" in values else {}
    return {**both, **values}


def _advise(path: str) -> str | None:
    if os.path.splitext(path)[0].endswith("_SRCIMG"):
        return (
            f"{path} is the source as the benchmark's script saves it beside each edit, and would be judged as the "
            "edit; pair KEY.png with KEY_SRCIMG.png: --pair-by '{id}_SRCIMG,{id}'"
        )
    return None


MACRO = (Level(("task",), TASKS), Level())
BLOCKS = tuple(
    RowBlock(
        f"{'Full set' if full else 'Intersection subset'}, {words}",
        {"language": (language,)} | ({} if full else {"intersection": ("yes",)}),
        606 if full else None,
    )
    for full in (True, False)
    for language, words in LANGUAGES.items()
)
TASK_BLOCKS = tuple(
    RowBlock(f"{task}, {words}", {"language": (language,), "task": (task,)}, PER_TASK[task])
    for language, words in LANGUAGES.items()
    for task in TASKS
)

SUITE = Suite(
    name="gedit",
    about="GEdit-Bench's table: VIEScore's semantic consistency (SC), perceptual quality (PQ) and overall score "
    "(O = sqrt(SC * PQ) of each sample), 0 to 10, the mean of eleven task means, for English and Chinese, the full set "
    "and the intersection subset. The source is the data set's input_image (not input_image_raw), the prompt its "
    "instruction.",
    source=SuiteSource(
        "Liu et al., Step1X-Edit, 2025, arXiv:2504.17761",
        "stepfun-ai/Step1X-Edit",
        "570eba6ebda0c45c013983a483afbf2fd12bfcbc",
        {
            "GEdit-Bench/calculate_statistics.py": "efafcdf8815e98b9169afda3f60a2cd8c65b2de19e48454403f734e1c95e5429",
            "GEdit-Bench/test_gedit_score.py": "ec5cf01dfa26e24bcca7724d1707a643ad712449c5b74bfa682b808a7bf570cb",
            "GEdit-Bench/viescore/__init__.py": "9c76b449b72be9653e7267c8d192f2de150764535b3940581dbd63aabfa93e85",
            "GEdit-Bench/viescore/utils.py": "5dca6087febf309207df9ac100b86692662310f0cc0825161d9c985189070de1",
            "GEdit-Bench/viescore/vie_prompts.py": "010234af186eb0a70fcb99047cd32ad1da01bed59ca1a95a01335426417cf838",
            "GEdit-Bench/viescore/mllm_tools/openai.py": (
                "ec09c52bc1ee4801431d59e86f24cd2537a4a544aa5eabfbf67c2e3e445c4d17"
            ),
            "GEdit-Bench/viescore/mllm_tools/qwen25vl_eval.py": (
                "d1a967638fcff6def4f8714f115f3d5ec71899ee81a540c3cd6b81d9d6b4b575"
            ),
        },
        code_licence="Apache-2.0",
        prompt_licence="MIT (VIEScore)",
        data_licence="on the card of stepfun-ai/GEdit-Bench",
        read_on="2026-11-30",
    ),
    needs=frozenset({"source", "edited", "prompt"}),
    fields=(
        RowField("task", ("task_type", "task"), TASKS),
        RowField("language", ("instruction_language", "language"), tuple(LANGUAGES), {"zh": "cn"}),
        RowField(
            "intersection", ("Intersection_exist", "intersection_exist", "intersection"), ("yes", "no"), needed=False
        ),
    ),
    judges=(
        SuiteJudge(
            "G",
            "GPT-4.1",
            "gpt-4.1",
            "gpt-4.1-2025-04-14",
            _asks(Encoding("jpeg", quality=75, subsampling="4:2:0"), text_first=True),
            Sampling(max_tokens=1400),
            variants={"published": "gpt-4.1", "bagel": "gpt-4.1-2025-04-14"},
        ),
        SuiteJudge(
            "Q",
            "Qwen2.5-VL-72B",
            "Qwen/Qwen2.5-VL-72B-Instruct-AWQ",
            "Qwen/Qwen2.5-VL-72B-Instruct-AWQ",
            _asks(Encoding("png"), text_first=False),
            Sampling(temperature=0, max_tokens=512, seed=42),
            weights="Qwen/Qwen2.5-VL-72B-Instruct-AWQ",
        ),
    ),
    values=(
        Dimension("O", low=0, high=10, primary=True, description="sqrt(SC * PQ)"),
        Dimension("SC", low=0, high=10, description="the instruction is followed, no more is changed"),
        Dimension("PQ", low=0, high=10, description="the image is natural and free from artifacts"),
    ),
    derive=_overall,
    failure=FailureRule("asks once more, then puts a random integer from 0 to 10 in its place", tuple(range(11))),
    tables=(
        TableLayout("", tuple(SuiteColumn(f"{{judge}}_{name}", name, MACRO) for name in ("SC", "PQ", "O")), BLOCKS),
        TableLayout("By task", tuple(SuiteColumn(name, name) for name in ("SC", "PQ", "O")), TASK_BLOCKS),
    ),
    rows=1212,
    differences=(
        ProtocolDifference(
            "an answer without scores",
            "is asked for once more, both questions; then a random integer from 0 to 10 takes its place, and an answer "
            "with braces that cannot be repaired is asked for without end",
            "gives no number; the sample is left out, counted and named",
            "printed with the table, as the range that the guess may take",
        ),
        ProtocolDifference(
            "reading an answer",
            "any length and any size of the list of scores; some broken JSON is mended",
            "two scores from 0 to 10; broken JSON is mended where that changes no word and no number",
            "answers that only the script would read are counted under the table; some that it would guess are read",
        ),
        ProtocolDifference("a missing image", "its row is dropped silently", "is named before the run", "none"),
        ProtocolDifference(
            "transparent images", "the alpha channel is dropped", "are laid on white", "none for opaque images"
        ),
        ProtocolDifference(
            "orientation marks (EXIF) of the edited image",
            "the image is scaled to the source's stored size before it is turned",
            "every image is turned first",
            "none for images without the mark, as are all of the benchmark's",
        ),
        ProtocolDifference(
            "the engine",
            "transformers in the same process, float16, chat template with its default system prompt",
            "an endpoint, or a model on this machine, with its own numerics and template",
            "small; unknown",
            judge="Q",
        ),
        ProtocolDifference(
            "repetition penalty",
            "that of the checkpoint's generation settings",
            "not sent; vLLM takes it over from the checkpoint by itself, other servers may not",
            judge="Q",
        ),
        ProtocolDifference(
            "PNG compression",
            "level 6, the source in its own colour mode",
            "level 1, RGB",
            "none: the same pixels",
            judge="Q",
        ),
    ),
    unchecked="the rows on the hub and the sizes of the intersection subset; the published Q numbers, which need the "
    "72B judge",
    advise=_advise,
)
