"""The suite of ImgEdit-Bench (basic): one question for each edit type, three scores from 1 to 5."""

from __future__ import annotations

from ..judge import Encoding
from ..sample import Dimension
from .answers import as_lines_script, named_lines
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

PROMPTS = "Benchmark/Basic/prompts.json"
SHA256 = {
    "add": "8a653823ed9563864fc4f733b7049eb53fcdad8f1616111f77b3c8d4aceefcbf",
    "adjust": "34c3ca70a7a6bd4e729d5b6ca3f6bab552eb723eef58bac6607555659b7f7fe7",
    "extract": "38bdeafbac4ea4f9b53f42d1b4709c4b714d5771025e3716271dcf29b9f126ff",
    "replace": "113cba9c7b7ef0b6aec3db2ab1c5172e69b624dc6ab33417c95dce41e8ed374d",
    "remove": "ce82586c25f5e8cbe81ef5d2088b14c07ae9a672e2fc6a8ad7bf33692fcd73bf",
    "background": "9bfce039169b23d6eadce6314201a9a8c6fa82c12f6162da5554929907e7192d",
    "style": "0b84dfc09fc4a7233efcbec61b4d8b23039068dfffee531bb3fb47b6004629c3",
    "compose": "16f4f72a0d8db2e554a4c8db88d859b31e0d90d6ed594292622baefe408aa7cf",
    "action": "2dfb82168c6e86c9996bcd43076ec0dbc74eb1113e43a0d2cc273dec62cd674b",
}
"""The SHA-256 of each edit type's question, in the order of the paper's table."""

HEADINGS = {name: name.capitalize() for name in SHA256} | {"compose": "Hybrid"}
TYPES = tuple(SHA256)

AS_IS = Encoding("bytes", mime="image/png")
"""The file as it is, called a PNG, as most sources are not."""

QUESTION = PromptChoice(
    "type",
    {
        name: PromptText(name, digest, {"<edit_prompt>": "prompt"}, file=PROMPTS, key=name)
        for name, digest in SHA256.items()
    },
)
ASKS = (
    Ask(
        "score",
        (QUESTION, Show("source", AS_IS), Show("edited", AS_IS)),
        named_lines("score", 3, 1, 5),
        as_lines_script,
        1,
        5,
    ),
)
TYPE_MEAN = Level(("type",), TYPES, digits=2)

SOURCE = SuiteSource(
    "Ye et al., ImgEdit, 2025, arXiv:2505.20275",
    "PKU-YuanGroup/ImgEdit",
    "547185d12c08267a862b94248576e1746e479937",
    {
        "Benchmark/Basic/basic_bench.py": "e8d5fe611a9540e147ee937cebca63dbf8d5133163e4a7620d9818dbaa07b72b",
        "Benchmark/Basic/basic_edit.json": "5ee9b7d61e918692416f79896300f738598c83adff8de737b25be4aaff72dc69",
        PROMPTS: "f9468dc848776ee0a6c2e2c31e678c7224e9cb61b013747c8c52d4a05627b5a0",
        "Benchmark/Basic/step1_get_avgscore.py": "cf7edd6e0e4c67d55901c7bff780819f84a28c6162f231fb0fa5381526c8e8b9",
        "Benchmark/Basic/step2_typescore.py": "85919945fa099f68c90b37fdc86eb153aca603c3e5383020b33a630365b66fc1",
        "Benchmark/UGE/UGE_bench.py": "f179b88b5f46d8acc2736d38af1ad4e0570a3d2d30148ca3ea02bf85f2960391",
        "Benchmark/UGE/UGE_edit.json": "807817d8765f8fc45397be9afbf638b00fad91e37c1d44fabd5103df73074d16",
        "Benchmark/UGE/get_average_score.py": "b722132f2430a9c8988b452e1a674ad2ac5cd000ff531bb8a77a904618690074",
    },
    data_licence="on the card of sysuyy/ImgEdit",
    read_on="2026-11-30",
)

GPT_VARIANTS = {"script": "gpt-4o", "bagel": "gpt-4o-2024-11-20", "published": "gpt-4.1"}

DROPPED = FailureRule("leaves the sample out without a word, or takes what lines it can read")

SHARED_DIFFERENCES = (
    ProtocolDifference(
        "the judge",
        "GPT-4.1 in the paper's table, gpt-4o in the script, neither dated",
        "the dated model of the paper's; variant=script, variant=bagel or model=NAME asks another",
        "numbers of different judges do not compare",
        judge="G",
    ),
    ProtocolDifference("stream", "sent as false, which is the endpoint's default", "not sent", "none"),
    ProtocolDifference(
        "an answer without scores",
        "the sample is left out silently; an error of the endpoint stops the whole file",
        "the sample is left out, counted and named",
        "none on the mean",
    ),
    ProtocolDifference(
        "a missing image",
        "an error in place of the answer, which stops the whole file",
        "is named before the run",
        "none",
    ),
    ProtocolDifference(
        "the engine",
        "transformers in the same process, bfloat16, images scaled to 1.02 to 1.35 million pixels",
        "an endpoint or a model on this machine: set min_pixels=1016064 and max_pixels=1354752 there",
        "large where the limits are not set",
        judge="J",
    ),
)

JUDGES = (
    SuiteJudge("G", "GPT-4.1", "gpt-4o", "gpt-4.1-2025-04-14", ASKS, variants=GPT_VARIANTS),
    SuiteJudge(
        "J",
        "ImgEdit-Judge, a fine-tuned Qwen2.5-VL-7B",
        "ImgEdit_Judge",
        "ImgEdit_Judge",
        ASKS,
        Sampling(max_tokens=2048),
        weights="sysuyy/ImgEdit (a data set), folder ImgEdit_Judge",
    ),
)

SUITE = Suite(
    name="imgedit",
    about="ImgEdit-Bench's basic table: for each of nine edit types the mean of three scores, 1 to 5. Overall is the "
    "mean of the nine types, as in most published rows; the last column is the mean over samples, as in others. The "
    "prompt is the one of the official basic_edit.json: forks of it ship 57 other prompts under the same name.",
    source=SOURCE,
    needs=frozenset({"source", "edited", "prompt"}),
    fields=(RowField("type", ("edit_type", "type"), TYPES, {"alter": "adjust", "hybrid": "compose"}),),
    judges=JUDGES,
    values=(Dimension("score", low=1, high=5, primary=True, description="the mean of three scores"),),
    failure=DROPPED,
    tables=(
        TableLayout(
            "",
            (
                *(
                    SuiteColumn(heading, "score", (Level(digits=2),), {"type": (name,)}, digits=2)
                    for name, heading in HEADINGS.items()
                ),
                SuiteColumn("Overall", "score", (TYPE_MEAN, Level(digits=2)), digits=2),
                SuiteColumn("Overall, samples", "score", (Level(digits=2),), digits=2),
            ),
            (RowBlock("Basic", rows=737),),
        ),
    ),
    rows=737,
    differences=(
        *SHARED_DIFFERENCES,
        ProtocolDifference(
            "reading an answer",
            "any number of lines 'Name: digits', of any size",
            "three lines, each from 1 to 5",
            "answers that only the script would read are counted under the table",
        ),
    ),
    unchecked="the images; ImgEdit-Judge",
)
