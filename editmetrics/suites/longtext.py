"""The suite of LongText-Bench: how many words of the asked text a model reads in an image, pooled over images."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from .row_judge import RowJudge, RowQuestions, key_of
from .rows import fields_of

if TYPE_CHECKING:
    from ..judge import Answer

FILES = {"en": "textbench/text_prompts.jsonl", "zh": "textbench/text_prompts_zh.jsonl"}
ACCENTED = "àâäéèêëîïôöùûüç"
KEPT = "\u4e00-\u9fa5a-zA-Z0-9" + ACCENTED + ACCENTED.upper()
NO_TEXT = "No text recognized"
INVENTED = "addCriterion"
"""What the model is known to write into its answers by itself."""

RATIOS = ("text", "corrected")

READ_TEXT = PromptText(
    "to read",
    "10c070ac876c07e1280492dae0c3dffa453bda1fcb9bb3e03f57e7c573fa3714",
    {},
    "Recognize the text in the image, only reply with the text content, but avoid repeating previously mentioned "
    f"content. If no text is recognized, please reply with '{NO_TEXT}'.",
)


@dataclass(frozen=True)
class WantedText:
    """The text that an image should show, and its language: en or zh."""

    text: str
    language: str


def units(text: str, language: str) -> list[str]:
    """Return what is counted in a text: lower-case words of English, characters of Chinese; without punctuation.

    >>> units("Open 24/7, café!", "en"), units("营业 24 小时。", "zh")
    (['open', '247', 'café'], ['营', '业', '2', '4', '小', '时'])
    """
    kept = re.sub(rf"[^{KEPT}\s]", "", text)
    return list("".join(kept.split())) if language == "zh" else kept.lower().split()


def matched(wanted: WantedText, answer: str) -> tuple[int, int]:
    """Return how many units of the wanted text an answer has, each as often as there, and how many are wanted.

    >>> matched(WantedText("the cat and the dog", "en"), "The dog, the cat, the mouse")
    (4, 5)
    """
    units_wanted = Counter(units(wanted.text, wanted.language))
    both = units_wanted & Counter(units(answer, wanted.language))
    return both.total(), units_wanted.total()


def as_script_cleans(answer: str) -> str:
    """Return an answer as the published script cleans it, which starts anew for each keyword and keeps the last.

    >>> as_script_cleans("addCriterion No text recognized.")
    'addCriterion '
    """
    return answer.replace(f"{NO_TEXT}.", "")


def cleaned(answer: str) -> str:
    """Return an answer without the words that are the model's own, as the script means to.

    >>> cleaned("addCriterion SALE No text recognized")
    ' SALE '
    """
    return re.sub(rf"{INVENTED}|{NO_TEXT}\.?", "", answer)


class TextRecall(RowJudge):
    """Recall of an image's wanted text: the share of its words (Chinese: characters) that a model reads, 0 to 1.

    recall = |wanted and read, as multisets| / |wanted|. Words that nobody asked for cost nothing, and order is not
    looked at. `text` is by the published cleaning of answers, `corrected` by the one that its script means.

    Source: Geng et al., X-Omni, 2025, arXiv:2507.22058; its textbench.

    >>> from editmetrics.suites.judged import suite_metric
    >>> suite_metric("longtext:repository=X-Omni").backbone
    'Qwen/Qwen2.5-VL-7B-Instruct'
    """

    def read_rows(self, files: Mapping[str, bytes]) -> dict[tuple[str, int], WantedText]:
        rows = {}
        for language, file in FILES.items():
            for line in files[file].decode().splitlines():
                row: dict[str, Any] = json.loads(line)
                rows[language, row["prompt_id"]] = WantedText(" ".join(row["text"]), language)
        return rows

    def row_key(self, sample: Sample) -> str:
        number = key_of(sample, ("prompt_id",)).split("_")[0]
        return f"{fields_of(self.definition, sample)['language']}/{number}"

    def row_keys(self) -> dict[str, str]:
        return {f"{language}/{number}": language for language, number in self.rows()}

    def asked(self, sample: Sample, rows: Mapping[tuple[str, int], WantedText]) -> RowQuestions:
        language, number = self.row_key(sample).split("/", 1)
        row = rows.get((language, int(number))) if number.isdecimal() else None
        if row is None:
            raise SampleError(
                f"{key_of(sample, ('prompt_id',))!r} names no prompt of LongText-Bench; expected the prompt's number "
                f"first, from 0 to {len(rows) // 2 - 1}, as in 17.png or 17_2.png, or a column prompt_id",
                "skipped",
            )
        return RowQuestions(super(RowJudge, self).questions(sample), row)

    def scored(self, row: WantedText, answers: Mapping[str, Answer]) -> Score:
        answer = answers["text"]
        try:
            text = answer.required()
        except SampleError as error:
            details: dict[str, Any] = {"unread": {"text": error.status}}
            if error.status != "unavailable":
                total = len(units(row.text, row.language))
                details["script_ratios"] = dict.fromkeys(RATIOS, (0, total))
            return Score.unscored(error.status, str(error), details=details)
        counts = {"text": matched(row, as_script_cleans(text)), "corrected": matched(row, cleaned(text))}
        values = {name: hits / total for name, (hits, total) in counts.items()}
        return Score(values, explanation=text, details={"ratios": counts})


SUITE = Suite(
    name="longtext",
    about="LongText-Bench's table: the words (Chinese: characters) of the asked text that Qwen2.5-VL-7B reads in an "
    "image, by all that were asked for, over all images together. The edited image is the generated one; its file is "
    "called by the prompt's number, 17.png or 17_2.png. Words that nobody asked for cost nothing.",
    source=SuiteSource(
        "Geng et al., X-Omni, 2025, arXiv:2507.22058",
        "X-Omni-Team/X-Omni",
        "2b8237bb3789638c290eeda3e83ed81bd3652c3b",
        {
            FILES["en"]: "a2130769e72bd8560470a066114cdac87f80f1eb071ba6bc0f7033225a9be0d8",
            FILES["zh"]: "6512cd121ac093e8113e114d76eb2c0ce967c220b18e2049e1063554ce496758",
            "textbench/evaluate_text_reward.py": "5e3cb4cd398bd6cbb965d3a01a200552242770c7c6f9e3ff81fb255cefa6b28c",
            "textbench/summary_scores.py": "f12fc9c6e771388931c96a15bdb6e389c576a6f75e376c5c4ab80c3dd2369aa5",
        },
        code_licence="Apache-2.0",
        prompt_licence="Apache-2.0",
        data_licence="Apache-2.0",
        read_on="2026-11-30",
    ),
    needs=frozenset({"edited"}),
    fields=(RowField("language", ("language", "mode"), ("en", "zh"), {"EN": "en", "ZH": "zh", "cn": "zh"}),),
    judges=(
        SuiteJudge(
            "Qwen",
            "Qwen2.5-VL-7B on this machine, as reader",
            "Qwen/Qwen2.5-VL-7B-Instruct",
            "Qwen/Qwen2.5-VL-7B-Instruct",
            (Ask("text", (Show("edited", Encoding("bytes")), READ_TEXT), with_its_row, lambda text: None, 0, 1),),
            Sampling(max_tokens=1024),
            weights="Qwen/Qwen2.5-VL-7B-Instruct",
            local=True,
        ),
    ),
    metric=TextRecall,
    values=(
        Dimension("text", low=0, high=1, primary=True, description="recall of the wanted text, cleaned as published"),
        Dimension("corrected", low=0, high=1, description="recall with every word of the model's own taken out"),
    ),
    ratios=RATIOS,
    data=tuple(FILES.values()),
    failure=FailureRule("counts it as a text without any word"),
    tables=(
        TableLayout(
            "",
            (
                SuiteColumn("Text Score", "text", digits=4, pooled=True),
                SuiteColumn("corrected", "corrected", digits=4, pooled=True),
            ),
            (RowBlock("EN", {"language": ("en",)}, 160), RowBlock("ZH", {"language": ("zh",)}, 160)),
        ),
    ),
    rows=320,
    differences=(
        ProtocolDifference(
            "repetition penalty and temperature",
            "those of the checkpoint's generation settings: 1.05, and next to 0",
            "none, and 0, on this machine; an endpoint's own",
            "an answer may repeat itself",
        ),
        ProtocolDifference(
            "words of the model's own",
            "of two that are meant to be taken out of an answer, the script takes the last, if a full stop follows it",
            "so does Text Score; corrected takes out both, with and without the full stop",
            "none but where the asked text has such words",
        ),
        ProtocolDifference(
            "a prompt without an image", "is absent from both sums, without a word", "is so, and counted", "none"
        ),
    ),
    unchecked="the model itself",
)
